//! Queues of connections that wait to be accepted.

use super::kernel_files::read;

/// Connections that a listening socket turned away, because so many waited already, since this
/// network namespace was made. Absent where the kernel does not say.
#[must_use]
pub fn listen_overflows() -> Option<u64> {
    counter(&read("/proc/self/net/netstat")?, "TcpExt:", "ListenOverflows")
}

/// A counter of `netstat`: a line of names, and below it one of values, both after their kind.
fn counter(netstat: &str, kind: &str, name: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter(|line| line.starts_with(kind));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    pairs.find(|(of, _)| *of == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters() {
        let netstat = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\n\
                       TcpExt: 3 327 12\nIpExt: InNoRoutes\nIpExt: 0\n";
        let of = |kind, name| counter(netstat, kind, name);
        assert_eq!(of("TcpExt:", "ListenOverflows"), Some(327));
        assert_eq!(of("IpExt:", "InNoRoutes"), Some(0));
        assert_eq!((of("TcpExt:", "Other"), of("Tcp:", "ListenDrops")), (None, None));
        assert_eq!(counter("", "TcpExt:", "ListenOverflows"), None);
        assert!(listen_overflows().is_some(), "this system has it");
    }
}
