//! Carries out one load.

use std::sync::atomic::Ordering;

use anyhow::Result;

use super::live::{self, View};
use super::series::Series;
use duet_loadgen::count::seconds::Live;
use duet_loadgen::load::{self, Measured};
use duet_process::interrupt::Interrupt;

/// Carries it out, showing and writing what happens each second, until it is over or Ctrl-C.
pub(super) fn drive(
    load: &load::Load,
    interrupt: &Interrupt,
    mut view: View<'_>,
    mut series: Option<&mut Series<'_>>,
) -> Result<Measured> {
    let (live, mut seconds) = Live::watched(view.is_on_terminal() || series.is_some());
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
                series.as_mut().into_iter().for_each(|series| series.write(&second));
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
