//! A message before a load: whether there is a WebSocket, and whether messages come back.

use std::time::Instant;

use nix::sys::epoll::EpollEvent;

use super::{MESSAGE_BYTES_MAX, Ws};
use crate::error_kind::ErrorKind;
use crate::limits::SWEEP;
use crate::reason::Reason;
use crate::reference::{FetchError, Patience};
use crate::request::exchange::{Exchange, Message};
use crate::request::in_flight::InFlight;
use crate::request::requests::Requests;
use crate::request::selector::{InOrder, Selector};
use crate::timing::timer;
use crate::transport::error::{self, TransportError};
use crate::transport::target::Target;
use crate::transport::{Completion, Outcome, Progress, Transport};

/// Sends a message on a connection of its own. Says whether it came back as it was sent.
pub(crate) fn converse(
    target: &Target,
    exchange: &Exchange,
    patience: Patience,
) -> Result<bool, FetchError> {
    let alone = exchange.message.map(|message| Message { members: 1, ..message });
    let exchange = Exchange { message: alone, ..exchange.clone() };
    let requests = Requests::new(vec![exchange], Selector::InOrder(InOrder::new(1, 0, (0, 1))), 0);
    let unconnected = |error: TransportError| FetchError::Unconnected(why(target, error));
    let ws = Ws::new(target.clone(), requests, 1, 0, (0, 1));
    let mut ws = ws.map_err(|errno| unconnected(TransportError::from_io(&errno.into())))?;
    ws.longest = MESSAGE_BYTES_MAX; // another message may be longer
    ws.open(0).map_err(unconnected)?;
    loop {
        let unanswered = |why: String| FetchError::Unanswered(why);
        let progress = next(&mut ws, patience).ok_or_else(|| {
            let timeout = patience.timeout;
            unanswered(format!("no message from {target} within {timeout:?}"))
        })?;
        let progress = match progress {
            Progress::Opened => {
                ws.enqueue(0, InFlight::new(None, true, Instant::now()));
                ws.flush(0)
            }
            progress => progress,
        };
        match progress {
            Progress::Pending | Progress::Opened | Progress::Ready => {}
            Progress::Completed(_, Outcome::Ok { .. }) => return Ok(true),
            Progress::Completed(_, Outcome::Mismatch(mismatch))
            | Progress::Unsolicited(mismatch) => {
                return match mismatch.kind {
                    ErrorKind::WrongBody | ErrorKind::UnsolicitedBytes => Ok(false),
                    _ => Err(unanswered(mismatch.text)),
                };
            }
            Progress::Completed(_, Outcome::Failed(error)) => {
                return Err(unanswered(why(target, *error)));
            }
            Progress::Disconnected(error) => return Err(unconnected(*error)),
        }
    }
}

/// What happens next; none: nothing in time.
fn next(ws: &mut Ws, patience: Patience) -> Option<Progress> {
    loop {
        if let Some(Completion { progress, .. }) = ws.next() {
            return Some(progress);
        }
        let left = patience.left();
        if left.is_zero() {
            return None;
        }
        let mut events = [EpollEvent::empty()];
        // An error comes again, and the time ends.
        if timer::poll(&ws.epoll, &mut events, left.min(SWEEP)) == Ok(1)
            && let Some(Completion { progress, .. }) = ws.on_event(&events[0])
        {
            return Some(progress);
        }
    }
}

/// Why there is no WebSocket, in words that say what to do.
fn why(target: &Target, error: TransportError) -> String {
    match (error.kind, error.reason) {
        (ErrorKind::Tls, reason) => format!("no TLS with {target}: {reason}"),
        (_, Reason::Words(words)) => format!("{target}: {words}"),
        (_, reason) => error::unconnected(&target.to_string(), reason),
    }
}
