//! SIGTERM and SIGINT, for servers without a runtime.
//!
//! The standard library has no signals, and a process that ignores the matter dies of them with
//! requests unanswered and a status that is not 0. This is the one place where the servers of the
//! standard library use a crate.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// From its creation on, neither signal ends the process by itself.
#[derive(Debug)]
pub struct Termination(UnixStream);

impl Termination {
    /// Catches both signals.
    pub fn catch() -> io::Result<Termination> {
        let (read, write) = UnixStream::pair()?;
        pipe::register(SIGTERM, write.try_clone()?)?;
        pipe::register(SIGINT, write)?;
        Ok(Termination(read))
    }

    /// Blocks until one has come.
    pub fn wait(mut self) -> io::Result<()> {
        loop {
            match self.0.read(&mut [0]) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
