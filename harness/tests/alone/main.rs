//! What must not run beside other tests: gates whose verdicts depend on what the machine is doing.

#[path = "../binary/mod.rs"]
mod binary;

/// All of them, so that `--skip alone::` leaves them out.
#[path = "."]
mod alone {
    mod faults;
    mod gate;
    mod guard;
    mod hostile;
}
