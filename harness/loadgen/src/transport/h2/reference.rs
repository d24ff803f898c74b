//! The reference response over HTTP/2.

use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use nix::sys::epoll::EpollEvent;

use super::connection::{H2Connection, Polled};
use super::io::EventLoop;
use super::ready_queue::ReadyQueue;
use super::request::Request;
use super::stream_slot::{StreamSlot, stream_error};
use crate::limits::SWEEP;
use crate::reference::{FetchError, Patience};
use crate::request::exchange::Exchange;
use crate::request::in_flight::InFlight;
use crate::response::reference::{BodyLearner, ReferenceResponse};
use crate::timing::timer::poll;
use crate::transport::ConnectionState;
use crate::transport::target::Target;

/// Sends a request once, on a connection of its own.
pub(crate) fn fetch(
    target: &Target,
    request: &[u8],
    patience: Patience,
) -> Result<ReferenceResponse, FetchError> {
    let mut sent = false;
    let response = exchange(target, request, patience, &mut sent);
    response.map_err(if sent { FetchError::Unanswered } else { FetchError::Unconnected })
}

/// Opens a connection and awaits the response. Notes when the request is `sent`.
fn exchange(
    target: &Target,
    request: &[u8],
    patience: Patience,
    sent: &mut bool,
) -> Result<ReferenceResponse, String> {
    let failed = |why: &str| format!("{target} does not respond by HTTP/2: {why}");
    let other = |why: &str| {
        format!("{}; if it does not speak HTTP/2, load it without --http2", failed(why))
    };
    let began = Instant::now();
    let event_loop = Rc::new(EventLoop::new().map_err(|error| failed(error.desc()))?);
    let any = Exchange::any_success(request.to_vec(), false);
    let exchange = Exchange { observed: true, ..any }; // its fields are wanted
    let request = Request::read(request, target.tls.is_some()).map_err(|why| failed(&why))?;
    let in_flight = InFlight::new(None, false, began);
    let mut connection = H2Connection::new();
    let mut slot = StreamSlot::new(in_flight, Some(BodyLearner::default()));
    let ready = ReadyQueue::new(1, 1);
    connection.open(target, &event_loop, 0).map_err(|error| failed(error.reason.words()))?;
    let mut events = [EpollEvent::empty()];
    let mut closed = None;
    loop {
        match connection.poll(&event_loop, 0, ready.connection_waker(0)) {
            Polled::Pending => {}
            Polled::Opened => {
                // The first request on a connection: nothing is in its way.
                slot.attach(connection.sender());
                *sent = true;
                slot.send(&request).map_err(|error| failed(&error.to_string()))?;
                continue;
            }
            Polled::Closed(error) => closed = Some(error),
        }
        match slot.poll_response(&exchange, ready.slot_waker(0)) {
            Poll::Ready(Ok(status)) => {
                return Ok(ReferenceResponse {
                    status,
                    content_type: None,
                    fields: slot.observed.take().unwrap_or_default().fields,
                    body: slot.take_learner().finish(),
                    persistent: true,
                    streams_max: Some(connection.streams_max()),
                });
            }
            Poll::Ready(Err(error)) => {
                let why = format!("{} ({error})", stream_error(&error, false).reason);
                return Err(if error.is_remote() { failed(&why) } else { other(&why) });
            }
            Poll::Pending => {}
        }
        if let Some(error) = closed {
            return Err(other(error.reason.words())); // a response that had come would be complete
        }
        if ready.next_connection().is_some() {
            continue;
        }
        if patience.left().is_zero() {
            let shut = connection.state() == ConnectionState::Opening;
            let why =
                if shut { ": no stream is allowed on its connection, or not yet" } else { "" };
            return Err(format!("no response from {target} within {:?}{why}", patience.timeout));
        }
        if poll(&event_loop.epoll, &mut events, SWEEP).map_err(|why| failed(why.desc()))? > 0 {
            connection.arrived();
        }
    }
}
