//! The real binary and toolchains: a `go` of this test's own stands for Go's, a `rustc` for one
//! without rustup.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use duet_model::record::{self, Run};
use duet_model::spec::Toolchain;

use crate::binary::{Folder, HELLO, Outcome, SERVER, outcome};
use crate::builds::against_itself;

/// A `go` that becomes every toolchain whose name begins with `go1.`; `go build FILE` writes a
/// server that knows which one built it.
const GO: &str = r#"#!/bin/sh
name=${GOTOOLCHAIN:-${INSTALLED:-go1.0.0}}
case $name in
    go1.*) ;;
    *) echo "go: download $name: toolchain not available" >&2; exit 1 ;;
esac
case $1 in
    version) echo "go version $name test/cpu" ;;
    build)
        mkdir -p "$(dirname "$2")"
        printf '#!/bin/sh\n[ "$1" = --version ] && echo "mine %s" && exit\nexec "%s" "$@"\n' \
            "$name" "$SERVER" > "$2"
        chmod +x "$2"
        echo "$name" >> builds
        echo "$CACHE" >> caches ;;
esac
"#;

/// A `rustc` that has never heard of rustup.
const RUSTC: &str = "#!/bin/sh\necho 'rustc 1.95.0 (abc 2026-04-14)'\n";

const SERVERS: &str = r#"
[[server]]
name = "mine"
language = "Go"
lanes = ["std"]
summary = "For tests"
needs = ["go"]
build = ["go", "build", "target/mine"]
build_cache = { CACHE = "target/cache" }
run = ["target/mine", "--addr", "{addr}"]
version = ["target/mine", "--version"]
workloads = ["hello"]
"#;

/// A folder with a server that Go builds, and the shims; `toolchain` is a line of its table.
fn bench(toolchain: &str) -> Folder {
    let folder = Folder::with_definitions([
        ("servers.toml", &format!("{SERVERS}{toolchain}\n")),
        ("workloads.toml", HELLO),
        ("suites.toml", &against_itself("blocks = 6")),
    ]);
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    for (name, text) in [("go", GO), ("rustc", RUSTC)] {
        fs::write(bin.join(name), text).expect("a file");
        fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).expect("it is there");
    }
    folder
}

/// `duet` with the shims first on the PATH and, of the real one, what a shell needs.
fn duet(folder: &Folder, words: &[&str]) -> Outcome {
    duet_with("go1.0.0", folder, words)
}

/// The same with another Go that is installed.
fn duet_with(installed: &str, folder: &Folder, words: &[&str]) -> Outcome {
    let path = format!("{}:/usr/bin:/bin", folder.path().join("bin").display());
    let mut command: Command = folder.command(words);
    command.env("PATH", path).env("SERVER", SERVER).env("INSTALLED", installed);
    command.env_remove("GOTOOLCHAIN").env_remove("RUSTUP_TOOLCHAIN");
    outcome(&command.output().expect("the binary starts"))
}

fn recorded(folder: &Folder, place: &str) -> Run {
    record::read(&folder.path().join(place)).expect("a record")
}

/// What the record says of a server's build.
fn built<'a>(run: &'a Run, server: &str) -> (Option<&'a str>, Option<&'a str>) {
    let build = run.builds.iter().find(|build| build.server == server).expect("it was built");
    (build.version.as_deref(), build.toolchain_version.as_deref())
}

#[test]
fn a_table_names_its_toolchain() {
    let folder = bench("toolchain = \"go1.27.3\"");
    duet(&folder, &["list"]).exits(0).says("mine Go, go1.27.3 std");
    duet(&folder, &["doctor"]).says("toolchain go1.27.3");
    duet(&folder, &["run", "s"]);
    let report = fs::read_to_string(folder.path().join("results/latest/report.md"));
    let report = report.expect("it was written");
    assert!(report.contains("built by go version go1.27.3 test/cpu"), "{report}");
    let run = recorded(&folder, "results/latest");
    assert_eq!(built(&run, "mine"), (Some("mine go1.27.3"), Some("go version go1.27.3 test/cpu")));
    let server = run.header.spec.server("mine").expect("it is defined");
    assert_eq!(server.toolchain.as_ref().map(Toolchain::name), Some("go1.27.3"));
}

#[test]
fn a_changed_compiler_builds_once() {
    let folder = bench("");
    // A clean build is timed with nothing known, and by a compiler that is known to be another.
    let cases = [("go1.0.0", true), ("go1.0.0", true), ("go1.1.0", false), ("go1.1.0", true)];
    for (n, (installed, timed)) in (1..).zip(cases) {
        duet_with(installed, &folder, &["run", "s"]);
        let run = recorded(&folder, "results/latest");
        let build = run.builds.iter().find(|build| build.server == "mine").expect("it was built");
        assert_eq!(build.version.as_deref(), Some(&*format!("mine {installed}")));
        assert_eq!(build.clean_build_ns.is_some(), timed, "run {n}");
        let builds = fs::read_to_string(folder.path().join("builds")).expect("it was built");
        assert_eq!(builds.lines().count(), n, "{builds}");
    }
}

#[test]
fn untimed_builds_share_what_they_compile() {
    let folder = bench("shared_cache = { CACHE = \"target/shared\" }");
    // Where a clean build was timed its cache is full, and the next builds use that.
    for (n, (words, cache)) in (1..).zip([
        (&["verify", "mine"][..], "target/shared"),
        (&["run", "s"][..], "target/cache"),
        (&["verify", "mine"][..], "target/cache"),
    ]) {
        duet(&folder, words).exits(0);
        let caches = fs::read_to_string(folder.path().join("caches")).expect("it was built");
        let caches: Vec<&str> = caches.lines().collect();
        assert_eq!(caches.len(), n, "{caches:?}");
        assert!(caches[n - 1].ends_with(cache), "{caches:?}");
    }
}

#[test]
fn one_server_is_compared_under_two_toolchains() {
    let folder = bench("");
    let words = ["compare", "server:mine", "server:mine@go1.27.3", "--blocks", "6"];
    duet(&folder, &words).says("server:mine@go1.27.3 against server:mine");
    let run = recorded(&folder, "results/compare");
    assert_eq!(run.header.spec.matchups[0].arms, ["mine", "mine@go1.27.3"]);
    assert_eq!(built(&run, "mine"), (Some("mine go1.0.0"), None));
    let want = (Some("mine go1.27.3"), Some("go version go1.27.3 test/cpu"));
    assert_eq!(built(&run, "mine@go1.27.3"), want);
    // Each has an executable of its own.
    let places = folder.places();
    let [copy] = &places[..] else { panic!("{places:?}") };
    assert!(copy.to_string_lossy().ends_with("-go1.27.3"), "{copy:?}");
    for (place, want) in [(folder.path(), "go1.0.0"), (copy, "go1.27.3")] {
        let text = fs::read_to_string(place.join("target/mine")).expect("it was built");
        assert!(text.contains(want), "{place:?}: {text}");
    }
    folder.nothing_is_left();
}

#[test]
fn a_toolchain_that_is_not_to_be_had_is_a_failed_build() {
    let check = |toolchain: &str, want: [&str; 2]| {
        let folder = bench(&format!("toolchain = \"{toolchain}\""));
        duet(&folder, &["verify"]).exits(5).says(want[0]).says(want[1]);
    };
    check("go9.9.9", ["toolchain not available", "can GOPROXY be reached?"]);
    check("1.99.1", ["says `rustc 1.95.0 (abc 2026-04-14)`", "rustup fetches and chooses"]);
    check("stable", ["not the toolchain `stable`", "is it installed"]);
    // Without rustup the installed compiler may be the one that is wanted.
    let folder = bench("toolchain = \"1.95.0\"");
    duet(&folder, &["verify"]).exits(0).says("1 valid response");
}

#[test]
fn a_name_that_is_none_is_a_mistake() {
    let folder = bench("toolchain = \"go1.27.3+auto\"");
    duet(&folder, &["list"]).exits(2).says("is no name of a toolchain").says("servers.toml");
    let folder = bench("");
    duet(&folder, &["compare", "server:mine", "server:mine@../x"]).exits(2).says("no name of a");
}
