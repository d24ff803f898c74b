//! From a URL and options to the bytes of a request.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use reqwest::Url;

use crate::cmd::Misuse;

/// What is asked.
#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    /// The method [default: GET, or POST with a body].
    #[arg(short, long)]
    method: Option<String>,

    /// A header, such as 'Accept: text/html'; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// The body.
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    body: Option<String>,

    /// The body, from a file.
    #[arg(long, short = 'D', value_name = "FILE")]
    body_file: Option<PathBuf>,
}

/// Reads a URL; `http://` may be left out.
pub(super) fn url(text: &str) -> Result<Url> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|e| Misuse(format!("`{text}` is no URL: {e}")))?;
    match url.scheme() {
        "http" | "https" => {}
        other => bail!(Misuse(format!("`{other}` is not supported: give an http:// URL"))),
    }
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        Misuse("give credentials as a header: -H 'Authorization: ...'".into())
    );
    Ok(url)
}

impl RequestArgs {
    pub(super) fn is_head(&self) -> bool {
        self.method.as_deref() == Some("HEAD")
    }

    /// The whole request.
    pub(super) fn bytes(&self, url: &Url) -> Result<Vec<u8>> {
        let body = match (&self.body, &self.body_file) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(path)) => {
                Some(fs::read(path).with_context(|| format!("failed to read {}", path.display()))?)
            }
            (None, None) => None,
        };
        let method = self.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
        ensure!(
            !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            Misuse(format!("`{method}` is no method"))
        );
        let mut fields = vec![];
        for header in &self.headers {
            fields.push(field(header)?);
        }
        let defaults = [
            ("Host", url.authority()),
            ("User-Agent", concat!("duet/", env!("CARGO_PKG_VERSION"))),
            ("Accept", "*/*"),
        ];
        let given = |name: &str| fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let defaults: Vec<_> = defaults.into_iter().filter(|(name, _)| !given(name)).collect();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut out = format!("{method} {}{query} HTTP/1.1\r\n", url.path());
        for (name, value) in defaults.into_iter().chain(fields) {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &body {
            out.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        out.push_str("\r\n");
        Ok([out.into_bytes(), body.unwrap_or_default()].concat())
    }
}

fn field(header: &str) -> Result<(&str, &str)> {
    let (name, value) = header
        .split_once(':')
        .ok_or_else(|| Misuse(format!("`{header}` is no header: write 'Name: value'")))?;
    let (name, value) = (name.trim(), value.trim());
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let fits = !name.is_empty() && name.bytes().all(token) && !value.contains(['\r', '\n', '\0']);
    ensure!(fits, Misuse(format!("`{}` is no header", header.escape_debug())));
    let framing = ["content-length", "transfer-encoding"];
    ensure!(
        !framing.contains(&name.to_ascii_lowercase().as_str()),
        Misuse(format!("{name} follows from the body and cannot be given"))
    );
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(target: &str, method: Option<&str>, headers: &[&str], body: Option<&str>) -> String {
        let args = RequestArgs {
            method: method.map(Into::into),
            headers: headers.iter().map(|&h| h.into()).collect(),
            body: body.map(Into::into),
            body_file: None,
        };
        let bytes = url(target).and_then(|url| args.bytes(&url));
        bytes.map_or_else(|e| format!("{e:#}"), |b| String::from_utf8_lossy(&b).into_owned())
    }

    #[test]
    fn requests() {
        let agent = concat!("User-Agent: duet/", env!("CARGO_PKG_VERSION"), "\r\n");
        let plain = |line: &str, host: &str| {
            format!("{line} HTTP/1.1\r\nHost: {host}\r\n{agent}Accept: */*\r\n\r\n")
        };
        let cases = [
            (bytes("http://a.b/c?d=e#f", None, &[], None), plain("GET /c?d=e", "a.b")),
            (bytes("https://a:443/", None, &[], None), plain("GET /", "a")),
            (bytes("localhost:80", None, &[], None), plain("GET /", "localhost")),
            (bytes("[::1]:81/x", Some("PUT"), &[], None), plain("PUT /x", "[::1]:81")),
            (
                bytes("http://a", None, &["accept: b", "X: y:z"], Some("hi")),
                format!(
                    "POST / HTTP/1.1\r\nHost: a\r\n{agent}accept: b\r\nX: y:z\r\n\
                     Content-Length: 2\r\n\r\nhi"
                ),
            ),
        ];
        for (got, want) in cases {
            assert_eq!(got, want);
        }
    }

    #[test]
    fn mistakes() {
        let cases = [
            (bytes("ftp://a", None, &[], None), "`ftp` is not supported"),
            (bytes("http://u:p@a", None, &[], None), "credentials"),
            (bytes("http://", None, &[], None), "is no URL"),
            (bytes("a", None, &["x"], None), "write 'Name: value'"),
            (bytes("a", None, &["x: y\r\nz: a"], None), "is no header"),
            (bytes("a", None, &["Content-Length: 1"], None), "follows from the body"),
            (bytes("a", Some("GET /"), &[], None), "is no method"),
        ];
        for (got, want) in cases {
            assert!(got.contains(want), "{got} lacks {want}");
        }
    }
}
