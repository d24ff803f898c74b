//! Where events end in a stream of them: with an empty line behind lines that are not (the HTML
//! standard, 9.2.5).

use std::ops::Range;

/// How many events have ended so far.
#[derive(Debug, Default)]
pub struct EventScanner {
    /// The line that is read is not empty.
    in_line: bool,
    /// Lines have come since the last event ended.
    in_event: bool,
    ended: u32,
    /// Those of them that were taken.
    taken: u32,
}

impl EventScanner {
    /// Reads the next part of a body.
    pub fn add(&mut self, part: &[u8]) {
        for byte in part {
            match byte {
                b'\n' => {
                    self.ended += u32::from(!self.in_line && self.in_event);
                    self.in_event &= self.in_line;
                    self.in_line = false;
                }
                b'\r' => {}
                _ => (self.in_line, self.in_event) = (true, true),
            }
        }
    }

    /// The numbers, from 1, of the events that have ended since this was asked for last.
    pub fn take(&mut self) -> Range<u32> {
        let new = self.taken + 1..self.ended + 1;
        self.taken = self.ended;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_with_an_empty_line() {
        let cases: [(&[&str], u32); 6] = [
            (&["data: 1\n\n"], 1),
            (&["data: 1\n", "\ndata: 2\n\n"], 2),
            (&["data: 1\n\n\n\n"], 1),
            (&["\n\ndata: 1"], 0),
            (&["id: 1\ndata: 1\n"], 0),
            (&["id: 1\r\ndata: 1\r\n\r\n"], 1),
        ];
        for (parts, want) in cases {
            let mut scanner = EventScanner::default();
            parts.iter().for_each(|part| scanner.add(part.as_bytes()));
            assert_eq!(scanner.take(), 1..want + 1, "{parts:?}");
            assert!(scanner.take().is_empty(), "{parts:?}");
        }
    }
}
