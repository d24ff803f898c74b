use super::*;

/// Contrasts about `centre`, as spread out as `half` says and in no particular order: their mean,
/// median and Hodges-Lehmann estimate are `centre`.
fn around(centre: f64, half: f64, n: usize) -> Vec<f64> {
    let sides = [1.0, -1.0, 0.5, -0.5, -1.0, 1.0, -0.5, 0.5];
    (0..n).map(|i| centre + half * sides[i % 8]).collect()
}

fn noise(nu: f64) -> Option<Floor> {
    Some(Floor { nu, source: FloorSource::Extreme { experiments: 19 } })
}

fn one(contrasts: &[f64], margin: f64, nu: f64) -> Judgement {
    let family = [Evidence { contrasts, margin, floor: noise(nu) }];
    judge(&family, &LOOKS).remove(0)
}

#[test]
fn verdicts_of_one_metric() {
    use GateVerdict::{Inconclusive, Pass, Regressed};
    // Centre, half width, blocks, floor; verdict, blocks of the look; the margin is 3 %.
    let cases = [
        (0.0, 0.005, 8, 0.0, Pass, Some(8)),
        (0.05, 0.005, 8, 0.0, Regressed, Some(8)),
        (-0.2, 0.005, 8, 0.0, Pass, Some(8)),
        (0.0, 0.005, 7, 0.0, Inconclusive, None),
        // A block at 3.1 %: p is no longer 1/256 at the first look. 12 blocks get over it.
        (0.0, 0.031, 8, 0.0, Inconclusive, Some(8)),
        (0.0, 0.031, 11, 0.0, Inconclusive, Some(8)),
        (0.0, 0.031, 12, 0.0, Pass, Some(12)),
        // Noise can turn a failure into INCONCLUSIVE, and never into PASS.
        (0.05, 0.005, 24, 0.06, Inconclusive, Some(24)),
        (0.05, 0.005, 24, 0.04, Regressed, Some(8)),
        (0.0, 0.005, 8, 0.06, Pass, Some(8)),
        // At the margin nothing is ever sure.
        (0.03_f64.ln_1p(), 0.005, 24, 0.0, Inconclusive, Some(24)),
    ];
    for (centre, half, n, nu, want, look) in cases {
        let got = one(&around(centre, half, n), 0.03, nu);
        let told = (got.verdict, got.look.map(|look| look.blocks));
        assert_eq!(told, (want, look), "{centre} +- {half}, {n} blocks, floor {nu}: {got:?}");
        // A verdict, its bound and its p value say the same.
        let alpha = got.look.map_or(0.0, |look| look.alpha);
        let failed = got.lower.is_some_and(|low| low > got.fail_bar);
        assert_eq!(failed, got.verdict == Regressed, "{got:?}");
        assert_eq!(failed, got.p_regressed_holm.is_some_and(|p| p <= alpha), "{got:?}");
        let passed = got.upper.is_some_and(|high| high < got.margin);
        assert_eq!(passed, got.verdict == Pass, "{got:?}");
        assert_eq!(passed, got.p_pass.is_some_and(|p| p <= alpha), "{got:?}");
        assert_eq!(got.reason.is_some(), got.verdict == Inconclusive, "{got:?}");
    }
}
