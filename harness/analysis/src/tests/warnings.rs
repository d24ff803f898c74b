//! What makes a result doubtful, and what a block is discarded for.

use super::*;
use duet_protocol::{Negotiated, Transport};

#[test]
fn unequal_work_is_named() {
    let mut record = run(&Scene::default());
    for block in &mut record.blocks {
        block.arms[0].wire.header_names.push("server".to_owned());
        block.arms[1].wire.body_bytes = 41;
    }
    let different = duet_model::spec::ExpectedResponse {
        status: 200,
        body: "ho".to_owned(),
        ..Default::default()
    };
    record.header.spec.workloads[0].responses.insert("beta".to_owned(), different);
    let analysis = analyse(&record);
    let warnings = &cell(&analysis).warnings;
    assert_eq!(codes(warnings), ["unequal_work"]);
    let want = "the arms do not do the same work: the workload lets alpha and beta give different \
                responses; only alpha sends the header server; alpha responds with 2 bytes of \
                body, beta with 41";
    assert_eq!(warnings[0].message, want);

    let mut record = run(&Scene::default());
    record.blocks[0].arms[1].wire.head_bytes = 117;
    assert_eq!(codes(&cell(&analyse(&record)).warnings), ["unequal_heads"]);
}

#[test]
fn no_ratio_where_the_arms_agreed_on_different_tls() {
    let agreed = |cipher: &str| {
        let [version, group, alpn] = ["TLSv1.3", "X25519", "http/1.1"].map(str::to_owned).map(Some);
        Some(Negotiated { version, group, cipher: Some(cipher.to_owned()), alpn })
    };
    let mut record = run(&Scene::default());
    record.header.spec.loads[0].transport = Transport::Https;
    for arm in record.blocks.iter_mut().flat_map(|block| &mut block.arms) {
        arm.negotiated = agreed("TLS_AES_128_GCM_SHA256");
    }
    let analysis = analyse(&record);
    assert_eq!(cell(&analysis).load, "64 HTTPS connections");
    assert!(cell(&analysis).metrics.iter().all(|metric| metric.ratio.is_some()));
    let id = &record.header.suite.cells[0];
    assert!(running_ratio(&record.header, &record.blocks, id).is_some());

    record.blocks[1].arms[1].negotiated = agreed("TLS_CHACHA20_POLY1305_SHA256");
    let analysis = analyse(&record);
    for metric in &cell(&analysis).metrics {
        let want = "the arms agreed on different TLS, alpha on TLSv1.3 X25519 \
                    TLS_AES_128_GCM_SHA256 http/1.1, beta on TLSv1.3 X25519 \
                    TLS_CHACHA20_POLY1305_SHA256 http/1.1: ";
        assert!(metric.ratio.is_none() && metric.log_ratios.is_empty());
        assert!(metric.reason.as_deref().is_some_and(|reason| reason.starts_with(want)));
    }
    assert!(running_ratio(&record.header, &record.blocks, id).is_none());
}

#[test]
fn disturbed_blocks_are_told_without_a_look_at_the_outcome() {
    let check = |change: fn(&mut BlockRecord), want: Option<&str>| {
        let mut record = run(&Scene::default());
        change(&mut record.blocks[0]);
        let found = disturbance(&record.blocks[0], &record.header);
        assert_eq!(found.as_deref(), want);
    };
    check(|_| {}, None);
    check(|b| b.windows.iter_mut().for_each(|w| w.requests /= 2), None);
    check(|b| b.foreign_cpu_ns = 90_000_000, None);
    check(|b| b.foreign_cpu_ns = 400_000_000, Some("other processes took 20 % of the CPUs"));
    check(|b| b.throttled_ns = None, None);
    check(|b| b.throttled_ns = Some(19_000_000), None);
    let throttled = "a cgroup kept threads off the CPUs for 4.0 % of the time";
    check(|b| b.throttled_ns = Some(80_000_000), Some(throttled));
    check(|b| b.windows[0].server_stolen_ns = 40_000_000, None);
    let both =
        |b: &mut BlockRecord| b.windows.iter_mut().for_each(|w| w.server_stolen_ns = 1_000_000);
    check(both, None);
    let one = |b: &mut BlockRecord| b.windows[0].server_stolen_ns = 400_000_000;
    let mut record = run(&Scene::default());
    one(&mut record.blocks[0]);
    let found = disturbance(&record.blocks[0], &record.header).expect("it is disturbed");
    assert!(found.starts_with("the hypervisor stole"), "{found}");
}

#[test]
fn blocks_discarded_do_not_count() {
    let mut record = run(&Scene::default());
    let mut disturbed = record.blocks[2].clone();
    disturbed.discarded = Some("other processes".to_owned());
    disturbed.windows.iter_mut().for_each(|w| w.requests /= 3);
    record.blocks.insert(2, disturbed);
    let undisturbed = run(&Scene::default());
    let (got, want) = (analyse(&record), analyse(&undisturbed));
    assert_eq!((cell(&got).blocks, cell(&got).blocks_discarded), (8, 1));
    assert_eq!(cell(&got).metrics, cell(&want).metrics);
    let ratio = |r: &Run| running_ratio(&r.header, &r.blocks, &r.header.suite.cells[0]);
    assert_eq!(ratio(&record), ratio(&undisturbed));
}

#[test]
fn warnings_about_a_cell() {
    fn check(code: &str, change: fn(&mut BlockRecord)) {
        let mut record = run(&Scene::default());
        record.blocks.iter_mut().for_each(change);
        let analysis = analyse(&record);
        assert_eq!(codes(&cell(&analysis).warnings), [code]);
        assert!(cell(&analysis).warnings[0].hint.is_some(), "{code}");
    }
    check("stolen_time", |b| b.windows[0].server_stolen_ns = 30_000_000);
    check("foreign_cpu", |b| b.foreign_cpu_ns = 110_000_000);
    check("stolen_time", |b| b.windows[1].generator_stolen_ns = 30_000_000);
    check("cpu_lost", |b| b.arms[1].cpu_lost = true);
    check("generator_waited", |b| b.generator_run_delay_ns = Some(60_000_000));
    check("accept_queue", |b| b.listen_overflows = Some(u64::from(b.block)));
    check("warmup_not_stationary", |b| b.warmup_stationary = b.block > 2);
    check("damaged_histogram", |b| b.windows[0].service_time = Some("?".to_owned()));
    check("blocks_dropped", |b| b.windows[0].arm = if b.block == 3 { 2 } else { 0 });
    check("short_windows", |b| {
        for window in &mut b.windows {
            window.requests /= 4;
            window.elapsed_ns /= 4;
            window.server_cpu_ns.iter_mut().for_each(|cpu| *cpu /= 4);
            window.generator_cpu_ns /= 4;
        }
    });
}

#[test]
fn a_server_with_fewer_threads_than_cpus_is_named() {
    let mut record = run(&Scene::default());
    record.header.server_cpus = vec![0, 2];
    record.blocks.iter_mut().for_each(|b| b.arms[0].threads = 1);
    let analysis = analyse(&record);
    let warnings = &cell(&analysis).warnings;
    assert_eq!(codes(warnings), ["few_threads"]);
    assert!(warnings[0].message.ends_with("alpha runs 1 of 2"), "{}", warnings[0].message);
}

#[test]
fn few_warnings_of_little() {
    let mut record = run(&Scene { rounds: 2, ..Scene::default() });
    // Four ticks stolen in one block, and the warm-up unfinished in two of eight.
    record.blocks[0].windows[0].server_stolen_ns = 40_000_000;
    record.blocks[0].warmup_stationary = false;
    record.blocks[1].warmup_stationary = false;
    assert_eq!(codes(&cell(&analyse(&record)).warnings), [""; 0]);
}
