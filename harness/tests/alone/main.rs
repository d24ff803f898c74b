//! What must not run beside other tests: gates whose verdicts depend on what the machine is doing.

#[path = "../binary/mod.rs"]
mod binary;
mod faults;
mod gate;
mod guard;
mod hostile;
