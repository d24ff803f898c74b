//! What the servers' CPU time costs, as tables; left out in a terminal.

use super::document::{Block, Column, Emphasis, Group, Row, Span, Table};
use duet_analysis::money::{SMALLEST_VCPUS, UTILISATION, VCPU_HOUR_SOURCE};
use duet_analysis::{Analysis, Estimate, MoneyAnalysis, MoneyArm, MoneyCell, MoneyMonth, Prices};

/// The costs, a table for each matchup.
pub(super) fn section(analysis: &Analysis) -> Vec<Block> {
    let Some(money) = &analysis.money else { return vec![] };
    let mut full = vec![Block::paragraph(about(money), Emphasis::Plain)];
    let of_matchup = |a: &MoneyCell, b: &MoneyCell| a.cell.matchup == b.cell.matchup;
    full.extend(money.cells.chunk_by(of_matchup).map(|cells| Block::Table(table(cells))));
    let brief = vec![];
    let heading = Block::heading("What the CPU time costs");
    vec![Block::Abridged { brief, full: [heading].into_iter().chain(full).collect() }]
}

fn about(money: &MoneyAnalysis) -> String {
    let Prices { vcpu_hour, day } = money.prices;
    let usual = if money.prices == Prices::default() {
        format!(" ({VCPU_HOUR_SOURCE}; --vcpu-hour and --day set other prices)")
    } else {
        String::new()
    };
    format!(
        "In US dollars, at {vcpu_hour} for a vCPU-hour and {day} for a day of work{usual}. A vCPU \
         is planned to be busy {} of the time, and the least that can be bought is \
         {SMALLEST_VCPUS} vCPU. Only the servers' own CPU time, as if a vCPU were a CPU of this \
         machine: memory, traffic and what stands behind a server cost the same in any language, \
         or are not measured here.",
        duet_units::percent(UTILISATION)
    )
}

fn table(cells: &[MoneyCell]) -> Table {
    let first = cells.first();
    let months = first.and_then(|cell| cell.arms.first()).map_or(&[][..], |arm| &arm.months);
    let month = |month: &MoneyMonth| {
        let rate = duet_units::thousands(month.rate_per_second as i64);
        Column::numbers(format!("a month at {rate}/s"))
    };
    let heads = [Column::words("server"), Column::numbers("a million requests")];
    Table {
        caption: first.map_or_else(String::new, |cell| cell.cell.matchup.clone()),
        columns: heads.into_iter().chain(months.iter().map(month)).collect(),
        groups: cells.iter().map(group).collect(),
        apart: false,
    }
}

fn group(cell: &MoneyCell) -> Group {
    let row = |arm: &MoneyArm| {
        let month = |month: &MoneyMonth| match month.smallest {
            true => Span::new(format!("{}, the least", amount(month.cost.value)), Emphasis::Quiet),
            false => cost(&month.cost).into(),
        };
        let head: [Span; 2] = [arm.label.as_str().into(), cost(&arm.cost_per_million).into()];
        Row::plain(head.into_iter().chain(arm.months.iter().map(month)))
    };
    Group {
        name: cell.cell.workload.clone(),
        about: cell.load.clone(),
        rows: cell.arms.iter().map(row).collect(),
        notes: vec![vec![Span::new(difference(cell), Emphasis::Quiet)]],
        ..Group::default()
    }
}

/// From which rate on the difference costs anything, and from which it pays a day of work.
fn difference(cell: &MoneyCell) -> String {
    let dearer = cell.dearer.and_then(|dearer| cell.arms.get(dearer));
    let (Some(dearer), Some(pays)) = (dearer, &cell.pays_day_from_per_second) else {
        return "No difference in CPU time was told apart.".to_owned();
    };
    let rate = |per_second: f64| duet_units::rate(three_digits(per_second));
    let interval =
        pays.interval.map_or_else(String::new, |i| format!(" [{}, {}]", rate(i.low), rate(i.high)));
    format!(
        "Below {} requests a second the smallest instance carries either: no difference. {} costs \
         a day of work a month more from {}{interval} on.",
        rate(SMALLEST_VCPUS * dearer.requests_per_vcpu_second.value),
        dearer.label,
        rate(pays.value),
    )
}

fn three_digits(value: f64) -> f64 {
    let unit = 10_f64.powf(value.abs().log10().floor() - 2.0).max(1.0);
    (value / unit).round() * unit
}

/// A cost and its interval: `131 [128, 134]`.
fn cost(of: &Estimate) -> String {
    match of.interval {
        Some(i) => format!("{} [{}, {}]", amount(of.value), amount(i.low), amount(i.high)),
        None => amount(of.value),
    }
}

/// An amount of money: `1,310`, `29.80`, `0.0053`.
fn amount(of: f64) -> String {
    match of.abs() {
        a if a >= 100.0 => duet_units::thousands(of.round() as i64),
        a if a >= 1.0 => format!("{of:.2}"),
        a if a > 0.0 => {
            let places = (1.0 - a.log10().floor()) as usize;
            format!("{of:.places$}")
        }
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let cases = [
            (131.49, "131"),
            (1_310.2, "1,310"),
            (29.8, "29.80"),
            (1.0, "1.00"),
            (0.53, "0.53"),
            (0.000_534, "0.00053"),
            (0.0, "0"),
        ];
        for (of, want) in cases {
            assert_eq!(amount(of), want);
        }
        assert_eq!(three_digits(1_111_111.0), 1_110_000.0);
        assert_eq!(three_digits(44_444.0), 44_400.0);
        assert_eq!(three_digits(12.4), 12.0);
    }
}
