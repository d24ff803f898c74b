//! Think time: the pauses of a closed loop between a response and the next request.

use std::time::Instant;

use super::Driver;
use crate::count::Sink;
use crate::transport::{ConnectionState, Transport};

impl<T: Transport, S: Sink> Driver<'_, T, S> {
    /// Spreads the first requests of all slots over one pause, so that they do not come at once
    /// ever after.
    #[cold]
    pub(super) fn spread(&mut self, begin: Instant) {
        let slots = self.free.len().max(1) as u32;
        let think = self.think;
        let due = |i| begin + think * i / slots;
        self.thinking = (0..).zip(self.free.drain(..)).map(|(i, slot)| (due(i), slot)).collect();
    }

    /// Frees the slots whose pauses are over. Their connections may have been lost meanwhile, and
    /// opened anew.
    #[cold]
    pub(super) fn end_pauses(&mut self, now: Instant) {
        while let Some(&(due, slot)) = self.thinking.front()
            && due <= now
        {
            self.thinking.pop_front();
            let connection = self.connection_of(slot);
            let vacant = self.transport.state(connection) == ConnectionState::Vacant;
            let opens = vacant && self.opens_on_send;
            let usable = self.transport.is_free(slot) || opens;
            let waits = self.connections[connection].reopen_at.is_some();
            if usable && !waits && !self.free.contains(&slot) {
                self.push_free(slot, now);
            }
        }
    }
}
