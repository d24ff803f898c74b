//! The process around a service of hyper: command line, tokio's threads, signals.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time;

use crate::command_line::{self, Offers, Options, Transport};
use crate::listen::{listen, resolve};
use crate::transport::{Connections, Service};

/// How long requests that have begun may take after a signal.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1_500);

/// Serves requests by what `service` makes of the command line, until SIGTERM or SIGINT. `version`
/// is the line that `--version` prints.
pub fn run<S: Service>(
    version: &str,
    offers: Offers,
    service: impl FnOnce(&Options) -> io::Result<S>,
) -> ExitCode {
    command_line::run(version, offers, |options| {
        on_runtime(options, || Ok(serve(service(options)?, options.clone())))
    })
}

/// Serves by what `serving` makes, on as many threads as the command line says.
pub(crate) fn on_runtime<F>(
    options: &Options,
    serving: impl FnOnce() -> io::Result<F>,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(options.threads.get())
        .enable_all()
        .build()?;
    // Pools have tasks of their own.
    let context = runtime.enter();
    let serving = serving()?;
    drop(context);
    // As a task of its own the server accepts on the workers, and the main thread stays out.
    let served = runtime.block_on(runtime.spawn(serving));
    // Does not wait for what has not ended by now.
    runtime.shutdown_background();
    served?
}

async fn serve<S: Service>(service: S, options: Options) -> io::Result<()> {
    let stop = stop()?;
    let connections = connections(service, &options)?;
    let listener = match options.defaults {
        true => TcpListener::bind(&options.addr).await?,
        false => listen(resolve(&options.addr).await?, false)?,
    };
    let address = listener.local_addr()?;
    command_line::announce(address)?;
    let open = Arc::new(connections).serve(listener, stop).await;
    // What has not ended by then is cut off.
    let _ = time::timeout(PATIENCE, open.ended()).await;
    Ok(())
}

/// Is ready at SIGTERM or SIGINT, neither of which ends the process by itself from now on.
pub(crate) fn stop() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// How connections are served, as the command line says it.
pub(crate) fn connections<S: Service>(service: S, options: &Options) -> io::Result<Connections<S>> {
    let timeouts = (!options.defaults).then_some(options.timeouts);
    Ok(match &options.transport {
        Transport::Plain => Connections::plain(service, timeouts),
        Transport::Tls { cert, key } => Connections::over_tls(service, timeouts, cert, key)?,
        Transport::H2c => Connections::h2c(service, timeouts),
    })
}
