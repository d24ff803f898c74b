//! A room: its messages that some of its members still wait for, and how a connection ends.

use std::collections::VecDeque;

use crate::response::check::Mismatch;
use crate::transport::error::TransportError;

/// A room.
#[derive(Debug)]
pub(super) struct Room {
    /// What it is called in the target of handshakes.
    pub(super) number: u32,
    /// Messages that some members have received, in their order.
    pub(super) order: VecDeque<Delivery>,
    /// Messages before these: all members have received them.
    pub(super) delivered: u64,
}

/// A message on its way to the members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    pub(super) sender: usize,
    /// How many have not received it.
    pub(super) missing: usize,
}

/// How a connection ends.
#[derive(Debug)]
pub(super) enum Ending {
    Lost(TransportError),
    /// What came may not come.
    Mismatch(Mismatch),
}
