//! Ready queue: which connections and streams made progress. The crate `h2` says so by wakers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The wakers of a thread's connections and slots, and which of them were woken.
#[derive(Debug)]
pub(super) struct ReadyQueue {
    connection_wakers: Vec<Waker>,
    slot_wakers: Vec<Waker>,
    connections: Arc<Ready>,
    slots: Arc<Ready>,
}

/// What was woken and not taken yet, in order, and for each whether it was. Only the thread itself
/// wakes, so that it never waits for the lock, which wakers must have.
#[derive(Debug)]
struct Ready(Mutex<(VecDeque<usize>, Vec<bool>)>);

#[derive(Debug)]
struct SlotWaker {
    ready: Arc<Ready>,
    index: usize,
}

impl ReadyQueue {
    pub(super) fn new(connections: usize, slots: usize) -> Self {
        let ready = |n| Arc::new(Ready(Mutex::new((VecDeque::with_capacity(n), vec![false; n]))));
        let wakers = |n, ready: &Arc<Ready>| {
            let waker = |index| SlotWaker { ready: Arc::clone(ready), index };
            (0..n).map(|index| Waker::from(Arc::new(waker(index)))).collect()
        };
        let (connection_queue, slot_queue) = (ready(connections), ready(slots));
        Self {
            connection_wakers: wakers(connections, &connection_queue),
            slot_wakers: wakers(slots, &slot_queue),
            connections: connection_queue,
            slots: slot_queue,
        }
    }

    pub(super) fn connection_waker(&self, connection: usize) -> &Waker {
        &self.connection_wakers[connection]
    }

    pub(super) fn slot_waker(&self, slot: usize) -> &Waker {
        &self.slot_wakers[slot]
    }

    pub(super) fn wake_connection(&self, connection: usize) {
        self.connections.wake(connection);
    }

    pub(super) fn wake_slot(&self, slot: usize) {
        self.slots.wake(slot);
    }

    /// A connection that was woken.
    pub(super) fn next_connection(&self) -> Option<usize> {
        self.connections.next()
    }

    /// A slot that was woken.
    pub(super) fn next_slot(&self) -> Option<usize> {
        self.slots.next()
    }
}

impl Ready {
    fn wake(&self, index: usize) {
        let (order, woken) = &mut *self.lock();
        if !std::mem::replace(&mut woken[index], true) {
            order.push_back(index);
        }
    }

    fn next(&self) -> Option<usize> {
        let (order, woken) = &mut *self.lock();
        let index = order.pop_front()?;
        woken[index] = false;
        Some(index)
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<usize>, Vec<bool>)> {
        // Whoever panicked left two lists that are whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.ready.wake(self.index);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.wake(self.index);
    }
}
