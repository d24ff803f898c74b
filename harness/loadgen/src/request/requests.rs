//! What a thread sends: exchanges, which of them is next, and what they are written with.

use std::sync::Arc;

use super::composed::{Given, path};
use super::exchange::{Exchange, Variation};
use super::placeholder;
use super::selector::{NextRequest, Selector};
use super::session::Observed;
use crate::error_kind::ErrorKind;
use crate::response::check::{self, Mismatch};

/// Rows of values, one for each request or for each round of a session.
pub type Rows = Arc<[Vec<String>]>;

/// What a thread sends.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) exchanges: Vec<Exchange>,
    selector: Selector,
    /// Decides the digits that differ each time.
    seed: u64,
    rows: Rows,
    /// The number of the load's first request, which has the first row.
    first: u64,
}

impl Requests {
    /// Requests without values.
    pub(crate) fn new(exchanges: Vec<Exchange>, selector: Selector, seed: u64) -> Self {
        Self { exchanges, selector, seed, rows: Arc::default(), first: 0 }
    }

    /// The same with rows of values, the first of which request `first` has.
    pub(crate) fn with_rows(self, rows: Rows, first: u64) -> Self {
        Self { rows, first, ..self }
    }

    /// The request to send now in a slot.
    #[inline]
    pub(crate) fn next(&mut self, slot: usize) -> NextRequest {
        self.selector.next(slot)
    }

    /// The exchange of a request in a slot, with the bytes of this one.
    #[inline]
    pub(crate) fn write(&mut self, slot: usize, next: NextRequest) -> &Exchange {
        let exchange = &mut self.exchanges[next.exchange];
        match &exchange.variation {
            Variation::None => {}
            Variation::Digits(places) => {
                placeholder::apply(places, &mut exchange.request, self.seed, next.index);
            }
            Variation::Composed(_) => {
                let session = self.selector.session(slot);
                let row = match session.filter(|_| self.selector.has_rounds()) {
                    Some(session) => session.row(),
                    None => (next.index - self.first) as usize,
                };
                let row = row.checked_rem(self.rows.len()).map_or(&[][..], |row| &self.rows[row]);
                let (seed, index) = (self.seed, next.index);
                exchange.write(Given { seed, index, row, session });
            }
        }
        exchange
    }

    /// Takes values and cookies from the response to a request that was written last.
    ///
    /// # Errors
    /// When it lacks one.
    #[cold]
    pub(crate) fn observe(
        &mut self,
        slot: usize,
        next: NextRequest,
        observed: &Observed,
    ) -> Result<(), Mismatch> {
        let exchange = &self.exchanges[next.exchange];
        let Some(session) = self.selector.session_mut(slot) else { return Ok(()) };
        let observed = session.observe(&exchange.captures, observed, path(&exchange.request));
        observed.map_err(|missing| {
            let kind = if missing.in_header { ErrorKind::BadHeader } else { ErrorKind::WrongBody };
            check::incomplete(exchange, kind, &missing.text)
        })
    }
}
