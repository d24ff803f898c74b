//! Sockets and threads: a thread per connection, of which there is a largest number.
//!
//! There is no thread that accepts for the others. Every thread without a connection waits in
//! `accept` itself; when the last that waits gets one, it starts another to wait. So a new
//! connection costs no hand-over from thread to thread, and a thread whose connection ended takes
//! the next one. With a connection per request this took a fifth less CPU time than one accepting
//! thread and a new thread for each connection. When all threads are busy, nobody accepts, and
//! further connections wait in the backlog.

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Limits, Presence, Request, Response, Transport, converse};

/// Connections served at once.
const CONNECTIONS_MAX: usize = 1_024;
/// Threads that may wait for a connection after they served one; more than that end.
const WAITING_MAX: usize = 16;
/// Pause after `accept` failed for want of something, usually of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How long the server may take to reach itself when it stops.
const WAKE_TIMEOUT: Duration = Duration::from_millis(100);

/// How a request is responded to: the body goes to the buffer.
type Routes = fn(&Request<'_>, &mut Vec<u8>) -> Response;

/// A running server.
#[derive(Debug)]
pub struct Server(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    routes: Routes,
    state: Mutex<State>,
    /// Signalled whenever a connection or a wait for one ends.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Gone when the server stops. Threads hold it only while they wait in `accept`.
    listener: Option<Arc<TcpListener>>,
    /// Threads that wait for a connection.
    waiting: usize,
    /// All threads.
    threads: usize,
    /// Connections by their numbers.
    open: BTreeMap<u64, Arc<Connection>>,
    /// Number of the next connection.
    next: u64,
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    presence: Presence,
}

impl Server {
    /// Starts to accept connections.
    ///
    /// # Errors
    ///
    /// If the system has no thread for it.
    pub fn start(listener: TcpListener, limits: Limits, routes: Routes) -> io::Result<Server> {
        let state = State {
            listener: Some(Arc::new(listener)),
            waiting: 0,
            threads: 0,
            open: BTreeMap::new(),
            next: 0,
        };
        let state = Mutex::new(state);
        let shared = Arc::new(Shared { limits, routes, state, changed: Condvar::new() });
        shared.lock().threads += 1;
        shared.start_thread()?;
        Ok(Server(shared))
    }

    /// Stops accepting, closes connections that wait for a request, and waits until the others have
    /// got their responses, but no longer than `patience`.
    pub fn stop(self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.0.lock();
        let Some(listener) = state.listener.take() else { return };
        for connection in state.open.values() {
            if connection.presence.leave() {
                // It fails if the client was faster, and then the read ends, too.
                let _ = connection.socket.shutdown(Shutdown::Read);
            }
        }
        let waiting = state.waiting;
        drop(state);
        // The standard library cannot end an `accept`; a connection can.
        if let Ok(address) = listener.local_addr() {
            for _ in 0..waiting {
                // If the server cannot reach itself, its threads end with the process.
                let _ = TcpStream::connect_timeout(&address, WAKE_TIMEOUT);
            }
        }
        drop(listener);
        let mut state = self.0.lock();
        while state.waiting > 0 || !state.open.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    /// The state. It is whole even if a thread panicked: no change to it is left half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread that the state already counts.
    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let shared = Arc::clone(self);
        match thread::Builder::new().spawn(move || shared.work()) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.lock().threads -= 1;
                Err(error)
            }
        }
    }

    /// The life of a thread.
    fn work(self: Arc<Self>) {
        while let Some((number, connection)) = self.next_connection() {
            // A panic has been printed, and ends its connection alone.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let mut socket = &connection.socket;
                converse(&mut socket, &self.limits, &connection.presence, self.routes);
            }));
            self.lock().open.remove(&number);
            drop(connection);
            self.changed.notify_all();
        }
    }

    /// Waits for a connection. `None` if this thread is not needed any more.
    fn next_connection(self: &Arc<Self>) -> Option<(u64, Arc<Connection>)> {
        let mut state = self.lock();
        let listener = match &state.listener {
            Some(listener) if state.waiting < WAITING_MAX => Arc::clone(listener),
            _ => {
                state.threads -= 1;
                return None;
            }
        };
        state.waiting += 1;
        drop(state);
        let socket = self.accept(&listener);
        drop(listener);

        let mut state = self.lock();
        state.waiting -= 1;
        let (Some(socket), true) = (socket, state.listener.is_some()) else {
            state.threads -= 1;
            drop(state);
            self.changed.notify_all();
            return None;
        };
        let number = state.next;
        state.next += 1;
        let connection = Arc::new(Connection { socket, presence: Presence::default() });
        state.open.insert(number, Arc::clone(&connection));
        let last = state.waiting == 0 && state.threads < CONNECTIONS_MAX;
        state.threads += usize::from(last);
        drop(state);
        if last {
            // Without another thread, this one accepts again when it has served its connection.
            let _ = self.start_thread();
        }
        Some((number, connection))
    }

    /// Accepts a connection and prepares its socket. `None` if the server stops.
    fn accept(&self, listener: &TcpListener) -> Option<TcpStream> {
        loop {
            match listener.accept() {
                Ok((socket, _)) if self.prepare(&socket).is_ok() => return Some(socket),
                // The client has already gone.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
            // Nothing came that can be served. Is the server still there?
            self.lock().listener.as_ref()?;
        }
    }

    fn prepare(&self, socket: &TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(self.limits.tick()))?;
        socket.set_write_timeout(Some(self.limits.timeouts.write))
    }
}

impl Transport for &TcpStream {
    fn finish(&mut self, wait: Duration) -> io::Result<()> {
        self.shutdown(Shutdown::Write)?;
        self.set_read_timeout(Some(wait))
    }
}
