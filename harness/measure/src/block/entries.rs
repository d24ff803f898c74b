//! Fills a server's cache before its window, tells the generator what to ask of it, and looks
//! behind the window whether everything is still there.

use std::time::Duration;

use crate::connection::Connection;
use crate::server::Running;
use crate::{MeasureError, requests};
use duet_model::spec::{Case, Entries, Value, Workload};
use duet_process::interrupt::Interrupt;
use duet_protocol::{Exchange, Transport};

/// Requests that are on their way at once while a cache is filled: few enough for the buffers of a
/// connection, which nobody reads while they are written.
const PIPELINED: u32 = 64;

/// How long a response may take meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// Entries that are read one by one behind a window.
const READ_BACK: usize = 32;

/// Stores so many entries in a server, each with its first value.
///
/// # Errors
/// No connection, a response that is not as expected, or an interruption.
pub(super) fn fill(
    running: &Running,
    (workload, entries, count): (&Workload, &Entries, u32),
    interrupt: &Interrupt,
) -> Result<(), MeasureError> {
    let addr = &running.addr;
    let mut connection = Connection::open(addr, None, ("the response", PATIENCE), interrupt)
        .map_err(|error| error.context("to store entries"))?;
    let mut next = 1;
    while next <= count {
        let ids = next..=count.min(next + PIPELINED - 1);
        next += PIPELINED;
        let cases: Vec<Case> = ids.map(|id| entries.put(id, Value::First)).collect();
        let of = (addr, Transport::Http);
        let exchange = |case| requests::exchange(workload, case, &running.name, of, None);
        let exchanges: Vec<Exchange> = cases.iter().map(exchange).collect();
        let sent: String = exchanges.iter().map(|exchange| exchange.request.as_str()).collect();
        connection.send(sent.as_bytes())?;
        for (case, exchange) in cases.iter().zip(&exchanges) {
            connection
                .receive(exchange)
                .map_err(|error| error.context(format!("{} {}", case.method, case.path)))?;
        }
        interrupt.check()?;
    }
    Ok(())
}

/// What the load asks: most of the driven entries are read, the others get their second value.
pub(super) fn driven(entries: &Entries, count: u32) -> Vec<Case> {
    let case = |(id, replaced)| match replaced {
        true => entries.put(id, Value::Second),
        false => entries.get(id, Value::First),
    };
    Entries::driven(count).map(case).collect()
}

/// What must be there behind the window: all entries, and of some of them the value. One that the
/// load has replaced is asked for only where all `driven` were sent.
pub(super) fn read_back(entries: &Entries, count: u32, all_sent: bool) -> Vec<Case> {
    let driven = Entries::driven(count).filter(|(_, replaced)| all_sent || !replaced);
    let driven: Vec<(u32, bool)> = driven.collect();
    // At equal distances, each with its neighbour: replaced ones lie at equal distances too.
    let step = (driven.len() / READ_BACK).max(2);
    let of_pair = driven.chunks(step).flat_map(|pair| {
        let replaced = pair.iter().find(|(_, replaced)| *replaced);
        pair.first().into_iter().chain(replaced)
    });
    let read = of_pair.map(|(id, replaced)| {
        entries.get(*id, if *replaced { Value::Second } else { Value::First })
    });
    let last = entries.get(count, Value::First);
    // The last id is driven only where all are.
    let last = (!driven.iter().any(|(id, _)| *id == count)).then_some(last);
    read.chain(last).chain([entries.count(count)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_behind_a_window() {
        let entries = Entries { path: "/kv".to_owned(), value_bytes: 10 };
        for count in [1, 7, 100, 20_000, 1_000_000] {
            for all_sent in [false, true] {
                let cases = read_back(&entries, count, all_sent);
                assert!(cases.len() <= 3 * READ_BACK + 2, "{count}: {}", cases.len());
                assert_eq!(cases.last(), Some(&entries.count(count)));
                let second = |case: &&Case| {
                    let id = case.path.rsplit('/').next().and_then(|id| id.parse().ok());
                    id.is_some_and(|id| case.expect.body == entries.value(id, Value::Second))
                };
                let replaced = cases.iter().filter(second).count();
                assert_eq!(replaced > 0, all_sent && count >= 10, "{count} {all_sent}");
            }
            assert_eq!(driven(&entries, count).len(), count.min(8192) as usize);
        }
    }
}
