//! The progress bar: what is measured now, how far it is, and the running ratio.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::stdio;
use duet_analysis::{CellId, Estimate};
use duet_report::{printable, printable_lines};

/// A bar on a terminal; elsewhere, a plain line now and then.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: bool,
}

impl Progress {
    /// A spinner, until [`Progress::start`] says how much there is to do.
    #[must_use]
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        Self { bar, terminal: std::io::stderr().is_terminal() }
    }

    /// What is being done while there is no bar yet.
    pub(crate) fn say(&self, what: &str) {
        let what = printable(what);
        if self.terminal {
            self.bar.enable_steady_tick(Duration::from_millis(200));
            self.bar.set_message(what);
        } else {
            stdio::note(&what);
        }
    }

    /// A line that stays, above the bar.
    pub(crate) fn print(&self, line: &str) {
        let line = printable_lines(line);
        if self.terminal {
            self.bar.println(line);
        } else {
            stdio::note(&line);
        }
    }

    /// Turns the spinner into a bar over this many blocks.
    pub(crate) fn start(&self, blocks: usize) {
        self.bar.disable_steady_tick();
        self.bar.set_length(blocks as u64);
        self.bar.reset();
        let template = "{bar:30} {pos}/{len} blocks, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("━╸─"));
        }
    }

    /// A block of this cell begins; the ratio is what its earlier blocks say.
    pub(crate) fn block(&self, cell: &CellId, ratio: Option<Estimate>) {
        let ratio = ratio.map(|ratio| match ratio.interval {
            Some(i) => duet_units::ratio_interval(ratio.value, i.low, i.high),
            None => duet_units::ratio(ratio.value),
        });
        self.bar.set_message(printable(&format!("{cell}  {}", ratio.unwrap_or_default())));
    }

    /// A block is done.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0).max(1));
        // Ten lines in all where there is no terminal.
        if !self.terminal && done * 10 / all > (done - 1) * 10 / all {
            stdio::note(&format!("{done} of {all} blocks done"));
        }
    }

    /// Everything is done.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
