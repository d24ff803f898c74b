//! Where a server listens, and how its bytes travel.

use std::fmt;
use std::net::SocketAddr;

use duet_protocol::Address;

use super::tls::Tls;

/// Where a server listens, and how its bytes travel.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub addr: Address,
    /// How connections are encrypted; none: not at all.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is spoken: with prior knowledge, or as TLS has agreed on.
    pub http2: bool,
}

impl From<Address> for Target {
    fn from(addr: Address) -> Self {
        Self { addr, tls: None, http2: false }
    }
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Address::from(addr).into()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}
