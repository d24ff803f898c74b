//! Connections of axum's router that `axum::serve` does not know: HTTP/1.1 and HTTP/2 over TLS, and
//! HTTP/2 with prior knowledge.
//!
//! It is `axum::serve` again, with a handshake: a loop that accepts, a task a connection, and a
//! channel that tells the tasks to end and says when they have. As there, hyper's HTTP/1.1 has no
//! time-outs. The handshake has one, since Go's has it.

use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

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
/// How long a handshake may take: the shortest of the Go server's time-outs, which holds for its
/// handshakes.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How connections are served.
pub struct Connections {
    router: Router,
    /// Without it, HTTP/2 is known beforehand.
    tls: Option<TlsAcceptor>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Connections {
    /// Over TLS, with the protocol that the client prefers: HTTP/2 or, if it names none, HTTP/1.1.
    ///
    /// # Errors
    ///
    /// If there is no certificate with its key in these files.
    pub fn over_tls(router: Router, cert: &Path, key: &Path) -> io::Result<Connections> {
        let acceptor = TlsAcceptor::from(Arc::new(tls::config(cert, key)?));
        Ok(Connections { tls: Some(acceptor), ..Connections::h2c(router) })
    }

    /// HTTP/2 with prior knowledge, in the clear.
    pub fn h2c(router: Router) -> Connections {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .max_frame_size(HTTP2_FRAME_MAX)
            .max_header_list_size(HTTP2_HEAD_MAX);
        Connections { router, tls: None, http1: http1::Builder::new(), http2 }
    }

    /// Serves the listener's connections until `stop` is ready, then waits for the requests that
    /// have begun.
    pub async fn serve(
        self,
        mut listener: impl Listener<Io = TcpStream>,
        stop: impl Future<Output = ()>,
    ) {
        let connections = Arc::new(self);
        let (stopping, stopped) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                (stream, _) = listener.accept() => {
                    tokio::spawn(Arc::clone(&connections).connection(stream, stopped.clone()));
                }
                () = stop.as_mut() => break,
            }
        }
        drop((listener, stopped));
        stopping.send_replace(());
        // Each connection has a receiver.
        stopping.closed().await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, mut stopped: watch::Receiver<()>) {
        let Some(acceptor) = &self.tls else {
            return self.http2(stream, stopped).await;
        };
        let stream = tokio::select! {
            stream = handshake(acceptor, stream) => stream,
            // Before its handshake a connection has no request.
            _ = stopped.changed() => return,
        };
        let Some(stream) = stream else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream, stopped).await;
        } else {
            self.http1(stream, stopped).await;
        }
    }

    async fn http1(&self, stream: TlsStream<TcpStream>, stopped: watch::Receiver<()>) {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.http1.serve_connection(TokioIo::new(stream), service);
        until_stopped(connection, http1::Connection::graceful_shutdown, stopped).await;
    }

    async fn http2<S>(&self, stream: S, stopped: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.http2.serve_connection(TokioIo::new(stream), service);
        until_stopped(connection, http2::Connection::graceful_shutdown, stopped).await;
    }
}

/// `None` if the client does not speak TLS as the server does, or too slowly. There is nobody to
/// tell.
async fn handshake(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await.ok()?.ok()
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
        _ended = connection.as_mut() => return,
        _ = stopped.changed() => shut_down(connection.as_mut()),
    }
    let _ended = connection.await;
}
