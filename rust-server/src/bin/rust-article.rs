//! Behaves as the article's Rust server does: a thread per connection, one read, one write of the
//! same response whatever was asked, two prints to standard output.
//!
//! The request is printed as the article prints it: the whole buffer, though most of it is NUL.
//! Around that is only what every server here needs: a command line, an `accept` and a thread that
//! may fail, and SIGTERM, for which the standard library needs a crate (see `termination`).

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rust_server::command_line::{self, Offers, Options};
use rust_server::termination::Termination;

const VERSION: &str =
    concat!("rust-article ", env!("CARGO_PKG_VERSION"), " (rustc ", env!("RUSTC_VERSION"), ")");

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n\
    <html><body>Hello world</body></html>\r\n";

/// How long connections may take after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause after `accept` failed, and between two looks at the connections that are left.
const PAUSE: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    command_line::run(VERSION, Offers::Plain, serve)
}

/// The number of threads is that of the connections, whatever the options say.
fn serve(options: &Options) -> io::Result<()> {
    let termination = Termination::catch()?;
    let listener = TcpListener::bind(&options.addr)?;
    command_line::announce(listener.local_addr()?)?;
    // One count is ours, one the accepting thread's, the others are connections.
    let open = Arc::new(());
    let counted = Arc::clone(&open);
    thread::Builder::new().spawn(move || accept(&listener, &counted))?;
    termination.wait()?;
    let deadline = Instant::now() + PATIENCE;
    while Arc::strong_count(&open) > 2 && Instant::now() < deadline {
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn accept(listener: &TcpListener, open: &Arc<()>) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let open = Arc::clone(open);
                let serve = move || {
                    respond(stream);
                    drop(open);
                };
                if let Err(error) = thread::Builder::new().spawn(serve) {
                    println!("Unable to serve: {error}");
                }
            }
            Err(error) => {
                println!("Unable to connect: {error}");
                thread::sleep(PAUSE);
            }
        }
    }
}

#[expect(clippy::unused_io_amount, reason = "the article reads once and writes once")]
fn respond(mut stream: TcpStream) {
    let mut buffer = [0; 4_096];
    match stream.read(&mut buffer) {
        Ok(_) => println!("{}", String::from_utf8_lossy(&buffer)),
        Err(error) => println!("Unable to read: {error}"),
    }
    match stream.write(RESPONSE) {
        Ok(_) => println!("Response sent"),
        Err(error) => println!("Unable to answer: {error}"),
    }
}
