//! The buffer between a connection and the requests on it.

use std::io::{self, Read};

/// First size of a buffer: several requests of usual length.
pub(super) const BUFFER_BYTES: usize = 8_192;

/// Bytes that have been read and not been used.
#[derive(Debug)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// The pending bytes are these.
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new() -> Input {
        Input { bytes: vec![0; BUFFER_BYTES], start: 0, end: 0 }
    }

    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn pending_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Gives back what a large request took.
    pub(super) fn shrink(&mut self) {
        if self.bytes.len() > BUFFER_BYTES && self.pending().is_empty() {
            *self = Input::new();
        }
    }

    /// Drops the first bytes that are pending.
    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Keeps only the first bytes that are pending.
    pub(super) fn truncate(&mut self, length: usize) {
        self.end = self.start + length;
    }

    /// Reads once, into whatever room there is; without any, it is made.
    pub(super) fn read_from(&mut self, source: &mut impl Read) -> io::Result<usize> {
        if self.end == self.bytes.len() {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                self.bytes.resize(2 * self.end, 0);
            }
        }
        let length = source.read(&mut self.bytes[self.end..])?;
        self.end += length;
        Ok(length)
    }
}
