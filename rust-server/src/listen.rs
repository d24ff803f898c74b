//! Sockets that listen. Connections that the server has not accepted yet wait in a queue as long as
//! the system allows, as Go's are, so that a burst of them finds room: the standard library and
//! tokio ask for 128.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that may wait. The system takes it for its own limit, `net.core.somaxconn`.
const BACKLOG: u32 = i32::MAX as u32;

/// The first address that `HOST:PORT` stands for.
///
/// # Errors
/// Where it stands for none.
pub(crate) async fn resolve(addr: &str) -> io::Result<SocketAddr> {
    lookup_host(addr).await?.next().ok_or_else(|| io::Error::other("no such address"))
}

/// Listens. `reuseport`: beside other sockets of the same address.
///
/// # Errors
/// Where the address is taken, or is not of this machine.
///
/// # Panics
/// Outside of a runtime of tokio.
pub(crate) fn listen(address: SocketAddr, reuseport: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(reuseport)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
