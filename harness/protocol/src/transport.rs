//! How requests travel to a server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How requests travel: which HTTP, and whether TLS lies beneath. Over TCP or a Unix socket, as the
/// server's [`Address`](crate::Address) says.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 with prior knowledge, without TLS.
    H2c,
    /// HTTP/2 over TLS, agreed on by ALPN.
    H2,
}

/// A name that no transport has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTransport(pub String);

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Http, Self::Https, Self::H2c, Self::H2];

    /// Its name in definitions and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::H2 => "h2",
        }
    }

    /// Whether TLS lies beneath.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    /// Whether it is HTTP/2, so that a connection may have several requests in flight.
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Self, UnknownTransport> {
        let found = Self::ALL.into_iter().find(|transport| transport.name() == text);
        found.ok_or_else(|| UnknownTransport(text.to_owned()))
    }
}

impl fmt::Display for UnknownTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Transport::ALL.map(Transport::name).join(", ");
        write!(f, "`{}` is no transport: {names}", self.0)
    }
}

impl std::error::Error for UnknownTransport {}

/// What the TLS handshake with a server agreed on, in the names of the RFCs' registries; all absent
/// without TLS. Arms are compared where it is the same for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Negotiated {
    /// The protocol version, such as `TLSv1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The group of the key exchange, such as `X25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The cipher suite, such as `TLS_AES_128_GCM_SHA256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// The application protocol (ALPN), such as `h2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
}

/// Handshakes of TLS with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Handshakes {
    /// With the server's certificate and its signature.
    pub full: u64,
    /// With a session ticket of an earlier connection in their place.
    pub resumed: u64,
}

impl Handshakes {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.full + self.resumed
    }

    /// Those since `earlier`, when there were so many.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { full: self.full - earlier.full, resumed: self.resumed - earlier.resumed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_as_they_are_written() {
        for transport in Transport::ALL {
            assert_eq!(transport.name().parse(), Ok(transport));
        }
        let unknown = "h3".parse::<Transport>().expect_err("there is no such transport");
        assert_eq!(unknown.to_string(), "`h3` is no transport: http, https, h2c, h2");
    }
}
