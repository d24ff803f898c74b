//! Who has news. The crate `h2` says it by wakers, the loop hears it here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The wakers of a thread's connections and places, and who has rung.
#[derive(Debug)]
pub(super) struct Bells {
    links: Vec<Waker>,
    places: Vec<Waker>,
    rung_links: Arc<Rung>,
    rung_places: Arc<Rung>,
}

/// Who has rung and was not heard yet, in order, and for each whether it has. Nobody but the
/// thread itself rings, so that it never waits for the lock, which wakers must have.
#[derive(Debug)]
struct Rung(Mutex<(VecDeque<usize>, Vec<bool>)>);

#[derive(Debug)]
struct Bell {
    rung: Arc<Rung>,
    index: usize,
}

impl Bells {
    pub(super) fn new(links: usize, places: usize) -> Self {
        let rung = |n| Arc::new(Rung(Mutex::new((VecDeque::with_capacity(n), vec![false; n]))));
        let wakers = |n, rung: &Arc<Rung>| {
            let bell = |index| Bell { rung: Arc::clone(rung), index };
            (0..n).map(|index| Waker::from(Arc::new(bell(index)))).collect()
        };
        let (rung_links, rung_places) = (rung(links), rung(places));
        Self {
            links: wakers(links, &rung_links),
            places: wakers(places, &rung_places),
            rung_links,
            rung_places,
        }
    }

    /// The waker of a connection.
    pub(super) fn link(&self, key: usize) -> &Waker {
        &self.links[key]
    }

    /// The waker of a place.
    pub(super) fn place(&self, place: usize) -> &Waker {
        &self.places[place]
    }

    pub(super) fn ring_link(&self, key: usize) {
        self.rung_links.ring(key);
    }

    pub(super) fn ring_place(&self, place: usize) {
        self.rung_places.ring(place);
    }

    /// A connection with news.
    pub(super) fn next_link(&self) -> Option<usize> {
        self.rung_links.next()
    }

    /// A place with news.
    pub(super) fn next_place(&self) -> Option<usize> {
        self.rung_places.next()
    }
}

impl Rung {
    fn ring(&self, index: usize) {
        let (order, rung) = &mut *self.lock();
        if !std::mem::replace(&mut rung[index], true) {
            order.push_back(index);
        }
    }

    fn next(&self) -> Option<usize> {
        let (order, rung) = &mut *self.lock();
        let index = order.pop_front()?;
        rung[index] = false;
        Some(index)
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<usize>, Vec<bool>)> {
        // Whoever panicked left two lists that are whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.ring(self.index);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.ring(self.index);
    }
}
