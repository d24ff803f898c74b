//! What the tables of loads may say, and beside which workloads.

use super::*;

#[test]
fn transports_of_loads() {
    let f = "suites.toml";
    let add = |keys: &str| format!("connections = 4\n{keys}");
    let lacks = |server: &str, key: &str, transport: &str| {
        format!(
            "suites.toml:16: suite quick: load `four` is {transport}, and server `{server}` has no \
             `{key}` | add `{key}` to servers.toml:"
        )
    };
    let both = |key, transport| ["alpha", "beta"].map(|server| lacks(server, key, transport));
    for (transport, key) in [("https", "tls_args"), ("h2", "tls_args"), ("h2c", "h2c_args")] {
        let want = both(key, transport);
        let want = [want[0].as_str(), want[1].as_str()];
        check(f, "connections = 4", &add(&format!("transport = \"{transport}\"")), &want);
    }
    check(
        f,
        "connections = 4",
        &add("transport = \"htps\"\nstreams = 2"),
        &["suites.toml:4: load four: unknown transport `htps` | did you mean `https`? the \
             transports are http, https, h2c, h2"],
    );
    let plain = "suites.toml:4: load four: `streams` without HTTP/2 | add `transport";
    check(f, "connections = 4", &add("streams = 2"), &[plain]);
    let idle = "suites.toml:4: load four: `idle` is 9 |";
    check(f, "connections = 4", &add("idle = 9"), &[idle]);

    let mut folder = folder();
    let servers = SERVERS.replace("version =", "h2c_args = [\"--h2c\"]\nversion =");
    folder.insert("servers.toml".to_owned(), servers.into_bytes());
    let suites = |load: &str| SUITES.replace("connections = 4", load).into_bytes();
    let h2c = "connections = 4\ntransport = \"h2c\"\nstreams = 16";
    folder.insert(f.to_owned(), suites(h2c));
    let load = &read(&folder).expect("no mistakes").loads[0];
    assert_eq!((load.transport, load.streams), (Transport::H2c, 16));
    assert_eq!(load.connections_text(), "4 cleartext HTTP/2 connections × 16 streams");
    let text = "connections = 20_000\ntransport = \"h2c\"\nstreams = 16";
    folder.insert(f.to_owned(), suites(text));
    let many = "suites.toml:5: load four: 20000 connections have 16 streams each | lower";
    compare(&folder, &[many], text);
    folder.insert(f.to_owned(), suites(h2c));
    let churn = WORKLOADS.replace("path =", "churn = true\npath =");
    folder.insert("workloads.toml".to_owned(), churn.into_bytes());
    let churn = "suites.toml:17: suite quick: workload `ping` has a connection for each request, \
         and load `four` is HTTP/2 | choose";
    compare(&folder, &[churn], "churn");
}

#[test]
fn limits_of_servers() {
    let f = "suites.toml";
    let to = |more: &str| format!("connections = 4\n{more}");
    let check = |more: &str, want: &[&str]| check(f, "connections = 4", &to(more), want);
    for good in [
        "cpu_limit = 0.5",
        "cpu_limit = 2\nrate_share = 0.5",
        "rate = 100\nmemory_limit = \"32MiB..256MiB\"",
        "rate = 100\ncpu_limit = 1\nmemory_limit = \"2MiB .. 1GiB\"",
    ] {
        check(good, &[]);
    }
    for bad in ["0.04", "257"] {
        let want = format!("suites.toml:4: load four: `cpu_limit` is {bad} | write CPUs' worth");
        check(&format!("cpu_limit = {bad}"), &[&want]);
    }
    for bad in ["256MiB..32MiB", "32MiB", "32..64"] {
        let want = format!("suites.toml:5: load four: `memory_limit` is {bad:?} | write two sizes");
        check(&format!("rate = 5\nmemory_limit = \"{bad}\""), &[&want]);
    }
    for rate in ["", "rate_share = 0.5", "rate_within = \"p99=5ms\""] {
        let want = "suites.toml:4: load four: `memory_limit` without `rate` | add `rate`";
        check(&format!("memory_limit = \"2MiB..9MiB\"\n{rate}"), &[want]);
    }
    check(
        "rate = 5\nidle = 10\nmemory_limit = \"2MiB..9MiB\"",
        &["suites.toml:6: load four: `memory_limit` beside `idle` | take one"],
    );
}

#[test]
fn long_windows() {
    let f = "suites.toml";
    let to = |more: &str| format!("connections = 4\n{more}");
    let check = |more: &str, want: &[&str]| check(f, "connections = 4", &to(more), want);
    check("rate = 5\nsolo_s = 150", &[]);
    check("solo_s = 5\nrest_s = 60", &[]);
    check("solo_s = 5", &["suites.toml:4: load four: `solo_s` without `rate` | add `rate`"]);
    let share = "rate_share = 0.5\nsolo_s = 5";
    check(share, &["suites.toml:5: load four: `solo_s` without `rate` | add `rate`"]);
    check("rest_s = 5", &["suites.toml:4: load four: `rest_s` without `solo_s` | add `solo_s`"]);
    let both = "rate = 5\nsolo_s = 5\nrest_s = 5";
    check(both, &["suites.toml:6: load four: `rest_s` beside a rate | take one of them out"]);
    let idle = "rate = 5\nsolo_s = 5\nidle = 10";
    check(idle, &["suites.toml:5: load four: `solo_s` beside `idle` | take one of them out"]);
    check("solo_s = 601\nrest_s = 1", &["suites.toml:4: load four: `solo_s` is 601"]);
    let none = |line: usize, workload: &str| {
        format!(
            "suites.toml:{line}: suite quick: load `four` has `entries`, and workload `{workload}` \
             has none | add `[workload.entries]`"
        )
    };
    check("rate = 5\nsolo_s = 5\nentries = 5", &[&none(18, "ping"), &none(18, "many")]);
    let alone = "suites.toml:4: load four: `entries` without `solo_s` | add `solo_s`";
    check("entries = 5", &[alone, &none(16, "ping"), &none(16, "many")]);
}

#[test]
fn caches_and_bursts() {
    let f = "workloads.toml";
    let to = |more: &str| format!("path = \"/ping\"\n{more}");
    let check = |more: &str, want: &[&str]| check(f, "path = \"/ping\"", &to(more), want);
    let entries = |path: &str, bytes: u32| {
        format!("entries = {{ path = \"{path}\", value_bytes = {bytes} }}")
    };
    check(&entries("/kv", 100), &[]);
    check(
        &entries("kv/", 100),
        &["workloads.toml:5: workload ping, entries: `path` is `kv/` | begin it with `/`"],
    );
    check(
        &entries("/kv", 1025),
        &["workloads.toml:5: workload ping, entries: `value_bytes` is 1025"],
    );
    check(
        "burst = \"many\"",
        &["suites.toml:15: suite quick: workload `ping` has a burst, and load `four` no `solo_s`"],
    );
}

#[test]
fn open_loops() {
    let f = "suites.toml";
    let to = |more: &str| format!("connections = 4\n{more}");
    let check = |more: &str, want: &[&str]| check(f, "connections = 4", &to(more), want);
    for good in [
        "rate = 1",
        "rate = 10_000_000\narrivals = \"uniform\"",
        "rate_share = 0.01",
        "rate_share = 0.99\narrivals = \"poisson\"",
        "rate_within = \"p99=5ms\"",
        "rate_within = \"p50=100us\"\narrivals = \"uniform\"",
        "rate_within = \"p99.9 = 1s\"",
    ] {
        check(good, &[]);
    }
    for bad in ["0", "10_000_001", "-5", "99999999999999999999"] {
        let want = format!("suites.toml:4: load four: `rate` is {}", bad.replace('_', ""));
        check(&format!("rate = {bad}"), &[&want]);
    }
    check("rate = 0.5", &["suites.toml:4: load four: `rate` is a number with a fraction"]);
    for bad in ["1", "1.0", "0.009", "12.5"] {
        let shown: f64 = bad.parse().expect("a number");
        let want = format!(
            "suites.toml:4: load four: `rate_share` is {shown} | write a share from 0.01 to 0.99: \
             at the capacity itself a queue grows without end"
        );
        check(&format!("rate_share = {bad}"), &[&want]);
    }
    check("rate_share = 0", &["suites.toml:4: load four: `rate_share` is a whole number | write"]);
    check(
        "rate = 5000\nrate_share = 0.5",
        &["suites.toml:5: load four: `rate` and `rate_share` are both given | keep `rate` for"],
    );
    check(
        "rate_share = 0.5\nrate_within = \"p99=5ms\"",
        &["suites.toml:5: load four: `rate_share` and `rate_within` are both given | keep `rate`"],
    );
    check(
        "rate_within = \"p99=5ms\"\nrate_share = 0.5\nrate = 5",
        &[
            "suites.toml:4: load four: `rate` and `rate_within` are both given",
            "suites.toml:5: load four: `rate` and `rate_share` are both given",
        ],
    );
    for (bad, hint) in [
        ("99=5ms", "write a quantile and a time, such as"),
        ("max=5ms", "write a quantile and a time, such as"),
        ("p99=5", "write a time from 100 µs to 1 s"),
        ("p49.9=5ms", "limit a quantile from p50 to p99.9"),
        ("p99.99=5ms", "limit a quantile from p50 to p99.9"),
        ("p99=99us", "write a time from 100 µs to 1 s"),
        ("p99=1.01s", "write a time from 100 µs to 1 s"),
    ] {
        let want = format!("suites.toml:4: load four: `rate_within` is {bad:?} | {hint}");
        check(&format!("rate_within = \"{bad}\""), &[&want]);
    }
    check(
        "rate_within = 5",
        &["suites.toml:4: load four: `rate_within` is a whole number | write"],
    );
    check(
        "arrivals = \"poisson\"",
        &["suites.toml:4: load four: `arrivals` without a rate | add `rate`, `rate_share` or `rat"],
    );
    check(
        "rate = 5\narrivals = \"random\"",
        &["suites.toml:5: load four: `arrivals` is \"random\" | write \"poisson\" or \"uniform\""],
    );
}
