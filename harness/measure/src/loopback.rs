//! The loopback interface, over which servers are measured.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// What to say where it is down.
pub(crate) const DOWN: &str =
    "the loopback interface is down, over which servers are measured: `ip link set lo up`";

/// Whether it carries connections.
pub(crate) fn is_up() -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| TcpStream::connect(listener.local_addr()?))
        .is_ok()
}
