//! What is wrong with the values of keys, and between them.

use super::*;

#[test]
fn commands() {
    let f = "servers.toml";
    let run = "\"{addr}\", \"{threads}\"";
    check(f, run, "\"--on={host}:{port}\"", &[]);
    check(
        f,
        run,
        "\"{host}\"",
        &["servers.toml:7: server alpha: `run` has neither {addr} nor {port} nor"],
    );
    check(
        f,
        run,
        "\"{addr}\", \"{thread}\"",
        &["servers.toml:7: server alpha: `run` has the unknown placeholder `{thread}` | did \
             you mean \
         `{threads}`? the placeholders are {addr}, {host}, {port}, {socket}, {threads}"],
    );
    for bad in ["{", "}", "{addr", "addr}", "{{addr}}", "}{"] {
        let want = format!(
            "servers.toml:7: server alpha: `run` has a brace without its partner in `{bad}`"
        );
        check(f, run, &format!("\"{{addr}}\", \"{bad}\""), &[&want]);
    }
    check(
        f,
        "run = [\"alpha\"",
        "run = [\"\"",
        &["servers.toml:7: server alpha: `run` begins with ``"],
    );
    check(
        f,
        "\"alpha\", \"--version\"",
        "\"alpha\", \"{port}\"",
        &["servers.toml:8: server alpha: `version` has the placeholder {port} | take it out"],
    );
    check(
        f,
        "run =",
        "build = [\n\"make\",\n\"{addr}\"]\nrun =",
        &["servers.toml:9: server alpha: `build` has the placeholder {addr}"],
    );
    check(f, ", \"{addr}\", \"{threads}\"]", "]\nenv.PORT = \"{port}\"", &[]);
    check(f, "version = [\"alpha\", \"--version\"]", "external = true", &[]);
    check(
        f,
        "version = [\"alpha\", \"--version\"]",
        "",
        &["servers.toml:1: server alpha: `version`"],
    );
    for bad in ["", ".", "./", "/tmp/x", "..", "a/../../b", "a/.."] {
        let want =
            format!("servers.toml:6: server alpha: build_cache.CACHE is `{bad}` | name a fol");
        check(f, "target/alpha", bad, &[&want]);
    }
    check(f, "target/alpha", "./a/b", &[]);
}

#[test]
fn toolchains() {
    let f = "servers.toml";
    let add = |name: &str| format!("toolchain = \"{name}\"\nversion");
    check(f, "version", &add("go1.27.3"), &[]);
    check(f, "version", &add("1.95.0"), &[]);
    for bad in ["", "go1.27.3+auto", "../1.95.0"] {
        let want = format!(
            "servers.toml:8: server alpha: {bad:?} is no name of a toolchain: write `go1.27.3` as"
        );
        check(f, "version", &add(bad), &[&want]);
    }
}

#[test]
fn transports_of_servers() {
    let f = "servers.toml";
    let at = |what: &str| format!("servers.toml:8: server alpha: {what}");
    let add = |line: &str| format!("{line}\nversion");
    check(f, "version", &add("tls_args = [\"{tls_cert}\", \"{tls_key}\"]"), &[]);
    check(f, "version", &add("h2c_args = [\"--h2c={threads}\"]"), &[]);
    check(f, "version", &add("h2c_args = []"), &[&at("`h2c_args` is empty")]);
    check(f, "version", &add("h2c_args = [\"{tls_key}\"]"), &[&at("`h2c_args` has the unknown")]);
    let missing = at("`tls_args` has no {tls_key} | add it");
    check(f, "version", &add("tls_args = [\"{tls_cert}\"]"), &[&missing]);
    check(f, "{addr}", "{socket}", &[]);
    let both =
        "servers.toml:7: server alpha: `run` has {socket} beside {addr} or {port} | keep one";
    check(f, "{addr}", "{addr},{socket}", &[both]);
}

#[test]
fn requests_and_answers() {
    let f = "workloads.toml";
    let at = |line: usize, what: &str| format!("workloads.toml:{line}: workload ping: {what}");
    check(
        f,
        "path =",
        "method = \"get\"\npath =",
        &[&at(4, "the method is \"get\" | write it in")],
    );
    check(f, "\"/ping\"", "\"ping\"", &[&at(4, "the path is \"ping\" | begin it with `/`")]);
    for (bad, shown) in [(" ", "' '"), ("\\r\\n", "'\\r'"), ("é", "'é'"), ("#", "'#'")] {
        check(
            f,
            "/ping",
            &format!("/ping{bad}x"),
            &[&at(4, &format!("the path holds {shown} | p"))],
        );
    }
    for own in ["content-length", "Transfer-Encoding", "CONNECTION"] {
        let to = format!("headers = {{ {own} = \"1\" }}\npath =");
        check(f, "path =", &to, &[&at(4, &format!("the header `{own}` is set | take it out"))]);
    }
    let headers = |header: &str| format!("headers = {{ {header} }}\npath =");
    check(f, "path =", &headers("\"a b\" = \"1\""), &[&at(4, "a header is named \"a b\" | use")]);
    check(
        f,
        "path =",
        &headers("a = \"1\\r\\nb: 2\""),
        &[&at(4, "the header `a` is \"1\\r\\nb: 2\"")],
    );
    check(f, "path =", "chunked = true\npath =", &[&at(4, "`chunked` without a `body` | add a")]);
    let expect =
        |line: usize, what: &str| format!("workloads.toml:{line}: workload ping, expect: {what}");
    for bad in ["199", "600", "0", "-1", "99999999999999999999"] {
        let want = expect(6, &format!("`status` is {bad} | write a number from 200 to 599"));
        check(f, "200", bad, &[&want]);
    }
    check(f, "200", "204", &[&expect(7, "a body is expected where HTTP allows none")]);
    check(
        f,
        "path =",
        "method = \"HEAD\"\npath =",
        &[
            &expect(8, "a body is expected where HTTP allows none"),
            "workloads.toml:11: workload ping, responses.beta: a body is expected where HTTP",
        ],
    );
    check(f, "body = \"pong\"", "", &[&expect(5, "`body` is missing")]);
    check(
        f,
        "path = \"/ping\"",
        "",
        &[&at(1, "`path` is missing | add it, such as `path = \"/abo")],
    );
    check(
        f,
        "path =",
        "cases = \"data/many.jsonl\"\npath =",
        &[&at(5, "`path` stands beside `cases`"), &at(6, "`expect` stands beside `cases`")],
    );
}

#[test]
fn files_of_cases() {
    let f = "workloads.toml";
    for bad in ["/data/many.jsonl", "../data/many.jsonl", ""] {
        let want =
            format!("workloads.toml:14: workload many: `cases` is `{bad}` | name a file below");
        check(f, "data/many.jsonl", bad, &[&want]);
    }
    check(
        f,
        "data/many.jsonl",
        "data/none.jsonl",
        &["workloads.toml:14: workload many: the file of cases `data/none.jsonl`: there is \
             no such "],
    );
    let f = "data/many.jsonl";
    check(
        f,
        CASES,
        "",
        &["workloads.toml:14: workload many: the file of cases `data/many.jsonl` is"],
    );
    check(f, "\"GET\"", "\"GET", &["data/many.jsonl:1: this is no case: "]);
    check(
        f,
        "\"path\":\"/b\",",
        "",
        &["data/many.jsonl:2: this is no case: missing field `path`, at column 78 | write \
             {\"method\""],
    );
    check(
        f,
        "\"chunked\"",
        "\"chunkd\"",
        &["data/many.jsonl:2: this is no case: unknown field `c"],
    );
    check(f, "\n", "\n\n", &["data/many.jsonl:2: this is no case: the line is no JSON object"]);
    check(f, "\"/a\"", "\"a\"", &["data/many.jsonl:1: the path is \"a\""]);
    check(f, "\"body\":\"x\",", "", &["data/many.jsonl:2: `chunked` without a `body`"]);
    let generated = "200,\"body_generated\":{\"bytes\":67108865,\"seed\":1}";
    check(f, "200,\"body\":\"b\"", generated, &["data/many.jsonl:2: `bytes` is 67108865"]);
    let both = "200,\"body\":\"b\",\"body_generated\":{\"bytes\":1,\"seed\":1}";
    check(f, "200,\"body\":\"b\"", both, &["data/many.jsonl:2: `body_generated` stands beside"]);
    let none = "data/many.jsonl:2: this is no case: missing field `body` in `expect`";
    check(f, "200,\"body\":\"b\"", "200", &[none]);
    check(f, "200,\"body\":\"b\"", "100,\"body\":\"b\"", &["data/many.jsonl:2: the status is 100"]);
}

#[test]
fn matchups_and_suites() {
    let f = "suites.toml";
    check(
        f,
        "\"std\"",
        "\"sdt\"",
        &["suites.toml:6: matchup duel: unknown lane `sdt` | did you mean `std`? the lanes are \
         article, std, idiomatic, tuned"],
    );
    check(
        f,
        "\"std\"",
        "\"tuned\"",
        &["suites.toml:4: matchup duel: server `alpha` is not in the lane tuned, but in std"],
    );
    check(
        f,
        "\"alpha\", \"beta\"",
        "\"alpha\"",
        &["suites.toml:7: matchup duel: `arms` names 1 server"],
    );
    check(
        f,
        "\"beta\"]",
        "\"beta\", \"beta\"]",
        &[
            "suites.toml:7: matchup duel: `arms` names a server twice | name each once",
            "suites.toml:13: suite quick: 6 blocks can never decide for all arms of matchup `duel` \
             together | raise `blocks` to 8 or more",
        ],
    );
    check(
        f,
        "\"beta\"]",
        "\"beta\", \"alpha\", \"beta\", \"alpha\", \"beta\"]\nx = 1",
        &[
            "suites.toml:7: matchup duel: `arms` names 6 servers",
            "suites.toml:7: matchup duel: `arms` names a server twice",
            "suites.toml:8: ",
            "suites.toml:14: suite quick: 6 blocks",
        ],
    );
    check(f, "\"beta\"]", "\"alpha\"]", &[]);
    check(
        "servers.toml",
        "\"ping\", \"many\"",
        "\"ping\"",
        &["suites.toml:14: suite quick: server `alpha` does not implement workload `many` | \
             take the \
         workload or the server's matchup out of these cells, or add the workload to `workloads` \
         in servers.toml:1"],
    );
    for bad in ["0", "20001", "4294967297", "0x8000_0000_0000_0000"] {
        check(
            f,
            "connections = 4",
            &format!("connections = {bad}"),
            &["suites.toml:3: load four: `c"],
        );
    }
    check(
        f,
        "= 6",
        "= 5",
        &["suites.toml:11: suite quick: 5 blocks can never decide | no verdict is \
        given below 6 blocks: raise `blocks`, or say that none is wanted with `verdicts = false`"],
    );
    check(f, "= 6", "= 5\nverdicts = false", &[]);
    for bad in ["blocks = 61", "blocks = 0"] {
        check(f, "blocks = 6", bad, &["suites.toml:11: suite quick: `blocks` is "]);
    }
    for bad in [
        "server_cpus = 257",
        "generator_cpus = 0",
        "window_ms = 0",
        "window_ms = 10001",
        "measure_ms = 600001",
        "warmup_ms = 0",
    ] {
        check(f, "blocks = 6", bad, &["suites.toml:11: suite quick: `"]);
    }
    check(
        f,
        "= 6",
        "= 6\nwindow_ms = 126",
        &["suites.toml:12: suite quick: 1000 ms do not hold 8 windows of 126 ms | a block has at \
         least two rounds of four windows: raise `measure_ms` to 1008 or more, or lower \
             `window_ms`"],
    );
    check(f, "= 6", "= 6\nwindow_ms = 125", &[]);
    check(
        f,
        "= 6",
        "= 6\nwindow_ms = 2\nmeasure_ms = 15",
        &["suites.toml:13: suite quick: 15 ms do"],
    );
    check(
        f,
        "= 6",
        "= 6\ngenerator_cpus = 5",
        &["suites.toml:16: suite quick: load `four` has fewer connections (4) than the \
             generator has \
         CPUs (5) | raise `connections` in line 1 or lower `generator_cpus`"],
    );
    check(f, "= 6", "= 6\ngenerator_cpus = 4", &[]);
    check(f, "= 6", "= 6\nserver_cpus = \"half\"", &[]);
    check(
        f,
        "= 6",
        "= 6\nserver_cpus = \"all\"",
        &["suites.toml:12: suite quick: `server_cpus` is \"all\" | write a whole number, or \
         \"half\""],
    );
    check(
        f,
        "= 6",
        "= 6\nserver_cpus = \"half\"\ngenerator_cpus = 2",
        &["suites.toml:13: suite quick: the servers have half of the cores | leave \
         `generator_cpus` out: the generator has the other half"],
    );
}
