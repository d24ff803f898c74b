//! A proxy of the command line, and one that is set in the environment, as curl reads it.

use std::env;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use url::Url;

/// A proxy of the command line.
#[derive(Debug, Clone)]
pub(super) struct Proxy(Url);

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        match Url::parse(&whole) {
            Ok(url) if url.scheme() == "http" && url.has_host() => Ok(Self(url)),
            _ => Err(format!("`{text}` is no proxy: write http://[USER:PASSWORD@]HOST:PORT")),
        }
    }
}

impl Proxy {
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// The value of `Proxy-Authorization`, where credentials are given (RFC 7617).
    pub(super) fn authorization(&self) -> Option<String> {
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let password = self.0.password().unwrap_or_default();
        let user = [&decoded(self.0.username())[..], b":", &decoded(password)].concat();
        (user != b":").then(|| format!("Basic {}", BASE64_STANDARD.encode(user)))
    }

    /// The request for a way to the server of `url` (RFC 9110, section 9.3.6).
    pub(super) fn connect(&self, url: &Url) -> Vec<u8> {
        let host = url.host_str().unwrap_or_default();
        let server = format!("{host}:{}", url.port_or_known_default().unwrap_or(443));
        let authorization = self.authorization();
        let credentials = authorization.map(|value| format!("Proxy-Authorization: {value}\r\n"));
        let credentials = credentials.unwrap_or_default();
        let request = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n{credentials}\r\n");
        request.into_bytes()
    }
}

/// The variable by which other clients would go through a proxy; a load goes straight to its host.
/// None of a host of this machine: nobody expects a proxy there.
pub(super) fn ignored(url: &Url) -> Option<&'static str> {
    let host = url.host_str()?.trim_matches(['[', ']']);
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let variables: &[&str] = match url.scheme() {
        "https" => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    let excepted = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
    if is_here(host) || is_excepted(host, &excepted) {
        return None;
    }
    variables.iter().find(|name| set(name).is_some()).copied()
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|addr: IpAddr| addr.is_loopback())
}

/// Whether a list of hosts and domains has this one.
fn is_excepted(host: &str, list: &str) -> bool {
    list.split(',').map(|name| name.trim().trim_start_matches('.')).any(|name| {
        name == "*"
            || host == name
            || (!name.is_empty()
                && host.strip_suffix(name).is_some_and(|front| front.ends_with('.')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies() {
        let read = |text: &str| text.parse::<Proxy>();
        let proxy = read("http://a%40b:c%20d@[::1]:3128").expect("it is a proxy");
        assert_eq!((proxy.host(), proxy.port()), ("::1", 3128));
        let url = Url::parse("https://s/x").expect("it is a URL");
        let connect = "CONNECT s:443 HTTP/1.1\r\nHost: s:443\r\n\
            Proxy-Authorization: Basic YUBiOmMgZA==\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&proxy.connect(&url)), connect);
        let plain = read("proxy:8080").expect("it is a proxy");
        assert_eq!((plain.host(), plain.port(), plain.authorization()), ("proxy", 8080, None));
        for wrong in ["https://a:1", "socks5://a:1", "http://", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_without_a_proxy() {
        assert!(is_here("localhost") && is_here("127.0.0.1") && is_here("::1"));
        assert!(!is_here("10.0.0.1") && !is_here("a.b"));
        let list = "a.b, .c.d,10.0.0.1";
        for host in ["a.b", "x.a.b", "c.d", "y.c.d", "10.0.0.1"] {
            assert!(is_excepted(host, list), "{host}");
        }
        for host in ["xa.b", "d", "10.0.0.2"] {
            assert!(!is_excepted(host, list), "{host}");
        }
        assert!(is_excepted("a.b", "*") && !is_excepted("a.b", ""));
    }
}
