//! What must be true of any bytes that a server of HTTP/2 may send.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use duet_loadgen::count::seconds::Live;
use duet_loadgen::load::{self, Case, Load, LoadError, LoadModel, Order};
use duet_loadgen::request::exchange::{Exchange, ExpectedBody};
use duet_loadgen::request::requests::Rows;
use duet_loadgen::transport::target::Target;

/// The kind of the frame that begins a request (RFC 9113, section 6.2).
const HEADERS: u8 = 1;
/// Requests of a load.
const REQUESTS: u64 = 4;
/// How long the server waits for a client that does not read, or does not close.
const PATIENCE: Duration = Duration::from_secs(1);

/// A load ends, whatever the server sends on each of its connections before it closes its half, and
/// its accounts add up. Says whether a response was as expected. A response may take `timeout`; most
/// connections end sooner.
pub(crate) fn http2(bytes: &[u8], timeout: Duration) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let addr = listener.local_addr().expect("it has an address");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                // Whatever fails here does so since the other side has gone.
                let _ = stream.and_then(|stream| serve(stream, bytes));
            }
        });
        let measured =
            load::run(&load(Target { http2: true, ..addr.into() }, timeout), &Live::default());
        over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(addr)); // it is waited for
        match measured {
            Ok(measured) => {
                let account = measured.account;
                assert!(account.adds_up(), "{account:?}: {}", bytes.escape_ascii());
                assert_eq!(account.planned, REQUESTS, "{}", bytes.escape_ascii());
                account.ok > 0
            }
            Err(error) => {
                let is_known = matches!(error, LoadError::Unconnected(_));
                assert!(is_known, "{error:#}: {}", bytes.escape_ascii());
                false
            }
        }
    })
}

/// Sends SETTINGS, and the bytes when a request has come: before, its stream is not open.
fn serve(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
    stream.read_exact(&mut [0; 24])?;
    let mut kind = 0;
    while kind != HEADERS {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, now, ..] = head;
        kind = now;
        stream.read_exact(&mut vec![0; u32::from_be_bytes([0, a, b, c]) as usize])?;
    }
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    while stream.read(&mut [0; 4096])? > 0 {}
    Ok(())
}

fn load(target: Target, timeout: Duration) -> Load {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let body = ExpectedBody::Exactly(b"hello"[..].into());
    let exchange = Exchange { body, ..Exchange::any_success(request, false) };
    Load {
        target,
        cases: vec![Case { weight: 1, exchange }],
        order: Order::ByWeight,
        rows: Rows::default(),
        session: None,
        first_index: 0,
        connections: 1,
        churn: false,
        pipeline: 1,
        streams: REQUESTS as usize,
        threads: 1,
        cpus: vec![],
        model: LoadModel::Closed { requests: Some(REQUESTS), think: Duration::ZERO },
        warmup: Duration::ZERO,
        measure: Duration::ZERO,
        timeout,
        promised: true,
        seed: 1,
    }
}
