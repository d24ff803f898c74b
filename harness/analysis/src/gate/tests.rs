use super::*;

/// Log ratios about `centre`, as spread out as `half` says and in no particular order: their mean,
/// median and Hodges-Lehmann estimate are `centre`.
fn around(centre: f64, half: f64, n: usize) -> Vec<f64> {
    let sides = [1.0, -1.0, 0.5, -0.5, -1.0, 1.0, -0.5, 0.5];
    (0..n).map(|i| centre + half * sides[i % 8]).collect()
}

fn noise(nu: f64) -> Option<Floor> {
    Some(Floor { nu, tau: nu / 2.0, experiments: 19 })
}

fn one(log_ratios: &[f64], margin: f64, nu: f64) -> Judgement {
    let family = [Evidence { log_ratios, margin, floor: noise(nu) }];
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
        (0.05, 0.005, 24, 0.03, Inconclusive, Some(24)),
        (0.05, 0.005, 24, 0.01, Regressed, Some(8)),
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

/// A family at once: log ratios that all lie at `centre`, so that p is 2^-n of any below the bar.
fn family(log_ratios: &[Vec<f64>]) -> Vec<Evidence<'_>> {
    let evidence = |log_ratios| Evidence { log_ratios, margin: 0.03, floor: noise(0.0) };
    log_ratios.iter().map(|c| evidence(c.as_slice())).collect()
}

/// How a family stands: P, R or I for each.
fn letters(judgements: &[Judgement]) -> String {
    let letter = |j: &Judgement| match j.verdict {
        GateVerdict::Pass => 'P',
        GateVerdict::Regressed => 'R',
        GateVerdict::Inconclusive => 'I',
    };
    judgements.iter().map(letter).collect()
}

#[test]
fn holm_over_the_family() {
    let (bad, good, wide) = (around(0.1, 0.01, 24), around(0.0, 0.01, 24), around(0.03, 0.1, 24));
    let cases: [(&[&Vec<f64>], usize, &str); 7] = [
        // Alone, eight blocks are enough: 2^-8 < .005. One among two has to wait for twelve.
        (&[&bad], 8, "R"),
        (&[&bad, &good], 8, "IP"),
        (&[&bad, &good], 12, "RP"),
        (&[&bad, &bad, &bad], 11, "III"),
        (&[&bad, &bad, &bad], 12, "RRR"),
        (&[&wide, &bad, &wide], 24, "IRI"),
        (&[&good, &good, &wide], 24, "PPI"),
    ];
    for (members, n, want) in cases {
        let log_ratios: Vec<Vec<f64>> = members.iter().map(|c| c[..n].to_vec()).collect();
        let judgements = judge(&family(&log_ratios), &LOOKS);
        assert_eq!(letters(&judgements), want, "{n} blocks");
    }
}

/// Once decided stays decided, whatever comes later; and a metric that lacks blocks waits.
#[test]
fn decisions_stay() {
    let mut turned = around(0.1, 0.01, 8);
    turned.extend(around(-0.2, 0.01, 16));
    let mut worsened = around(0.0, 0.01, 8);
    worsened.extend(around(0.2, 0.01, 16));
    assert_eq!(letters(&judge(&family(&[turned]), &LOOKS)), "R");
    assert_eq!(letters(&judge(&family(&[worsened]), &LOOKS)), "P");
    let late = [around(0.0, 0.01, 12), around(0.0, 0.01, 7)];
    assert_eq!(letters(&judge(&family(&late), &LOOKS)), "PI");
}

#[test]
fn labels() {
    let cases = [
        (-0.1, 0.005, 24, 0.0, PassLabel::Improved),
        (0.0, 0.01, 24, 0.0, PassLabel::Same),
        (0.015, 0.005, 24, 0.0, PassLabel::SmallRegression),
        (0.015, 0.005, 24, 0.02, PassLabel::Same),
        (-0.03, 0.05, 8, 0.0, PassLabel::NotWorse),
    ];
    for (centre, half, n, nu, want) in cases {
        let got = one(&around(centre, half, n), 0.03, nu);
        assert_eq!(got.label, Some(want), "{centre} +- {half}, floor {nu}: {got:?}");
    }
}

/// Without null experiments there is no floor: the run's own blocks are no substitute.
#[test]
fn no_floor() {
    let log_ratios = around(0.05, 0.01, 8);
    let evidence = |floor| [Evidence { log_ratios: &log_ratios, margin: 0.03, floor }];
    let (none, zero) = (judge(&evidence(None), &LOOKS), judge(&evidence(noise(0.0)), &LOOKS));
    assert_eq!(none[0].verdict, GateVerdict::Regressed);
    assert_eq!((none[0].floor, none[0].fail_bar), (None, none[0].margin));
    assert_eq!(zero[0], Judgement { floor: noise(0.0), ..none[0].clone() });
}

#[test]
fn steps() {
    let go_on = |until_blocks| Step::GoOn { until_blocks };
    let check = |log_ratios: &[Vec<f64>], want: Step| {
        let judgements = judge(&family(log_ratios), &LOOKS);
        assert_eq!(next_step(&judgements, &LOOKS), want, "{judgements:#?}");
    };
    check(&[vec![]], go_on(8));
    check(&[around(0.0, 0.01, 3)], go_on(8));
    check(&[around(0.0, 0.01, 8)], Step::Decided);
    // One regression ends it, whatever the others are.
    check(&[around(0.1, 0.01, 12), around(0.03, 0.1, 12)], Step::Decided);
    // One among three cannot be shown after 8 blocks.
    let three = |n| vec![around(0.1, 0.01, n), around(0.0, 0.01, n), around(0.0, 0.01, n)];
    check(&three(6), go_on(8));
    check(&three(8), go_on(12));
    check(&three(12), Step::Decided);
    // Far from the margin beside the spread; near it; and in between two looks.
    check(&[around(0.0, 0.05, 8)], go_on(12));
    check(&[around(0.0, 0.05, 12)], go_on(16));
    check(&[around(0.02, 0.05, 12)], go_on(24));
    check(&[around(0.02, 0.05, 14)], go_on(24));
    // What cannot be decided does not hold up what can.
    check(&[around(0.03, 0.1, 8), around(0.0, 0.05, 8)], go_on(12));
}

#[test]
fn futility() {
    let cases = [
        (0.02, 0.05, 24, 0.0, None, "2.0 % worse is within the margin of 3.0 %, but it could"),
        (0.029, 0.1, 16, 0.0, None, "no sensible number of blocks would decide"),
        (
            0.04,
            0.01,
            24,
            0.02,
            None,
            "not beyond 5.1 %, which is margin and noise floor: no number",
        ),
        (0.04, 0.05, 24, 0.0, None, "4.1 % worse is beyond the margin of 3.0 %, but it could"),
    ];
    for (centre, half, n, nu, blocks, words) in cases {
        let judgements = [one(&around(centre, half, n), 0.03, nu)];
        match next_step(&judgements, &LOOKS) {
            Step::Futile { reason, projected_blocks } => {
                assert!(reason.contains(words), "{reason}");
                assert_eq!(projected_blocks, blocks, "{reason}");
            }
            step => panic!("{centre} +- {half}: {step:?}"),
        }
    }
}

#[test]
fn reasons() {
    let reason = |log_ratios: &[Vec<f64>]| judge(&family(log_ratios), &LOOKS)[0].reason.clone();
    let cases = [
        (vec![vec![]], "no block counts"),
        (vec![around(0.0, 0.01, 1)], "1 block: the first look comes after 8"),
        (
            vec![around(0.1, 0.01, 8), around(0.0, 0.01, 8), around(0.0, 0.01, 8)],
            "11 % worse is beyond the margin of 3.0 %, but 8 blocks cannot show it of one among 3 \
             metrics; about 12 blocks would decide",
        ),
        (
            vec![around(0.0, 0.05, 8)],
            "no change is within the margin of 3.0 %, but it could be 5.1 % worse; about 24 blocks \
             would decide",
        ),
    ];
    for (log_ratios, want) in cases {
        assert_eq!(reason(&log_ratios).as_deref(), Some(want), "{log_ratios:?}");
    }
}

#[test]
fn looks_are_checked() {
    let look = |blocks, alpha| Look { blocks, alpha };
    let cases: [(&[Look], Option<&str>); 7] = [
        (&LOOKS, None),
        (&[look(20, 0.05)], None),
        (&[], Some("there are no looks")),
        (&[look(8, 0.01), look(8, 0.01)], Some("more blocks than the one before")),
        (&[look(5, 0.01)], Some("a look after 5 blocks: no verdict below 6")),
        (&[look(8, 0.0)], Some("a look spends 0")),
        (&[look(8, 0.03), look(12, 0.03)], Some("the looks spend 0.0600 of a level of 0.05")),
    ];
    for (looks, want) in cases {
        match (check_looks(looks, 0.05), want) {
            (Ok(()), None) => {}
            (Err(got), Some(want)) if got.contains(want) => {}
            (got, want) => panic!("{looks:?}: {got:?}, want {want:?}"),
        }
    }
}

#[test]
fn a_second_experiment_confirms() {
    let bad = one(&around(0.05, 0.01, 8), 0.03, 0.0);
    let good = one(&around(0.0, 0.01, 8), 0.03, 0.0);
    let open = one(&around(0.03, 0.1, 24), 0.03, 0.0);
    let cases = [
        (&bad, &bad, GateVerdict::Regressed),
        (&bad, &good, GateVerdict::Inconclusive),
        (&bad, &open, GateVerdict::Inconclusive),
        (&good, &bad, GateVerdict::Pass),
        (&open, &bad, GateVerdict::Inconclusive),
    ];
    for (first, second, want) in cases {
        assert_eq!(confirm(first, second).verdict, want);
    }
    let reason = confirm(&bad, &good).reason;
    let want = "a regression was found and not confirmed: the second experiment passed (no change)";
    assert_eq!(reason.as_deref(), Some(want));
}

/// A judgement travels in records and reports.
#[test]
fn json_round_trip() {
    for log_ratios in [around(0.05, 0.01, 8), vec![], around(0.03, 0.1, 24)] {
        let judgement = one(&log_ratios, 0.03, 0.0);
        let json = serde_json::to_string(&judgement).expect("it has no odd keys");
        let back: Judgement = serde_json::from_str(&json).expect("it is what was written");
        assert_eq!(back, judgement, "{json}");
    }
}
