//! Versions that run what is installed on the machine, by one way or another: each would be
//! compared with itself. And those that look like it and run files of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::SIX;
use super::bench::Bench;
use crate::binary::{Outcome, SERVER, outcome};

/// A module of Python that serves what the tests expect.
const PYTHON: &str = r#"import asyncio, sys
BODY = b'{"message":"hello world"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write((HEAD % len(BODY) + BODY) * data.count(b"\r\n\r\n"))
async def main():
    loop = asyncio.get_running_loop()
    await (await loop.create_server(Http, "127.0.0.1", int(sys.argv[1]))).serve_forever()
asyncio.run(main())
"#;

/// A repository, and a folder that stands for what is installed: `bin` is on the PATH.
struct Machine {
    bench: Bench,
    installed: TempDir,
}

impl Machine {
    fn new() -> Self {
        let installed = TempDir::new().expect("a temporary folder");
        fs::create_dir(installed.path().join("bin")).expect("a folder");
        fs::copy(SERVER, installed.path().join("bin/shop")).expect("a copy");
        Self { bench: Bench::new(SIX), installed }
    }

    /// The machine with a repository of such a server: what `INSTALLED` stands for is filled in.
    fn with(self, table: &str) -> Self {
        let table = table.replace("INSTALLED", &self.installed.path().display().to_string());
        self.bench.edit("servers.toml", |text| {
            let rest = text.splitn(3, "[[server]]").nth(2).expect("there are three");
            format!(
                "[[server]]\nname = \"fast\"\nlanguage = \"Any\"\nlanes = [\"std\"]\n\
                 summary = \"For tests\"\nexternal = true\nworkloads = [\"hello\"]\n{table}\n\
                 [[server]]{rest}"
            )
        });
        self.bench.git(&["init", "--quiet", "--initial-branch=main"]);
        self.bench.git(&["add", "."]);
        self.bench.commit("first");
        self
    }

    /// Writes a file of the repository.
    fn has(self, name: &str, text: &str) -> Self {
        write(&self.bench.path().join(name), text);
        self
    }

    /// Writes a file that is installed.
    fn knows(self, name: &str, text: &str) -> Self {
        write(&self.installed.path().join(name), text);
        self
    }

    /// A block of the first commit and what is on the disk.
    fn compares(&self) -> Outcome {
        let words = ["compare", "git:main", "dir:.", "--server", "fast", "--blocks", "1"];
        let mut command = self.bench.command(&words);
        let path = std::env::var("PATH").expect("there is a PATH");
        command.env("PATH", format!("{}:{path}", self.installed.path().join("bin").display()));
        let said = outcome(&command.output().expect("it ends"));
        self.bench.nothing_is_left();
        said
    }

    #[track_caller]
    fn refuses(&self, why: &str) {
        self.compares().exits(5).says(why).says("Let `build`");
    }

    #[track_caller]
    fn measures(&self) {
        self.compares().exits(0);
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// What is said of a command that needs no file of its version.
const WITHOUT: &str = "gives the same response without any file of this version";

/// What is said of a path that leads out.
const OUTSIDE: &str = "which is not in this version's folder";

#[test]
fn a_name_on_the_path() {
    Machine::new().with("run = [\"shop\", \"--addr\", \"{addr}\"]").refuses(WITHOUT);
    // By a script of the version that starts it.
    let script = "cd /; exec shop --addr 127.0.0.1:$PORT\n";
    let table = "run = [\"sh\", \"run.sh\"]\nenv = { PORT = \"{port}\" }";
    Machine::new().has("run.sh", script).with(table).refuses(WITHOUT);
    // By a script that starts one of its own.
    let table = format!("build = [\"cp\", \"-f\", \"{SERVER}\", \"shop\"]\n{table}");
    Machine::new().has("run.sh", "./shop --addr 127.0.0.1:$PORT\n").with(&table).measures();
    // An interpreter with a file of the version, by its absolute path.
    let table = table.replace("\"run.sh\"", "\"-c\", \"exec sh $PWD/run.sh\"");
    Machine::new().has("run.sh", "./shop --addr 127.0.0.1:$PORT\n").with(&table).measures();
}

/// An installation that needs a file of the version, and is a build's.
#[test]
fn a_build_that_installs() {
    let table = format!(
        "build = [\"cp\", \"-f\", \"{SERVER}\", \"INSTALLED/bin/shop\"]\n\
         run = [\"shop\", \"--addr\", \"{{addr}}\", \"--delay-us-file\", \"delay.txt\"]"
    );
    let machine = Machine::new().has("delay.txt", "90").with(&table);
    machine.refuses("which was written during this comparison");
    let script = "exec INSTALLED/bin/shop --addr $1 --delay-us-file delay.txt\n";
    let script = script.replace("INSTALLED", &machine.installed.path().display().to_string());
    let table = table.replace("[\"shop\", \"--addr\",", "[\"sh\", \"run.sh\",");
    let machine = Machine { bench: Bench::new(SIX), ..machine };
    let machine = machine.has("delay.txt", "90").has("run.sh", &script).with(&table);
    machine.refuses("which was written during this comparison");
}

#[test]
fn links_that_lead_out() {
    let link = |what: &str| format!("build = [\"ln\", \"-sfn\", \"INSTALLED/{what}\", \"linked\"]");
    let table = format!("{}\nrun = [\"./linked\", \"--addr\", \"{{addr}}\"]", link("bin/shop"));
    Machine::new().with(&table).refuses(OUTSIDE);
    // A folder of packages, of which one is linked, as `npm link` does.
    let script = "exec shop --addr $1\n";
    let table = format!("{}\nrun = [\"sh\", \"linked/cli.sh\", \"{{addr}}\"]", link("pack"));
    Machine::new().knows("pack/cli.sh", script).with(&table).refuses(WITHOUT);
}

#[test]
fn modules_of_python() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    let run = "run = [\"python3\", \"-m\", \"shop\", \"{port}\"]";
    // Installed, or found by a path file that leads to somebody's working folder.
    let machine = Machine::new();
    let mut command = machine.bench.program("python3", &["-m", "venv", "--without-pip"]);
    outcome(&command.arg(machine.installed.path()).output().expect("it ends")).exits(0);
    let version = fs::read_dir(machine.installed.path().join("lib")).expect("a folder").flatten();
    let version = version.map(|version| version.path()).next().expect("a version of Python");
    let packages = version.join("site-packages");
    write(&packages.join("shop.py"), PYTHON);
    let machine = machine.has("src/shop.py", PYTHON).with(run);
    machine.refuses(WITHOUT);
    fs::remove_file(packages.join("shop.py")).expect("it is there");
    let machine = machine.knows("work/shop.py", PYTHON);
    let work = machine.installed.path().join("work");
    write(&packages.join("shop.pth"), &work.display().to_string());
    machine.refuses(WITHOUT);
    // An environment elsewhere, by its path.
    let elsewhere = run.replace("python3", "INSTALLED/bin/python3");
    Machine { bench: Bench::new(SIX), ..machine }.with(&elsewhere).refuses(OUTSIDE);
    // The version's own module, by the machine's interpreter and by that of its own environment.
    Machine::new().has("shop.py", PYTHON).with(run).measures();
    let own = run.replace("python3", "venv/bin/python3");
    let install = "python3 -m venv --without-pip venv && cp lib/shop.py venv/lib/*/site-packages";
    let table = format!("build = [\"sh\", \"-c\", \"{install}\"]\n{own}");
    Machine::new().has("lib/shop.py", PYTHON).with(&table).measures();
}
