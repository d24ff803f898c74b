//! Frames (RFC 6455, section 5): read from bytes that may end anywhere, and written.

use crate::response::malformed::Malformed;

/// What a frame carries (section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// A whole frame of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'b> {
    pub(super) opcode: Opcode,
    /// Whether its message ends with it.
    pub(super) last: bool,
    pub(super) payload: &'b [u8],
    /// Its length, head included.
    pub(super) len: usize,
}

/// The longest payload of a frame that says something about the connection.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// Reads the frame that `bytes` begin with; none: it is not whole yet. Of more than `most` bytes of
/// payload it is refused as soon as that is known.
pub(super) fn read(bytes: &[u8], most: usize) -> Result<Option<Frame<'_>>, Malformed> {
    let &[first, second, ..] = bytes else { return Ok(None) };
    let Some(opcode) = Opcode::from_bits(first & 0x0f) else {
        return Err(Malformed("a frame of an unknown kind"));
    };
    if first & 0x70 != 0 {
        return Err(Malformed("a frame with reserved bits"));
    }
    if second & 0x80 != 0 {
        return Err(Malformed("a frame of the server's is masked"));
    }
    let last = first & 0x80 != 0;
    if opcode.is_control() && (!last || second as usize > CONTROL_BYTES_MAX) {
        return Err(Malformed("a control frame in parts, or a long one"));
    }
    let Some((len, head)) = length(bytes, second)? else { return Ok(None) };
    if len > most as u64 {
        return Err(Malformed("a message is too long"));
    }
    let end = head + len as usize;
    let payload = bytes.get(head..end);
    Ok(payload.map(|payload| Frame { opcode, last, payload, len: end }))
}

/// The length of the payload, and where it begins. Always in the fewest bytes (section 5.2).
fn length(bytes: &[u8], second: u8) -> Result<Option<(u64, usize)>, Malformed> {
    let (len, head, least) = match second {
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4, 126),
            _ => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|all| all.try_into().ok()) {
            Some(all) => (u64::from_be_bytes(all), 10, 1 << 16),
            None => return Ok(None),
        },
        short => (u64::from(short), 2, 0),
    };
    if len < least {
        return Err(Malformed("a length in more bytes than it needs"));
    }
    Ok(Some((len, head)))
}

/// Appends a whole frame as clients send them: masked with `key` (section 5.3).
#[inline]
pub(super) fn write(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
    out.push(0x80 | opcode.bits());
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    let begin = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[begin..], key);
}

/// Masks a payload, eight bytes at a time.
fn mask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (whole, rest) = payload.as_chunks_mut::<8>();
    for chunk in whole {
        *chunk = (u64::from_ne_bytes(*chunk) ^ twice).to_ne_bytes();
    }
    rest.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        let all =
            [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
        all.into_iter().find(|opcode| opcode.bits() == bits)
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[cfg(test)]
mod tests {
    use duet_stats::SplitMix64;

    use super::*;

    /// A frame as servers send them.
    fn frame(first: u8, len: &[u8], payload: &[u8]) -> Vec<u8> {
        [&[first], len, payload].concat()
    }

    #[test]
    fn whole_frames_and_parts_of_them() {
        let medium = (300_u16).to_be_bytes();
        let long = (70_000_u64).to_be_bytes();
        let cases = [
            (frame(0x81, &[2], b"hi"), Opcode::Text, true, 2),
            (frame(0x02, &[0], b""), Opcode::Binary, false, 0),
            (frame(0x80, &[1], b"x"), Opcode::Continuation, true, 1),
            (frame(0x89, &[3], b"you"), Opcode::Ping, true, 3),
            (frame(0x8a, &[0], b""), Opcode::Pong, true, 0),
            (frame(0x88, &[2], &[3, 232]), Opcode::Close, true, 2),
            (frame(0x81, &[126, medium[0], medium[1]], &[b'a'; 300]), Opcode::Text, true, 300),
            (
                frame(0x81, &[&[127], &long[..]].concat(), &[b'b'; 70_000]),
                Opcode::Text,
                true,
                70_000,
            ),
        ];
        for (bytes, opcode, last, len) in cases {
            for end in (0..bytes.len()).take(20) {
                assert_eq!(read(&bytes[..end], 70_000), Ok(None), "{opcode:?}, {end} bytes");
            }
            let more = [&bytes[..], b"\x81\0"].concat();
            let got = read(&more, 70_000).ok().flatten().expect("a frame");
            assert_eq!((got.opcode, got.last, got.payload.len()), (opcode, last, len));
            assert_eq!(got.len, bytes.len());
        }
    }

    /// Whatever comes, a frame lies within it, and more bytes change nothing.
    #[test]
    fn any_bytes() {
        let mut random = SplitMix64::new(7);
        for _ in 0..100_000 {
            let mut bytes: Vec<u8> = (0..random.below(20)).map(|_| random.next() as u8).collect();
            if let Some(first) = bytes.first_mut().filter(|_| random.below(2) == 0) {
                *first &= 0x8f;
            }
            let got = read(&bytes, 1_000);
            if let Ok(Some(frame)) = got {
                assert!(frame.len <= bytes.len() && frame.payload.len() < frame.len, "{bytes:?}");
                let more = [&bytes[..], b"more"].concat();
                assert_eq!(read(&more, 1_000), Ok(Some(frame)), "{bytes:?}");
            }
        }
    }

    #[test]
    fn no_frames_of_a_server() {
        let cases: [(&[u8], &str); 9] = [
            (b"\x83\0", "unknown kind"),
            (b"\x8b\0", "unknown kind"),
            (b"\xc1\0", "reserved bits"),
            (b"\x81\x80", "masked"),
            (b"\x09\0", "control frame"),
            (b"\x89\x7e", "control frame"),
            (b"\x81\x7e\0\x7d", "more bytes than it needs"),
            (b"\x81\x7f\0\0\0\0\0\0\xff\xff", "more bytes than it needs"),
            (b"\x81\x7f\x80\0\0\0\0\0\0\0", "too long"),
        ];
        for (bytes, why) in cases {
            let Malformed(got) = read(bytes, 1_000).expect_err(why);
            assert!(got.contains(why), "{bytes:?}: {got}");
        }
    }

    /// The example of section 5.7, and that masking twice is none.
    #[test]
    fn frames_of_clients() {
        let mut out = vec![];
        write(&mut out, Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        let expected = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(out, expected);
        for len in [0, 1, 7, 8, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..len).map(|i: usize| i as u8).collect();
            let mut out = vec![];
            write(&mut out, Opcode::Binary, &payload, [1, 2, 3, 4]);
            let head = out.len() - len;
            assert_eq!(
                head,
                if len < 126 {
                    6
                } else if len < 65_536 {
                    8
                } else {
                    14
                }
            );
            mask(&mut out[head..], [1, 2, 3, 4]);
            assert!(out[head..] == payload, "{len} bytes");
        }
    }
}
