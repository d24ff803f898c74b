//! Campaigns: several sessions of a suite, interrupted, resumed and pooled.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{SystemTime, UNIX_EPOCH};

use duet_model::campaign::{Campaign, draw};
use duet_model::record::{self, Run};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::binary::{Folder, Outcome, SERVER, outcome, record_text, signal, wait, write_record};
use crate::cli::Bench;
use crate::pool::two_servers;

fn plan(folder: &Folder) -> Campaign {
    let text = fs::read_to_string(folder.path().join("c/campaign.json")).expect("a plan");
    serde_json::from_str(&text).expect("JSON")
}

fn session(folder: &Folder, name: &str) -> Run {
    record::read(&folder.path().join("c").join(name)).expect("a record")
}

/// As if the campaign had begun at another time.
fn begin_at(folder: &Folder, started_unix_ms: u64) {
    let text = serde_json::to_string(&Campaign { started_unix_ms, ..plan(folder) });
    fs::write(folder.path().join("c/campaign.json"), text.expect("JSON")).expect("a file");
}

/// Whether a file holds a text.
fn holds(file: &Path, text: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|content| content.contains(text))
}

/// Starts a command, waits for something to come about, and sends a signal.
fn interrupt(mut command: Command, come_about: impl FnMut() -> bool, with: Signal) -> Outcome {
    let child: Child = command.spawn().expect("the binary starts");
    wait(come_about);
    signal(&child, with);
    outcome(&child.wait_with_output().expect("it ends"))
}

/// A line of a record of a block that counts.
const BLOCK: &str = "\"failure\":null,\"discarded\":null";

#[test]
fn a_campaign_measures_pools_and_is_kept() {
    let folder = two_servers();
    // Cores are in another order in one of the sessions.
    let servers_core = |session: &duet_model::campaign::PlannedSession| {
        let mut cores = [0, 1];
        session.shuffle_cores(&mut cores);
        cores[0]
    };
    let varies = |seed: &u64| {
        let cores: Vec<usize> = draw(*seed, 3, 2000).iter().map(servers_core).collect();
        cores.contains(&0) && cores.contains(&1)
    };
    let seed = (1..).find(varies).expect("one of two").to_string();
    let words = ["run", "s", "--sessions", "3", "--over", "2s", "--seed", &seed, "--out", "c"];
    let said = folder.duet(&words);
    said.exits(0).says(&format!("Campaign of 3 sessions over 2 s, seed {seed}, in c."));
    said.says("2 sessions begin less than an hour after the one before").says("--over");
    said.says("Session 1 of 3").says("Session 3 of 3").says("c/session-03/report.html");
    said.says("c/pool.html");
    folder.nothing_is_left();

    let plan = plan(&folder);
    assert_eq!(plan.sessions, draw(plan.seed, 3, 2000));
    // It can be published: it names no path of this machine.
    assert_eq!((plan.bench.as_deref(), plan.postgres.as_deref()), (Some("../bench"), None));
    for (index, planned) in plan.sessions.iter().enumerate() {
        let header = session(&folder, &Campaign::folder(index)).header;
        assert_eq!((header.seed, header.campaign), (planned.seed, Some(plan.session(index))));
        assert!(header.started_unix_s >= plan.due_unix_ms(index) / 1000);
    }
    let pooled = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
    let json: Value = serde_json::from_str(&pooled("c/pool.json")).expect("JSON");
    assert_eq!(json["left_out"], Value::Array(vec![]));
    assert_eq!(json["lines"][0]["sessions"][0]["runs"].as_array().map(Vec::len), Some(3));
    assert!(pooled("c/pool.md").len() > 500);

    folder.duet(&["pool", "c", "--out", "again"]).exits(0);
    assert_eq!(pooled("again/pool.json"), pooled("c/pool.json"));
    folder.duet(&["trend", "c"]).exits(0).says("3 sessions");

    // Nothing is measured twice, and nothing is replaced.
    let record = || record_text(&folder.path().join("c/session-02"));
    let measured = record();
    folder.duet(&["run", "--resume", "c"]).exits(0).says("pool.html");
    folder.duet(&words).exits(2).says("c holds a campaign already").says("--resume c");
    assert_eq!(record(), measured);

    // As if they lay days apart, each says what the others show.
    for index in 1..3 {
        let place = folder.path().join("c").join(Campaign::folder(index));
        let text = record_text(&place);
        let began = session(&folder, &Campaign::folder(index)).header.started_unix_s;
        let key = |second: u64| format!("\"started_unix_s\":{second}");
        let text = text.replacen(&key(began), &key(began + index as u64 * 86_400), 1);
        write_record(&place, &text);
    }
    let said = folder.duet(&["report", "c/session-01"]);
    said.exits(0).says("another hour: not known (3 sessions, ");
    folder.duet(&["run", "--resume", "c"]).exits(0).says("3 sessions on");
    let html = pooled("c/session-02/report.html");
    assert!(html.contains("another hour: not known (3 sessions, "));
}

#[test]
fn a_campaign_takes_more_sessions() {
    let folder = two_servers();
    let words = ["run", "s", "--sessions", "2", "--over", "1s", "--seed", "5", "--out", "c"];
    folder.duet(&words).exits(0);
    let before = plan(&folder);
    let records = || ["c/session-01", "c/session-02"].map(|s| record_text(&folder.path().join(s)));
    let measured = records();
    let more = ["run", "--resume", "c", "--sessions", "1", "--over"];
    let said = folder.duet(&[&more[..], &["1s"]].concat());
    said.exits(0).says("Campaign of 3 sessions over").says("Session 3 of 3").says("c/pool.html");
    let after = plan(&folder);
    assert_eq!(after.sessions[..2], before.sessions);
    assert_eq!(records(), measured, "what was measured stays as it was");
    let header = session(&folder, "session-03").header;
    assert_eq!((header.seed, header.campaign), (after.sessions[2].seed, Some(after.session(2))));
    assert!(header.started_unix_s >= after.due_unix_ms(2) / 1000);
    let pooled = fs::read_to_string(folder.path().join("c/pool.json")).expect("a file");
    let pooled: Value = serde_json::from_str(&pooled).expect("JSON");
    assert_eq!(pooled["lines"][0]["sessions"][0]["runs"].as_array().map(Vec::len), Some(3));

    // Beyond what a campaign may have, nothing is planned and nothing is lost.
    folder.duet(&[&more[..], &["30d"]].concat()).exits(2).says("30 days at most");
    let many = ["run", "--resume", "c", "--sessions", "97", "--over", "1h"];
    folder.duet(&many).exits(2).says("1 to 99 sessions, not 100");
    assert_eq!(plan(&folder), after);
    folder.nothing_is_left();
}

#[test]
fn an_interrupted_campaign_goes_on() {
    let folder = two_servers();
    let path = |name: &str| folder.path().join("c").join(name);
    let words = ["run", "s", "--sessions", "2", "--over", "20d", "--seed", "7", "--out", "c"];
    // While it waits for its first session.
    let planned = || holds(&path("campaign.json"), "\n}\n");
    let said = interrupt(folder.command(&words), planned, Signal::SIGINT);
    said.exits(130).says("Session 1 of 2 begins at").says("`duet run --resume c` goes on");
    let sessions = plan(&folder).sessions;
    assert_eq!(sessions, draw(7, 2, 20 * 86_400_000));

    // The first is missed, the second is to come: the first is measured at once. Ctrl-C while it
    // is measured, and a kill.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    begin_at(&folder, now - sessions[0].after_ms - 1);
    let resume = ["run", "--resume", "c"];
    let aside = |n: u32| path(&format!("session-01-interrupted-{n}")).exists();
    let measured = || record_text(&path("session-01")).contains(BLOCK);
    let said = interrupt(folder.command(&resume), measured, Signal::SIGINT);
    said.exits(130).says("Session 1 of 2 was due at").says("`duet run --resume c` goes on");
    let anew = || aside(1) && measured();
    interrupt(folder.command(&resume), anew, Signal::SIGKILL).says("and begins now");
    folder.duet(&["pool", "c"]).exits(2).says("skipped c/session-01: it was not finished");
    let reported = || aside(2) && holds(&path("session-01/report.html"), "</html>");
    let said = interrupt(folder.command(&resume), reported, Signal::SIGINT);
    said.exits(130).says("its record is in c/session-01-interrupted-2");
    let partial = session(&folder, "session-01-interrupted-1");
    assert!(partial.end.is_some_and(|end| end.interrupted == Some(2)));
    let whole = record_text(&path("session-01"));
    let blocks = session(&folder, "session-01").blocks;
    assert_eq!(blocks.iter().filter(|block| block.discarded.is_none()).count(), 3);

    // What was missed is skipped when it could not begin in time, an hour after the one before, and
    // when the time is over. The rest is pooled.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    for began in [now - 20 * 86_400_000 + 30 * 60_000, 1] {
        begin_at(&folder, began);
        let said = folder.duet(&resume);
        said.exits(0).says("session 2 of 2 is skipped: it was due at").says("1 session on");
    }
    assert_eq!(record_text(&path("session-01")), whole);
    folder.nothing_is_left();
}

/// Where the campaign lies outside of the project, its plan does not say where the definitions are.
#[test]
fn a_campaign_outside_of_the_project() {
    let (folder, elsewhere) = (two_servers(), Folder::empty());
    let out = elsewhere.path().join("c").display().to_string();
    let words = ["run", "s", "--sessions", "2", "--over", "20d", "--out", &out];
    let file = elsewhere.path().join("c/campaign.json");
    let command = folder.command(&[&words[..], &["--postgres", "none"]].concat());
    let said = interrupt(command, || holds(&file, "\n}\n"), Signal::SIGINT);
    said.exits(130).says(&format!("`duet run --resume {out}` goes on"));
    let text = fs::read_to_string(&file).expect("a plan");
    let here = folder.path().display().to_string();
    assert!(!text.contains(&here) && text.contains("\"postgres\": \"none\""), "{text}");
    // From another folder it needs them again.
    let bench = folder.path().join("bench").display().to_string();
    elsewhere.duet(&["run", "--resume", "c"]).exits(2).says("bench");
    begin_at(&elsewhere, 1);
    let said = elsewhere.duet(&["run", "--resume", "c", "--bench", &bench]);
    said.exits(4).says("session 1 of 2 is skipped").says("no pool");
    let said = elsewhere.duet(&["run", "--resume", "c", "--postgres", "none", "--bench", &bench]);
    said.exits(2).says("the campaign's plan names its own, none: leave out --postgres");
    // Which PostgreSQL it was is not in the plan: nobody takes another one without a word.
    let postgres = elsewhere.path().display().to_string();
    let words = ["run", "s", "--sessions", "2", "--over", "20d", "--out", "d"];
    let command = folder.command(&[&words[..], &["--postgres", &postgres]].concat());
    let file = folder.path().join("d/campaign.json");
    interrupt(command, || holds(&file, "\n}\n"), Signal::SIGINT).exits(130);
    let said = folder.duet(&["run", "--resume", "d"]);
    said.exits(2).says("lies outside of its project: name it by --postgres");
    folder.nothing_is_left();
}

#[test]
fn a_session_that_fails_is_named_and_the_campaign_goes_on() {
    let bench = Bench::new("--fault exit-at-start");
    fs::create_dir(bench.path().join("c")).expect("a folder");
    // The first cannot be recorded; of the second, one cell fails.
    fs::write(bench.path().join("c/session-01"), "").expect("a file");
    let words = ["run", "s", "--sessions", "2", "--over", "1s", "--blocks", "3", "--out", "c"];
    let said = bench.duet(&words);
    said.exits(2).says("session 1 of 2 failed: c/session-01 cannot be a folder");
    said.says("session 2 of 2 failed in part: faulty: the server exited with 3");
    said.says("1 session on");
    fs::remove_file(bench.path().join("c/session-01")).expect("a file");
    begin_at(&bench, 1);
    let said = bench.duet(&["run", "--resume", "c"]);
    said.exits(5).says("session 1 of 2 is skipped").says("session 2 of 2 failed in part:");
    bench.nothing_is_left();
}

/// Builds that can be told a layout are, anew for each session; the pool takes them for what they
/// were built from. One that takes no notice has its usual layout, and that is said.
#[test]
fn sessions_draw_layouts() {
    let folder = two_servers();
    let path = |name: &str| folder.path().join(name);
    // What stands behind an executable's own bytes changes its hash and nothing else.
    let told = format!("cp {SERVER} $0 && printf '%s' \"$1\" >> $0 && echo \"$0$1\" >> built");
    fs::write(path("told.sh"), told.replace("$0", "one")).expect("a file");
    fs::write(path("deaf.sh"), format!("cp {SERVER} two")).expect("a file");
    let mut servers = fs::read_to_string(path("bench/servers.toml")).expect("definitions");
    for (name, script) in [("one", "told.sh"), ("two", "deaf.sh")] {
        let build = format!("build = [\"sh\", \"{script}\", \"{{layout}}\"]");
        let own = format!("run = [\"{SERVER}\"");
        servers = servers.replacen(&own, &format!("{build}\nrun = [\"./{name}\""), 1);
    }
    fs::write(path("bench/servers.toml"), servers).expect("a file");
    folder.duet(&["run", "s", "--out", "usual"]).exits(0);
    let differ = |seed: &u64| draw(*seed, 2, 1000)[0].layout != draw(*seed, 2, 1000)[1].layout;
    let seed = (1..).find(differ).expect("nearly every seed").to_string();
    let words = ["run", "s", "--sessions", "2", "--over", "1s", "--seed", &seed, "--out", "c"];
    let said = folder.duet(&words);
    said.exits(0).says("two keeps its usual layout: the build took no notice of the layout");
    let drawn: Vec<u32> = plan(&folder).sessions.iter().map(|s| s.layout).collect();
    let [first, second] = drawn[..] else { panic!("{drawn:?}") };
    let built = fs::read_to_string(path("built")).expect("a file");
    let lines = format!("one\none\none{first}\none\none{second}\n");
    assert_eq!(built, lines, "each session builds as usual, and then in its layout");

    let usual = record::read(&path("usual")).expect("a record").builds;
    let mut hashes = vec![usual[0].binary_sha256.clone()];
    for (index, drawn) in [first, second].into_iter().enumerate() {
        let [one, two] = &session(&folder, &Campaign::folder(index)).builds[..] else {
            panic!("two servers")
        };
        assert_eq!(one.binary_sha256, usual[0].binary_sha256);
        let layout = one.layout.as_ref().expect("it was laid out");
        assert_eq!((layout.number, layout.refused.as_ref()), (drawn, None));
        hashes.push(layout.binary_sha256.clone());
        let layout = two.layout.as_ref().expect("it was told");
        assert!(layout.binary_sha256.is_none() && layout.refused.is_some(), "{layout:?}");
    }
    hashes.sort();
    hashes.dedup();
    assert!(hashes.len() == 3 && hashes.iter().all(Option::is_some), "{hashes:?}");
    let said = folder.duet(&["pool", "usual", "c"]);
    said.exits(0).says("1 session on");
    assert!(!said.out.contains("another executable"), "{}", said.out);
    folder.nothing_is_left();
}

#[test]
fn wrong_campaigns_are_refused() {
    let folder = two_servers();
    let check = |words: &str, says: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        folder.duet(&words).exits(2).says(says);
    };
    check("run s --sessions 3", "--over");
    check("run s --over 3h", "--sessions");
    check("run s --sessions 0 --over 3h", "1..=99");
    check("run s --sessions 1 --over 3h", "two sessions or more");
    check("run --resume c --sessions 2", "--over");
    check("run s --sessions 3 --over 31d", "30 days");
    check("run s --sessions 3 --over 1h --blocks 2", "give --blocks 3 or more");
    check("run s --resume c", "cannot be used with");
    check("run", "SUITE");
    check("run --resume c", "c is no campaign's folder: it has no campaign.json");
    assert!(!folder.path().join("c").exists());
    fs::create_dir(folder.path().join("c")).expect("a folder");
    fs::write(folder.path().join("c/campaign.json"), "{}").expect("a file");
    check("run --resume c", "c/campaign.json is no plan: missing field");
    check("pool c", "is no plan");
}
