//! What must be true of when events come, whoever reads them.

use std::time::Duration;

/// One event in so many may come when the next one is due, as where the machine stands still for a
/// while. A server that holds events back, or cannot hold their rate, is late with most of them.
const LATE_SHARE: u64 = 4;

/// What became of events: so many came when they were due or later, and before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) count: u64,
    pub(crate) early: u64,
    /// Of `count`, when the next one was due, or later.
    pub(crate) late: u64,
}

impl Events {
    /// Those that ended so long after their request, each due so many periods after it.
    pub(crate) fn of(ended: &[Duration], period: Duration) -> Self {
        let of_each = (1..).zip(ended);
        let early = of_each.clone().filter(|(number, ended)| **ended < period * *number).count();
        let late = of_each.filter(|(number, ended)| **ended >= period * (*number + 1)).count();
        Self { count: (ended.len() - early) as u64, early: early as u64, late: late as u64 }
    }

    /// Whether none came early, and few late.
    ///
    /// # Errors
    /// In words, with what it says of the server.
    pub(crate) fn check(self) -> Result<(), String> {
        let Self { count, early, late } = self;
        if early > 0 {
            return Err(format!(
                "{early} of {} events came before they were due (`event_ms` in workloads.toml): \
                 the server does not wait",
                count + early
            ));
        }
        if late > count / LATE_SHARE {
            return Err(format!(
                "{late} of {count} events came when the next one was due, or later (`event_ms` in \
                 workloads.toml), more than one in {LATE_SHARE}: the server does not send each \
                 when it is due, or cannot hold the rate"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_when_they_are_due() {
        let check = |ended_ms: &[u64], want: &str| {
            let ended: Vec<_> = ended_ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
            let got = Events::of(&ended, Duration::from_millis(20)).check().err();
            let got = got.unwrap_or_default();
            assert!(got.contains(want) && got.is_empty() == want.is_empty(), "{ended_ms:?}: {got}");
        };
        check(&[20, 40, 61, 99], "");
        check(&[20, 40, 60, 100], "");
        check(&[40, 40, 60, 100], "2 of 4 events came when the next one was due");
        check(&[80, 80, 80, 80], "3 of 4 events came when the next one was due");
        check(&[1, 1, 1, 80], "3 of 4 events came before they were due");
        check(&[19, 80, 80, 80], "1 of 4 events came before they were due");
        check(&[], "");
    }
}
