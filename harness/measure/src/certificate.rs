//! The certificate with which servers speak TLS during a run, and the only one that is trusted in
//! it: made anew, in a folder of its own, and gone with it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::CertifiedKey;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::temporary::TemporaryFolder;

/// The names that the certificate has: how servers are called on this machine.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A certificate, EC P-256, that signs itself, and the files of it and its private key. Dropping it
/// removes them.
#[derive(Debug)]
pub struct Certificate {
    folder: TemporaryFolder,
    pem: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn make() -> Result<Self> {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(NAMES.map(str::to_owned))
                .context("failed to make a certificate")?;
        let folder = TemporaryFolder::make()?;
        let made = Self { folder, pem: cert.pem(), der: cert.der().clone() };
        write(&made.cert_path(), 0o644, &made.pem)?;
        write(&made.key_path(), 0o600, &signing_key.serialize_pem())?;
        Ok(made)
    }

    /// The file of the certificate, in PEM form.
    #[must_use]
    pub fn cert_path(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The file of its private key, in PEM form.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The certificate in PEM form.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A client that trusts this certificate and no other, and offers one protocol (ALPN).
    ///
    /// # Errors
    /// When rustls does not take the certificate.
    pub fn client(&self, protocol: &[u8]) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).context("failed to trust the certificate of this run")?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("failed to set up TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_owned()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// Writes a new file with these permissions.
fn write(path: &Path, mode: u32, text: &str) -> Result<()> {
    let failed = || format!("failed to write {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.with_context(failed)?.write_all(text.as_bytes()).with_context(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_private_and_vanish() {
        let certificate = Certificate::make().expect("a certificate");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
        let (cert, key) = (certificate.cert_path(), certificate.key_path());
        assert_eq!(fs::read_to_string(&cert).expect("text"), certificate.pem());
        assert_eq!(mode(&key) & 0o777, 0o600);
        let folder = certificate.folder.path().to_owned();
        assert_eq!(mode(&folder) & 0o777, 0o700);
        drop(certificate);
        assert!(!folder.exists());
    }
}
