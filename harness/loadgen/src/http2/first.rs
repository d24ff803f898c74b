//! The first answer over HTTP/2.

use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollEvent;

use super::bells::Bells;
use super::link::{Link, Progress};
use super::place::{Keep, Place};
use super::request::Request;
use super::wire::Thread;
use crate::alarm::poll;
use crate::first::First;
use crate::judge::{Question, Status};
use crate::share::SWEEP;
use crate::target::Target;

/// Asks once, on a connection of its own.
pub(crate) fn ask(target: &Target, request: &[u8], timeout: Duration) -> Result<First, String> {
    let unanswered = |why: &str| format!("{target} does not answer by HTTP/2: {why}");
    let began = Instant::now();
    let thread = Rc::new(Thread::new().map_err(|error| unanswered(error.desc()))?);
    let question = Question {
        request: request.into(),
        patches: &[],
        head: false,
        status: Status::Successful,
        content_type: None,
        body: None,
    };
    let request = Request::read(request, target.tls.is_some()).map_err(|why| unanswered(&why))?;
    let (mut link, mut place) = (Link::new(began), Place::new(began, Keep::All));
    let bells = Bells::new(1, 1);
    link.open(target, &thread, 0, began).map_err(unanswered)?;
    let mut events = [EpollEvent::empty()];
    loop {
        match link.advance(&thread, 0, bells.link(0)) {
            Progress::Nothing => {}
            Progress::Opened => {
                // The first request on a connection: nothing is in its way.
                place.put(link.sender(), began);
                place.ask(0, &request).map_err(|error| unanswered(&error.to_string()))?;
                continue;
            }
            Progress::Over(why, _) => return Err(unanswered(why)),
        }
        match place.poll_answer(&question, bells.place(0)) {
            Poll::Ready(Ok(status)) => {
                return Ok(First {
                    status,
                    content_type: None,
                    body: place.take_body(),
                    persistent: true,
                    streams_max: Some(link.streams_max()),
                });
            }
            Poll::Ready(Err(error)) => return Err(unanswered(&error.to_string())),
            Poll::Pending => {}
        }
        if bells.next_link().is_some() {
            continue;
        }
        if began.elapsed() > timeout {
            return Err(format!("no answer from {target} within {timeout:?}"));
        }
        if poll(&thread.epoll, &mut events, SWEEP).map_err(|why| unanswered(why.desc()))? > 0 {
            link.arrived();
        }
    }
}
