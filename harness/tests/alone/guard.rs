//! What GATE.md says about guarding one's own server, carried out as it stands there: in a fresh
//! repository, for a small server of another language.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::binary::{DUET, Folder, Outcome, SERVER, outcome};

const PYTHON: &str = r#"import asyncio, sys

WORK = 0
BODY = b'{"status":"ok"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + BODY
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.pending = transport, b""

    def data_received(self, data):
        self.pending += data
        while b"\r\n\r\n" in self.pending:
            head, self.pending = self.pending.split(b"\r\n\r\n", 1)
            sum(range(WORK))
            self.transport.write(ANSWER if head.startswith(b"GET /health ") else MISSING)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Http, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
"#;

/// In the place of the margins that init writes: a test has neither the time nor the quiet for
/// small ones. CPU time and memory are what a busy machine changes least. Six blocks are the fewest
/// with which they can be decided.
const QUICK: &str = "margins_percent = { cpu_ns_per_request = 100, rss_bytes_peak = 100 }\n\
                     looks = [6]\nwindow_ms = 5\nmeasure_ms = 100\nwarmup_ms = 60\n";

/// A folder with `duet` on the PATH.
struct Repository(Folder);

impl Repository {
    fn new() -> Self {
        Self(Folder::empty())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    /// Runs commands of a shell.
    fn shell(&self, script: &str, environment: &[(&str, &str)]) -> Outcome {
        let duet = Path::new(DUET).parent().expect("it is in a folder").display().to_string();
        let path = format!("{duet}:{}", std::env::var("PATH").expect("there is a PATH"));
        let mut command = self.0.program("bash", &["-eo", "pipefail", "-c", script]);
        command.env("PATH", path);
        // Git as on a machine where nobody has set anything.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test");
            command.env(format!("GIT_{who}_EMAIL"), "test@example.org");
        }
        outcome(&command.envs(environment.iter().copied()).output().expect("bash starts"))
    }

    /// Runs commands that need no environment, and end with 0.
    #[track_caller]
    fn runs(&self, script: &str) -> Outcome {
        let outcome = self.shell(script, &[]);
        outcome.exits(0);
        outcome
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The section's blocks of code in one language.
fn blocks(language: &str) -> Vec<String> {
    let gate = fs::read_to_string(project().join("GATE.md")).expect("GATE.md");
    let section = gate.split("\n## ").find(|s| s.starts_with("Guard your own server in CI"));
    let fence = format!("```{language}\n");
    let parts = section.expect("the section").split(fence.as_str()).skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// The script of a step of the action.
fn action_step(name: &str) -> String {
    let action = fs::read_to_string(project().join("action.yml")).expect("the action");
    let step = action.split("    - name: ").find(|step| step.starts_with(name)).expect("the step");
    let (_, script) = step.split_once("      run: |\n").expect("a script");
    script.lines().take_while(|line| line.starts_with("        ")).collect::<Vec<_>>().join("\n")
}

/// Says that a test is skipped where a tool is missing.
fn lacks(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: {tool} is not installed");
    }
    !there
}

#[test]
fn the_readme_is_right() {
    if lacks("python3") || lacks("git") || lacks("bash") {
        return;
    }
    let [init, gate] = &blocks("sh")[..] else { panic!("the section has two commands") };
    let repository = Repository::new();
    repository.write("server.py", PYTHON);
    repository.write(".gitignore", "results/\nduet-gate/\n");
    repository.runs("git init -q -b main . && git add . && git commit -qm 'A server'");

    repository.runs(init).says("GET /health returns 200");
    let files = ["bench/servers.toml", "bench/workloads.toml", "bench/suites.toml"];
    let written: Vec<String> = files.map(|file| repository.read(file)).into();
    assert_eq!(written, blocks("toml"));
    assert_eq!([repository.read(".github/workflows/duet.yml")], blocks("yaml")[..]);

    let policy = repository.read("bench/suites.toml");
    let margins = policy.lines().find(|line| line.starts_with("margins_percent")).expect("them");
    let policy = policy.replace(&format!("{margins}\n"), QUICK);
    repository.write("bench/suites.toml", &policy);
    repository.runs("git add . && git commit -qm 'Gate it' && git switch -qc change");

    repository.runs(gate).says("PASS");
    repository.write("server.py", &PYTHON.replace("WORK = 0", "WORK = 20_000"));
    repository.runs("git commit -qam 'Work harder'");

    // A pull request, as the action compares it.
    let environment = [
        ("DUET", DUET),
        ("GATE", ""),
        ("BENCH", "bench"),
        ("BASE", "git:main"),
        ("HEAD", "dir:."),
        ("ONLY", ""),
        ("OUT", "duet-gate"),
        ("FAIL_ON_INCONCLUSIVE", "false"),
        ("GITHUB_OUTPUT", "output"),
        ("GITHUB_STEP_SUMMARY", "summary.md"),
    ];
    let said = repository.shell(&action_step("Gate"), &environment);
    said.exits(1).says("REGRESSED").says("::error");
    let output = repository.read("output");
    assert!(output.contains("verdict=REGRESSED\n") && output.contains("exit-code=1\n"), "{output}");
    assert!(repository.read("summary.md").contains("REGRESSED"));
    assert!(repository.read("duet-gate/junit.xml").contains("<failure"));
    assert!(repository.path("duet-gate/confirmation/run.jsonl.gz").is_file());
    repository.0.nothing_is_left();
}

#[test]
fn what_init_refuses() {
    if lacks("bash") {
        return;
    }
    let repository = Repository::new();
    let run = format!("--run '{SERVER} --addr {{addr}}'");
    let check = |arguments: &str, code: i32, want: &str| {
        repository.shell(&format!("duet init {arguments}"), &[]).exits(code).says(want);
    };
    check("", 2, "--name");
    check(&format!("--name Mine {run}"), 2, "a-z, 0-9 and -");
    check(&format!("--name mine {run} --get health"), 2, "begin it with `/`");
    check("--name mine --run './app && true'", 2, "`&&` needs one: sh -c '…'");
    check("--name mine --run ./app", 5, "failed to start ./app");
    check("--name mine --run 'A=1'", 2, "--run names no command");
    check("--name mine --run 'PORT=80 ./app'", 2, "write PORT={port}");
    check(&format!("--name mine {run} --bench a/b"), 4, "failed to find the folder a");
    check("--name mine --run './none {port}'", 5, "failed to start ./none");
    check("--name mine --run 'sh -c \"echo no >&2; exit 3\" {port}'", 5, "| no");
    check(&format!("--name mine --build 'sh -c \"exit 9\"' {run}"), 5, "exited with 9");
    check(&format!("--name mine --build no-such-tool {run}"), 5, "is not on the PATH");
    let faulty = |fault: &str| format!("--name mine --run '{SERVER} --addr {{addr}} {fault}'");
    check(&faulty("--fault wrong-body --after 2"), 2, "does not always return the same");
    check(&faulty("--fault crash"), 5, "the answer is 42");
    assert!(!repository.path("bench").exists(), "what is refused leaves nothing");

    check(&format!("--name mine {run}"), 0, "wrote bench/suites.toml");
    check(&format!("--name mine {run}"), 2, "there is already bench/servers.toml, bench/work");
    repository.runs("duet verify mine");
    let servers = repository.read("bench/servers.toml");
    assert!(servers.contains("external = true"), "{servers}");
    // The port may also go through the environment.
    let run = format!("--run 'WHERE={{port}} sh -c \"exec {SERVER} --addr 127.0.0.1:$WHERE\"'");
    check(&format!("--name other {run} --bench other"), 0, "wrote other/servers.toml");
    assert!(repository.read("other/servers.toml").contains("env.WHERE = \"{port}\""));
    repository.runs("duet verify other --bench other");
    repository.0.nothing_is_left();
}
