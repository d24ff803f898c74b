//! JSON (RFC 8259) to orders, strictly, in one pass, without a tree of values in between.
//!
//! Unknown keys are skipped with their values, which must be well-formed. A key given twice is
//! refused.

use std::borrow::Cow;

use crate::orders::{Customer, Line, Order};
use crate::query::hex;
use crate::response::BadRequest;

/// How deep values may nest: the reader of skipped values is recursive.
const DEPTH_MAX: u32 = 128;

const MALFORMED: BadRequest = BadRequest::new("malformed JSON");
const MISSING: BadRequest = BadRequest::new("a field is missing");

type Result<T> = std::result::Result<T, BadRequest>;

/// Decodes the body of `POST /orders`.
pub fn orders(body: &[u8]) -> Result<Vec<Order>> {
    let text = str::from_utf8(body).map_err(|_| MALFORMED)?;
    let mut reader = Reader { text, at: 0 };
    let orders = reader.list(Reader::order)?;
    match reader.peek() {
        None => Ok(orders),
        Some(_) => Err(MALFORMED),
    }
}

/// The text, and how far it is read.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn order(&mut self) -> Result<Order> {
        let (mut id, mut customer, mut category, mut paid, mut lines) =
            (None, None, None, None, None);
        self.object(|reader, key| match key {
            "id" => once(&mut id, reader.string()?),
            "customer" => once(&mut customer, reader.customer()?),
            "category" => once(&mut category, reader.string()?),
            "paid" => once(&mut paid, reader.optional_bool()?),
            "lines" => once(&mut lines, reader.list(Self::line)?),
            _ => reader.skip(0),
        })?;
        Ok(Order {
            id: id.ok_or(MISSING)?,
            customer: customer.ok_or(MISSING)?,
            category: category.ok_or(MISSING)?,
            paid: paid.flatten(),
            lines: lines.ok_or(MISSING)?,
        })
    }

    fn customer(&mut self) -> Result<Customer> {
        let (mut name, mut country) = (None, None);
        self.object(|reader, key| match key {
            "name" => once(&mut name, reader.string()?),
            "country" => once(&mut country, reader.string()?),
            _ => reader.skip(0),
        })?;
        Ok(Customer { name: name.ok_or(MISSING)?, country: country.ok_or(MISSING)? })
    }

    fn line(&mut self) -> Result<Line> {
        let (mut sku, mut quantity, mut price) = (None, None, None);
        self.object(|reader, key| match key {
            "sku" => once(&mut sku, reader.string()?),
            "quantity" => once(&mut quantity, reader.unsigned()?),
            "price" => once(&mut price, reader.string()?),
            _ => reader.skip(0),
        })?;
        Ok(Line {
            sku: sku.ok_or(MISSING)?,
            quantity: quantity.ok_or(MISSING)?,
            price: price.ok_or(MISSING)?,
        })
    }

    /// An object; `field` reads the value of each key.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        self.expect(b'{')?;
        if self.skip_if(b'}') {
            return Ok(());
        }
        loop {
            let key = self.text()?;
            self.expect(b':')?;
            field(self, &key)?;
            if !self.skip_if(b',') {
                return self.expect(b'}');
            }
        }
    }

    fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut values = Vec::new();
        self.expect(b'[')?;
        if self.skip_if(b']') {
            return Ok(values);
        }
        loop {
            values.push(element(self)?);
            if !self.skip_if(b',') {
                self.expect(b']')?;
                return Ok(values);
            }
        }
    }

    fn string(&mut self) -> Result<String> {
        self.text().map(Cow::into_owned)
    }

    /// A string, borrowed if nothing in it is escaped.
    fn text(&mut self) -> Result<Cow<'a, str>> {
        self.expect(b'"')?;
        let text = self.text;
        let start = self.at;
        self.plain();
        if self.next()? == b'"' {
            return Ok(Cow::Borrowed(&text[start..self.at - 1]));
        }
        self.at -= 1;
        let mut decoded = String::from(&text[start..self.at]);
        loop {
            match self.next()? {
                b'"' => return Ok(Cow::Owned(decoded)),
                b'\\' => decoded.push(self.escape()?),
                _ => return Err(MALFORMED),
            }
            let start = self.at;
            self.plain();
            decoded.push_str(&text[start..self.at]);
        }
    }

    /// Goes to the next byte of a string that does not stand for itself. That is always ASCII, so
    /// the text may be cut there.
    fn plain(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let ends = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char> {
        Ok(match self.next()? {
            byte @ (b'"' | b'\\' | b'/') => byte.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(MALFORMED),
        })
    }

    /// What follows `\u`: one code unit of UTF-16, or the two of a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char> {
        let first = self.code_unit()?;
        let code = match first {
            0xd800..0xdc00 => {
                if self.next()? != b'\\' || self.next()? != b'u' {
                    return Err(MALFORMED);
                }
                let second = self.code_unit()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(MALFORMED);
                }
                0x1_0000 + ((first - 0xd800) << 10 | (second - 0xdc00))
            }
            _ => first,
        };
        char::from_u32(code).ok_or(MALFORMED)
    }

    fn code_unit(&mut self) -> Result<u32> {
        (0..4)
            .try_fold(0, |value, _| Ok(value << 4 | u32::from(hex(self.next()?).ok_or(MALFORMED)?)))
    }

    /// A number without sign, fraction and exponent.
    fn unsigned(&mut self) -> Result<u32> {
        self.peek();
        let start = self.at;
        self.number()?;
        // `parse` would take a sign that JSON does not know, but `number` has not.
        self.text[start..self.at].parse().map_err(|_| MALFORMED)
    }

    fn optional_bool(&mut self) -> Result<Option<bool>> {
        let (word, value) = match self.peek() {
            Some(b't') => ("true", Some(true)),
            Some(b'f') => ("false", Some(false)),
            _ => ("null", None),
        };
        self.word(word)?;
        Ok(value)
    }

    fn word(&mut self, word: &str) -> Result<()> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(MALFORMED);
        }
        self.at += word.len();
        Ok(())
    }

    /// Any value, checked and forgotten.
    fn skip(&mut self, depth: u32) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(MALFORMED);
        }
        match self.peek() {
            Some(b'{') => self.skip_object(depth + 1),
            Some(b'[') => self.list(|reader| reader.skip(depth + 1)).map(|_: Vec<()>| ()),
            Some(b'"') => self.skip_string(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number(),
        }
    }

    fn skip_object(&mut self, depth: u32) -> Result<()> {
        self.expect(b'{')?;
        if self.skip_if(b'}') {
            return Ok(());
        }
        loop {
            self.skip_string()?;
            self.expect(b':')?;
            self.skip(depth)?;
            if !self.skip_if(b',') {
                return self.expect(b'}');
            }
        }
    }

    fn skip_string(&mut self) -> Result<()> {
        self.expect(b'"')?;
        loop {
            self.plain();
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => drop(self.code_unit()?),
                    _ => return Err(MALFORMED),
                },
                _ => return Err(MALFORMED),
            }
        }
    }

    fn number(&mut self) -> Result<()> {
        self.skip_byte(b'-');
        if !self.skip_byte(b'0') {
            self.digits()?;
        }
        if self.skip_byte(b'.') {
            self.digits()?;
        }
        if self.skip_byte(b'e') || self.skip_byte(b'E') {
            let _ = self.skip_byte(b'+') || self.skip_byte(b'-');
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while self.text.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(MALFORMED) }
    }

    /// The next byte that is not white space. It is not consumed; the white space is.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Consumes white space, then this byte.
    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.skip_if(byte) { Ok(()) } else { Err(MALFORMED) }
    }

    /// Consumes white space, then this byte if it comes next.
    fn skip_if(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// Consumes this byte if it comes next.
    fn skip_byte(&mut self, byte: u8) -> bool {
        let next = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(next);
        next
    }

    fn next(&mut self) -> Result<u8> {
        let byte = *self.text.as_bytes().get(self.at).ok_or(MALFORMED)?;
        self.at += 1;
        Ok(byte)
    }
}

/// Fills a field that must not be filled yet.
fn once<T>(field: &mut Option<T>, value: T) -> Result<()> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadRequest::new("a key is given twice")),
    }
}
