//! How far a load is.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::load::steady::{Load, Pressure};
use crate::units;

/// How often it is looked at.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// The time that the rate is taken over.
const RATE: Duration = Duration::from_secs(1);

/// A bar on a terminal; elsewhere about ten lines in all.
pub(super) struct View {
    bar: Option<ProgressBar>,
    began: Instant,
    total: Option<Duration>,
    every: Duration,
    shown: Instant,
    shown_right: u64,
}

impl View {
    pub(super) fn new(load: &Load) -> Self {
        let total = match load.pressure {
            Pressure::Closed { requests: Some(_) } => None,
            _ => Some(load.warmup + load.measure),
        };
        let terminal = std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(total.map_or(0, |total| total.as_millis() as u64));
            let template = if total.is_some() { "{bar:30} {msg}" } else { "{msg}" };
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style.progress_chars("━╸─")),
                Err(_) => bar,
            }
        });
        let now = Instant::now();
        let every = if terminal { RATE } else { total.unwrap_or_default().max(RATE * 10) / 10 };
        Self { bar, began: now, total, every, shown: now, shown_right: 0 }
    }

    /// Shows right answers and failed requests so far.
    pub(super) fn show(&mut self, (right, failed): (u64, u64)) {
        if let (Some(bar), Some(total)) = (&self.bar, self.total) {
            bar.set_position(self.began.elapsed().min(total).as_millis() as u64);
        }
        let since = self.shown.elapsed();
        if since < self.every {
            return;
        }
        let per_second = (right - self.shown_right) as f64 / since.as_secs_f64();
        self.shown = Instant::now();
        self.shown_right = right;
        let message = format!(
            "{:.0} s: {} right answers per second now, {} failed so far",
            self.began.elapsed().as_secs_f64(),
            units::rate(per_second),
            units::thousands(failed as i64)
        );
        match &self.bar {
            Some(bar) => bar.set_message(message),
            None => anstream::eprintln!("{message}"),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
