//! Folders with many mistakes at once, and folders broken at random.

use std::path::Path;

use super::*;
use duet_model::spec::Output;

/// Thirty mistakes and more in four files.
#[test]
fn thirty_mistakes_at_once() {
    let servers = r#"[[server]]
name = "Alpha"
language = ""
lanes = ["sdt"]
sumary = "One server"
build_cache = { CACHE = ".." }
run = ["alpha", "{adr}"]
version = ["alpha", "{addr}"]
workloads = []
[[server]]
name = "beta"
language = "Go"
lanes = ["std"]
summary = "Another server"
prints = "yes"
run = ["beta", "{addr}", "{"]
version = "beta --version"
workloads = ["ping", "mnay"]
[[server]]
name = "beta"
"#;
    let workloads = r#"[[workload]]
name = "ping"
question = "How fast?"
method = "get"
path = "ping pong"
chunked = true
headers = { Connection = "here" }
[workload.expect]
status = 99
[workload.responses.gamma]
status = 200
body = "PONG"
[[workload]]
name = "many"
question = "How fast is another?"
cases = "data/many.jsonl"
"#;
    let suites = r#"[[load]]
name = "four"
connections = 0
rate = 5
rate_within = "p99<5ms"
[[matchup]]
name = "duel"
lane = "std"
arms = ["beta"]
[[suite]]
name = "quick"
summary = "A suite"
blocks = 3
window_ms = 500
[[suite.cells]]
matchups = ["dual"]
workloads = ["ping", "many"]
loads = [4]
"#;
    let cases = "{\"method\":\"GET\",\"path\":\"/a\"}\n[]\n";
    let mut folder = folder();
    for (file, text) in [
        ("servers.toml", servers),
        ("workloads.toml", workloads),
        ("suites.toml", suites),
        ("data/many.jsonl", cases),
    ] {
        folder.insert(file.to_owned(), text.as_bytes().to_vec());
    }
    let mistakes = read(&folder).expect_err("there are mistakes");
    assert!(mistakes.len() >= 30, "{}", mistakes.len());
    let mistakes = DefinitionErrors { folder: PathBuf::from("bench"), mistakes };
    insta::assert_snapshot!(mistakes.to_string());
}

/// Bytes and lines of the repository's own files are changed at random: nothing panics, and every
/// mistake lies within its file.
#[test]
fn files_broken_at_random() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench");
    let mut folder = Folder::new();
    let files = ["servers.toml", "workloads.toml", "programs.toml", "suites.toml"];
    for file in files.into_iter().chain(["published.toml", "claims.toml", "services.toml"]) {
        let text = std::fs::read_to_string(own.join(file)).expect("it is there");
        // Without comments, which take time to parse and cannot go wrong.
        let text = text.split_inclusive('\n').filter(|line| !line.starts_with('#'));
        folder.insert(file.to_owned(), text.collect::<String>().into_bytes());
    }
    // Short ones stand for all files of cases, so that a load takes no longer than it must.
    let good = read_own(&folder).expect("the repository's own definitions");
    for source in good.workloads.into_iter().filter_map(|workload| workload.source) {
        folder.insert(source, CASES.as_bytes().to_vec());
    }
    for output in good.problems.into_iter().flat_map(|problem| problem.outputs.into_values()) {
        if let Output::File(file) = output {
            folder.insert(file, b"x".to_vec());
        }
    }
    for file in
        good.services.into_iter().flat_map(|s| s.seed.into_iter().chain(s.rows.into_values()))
    {
        folder.insert(file, b"x".to_vec());
    }
    let files: Vec<String> = folder.keys().cloned().collect();
    let mut random = 7;
    let mut bad = 0;
    for _ in 0..ROUNDS {
        let mut broken = folder.clone();
        for _ in 0..=below(&mut random, 3) {
            let file = &files[below(&mut random, files.len())];
            mutate(broken.get_mut(file).expect("one of the files"), &mut random);
        }
        let Err(mistakes) = read(&broken) else { continue };
        bad += 1;
        assert!(!mistakes.is_empty());
        for mistake in mistakes {
            let bytes = broken.get(&mistake.file).map_or(&[][..], Vec::as_slice);
            let lines = bytes.split_inclusive(|byte| *byte == b'\n').count().max(1);
            assert!(
                mistake.line.is_none_or(|line| (1..=lines).contains(&line)),
                "{mistake:?} in a file of {lines} lines:\n{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
    // Otherwise the mutations missed what they are for.
    assert!((ROUNDS / 4..ROUNDS).contains(&bad), "{bad} of {ROUNDS} were bad");
}

/// A load of all definitions takes 40 ms in a debug build.
const ROUNDS: usize = 250;

/// Loads the folder, with two short cases in every file of cases.
fn read_own(folder: &Folder) -> Result<Spec, Vec<DefinitionError>> {
    load_from(&|file| Ok(folder.get(file).cloned().unwrap_or_else(|| CASES.into())))
}

/// Changes a byte, a line or the end.
fn mutate(bytes: &mut Vec<u8>, random: &mut u64) {
    // What TOML, the placeholders and UTF-8 care about.
    const BYTES: &[u8] = b"\"'[]{}=.,#\\\n\r\0 /-a0\xff\xc3";
    let at = below(random, bytes.len() + 1);
    let byte = BYTES[below(random, BYTES.len())];
    match below(random, 8) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, byte),
        2 if at < bytes.len() => bytes[at] = byte,
        3 if at < bytes.len() => drop(bytes.remove(at)),
        kind => {
            let mut lines: Vec<Vec<u8>> =
                bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            if lines.is_empty() {
                return;
            }
            let (one, other) = (below(random, lines.len()), below(random, lines.len()));
            match kind {
                4 => drop(lines.remove(one)),
                5 => lines.insert(one, lines[other].clone()),
                _ => lines.swap(one, other),
            }
            *bytes = lines.concat();
        }
    }
}

/// A number below `n`, by SplitMix64.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % n as u64) as usize
}
