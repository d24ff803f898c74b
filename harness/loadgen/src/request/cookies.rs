//! The cookies of one connection, as far as a load of one server needs them (RFC 6265): names,
//! values, paths, and that they are deleted.

use std::time::SystemTime;

/// The most cookies that are kept, of which RFC 6265, section 6.1, asks; the oldest goes first.
const COOKIES_MAX: usize = 50;
/// The longest cookie that is kept, name and value together (likewise).
const COOKIE_BYTES_MAX: usize = 4096;

/// Cookies that go to a server with each request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cookies(Vec<Cookie>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    path: String,
}

impl Cookies {
    /// Those of a header `Cookie`: `a=b; c=d`.
    #[must_use]
    pub fn given(text: &str) -> Self {
        let pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
        let cookie = |(name, value): (&str, &str)| Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            path: "/".to_owned(),
        };
        Self(pairs.map(cookie).collect())
    }

    /// Takes what a response to the request of `path` says in a header `Set-Cookie`.
    pub(super) fn set(&mut self, header: &[u8], path: &str, now: SystemTime) {
        let header = String::from_utf8_lossy(header);
        let mut parts = header.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        let unfit = name.is_empty() || header.bytes().any(|b| b < b' ' && b != b'\t');
        if unfit || name.len() + value.len() > COOKIE_BYTES_MAX {
            return;
        }
        let (mut of, mut expired, mut age) = (default_path(path).to_owned(), false, None);
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => value.clone_into(&mut of),
                "expires" => {
                    expired = httpdate::parse_http_date(value).is_ok_and(|date| date <= now);
                }
                "max-age" => age = value.parse::<i64>().ok().or(age),
                _ => {}
            }
        }
        self.0.retain(|cookie| cookie.name != name || cookie.path != of);
        // Max-Age counts where both are there. None of them ends within a load by its age.
        if age.map_or(expired, |age| age <= 0) {
            return;
        }
        if self.0.len() == COOKIES_MAX {
            self.0.remove(0);
        }
        self.0.push(Cookie { name: name.to_owned(), value: value.to_owned(), path: of });
    }

    /// Writes the header line for a request of `path`; nothing where there is no cookie.
    pub(super) fn write(&self, path: &str, out: &mut Vec<u8>) {
        let sent = self.0.iter().filter(|cookie| is_within(path, &cookie.path));
        let mut before = "Cookie: ";
        for Cookie { name, value, .. } in sent {
            out.extend_from_slice(format!("{before}{name}={value}").as_bytes());
            before = "; ";
        }
        if before == "; " {
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// RFC 6265, section 5.1.4.
fn default_path(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

fn is_within(path: &str, of: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let rest = path.strip_prefix(of);
    rest.is_some_and(|rest| rest.is_empty() || of.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cookies: &Cookies, path: &str) -> String {
        let mut out = vec![];
        cookies.write(path, &mut out);
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn set_and_sent() {
        let now = httpdate::parse_http_date("Mon, 30 Nov 2026 12:00:00 GMT").expect("a date");
        let mut cookies = Cookies::given("a=1; b=x=y");
        assert_eq!(sent(&cookies, "/"), "Cookie: a=1; b=x=y\r\n");
        for (header, path, want) in [
            ("a=2; Path=/; HttpOnly", "/x", "Cookie: b=x=y; a=2\r\n"),
            ("c=3", "/deep/er?x", "Cookie: b=x=y; a=2\r\n"),
            ("d=4; path=/", "/deep/er", "Cookie: b=x=y; a=2; d=4\r\n"),
            ("nonsense", "/", "Cookie: b=x=y; a=2; d=4\r\n"),
            ("a=; Max-Age=0; Path=/", "/", "Cookie: b=x=y; d=4\r\n"),
            ("d=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/", "Cookie: b=x=y\r\n"),
            ("e=5; Path=/; Expires=Thu, 01 Jan 2037 00:00:00 GMT", "/", "Cookie: b=x=y; e=5\r\n"),
        ] {
            cookies.set(header.as_bytes(), path, now);
            assert_eq!(sent(&cookies, "/"), want, "{header}");
        }
        assert_eq!(sent(&cookies, "/deep?q"), "Cookie: b=x=y; c=3; e=5\r\n");
        assert_eq!(sent(&cookies, "/deeper"), "Cookie: b=x=y; e=5\r\n");
        assert_eq!(sent(&Cookies::default(), "/"), "");
        for i in 0..100 {
            cookies.set(format!("n{i}=1; Path=/").as_bytes(), "/", now);
        }
        assert_eq!(cookies.0.len(), COOKIES_MAX);
    }
}
