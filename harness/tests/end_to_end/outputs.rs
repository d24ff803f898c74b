//! Outputs that the user names, and standard output: what is no regular file is written to and
//! never replaced, and nothing panics.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::binary::{DUET, Folder, outcome};
use crate::records::{regressed, suite, write};
use crate::responder::{Act, serve};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Every output that can be named: the command, its exit code, and what each output begins with.
fn named(url: &str) -> Vec<(String, i32, &'static str)> {
    let load = |option: &str| format!("load {url} --requests 20 -c 1 --no-ceiling {option}");
    vec![
        ("export run --format csv --out".to_owned(), 0, "suite,"),
        ("trend run --svg".to_owned(), 0, "<svg"),
        ("gate --replay gate --json".to_owned(), 1, "{"),
        ("gate --replay gate --markdown".to_owned(), 1, "# Gate"),
        ("gate --replay gate --junit".to_owned(), 1, "<?xml"),
        ("compare gate --json".to_owned(), 1, "{"),
        ("compare run run --json".to_owned(), 0, "{"),
        (load("--hdr"), 0, "#"),
        (load("--hgrm"), 0, " "),
        (load("--svg"), 0, "<svg"),
    ]
}

fn folder() -> Folder {
    let folder = crate::bombs::folder();
    write(&folder.path().join("run"), &suite("run"));
    regressed(&folder.path().join("gate"));
    folder
}

/// Reads a pipe or a socket to its end while a command writes to it.
fn reading(mut open: impl FnMut() -> Box<dyn Read> + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        open().read_to_string(&mut text).expect("it is text");
        text
    })
}

#[test]
fn what_is_no_file_is_written_to_and_stays() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let url = format!("http://{}/", serve(|_| Act::Answer(vec![HELLO.to_vec()])));
    symlink("/dev/null", at("null")).expect("a link");
    fs::write(at("target"), "before").expect("a file");
    symlink("target", at("link")).expect("a link");
    mkfifo(&at("pipe"), Mode::S_IRWXU).expect("a pipe");
    let listener = UnixListener::bind(at("socket")).expect("a socket");
    for (command, code, begin) in named(&url) {
        let run = |to: &str| {
            let words: Vec<&str> = command.split(' ').chain([to]).collect();
            folder.duet(&words).exits(code).out.clone()
        };
        run("null");
        assert!(at("null").is_symlink() && fs::read(at("null")).expect("it reads").is_empty());
        run("link");
        assert!(at("link").is_symlink());
        let text = fs::read_to_string(at("target")).expect("a file");
        assert!(text.starts_with(begin), "{command}: {text}");

        let path = at("pipe");
        let reader = reading(move || Box::new(File::open(&path).expect("a pipe")));
        run("pipe");
        assert!(reader.join().expect("it ends").starts_with(begin), "{command}");
        assert!(fs::symlink_metadata(at("pipe")).expect("it is there").file_type().is_fifo());

        let accepting = listener.try_clone().expect("a socket");
        let reader = reading(move || Box::new(accepting.accept().expect("a connection").0));
        run("socket");
        assert!(reader.join().expect("it ends").starts_with(begin), "{command}");

        // Standard output is for the file alone.
        let out = run("-");
        assert!(out.starts_with(begin), "{command}: {out}");
    }
    let export = |to| folder.duet(&["export", "run", "--format", "csv", "--out", to]);
    assert!(export("/dev/stdout").exits(0).out.starts_with("suite,"));
    // A regular file is replaced, also where its folder is new.
    fs::write(at("file"), "before").expect("a file");
    for name in ["file", "new/file"] {
        export(name).exits(0);
        let text = fs::read_to_string(at(name)).expect("a file");
        assert!(text.starts_with("suite,"), "{text}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().collect();
    let partial = |e: &fs::DirEntry| e.file_name().to_string_lossy().ends_with(".partial");
    assert!(!left.iter().any(partial), "{left:?}");
}

#[test]
fn a_pipe_that_nobody_reads_is_an_error() {
    let folder = folder();
    mkfifo(&folder.path().join("pipe"), Mode::S_IRWXU).expect("a pipe");
    let words = ["export", "run", "--format", "csv", "--out", "pipe"];
    folder.duet(&words).exits(4).says("nobody reads from the pipe pipe");
}

/// Commands that print, with their exit codes.
fn printing(url: &str) -> Vec<(String, i32)> {
    [
        ("report run", 0),
        ("export run --format csv", 0),
        ("trend run", 0),
        ("gate --replay gate", 1),
        ("compare gate", 1),
        ("compare run run", 0),
        ("explain gate requests_per_second", 0),
        ("baseline list", 0),
        ("list", 0),
    ]
    .map(|(command, code)| (command.to_owned(), code))
    .into_iter()
    .chain([(format!("load {url} --requests 20 -c 1 --no-ceiling"), 0)])
    .collect()
}

#[test]
fn standard_output_that_takes_nothing_is_no_panic() {
    let folder = folder();
    let url = format!("http://{}/", serve(|_| Act::Answer(vec![HELLO.to_vec()])));
    for (command, code) in printing(&url) {
        let shell = |redirected: &str| {
            let script = format!("exec {DUET} {command} {redirected}");
            outcome(&folder.program("sh", &["-c", &script]).output().expect("sh starts"))
        };
        let full = shell("> /dev/full");
        full.exits(4).says("failed to write to standard output");
        assert!(!full.err.contains("panicked"), "{}", full.err);
        if code == 1 {
            full.says("REGRESSED");
        }
        shell("> /dev/null 2> /dev/full").exits(code);
        shell(">&-").exits(code);
        // A reader that is gone.
        let words: Vec<&str> = command.split(' ').collect();
        let mut child = folder.command(&words).stdout(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let gone = outcome(&child.wait_with_output().expect("it ends"));
        gone.exits(code);
        assert!(!gone.err.contains("panicked"), "{}", gone.err);
    }
}

#[test]
fn names_that_are_not_utf8_are_no_panic() {
    let folder = folder();
    let name = OsStr::from_bytes(b"\xff\xfe run");
    fs::rename(folder.path().join("run"), folder.path().join(name)).expect("a folder");
    let check = |words: &[&OsStr], code: i32| {
        let mut command = folder.command(&[]);
        let outcome = outcome(&command.args(words).output().expect("it starts"));
        outcome.exits(code);
        assert!(!outcome.err.contains("panicked"), "{}", outcome.err);
    };
    let word = OsStr::new;
    check(&[word("report"), name], 0);
    check(&[word("export"), name, word("--format"), word("csv"), word("--out"), name], 4);
    check(&[word("trend"), name], 0);
    check(&[word("gate"), word("--replay"), name], 2);
    check(&[word("run"), word("s"), word("--bench"), name], 2);
    check(&[word("load"), word("http://127.0.0.1:1/"), word("--cases"), name], 2);
    check(&[name], 2);
    // The working folder, too.
    let inside = Path::new(name);
    let mut command = folder.command(&["report", "."]);
    let report = command.current_dir(folder.path().join(inside)).output().expect("it starts");
    outcome(&report).exits(0);
}
