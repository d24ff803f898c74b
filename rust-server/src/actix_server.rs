//! The process around actix-web: command line, workers, signals, and the time-outs that it does not
//! have by itself.

use std::error::Error;
use std::fmt;
use std::future::ready;
use std::io;
use std::net::ToSocketAddrs;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Service;
use actix_web::rt::System;
use actix_web::rt::net::TcpStream;
use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, ResponseError};
use socket2::SockRef;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time;

use crate::command_line::{self, Offers, Options};

/// The most workers that actix-web takes; it panics of more.
const WORKERS_MAX: usize = 512;
/// Connections that may wait to be accepted: the system takes it for its own limit. By itself
/// actix-web asks for 2,048.
const BACKLOG: u32 = i32::MAX as u32;
/// How far behind the clock may be by which actix-web ends its time-outs. None is shorter than
/// told.
const CLOCK_BEHIND: Duration = Duration::from_millis(500);
/// How long requests that have begun may take after a signal. actix-web counts in seconds.
const PATIENCE_S: u64 = 1;

/// Serves the routes until SIGTERM or SIGINT. `version` is the line that `--version` prints.
pub fn run(version: &str, routes: fn(&mut ServiceConfig)) -> ExitCode {
    command_line::run(version, Offers::Plain, |options| {
        System::new().block_on(serve(routes, options.clone()))
    })
}

async fn serve(routes: fn(&mut ServiceConfig), options: Options) -> io::Result<()> {
    let timeouts = options.timeouts;
    let workers = options.threads.get();
    if workers > WORKERS_MAX {
        return Err(io::Error::other(format!("actix-web has at most {WORKERS_MAX} workers")));
    }
    // Each address would have workers of its own.
    let address = options.addr.to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::other("the host has no address"))?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let server = HttpServer::new(move || {
        App::new()
            .wrap_fn(move |request, routes| {
                let response = routes.call(request);
                async move {
                    let response = time::timeout(timeouts.request, response).await;
                    response.unwrap_or_else(|_| Err(TooSlow.into()))
                }
            })
            .configure(routes)
    })
    .workers(workers)
    .tcp_nodelay(true)
    .keep_alive(timeouts.idle + CLOCK_BEHIND)
    .client_request_timeout(timeouts.head + CLOCK_BEHIND)
    .on_connect(move |connection, _| {
        if let Some(stream) = connection.downcast_ref::<TcpStream>() {
            limit_writing(stream, timeouts.write);
        }
    })
    // By itself it would not wait for requests after SIGINT.
    .shutdown_signal(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .shutdown_timeout(PATIENCE_S)
    .backlog(BACKLOG)
    .bind(address)?;
    let bound = server.addrs();
    let mut server = pin!(server.run());
    tokio::select! {
        biased; // At the first look at it the server starts its workers.
        ended = server.as_mut() => return ended,
        () = ready(()) => {}
    }
    for address in bound {
        command_line::announce(address)?;
    }
    server.await
}

/// The kernel ends a connection whose client takes nothing for so long. actix-web has no time-out
/// for that.
fn limit_writing(stream: &TcpStream, timeout: Duration) {
    // If the client has already gone, there is nothing to be set.
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
}

/// A request that took too long, the reading of its body included.
#[derive(Debug)]
struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the request took too long")
    }
}

impl Error for TooSlow {}

impl ResponseError for TooSlow {
    /// Ends the connection without a response. After a response actix-web would read what is left
    /// of a chunked body, for as long as its client goes on.
    fn error_response(&self) -> HttpResponse {
        tracing::debug!(error = %self, "request refused");
        HttpResponse::RequestTimeout().body(TooSlow)
    }
}

/// A body that fails.
impl MessageBody for TooSlow {
    type Error = TooSlow;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, TooSlow>>> {
        Poll::Ready(Some(Err(TooSlow)))
    }
}
