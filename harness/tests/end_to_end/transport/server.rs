//! A server of HTTP/1.1 on any kind of socket, a thread per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where connections come from.
pub(crate) trait Listener: Send + 'static {
    type Stream: Read + Write + Send + 'static;
    fn next(&self) -> Self::Stream;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    fn next(&self) -> TcpStream {
        let stream = self.accept().unwrap().0;
        stream.set_nodelay(true).unwrap();
        stream
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    fn next(&self) -> UnixStream {
        self.accept().unwrap().0
    }
}

/// What a server saw.
#[derive(Clone, Default)]
pub(crate) struct Served {
    count: Arc<AtomicU64>,
    host: Arc<Mutex<String>>,
}

impl Served {
    /// Requests, on all connections.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// The last `Host`.
    pub(crate) fn host(&self) -> String {
        self.host.lock().unwrap().clone()
    }
}

pub(crate) fn answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Answers request number n with `behave(n)`. Its threads end with this process.
pub(crate) fn serve(
    listener: impl Listener,
    behave: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Served {
    let served = Served::default();
    let (shared, behave) = (served.clone(), Arc::new(behave));
    thread::spawn(move || {
        loop {
            let (stream, served) = (listener.next(), shared.clone());
            let behave = Arc::clone(&behave);
            // An error ends the connection, as it would in any server.
            thread::spawn(move || drop(serve_connection(stream, &served, &*behave)));
        }
    });
    served
}

/// Serves one connection until its other side, or an answer, ends it.
pub(crate) fn serve_connection(
    stream: impl Read + Write,
    served: &Served,
    behave: &impl Fn(u64) -> Vec<u8>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line)?;
            if let Some(host) = line.strip_prefix("Host: ") {
                *served.host.lock().unwrap() = host.trim_end().to_owned();
            }
        }
        let answer = behave(served.count.fetch_add(1, Ordering::SeqCst));
        reader.get_mut().write_all(&answer)?;
        reader.get_mut().flush()?;
        if answer.windows(17).any(|part| part == b"Connection: close") {
            return Ok(());
        }
    }
}
