//! A small server, a thread per connection, that behaves and misbehaves as told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{self, MsgFlags, setsockopt, sockopt};

/// What the server does with a request.
pub(crate) enum Act {
    /// Writes these pieces, one after the other.
    Answer(Vec<Vec<u8>>),
    /// Writes these pieces with so much time between any two.
    AnswerInParts(Vec<Vec<u8>>, Duration),
    /// Writes this byte by byte, with so much time between any two.
    Trickle(Vec<u8>, Duration),
    /// Writes these bytes, then closes the connection.
    AnswerAndClose(Vec<u8>),
    /// Writes these bytes, and closes the connection so much later.
    AnswerAndLinger(Vec<u8>, Duration),
    /// Writes this, then sends no more, but keeps reading.
    AnswerAndFinish(Vec<u8>),
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
    /// Reads on and never answers.
    Hang,
    /// Stops listening and closes all connections as they are used.
    Die,
}

/// A request as the server sees it.
pub(crate) struct Request {
    /// How many came before it, on all connections.
    pub(crate) index: u64,
    /// How many came before it on its connection.
    pub(crate) nth: u64,
    /// Request line and header fields.
    pub(crate) head: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// Starts a server and returns its address. Its threads end with this process.
pub(crate) fn serve(behave: impl Fn(&Request) -> Act + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let shared = Arc::new((behave, AtomicU64::new(0), AtomicBool::new(false)));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let shared = Arc::clone(&shared);
            if shared.2.load(Ordering::SeqCst) {
                return;
            }
            thread::spawn(move || {
                let (behave, count, dead) = &*shared;
                // An error ends the connection, as it would in any server.
                let _ = serve_connection(stream.unwrap(), addr, behave, count, dead);
            });
        }
    });
    addr
}

fn serve_connection(
    stream: TcpStream,
    addr: SocketAddr,
    behave: &impl Fn(&Request) -> Act,
    count: &AtomicU64,
    dead: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    for nth in 0.. {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || dead.load(Ordering::SeqCst) {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut head = line.clone();
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line)?;
            head.push_str(&line);
            if let Some(n) = line.strip_prefix("Content-Length: ") {
                length = n.trim_end().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let index = count.fetch_add(1, Ordering::SeqCst);
        match behave(&Request { index, nth, head, path, body }) {
            Act::Answer(pieces) => {
                for piece in pieces {
                    writer.write_all(&piece)?;
                }
            }
            Act::AnswerInParts(pieces, pause) => {
                for (i, piece) in pieces.iter().enumerate() {
                    thread::sleep(pause * u32::from(i > 0));
                    writer.write_all(piece)?;
                }
            }
            Act::Trickle(bytes, pause) => {
                for byte in bytes {
                    writer.write_all(&[byte])?;
                    thread::sleep(pause);
                }
            }
            Act::AnswerAndClose(bytes) => {
                // With its last bytes goes the word that they are the last. Otherwise the next
                // request might come in between, and a system that closes a socket with something
                // unread in it resets the connection.
                let (most, last) = bytes.split_at(bytes.len() - 1);
                writer.write_all(most)?;
                let held_back = MsgFlags::from_bits_retain(libc::MSG_MORE);
                socket::send(writer.as_raw_fd(), last, held_back)?;
                return writer.shutdown(Shutdown::Both);
            }
            Act::AnswerAndLinger(bytes, pause) => {
                writer.write_all(&bytes)?;
                thread::sleep(pause);
                return Ok(());
            }
            Act::AnswerAndFinish(bytes) => {
                writer.write_all(&bytes)?;
                writer.shutdown(Shutdown::Write)?;
            }
            Act::Close => return Ok(()),
            Act::Reset => {
                let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
                setsockopt(&writer, sockopt::Linger, &at_once)?;
                return Ok(());
            }
            Act::Hang => {}
            Act::Die => {
                dead.store(true, Ordering::SeqCst);
                // Wakes the listener, which then sees that it is dead.
                return TcpStream::connect(addr).map(drop);
            }
        }
    }
    Ok(())
}
