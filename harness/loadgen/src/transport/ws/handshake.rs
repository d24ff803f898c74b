//! The opening handshake (RFC 6455, section 4): the request of a client, and what a server has to
//! respond with.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// What is behind a key before it is hashed (section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest response.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The most fields that it has.
const FIELDS_MAX: usize = 64;
/// What stands for the number of a room in a request's target.
const ROOM: &str = "{room}";

/// Appends the request: `head` as it is defined, with the number of a room and the fields of a
/// handshake. Returns what the server has to accept it with.
pub(super) fn write(out: &mut Vec<u8>, head: &[u8], room: u32, nonce: [u8; 16]) -> String {
    let key = BASE64_STANDARD.encode(nonce);
    let head = String::from_utf8_lossy(head).replacen(ROOM, &room.to_string(), 1);
    out.extend_from_slice(head.strip_suffix("\r\n").unwrap_or(&head).as_bytes());
    out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    out.extend_from_slice(b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    accept(&key)
}

pub(super) fn accept(key: &str) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    BASE64_STANDARD.encode(hash)
}

/// The length of the response that `bytes` begin with; none: it is not whole yet.
///
/// # Errors
/// Why it is no WebSocket, in words that a table of counts can have.
pub(super) fn read(bytes: &[u8], accepts: &str) -> Result<Option<usize>, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) => return Err("WebSocket: the response is too long"),
        Err(_) => return Err("WebSocket: the response is not HTTP"),
    };
    if response.code != Some(101) {
        return Err("WebSocket: the server does not switch protocols (101)");
    }
    let has = |name: &str, wanted: &str| {
        response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).any(|field| {
            let mut words = field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            words.any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
        })
    };
    if !has("Upgrade", "websocket") || !has("Connection", "Upgrade") {
        return Err("WebSocket: the response lacks Upgrade, or Connection");
    }
    let mut named = response.headers.iter().filter(|field| {
        let name = field.name.to_ascii_lowercase();
        name.starts_with("sec-websocket-")
    });
    match (named.next(), named.next()) {
        (Some(field), None) if field.name.eq_ignore_ascii_case("Sec-WebSocket-Accept") => {
            match field.value == accepts.as_bytes() {
                true => Ok(Some(len)),
                false => Err("WebSocket: Sec-WebSocket-Accept is not that of the key"),
            }
        }
        (None, _) => Err("WebSocket: the response lacks Sec-WebSocket-Accept"),
        _ => Err("WebSocket: the server chose what was not offered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and what accepts it are the example of section 1.3.
    const ACCEPTS: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[test]
    fn requests() {
        let mut out = vec![];
        let head = b"GET /ws/rooms/{room}?a={room} HTTP/1.1\r\nHost: a\r\n\r\n";
        let accepts = write(&mut out, head, 7, *b"the sample nonce");
        assert_eq!(accepts, ACCEPTS);
        let expected = "GET /ws/rooms/7?a={room} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn responses() {
        let right = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
             Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {ACCEPTS}\r\n\r\n"
        );
        for end in 0..right.len() {
            assert_eq!(read(&right.as_bytes()[..end], ACCEPTS), Ok(None), "{end} bytes");
        }
        let more = right.clone() + "\u{81}";
        assert_eq!(read(more.as_bytes(), ACCEPTS), Ok(Some(right.len())));
        let cases = [
            ("101", "200", "does not switch"),
            ("WebSocket\r", "h2c\r", "lacks Upgrade"),
            ("keep-alive, Upgrade", "keep-alive", "lacks Upgrade, or Connection"),
            ("s3p", "S3p", "is not that of the key"),
            ("Sec-WebSocket-Accept", "Accept", "lacks Sec-WebSocket-Accept"),
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n", "not offered"),
            ("HTTP", "SSH", "is not HTTP"),
        ];
        for (from, to, why) in cases {
            let wrong = right.replacen(from, to, 1);
            let got = read(wrong.as_bytes(), ACCEPTS).expect_err(&wrong);
            assert!(got.contains(why), "{wrong}: {got}");
        }
        let endless = "HTTP/1.1 101 a\r\nA: ".to_owned() + &"a".repeat(HEAD_BYTES_MAX);
        assert!(read(endless.as_bytes(), ACCEPTS).is_err_and(|why| why.contains("too long")));
    }
}
