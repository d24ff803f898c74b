//! TLS between a connection's bytes and its socket. Nothing here waits: bytes go in and out of
//! rustls as the socket gives and takes them, so that the loops know nothing of it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use duet_protocol::{Handshakes, Negotiated};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, HandshakeKind};

pub use rustls::RootCertStore;

use super::socket::{ReadOutcome, Socket};
use super::tickets::Tickets;
use super::tunnel::Tunnel;
use super::verifiers::{Given, Insecure, NoCertificate};

/// Of a buffer for reading, so much more than half is for decrypted bytes: at most a record may
/// have been kept back by an earlier read (16 KiB and overhead, RFC 8446, section 5.2).
const KEPT_BACK: usize = 32 * 1024;

/// How connections are encrypted.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    /// The name that the server's certificate must have.
    name: ServerName<'static>,
    /// Where there is no certificate of the client's: whether one was asked for.
    no_certificate: Option<Arc<NoCertificate>>,
    /// What asks a proxy for a way to the server; none: connections are the server's.
    connect: Option<Arc<[u8]>>,
    ended: Arc<Ended>,
}

/// Handshakes that were made, by all threads.
#[derive(Debug, Default)]
struct Ended {
    full: AtomicU64,
    resumed: AtomicU64,
}

/// A client's own certificate.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// From texts in PEM form: the certificate, with those of its issuers behind it, and its key.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.context("not a certificate in PEM form")?;
        ensure!(!chain.is_empty(), "no certificate in PEM form");
        let key = PrivateKeyDer::from_pem_slice(key).context("not a private key in PEM form")?;
        Ok(Self { chain, key })
    }
}

/// Which certificates are trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Any. Signatures of the handshake are computed, and not insisted on.
    Insecure,
    /// Those of these authorities.
    Roots(RootCertStore),
    /// Those of these authorities, and each of these certificates for itself.
    Given(RootCertStore, Vec<CertificateDer<'static>>),
}

impl Trust {
    /// In the certificates of a text in PEM form.
    ///
    /// # Errors
    /// When it cannot be read, or holds none.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let mut given = vec![];
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.context("not a certificate in PEM form")?;
            roots.add(certificate.clone()).context("not a certificate that can be trusted")?;
            given.push(certificate);
        }
        ensure!(!roots.is_empty(), "it holds no certificate in PEM form");
        Ok(Self::Given(roots, given))
    }
}

impl Tls {
    /// TLS 1.3 or 1.2 with a server called `name`, for HTTP/2 or for HTTP/1.1. Every connection
    /// makes the whole handshake, unless it is [`Self::resuming`].
    ///
    /// # Errors
    /// When a certificate cannot have this name, or the key does not belong to the identity.
    pub fn new(trust: Trust, identity: Option<Identity>, name: &str, http2: bool) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .context("failed to set up TLS")?;
        let config = match trust {
            Trust::Insecure => {
                config.dangerous().with_custom_certificate_verifier(Arc::new(Insecure(provider)))
            }
            Trust::Roots(roots) => config.with_root_certificates(roots),
            Trust::Given(roots, certificates) => {
                let roots = Arc::new(roots);
                let authorities = WebPkiServerVerifier::builder_with_provider(roots, provider);
                let authorities = authorities.build().context("failed to set up TLS")?;
                let given = Given { authorities, certificates };
                config.dangerous().with_custom_certificate_verifier(Arc::new(given))
            }
        };
        let mut no_certificate = None;
        let mut config = match identity {
            Some(Identity { chain, key }) => {
                let config = config.with_client_auth_cert(chain, key);
                config.context("the client's certificate and its key cannot be used")?
            }
            None => {
                let resolver = no_certificate.insert(Arc::new(NoCertificate::default()));
                config.with_client_cert_resolver(Arc::clone(resolver) as _)
            }
        };
        config.alpn_protocols = vec![if http2 { b"h2".into() } else { b"http/1.1".into() }];
        config.resumption = Resumption::disabled();
        let known = ServerName::try_from(name.to_owned());
        let name = known.with_context(|| format!("`{name}` is no name of a certificate"))?;
        let ended = Arc::default();
        Ok(Self { config: Arc::new(config), name, no_certificate, connect: None, ended })
    }

    /// The same with connections that resume the session of an earlier one, as long as there are
    /// tickets of the server.
    #[must_use]
    pub fn resuming(mut self) -> Self {
        let resumption = Resumption::store(Arc::new(Tickets::default()));
        Arc::make_mut(&mut self.config).resumption = resumption;
        self
    }

    /// The handshakes of loads and windows so far, over all clones of this.
    #[must_use]
    pub fn handshakes(&self) -> Handshakes {
        let Ended { full, resumed } = &*self.ended;
        Handshakes { full: full.load(Ordering::Relaxed), resumed: resumed.load(Ordering::Relaxed) }
    }

    /// The same through a proxy, which is asked for a way by these bytes, a request CONNECT.
    #[must_use]
    pub fn through(self, connect: Vec<u8>) -> Self {
        Self { connect: Some(connect.into()), ..self }
    }

    /// What asks a proxy for a way to the server; none: there is no proxy.
    pub(super) fn connect(&self) -> Option<&[u8]> {
        self.connect.as_deref()
    }

    /// Whether a server has asked for a certificate of the client, which has none.
    pub(crate) fn lacks_certificate(&self) -> bool {
        self.no_certificate.as_ref().is_some_and(|none| none.was_asked.load(Ordering::Relaxed))
    }

    /// The client's side of a connection.
    pub(super) fn client(&self) -> io::Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(io_error)
    }
}

/// What a handshake agreed on, in the names of the registries.
pub(super) fn negotiated(tls: &ClientConnection) -> Negotiated {
    let version = tls.protocol_version().and_then(|version| version.as_str());
    let cipher = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let group = tls.negotiated_key_exchange_group().map(SupportedKxGroup::name);
    let alpn = tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    Negotiated {
        version: version.map(|name| name.replace('_', ".")), // TLSv1_3
        group: group.and_then(|name| name.as_str()).map(str::to_owned),
        cipher: cipher.map(|name| name.replace("TLS13_", "TLS_")),
        alpn,
    }
}

/// One connection's TLS.
#[derive(Debug)]
pub(crate) struct Session {
    /// The way to the server, until it is open.
    tunnel: Option<Tunnel>,
    tls: ClientConnection,
    /// Where its handshake counts; none: it has.
    uncounted: Option<Arc<Ended>>,
    /// The server sends no more, ...
    closed: bool,
    /// ... and has said so.
    announced: bool,
}

impl Session {
    pub(super) fn new(tls: &Tls) -> io::Result<Self> {
        let tunnel = tls.connect.clone().map(Tunnel::new);
        let uncounted = Some(Arc::clone(&tls.ended));
        let mut tls = tls.client()?;
        // A request is accepted whole. It is the user's, and there is one at a time.
        tls.set_buffer_limit(None);
        Ok(Self { tunnel, tls, uncounted, closed: false, announced: false })
    }

    /// Whether the two sides do not agree yet.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the server has said that it sends no more (close_notify). Without that, whoever is
    /// in between may have cut off what it sent (RFC 8446, section 6.1).
    pub(super) fn is_end_announced(&self) -> bool {
        self.announced
    }

    /// The application protocol agreed on (ALPN).
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// Encrypts `bytes`; [`Self::flush`] sends them. During the handshake they wait for its end.
    pub(super) fn accept(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.tls.writer().write_all(bytes)
    }

    /// Sends what is to be sent. Returns whether all of it is.
    pub(super) fn flush(&mut self, socket: &Socket) -> io::Result<bool> {
        if let Some(tunnel) = &mut self.tunnel {
            return tunnel.flush(socket);
        }
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut SocketWriter(socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads what has arrived into the front of `buffer`, whose rear takes what is encrypted.
    pub(super) fn read(&mut self, socket: &Socket, buffer: &mut [u8]) -> io::Result<ReadOutcome> {
        let front = buffer.len() / 2 + KEPT_BACK;
        let (plain, wire) = buffer.split_at_mut(front);
        let n = socket.read(wire)?;
        if let Some(tunnel) = &mut self.tunnel {
            if tunnel.take(&wire[..n])? {
                self.tunnel = None; // what waits for it is flushed next
            }
            return Ok(ReadOutcome { bytes: 0, drained: true, closed: n == 0 });
        }
        let mut taken = ReadOutcome { bytes: 0, drained: n < wire.len(), closed: n == 0 };
        let mut rest = &wire[..n];
        while !rest.is_empty() && !taken.closed {
            self.tls.read_tls(&mut rest)?;
            let state = self.tls.process_new_packets().map_err(|error| {
                // What the server should know of it is sent if it can be: the connection is over.
                let _ = self.flush(socket);
                io_error(error)
            })?;
            taken.bytes += self.decrypted(&mut plain[taken.bytes..])?;
            taken.closed = state.peer_has_closed();
            self.announced |= taken.closed;
        }
        self.closed = taken.closed;
        if !self.tls.is_handshaking()
            && let Some(ended) = self.uncounted.take()
        {
            let resumed = self.tls.handshake_kind() == Some(HandshakeKind::Resumed);
            let count = if resumed { &ended.resumed } else { &ended.full };
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(taken)
    }

    fn decrypted(&mut self, plain: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match self.tls.reader().read(&mut plain[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(filled),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A socket as rustls writes to it.
struct SocketWriter<'s>(&'s Socket);

impl Write for SocketWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What failed, in words that a table of counts can have; none: it is not TLS that failed.
pub(super) fn reason(error: &io::Error) -> Option<&'static str> {
    Some(match cause(error)? {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => "TLS: certificate from an unknown authority",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "TLS: certificate has expired"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "TLS: certificate for another name"
            }
            _ => "TLS: bad certificate",
        },
        rustls::Error::InvalidMessage(_) => "TLS: what came is not TLS",
        rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired) => {
            "TLS: a certificate of the client is required"
        }
        rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => "TLS: no common protocol (ALPN)",
        rustls::Error::AlertReceived(_) => "TLS: refused by the server",
        _ => "TLS: handshake failed",
    })
}

/// What to do about it, where that is known.
pub(super) fn hint(error: &io::Error) -> Option<&'static str> {
    Some(match cause(error)? {
        rustls::Error::InvalidMessage(_) => "does it speak TLS? if not, give an http:// URL",
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "--insecure trusts any certificate"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "names are those of its subjectAltName (with openssl req: -addext \
                 'subjectAltName=DNS:localhost,IP:127.0.0.1'); --sni gives another, --insecure \
                 trusts any"
            }
            CertificateError::BadSignature => {
                "its signature is not its authority's, or of a key that cannot be used here (one \
                 of RSA has 2048 bits or more): trust it with --cacert FILE, or any with --insecure"
            }
            CertificateError::Other(why) if why.to_string().contains("UnsupportedCertVersion") => {
                "certificates are of version 3, as openssl req -x509 makes them; --insecure trusts \
                 any"
            }
            _ => "trust it or its authority with --cacert FILE, or any with --insecure",
        },
        rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure) => {
            "no kind of key or cipher is common to both; --insecure takes keys on P-521, too"
        }
        rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => "is HTTP/2 (--http2) what it speaks?",
        _ => return None,
    })
}

fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn io_error(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
