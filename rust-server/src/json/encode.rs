//! Values to JSON: compact, keys in the order of the fields.

use std::io::Write;

use crate::items::{Item, Items};
use crate::orders::Summary;
use crate::response::{Failure, Hello};

/// Appends the greeting.
pub fn hello(out: &mut Vec<u8>, hello: &Hello) {
    string(out, "{\"message\":", hello.message);
    out.push(b'}');
}

/// Appends what went wrong.
pub fn failure(out: &mut Vec<u8>, failure: &Failure) {
    string(out, "{\"error\":", failure.error);
    out.push(b'}');
}

/// Appends the items.
pub fn items(out: &mut Vec<u8>, items: &Items) {
    out.extend_from_slice(b"{\"items\":");
    list(out, &items.items, item);
    number(out, ",\"count\":", items.count.into());
    out.push(b'}');
}

fn item(out: &mut Vec<u8>, item: &Item) {
    number(out, "{\"id\":", item.id.into());
    string(out, ",\"name\":", &item.name);
    string(out, ",\"category\":", item.category);
    number(out, ",\"price\":", item.price.into());
    number(out, ",\"quantity\":", item.quantity.into());
    let active: &[u8] = if item.active { b",\"active\":true" } else { b",\"active\":false" };
    out.extend_from_slice(active);
    out.extend_from_slice(b",\"tags\":");
    list(out, &item.tags, |out, tag| string(out, "", tag));
    number(out, ",\"rating\":{\"score\":", item.rating.score.into());
    number(out, ",\"count\":", item.rating.count.into());
    number(out, "},\"total\":", item.total);
    out.push(b'}');
}

/// Appends the summary.
pub fn summary(out: &mut Vec<u8>, summary: &Summary) {
    number(out, "{\"count\":", summary.count as u64);
    number(out, ",\"unpaid\":", summary.unpaid as u64);
    number(out, ",\"customers\":", summary.customers as u64);
    number(out, ",\"sum_cents\":", summary.sum_cents);
    out.extend_from_slice(b",\"by_category\":{");
    for (i, (category, cents)) in summary.by_category.iter().enumerate() {
        string(out, if i > 0 { "," } else { "" }, category);
        number(out, ":", *cents);
    }
    out.extend_from_slice(b"},\"top5\":");
    list(out, &summary.top5, |out, top| {
        string(out, "{\"id\":", &top.id);
        number(out, ",\"cents\":", top.cents);
        out.push(b'}');
    });
    out.push(b'}');
}

fn list<T>(out: &mut Vec<u8>, values: &[T], element: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        element(out, value);
    }
    out.push(b']');
}

/// Appends `before`, then the number.
fn number(out: &mut Vec<u8>, before: &str, value: u64) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{before}{value}");
}

/// Appends `before`, then the string in quotes, with escapes for what JSON does not allow as it is.
fn string(out: &mut Vec<u8>, before: &str, value: &str) {
    out.extend_from_slice(before.as_bytes());
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
    {
        out.extend_from_slice(&rest[..at]);
        escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        let check = |value: &str, expected: &str| {
            let mut out = Vec::new();
            string(&mut out, "", value);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check("", r#""""#);
        check("Zoë", r#""Zoë""#);
        check("\"a\\", r#""\"a\\""#);
        check("\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}", "\"\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}\"");
    }

    #[test]
    fn contract_hello() {
        let mut out = Vec::new();
        hello(&mut out, &crate::response::HELLO);
        assert_eq!(String::from_utf8_lossy(&out), r#"{"message":"hello world"}"#);
    }

    /// The contract's example.
    #[test]
    fn contract_items() {
        let mut out = Vec::new();
        let one = crate::items::items("1".parse().unwrap(), "1".parse().unwrap());
        items(&mut out, &one);
        let expected = concat!(
            r#"{"items":[{"id":1,"name":"Item 1","category":"books","price":8019,"quantity":2,"#,
            r#""active":true,"tags":["sale","new"],"rating":{"score":2,"count":13},"#,
            r#""total":16038}],"count":1}"#
        );
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
