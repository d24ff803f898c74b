//! TLS between a connection's bytes and its socket. Nothing here waits: bytes go in and out of
//! rustls as the socket gives and takes them, so that the loops know nothing of it.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection};

use super::connection::Taken;
use super::socket::Socket;

/// Of a buffer for reading, so much more than half is for decrypted bytes: at most a record may
/// have been kept back by an earlier read (16 KiB and overhead, RFC 8446, section 5.2).
const KEPT_BACK: usize = 32 * 1024;

/// How connections are encrypted.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Whom to trust, and which protocol to offer.
    pub config: Arc<ClientConfig>,
    /// The name that the server's certificate must have.
    pub name: ServerName<'static>,
}

/// One connection's TLS.
#[derive(Debug)]
pub(super) struct Session {
    tls: ClientConnection,
    /// The server has said that it sends no more.
    closed: bool,
}

impl Session {
    pub(super) fn new(tls: &Tls) -> io::Result<Self> {
        let mut tls =
            ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()).map_err(io_error)?;
        // A request is accepted whole. It is the user's, and there is one at a time.
        tls.set_buffer_limit(None);
        Ok(Self { tls, closed: false })
    }

    /// Whether the two sides do not agree yet.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// The protocol agreed on.
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
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Sink(socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads what has arrived into the front of `buffer`, whose rear takes what is encrypted.
    pub(super) fn read(&mut self, socket: &Socket, buffer: &mut [u8]) -> io::Result<Taken> {
        let front = buffer.len() / 2 + KEPT_BACK;
        let (plain, wire) = buffer.split_at_mut(front);
        let n = socket.read(wire)?;
        let mut taken = Taken { bytes: 0, drained: n < wire.len(), closed: n == 0 };
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
        }
        self.closed = taken.closed;
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

struct Sink<'s>(&'s Socket);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether TLS is what failed.
pub(super) fn is_at_fault(error: &io::Error) -> bool {
    cause(error).is_some()
}

/// What failed, in words that a table of counts can have.
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
        rustls::Error::InvalidMessage(_) => "TLS: the answer is not TLS",
        rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => "TLS: no common protocol (ALPN)",
        rustls::Error::AlertReceived(_) => "TLS: refused by the server",
        _ => "TLS: handshake failed",
    })
}

fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn io_error(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
