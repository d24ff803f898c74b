//! A client that sends exactly what it is told, and servers to send it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than anything here takes. Only a failing test waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The servers of all routes.
pub(crate) const SERVERS: &[&str] = &[
    env!("CARGO_BIN_EXE_rust-std"),
    #[cfg(feature = "actix")]
    env!("CARGO_BIN_EXE_rust-actix"),
    #[cfg(feature = "axum")]
    env!("CARGO_BIN_EXE_rust-axum"),
    #[cfg(feature = "axum")]
    env!("CARGO_BIN_EXE_rust-axum-tuned"),
    #[cfg(feature = "axum")]
    env!("CARGO_BIN_EXE_rust-axum-blocking"),
    #[cfg(feature = "axum")]
    env!("CARGO_BIN_EXE_rust-axum-reuseport"),
    #[cfg(feature = "hyper")]
    env!("CARGO_BIN_EXE_rust-hyper"),
    #[cfg(feature = "sqlx")]
    env!("CARGO_BIN_EXE_rust-axum-sqlx"),
];

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }
}

/// Reads answers out of a stream of bytes.
pub(crate) struct Answers<R>(BufReader<R>);

impl<R: Read> Answers<R> {
    pub(crate) fn of(stream: R) -> Answers<R> {
        Answers(BufReader::new(stream))
    }

    /// What the answers are read from.
    #[cfg(feature = "axum")]
    pub(crate) fn stream(&mut self) -> &mut R {
        self.0.get_mut()
    }

    /// Whether the stream ends without another byte.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.0.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    /// The next answer, `None` at the end of the stream.
    pub(crate) fn read(&mut self, to_head: bool) -> Option<Answer> {
        let status_line = self.line()?;
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|line| line[..3].parse().ok());
        let status = status.unwrap_or_else(|| panic!("a status line, not {status_line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("a head ends with an empty line");
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: String::new() };
        if status != 100 && !to_head {
            let length = answer.header("content-length").expect("every answer has a length");
            let mut body = vec![0; length.parse().expect("the length is a number")];
            self.0.read_exact(&mut body).expect("the body is complete");
            answer.body = String::from_utf8(body).expect("the body is UTF-8");
        }
        Some(answer)
    }

    /// A line without its CRLF, `None` at the end of the stream.
    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).ok()?;
        let line = String::from_utf8(line).expect("heads are ASCII");
        if line.is_empty() { None } else { Some(line.strip_suffix("\r\n")?.to_owned()) }
    }
}

impl<R: Read> Iterator for Answers<R> {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        // The tests in memory ask with HEAD for items only, and never look at what follows closely.
        self.read(false)
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) answers: Answers<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("the time-out is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("the time-out is not zero");
        let answers = Answers::of(stream.try_clone().expect("a descriptor is free"));
        Client { stream, answers }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.answers.read(false).expect("an answer")
    }

    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request);
        self.answer()
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.answers.is_at_end()
    }
}

/// A server process. It is killed when the test is over.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Child,
    /// What it prints after the line that says where it listens.
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
}

impl Server {
    pub(crate) fn start(program: &str) -> Server {
        Server::start_with(program, &[])
    }

    /// Started with these arguments beside the usual ones.
    pub(crate) fn start_with(program: &str, args: &[&str]) -> Server {
        let mut process = Command::new(program)
            .args(["--addr", "127.0.0.1:0", "--threads", "2"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let mut stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the server prints UTF-8");
        let address = line.strip_prefix("listening ").and_then(|rest| rest.trim_end().parse().ok());
        let address = address.unwrap_or_else(|| panic!("where it listens, not {line:?}"));
        Server { address, process, stdout: Some(stdout) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Entries of a folder of the process in `/proc`.
    pub(crate) fn count(&self, folder: &str) -> usize {
        let path = format!("/proc/{}/{folder}", self.process.id());
        std::fs::read_dir(path).expect("the server runs").count()
    }

    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(status.success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        let mut status = None;
        eventually("the server ends", || {
            status = self.process.try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Looks again and again until something is so that nobody tells us about.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
