//! Whom to ask: where it listens, and whether TLS lies between.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::tls::Tls;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addr {
    /// An IPv4 or IPv6 address and a port.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// Where a server listens, and how its bytes travel.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub addr: Addr,
    /// How connections are encrypted; none: not at all.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is spoken, without asking whether it is known: TLS, if any, has agreed on it.
    pub http2: bool,
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self { addr: Addr::Tcp(addr), tls: None, http2: false }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}
