//! The process around a router of axum: command line, tokio's threads, signals.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time;

use crate::command_line::{self, Offers, Options, Transport};
use crate::transport::Connections;

/// How long requests that have begun may take after a signal.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Serves the router that `routes` makes for a time-out of requests, until SIGTERM or SIGINT.
/// `version` is the line that `--version` prints.
pub fn run(version: &str, routes: impl FnOnce(Duration) -> Router) -> ExitCode {
    run_with(version, Offers::Transports, |options| Ok(routes(options.timeouts.request)))
}

/// The same for a server that offers more on its command line, with a router that depends on it.
pub fn run_with(
    version: &str,
    offers: Offers,
    routes: impl FnOnce(&Options) -> io::Result<Router>,
) -> ExitCode {
    command_line::run(version, offers, |options| {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.get())
            .enable_all()
            .build()?;
        let router = routes(options)?;
        // As a task of its own the server accepts on the workers, and the main thread stays out.
        let served = runtime.block_on(runtime.spawn(serve(router, options.clone())));
        // Does not wait for what has not ended by now.
        runtime.shutdown_background();
        served?
    })
}

async fn serve(router: Router, options: Options) -> io::Result<()> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let timeouts = options.timeouts;
    let connections = match &options.transport {
        Transport::Plain => Connections::plain(router, timeouts),
        Transport::Tls { cert, key } => Connections::over_tls(router, timeouts, cert, key)?,
        Transport::H2c => Connections::h2c(router, timeouts),
    };
    let listener = TcpListener::bind(options.addr).await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        // If the client has already gone, there is nothing to be set.
        let _ = stream.set_nodelay(true);
    });
    command_line::announce(address)?;
    let open = connections.serve(listener, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    let open = open.await;
    // What has not ended by then is cut off.
    let _ = time::timeout(PATIENCE, open.ended()).await;
    Ok(())
}
