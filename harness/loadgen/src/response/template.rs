//! The fast path of verification: a response that was as expected, kept as bytes.
//!
//! Nearly every response equals the last one to the same request, but for the value of `Date`,
//! which changes once a second. So a template remembers its bytes, date included, and
//! most responses cost one comparison. Whatever differs otherwise is no error: it goes to the full
//! parser, which decides.

use std::ops::Range;

use super::parse::Response;

/// The length of an IMF-fixdate (RFC 9110, section 5.6.7).
const DATE_BYTES: usize = 29;

/// An ok response as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    bytes: Vec<u8>,
    date: Option<Range<usize>>,
    persistent: bool,
    until_close: bool,
}

/// What a template says about bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// They end the response.
    Equal,
    /// They are equal as far as they go; more must come, be it the end of the connection.
    Partial,
    /// They differ: only the parser can tell.
    Different,
}

impl Template {
    /// The template of an ok response, which `bytes` starts with.
    #[must_use]
    pub fn new(bytes: &[u8], response: &Response<'_>) -> Self {
        let date = response.date.clone();
        Self::of(bytes[..response.len].to_vec(), date, response.persistent, response.until_close)
    }

    /// The template of the response that `bytes` are.
    pub(crate) fn of(
        bytes: Vec<u8>,
        date: Option<Range<usize>>,
        persistent: bool,
        until_close: bool,
    ) -> Self {
        let date = date.filter(|date| is_date(&bytes[date.clone()]));
        Self { bytes, date, persistent, until_close }
    }

    /// Compares `received`, the bytes behind the `matched` ones that matched before.
    #[inline]
    pub fn check(&mut self, matched: usize, received: &[u8]) -> Check {
        let rest = &self.bytes[matched..];
        if rest == received {
            if self.until_close { Check::Partial } else { Check::Equal }
        } else if rest.starts_with(received) {
            Check::Partial
        } else if matched == 0 && self.adopt_date(received) {
            self.check(0, received)
        } else {
            Check::Different
        }
    }

    /// Compares the start of `received`, behind which other responses may follow. Returns how many
    /// bytes of it end an ok response.
    ///
    /// # Errors
    /// [`Check::Partial`] or [`Check::Different`] where none do.
    #[inline]
    pub fn check_start(&mut self, matched: usize, received: &[u8]) -> Result<usize, Check> {
        let end = received.len().min(self.bytes.len() - matched);
        if end < received.len() && self.until_close {
            return Err(Check::Different); // all of it is one body
        }
        match self.check(matched, &received[..end]) {
            Check::Equal => Ok(end),
            other => Err(other),
        }
    }

    /// The first `matched` bytes, for the parser.
    #[must_use]
    pub fn prefix(&self, matched: usize) -> &[u8] {
        &self.bytes[..matched]
    }

    /// Whether `matched` bytes and the end of the connection are an ok response.
    #[must_use]
    pub fn ends_at_close(&self, matched: usize) -> bool {
        self.until_close && matched == self.bytes.len()
    }

    /// Whether the connection stays open behind the response.
    #[must_use]
    pub fn persistent(&self) -> bool {
        self.persistent
    }

    /// Takes over the date of `received`, if it has a plausible new one in the same place and the
    /// bytes before it are equal.
    #[cold]
    fn adopt_date(&mut self, received: &[u8]) -> bool {
        let Some(date) = self.date.clone() else { return false };
        let Some(new) = received.get(date.clone()) else { return false };
        let before_is_equal = self.bytes[..date.start] == received[..date.start];
        if !before_is_equal || self.bytes[date.clone()] == *new || !is_date(new) {
            return false;
        }
        self.bytes[date].copy_from_slice(new);
        true
    }
}

/// Whether this has the form of an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_date(value: &[u8]) -> bool {
    const FORM: &[u8; DATE_BYTES] = b"aaa, 00 aaa 0000 00:00:00 GMT";
    value.len() == DATE_BYTES
        && value.iter().zip(FORM).all(|(byte, form)| match form {
            b'a' => byte.is_ascii_alphabetic(),
            b'0' => byte.is_ascii_digit(),
            exactly => byte == exactly,
        })
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const FIRST: &str = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Content-Length: 2\r\nContent-Type: text/plain\r\n\r\nhi";

    fn template(bytes: &str) -> Template {
        let response = parse::parse(bytes.as_bytes(), false, true);
        let Ok(Some(response)) = response else { panic!("no response: {bytes}") };
        Template::new(bytes.as_bytes(), &response)
    }

    #[test]
    fn checks() {
        let with_date = |date: &str| FIRST.replace("Sun, 06 Nov 1994 08:49:37 GMT", date);
        let cases = [
            ("equal", FIRST.to_owned(), Check::Equal),
            ("another date", with_date("Mon, 07 Nov 1994 08:49:38 GMT"), Check::Equal),
            ("a date of another length", with_date("Mon, 7 Nov 1994 08:49:38 GMT"), {
                Check::Different
            }),
            ("a date in another zone", with_date("Mon, 07 Nov 1994 08:49:38 CET"), {
                Check::Different
            }),
            ("no date", with_date("xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), Check::Different),
            ("another body", FIRST.replace("hi", "ho"), Check::Different),
            ("another status", FIRST.replace("200 OK", "500 OK"), Check::Different),
            (
                "another date, another body",
                { with_date("Mon, 07 Nov 1994 08:49:38 GMT").replace("hi", "ho") },
                Check::Different,
            ),
            ("excess", format!("{FIRST}!"), Check::Different),
            ("a header more", FIRST.replace("Date", "A: b\r\nDate"), Check::Different),
            (
                "headers in another order",
                {
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\
                    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n\r\nhi"
                        .to_owned()
                },
                Check::Different,
            ),
        ];
        for (name, received, expected) in cases {
            let mut template = template(FIRST);
            assert_eq!(template.check(0, received.as_bytes()), expected, "{name}");
            assert_eq!(
                template.check(0, FIRST.as_bytes()),
                Check::Equal,
                "{name}: the first again"
            );
        }
    }

    #[test]
    fn split_at_every_byte() {
        let bytes = FIRST.as_bytes();
        for at in 1..bytes.len() {
            let mut template = template(FIRST);
            assert_eq!(template.check(0, &bytes[..at]), Check::Partial, "{at}");
            assert_eq!(template.check(at, &bytes[at..]), Check::Equal, "{at}");
            assert_eq!(template.prefix(at), &bytes[..at]);
        }
    }

    #[test]
    fn one_behind_the_other() {
        let new = FIRST.replace("49:37", "49:38");
        let length = FIRST.len();
        let cases = [
            (FIRST.to_owned(), Ok(length)),
            (format!("{FIRST}HTTP"), Ok(length)),
            (format!("{new}{FIRST}"), Ok(length)),
            (FIRST[..60].to_owned(), Err(Check::Partial)),
            (FIRST.replace("hi", "ho"), Err(Check::Different)),
        ];
        for (received, expected) in cases {
            assert_eq!(template(FIRST).check_start(0, received.as_bytes()), expected, "{received}");
        }
        let until_close = "HTTP/1.1 200 OK\r\n\r\nhi";
        let longer = format!("{until_close}!");
        let checked = template(until_close).check_start(0, longer.as_bytes());
        assert_ne!(checked, Ok(until_close.len()), "only the close ends it");
    }

    #[test]
    fn a_beginning_with_a_new_date() {
        let new = FIRST.replace("49:37", "49:38");
        let mut first = template(FIRST);
        let date_ends = 52;
        assert_eq!(first.check(0, &new.as_bytes()[..date_ends]), Check::Partial);
        assert_eq!(first.check(date_ends, &new.as_bytes()[date_ends..]), Check::Equal);
        let mut second = template(FIRST);
        assert_eq!(second.check(0, &new.as_bytes()[..date_ends - 1]), Check::Different);
    }

    #[test]
    fn close_delimited() {
        let bytes = "HTTP/1.1 200 OK\r\n\r\nhi";
        let mut template = template(bytes);
        assert!(!template.persistent());
        assert_eq!(template.check(0, bytes.as_bytes()), Check::Partial);
        assert!(template.ends_at_close(bytes.len()));
        assert!(!template.ends_at_close(bytes.len() - 1));
        assert_eq!(template.check(0, b"HTTP/1.1 200 OK\r\n\r\nhi!"), Check::Different);
    }
}
