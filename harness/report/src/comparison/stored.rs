//! Stored runs compared, as a table for the terminal.

use super::words::signed;
use duet_analysis::comparison::stored::Stored;

/// The table.
#[must_use]
pub fn stored(stored: &Stored, base: &str, head: &str) -> String {
    let mut rows = vec![[
        "cell".to_owned(),
        "server".to_owned(),
        String::new(),
        "base".to_owned(),
        "head".to_owned(),
        "change".to_owned(),
        "beside".to_owned(),
    ]];
    for change in &stored.changes {
        let beside = change.beside.as_ref().map_or_else(String::new, |beside| {
            let verdict = match (beside.differs, beside.bound) {
                (Some(true), Some(bound)) => {
                    format!(", beyond the usual {}", signed(bound.exp_m1()))
                }
                (Some(false), Some(bound)) => {
                    format!(", within the usual {}", signed(bound.exp_m1()))
                }
                _ => String::new(),
            };
            format!("{} beside {}{verdict}", signed(beside.change.exp_m1()), beside.server)
        });
        rows.push([
            change.cell.to_string(),
            change.server.clone(),
            change.metric.label().to_owned(),
            change.metric.format(change.base),
            change.metric.format(change.head),
            signed(change.change.exp_m1()),
            beside,
        ]);
    }
    let mut out = format!("{head} against {base}, not measured side by side:\n\n");
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (i, text) in row.iter().enumerate() {
            let pad = " ".repeat(widths[i] - text.chars().count());
            line += &if (3..6).contains(&i) {
                format!("{pad}{text}  ")
            } else {
                format!("{text}{pad}  ")
            };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out + "\n+ is worse for the head. Beside: the change beside an arm that is the same\n\
           executable in both runs, which takes out what the machine did to both.\n"
}
