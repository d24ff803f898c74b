//! The estimator at the sizes it meets: eight blocks, the 38 rounds of a block of three seconds,
//! and the most rounds a plan may have, since its cost grows with their square.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use duet_stats::SplitMix64;
use duet_stats::{hodges_lehmann, interval};

fn estimator(criterion: &mut Criterion) {
    let mut random = SplitMix64::new(1);
    for n in [8, 38, 1024] {
        let values: Vec<f64> = (0..n).map(|_| random.unit()).collect();
        criterion.bench_function(&format!("hodges_lehmann/{n}"), |bencher| {
            bencher.iter(|| hodges_lehmann(black_box(&values)));
        });
    }
    let blocks: Vec<f64> = (0..8).map(|_| random.unit()).collect();
    criterion.bench_function("interval/8", |bencher| {
        bencher.iter(|| interval(black_box(&blocks)));
    });
}

criterion_group!(benches, estimator);
criterion_main!(benches);
