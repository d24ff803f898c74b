//! What is measured, as data: servers and workloads, programs and problems, matchups and suites.
//!
//! Plain types; `duet-definitions` reads them from a folder and checks them. They are written into
//! the header of every record, so that a record can be read without the folder it came from.

mod body;
mod claim;
mod entries;
mod entry_cases;
mod folder;
mod gate;
mod load;
mod problem;
mod server;
mod service;
mod suite;
mod toolchain;
mod workload;

pub use body::GeneratedBody;
pub use claim::{Claim, ClaimFigure, ClaimKind, ClaimTest};
pub use duet_protocol::{Arrivals, Transport};
pub use entries::{Entries, Value};
pub use folder::{Spec, default_folder};
pub use gate::{Budget, Gate, GateScope, GatedPrograms, Look, PolicyRule, Quantity, Rule, Waiver};
pub use load::{Load, OpenLoop, Rate};
pub use problem::{Output, Problem, ProgramSet, Published, PublishedRow, TEST_SIZE};
pub use server::{Edit, LAYOUT, Lane, PLACEHOLDERS, Server, TLS_PLACEHOLDERS, laid_out};
pub use service::{DatabaseWork, Listen, Service, ServiceArgs, ServiceKind, ServicePer};
pub use suite::{
    CellId, DECIDING_BLOCKS, DECIDING_BLOCKS_OF_SEVERAL, MOST_ARMS, MOST_BLOCKS, Matchup, Suite,
};
pub use toolchain::Toolchain;
pub use workload::{Case, ExpectedResponse, Large, Workload};
