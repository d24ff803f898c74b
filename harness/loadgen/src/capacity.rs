//! The search for a server's capacity: the highest rate at which it keeps what is asked of it.
//!
//! A pure function of the probes so far: exponential until one rate held and another failed, then
//! bisection. Probes are noisy, so two of them decide what a rate did, and a third where they
//! disagree. That favours neither side: a rate that holds every second time is as likely to be
//! found held as failed, for a steady server and for an unsteady one alike. How a probe is made and
//! judged is left to the caller, but for [`is_achieved`].

use std::time::Duration;

use duet_protocol::SearchEnd;

/// Probes of a rate that agree, which decides: two of two, or two of three.
const AGREEING: usize = 2;
/// What rates are divided by until one holds.
const SHRINKAGE: f64 = 2.0;
/// The share of the planned requests that may lack an ok response in their time.
const MISSING: f64 = 0.02;

/// How a search goes. Rates are requests per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Where it begins; between `lowest` and `highest`.
    pub first: f64,
    /// No rate below is tried; above 0.
    pub lowest: f64,
    /// No rate above is tried.
    pub highest: f64,
    /// What rates are multiplied by until one fails; above 1. Downwards they are halved.
    pub growth: f64,
    /// The interval is narrow enough when its upper end is at most this share above the lower one;
    /// at least 0.02, since rates are rounded to three digits.
    pub precision: f64,
    /// The most probes.
    pub probes_max: usize,
    /// The longest time that they take in all, but for the last of them.
    pub time_max: Duration,
}

/// A rate that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// Requests per second.
    pub per_second: f64,
    /// Whether the server kept everything that was asked of it.
    pub held: bool,
    /// How long it took.
    pub took: Duration,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// Try this rate, in requests per second.
    Probe(f64),
    /// The search is over.
    End(SearchEnd),
}

/// Where the capacity lies, as far as is known. The lower end is below the upper one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Interval {
    /// The highest rate that held: in two of its two or three probes.
    pub held: Option<f64>,
    /// The lowest rate that failed, likewise.
    pub failed: Option<f64>,
}

/// What to do after these probes, each of which was made at the rate that this function said.
#[must_use]
pub fn next(rules: &Rules, probes: &[Probe]) -> Next {
    let rate = match (probes.last(), interval(probes)) {
        (Some(last), _) if !is_decided(probes, last.per_second) => last.per_second,
        (_, Interval { held: Some(held), failed: Some(failed) }) => {
            if failed <= held * (1.0 + rules.precision) {
                return Next::End(SearchEnd::Narrow);
            }
            rounded((held * failed).sqrt())
        }
        (_, Interval { held: Some(held), failed: None }) => {
            if held >= rules.highest {
                return Next::End(SearchEnd::AllHeld);
            }
            (held * rules.growth).min(rules.highest)
        }
        (_, Interval { held: None, failed: Some(failed) }) => {
            if failed <= rules.lowest {
                return Next::End(SearchEnd::NoneHeld);
            }
            (failed / SHRINKAGE).max(rules.lowest)
        }
        (_, Interval { held: None, failed: None }) => rules.first,
    };
    let took: Duration = probes.iter().map(|probe| probe.took).sum();
    match () {
        () if probes.len() >= rules.probes_max => Next::End(SearchEnd::OutOfProbes),
        () if took >= rules.time_max => Next::End(SearchEnd::OutOfTime),
        () => Next::Probe(rate),
    }
}

/// Where the capacity lies after these probes.
#[must_use]
pub fn interval(probes: &[Probe]) -> Interval {
    let decided = |held| {
        let rates = probes.iter().map(|probe| probe.per_second);
        rates.filter(move |&rate| count(probes, rate, held) >= AGREEING)
    };
    let (held, failed) = (decided(true), decided(false));
    Interval { held: held.max_by(f64::total_cmp), failed: failed.min_by(f64::total_cmp) }
}

/// Whether a probe brought about the rate that was asked for: of the `planned` requests of its
/// measured time, `ok` responses came in this time. One of few requests may come after it.
#[must_use]
pub fn is_achieved(planned: u64, ok: u64) -> bool {
    let missing = planned.saturating_sub(ok);
    missing as f64 <= (planned as f64 * MISSING).ceil()
}

fn is_decided(probes: &[Probe], per_second: f64) -> bool {
    [true, false].iter().any(|&held| count(probes, per_second, held) >= AGREEING)
}

/// The probes of a rate that held, or that failed.
fn count(probes: &[Probe], per_second: f64, held: bool) -> usize {
    probes.iter().filter(|probe| probe.held == held && probe.per_second == per_second).count()
}

/// A positive rate with three significant digits.
fn rounded(rate: f64) -> f64 {
    let digits = rate.log10().floor() as i32 - 2;
    let unit = 10_f64.powi(digits.abs()); // whole, so that no digit is added
    if digits < 0 { (rate * unit).round() / unit } else { (rate / unit).round() * unit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_stats::SplitMix64;

    const RULES: Rules = Rules {
        first: 1000.0,
        lowest: 1.0,
        highest: 1e6,
        growth: 2.0,
        precision: 0.05,
        probes_max: 40,
        time_max: Duration::MAX,
    };

    /// The probes of a search, and how it ended.
    fn search(rules: &Rules, mut holds: impl FnMut(f64) -> bool) -> (Vec<Probe>, SearchEnd) {
        let mut probes = vec![];
        loop {
            match next(rules, &probes) {
                Next::End(end) => return (probes, end),
                Next::Probe(per_second) => {
                    let (held, took) = (holds(per_second), Duration::from_secs(1));
                    probes.push(Probe { per_second, held, took });
                }
            }
        }
    }

    fn shown(probes: &[Probe]) -> String {
        let word = |held| if held { "+" } else { "-" };
        let words = probes.iter().map(|probe| format!("{}{}", probe.per_second, word(probe.held)));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn steps() {
        let cases = [
            (
                3000.0,
                "1000+ 1000+ 2000+ 2000+ 4000- 4000- 2830+ 2830+ 3360- 3360- 3080- 3080- 2950+ \
              2950+",
            ),
            (300.0, "1000- 1000- 500- 500- 250+ 250+ 354- 354- 297+ 297+ 324- 324- 310- 310-"),
            (1000.0, "1000+ 1000+ 2000- 2000- 1410- 1410- 1190- 1190- 1090- 1090- 1040- 1040-"),
            (
                7.0,
                "1000- 1000- 500- 500- 250- 250- 125- 125- 62.5- 62.5- 31.25- 31.25- 15.625- \
              15.625- 7.8125- 7.8125- 3.90625+ 3.90625+ 5.52+ 5.52+ 6.57+ 6.57+ 7.16- 7.16- 6.86+ \
              6.86+",
            ),
        ];
        for (capacity, expected) in cases {
            let (probes, end) = search(&RULES, |rate| rate <= capacity);
            assert_eq!((shown(&probes).as_str(), end), (expected, SearchEnd::Narrow), "{capacity}");
        }
    }

    #[test]
    fn the_capacity_of_a_steady_server_lies_in_the_interval() {
        let mut random = SplitMix64::new(1);
        for _ in 0..2000 {
            let capacity = 10_f64.powf(random.unit() * 6.0);
            let (probes, end) = search(&RULES, |rate| rate <= capacity);
            let Interval { held: Some(held), failed: Some(failed) } = interval(&probes) else {
                panic!("{capacity}: {}", shown(&probes));
            };
            assert!(held <= capacity && capacity < failed, "{capacity}: {held} to {failed}");
            assert!(
                failed <= held * 1.05 && end == SearchEnd::Narrow,
                "{capacity}: {held} to {failed}"
            );
        }
    }

    #[test]
    fn ends() {
        let few = Rules { probes_max: 4, ..RULES };
        let brief = Rules { time_max: Duration::from_millis(3500), ..RULES };
        let narrow = Rules { lowest: 1000.0, highest: 1000.0, ..RULES };
        type Case = (&'static str, Rules, f64, SearchEnd, (Option<f64>, Option<f64>));
        let cases: [Case; 7] = [
            ("everything holds", RULES, f64::INFINITY, SearchEnd::AllHeld, (Some(1e6), None)),
            ("nothing holds", RULES, 0.0, SearchEnd::NoneHeld, (None, Some(1.0))),
            (
                "no probe",
                Rules { probes_max: 0, ..RULES },
                9.0,
                SearchEnd::OutOfProbes,
                (None, None),
            ),
            ("four probes", few, 1500.0, SearchEnd::OutOfProbes, (Some(1000.0), Some(2000.0))),
            ("four seconds", brief, 1500.0, SearchEnd::OutOfTime, (Some(1000.0), Some(2000.0))),
            ("one rate, held", narrow, 1e9, SearchEnd::AllHeld, (Some(1000.0), None)),
            ("one rate, failed", narrow, 1.0, SearchEnd::NoneHeld, (None, Some(1000.0))),
        ];
        for (name, rules, capacity, expected, (held, failed)) in cases {
            let (probes, end) = search(&rules, |rate| rate <= capacity);
            assert_eq!(end, expected, "{name}");
            assert_eq!(interval(&probes), Interval { held, failed }, "{name}");
        }
    }

    /// A disturbance that fails one probe in five, whatever its rate, moves the response where it
    /// strikes two of three: one in ten of the four to eight rates below the capacity that are
    /// tried.
    #[test]
    fn disturbances() {
        let mut random = SplitMix64::new(2);
        let mut low = 0;
        for _ in 0..1000 {
            let capacity = 10_f64.powf(3.0 + random.unit() * 2.0);
            let (probes, end) = search(&RULES, |rate| rate <= capacity && random.below(5) > 0);
            let found = interval(&probes);
            assert_eq!(end, SearchEnd::Narrow, "{}", shown(&probes));
            assert!(found.held.is_some_and(|held| held <= capacity), "{}", shown(&probes));
            low += u32::from(found.failed.is_some_and(|failed| failed <= capacity));
        }
        assert!((300..600).contains(&low), "{low} of 1000");
    }

    /// Near its capacity a real server holds by chance: here the chance falls from 95 % to 5 %
    /// between 6 % below and 6 % above, or within a fifth of that. The response is where the chance
    /// is one half, whatever the width: so two servers of unequal width are compared rightly.
    #[test]
    fn a_blurred_capacity() {
        let mut random = SplitMix64::new(3);
        for width in [0.02, 0.004] {
            let (mut off, mut sum) = (0, 0.0);
            for _ in 0..2000 {
                let capacity = 10_f64.powf(3.0 + random.unit() * 2.0);
                let holds = |rate: f64| 1.0 / (1.0 + ((rate / capacity).ln() / width).exp());
                let (probes, end) = search(&RULES, |rate| random.unit() < holds(rate));
                let Interval { held: Some(held), failed: Some(failed) } = interval(&probes) else {
                    panic!("{}", shown(&probes));
                };
                assert!(held < failed && end == SearchEnd::Narrow, "{}", shown(&probes));
                let near = held > capacity * 0.9 && failed < capacity * 1.12;
                off += u32::from(!near);
                sum += ((held * failed).sqrt() / capacity).ln();
            }
            assert!(off <= 40, "{width}: {off} of 2000");
            let lift = sum / 2000.0;
            assert!(lift.abs() < 0.005, "{width}: found {lift} above the truth");
        }
    }

    #[test]
    fn achieved() {
        let cases = [
            (1000, 1000, true),
            (1000, 1001, true),
            (1000, 980, true),
            (1000, 979, false),
            (20, 19, true),
            (20, 18, false),
            (0, 0, true),
        ];
        for (planned, ok, expected) in cases {
            assert_eq!(is_achieved(planned, ok), expected, "{ok} of {planned}");
        }
    }
}
