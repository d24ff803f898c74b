//! The process around a service of hyper whose workers share nothing but an address: each has a
//! listener of its own (SO_REUSEPORT, socket(7)) and a runtime of one thread, and the kernel deals
//! out connections by their addresses. A connection stays with its worker.

use std::io;
use std::net;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::time;

use crate::command_line::{self, Offers, Options};
use crate::hyper_server::{PATIENCE, connections, stop};
use crate::listen::{listen, resolve};
use crate::transport::{Connections, Service};

/// Serves requests by what `service` makes of the command line, until SIGTERM or SIGINT. `version`
/// is the line that `--version` prints.
pub fn run<S: Service>(
    version: &str,
    offers: Offers,
    service: impl FnOnce(&Options) -> io::Result<S>,
) -> ExitCode {
    command_line::run(version, offers, |options| {
        let connections = Arc::new(connections(service(options)?, options)?);
        // Of the main thread, which waits for a signal.
        current_thread()?.block_on(serve(&connections, options))
    })
}

async fn serve<S: Service>(connections: &Arc<Connections<S>>, options: &Options) -> io::Result<()> {
    let stop = stop()?;
    let first = listen(resolve(&options.addr).await?, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first.into_std()?];
    for _ in 1..options.threads.get() {
        listeners.push(listen(address, true)?.into_std()?);
    }
    let (stopping, stopped) = watch::channel(());
    let mut workers = vec![];
    for listener in listeners {
        let (connections, stopped) = (Arc::clone(connections), stopped.clone());
        let worker = move || work(connections, listener, stopped);
        workers.push(thread::Builder::new().name("worker".to_owned()).spawn(worker)?);
    }
    command_line::announce(address)?;
    stop.await;
    drop(stopping);
    for worker in workers {
        worker.join().map_err(|_| io::Error::other("a worker has panicked"))??;
    }
    Ok(())
}

fn work<S: Service>(
    connections: Arc<Connections<S>>,
    listener: net::TcpListener,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let runtime = current_thread()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        // An error says that the sender is gone, which is the sign.
        let stop = async move { drop(stopped.changed().await) };
        let open = connections.serve(listener, stop).await;
        // What has not ended by then is cut off.
        let _ = time::timeout(PATIENCE, open.ended()).await;
        Ok(())
    })
}

fn current_thread() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}
