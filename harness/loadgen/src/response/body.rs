//! Reads a body as it comes: takes its framing off and hands on its content (RFC 9112, sections 6.3
//! and 7.1). Keeps nothing of it, so that its length does not matter.

use super::malformed::{HEAD_BYTES_MAX, Malformed};

/// The longest line that announces a chunk, extensions included.
const CHUNK_LINE_BYTES_MAX: usize = 4096;

/// Where a body ends, and what is still to come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyReader {
    /// After so many bytes.
    Length(u64),
    /// With an empty chunk and the trailers behind it.
    Chunked(Chunks),
    /// With the connection.
    UntilClose,
}

/// What one call of [`BodyReader::read`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes that belong to the body and its framing.
    pub(crate) bytes: usize,
    /// Whether the body ends with them.
    pub(crate) ended: bool,
}

/// Where in a chunked body the next byte lies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Chunks {
    place: Place,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Bytes of whole trailer lines.
    trailers: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// In the line with a chunk's size.
    #[default]
    Size,
    /// In a chunk, so many bytes before its end.
    Content(u64),
    /// Behind a chunk's content: so many bytes of CRLF have come.
    Crlf(usize),
    Trailers,
}

impl BodyReader {
    /// Reads `bytes`, the next that came. Content is handed to `content` in parts.
    ///
    /// # Errors
    /// When no continuation is a body.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        mut content: impl FnMut(&[u8]),
    ) -> Result<Taken, Malformed> {
        match self {
            Self::Length(left) => {
                let taken = shorter(bytes.len(), *left);
                *left -= taken as u64;
                content(&bytes[..taken]);
                Ok(Taken { bytes: taken, ended: *left == 0 })
            }
            Self::Chunked(chunks) => chunks.read(bytes, content),
            Self::UntilClose => {
                content(bytes);
                Ok(Taken { bytes: bytes.len(), ended: false })
            }
        }
    }
}

impl Chunks {
    fn read(&mut self, bytes: &[u8], mut content: impl FnMut(&[u8])) -> Result<Taken, Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.place {
                Place::Size => {
                    let (taken, ended) = self.line(rest, CHUNK_LINE_BYTES_MAX)?;
                    at += taken;
                    if ended {
                        self.place = match size(&self.line)? {
                            0 => Place::Trailers,
                            size => Place::Content(size),
                        };
                        self.line.clear();
                    }
                }
                Place::Content(left) => {
                    let taken = shorter(rest.len(), left);
                    content(&rest[..taken]);
                    at += taken;
                    self.place = match left - taken as u64 {
                        0 => Place::Crlf(0),
                        left => Place::Content(left),
                    };
                }
                Place::Crlf(came) => {
                    if rest[0] != b"\r\n"[came] {
                        return Err(Malformed("a chunk is longer than it says"));
                    }
                    at += 1;
                    self.place = if came == 0 { Place::Crlf(1) } else { Place::Size };
                }
                Place::Trailers => {
                    let limit = HEAD_BYTES_MAX.saturating_sub(self.trailers);
                    let (taken, ended) = self.line(rest, limit)?;
                    at += taken;
                    if ended {
                        if self.line.is_empty() {
                            return Ok(Taken { bytes: at, ended: true });
                        }
                        self.trailers += self.line.len() + 2;
                        self.line.clear();
                    }
                }
            }
        }
        Ok(Taken { bytes: at, ended: false })
    }

    /// Reads on in a line: how many bytes that took, and whether the line is whole. It is then in
    /// `self.line` without its CRLF.
    fn line(&mut self, bytes: &[u8], limit: usize) -> Result<(usize, bool), Malformed> {
        for (at, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' && self.line.last() == Some(&b'\r') {
                self.line.pop();
                return Ok((at + 1, true));
            }
            if self.line.len() > limit {
                return Err(Malformed("a line of a chunked body is too long"));
            }
            self.line.push(byte);
        }
        Ok((bytes.len(), false))
    }
}

/// The size that a line announces; extensions are ignored.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|&b| b == b';').next().unwrap_or(line).trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 {
        return Err(Malformed("a chunk size is no hexadecimal number"));
    }
    digits.iter().try_fold(0, |size, &digit| {
        let value = char::from(digit).to_digit(16);
        let value = value.ok_or(Malformed("a chunk size is no hexadecimal number"))?;
        Ok(size * 16 + u64::from(value))
    })
}

/// The smaller of two lengths.
fn shorter(a: usize, b: u64) -> usize {
    usize::try_from(b).map_or(a, |b| a.min(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut BodyReader, bytes: &[u8]) -> (Vec<u8>, Result<Taken, Malformed>) {
        let mut content = vec![];
        let taken = reader.read(bytes, |part| content.extend_from_slice(part));
        (content, taken)
    }

    /// Whatever the pieces, the content and the end are the same.
    #[test]
    fn any_pieces() {
        let bytes = b"3\r\nabc\r\n2;x\ry\r\n\r\n\r\n0\r\nA: b\r\n\r\nHTTP";
        let length = bytes.len() - 4;
        for piece in 1..=bytes.len() {
            let mut reader = BodyReader::Chunked(Chunks::default());
            let (mut content, mut taken, mut ended) = (vec![], 0, false);
            for part in bytes.chunks(piece) {
                let (some, now) = read(&mut reader, part);
                let now = now.expect("it is a body");
                content.extend(some);
                taken += now.bytes;
                ended = now.ended;
                if ended {
                    break;
                }
                assert_eq!(now.bytes, part.len());
            }
            assert_eq!((&content[..], taken, ended), (&b"abc\r\n"[..], length, true), "{piece}");
        }
    }

    #[test]
    fn lengths() {
        let mut reader = BodyReader::Length(5);
        assert_eq!(read(&mut reader, b"abc").1, Ok(Taken { bytes: 3, ended: false }));
        let (content, taken) = read(&mut reader, b"def");
        assert_eq!((&content[..], taken), (&b"de"[..], Ok(Taken { bytes: 2, ended: true })));
        assert_eq!(read(&mut BodyReader::Length(0), b"").1, Ok(Taken { bytes: 0, ended: true }));
        assert_eq!(
            read(&mut BodyReader::UntilClose, b"abc").1,
            Ok(Taken { bytes: 3, ended: false })
        );
    }

    /// A chunk of a terabyte is counted, not kept.
    #[test]
    fn a_long_chunk() {
        let mut reader = BodyReader::Chunked(Chunks::default());
        let (content, taken) = read(&mut reader, b"10000000000\r\nab");
        assert_eq!((&content[..], taken), (&b"ab"[..], Ok(Taken { bytes: 15, ended: false })));
        let left = (1 << 40) - 2;
        let chunks = Chunks { place: Place::Content(left), ..Chunks::default() };
        assert_eq!(reader, BodyReader::Chunked(chunks));
    }
}
