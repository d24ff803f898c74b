//! Frames of HTTP/2 as Latin-1, well-formed or not.

/// Of SETTINGS and PING: an acknowledgement.
pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 32;

/// A frame (RFC 9113, section 4.1).
pub(super) fn frame(kind: u8, flags: u8, id: u32, payload: &str) -> String {
    let length = payload.chars().count() as u32;
    let mut head = length.to_be_bytes()[1..].to_vec();
    head.extend([kind, flags]);
    head.extend(id.to_be_bytes());
    head.into_iter().map(char::from).collect::<String>() + payload
}

/// A number of 32 bits.
pub(super) fn code(number: u32) -> String {
    number.to_be_bytes().into_iter().map(char::from).collect()
}

/// SETTINGS.
pub(super) fn setting(payload: &str) -> String {
    frame(4, 0, 0, payload)
}

/// GOAWAY.
pub(super) fn goaway(last: u32, reason: u32) -> String {
    frame(7, 0, 0, &(code(last) + &code(reason)))
}

/// HEADERS behind which a body comes.
pub(super) fn headers(id: u32, block: &str) -> String {
    frame(1, END_HEADERS, id, block)
}

/// HEADERS behind a body.
pub(super) fn trailers(id: u32, block: &str) -> String {
    frame(1, END_HEADERS | END_STREAM, id, block)
}

/// DATA that is not the last.
pub(super) fn data(id: u32, body: &str) -> String {
    frame(0, 0, id, body)
}

/// A field that is not indexed (RFC 7541, section 6.2.2); its parts are shorter than 127 bytes.
pub(super) fn field(name: &str, value: &str) -> String {
    let length = |text: &str| char::from(u8::try_from(text.len()).expect("short"));
    format!("\0{}{name}{}{value}", length(name), length(value))
}

/// A response as it should be: status 200, which is index 8 of the static table.
pub(super) fn ok(id: u32) -> String {
    headers(id, "\u{88}") + &frame(0, END_STREAM, id, "hello")
}
