//! How requests get to the server: addresses, Unix sockets, TLS.

use std::fs;
use std::net::ToSocketAddrs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use url::Url;

use crate::cmd::exit::UsageError;
use duet_loadgen::transport::target::Target;
use duet_loadgen::transport::tls::{RootCertStore, Tls, Trust};
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

    /// Speak HTTP/2: with https:// as agreed on with the server (ALPN), with http:// unsolicited.
    #[arg(long, visible_alias = "http2-prior-knowledge", conflicts_with = "disable_keepalive")]
    http2: bool,

    /// HTTP/2: requests in flight on each connection [default: 1].
    #[arg(long, value_name = "N", requires = "http2")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    streams: Option<u32>,
}

impl TransportArgs {
    /// Requests in flight on each connection.
    pub(super) fn streams(&self) -> usize {
        self.streams.unwrap_or(1) as usize
    }

    /// Whether the server, which allows `max` requests in flight on a connection, allows that many.
    pub(super) fn check_streams(&self, max: Option<usize>) -> Result<()> {
        let (streams, max) = (self.streams(), max.unwrap_or(usize::MAX));
        let error = || {
            UsageError(format!("the server allows {max} streams on a connection, not {streams}"))
        };
        ensure!(streams <= max, error());
        Ok(())
    }

    /// Where the server may be, in the order of what the host's name stands for.
    pub(super) fn targets(&self, url: &Url) -> Result<Vec<Target>> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let tls = self.tls(url, host)?;
        let addrs = match &self.unix_socket {
            Some(path) => vec![Address::Unix(path.clone())],
            None => {
                let port = url.port_or_known_default().unwrap_or(80);
                let addrs = (host, port).to_socket_addrs();
                let addrs =
                    addrs.with_context(|| format!("failed to find the address of {host}"))?;
                addrs.map(Address::Tcp).collect()
            }
        };
        let target = |addr| Target { addr, tls: tls.clone(), http2: self.http2 };
        Ok(addrs.into_iter().map(target).collect())
    }

    fn tls(&self, url: &Url, host: &str) -> Result<Option<Tls>> {
        if url.scheme() != "https" {
            let given = if self.insecure { Some("--insecure") } else { None };
            let given = given.or(self.cacert.as_ref().map(|_| "--cacert"));
            ensure!(
                given.is_none(),
                UsageError(format!("{} is about https:// URLs", given.unwrap_or_default()))
            );
            return Ok(None);
        }
        let tls = Tls::new(self.trust()?, host, self.http2);
        Ok(Some(tls.map_err(|error| UsageError(format!("{error:#}")))?))
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
