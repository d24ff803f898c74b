//! What a load is.

use std::time::Duration;

use duet_protocol::Arrivals;

use crate::request::exchange::Exchange;
use crate::request::requests::Rows;
use crate::request::session::Session;
use crate::timing::arrivals::Rate;
use crate::transport::target::Target;

/// Of more requests than this in a list there are no figures for each: they take memory.
pub const LISTED_MAX: usize = 100;

/// A load: what is sent, how hard, for how long.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to.
    pub target: Target,
    /// What is sent; at least one weight is above 0.
    pub cases: Vec<Case>,
    /// Which of them is next.
    pub order: Order,
    /// Rows of values, for each request one in turn; with sessions and [`Order::InTurn`] for each
    /// round of one.
    pub rows: Rows,
    /// What the requests of each connection (over HTTP/2, in each place for a stream) know of
    /// responses before at the beginning; none: nothing is needed of them.
    pub session: Option<Session>,
    /// The number of the first request, from which `{seq}` goes on.
    pub first_index: u64,
    /// Connections, spread over the threads; at least 1.
    pub connections: u32,
    /// Whether each request has a connection of its own; not with HTTP/2.
    pub churn: bool,
    /// HTTP/1.1: requests that may be in flight on a connection, at least 1; more than that in a
    /// closed loop without churn only.
    pub pipeline: usize,
    /// HTTP/2: requests that may be in flight on a connection, at least 1.
    pub streams: usize,
    /// At least 1, and no more than connections.
    pub threads: usize,
    /// Threads are pinned to these in turn; empty: not pinned.
    pub cpus: Vec<usize>,
    /// When requests are sent.
    pub model: LoadModel,
    /// Time before the measured time.
    pub warmup: Duration,
    /// The measured time; of no meaning for a closed loop with a number of requests.
    pub measure: Duration,
    /// How long a response may take.
    pub timeout: Duration,
    /// Whether each planned request is sent and awaited, however late that is. Otherwise sending
    /// ends with the measured time, and responses are awaited for five seconds more at most.
    pub promised: bool,
    /// Decides the instants of Poisson arrivals.
    pub seed: u64,
}

/// Which request is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// One drawn by weight.
    ByWeight,
    /// The one behind that sent last, on whichever connection, and behind the last the first. Where
    /// there are sessions each of them does so for itself.
    InTurn,
}

/// A request with the expected response, and how often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// How often, beside the weights of the others.
    pub weight: u32,
    /// The request and the response.
    pub exchange: Exchange,
}

/// When requests are sent: the model of a load (B. Schroeder, A. Wierman and M. Harchol-Balter,
/// "Open versus closed", 2006).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LoadModel {
    /// Whenever a connection is free.
    Closed {
        /// How many after the warm-up; none: until the measured time is over.
        requests: Option<u64>,
        /// How long a connection pauses between a response and its next request.
        think: Duration,
    },
    /// At planned instants.
    Open {
        /// Over all threads. The warm-up is at the rate of the beginning.
        rate: Rate,
        /// How they are spread.
        arrivals: Arrivals,
        /// How many of them are due at once; 1 unless they are evenly spaced.
        burst: u64,
        /// Requests older than this are not sent any more.
        deadline: Option<Duration>,
    },
}

impl Load {
    /// How many requests there are figures for each of.
    pub(super) fn counted_cases(&self) -> usize {
        match (self.order, self.cases.len()) {
            (Order::InTurn, n) if n > LISTED_MAX => 0,
            (_, n) => n,
        }
    }

    /// How long a connection pauses between a response and its next request.
    #[must_use]
    pub fn think(&self) -> Duration {
        match self.model {
            LoadModel::Closed { think, .. } => think,
            LoadModel::Open { .. } => Duration::ZERO,
        }
    }

    /// Requests that may be in flight on a connection.
    #[must_use]
    pub fn in_flight_max(&self) -> usize {
        if self.target.http2 { self.streams } else { self.pipeline }
    }
}
