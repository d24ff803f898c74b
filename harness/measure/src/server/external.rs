//! Servers that do not say where they listen: the harness chooses the port, or the path of a Unix
//! socket, and connects until somebody accepts.
//!
//! The port is none from which the kernel makes connections, where there are such: one from there
//! could by chance meet itself, and be taken before the server has it.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::MeasureError;
use duet_process::interrupt::Interrupt;
use duet_process::supervised::Supervised;
use duet_protocol::Address;

/// The ports from which the kernel makes connections: the first and the last (ip(7)).
const EPHEMERAL_PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Ports that everybody may listen at, without those that services are known by.
const PORTS: [u16; 2] = [10_000, 65_535];

/// How many ports are tried before the kernel is asked for one.
const TRIES: u64 = 64;

/// The time between two attempts to connect: one that is refused takes some 10 µs.
const PAUSE: Duration = Duration::from_millis(1);

/// How long a connection over the loopback interface may take.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// A port that is free on the loopback addresses now. Somebody else may take it before the server
/// does; the server then fails, or its responses turn out to be wrong.
pub(crate) fn free_port() -> Result<u16> {
    let ephemeral = fs::read_to_string(EPHEMERAL_PORTS).unwrap_or_default();
    let ports: Vec<u16> = outside(&ephemeral);
    let random = RandomState::new();
    let candidates = (0..TRIES).filter_map(|i| {
        let index = random.hash_one(i).checked_rem(ports.len() as u64)?;
        ports.get(index as usize).copied()
    });
    match candidates.into_iter().find(|port| is_free(*port)) {
        Some(port) => Ok(port),
        None => {
            let listener =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a port")?;
            Ok(listener.local_addr().context("failed to read a socket's address")?.port())
        }
    }
}

/// The ports that are not in the kernel's range.
fn outside(range: &str) -> Vec<u16> {
    let mut ends = range.split_ascii_whitespace().map_while(|end| end.parse::<u16>().ok());
    let Some((first, last)) = ends.next().zip(ends.next()) else { return vec![] };
    (PORTS[0]..=PORTS[1]).filter(|port| !(first..=last).contains(port)).collect()
}

/// Whether nobody has a port. Without IPv6 nobody has it there.
fn is_free(port: u16) -> bool {
    let is_taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && !TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_err_and(|error| is_taken(&error))
}

/// Waits until somebody accepts connections at the address, or, where that is a port, at the other
/// loopback address of it. Returns which it was.
pub(super) fn listens(
    server: &mut Supervised,
    addr: &Address,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<Address, MeasureError> {
    let deadline = Instant::now() + limit;
    let places = places(addr);
    loop {
        interrupt.check()?;
        if let Some(place) = places.iter().find(|place| is_listening(place)) {
            return Ok(place.clone());
        }
        if !server.is_alive() {
            Err(anyhow!("it ended before it listened at {addr}"))?;
        }
        if Instant::now() >= deadline {
            Err(anyhow!(
                "it did not listen at {addr} within {} s: does `run` or `env` give it {{port}}, \
                 {{addr}} or {{socket}}? If it needs longer, set `start_limit_s` in servers.toml",
                limit.as_secs()
            ))?;
        }
        thread::sleep(PAUSE);
    }
}

/// Where a server may listen that was told to listen at an address: `localhost` has two of them.
fn places(addr: &Address) -> Vec<Address> {
    match addr {
        Address::Tcp(tcp) if tcp.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) => {
            vec![addr.clone(), SocketAddr::from((Ipv6Addr::LOCALHOST, tcp.port())).into()]
        }
        _ => vec![addr.clone()],
    }
}

/// Whether somebody accepts a connection.
pub(super) fn is_listening(addr: &Address) -> bool {
    match addr {
        Address::Tcp(addr) => TcpStream::connect_timeout(addr, CONNECT_LIMIT)
            .is_ok_and(|stream| !has_met_itself(&stream)),
        Address::Unix(path) => accepts(path),
    }
}

fn accepts(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// Whether both ends of a connection are the same socket (RFC 9293, 3.5: simultaneous open).
fn has_met_itself(stream: &TcpStream) -> bool {
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(local), Ok(peer)) => local == peer,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens() {
        let port = free_port().expect("there are free ports");
        let addr = Address::from(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        assert!(!is_listening(&addr));
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
        assert!(is_listening(&addr));
        assert!(!is_free(port));
    }

    #[test]
    fn a_unix_socket_that_listens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a b.sock");
        let addr = Address::Unix(path.clone());
        assert!(!is_listening(&addr));
        let _listener = std::os::unix::net::UnixListener::bind(path).expect("it is free");
        assert!(is_listening(&addr));
    }

    #[test]
    fn ports_that_the_kernel_does_not_take() {
        let check = |range: &str, port, want| {
            assert_eq!(outside(range).contains(&port), want, "{range:?} {port}");
        };
        check("32768\t60999\n", 32_767, true);
        check("32768\t60999\n", 32_768, false);
        check("32768\t60999\n", 60_999, false);
        check("32768\t60999\n", 61_000, true);
        check("1024 65535", 20_000, false);
        check("", 20_000, false);
    }

    #[test]
    fn a_connection_that_meets_itself() {
        // With one source port only, which is the port that is connected to, it happens at once.
        let port = free_port().expect("there are free ports");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let socket = nix::sys::socket::socket(
            nix::sys::socket::AddressFamily::Inet,
            nix::sys::socket::SockType::Stream,
            nix::sys::socket::SockFlag::SOCK_CLOEXEC,
            None,
        );
        let socket = socket.expect("a socket");
        let name = nix::sys::socket::SockaddrIn::from(match addr {
            SocketAddr::V4(addr) => addr,
            SocketAddr::V6(_) => unreachable!("it was made from an IPv4 address"),
        });
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        nix::sys::socket::bind(fd, &name).expect("it is free");
        nix::sys::socket::connect(fd, &name).expect("it meets itself");
        assert!(has_met_itself(&TcpStream::from(socket)));
    }
}
