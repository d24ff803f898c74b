use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

use duet_protocol::Arrivals;

use super::*;
use crate::count::load_sink::LoadSink;
use crate::count::seconds::SecondRecorder;
use crate::request::exchange::Exchange;
use crate::request::requests::Requests;
use crate::request::selector::{Selector, Weighted};
use crate::timing::arrivals::{ArrivalSchedule, Rate};
use crate::transport::h1::{ClientConfig, H1};

/// A load of a thousand requests a second on one connection is stopped by a sweep of which the
/// clock was read before the last request was sent.
#[test]
fn a_load_that_is_stopped_adds_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let addr = listener.local_addr().expect("it has an address");
    let exchange = Exchange::any_success(b"GET / HTTP/1.1\r\n\r\n".to_vec(), false);
    let config = ClientConfig { churn: false, depth: 1, close_patience: None };
    let selector = Selector::Weighted(Weighted::new([1], 0, 0, (0, 1)));
    let transport = H1::new(addr.into(), Requests::new(vec![exchange], selector, 0), 1, config)
        .expect("the system has room for an epoll");
    let arrivals =
        |ns| ArrivalSchedule::new(Arrivals::Uniform, Rate::steady(1000.0), (0, 1), 0, ns);
    let (warmup, measured) = (arrivals(0), arrivals(1_000_000_000));
    let schedule = Schedule::Open { warmup, measured, deadline: None };
    let begin = Instant::now() - Duration::from_millis(10);
    let sink = LoadSink::new(1, 1, SecondRecorder::new(None, begin, begin));
    let stop = AtomicBool::new(false);
    let timeout = Duration::from_secs(10);
    let mut driver = Driver::new(transport, sink, timeout, false, Some(&stop))
        .expect("the system has room for a timer");
    assert_eq!(driver.connect(), Ok(1));
    let until = begin + Duration::from_secs(1);
    let phases = Phases { begin, from: begin, until, to: until };
    driver.begin(schedule.clone(), phases).expect("there is nothing to fail");
    let sent = driver.dispatch(begin + Duration::from_millis(10));
    assert_eq!(sent, Ok(true));
    stop.store(true, Ordering::Relaxed);
    driver.sweep(begin).expect("there are clocks");
    driver.finish(schedule).expect("a load has no edges");
    let account = driver.sink.stats.account;
    assert!(account.sent == 1 && account.adds_up(), "{account:?}");
}
