//! Chunked bodies (RFC 9112, section 7.1), decoded in place.

use super::Status;
use super::head::{is_text, is_token};
use crate::query::hex;

/// Hex digits of a chunk's size. Sixteen fill a `u64`.
const SIZE_DIGITS_MAX: u32 = 16;
/// Bytes of chunk extensions in one body: more than any use, too few to be an attack.
const EXTENSION_BYTES_MAX: usize = 16_384;
/// Bytes of trailers.
const TRAILER_BYTES_MAX: usize = 16_384;

/// How far a body is decoded.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    /// Bytes that the body may hold from here on.
    allowance: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size, after so many digits.
    Size { value: u64, digits: u32 },
    /// After the size: white space, which an extension must follow.
    Space { size: u64 },
    /// In an extension.
    Extension { size: u64 },
    /// After the CR that follows size and extensions.
    SizeEnd { size: u64 },
    /// In the data.
    Data { left: usize },
    /// After the data.
    DataCr,
    /// After the CR that follows the data.
    DataLf,
    /// At the start of a trailer, or of the end.
    Trailers,
    /// In a trailer.
    Trailer,
    /// After the CR that ends a trailer.
    TrailerLf,
    /// After the CR of the blank line.
    EndLf,
    /// After the body.
    Done,
}

/// What one step did to the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// End of the decoded bytes.
    pub(super) decoded: usize,
    /// End of the bytes that were read.
    pub(super) read: usize,
    /// Whether the body is complete.
    pub(super) done: bool,
}

impl Decoder {
    /// A decoder of a body of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Decoder {
        let state = State::Size { value: 0, digits: 0 };
        Decoder { state, allowance: limit, extension_bytes: 0, trailer_bytes: 0 }
    }

    /// Reads `buffer[read..]` and moves the data in it to `buffer[decoded..]`.
    ///
    /// # Errors
    ///
    /// The status to refuse the request with.
    pub(super) fn step(
        &mut self,
        buffer: &mut [u8],
        mut decoded: usize,
        mut read: usize,
    ) -> Result<Step, Status> {
        while read < buffer.len() && self.state != State::Done {
            if let State::Data { left } = self.state {
                let length = left.min(buffer.len() - read);
                buffer.copy_within(read..read + length, decoded);
                decoded += length;
                read += length;
                let left = left - length;
                self.state = if left > 0 { State::Data { left } } else { State::DataCr };
            } else {
                self.state = self.next(buffer[read])?;
                read += 1;
            }
        }
        Ok(Step { decoded, read, done: self.state == State::Done })
    }

    /// The state after a byte of the framing.
    fn next(&mut self, byte: u8) -> Result<State, Status> {
        Ok(match (self.state, byte) {
            (State::Size { value, digits }, _) => match (hex(byte), byte) {
                (Some(digit), _) if digits < SIZE_DIGITS_MAX => {
                    State::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
                }
                (None, b'\r') if digits > 0 => State::SizeEnd { size: value },
                (None, b';') if digits > 0 => State::Extension { size: value },
                (None, b' ' | b'\t') if digits > 0 => State::Space { size: value },
                _ => return Err(Status::BadRequest),
            },
            (State::Space { .. }, b' ' | b'\t') => self.extension_byte()?,
            (State::Space { size }, b';') => State::Extension { size },
            (State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Extension { .. }, _) if is_text(byte) => self.extension_byte()?,
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailers,
            (State::SizeEnd { size }, b'\n') => State::Data { left: self.take(size)? },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { value: 0, digits: 0 },
            (State::Trailers, b'\r') => State::EndLf,
            (State::Trailers, _) if is_token(byte) => self.trailer_byte()?,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::Trailer, _) if is_text(byte) => self.trailer_byte()?,
            (State::TrailerLf, b'\n') => State::Trailers,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(Status::BadRequest),
        })
    }

    fn take(&mut self, size: u64) -> Result<usize, Status> {
        let size = usize::try_from(size).map_err(|_| Status::PayloadTooLarge)?;
        self.allowance = self.allowance.checked_sub(size).ok_or(Status::PayloadTooLarge)?;
        Ok(size)
    }

    /// Counts a byte of an extension, which changes nothing else.
    fn extension_byte(&mut self) -> Result<State, Status> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX {
            return Err(Status::BadRequest);
        }
        Ok(self.state)
    }

    fn trailer_byte(&mut self) -> Result<State, Status> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Status::HeadTooLarge);
        }
        Ok(State::Trailer)
    }
}
