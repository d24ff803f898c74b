//! The lift of a search: by how much what it found lies above the rate that holds every second
//! time.
//!
//! Near its capacity a server holds a rate by chance: P(hold) = 1/(1 + exp((ln r − ln c)/w)), with
//! the capacity c and a width w of its own. The probes of all blocks, each relative to what its
//! block found, give the likeliest c and w; the lift is what was found over c. It should be near 1
//! for both arms; where it differs, their ratio is off by as much.

/// A probe: ln of its rate over what its block found, and whether it held.
pub(super) type Outcome = (f64, bool);

/// Fewer probes say nothing of a chance.
const PROBES_MIN: usize = 20;
/// The locations that are tried, on both sides of what was found, in steps of ln.
const LOCATION_MAX: f64 = 0.25;
const LOCATION_STEP: f64 = 0.0025;
/// The widths that are tried, each so many times the one before.
const WIDTHS: (f64, f64) = (0.002, 0.2);
const WIDTH_STEP: f64 = 1.25;

/// What was found over the rate that holds every second time, by the largest likelihood on a grid;
/// absent with few probes, or where none failed or none held.
pub(super) fn lift(probes: &[Outcome]) -> Option<f64> {
    let both = probes.iter().any(|(_, held)| *held) && probes.iter().any(|(_, held)| !held);
    if !both || probes.len() < PROBES_MIN {
        return None;
    }
    let steps = (LOCATION_MAX / LOCATION_STEP).round() as i32;
    let widths = std::iter::successors(Some(WIDTHS.0), |width| Some(width * WIDTH_STEP));
    let widths: Vec<f64> = widths.take_while(|width| *width <= WIDTHS.1).collect();
    let locations = (-steps..=steps).map(|step| f64::from(step) * LOCATION_STEP);
    let tried = locations.flat_map(|location| {
        widths.iter().map(move |width| (location, log_likelihood(probes, location, *width)))
    });
    let (_, most) = tried.clone().max_by(|a, b| a.1.total_cmp(&b.1))?;
    // Of a sharp capacity many locations are as likely: the middle of them.
    let likely: Vec<f64> =
        tried.filter(|(_, l)| *l >= most - 1e-6).map(|(location, _)| location).collect();
    Some((-duet_stats::median(&likely)).exp())
}

fn log_likelihood(probes: &[Outcome], location: f64, width: f64) -> f64 {
    let of_probe = |&(rate, held): &Outcome| {
        let z = (rate - location) / width;
        let z = if held { z } else { -z };
        -(z.max(0.0) + (-z.abs()).exp().ln_1p()) // −ln(1 + eᶻ), without overflow
    };
    probes.iter().map(of_probe).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_stats::SplitMix64;

    #[test]
    fn the_location_of_chance_is_found() {
        let mut random = SplitMix64::new(7);
        for (location, width) in [(0.0, 0.02), (-0.03, 0.02), (0.05, 0.05)] {
            let probes: Vec<Outcome> = (0..400)
                .map(|_| {
                    let rate = (random.unit() - 0.5) * 0.4;
                    let chance = 1.0 / (1.0 + ((rate - location) / width).exp());
                    (rate, random.unit() < chance)
                })
                .collect();
            let found = lift(&probes).expect("probes of both kinds");
            assert!((found.ln() + location).abs() < 0.015, "{location}: {found}");
        }
        let sharp: Vec<Outcome> = (-20..20).map(|i| (f64::from(i) * 0.01 + 0.005, i < 0)).collect();
        assert!(lift(&sharp).is_some_and(|found| (found - 1.0).abs() < 0.005));
        assert_eq!(lift(&sharp[..20]), None, "none failed");
        assert_eq!(lift(&sharp[15..25]), None, "few");
    }
}
