use std::net::TcpListener;

use super::super::client::Manner;
use super::super::judge::{Question, Status};
use super::super::pace::{Pace, Rate};

use super::super::requests::{Draw, Turns};
use super::*;
use duet_protocol::Arrivals;

/// A load of a thousand requests a second on one connection is stopped by a sweep of which the
/// clock was read before the last request was sent.
#[test]
fn a_load_that_is_stopped_adds_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let question = Question {
        request: b"GET / HTTP/1.1\r\n\r\n".as_slice().into(),
        patches: &[],
        head: false,
        status: Status::Successful,
        content_type: None,
        body: None,
    };
    let turns = Turns::Draw(Draw::new([1], 0, 0, (0, 1)));
    let manner = Manner { churn: false, depth: 1, seed: 0 };
    let addr = listener.local_addr().expect("it has an address");
    let client = Client::new(addr.into(), vec![question], 1, manner, turns);
    let pace = |span_ns| Pace::new(Arrivals::Uniform, Rate::steady(1000.0), (0, 1), 0, span_ns);
    let schedule =
        Schedule::Open { warmup: pace(0), measured: pace(1_000_000_000), deadline: None };
    let live = Live::default();
    let client = client.expect("the system has room for an epoll");
    let mut stream = Stream::new(client, schedule.clone(), Duration::from_secs(10), &live)
        .expect("it has room for a timer");
    assert_eq!(stream.connect(), Ok(1));
    let begin = Instant::now() - Duration::from_millis(10);
    stream.edges = Edges { begin, from: begin, to: begin + Duration::from_secs(1) };
    stream.dispatch(begin + Duration::from_millis(10));
    live.stop.store(true, Ordering::Relaxed);
    stream.sweep(begin).expect("there are clocks");
    stream.finish(schedule);
    let account = stream.books.part.account;
    assert!(account.sent == 1 && account.adds_up(), "{account:?}");
}
