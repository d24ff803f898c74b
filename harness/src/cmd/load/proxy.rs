//! A proxy that is set in the environment, as curl reads it.

use std::env;
use std::net::IpAddr;

use url::Url;

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
