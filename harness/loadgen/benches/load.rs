//! What the load generator spends on one answer outside the kernel: the template comparison, the
//! full parser it saves, the histogram, and the instant at which the next request is due.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use duet_loadgen::http1;
use duet_loadgen::pace::{Pace, Rate};

use duet_loadgen::template::Template;
use duet_loadgen::times::Times;
use duet_protocol::Arrivals;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: ";

fn answer(body: &str) -> Vec<u8> {
    format!("{HEAD}{}\r\n\r\n{body}", body.len()).into_bytes()
}

fn answers(criterion: &mut Criterion) {
    let bodies =
        [("25 B", r#"{"message":"hello world"}"#.to_owned()), ("64 KiB", "x".repeat(1 << 16))];
    for (size, body) in bodies {
        let bytes = answer(&body);
        let parse = || http1::parse(black_box(&bytes), false, false);
        let Ok(Some(parsed)) = parse() else { panic!("the answer of {size} is no answer") };
        let mut template = Template::new(&bytes, &parsed);
        criterion.bench_function(&format!("parser, {size}"), |b| b.iter(parse));
        criterion.bench_function(&format!("template, {size}"), |b| {
            b.iter(|| template.check(0, black_box(&bytes)));
        });
    }
}

fn histogram(criterion: &mut Criterion) {
    let mut times = Times::new();
    let mut ns = 0_u64;
    criterion.bench_function("histogram, record", |b| {
        b.iter(|| {
            ns = (ns + 7919) % 4_000_000; // anything from 0 to 4 ms
            times.record(black_box(ns));
        });
    });
}

fn pace(criterion: &mut Criterion) {
    let ramp = Rate { from: 1e4, to: 1e5 };
    let cases = [
        ("uniform", Arrivals::Uniform, Rate::steady(5e4)),
        ("uniform, ramp", Arrivals::Uniform, ramp),
        ("poisson", Arrivals::Poisson, Rate::steady(5e4)),
    ];
    for (name, arrivals, rate) in cases {
        let day_ns = 86_400_000_000_000; // more instants than are asked for
        let mut pace = Pace::new(arrivals, rate, (0, 1), 1, day_ns);
        criterion.bench_function(&format!("pace, {name}"), |b| b.iter(|| black_box(pace.next())));
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
    targets = answers, histogram, pace
}
criterion_main!(benches);
