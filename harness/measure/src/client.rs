//! One request on a connection of its own, over any transport: what reqwest is for plain HTTP, for
//! TLS, HTTP/2 and Unix sockets.
//!
//! The connection is hyper's, which reqwest is made of. reqwest with its own TLS and HTTP/2 would
//! switch on HTTP/2 in hyper-util, for everybody in the workspace: a server under test that is
//! built with it would then take HTTP/2 where it is to speak HTTP/1.1 alone.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::header::{HOST, HeaderName, HeaderValue};
use reqwest::{Body, Request, Response};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use duet_protocol::{Address, Transport};

/// The name that a server's certificate must have.
pub(crate) const SERVER_NAME: &str = "localhost";

/// The longest body of a response, as for the load generator: a server that never ends one must not
/// fill the memory.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Reads the body of a response that reqwest began to receive.
///
/// # Errors
/// The body does not arrive, or is longer than any that can be expected.
pub(crate) async fn body(mut response: Response) -> Result<Vec<u8>> {
    let mut body = vec![];
    while let Some(part) = response.chunk().await.context("the body did not arrive")? {
        ensure!(
            body.len() + part.len() <= BODY_BYTES_MAX,
            "the body is longer than {} MiB",
            BODY_BYTES_MAX >> 20
        );
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// What is read and written, whatever it is.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Sends a request and reads the whole response. `tls`: how connections are encrypted, if they are;
/// it offers the protocol of the transport.
///
/// # Errors
/// No connection, a certificate that is not trusted, another protocol than that of the transport,
/// or no whole response.
pub(crate) async fn send(
    addr: &Address,
    transport: Transport,
    tls: Option<Arc<ClientConfig>>,
    request: Request,
) -> Result<Response> {
    let io = connect(addr, transport, tls).await?;
    let mut request: http::Request<Body> = request.try_into().context("not a request")?;
    let io = TokioIo::new(io);
    let response = if transport.is_http2() {
        name_authority(&mut request)?;
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), io).await.context("no HTTP/2")?;
        let _connection = Aborted(tokio::spawn(connection));
        whole(sender.send_request(request).await.context("no response")?).await?
    } else {
        // HTTP/1.1 has path and query in its first line, and the authority in a header.
        let authority = request.uri().authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(authority).context("the host is not valid")?;
        request.headers_mut().entry(HOST).or_insert(host);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().context("the path is not valid")?;
        let (mut sender, connection) = http1::handshake(io).await.context("no HTTP/1.1")?;
        let _connection = Aborted(tokio::spawn(connection));
        whole(sender.send_request(request).await.context("no response")?).await?
    };
    Ok(response.into())
}

/// Opens a connection, with TLS where there is any.
///
/// # Errors
/// As [`send`].
pub(crate) async fn connect(
    addr: &Address,
    transport: Transport,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Box<dyn Io>> {
    let io: Box<dyn Io> = match addr {
        Address::Tcp(addr) => Box::new(tcp(addr).await.context("no connection")?),
        Address::Unix(path) => Box::new(UnixStream::connect(path).await.context("no connection")?),
    };
    let Some(tls) = tls else { return Ok(io) };
    let name = ServerName::try_from(SERVER_NAME).context("a name as it should be")?;
    let stream = TlsConnector::from(tls).connect(name, io).await.context("no TLS")?;
    let agreed = stream.get_ref().1.alpn_protocol();
    ensure!(
        !transport.is_http2() || agreed == Some(b"h2"),
        "the server does not agree on HTTP/2 (ALPN)"
    );
    Ok(Box::new(stream))
}

/// A connection that sends at once. Held back, what follows a handshake would wait for the server's
/// delayed acknowledgement (40 ms), and no response would come in time.
async fn tcp(addr: &SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// HTTP/2 has the host that a request names in its authority (RFC 9113, 8.3.1).
fn name_authority(request: &mut http::Request<Body>) -> Result<()> {
    let Some(host) = request.headers_mut().remove(HOST) else { return Ok(()) };
    let mut parts = request.uri().clone().into_parts();
    parts.authority = Some(host.as_bytes().try_into().context("the host is not valid")?);
    *request.uri_mut() = parts.try_into().context("the host is not valid")?;
    Ok(())
}

/// The status of a call of gRPC, among the trailers, or in the head of a response without a body.
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Reads a response's body. Of its trailers the status of gRPC is kept, among the headers.
async fn whole(response: http::Response<hyper::body::Incoming>) -> Result<http::Response<Body>> {
    let (mut head, body) = response.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow!(error)).context("the body did not arrive")?;
    if let Some(status) = body.trailers().and_then(|trailers| trailers.get(GRPC_STATUS)) {
        head.headers.insert(GRPC_STATUS, status.clone());
    }
    Ok(http::Response::from_parts(head, body.to_bytes().into()))
}

/// A connection's task, which ends with its only request.
struct Aborted<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
