//! TLS for the server that offers it: what it negotiates, and where its certificate comes from.
//!
//! Both servers of the idiomatic lane do the same work for a connection
//! (`go-server/internal/serve/transport.go`), whatever each library would choose by itself:
//!
//! - TLS 1.3 alone, ALPN `h2` and `http/1.1`.
//! - `TLS_AES_128_GCM_SHA256`, which every implementation has (RFC 8446, 9.1). Go prefers it for a
//!   client that puts any AES-GCM first, and cannot be told otherwise. By default rustls follows
//!   the client's order, which begins with AES-256 in rustls and OpenSSL. What is left to differ:
//!   for a client that puts ChaCha20 first, or without AES in hardware, Go takes ChaCha20.
//! - X25519 alone. By default Go would take X25519MLKEM768, which rustls does not have with ring.
//! - One stateless session ticket a handshake, as Go does. By default rustls sends two, and keeps
//!   the sessions of the last 256 itself. No early data.
//!
//! Go alone sends the first 128 KiB of a connection in records of a packet's size, and the ticket
//! before the client's Finished.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::ring::{self, Ticketer, cipher_suite, kx_group};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::TLS13;

/// How a server with this certificate speaks TLS.
///
/// # Errors
///
/// If a file cannot be read, or has no certificate or key in it, or the two do not belong together.
pub fn config(cert: &Path, key: &Path) -> io::Result<ServerConfig> {
    let (chain_pem, key_pem) = (read(cert)?, read(key)?);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain_pem).collect();
    let chain = chain.map_err(|error| unusable(cert, "as a certificate", error))?;
    if chain.is_empty() {
        return Err(unusable(cert, "as a certificate", "there is none in it"));
    }
    let private = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|error| unusable(key, "as a private key", error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| unusable(key, "with the certificate", error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    config.ticketer = Ticketer::new().map_err(io::Error::other)?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519],
        ..ring::default_provider()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        io::Error::new(error.kind(), format!("failed to read {}: {error}", path.display()))
    })
}

fn unusable(path: &Path, how: &str, error: impl Display) -> io::Error {
    let message = format!("failed to use {} {how}: {error}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}
