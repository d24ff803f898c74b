//! Carries out one load.

use std::sync::atomic::Ordering;

use anyhow::Result;

use super::live::{self, View};
use super::raw::Raw;
use super::series::Series;
use duet_loadgen::count::seconds::Live;
use duet_loadgen::load::{self, LoadError, Measured};
use duet_process::interrupt::Interrupt;

/// Where seconds and requests are written to while the load goes on.
#[derive(Default)]
pub(super) struct Files<'l> {
    pub(super) series: Option<Series<'l>>,
    pub(super) raw: Option<Raw>,
}

impl Files<'_> {
    /// # Errors
    /// When something could not be written.
    pub(super) fn finish(self) -> Result<()> {
        let series = self.series.map_or(Ok(()), Series::finish);
        series.and(self.raw.map_or(Ok(()), Raw::finish))
    }
}

/// Carries it out, showing and writing what happens each second, until it is over or Ctrl-C.
pub(super) fn drive(
    load: &load::Load,
    interrupt: &Interrupt,
    mut view: View<'_>,
    files: &mut Files<'_>,
) -> Result<Measured, LoadError> {
    let with_times = view.is_on_terminal() || files.series.is_some();
    let (live, mut seconds) = Live::watched(with_times, files.raw.is_some());
    std::thread::scope(|scope| {
        let driving = scope.spawn(|| load::run(load, &live));
        loop {
            let over = driving.is_finished();
            if interrupt.signal().is_some() {
                live.stop.store(true, Ordering::Relaxed);
            }
            let new = if over { seconds.rest() } else { seconds.complete(load.threads) };
            for second in new {
                view.add(&second);
                files.series.iter_mut().for_each(|series| series.write(&second));
                files.raw.iter_mut().for_each(|raw| raw.write(&second));
            }
            if over {
                break;
            }
            view.show();
            std::thread::park_timeout(live::TICK);
        }
        view.finish();
        driving.join().map_err(|_| anyhow::anyhow!("the load generator has died"))?
    })
}
