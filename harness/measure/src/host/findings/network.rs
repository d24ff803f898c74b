//! Whether connections can be had, as many and as often as suites want them.

use super::moment::{finding, good_if, unfit_unless};
use duet_model::record::Finding;

/// Local ports that a block of new connections per request can use up within a minute.
const PORTS_MIN: u32 = 16_000;

/// Files that the generator has open with so many connections to each of two servers.
#[must_use]
pub fn files_wanted(connections: u32) -> u64 {
    u64::from(connections) * 2 + 64
}

pub(super) fn open_files(hard: u64, connections: u32) -> Finding {
    let wanted = files_wanted(connections);
    finding(
        "open files",
        unfit_unless(hard >= wanted),
        format!("at most {hard}, {wanted} needed"),
        "connections would be refused",
        "ulimit -n, or LimitNOFILE= of the service",
    )
}

/// Whether the loopback interface is up.
pub(super) fn loopback(up: bool) -> Finding {
    finding(
        "loopback",
        unfit_unless(up),
        if up { "the interface is up" } else { "the loopback interface is down" }.to_owned(),
        "servers are measured over it",
        "ip link set lo up",
    )
}

/// The first and the last local port.
pub(super) fn ports(range: &str) -> Option<Finding> {
    let mut ends = range.split_whitespace().map_while(|end| end.parse::<u32>().ok());
    let (low, high) = (ends.next()?, ends.next()?);
    let ports = (high + 1).saturating_sub(low);
    Some(finding(
        "local ports",
        good_if(ports >= PORTS_MIN),
        format!("{ports}"),
        "a new connection per request needs a port each, which rests for a minute after use",
        "sysctl -w net.ipv4.ip_local_port_range=\"15000 65000\"",
    ))
}

/// `net.ipv4.tcp_tw_reuse`: 0 never, 1 always, 2 on loopback (ip-sysctl of the kernel).
pub(super) fn port_reuse(mode: &str) -> Finding {
    let found = match mode {
        "0" => "never",
        "2" => "on loopback",
        _ => "always",
    };
    finding(
        "port reuse",
        good_if(mode != "0"),
        found.to_owned(),
        "every connection rests for a minute when it is closed: new ones run out of local ports",
        "sysctl -w net.ipv4.tcp_tw_reuse=2",
    )
}

/// `net.core.somaxconn` bounds the queue of connections that a server has not accepted yet.
pub(super) fn accept_queue(somaxconn: &str, connections: u32) -> Option<Finding> {
    let length: u32 = somaxconn.parse().ok()?;
    Some(finding(
        "accept queue",
        good_if(length >= connections),
        format!("{length}, {connections} connections"),
        "connections that come at once are dropped and tried again after a second",
        &format!("sysctl -w net.core.somaxconn={}", connections.max(4096)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_model::record::FindingLevel::{Good, Unfit, Warning};

    #[test]
    fn limits() {
        assert_eq!(open_files(1024, 64).level, Good);
        assert_eq!(open_files(256, 1000).level, Unfit);
        let ports_of = |range| ports(range).map(|found| (found.level, found.found));
        assert_eq!(ports_of("32768\t60999"), Some((Good, "28232".to_owned())));
        assert_eq!(ports_of("60000 61000"), Some((Warning, "1001".to_owned())));
        assert_eq!(ports_of("61000 60000"), Some((Warning, "0".to_owned())));
        assert_eq!(ports_of("32768"), None);
        let queue = |length, n| accept_queue(length, n).map(|found| found.level);
        assert_eq!(queue("4096", 64), Some(Good));
        assert_eq!(queue("128", 1000), Some(Warning));
        assert_eq!(queue("", 1), None);
        assert_eq!(port_reuse("2").level, Good);
        assert_eq!(port_reuse("0").level, Warning);
    }
}
