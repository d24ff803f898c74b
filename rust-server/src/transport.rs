//! Connections of a service of hyper: HTTP/1.1 and HTTP/2, in the clear and over TLS.
//!
//! It is `axum::serve` with the time-outs that the contract asks for and `axum::serve` has not, and
//! with TLS: a loop that accepts, a task a connection, and a channel that tells the tasks to end
//! and says when they have, as in axum's example `serve-with-hyper`. The server without a framework
//! has the same connections, so that it differs from the one on axum in nothing but axum.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::response::HEAD_BYTES_MAX;
use crate::timeouts::Timeouts;
use crate::tls;

// What both servers of the idiomatic lane set for HTTP/2, in place of each library's own choice
// (`go-server/internal/serve/transport.go` has the same numbers). The windows are those that both
// libraries have by default. How far a server may send is the client's to say, in both.

/// Streams at once on a connection. By default 200 here and 250 in Go.
const HTTP2_STREAMS_MAX: u32 = 256;
/// Bytes of a request that may be on their way.
const HTTP2_STREAM_WINDOW: u32 = 1 << 20;
/// Bytes of all requests of a connection that may be on their way.
const HTTP2_CONNECTION_WINDOW: u32 = 1 << 20;
/// The largest frame that is read. By default 16 KiB here and 1 MiB in Go.
const HTTP2_FRAME_MAX: u32 = 16 << 10;
/// Bytes of a request's head, by HTTP/2's count. By default 16 KiB here; Go adds 320 bytes to its
/// server's 64 KiB.
const HTTP2_HEAD_MAX: u32 = (64 << 10) + 320;

/// A connection whose reads and writes fail when they wait too long.
type Socket = Pin<Box<TimeoutStream<TcpStream>>>;

/// How long nothing is accepted when descriptors have run out: connections have to end first.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_secs(1);

/// What responds to requests: a service of hyper that connections of both versions of HTTP can have
/// a copy of.
pub trait Service:
    hyper::service::Service<
        Request<Incoming>,
        Response = Response<Self::Sent>,
        Error: Into<Box<dyn Error + Send + Sync>>,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its responses.
    type Sent: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

impl<S, B> Service for S
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Sent = B;
}

/// How connections are served. Without time-outs TCP_NODELAY is not set either: all that is set of
/// HTTP/1.1 then is how large a head may be.
pub struct Connections<S> {
    service: S,
    timeouts: Option<Timeouts>,
    protocol: Protocol,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// What is known of a connection's protocol before its first byte.
enum Protocol {
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// HTTP/2 or, if the client names no protocol, HTTP/1.1.
    Tls(TlsAcceptor),
}

/// The connections that are left when no more are accepted.
pub struct Open(watch::Sender<()>);

impl Open {
    /// Waits until they have ended.
    pub async fn ended(self) {
        // Each connection has a receiver.
        self.0.closed().await;
    }
}

impl<S: Service> Connections<S> {
    /// HTTP/1.1 in the clear.
    pub fn plain(service: S, timeouts: Option<Timeouts>) -> Connections<S> {
        Connections::new(service, timeouts, Protocol::Http1)
    }

    /// Over TLS, with the protocol that the client prefers.
    ///
    /// # Errors
    ///
    /// If there is no certificate with its key in these files.
    pub fn over_tls(
        service: S,
        timeouts: Option<Timeouts>,
        cert: &Path,
        key: &Path,
    ) -> io::Result<Connections<S>> {
        let acceptor = TlsAcceptor::from(Arc::new(tls::config(cert, key)?));
        Ok(Connections::new(service, timeouts, Protocol::Tls(acceptor)))
    }

    /// HTTP/2 with prior knowledge, in the clear.
    pub fn h2c(service: S, timeouts: Option<Timeouts>) -> Connections<S> {
        Connections::new(service, timeouts, Protocol::Http2)
    }

    fn new(service: S, timeouts: Option<Timeouts>, protocol: Protocol) -> Connections<S> {
        let mut http1 = http1::Builder::new();
        http1.max_header_size(HEAD_BYTES_MAX);
        if let Some(timeouts) = timeouts {
            // It begins with the wait for a request, so it is the time-out of idle connections too.
            http1.timer(TokioTimer::new()).header_read_timeout(timeouts.head);
        }
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .max_frame_size(HTTP2_FRAME_MAX)
            .max_header_list_size(HTTP2_HEAD_MAX);
        Connections { service, timeouts, protocol, http1, http2 }
    }

    /// Serves the listener's connections until `stop` is ready, then tells those that are left to
    /// end after the requests that have begun.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Open {
        let nodelay = self.timeouts.is_some();
        let (stopping, stopped) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                stream = accept(&listener, nodelay) => {
                    tokio::spawn(Arc::clone(&self).connection(stream, stopped.clone()));
                }
                () = stop.as_mut() => break,
            }
        }
        stopping.send_replace(());
        Open(stopping)
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, mut stopped: watch::Receiver<()>) {
        let mut socket = Box::pin(TimeoutStream::new(stream));
        let (write, idle) = self.timeouts.map(|of| (of.write, of.idle)).unzip();
        socket.as_mut().set_write_timeout_pinned(write);
        let acceptor = match &self.protocol {
            Protocol::Http1 => return self.http1(socket, stopped).await,
            Protocol::Http2 => {
                socket.as_mut().set_read_timeout_pinned(idle);
                return self.http2(socket, stopped).await;
            }
            Protocol::Tls(acceptor) => acceptor,
        };
        let stream = tokio::select! {
            stream = self.handshake(acceptor, socket) => stream,
            // Before its handshake a connection has no request.
            _ = stopped.changed() => return,
        };
        let Some(mut stream) = stream else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            stream.get_mut().0.as_mut().set_read_timeout_pinned(idle);
            self.http2(stream, stopped).await;
        } else {
            self.http1(stream, stopped).await;
        }
    }

    /// `None` if the client does not speak TLS as the server does, or too slowly. There is nobody
    /// to tell.
    async fn handshake(&self, acceptor: &TlsAcceptor, socket: Socket) -> Option<TlsStream<Socket>> {
        let handshake = acceptor.accept(socket);
        match self.timeouts {
            Some(timeouts) => time::timeout(timeouts.head, handshake).await.ok()?.ok(),
            None => handshake.await.ok(),
        }
    }

    async fn http1<C>(&self, stream: C, stopped: watch::Receiver<()>)
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(stream);
        let connection = self.http1.serve_connection(stream, self.service.clone());
        // As `axum::serve` has it, for WebSocket.
        let connection = connection.with_upgrades();
        let shut_down = http1::UpgradeableConnection::graceful_shutdown;
        until_stopped(connection, shut_down, stopped).await;
    }

    async fn http2<C>(&self, stream: C, stopped: watch::Receiver<()>)
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(stream);
        let connection = self.http2.serve_connection(stream, self.service.clone());
        until_stopped(connection, http2::Connection::graceful_shutdown, stopped).await;
    }
}

/// The next connection.
async fn accept(listener: &TcpListener, nodelay: bool) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if nodelay {
                    // If the client has already gone, there is nothing to be set.
                    let _ = stream.set_nodelay(true);
                }
                return stream;
            }
            // The client has gone before it was accepted.
            Err(error) if is_of_connection(error.kind()) => {}
            Err(_) => time::sleep(OUT_OF_DESCRIPTORS).await,
        }
    }
}

fn is_of_connection(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Drives a connection to its end, which comes after the requests that have begun once the server
/// is stopped. How it ends is the client's business: there is nobody to tell of an error.
async fn until_stopped<C, E>(
    connection: C,
    shut_down: impl Fn(Pin<&mut C>),
    mut stopped: watch::Receiver<()>,
) where
    C: Future<Output = Result<(), E>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        biased; // A request that is read after the stop is told that it is the last.
        _ = stopped.changed() => shut_down(connection.as_mut()),
        _ = connection.as_mut() => return,
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's own choice is not to set it.
    #[tokio::test]
    async fn nodelay() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        for wanted in [true, false] {
            let _client = TcpStream::connect(listener.local_addr()?).await?;
            assert_eq!(accept(&listener, wanted).await.nodelay()?, wanted);
        }
        Ok(())
    }
}
