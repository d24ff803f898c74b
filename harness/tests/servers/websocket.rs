//! The faulty server's WebSocket: each message goes back to its sender, or, with a path below
//! `/ws`, to all that opened that, in one order.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tungstenite::handshake::derive_accept_key;

use super::{Options, Request, Stream, answer};

/// Who opened which path.
static ROOMS: Mutex<BTreeMap<String, Vec<TcpStream>>> = Mutex::new(BTreeMap::new());
/// What the last member of a room gets behind the message that comes next.
static HELD: Mutex<Vec<u8>> = Mutex::new(vec![]);

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// Serves a connection from its handshake on, until it is over.
pub(crate) fn serve(
    reader: &mut BufReader<Box<dyn Stream>>,
    request: &Request,
    options: &Options,
    seen: &AtomicU64,
) -> Option<()> {
    if request.key.is_empty() || options.fault == "refuses" {
        return answer(&mut **reader.get_mut(), "200 OK", "{}", false);
    }
    let key = if options.fault == "wrong-accept" { "another" } else { &request.key };
    let accepts = derive_accept_key(key.as_bytes());
    let mut own = [reader.get_ref().again()?];
    let shared = request.path != "/ws";
    if shared {
        let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(request.path.clone()).or_default().push(own[0].try_clone().ok()?);
    }
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accepts}\r\n\r\n"
    );
    reader.get_mut().write_all(response.as_bytes()).ok()?;
    loop {
        let (kind, payload) = read_frame(reader)?;
        match kind {
            TEXT => {
                let number = seen.fetch_add(1, Ordering::Relaxed) + 1;
                let fault = if number == options.after { &*options.fault } else { "" };
                let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
                match rooms.get_mut(&request.path) {
                    Some(members) if shared => publish(members, &payload, fault)?,
                    _ => publish(&mut own, &payload, fault)?,
                }
            }
            // What a ping of ours is answered with.
            PONG => {}
            PING => reader.get_mut().write_all(&frame(PONG, &payload)).ok()?,
            _ => return None,
        }
    }
}

/// Sends a message to everybody, or does what the fault says to the last one.
fn publish(members: &mut [TcpStream], payload: &[u8], fault: &str) -> Option<()> {
    let message = frame(TEXT, payload);
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let (last, others) = members.split_last_mut()?;
    for other in others {
        // Who has gone needs none.
        let _ = other.write_all(&message);
    }
    let sent: Vec<u8> = match fault {
        "drops" => vec![],
        "twice" => message.repeat(2),
        "changes" => frame(TEXT, &[payload, b"!"].concat()),
        "binary" => [&[0x82], &message[1..]].concat(),
        "masks" => [&[TEXT, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat(),
        "in-parts" => in_parts(payload),
        "breaks-off" => message[..message.len() / 2].to_vec(),
        "closes" => frame(CLOSE, &1008_u16.to_be_bytes()),
        "pings" => frame(PING, b"?").repeat(100_000),
        "late" => {
            held.extend_from_slice(&message);
            vec![]
        }
        _ => [message, std::mem::take(&mut *held)].concat(),
    };
    last.write_all(&sent).ok()?;
    if matches!(fault, "breaks-off" | "closes") {
        last.shutdown(std::net::Shutdown::Both).ok()?;
    }
    Some(())
}

/// A message in three frames with a ping between them, which is right.
fn in_parts(payload: &[u8]) -> Vec<u8> {
    let (begin, end) = payload.split_at(1);
    [frame(0x01, begin), frame(PING, b"?"), frame(0x00, b""), frame(0x80, end)].concat()
}

/// A frame as servers send it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126, "messages of tests are short");
    [&[first, payload.len() as u8], payload].concat()
}

/// The next frame: its first byte and its payload. None: it is over, or is none that a client may
/// send.
fn read_frame(reader: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    reader.read_exact(&mut head).ok()?;
    let [first, length] = head;
    if length & 0x80 == 0 || length & 0x7f > 125 {
        return None;
    }
    let mut key = [0; 4];
    reader.read_exact(&mut key).ok()?;
    let mut payload = vec![0; usize::from(length & 0x7f)];
    reader.read_exact(&mut payload).ok()?;
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    Some((first, payload))
}
