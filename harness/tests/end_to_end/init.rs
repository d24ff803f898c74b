//! `duet init`: which responses it takes, how a server is told where to listen, and where the files
//! for CI go.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::binary::{DUET, Folder, Outcome, SERVER, outcome};

/// A server whose response depends on what `MODE` says. It reads its port from its last argument,
/// else from PORT.
const PYTHON: &str = r#"import http.server, itertools, os, sys, time

MODE = os.environ.get("MODE", "")
COUNTER = itertools.count()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        values = {
            "counter": lambda: next(COUNTER),
            "time": lambda: int(time.time()),
            "start": os.getpid,
            "port": lambda: self.headers["Host"],
        }
        body = b'{"value":"%s"}' % str(values.get(MODE, str)()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ["PORT"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"#;

/// Says that a test is skipped where a tool is missing.
fn lacks(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: {tool} is not installed");
    }
    !there
}

/// A folder with the server in it.
fn folder() -> Folder {
    let folder = Folder::empty();
    fs::write(folder.path().join("server.py"), PYTHON).expect("a file");
    folder
}

/// `duet init` for the server that `run` starts, with further words.
fn init(folder: &Folder, run: &str, more: &[&str]) -> Outcome {
    folder.duet(&[&["init", "--name", "mine", "--run", run], more].concat())
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_response_that_changes_is_refused() {
    if lacks("python3") {
        return;
    }
    let folder = folder();
    for (mode, when) in [
        ("counter", "to the next request"),
        ("time", "in the next second"),
        ("start", "after a fresh start on another port"),
        ("port", "after a fresh start on another port"),
    ] {
        let said = init(&folder, &format!("MODE={mode} python3 server.py {{port}}"), &[]);
        // A second may also pass between two requests.
        let when = if mode == "time" { "does not always return the same" } else { when };
        said.exits(2).says("does not always return the same").says(when).says("--get PATH");
        assert!(!folder.path().join("bench").exists(), "what is refused leaves nothing");
    }
    init(&folder, "python3 server.py {port}", &[]).exits(0).says("GET / returns 200");
    folder.nothing_is_left();
}

#[test]
fn how_a_server_is_told_where_to_listen() {
    if lacks("python3") {
        return;
    }
    let folder = folder();
    let servers = |bench: &str| read(&folder.path().join(bench).join("servers.toml"));
    let check = |run: &str, bench: &str, says: &str, written: &str| {
        init(&folder, run, &["--bench", bench]).exits(0).says(says);
        assert!(servers(bench).contains(written), "{}", servers(bench));
    };
    check("python3 server.py", "a", "told by the variable PORT", "env.PORT = \"{port}\"");
    check("sh -c 'exec python3 server.py $PORT'", "b", "is written as {port}", "server.py {port}");
    let socket = format!("{SERVER} --addr unix:{{socket}}");
    check(&socket, "c", "GET / returns 200", "\"unix:{socket}\"");
    folder.duet(&["verify", "mine", "--bench", "c"]).exits(0);
    folder.nothing_is_left();
}

/// A repository with the server in the folder `services/shop`.
fn sub_folder() -> Folder {
    let folder = Folder::empty();
    let shop = folder.path().join("services/shop");
    fs::create_dir_all(&shop).expect("folders");
    fs::copy(SERVER, shop.join("server")).expect("a copy");
    fs::create_dir(folder.path().join(".git")).expect("a folder");
    folder
}

const RUN: &str = "./server --addr {addr}";

#[test]
fn a_workflow_is_where_ci_reads_it() {
    let folder = sub_folder();
    let bench = ["--bench", "services/shop/bench"];
    let github = ["--ci", "github", "--duet", "someone/duet@v0.1.0"];
    let said = init(&folder, RUN, &[&bench[..], &github].concat());
    said.exits(0).says("wrote .github/workflows/duet-mine.yml");
    said.says("duet gate --base git:HEAD --bench services/shop/bench --head dir:services/shop");
    let workflow = read(&folder.path().join(".github/workflows/duet-mine.yml"));
    let with = "      - uses: someone/duet@v0.1.0\n        with:\n          \
                bench: services/shop/bench\n          head: dir:services/shop\n";
    assert!(workflow.ends_with(with), "{workflow}");

    // From within the folder.
    fs::remove_dir_all(folder.path().join("services/shop/bench")).expect("it was written");
    fs::remove_dir_all(folder.path().join(".github")).expect("it was written");
    let shop = folder.path().join("services/shop");
    let words = ["init", "--name", "mine", "--run", RUN];
    let mut command = folder.command(&[&words[..], &github].concat());
    outcome(&command.current_dir(&shop).output().expect("it ends")).exits(0);
    assert_eq!(read(&folder.path().join(".github/workflows/duet-mine.yml")), workflow);
}

#[test]
fn a_job_for_gitlab() {
    let folder = sub_folder();
    let gitlab = ["--ci", "gitlab", "--duet", "https://git.example/someone/duet@v0.1.0"];
    let words = |bench| [&["--bench", bench], &gitlab[..]].concat();
    init(&folder, RUN, &words("services/shop/bench")).exits(0).says("wrote .gitlab-ci.yml");
    let job = read(&folder.path().join(".gitlab-ci.yml"));
    assert!(job.contains("\ngate-mine:\n"), "{job}");
    assert!(job.contains("--bench services/shop/bench --head dir:services/shop"), "{job}");
    // What is there stays, and is told what to include.
    let said = init(&folder, RUN, &words("services/shop/again"));
    said.exits(0).says("wrote .gitlab/duet-mine.yml");
    said.says("include: [{local: .gitlab/duet-mine.yml}]");
    assert_eq!(read(&folder.path().join(".gitlab-ci.yml")), job);
}

#[test]
fn a_script_for_any_other() {
    if lacks("git") || lacks("sh") {
        return;
    }
    let folder = sub_folder();
    let said = init(&folder, RUN, &["--bench", "services/shop/bench", "--ci", "plain"]);
    said.exits(0).says("sh services/shop/bench/gate.sh BASE");
    let script = |words: &[&str]| {
        let words = [&["services/shop/bench/gate.sh"], words].concat();
        let mut command = folder.program("sh", &words);
        outcome(&command.env("DUET", DUET).output().expect("it ends"))
    };
    script(&[]).exits(2).says("gate.sh BASE, such as");
    // It is duet that speaks, in the folder of the server.
    script(&["no-such-ref"]).exits(4).says("no-such-ref");
    assert!(!folder.path().join("results").exists());
}

#[test]
fn what_ci_refuses() {
    let folder = sub_folder();
    let check = |more: &[&str], code: i32, want: &str| {
        init(&folder, RUN, &[&["--bench", "services/shop/bench"], more].concat())
            .exits(code)
            .says(want);
        assert!(!folder.path().join("services/shop/bench").exists(), "{more:?}");
    };
    check(&["--ci", "github"], 2, "--ci github needs --duet OWNER/REPOSITORY@VERSION");
    check(&["--ci", "github", "--duet", "duet"], 2, "someone/duet@v0.1.0");
    check(&["--ci", "gitlab", "--duet", "someone/duet@v1"], 2, "the https address");
    check(&["--ci", "plain", "--duet", "someone/duet@v1"], 2, "is for GitHub and GitLab");
    check(&["--duet", "someone/duet@v1"], 2, "--ci");
    check(&["--ci", "travis"], 2, "github, gitlab, plain");
    // All files are written, or none.
    fs::write(folder.path().join(".github"), "").expect("a file");
    check(&["--ci", "github", "--duet", "a/b@v1"], 4, "failed to write");
    let odd = folder.path().join("a ${{ x }}");
    fs::create_dir(&odd).expect("a folder");
    fs::copy(SERVER, odd.join("server")).expect("a copy");
    let words = ["--bench", "a ${{ x }}/bench", "--ci", "github", "--duet", "a/b@v1"];
    init(&folder, RUN, &words).exits(2).says("no workflow can be written");
    folder.nothing_is_left();
}
