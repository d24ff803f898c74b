//! From the record of a run to all that is found in it.

use crate::summary::{Analysis, Prices, SCHEMA};
use crate::{cell_analysis, claims, matchups, money, multiplicity, programs, published};
use crate::{pairs, run_summary, warnings};
use duet_model::record::Run;

/// Analyses a run. A record that ends early, for whatever reason, is analysed as far as it goes.
#[must_use]
pub fn analyse(run: &Run) -> Analysis {
    let paired = pairs::of(run);
    let cells = cell_analysis::collect(&paired);
    let mut matchups = programs::analyse(run);
    matchups.extend(matchups::analyse(&paired.header, &cells));
    multiplicity::adjust(&mut matchups);
    for cell in matchups.iter_mut().filter(|m| m.control).flat_map(|m| &mut m.cells) {
        cell.warnings.extend(warnings::control_differs(cell));
    }
    let published = published::analyse(&run.header.spec.published, &matchups);
    let mut analysis = Analysis {
        schema: SCHEMA,
        run: run_summary::run_summary(run, &cells),
        servers: run_summary::servers(run),
        matchups,
        published,
        failures: run_summary::failures(run),
        warnings: warnings::of_run(run, &cells),
        claims: vec![],
        money: None,
        builds: None,
    };
    analysis.claims = claims::judge(&analysis, &run.header.spec.claims);
    analysis.money = money::analyse(&analysis, Prices::default());
    analysis
}
