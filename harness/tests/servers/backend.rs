//! A server that keeps the contract and uses a PostgreSQL or an upstream service, until it is told
//! not to. The tests of services measure it.
//!
//! `backend-server --addr HOST:PORT [--database URL] [--upstream URL] [--fault FAULT]` answers
//! `GET /row/{id}` with a row of the table `numbers`, `POST /row/{id}` by writing `written` of it,
//! `GET /calls` with the sum of the nonces of three calls, `POST /echo` with the body, and
//! `GET /packed` compressed where that is asked. FAULT is `cache` (asks once), `skip-write` (says
//! that it wrote), `wrong-row`, `wrong-write`, `twice` (asks again), `greedy` (takes all
//! connections first), `double` (opens two connections to the database where others open one),
//! `sequential`, `made-up` (makes no calls), `reconnect` (opens a connection for each call),
//! `collect` (echoes a body that has come whole), `hoard` (keeps all), `unasked` (compresses
//! always) or `loose` (compresses at level 1, not 9).

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio, exit};
use std::sync::OnceLock;
use std::thread;

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Clone, Default)]
struct Options {
    addr: String,
    database: Option<String>,
    upstream: Option<String>,
    fault: String,
}

fn main() {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next();
        match word.as_str() {
            "--addr" => options.addr = value.unwrap_or_default(),
            "--database" => options.database = value,
            "--upstream" => options.upstream = value,
            "--packed" => {}
            "--fault" => options.fault = value.unwrap_or_default(),
            "--version" => return println!("backend-server 1"),
            _ => exit(2),
        }
    }
    let listener = TcpListener::bind(&options.addr).unwrap_or_else(|error| {
        eprintln!("failed to listen on {}: {error}", options.addr);
        exit(1);
    });
    let mut signals = Signals::new([SIGTERM]).expect("signals can be caught");
    thread::spawn(move || {
        signals.forever().next();
        exit(0);
    });
    // Held until the end.
    let mut taken = vec![];
    while options.fault == "greedy" && taken.len() < 1_000 {
        let url = options.database.as_deref().unwrap_or_default();
        match Database::connect(url) {
            Ok(connection) => taken.push(connection),
            Err(_) => break,
        }
    }
    println!("listening {}", listener.local_addr().expect("it is bound"));
    for stream in listener.incoming().flatten() {
        let options = options.clone();
        thread::spawn(move || {
            if let Err(error) = serve(stream, &options) {
                eprintln!("{error}");
            }
        });
    }
}

/// Serves a connection, which has a connection to the database of its own.
fn serve(stream: TcpStream, options: &Options) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut backend = Backend { options, database: None, spare: None, calls: vec![], cached: None };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (mut field, mut length, mut asked) = (String::new(), 0, false);
        while reader.read_line(&mut field)? > 2 {
            if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            asked |= field.trim().eq_ignore_ascii_case("accept-encoding: gzip");
            field.clear();
        }
        let target = line.split(' ').nth(1).unwrap_or("/").to_owned();
        if target == "/packed" {
            packed(&mut stream, asked || options.fault == "unasked", &options.fault)?;
            continue;
        }
        if target == "/echo" {
            echo(&mut reader, &mut stream, length, &options.fault)?;
            continue;
        }
        let (status, body) = match backend.response(&target, line.starts_with("POST")) {
            Ok(Some(body)) => ("200 OK", body),
            Ok(None) => ("404 Not Found", "{\"error\":\"not found\"}".to_owned()),
            Err(error) => {
                eprintln!("{error}");
                ("500 Internal Server Error", "{\"error\":\"backend\"}".to_owned())
            }
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{body}"
        )?;
    }
}

/// The numbers to 2000, compressed or plain.
fn packed(stream: &mut TcpStream, compress: bool, fault: &str) -> Outcome<()> {
    let numbers: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let plain = numbers.join(" ");
    let mut head = "HTTP/1.1 200 OK\r\nVary: Accept-Encoding\r\n\
                    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        .to_owned();
    let mut body = plain.into_bytes();
    if compress {
        let level = if fault == "loose" { "-1" } else { "-9" };
        body = compressed(&body, level)?;
        head += "Content-Encoding: gzip\r\n";
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len())?;
    Ok(stream.write_all(&body)?)
}

/// What gzip(1) makes of it; asked once.
fn compressed(plain: &[u8], level: &str) -> Outcome<Vec<u8>> {
    static COMPRESSED: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(body) = COMPRESSED.get() {
        return Ok(body.clone());
    }
    let mut command = Command::new("gzip");
    let mut gzip =
        command.args(["-nc", level]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    // Short enough for a pipe, so that writing all before reading does not wait for ever.
    gzip.stdin.take().ok_or("a pipe")?.write_all(plain)?;
    let body = gzip.wait_with_output()?.stdout;
    Ok(COMPRESSED.get_or_init(|| body).clone())
}

/// Sends a body back while it comes.
fn echo(reader: &mut impl Read, stream: &mut TcpStream, length: usize, fault: &str) -> Outcome<()> {
    let mut kept = vec![];
    if fault == "collect" {
        reader.take(length as u64).read_to_end(&mut kept)?;
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    )?;
    stream.write_all(&kept)?;
    let (mut left, mut buffer) = (length - kept.len(), vec![0; 16_384]);
    while left > 0 {
        let n = reader.read(&mut buffer[..left.min(16_384)])?;
        if n == 0 {
            return Err("the body breaks off".into());
        }
        left -= n;
        stream.write_all(&buffer[..n])?;
        if fault == "hoard" {
            kept.extend_from_slice(&buffer[..n]);
        }
    }
    Ok(())
}

struct Backend<'a> {
    options: &'a Options,
    database: Option<Database>,
    spare: Option<Database>,
    calls: Vec<BufReader<TcpStream>>,
    cached: Option<(String, String)>,
}

impl Backend<'_> {
    fn response(&mut self, target: &str, write: bool) -> Outcome<Option<String>> {
        if target == "/calls" {
            return self.calls().map(|sum| Some(format!("{{\"sum\":{sum}}}")));
        }
        let Some(id) = target.strip_prefix("/row/") else { return Ok(None) };
        let id: u32 = id.parse()?;
        let fault = self.options.fault.as_str();
        if let Some((of, body)) = self.cached.as_ref().filter(|_| fault == "cache")
            && of == target
        {
            return Ok(Some(body.clone()));
        }
        let select = format!("SELECT number FROM numbers WHERE id = {id}");
        let mut number: i64 = self.query(&select)?.parse()?;
        if fault == "twice" {
            self.query(&select)?;
        }
        if fault == "wrong-row" {
            number += 1;
        }
        if write && fault != "skip-write" {
            let add = if fault == "wrong-write" { 2 } else { 1 };
            let update = format!("UPDATE numbers SET written = number + {add} WHERE id = {id}");
            self.query(&update)?;
        }
        let body = format!("{{\"id\":{id},\"number\":{number}}}");
        self.cached = Some((target.to_owned(), body.clone()));
        Ok(Some(body))
    }

    fn query(&mut self, sql: &str) -> Outcome<String> {
        if self.database.is_none() {
            let url = self.options.database.as_deref().ok_or("no --database")?;
            self.database = Some(Database::connect(url)?);
            if self.options.fault == "double" {
                self.spare = Some(Database::connect(url)?);
            }
        }
        let Some(database) = &mut self.database else { unreachable!("it was connected") };
        let row = database.query(sql);
        if row.is_err() {
            self.database = None;
        }
        row
    }

    /// The sum of three nonces, whose calls take their time at once.
    fn calls(&mut self) -> Outcome<u64> {
        if self.options.fault == "made-up" {
            thread::sleep(std::time::Duration::from_millis(5));
            return Ok((0..3_u64).map(|i| (i * 2_654_435_761) & 0xffff_ffff).sum());
        }
        let url = self.options.upstream.as_deref().ok_or("no --upstream")?;
        let addr = url.strip_prefix("http://").ok_or("no http URL")?;
        if self.options.fault == "reconnect" {
            self.calls.clear();
        }
        while self.calls.len() < 3 {
            self.calls.push(BufReader::new(TcpStream::connect(addr)?));
        }
        let mut sum = 0;
        let at_once = self.options.fault != "sequential";
        for (i, call) in self.calls.iter_mut().enumerate() {
            let request = format!("GET /nonce?seed=0&i={i}&ms=5 HTTP/1.1\r\nHost: {addr}\r\n\r\n");
            call.get_mut().write_all(request.as_bytes())?;
            if !at_once {
                sum += nonce(call)?;
            }
        }
        for call in self.calls.iter_mut().filter(|_| at_once) {
            sum += nonce(call)?;
        }
        Ok(sum)
    }
}

fn nonce(call: &mut BufReader<TcpStream>) -> Outcome<u64> {
    let (mut line, mut length) = (String::new(), 0);
    while call.read_line(&mut line)? > 2 {
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse()?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    call.read_exact(&mut body)?;
    let body = String::from_utf8(body)?;
    let number = body.strip_prefix("{\"nonce\":").and_then(|rest| rest.strip_suffix('}'));
    Ok(number.ok_or("no nonce")?.parse()?)
}

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A connection to PostgreSQL by the simple query protocol (PostgreSQL documentation, 55.2).
struct Database(Box<dyn Stream>);

impl Database {
    /// Connects to `postgresql:///NAME?host=FOLDER&user=USER` or `postgresql://USER@ADDR/NAME`.
    fn connect(url: &str) -> Outcome<Self> {
        let rest = url.strip_prefix("postgresql://").ok_or("no URL of PostgreSQL")?;
        let (stream, user, name): (Box<dyn Stream>, _, _) = match rest.strip_prefix('/') {
            Some(rest) => {
                let (name, query) = rest.split_once('?').ok_or("no host")?;
                let value = |key: &str| {
                    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                    pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
                };
                let socket = format!("{}/.s.PGSQL.5432", value("host").ok_or("no host")?);
                (Box::new(UnixStream::connect(socket)?), value("user").ok_or("no user")?, name)
            }
            None => {
                let (user, rest) = rest.split_once('@').ok_or("no user")?;
                let (addr, name) = rest.split_once('/').ok_or("no database")?;
                (Box::new(TcpStream::connect(addr)?), user, name)
            }
        };
        let mut database = Self(stream);
        let mut start = 196_608_i32.to_be_bytes().to_vec();
        start.extend(format!("user\0{user}\0database\0{name}\0\0").bytes());
        database.0.write_all(&(start.len() as i32 + 4).to_be_bytes())?;
        database.0.write_all(&start)?;
        database.messages().map(|_| database)
    }

    /// The first value of the first row; empty where there is none.
    fn query(&mut self, sql: &str) -> Outcome<String> {
        let mut message = vec![b'Q'];
        message.extend((sql.len() as i32 + 5).to_be_bytes());
        message.extend(sql.bytes().chain([0]));
        self.0.write_all(&message)?;
        self.messages()
    }

    /// Reads until it is ready for a query.
    fn messages(&mut self) -> Outcome<String> {
        let mut value = None;
        loop {
            let mut head = [0; 5];
            self.0.read_exact(&mut head)?;
            let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut body = vec![0; usize::try_from(length)?.saturating_sub(4)];
            self.0.read_exact(&mut body)?;
            match head[0] {
                b'E' => return Err(String::from_utf8_lossy(&body).replace('\0', " ").into()),
                b'D' if value.is_none() => {
                    value = Some(String::from_utf8_lossy(&body[6..]).into_owned());
                }
                b'Z' => return Ok(value.unwrap_or_default()),
                _ => {}
            }
        }
    }
}
