//! Where a server listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the address of a Unix socket begins with.
const UNIX: &str = "unix:";

/// Where a server listens: `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/server.sock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// An IPv4 or IPv6 address and a port.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(UNIX) {
            Some(path) => Ok(Self::Unix(path.into())),
            None => {
                let addr = text.parse().map(Self::Tcp);
                addr.map_err(|_| format!("`{text}` is neither an IP address and a port nor {UNIX}"))
            }
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_as_they_are_written() {
        for text in ["127.0.0.1:80", "[::1]:8080", "unix:/run/server.sock", "unix:name"] {
            assert_eq!(text.parse::<Address>().map(String::from).as_deref(), Ok(text));
        }
        for text in ["", "localhost:80", "127.0.0.1", "/run/server.sock"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
