//! Where a report's links may lead.

/// A link as a page may hold it: a path, or an address of the web. A record may come from
/// somebody else, and what it calls a path may be a program: `javascript:...`. Absent where the
/// link leads elsewhere. What could end the link in Markdown or HTML is percent-encoded.
pub(crate) fn checked(link: &str) -> Option<String> {
    let before_path = link.split(['/', '?', '#']).next().unwrap_or_default();
    let is_web = link.starts_with("https://") || link.starts_with("http://");
    // `//host/path` is an address of the web that does not look like one.
    if link.starts_with("//") || before_path.contains(':') && !is_web {
        return None;
    }
    let mut out = String::new();
    for byte in link.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-._~/:?#@!$&+,;=%".contains(&b) => {
                out.push(char::from(b));
            }
            b => out += &format!("%{b:02X}"),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let cases = [
            ("../../a/b.rs", Some("../../a/b.rs")),
            ("/home/me/a%20b/c.rs", Some("/home/me/a%20b/c.rs")),
            ("https://example.org/?a=b#c", Some("https://example.org/?a=b#c")),
            ("#std", Some("#std")),
            ("a b/c)\">", Some("a%20b/c%29%22%3E")),
            ("javascript:alert(1)", None),
            ("java\nscript:alert(1)", None),
            ("data:text/html,x", None),
            ("//example.org/x", None),
            ("\\\\example.org/x", Some("%5C%5Cexample.org/x")),
        ];
        for (link, want) in cases {
            assert_eq!(checked(link).as_deref(), want, "{link:?}");
        }
    }
}
