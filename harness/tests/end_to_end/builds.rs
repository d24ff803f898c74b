//! The real binary times builds: a shell script compiles a server that is a shell script too.

use std::fs;
use std::path::Path;

use duet_model::record::{self, BuildsRecord, ServerBuilds};
use nix::sys::signal::Signal;

use crate::binary::{Folder, HELLO, SERVER, outcome, signal, wait};

/// Compiles `$CACHE/std` unless it is there, then the handler together with it.
const COMPILE: &str = r#"set -e
if [ "$1" = std ] || [ ! -e "$CACHE/std" ]; then echo std >> "$CACHE/std"; fi
[ "$1" = std ] && exit
cat src/handler.txt > target/mine.new
echo 'exec "$SERVER" "$@"' >> target/mine.new
chmod +x target/mine.new
mv target/mine.new target/mine
"#;

const HANDLER: &str = "#!/bin/sh\n# Not found.\n";

/// All that a table may say of builds.
const ALL: &str = r#"
std_build = ["sh", "compile.sh", "std"]
dependencies = ["sh", "-c", "echo lib/a; echo lib/b; echo lib/a"]
edit = { file = "src/handler.txt", replace = "Not found.", with = "Not found {n}." }
"#;

/// Definitions of a suite of the server `mine` against itself; `keys` are lines of its table.
pub(crate) fn against_itself(keys: &str) -> String {
    format!(
        "[[load]]\nname = \"c2\"\nconnections = 2\n\
         [[matchup]]\nname = \"fine\"\nlane = \"std\"\narms = [\"mine\", \"mine\"]\n\
         [[suite]]\nname = \"s\"\nsummary = \"For tests\"\nwindow_ms = 5\nmeasure_ms = 100\n\
         warmup_ms = 60\n{keys}\n\
         [[suite.cells]]\nmatchups = [\"fine\"]\nworkloads = [\"hello\"]\nloads = [\"c2\"]\n"
    )
}

/// A project; `keys` are lines of its server's table.
fn bench(keys: &str) -> Folder {
    let servers = format!(
        "[[server]]\nname = \"mine\"\nlanguage = \"Shell\"\nlanes = [\"std\"]\n\
         summary = \"For tests\"\nbuild = [\"sh\", \"compile.sh\"]\n\
         build_cache = {{ CACHE = \"target/cache\" }}\n\
         run = [\"target/mine\", \"--addr\", \"{{addr}}\"]\n\
         version = [\"echo\", \"mine 1\"]\nworkloads = [\"hello\"]\n{keys}\n"
    );
    let folder = Folder::with_definitions([
        ("servers.toml", &servers),
        ("workloads.toml", HELLO),
        ("suites.toml", &against_itself("blocks = 2\nverdicts = false")),
    ]);
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("compile.sh", COMPILE);
    write("src/handler.txt", HANDLER);
    write("lib/a/lib.rs", "// A comment.\nfn a() {}\n");
    write("lib/b/lib.rs", "fn b() {}\nfn c() {}\n");
    folder
}

fn recorded(folder: &Folder, place: &str) -> BuildsRecord {
    let record = record::read_builds(&folder.path().join(place)).expect("it can be read");
    record.expect("there is a record")
}

/// The only server of the record in `results/builds`.
fn only(folder: &Folder) -> ServerBuilds {
    let mut servers = recorded(folder, "results/builds").servers;
    assert_eq!(servers.len(), 1);
    servers.remove(0)
}

/// Nothing was built, edited or left behind in the project itself.
fn is_untouched(folder: &Folder) {
    let handler = fs::read_to_string(folder.path().join("src/handler.txt"));
    assert_eq!(handler.expect("it is there"), HANDLER);
    assert!(!folder.path().join("target/mine").exists());
    assert_eq!(copies(folder.path()), 0);
    folder.nothing_is_left();
}

/// Copies of the sources below `target`.
fn copies(root: &Path) -> usize {
    let entries = fs::read_dir(root.join("target")).map(Iterator::flatten);
    let names = entries.into_iter().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with("duet-run-")).count()
}

#[test]
fn builds_are_timed_in_every_way() {
    let folder = bench(ALL);
    // What a run that was killed left behind goes.
    let left = folder.path().join("target/duet-run-killed/sources");
    fs::create_dir_all(left).expect("a folder");
    let mut command = folder.command(&["builds", "--rounds", "6"]);
    outcome(&command.env("SERVER", SERVER).output().expect("it ends"))
        .exits(0)
        .says("How long builds take")
        .says("6 builds each")
        .says("results/builds/builds.html");
    let mine = only(&folder);
    assert_eq!(mine.failure, None);
    for times in [
        &mine.clean_ns,
        &mine.clean_std_compiled_ns,
        &mine.no_op_ns,
        &mine.edit_build_ns,
        &mine.edit_response_ns,
    ] {
        assert_eq!(times.len(), 6, "{mine:?}");
        assert!(times.iter().all(|ns| *ns > 0), "{mine:?}");
    }
    let edits = mine.edit_build_ns.iter().zip(&mine.edit_response_ns);
    assert!(edits.into_iter().all(|(built, responded)| built < responded), "{mine:?}");
    assert_eq!((mine.dependencies, mine.dependency_lines), (Some(2), Some(3)));
    assert_eq!(mine.version.as_deref(), Some("mine 1"));
    // A script is no executable whose symbols could be stripped.
    assert!(mine.binary_bytes.is_some_and(|bytes| bytes > 0));
    assert_eq!(mine.stripped_bytes, None);
    is_untouched(&folder);

    // The record alone gives the same report again.
    let report = folder.path().join("results/builds/builds.md");
    let before = fs::read_to_string(&report).expect("it was written");
    fs::remove_file(&report).expect("it is there");
    folder.duet(&["report", "results/builds"]).exits(0);
    assert_eq!(fs::read_to_string(&report).expect("it was written"), before);
}

#[test]
fn builds_are_shown_in_the_report_of_a_run() {
    let folder = bench("");
    let duet = |words: &[&str]| {
        let mut command = folder.command(words);
        outcome(&command.env("SERVER", SERVER).output().expect("it ends"))
    };
    duet(&["run", "s"]);
    duet(&["builds", "mine", "--rounds", "1", "--out", "results/latest"])
        .exits(0)
        .says("too few for an interval");
    let report = fs::read_to_string(folder.path().join("results/latest/report.md"));
    let report = report.expect("it was written");
    assert!(report.contains("How long builds take"), "{report}");
    let mine = &recorded(&folder, "results/latest").servers[0];
    assert_eq!((mine.clean_ns.len(), mine.edit_build_ns.len()), (1, 0));
    // The table says nothing of the rest.
    assert_eq!((mine.clean_std_compiled_ns.len(), mine.dependencies), (0, None));
}

#[test]
fn what_fails_is_named_and_leaves_nothing_behind() {
    let check = |keys: &str, want: &str| {
        let folder = bench(keys);
        let mut command = folder.command(&["builds", "--rounds", "2"]);
        outcome(&command.env("SERVER", SERVER).output().expect("it ends")).exits(5).says(want);
        assert!(only(&folder).failure.is_some(), "{keys}");
        is_untouched(&folder);
    };
    let edit = |file: &str, replace: &str, with: &str| {
        format!("edit = {{ file = \"{file}\", replace = \"{replace}\", with = \"{with}\" }}")
    };
    let handler = "src/handler.txt";
    check(&edit("src/none.txt", "a", "{n}"), "src/none.txt, which `edit` names");
    check(&edit(handler, "nowhere", "{n}"), "which is in src/handler.txt 0 times where once");
    check(&edit(handler, "o", "{n}"), "2 times where once was due");
    check(&edit(handler, "#!/bin/sh", "#!/bin/false {n}"), "the server exited with 1");
    check(&edit("lib/a/lib.rs", "fn a()", "fn a{n}()"), "the executable is the same");
    check("dependencies = [\"echo\", \"lib/none\"]", "failed to read");
    check("std_build = [\"false\"]", "`false` exited with 1");
    check("toolchain = \"go0.0.1\"\nneeds = [\"no-such-program\"]", "`no-such-program` is not on");
}

#[test]
fn wrong_usage_of_builds() {
    let folder = bench("edit = { file = \"../x\", replace = \"\", with = \"y\" }");
    let said = folder.duet(&["builds"]);
    said.exits(2).says("`file` is `../x`").says("`replace` is empty").says("`with` has no {n}");
    let folder = bench("");
    folder.duet(&["builds", "yours"]).exits(2).says("there is no server `yours`: there are mine");
    folder.duet(&["builds", "--rounds", "0"]).exits(2);
}

#[test]
fn an_interruption_keeps_what_was_timed_and_leaves_nothing_behind() {
    // The third build, that after the first edit, never ends.
    let folder = bench(&ALL.replace("Not found {n}.", "Not found {n}.\\nsleep 1000"));
    let compile =
        COMPILE.replace("cat src", "grep -q sleep src/handler.txt && sleep 1000; cat src");
    fs::write(folder.path().join("compile.sh"), compile).expect("a file");
    let mut command = folder.command(&["builds", "--rounds", "2"]);
    let child = command.env("SERVER", SERVER).spawn().expect("the binary starts");
    let place = folder.path().join("target");
    let is_edited = || {
        let copies = fs::read_dir(&place).map(Iterator::flatten).into_iter().flatten();
        let mut handlers = copies.map(|copy| copy.path().join("sources/src/handler.txt"));
        handlers.any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("sleep")))
    };
    wait(is_edited);
    signal(&child, Signal::SIGINT);
    outcome(&child.wait_with_output().expect("it ends")).exits(130).says("interrupted by signal 2");
    let record = recorded(&folder, "results/builds");
    assert_eq!(record.interrupted, Some(2));
    let mine = &record.servers[0];
    assert_eq!((mine.clean_ns.len(), mine.edit_build_ns.len()), (1, 0), "{mine:?}");
    is_untouched(&folder);
}
