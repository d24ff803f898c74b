//! Where requests go: a URL, and how it was written.

use anyhow::{Result, bail, ensure};
use url::Url;

use crate::cmd::exit::{ServerUnavailable, UsageError};
use duet_loadgen::request::placeholder;

/// What a URL says, and how it was written.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) url: Url,
    pub(super) text: String,
    /// The zone of its IPv6 address (`[fe80::1%eth0]`, RFC 6874), which the URL lacks.
    pub(super) zone: Option<String>,
    /// Whether it was ws:// or wss://. The URL then says http:// or https://, which connections are
    /// opened as.
    pub(super) websocket: bool,
}

impl Place {
    /// Reads a URL; `http://` may be left out.
    pub(super) fn new(text: &str) -> Result<Self> {
        let number = text.bytes().all(|byte| byte.is_ascii_digit());
        ensure!(
            !number,
            UsageError(format!("`{text}` is no URL: is http://127.0.0.1:{text}/ what is meant?"))
        );
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let zone = zone(&whole);
        let plain = match zone {
            Some((start, end)) => format!("{}{}", &whole[..start], &whole[end..]),
            None => whole.clone(),
        };
        let mut url =
            Url::parse(&plain).map_err(|e| UsageError(format!("`{text}` is no URL: {e}")))?;
        let (http, websocket) = match url.scheme() {
            "http" => ("http", false),
            "https" => ("https", false),
            "ws" => ("http", true),
            "wss" => ("https", true),
            other => {
                bail!(UsageError(format!(
                    "`{other}` is not supported: give an http:// or https:// URL (or ws://, wss://)"
                )))
            }
        };
        // All of these schemes have a host, and the same ports if none is given.
        let _ = url.set_scheme(http);
        ensure!(
            url.username().is_empty() && url.password().is_none(),
            UsageError("give credentials by --user USER:PASSWORD".into())
        );
        let zone = zone.map(|(start, end)| zone_name(&whole[start + 1..end]).to_owned());
        Ok(Self { url, text: text.to_owned(), zone, websocket })
    }

    /// The URL as it was meant.
    pub(super) fn shown(&self) -> Url {
        let mut url = self.url.clone();
        if self.websocket {
            let _ = url.set_scheme(if url.scheme() == "https" { "wss" } else { "ws" });
        }
        url
    }

    /// Where a redirect to `location` leads. A host of the same name is in the same zone.
    pub(super) fn redirected(&self, location: &str) -> Result<Self> {
        let next = self.url.join(location).map_err(|why| {
            ServerUnavailable(format!("{} redirects to `{location}`: {why}", self.url))
        })?;
        let zone = self.zone.clone().filter(|_| next.host() == self.url.host());
        Ok(Self { zone, ..Self::new(next.as_str())? })
    }
}

/// The name of a zone: its `%` may be written `%25`.
fn zone_name(text: &str) -> &str {
    text.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(text)
}

/// Where a URL has the zone of an address, from its `%` to the bracket.
fn zone(url: &str) -> Option<(usize, usize)> {
    let from = url.find("://").map_or(0, |at| at + 3);
    let rest = url[from..].strip_prefix('[')?;
    let end = rest.find(']')?;
    let start = rest[..end].find('%')?;
    Some((from + 1 + start, from + 1 + end))
}

/// Path and query of a URL as they are written: dots, `%2F` and backslashes are left alone, for
/// what a server makes of them may be what is tested. Only what is no ASCII is encoded.
pub(super) fn target(text: &str) -> Result<String> {
    let rest = match text.split_once("://") {
        Some((_, rest)) if !text.starts_with('/') => rest,
        _ => text,
    };
    let path = rest.find(['/', '?', '#']).map_or("", |start| &rest[start..]);
    let path = path.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut out = slash.to_owned();
    for character in path.chars() {
        match character {
            '!'..='~' => out.push(character),
            _ if character.is_ascii() => bail!(UsageError(format!(
                "a URL has no {character:?}: write it as %{:02X}",
                character as u32
            ))),
            _ => {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).bytes();
                bytes.for_each(|byte| out.push_str(&format!("%{byte:02X}")));
            }
        }
    }
    let everywhere = placeholder::find(text.as_bytes()).1.len();
    ensure!(
        placeholder::find(out.as_bytes()).1.len() == everywhere,
        UsageError("placeholders stand in the path or the query of a URL".to_owned())
    );
    Ok(out)
}
