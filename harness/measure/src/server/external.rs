//! Servers that do not say where they listen: the harness chooses the port, or the path of a Unix
//! socket, and looks into the kernel's table of sockets until somebody listens there.
//!
//! Nothing connects: a connection that is tried again and again would be work for the server, and
//! one from a port of the same range can, by chance, meet itself.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use duet_process::interrupt::Interrupt;
use duet_protocol::Address;

/// The kernel's tables of sockets; a server of both families is in the second. Those of the network
/// namespace, which server and harness share.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// The same of Unix sockets.
const UNIX_TABLE: [&str; 1] = ["/proc/self/net/unix"];

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// A port of 127.0.0.1 that is free now. Somebody else may take it before the server does; the
/// server then fails, or its answers turn out to be wrong.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a port")?;
    Ok(listener.local_addr().context("failed to read a socket's address")?.port())
}

/// Waits until somebody listens at the address.
pub(super) fn listens(
    server: &mut Child,
    addr: &Address,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    let tables = if matches!(addr, Address::Tcp(_)) { &TABLES[..] } else { &UNIX_TABLE };
    loop {
        interrupt.check()?;
        for table in tables {
            match fs::read_to_string(table) {
                Ok(table) if has_listener(&table, addr) => return Ok(()),
                Ok(_) => {}
                // Without IPv6 there is no such table.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("failed to read {table}")),
            }
        }
        if server.try_wait().context("failed to wait for a process")?.is_some() {
            bail!("it ended before it listened at {addr}");
        }
        ensure!(
            Instant::now() < deadline,
            "it did not listen at {addr} within {} s: does `run` or `env` give it {{port}}, \
             {{addr}} or {{socket}}?",
            limit.as_secs()
        );
        thread::sleep(PAUSE);
    }
}

/// Whether a table of sockets has one that listens on the port (proc_net_tcp(5): the local address
/// and port are the second word, in hexadecimal digits; the fourth is 0A for a listener. Of Unix
/// sockets the fourth word has the flag `__SO_ACCEPTCON`, 00010000, and the last is the path).
fn has_listener(table: &str, addr: &Address) -> bool {
    table.lines().skip(1).any(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match addr {
            Address::Tcp(addr) => {
                let local = words.get(1).and_then(|local| local.rsplit_once(':'));
                let port = local.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
                port == Some(addr.port()) && words.get(3) == Some(&"0A")
            }
            // A path may have spaces.
            Address::Unix(path) => {
                words.get(3) == Some(&"00010000") && line.ends_with(&format!(" {}", path.display()))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn tables_of_sockets() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 0:0 00:0 0
   3: broken
";
        let check = |addr: &str, want| {
            let addr = addr.parse().expect("an address");
            assert_eq!(has_listener(table, &addr), want, "{addr}");
            assert!(!has_listener("", &addr));
        };
        check("127.0.0.1:8080", true);
        check("127.0.0.1:8081", false);
        check("127.0.0.1:3000", true);
        check("127.0.0.1:0", false);
    }

    #[test]
    fn a_unix_socket_that_listens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a b.sock");
        let addr = Address::Unix(path.clone());
        let table = || fs::read_to_string(UNIX_TABLE[0]).expect("proc is mounted");
        assert!(!has_listener(&table(), &addr));
        let _listener = std::os::unix::net::UnixListener::bind(path).expect("it is free");
        assert!(has_listener(&table(), &addr));
    }

    #[test]
    fn a_port_is_free() {
        let port = free_port().expect("there are free ports");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
        let table = fs::read_to_string(TABLES[0]).expect("proc is mounted");
        assert!(has_listener(&table, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()));
        drop(listener);
    }
}
