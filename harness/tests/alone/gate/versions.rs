//! Versions of a repository: each as if it stood alone, each held to its own definitions, none
//! passed that was not compared.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use duet_model::record;

use super::SIX;
use super::bench::{BUILD, Bench};
use crate::binary::{Outcome, outcome};

/// A repository with a commit.
fn repository(gate: &str) -> Bench {
    let bench = Bench::new(gate);
    bench.git(&["init", "--quiet", "--initial-branch=main"]);
    bench.commit("first");
    bench
}

/// Writes a file, which git does not know yet.
fn write(bench: &Bench, name: &str, text: &str) {
    let path = bench.path().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// A build that fails where a tool that looks upwards finds `marker`.
const LOOKS_UP: &str = "build = [\"sh\", \"-c\", \"d=$PWD; while [ $d != / ]; do d=$(dirname $d); \
                        [ -e $d/marker ] && exit 7; done; cp -f $0 server\", ";

#[test]
fn versions_find_nothing_of_the_project_above_them() {
    let bench = Bench::new(SIX);
    bench.git(&["init", "--quiet", "--initial-branch=main"]);
    write(&bench, ".gitignore", "marker\n");
    bench.git(&["add", ".gitignore"]);
    bench.edit("servers.toml", |text| {
        text.replace("build = [\"cp\", \"-f\", ", LOOKS_UP).replace(", \"server\"]", "]")
    });
    bench.commit("looks up");
    write(&bench, "marker", "");
    let said = bench.duet(&["gate", "--base", "git:main"]);
    said.exits(0).says("PASS: base and head are the same");
    said.says("git ignores marker: no version has that");
    let git = bench.git(&["worktree", "list"]);
    assert!(bench.places().iter().all(|place| !place.starts_with(bench.path())), "{git}");
    bench.nothing_is_left();
}

/// What is not committed is in the head, and `carry` brings what git ignores to both.
#[test]
fn the_head_is_what_is_on_the_disk() {
    let bench = Bench::new(SIX);
    bench.git(&["init", "--quiet", "--initial-branch=main"]);
    write(&bench, ".gitignore", ".env\nlarge/\n");
    bench.git(&["add", ".gitignore"]);
    let with = |text: &str| text.replace("--delay-us\", \"90\"", "--delay-us-file\", \"a.txt\"");
    bench.edit("servers.toml", with);
    write(&bench, "a.txt", "90");
    bench.git(&["add", "a.txt"]);
    bench.commit("reads a file");
    let words = ["compare", "git:main", "dir:.", "--server", "fast", "--blocks", "1"];
    write(&bench, "a.txt", "91");
    write(&bench, "new.txt", "not added");
    write(&bench, ".env", "A=1");
    write(&bench, "large/data", "1");
    bench.duet(&words).exits(0).says("git ignores .env, large: no version has that");
    bench.edit("servers.toml", |text| {
        let carries = "summary = \"For tests\"\ncarry = [\".env\", \"large\"]\nrun";
        text.replacen("summary = \"For tests\"\nrun", carries, 1)
    });
    let said = bench.duet(&words);
    said.exits(0);
    assert!(!said.err.contains("git ignores"), "{}", said.err);
    let [base, head] = &bench.places()[..] else { panic!("{:?}", bench.places()) };
    let read = |place: &std::path::Path, name: &str| fs::read_to_string(place.join(name)).ok();
    for (name, in_base, in_head) in [
        ("a.txt", Some("90"), Some("91")),
        ("new.txt", None, Some("not added")),
        (".env", Some("A=1"), Some("A=1")),
        ("large/data", Some("1"), Some("1")),
    ] {
        assert_eq!(read(base, name).as_deref(), in_base, "{name}");
        assert_eq!(read(head, name).as_deref(), in_head, "{name}");
    }
    // What is gone from the disk is gone from the head, and from what is carried.
    fs::remove_file(bench.path().join("new.txt")).expect("it is there");
    fs::remove_file(bench.path().join("large/data")).expect("it is there");
    bench.duet(&words).exits(0);
    let gone = [(head, "new.txt"), (head, "large/data"), (base, "large/data")];
    assert!(gone.iter().all(|(place, name)| read(place, name).is_none()), "{gone:?}");
}

/// The same executable with another file that it reads at its start is another version.
#[test]
fn a_file_that_is_read_at_the_start_makes_a_version() {
    let bench = repository("looks = [8]");
    bench.edit("servers.toml", |text| {
        text.replace("--delay-us\", \"90\"", "--delay-us-file\", \"delay.txt\"")
    });
    write(&bench, "delay.txt", "90");
    bench.git(&["add", "delay.txt"]);
    bench.commit("reads a file");
    bench.duet(&["gate", "--base", "git:main"]).exits(0).says("base and head are the same");
    write(&bench, "delay.txt", "900");
    let said = bench.duet(&["gate", "--base", "git:main"]);
    said.exits(1).says("REGRESSED: fast/hello/c2");
}

#[test]
fn what_runs_is_the_versions_own() {
    let bench = repository(SIX);
    let check = |change: &dyn Fn(&str) -> String, reason: &str| {
        let file = bench.path().join("bench/servers.toml");
        let before = fs::read_to_string(&file).expect("definitions");
        bench.edit("servers.toml", change);
        let said = bench.duet(&["gate", "--base", "git:main", "--even-identical"]);
        said.exits(5).says(reason);
        fs::write(file, before).expect("a file");
    };
    let outside = tempfile::tempdir().expect("a temporary folder");
    let elsewhere = outside.path().join("server");
    fs::copy(crate::binary::SERVER, &elsewhere).expect("a copy");
    let elsewhere = elsewhere.display().to_string();
    let absolute =
        |text: &str| text.replace("run = [\"./server\"", &format!("run = [\"{elsewhere}\""));
    check(&absolute, "which is not in this version's folder: both versions would run the same");
    // An executable that an earlier build has left is not that of this build.
    let idle = |text: &str| text.replace(BUILD, "build = [\"true\"]");
    check(&idle, "there is no `./server` after `true`: its build writes another file");
    let script = outside.path().join("server.py");
    fs::write(&script, "").expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let script = script.display().to_string();
    let absolute =
        |text: &str| text.replace("run = [\"./server\"", &format!("run = [\"sh\", \"{script}\""));
    check(&absolute, "both versions would run the same file");
}

/// A change cannot let itself in by another policy.
#[test]
fn the_policy_is_the_bases() {
    let bench = repository("looks = [8]");
    let slow = |text: &str| text.replacen("--delay-us\", \"90\"", "--delay-us\", \"900\"", 1);
    bench.edit("servers.toml", slow);
    bench.edit("suites.toml", |text| {
        text.replace("service_time_ns_p50 = 5", "service_time_ns_p50 = 100")
    });
    let said = bench.duet(&["gate", "--base", "git:main"]);
    said.exits(1).says("REGRESSED: fast/hello/c2");
    said.says("base 5.0 %, head 100 %; the stricter holds");
    // Nor by a policy of another name, or by a guard that is gone from it.
    bench.edit("suites.toml", |text| text.replace("name = \"g\"", "name = \"h\""));
    let said = bench.duet(&["gate", "--base", "git:main"]);
    said.exits(1).says("the head has no gate `g` any more; the base's policy holds");
    bench.edit("servers.toml", |text| text.replace("name = \"fast\"", "name = \"quick\""));
    bench.edit("suites.toml", |text| text.replace("\"fast\"", "\"quick\""));
    bench
        .duet(&["gate", "--base", "git:main"])
        .exits(1)
        .says("fast/hello/c2 is gone from the head");
    // Unless the base leaves it to the head.
    bench.git(&["checkout", "--quiet", "--", "bench"]);
    bench.edit("suites.toml", |text| text.replace("[[gate]]\n", "[[gate]]\npolicy = \"head\"\n"));
    bench.commit("the head decides");
    bench.edit("suites.toml", |text| {
        text.replace("service_time_ns_p50 = 5", "requests_per_second = 90")
    });
    let said = bench.duet(&["gate", "--base", "git:main", "--even-identical"]);
    said.says("margin of service time, median: base 5.0 %, head none; the head's holds");
}

/// A branch is not blamed for what the base's branch gained since.
#[test]
fn the_base_is_where_the_head_forked() {
    let bench = repository(SIX);
    bench.git(&["checkout", "--quiet", "-b", "change"]);
    write(&bench, "note.txt", "");
    bench.git(&["add", "note.txt"]);
    bench.commit("a change");
    bench.git(&["checkout", "--quiet", "main"]);
    bench.edit("servers.toml", |text| text.replacen("\"90\"", "\"60\"", 1));
    bench.commit("main is faster");
    bench.git(&["checkout", "--quiet", "change"]);
    let fork = bench.git(&["rev-parse", "main~1"]);
    let base = |words: &[&str]| {
        let said = bench.duet(words);
        let run = record::read(&bench.path().join("results/gate")).expect("a record");
        (said, run.header.experiment.expect("it is one").base)
    };
    let (said, found) = base(&["gate", "--base", "git:main"]);
    // On a busy machine it may be inconclusive; the change is not to blame for what main gained.
    assert_ne!(said.code, Some(1), "{}{}", said.out, said.err);
    said.says("1 commit beyond it is not compared");
    assert_eq!(found.commit.as_deref(), Some(fork.trim()));
    let (_, found) = base(&["gate", "--base", "git:main", "--tip"]);
    assert_eq!(found.commit.as_deref(), Some(bench.git(&["rev-parse", "main"]).trim()));
}

/// A change that changes a response and its expectation: each version keeps its own promise.
#[test]
fn each_version_is_held_to_its_own_definitions() {
    let wrong = |bench: &Bench| {
        bench.edit("servers.toml", |text| {
            text.replacen("\"--delay-us\", \"90\"", "\"--fault\", \"wrong-body\"", 1)
        });
        bench.edit("workloads.toml", |text| text.replace("hello world", "hello w0rld"));
    };
    let bench = repository(SIX);
    wrong(&bench);
    let said = bench.duet(&["gate", "--base", "git:main"]);
    said.exits(3).says("INCONCLUSIVE").says("define its requests or responses differently");
    let bench = repository(&format!("{SIX}\ncompare_changed = true"));
    wrong(&bench);
    let said = bench.duet(&["gate", "--base", "git:main"]);
    assert!(said.code == Some(0) || said.code == Some(1) || said.code == Some(3), "{}", said.err);
    let run = record::read(&bench.path().join("results/gate")).expect("a record");
    assert!(run.blocks.iter().all(|block| block.failure.is_none()) && run.blocks.len() >= 6);
}

/// A pair that was decided stays decided, also when others were measured in the meantime.
#[test]
fn a_pair_gets_no_second_chance() {
    let bench = Bench::new(SIX);
    let gate = |base: &str, head: &str| {
        bench.duet(&[
            "gate",
            "--base",
            &format!("server:{base}"),
            "--head",
            &format!("server:{head}"),
        ])
    };
    gate("slow", "fast").exits(0);
    gate("odd", "fast");
    gate("slow", "fast").exits(0).says("This pair has been decided");
    fs::remove_dir_all(bench.path().join("results")).expect("it is there");
    gate("slow", "fast").exits(0).says("This pair has been decided");
}

/// Where the record of a pair is lost, or another machine has it, a further attempt spends less of
/// alpha: six blocks cannot pass then.
#[test]
fn a_further_attempt_spends_less() {
    let bench = Bench::new(SIX);
    let words = ["gate", "--base", "server:slow", "--head", "server:fast"];
    let attempt = || {
        let run = record::read(&bench.path().join("results/gate")).expect("a record");
        run.header.experiment.expect("it is one").attempt
    };
    bench.duet(&words).exits(0).says("PASS");
    assert_eq!(attempt(), Some(1));
    let lose = || {
        let gates = bench.cache().join("duet/gates");
        for project in fs::read_dir(gates).expect("it is there").flatten() {
            if project.file_name() != "attempts" {
                fs::remove_dir_all(project.path()).expect("it is ours");
            }
        }
        fs::remove_dir_all(bench.path().join("results")).expect("it is there");
    };
    lose();
    bench.duet(&words).exits(3).says("attempt 2 at a verdict on this pair");
    assert_eq!(attempt(), Some(2));
    // What goes on stays the attempt that it was.
    bench.duet(&words).exits(3).says("attempt 2 at a verdict on this pair");
    assert_eq!(attempt(), Some(2));
    lose();
    bench.duet(&[&words[..], &["--attempt", "7"]].concat()).exits(3).says("attempt 7 at");
    bench.duet(&[&words[..], &["--attempt", "0"]].concat()).exits(2).says("--attempt");
}

#[test]
fn git_is_heard_when_it_refuses() {
    let bench = repository(SIX);
    let gate = |base: &str| bench.duet(&["gate", "--base", base]);
    gate("git:--output=x").exits(4).says("no commit `--output=x`");
    // A clone without history.
    let clone = bench.path().join("clone");
    bench.commit_empty("second");
    bench.commit_empty("third");
    let from = format!("file://{}", bench.path().display());
    bench.git(&["clone", "--quiet", "--depth", "1", &from, "clone"]);
    let mut command = bench.command(&["gate", "--base", "git:HEAD~1"]);
    let said = outcome(&command.current_dir(&clone).output().expect("it ends"));
    said.exits(4).says("fetch-depth: 0");
    // Variables as hooks have them lead nowhere.
    let mut command = bench.command(&["gate", "--base", "git:HEAD"]);
    command.env("GIT_DIR", "/nowhere").env("GIT_INDEX_FILE", "/nowhere/index");
    outcome(&command.output().expect("it ends")).exits(0).says("PASS");
    // What git calls broken is not called missing.
    fs::write(bench.path().join(".git/config"), "[core\n").expect("a file");
    gate("git:HEAD").exits(4).says("bad config line 1");
}

/// A script in the folder of a test, without the user's own settings of git.
fn shell(bench: &Bench, script: &str) {
    let mut command = bench.program("sh", &["-ec", script]);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Test");
        command.env(format!("GIT_{who}_EMAIL"), "test@example.org");
    }
    outcome(&command.output().expect("it ends")).exits(0);
}

/// A gate in a folder below that of a test.
fn gate_in(bench: &Bench, folder: &str, words: &[&str]) -> Outcome {
    let mut command = bench.command(&[&["gate"], words].concat());
    outcome(&command.current_dir(bench.path().join(folder)).output().expect("it ends"))
}

/// Clones without some files or without their content, whose base's branch is gone; branches and
/// folders whose names shells and pages read otherwise; and no git at all.
#[test]
fn clones_that_lack_something() {
    let bench = Bench::new(SIX);
    shell(
        &bench,
        "git init -q -b main origin; cd origin; mv ../bench .; mkdir -p data/deep other
         echo 1 > data/deep/a.txt; echo 2 > other/b.txt
         sed -i s/90\\\"/900\\\"/ bench/servers.toml
         git config uploadpack.allowFilter true; git config uploadpack.allowAnySHA1InWant true
         git add .; git commit -qm first
         sed -i 0,/900/s/900\\\"/90\\\"/ bench/servers.toml; git commit -qam second
         cd ..; from=file://$PWD/origin
         git clone -q --filter=blob:none $from partial
         git clone -q --sparse $from sparse; cd sparse; git sparse-checkout set bench
         cd ..; git clone -q $from pruned; cd pruned; git checkout -q -b change
         git branch -qD main; git update-ref -d refs/remotes/origin/main
         git update-ref -d refs/remotes/origin/HEAD",
    );
    let gate = |folder: &str, words: &[&str]| gate_in(&bench, folder, words);
    // The base's files are fetched: git says which lie with the remote.
    let said = gate("partial", &["--base", "git:HEAD~1"]);
    said.exits(0).says("PASS: none of 1 gated metric");
    // What a sparse checkout leaves out is in both versions all the same.
    assert!(!bench.path().join("sparse/other").exists());
    gate("sparse", &["--base", "git:main"]).exits(0).says("PASS: base and head are the same");
    // The content of a partial clone cannot be had.
    shell(&bench, "git clone -q --filter=blob:none file://$PWD/origin alone; mv origin gone");
    let said = gate("alone", &["--base", "git:HEAD~1"]);
    said.exits(4).says("failed to check out").says("promisor remote");
    // A branch that was deleted is named, and a commit of it will do.
    gate("pruned", &["--base", "git:origin/main"]).exits(4).says("no commit `origin/main`");
    gate("pruned", &["--base", "git:HEAD"]).exits(0).says("PASS: base and head are the same");
    // Names that mean something to a shell, a table, a page or a URL.
    let odd = r#"o/d#d"$x|<b>&"#;
    let quoted = odd.replace('"', "\\\"").replace('$', "\\$");
    shell(&bench, &format!("cd pruned; git branch \"{quoted}\""));
    let out = r#"r #<"$|"#;
    let base = format!("git:{odd}");
    let words = ["--base", &base, "--even-identical", "--out", out, "--github", "--junit", "o.xml"];
    let said = gate("pruned", &words);
    assert!([Some(0), Some(3)].contains(&said.code), "{:?} {}", said.code, said.err);
    let at = |name: &str| bench.path().join("pruned").join(name);
    let page = fs::read_to_string(at(out).join("comparison.html")).expect("a report");
    assert!(!page.contains("<b>") && page.contains("&lt;b&gt;"), "{page}");
    let xml = fs::read_to_string(at("o.xml")).expect("it was written");
    roxmltree::Document::parse(&xml).expect("it is XML");
    // Without git a commit cannot be had, and what is said is what lacks.
    let mut command = bench.command(&["gate", "--base", "git:HEAD"]);
    let empty = tempfile::tempdir().expect("a temporary folder");
    command.current_dir(at(".")).env("PATH", empty.path());
    outcome(&command.output().expect("it ends")).exits(4).says("failed to start git: is it");
    bench.nothing_is_left();
}

/// Clones with odd names, linked worktrees, a detached HEAD, submodules, files in Git LFS.
#[test]
fn repositories_of_all_kinds() {
    let bench = Bench::new(SIX);
    let shell = |script: &str| shell(&bench, script);
    let gate = |folder: &str, words: &[&str]| gate_in(&bench, folder, words);
    // Both versions need a file of a submodule.
    bench.edit("servers.toml", |text| {
        let build = BUILD.replacen(
            "[\"cp\", \"-f\", ",
            "[\"sh\", \"-c\", \"cat lib/a.txt && cp -f $0 server\", ",
            1,
        );
        text.replace(BUILD, &build.replace(", \"server\"]", "]"))
    });
    shell(
        "git init -q -b main lib; cd lib; echo a > a.txt; git add .; git commit -qm lib; cd ..
         git init -q -b main project; cd project; mv ../bench .
         printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\nsize 1\\n' > big.bin
         git -c protocol.file.allow=always submodule --quiet add ../lib lib
         git add .; git commit -qm project; git tag v1; git branch v2
         git commit -q --allow-empty -m more; git tag v2
         printf '#!/bin/sh\ntouch hooked' > .git/hooks/post-checkout
         chmod +x .git/hooks/post-checkout
         git worktree add -q ../linked; cd ../linked; rm hooked
         git -c protocol.file.allow=always submodule --quiet update --init",
    );
    let said = gate("project", &["--base", "git:v1"]);
    said.exits(0).says("PASS: base and head are the same");
    said.says("big.bin only stands for a file in Git LFS: git lfs pull");
    assert!(bench.places().iter().all(|place| !place.join("hooked").exists()), "a hook ran");
    gate("project", &["--base", "git:v2"]).exits(4).says("write refs/heads/v2 or refs/tags/v2");
    gate("linked", &["--base", "git:main"]).exits(0).says("PASS: base and head are the same");
    shell("cd project; git checkout -q --detach HEAD~1; rm hooked");
    gate("project", &["--base", "git:main"]).exits(0).says("1 commit beyond it is not compared");
    let odd = "o'd\" $x <#|&";
    fs::rename(bench.path().join("project"), bench.path().join(odd)).expect("it is there");
    gate(odd, &["--base", "git:main"]).exits(0).says("PASS: base and head are the same");
    // A submodule that is not there.
    shell(
        &format!(
            "git clone -q \"$1/{odd}\" bare",
            odd = odd.replace('"', "\\\"").replace('$', "\\$")
        )
        .replace("$1", "."),
    );
    let said = gate("bare", &["--base", "git:HEAD"]);
    said.exits(4).says("git submodule update --init --recursive");
    bench.nothing_is_left();
}
