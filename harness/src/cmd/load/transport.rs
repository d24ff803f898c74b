//! How requests get to the server: addresses, Unix sockets, TLS.

use std::fs;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use url::Url;

use super::place::Place;
use super::proxy::Proxy;
use crate::cmd::exit::{ServerUnavailable, UsageError};
use duet_loadgen::transport::target::Target;
use duet_loadgen::transport::tls::{Identity, RootCertStore, Tls, Trust};
use duet_protocol::Address;

/// How requests get to the server.
#[derive(Debug, Default, Args)]
pub(super) struct TransportArgs {
    /// Connect to this Unix socket; the URL's host is only a name then.
    #[arg(long, value_name = "PATH")]
    unix_socket: Option<PathBuf>,

    /// Trust any certificate, whoever shows it.
    #[arg(short = 'k', long)]
    insecure: bool,

    /// Trust the authorities in this file (PEM) instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,

    /// The client's certificate (PEM), with those of its issuers behind it.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The key of the client's certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// The name that TLS asks for and the certificate must have, instead of the URL's host.
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,

    /// Resume TLS sessions: the handshake of a later connection takes a session ticket that an
    /// earlier one was given. Otherwise each is a full one.
    #[arg(long)]
    tls_resume: bool,

    /// Send requests by way of a proxy: http://[USER:PASSWORD@]HOST:PORT. It is measured, too.
    #[arg(short = 'x', long, value_name = "URL")]
    #[arg(conflicts_with_all = ["unix_socket", "resolve", "connect_to"])]
    pub(super) proxy: Option<Proxy>,

    /// Connect to ADDR where the URL has HOST and PORT, as curl does; may be repeated.
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    resolve: Vec<Resolve>,

    /// Connect to HOST2 and PORT2 where the URL has HOST1 and PORT1, as curl does; each may be
    /// empty: any, or the URL's. May be repeated.
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2")]
    connect_to: Vec<ConnectTo>,

    /// Use IPv4 addresses of the host only.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Use IPv6 addresses of the host only.
    #[arg(short = '6', long)]
    ipv6: bool,

    /// Speak HTTP/2: with https:// as agreed on with the server (ALPN), with http:// unsolicited.
    #[arg(long, visible_alias = "http2-prior-knowledge", conflicts_with = "disable_keepalive")]
    http2: bool,

    /// HTTP/2: requests in flight on each connection [default: 1].
    #[arg(long, value_name = "N", requires = "http2")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    streams: Option<u32>,
}

impl TransportArgs {
    /// Whether connections stay on this machine, whatever the host is called.
    pub(super) fn is_local(&self) -> bool {
        self.unix_socket.is_some()
    }

    /// The proxy to which requests for this URL are sent whole; none: they go to the server, be it
    /// through a proxy.
    pub(super) fn forwards(&self, url: &Url) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| url.scheme() == "http")
    }

    /// Whether HTTP/2 is spoken.
    pub(super) fn is_http2(&self) -> bool {
        self.http2
    }

    /// Requests in flight on each connection.
    pub(super) fn streams(&self) -> usize {
        self.streams.unwrap_or(1) as usize
    }

    /// Whether the server, which allows `max` requests in flight on a connection, allows that many.
    pub(super) fn check_streams(&self, max: Option<usize>) -> Result<()> {
        let (streams, max) = (self.streams(), max.unwrap_or(usize::MAX));
        let none = || ServerUnavailable("the server allows no streams any more".to_owned());
        ensure!(max > 0, none());
        let error = || {
            UsageError(format!("the server allows {max} streams on a connection, not {streams}"))
        };
        ensure!(streams <= max, error());
        Ok(())
    }

    /// Where the server may be, in the order of what the host's name stands for.
    pub(super) fn targets(&self, Place { url, zone, .. }: &Place) -> Result<Vec<Target>> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let tls = self.tls(url, host)?;
        let tls = match &self.proxy {
            Some(proxy) => tls.map(|tls| tls.through(proxy.connect(url))),
            None => tls,
        };
        ensure!(
            self.forwards(url).is_none() || !self.http2,
            UsageError("a proxy speaks HTTP/1.1: leave out --http2".to_owned())
        );
        let addrs = match (&self.unix_socket, &self.proxy) {
            (Some(path), _) => vec![Address::Unix(path.clone())],
            (None, Some(proxy)) => {
                let addrs = self.addresses(proxy.host(), proxy.port())?;
                addrs.into_iter().map(Address::Tcp).collect()
            }
            (None, None) => {
                let addrs = self.addresses(host, url.port_or_known_default().unwrap_or(80))?;
                let zone = zone.as_deref().map(scope).transpose()?;
                addrs.into_iter().map(|addr| Address::Tcp(scoped(addr, zone))).collect()
            }
        };
        let target = |addr| Target { addr, tls: tls.clone(), http2: self.http2 };
        Ok(addrs.into_iter().map(target).collect())
    }

    fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let is = |name: &str, host: &str| name.eq_ignore_ascii_case(host);
        let other = self.connect_to.iter().find(|ConnectTo { from: (name, of), .. }| {
            (name.is_empty() || is(name, host)) && of.is_none_or(|of| of == port)
        });
        let (host, port) = match other.map(|one| &one.to) {
            Some((name, other)) => {
                (if name.is_empty() { host } else { name }, other.unwrap_or(port))
            }
            None => (host, port),
        };
        if let Some(found) = self.resolve.iter().find(|one| is(&one.host, host) && one.port == port)
        {
            return Ok(vec![SocketAddr::new(found.addr, port)]);
        }
        let addrs = (host, port).to_socket_addrs();
        let addrs = addrs.with_context(|| format!("failed to find the address of {host}"))?;
        let wanted = |addr: &SocketAddr| match (self.ipv4, self.ipv6) {
            (true, _) => addr.is_ipv4(),
            (_, true) => addr.is_ipv6(),
            _ => true,
        };
        let addrs: Vec<SocketAddr> = addrs.filter(wanted).collect();
        let family = if self.ipv4 { "IPv4" } else { "IPv6" };
        ensure!(!addrs.is_empty(), UsageError(format!("{host} has no {family} address")));
        Ok(addrs)
    }

    fn tls(&self, url: &Url, host: &str) -> Result<Option<Tls>> {
        if url.scheme() != "https" {
            let given = [
                ("--insecure", self.insecure),
                ("--cacert", self.cacert.is_some()),
                ("--cert", self.cert.is_some()),
                ("--sni", self.sni.is_some()),
                ("--tls-resume", self.tls_resume),
            ];
            if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
                bail!(UsageError(format!("{option} is about https:// URLs")));
            }
            return Ok(None);
        }
        let name = self.sni.as_deref().unwrap_or(host);
        let tls = Tls::new(self.trust()?, self.identity()?, name, self.http2);
        let tls = tls.map_err(|error| UsageError(format!("{error:#}")))?;
        Ok(Some(if self.tls_resume { tls.resuming() } else { tls }))
    }

    fn identity(&self) -> Result<Option<Identity>> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else { return Ok(None) };
        let read = |path: &PathBuf| {
            fs::read(path).with_context(|| format!("failed to read {}", path.display()))
        };
        let identity = Identity::from_pem(&read(cert)?, &read(key)?);
        let wrong = |why| UsageError(format!("{} and {}: {why:#}", cert.display(), key.display()));
        Ok(Some(identity.map_err(wrong)?))
    }

    fn trust(&self) -> Result<Trust> {
        if self.insecure {
            return Ok(Trust::Insecure);
        }
        let Some(path) = &self.cacert else { return system_authorities() };
        let pem = fs::read(path);
        let pem = pem.with_context(|| format!("failed to read {}", path.display()))?;
        let trust = Trust::from_pem(&pem);
        Ok(trust.map_err(|why| UsageError(format!("{}: {why:#}", path.display())))?)
    }
}

/// `--resolve`: an address for a host's name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resolve {
    host: String,
    port: u16,
    addr: IpAddr,
}

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not HOST:PORT:ADDR, such as localhost:80:127.0.0.1");
        let (host, rest) = host_of(text).ok_or_else(wrong)?;
        let (port, addr) = rest.split_once(':').ok_or_else(wrong)?;
        let addr = addr.trim_matches(['[', ']']);
        Ok(Self {
            host,
            port: port.parse().map_err(|_| wrong())?,
            addr: addr.parse().map_err(|_| wrong())?,
        })
    }
}

/// `--connect-to`: another host and port in place of the URL's. An empty host is any, or the
/// URL's; so is a port that is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ConnectTo {
    from: (String, Option<u16>),
    to: (String, Option<u16>),
}

impl FromStr for ConnectTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let port = |text: &str| match text {
                "" => Some(None),
                text => text.parse().ok().map(Some),
            };
            let (host1, rest) = host_of(text)?;
            let (port1, rest) = rest.split_once(':')?;
            let (host2, port2) = host_of(rest)?;
            Some(Self { from: (host1, port(port1)?), to: (host2, port(port2)?) })
        };
        read().ok_or_else(|| format!("`{text}` is not HOST1:PORT1:HOST2:PORT2"))
    }
}

/// The host before the next colon, which may be an IPv6 address in brackets, and what follows.
fn host_of(text: &str) -> Option<(String, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => inside.split_once("]:")?,
        None => text.split_once(':')?,
    };
    Some((host.to_owned(), rest))
}

/// The index of a zone: of the interface of this name, or a number.
fn scope(zone: &str) -> Result<u32> {
    if let Ok(index) = zone.parse() {
        return Ok(index);
    }
    let index = nix::net::if_::if_nametoindex(zone);
    Ok(index.map_err(|_| UsageError(format!("there is no interface `{zone}`")))?)
}

fn scoped(addr: SocketAddr, zone: Option<u32>) -> SocketAddr {
    match (addr, zone) {
        (SocketAddr::V6(mut addr), Some(zone)) => {
            addr.set_scope_id(zone);
            addr.into()
        }
        (addr, _) => addr,
    }
}

fn system_authorities() -> Result<Trust> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Stores hold certificates that no verifier can use; the others count.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
    let none =
        || UsageError(format!("this system trusts nobody{why}: give --cacert or --insecure"));
    ensure!(added > 0, none());
    Ok(Trust::Roots(roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_the_place_of_others() {
        let resolve = |text: &str| text.parse::<Resolve>().map(|r| (r.host, r.port, r.addr));
        let local = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(resolve("a.b:80:127.0.0.1"), Ok(("a.b".to_owned(), 80, local)));
        let six = "::1".parse().expect("it is an address");
        assert_eq!(resolve("[::2]:81:[::1]"), Ok(("::2".to_owned(), 81, six)));
        for wrong in ["a", "a:80", "a:x:127.0.0.1", "a:80:b"] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
        let connect = |text: &str| text.parse::<ConnectTo>().map(|one| (one.from, one.to));
        let pair = |host: &str, port| (host.to_owned(), port);
        assert_eq!(connect("a:80:b:81"), Ok((pair("a", Some(80)), pair("b", Some(81)))));
        assert_eq!(connect("::[::1]:"), Ok((pair("", None), pair("::1", None))));
        for wrong in ["a", "a:80", "a:80:b", "a:x:b:1"] {
            assert!(connect(wrong).is_err(), "{wrong}");
        }
        let args = TransportArgs {
            resolve: ["a:80:127.0.0.2", "b:85:127.0.0.4"]
                .map(|one| one.parse().expect("it is one"))
                .to_vec(),
            connect_to: [":82:127.0.0.3:83", ":84:b:85"]
                .map(|one| one.parse().expect("it is one"))
                .to_vec(),
            ..TransportArgs::default()
        };
        let address = |host, port| {
            let found = args.addresses(host, port).expect("it is an address");
            found.first().expect("there is one").to_string()
        };
        assert_eq!(address("A", 80), "127.0.0.2:80");
        assert_eq!(address("a", 82), "127.0.0.3:83");
        assert_eq!(address("a", 84), "127.0.0.4:85");
        assert_eq!(address("127.0.0.1", 86), "127.0.0.1:86");
    }
}
