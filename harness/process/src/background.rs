//! Threads that work beside the rest.

use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result};

/// Starts a thread of this name. `std::thread::spawn` panics where the kernel refuses one.
///
/// # Errors
/// When there is no thread to be had: too many, or too little memory.
pub fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(work).context("failed to start a thread")
}
