//! What the load generator spends on one response outside the kernel: the template comparison, the
//! full parser it saves, the histogram, and the instant at which the next request is due.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use duet_loadgen::count::histogram::TimeHistogram;
use duet_loadgen::response::parse;
use duet_loadgen::response::template::Template;
use duet_loadgen::timing::arrivals::{ArrivalSchedule, Rate};
use duet_protocol::Arrivals;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: ";

fn response(body: &str) -> Vec<u8> {
    format!("{HEAD}{}\r\n\r\n{body}", body.len()).into_bytes()
}

fn responses(criterion: &mut Criterion) {
    let bodies =
        [("25 B", r#"{"message":"hello world"}"#.to_owned()), ("64 KiB", "x".repeat(1 << 16))];
    for (size, body) in bodies {
        let bytes = response(&body);
        let parse = || parse::parse(black_box(&bytes), false, false);
        let Ok(Some(parsed)) = parse() else { panic!("the response of {size} is no response") };
        let mut template = Template::new(&bytes, &parsed);
        criterion.bench_function(&format!("parser, {size}"), |b| b.iter(parse));
        criterion.bench_function(&format!("template, {size}"), |b| {
            b.iter(|| template.check(0, black_box(&bytes)));
        });
    }
}

fn histogram(criterion: &mut Criterion) {
    let mut times = TimeHistogram::new();
    let mut ns = 0_u64;
    criterion.bench_function("histogram, record", |b| {
        b.iter(|| {
            ns = (ns + 7919) % 4_000_000; // anything from 0 to 4 ms
            times.record(black_box(ns));
        });
    });
}

fn arrivals(criterion: &mut Criterion) {
    let ramp = Rate { from: 1e4, to: 1e5 };
    let cases = [
        ("uniform", Arrivals::Uniform, Rate::steady(5e4)),
        ("uniform, ramp", Arrivals::Uniform, ramp),
        ("poisson", Arrivals::Poisson, Rate::steady(5e4)),
    ];
    for (name, arrivals, rate) in cases {
        let day_ns = 86_400_000_000_000; // more instants than are asked for
        let mut schedule = ArrivalSchedule::new(arrivals, rate, (0, 1), 1, day_ns);
        criterion.bench_function(&format!("arrivals, {name}"), |b| {
            b.iter(|| black_box(schedule.next()));
        });
    }
}

/// Short, for six seconds in all: these are for finding what has become slower, not for tables.
fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! {
    name = benches;
    config = short();
    targets = responses, histogram, arrivals
}
criterion_main!(benches);
