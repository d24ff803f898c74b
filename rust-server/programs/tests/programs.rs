//! Every program of every lane against published outputs, against a plain Python version of it,
//! and on what it must refuse.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};
use std::thread;

macro_rules! binaries {
    ($($name:literal)*) => { &[$(($name, env!(concat!("CARGO_BIN_EXE_", $name)))),*] };
}

/// Names, each a lane and a program, and paths.
const BINARIES: &[(&str, &str)] = binaries! {
    "std-binary-trees" "std-fannkuch-redux" "std-fasta" "std-k-nucleotide" "std-mandelbrot"
    "std-n-body" "std-reverse-complement" "std-spectral-norm"
    "idiomatic-binary-trees" "idiomatic-contention" "idiomatic-fannkuch-redux"
    "idiomatic-k-nucleotide" "idiomatic-mandelbrot" "idiomatic-pidigits" "idiomatic-ping-pong"
    "idiomatic-pipeline" "idiomatic-regex-redux" "idiomatic-spectral-norm" "idiomatic-tasks"
    "tuned-binary-trees" "tuned-fannkuch-redux" "tuned-fasta" "tuned-mandelbrot" "tuned-n-body"
    "tuned-pidigits" "tuned-regex-redux" "tuned-spectral-norm"
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/data/benchmarks-game");

/// Program, and the least and the greatest N it takes.
const RANGES: [(&str, &str, &str); 11] = [
    ("binary-trees", "0", "30"),
    ("contention", "1", "100000000"),
    ("fannkuch-redux", "1", "16"),
    ("fasta", "0", "1000000000"),
    ("mandelbrot", "1", "32768"),
    ("n-body", "0", "10000000000"),
    ("pidigits", "0", "1000000"),
    ("ping-pong", "1", "1000000000"),
    ("pipeline", "1", "1000000000"),
    ("spectral-norm", "1", "100000"),
    ("tasks", "1", "10000000"),
];

/// Name and path of a program in each lane that has it.
fn lanes_of(program: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let ending = format!("-{program}");
    let mut lanes = BINARIES.iter().filter(move |(name, _)| name.ends_with(&ending)).peekable();
    assert!(lanes.peek().is_some(), "no binary for {program}");
    lanes
}

fn run(path: &str, arguments: &[&str], stdin: &[u8], stdout: impl Into<Stdio>) -> Output {
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut input = child.stdin.take().expect("standard input is a pipe");
    // A pipe must be filled and emptied at the same time. A program may refuse before it has read.
    thread::scope(|scope| {
        scope.spawn(move || input.write_all(stdin));
        child.wait_with_output().expect("a child can be waited for")
    })
}

fn output(path: &str, arguments: &[&str], stdin: &[u8]) -> Vec<u8> {
    let output = run(path, arguments, stdin, Stdio::piped());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{path} {arguments:?}: {stderr}");
    output.stdout
}

fn fasta(n: &str) -> Vec<u8> {
    output(env!("CARGO_BIN_EXE_std-fasta"), &[n], b"")
}

fn published(file: &str) -> Vec<u8> {
    fs::read(format!("{DATA}/{file}")).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Checks a program's output in every lane. Errors show text, where it is text.
fn check(program: &str, arguments: &[&str], stdin: &[u8], want: &[u8]) {
    for (name, path) in lanes_of(program) {
        let got = output(path, arguments, stdin);
        if got != want {
            let (got, want) = (String::from_utf8_lossy(&got), String::from_utf8_lossy(want));
            let short = |text: &str| text.chars().take(1000).collect::<String>();
            panic!("{name} {arguments:?}:\ngot:\n{}\nwant:\n{}", short(&got), short(&want));
        }
    }
}

#[test]
fn outputs_are_those_published() {
    for (program, n, file) in [
        ("binary-trees", "10", "binary-trees-10.txt"),
        ("fannkuch-redux", "7", "fannkuch-redux-7.txt"),
        ("fasta", "1000", "fasta-1000.txt"),
        ("mandelbrot", "200", "mandelbrot-200.pbm"),
        ("n-body", "1000", "n-body-1000.txt"),
        ("pidigits", "30", "pidigits-30.txt"),
        ("spectral-norm", "100", "spectral-norm-100.txt"),
    ] {
        check(program, &[n], b"", &published(file));
    }
    let fasta = published("fasta-1000.txt");
    for program in ["k-nucleotide", "regex-redux", "reverse-complement"] {
        let want = published(&format!("{program}-fasta-1000.txt"));
        check(program, &[], &fasta, &want);
        check(program, &["0"], &fasta, &want);
    }
}

/// Values from other collections of these programs, and from independent implementations.
#[test]
fn outputs_at_further_n() {
    let trees = "stretch tree of depth 7\t check: 255\n64\t trees of depth 4\t check: 1984\n\
                 16\t trees of depth 6\t check: 2032\nlong lived tree of depth 6\t check: 127\n";
    for (program, n, want) in [
        ("binary-trees", "6", trees),
        ("binary-trees", "0", trees),
        ("fannkuch-redux", "1", "0\nPfannkuchen(1) = 0\n"),
        ("fannkuch-redux", "3", "2\nPfannkuchen(3) = 2\n"),
        ("fannkuch-redux", "4", "4\nPfannkuchen(4) = 4\n"),
        ("fannkuch-redux", "5", "11\nPfannkuchen(5) = 7\n"),
        ("fannkuch-redux", "6", "49\nPfannkuchen(6) = 10\n"),
        ("fannkuch-redux", "10", "73196\nPfannkuchen(10) = 38\n"),
        ("n-body", "0", "-0.169075164\n-0.169075164\n"),
        ("n-body", "1", "-0.169075164\n-0.169074954\n"),
        ("spectral-norm", "2", "1.183350177\n"),
        ("spectral-norm", "10", "1.271844019\n"),
        ("spectral-norm", "101", "1.274220109\n"),
        ("pidigits", "0", ""),
        ("pidigits", "27", "3141592653\t:10\n5897932384\t:20\n6264338   \t:27\n"),
    ] {
        check(program, &[n], b"", want.as_bytes());
    }
    check("mandelbrot", &["8"], b"", b"P4\n8 8\n\x02\x00\x0f\x2f\xff\x2f\x0f\x00");
    for (name, path) in lanes_of("pidigits") {
        let digits = output(path, &["100"], b"");
        assert!(digits.len() == 151 && digits.ends_with(b"\n5342117067\t:100\n"), "{name} 100");
    }
}

/// Each output follows from N.
#[test]
fn concurrent_programs_lose_nothing() {
    for n in [1_u64, 3, 4, 5, 1000, 20_001] {
        let added = 8 * n;
        let contention = format!("mutex {added}\natomic {added}\nsharded map {added}\n");
        for (program, want) in [
            ("contention", contention),
            ("ping-pong", format!("{}\n", 2 * n)),
            ("pipeline", format!("{}\n", n * (n + 2))),
            ("tasks", format!("{n} tasks, sum {}\n", n * (n + 1) / 2)),
        ] {
            check(program, &[&n.to_string()], b"", want.as_bytes());
        }
    }
}

/// Units in the last of nine places may differ with fused multiplication.
#[test]
fn n_body_is_right_to_eight_places() {
    for (name, path) in lanes_of("n-body") {
        let text = String::from_utf8(output(path, &["10000"], b"")).expect("digits are UTF-8");
        let energies: Vec<f64> = text.lines().map(|line| line.parse().expect("a number")).collect();
        for (got, want) in energies.iter().zip([-0.169075164, -0.169016441]) {
            assert!((got - want).abs() <= 1e-8, "{name} 10000: {text}");
        }
        assert_eq!(energies.len(), 2, "{name} 10000: {text}");
    }
}

#[test]
fn fasta_piped_into_the_others() {
    let fasta = fasta("25000");
    for (name, path) in lanes_of("regex-redux") {
        let text = String::from_utf8(output(path, &[], &fasta)).expect("the output is ASCII");
        let numbers: Vec<&str> =
            text.lines().filter_map(|line| line.split(' ').next_back()).collect();
        let want = "2 7 19 16 27 7 6 9 11  254245 250000 136381";
        assert_eq!(numbers.join(" "), want, "{name}");
    }
    for program in ["k-nucleotide", "reverse-complement"] {
        let (_, first) = lanes_of(program).next().expect("lanes_of makes sure");
        check(program, &[], &fasta, &output(first, &[], &fasta));
    }
    for (name, path) in lanes_of("reverse-complement") {
        let twice = output(path, &[], &output(path, &[], &fasta));
        assert!(twice == with_sequences_in_upper_case(&fasta), "{name} twice is not the input");
    }
}

fn with_sequences_in_upper_case(fasta: &[u8]) -> Vec<u8> {
    let lines = fasta.split_inclusive(|byte| *byte == b'\n');
    let upper_case = |line: &[u8]| {
        if line.starts_with(b">") { line.to_vec() } else { line.to_ascii_uppercase() }
    };
    lines.flat_map(upper_case).collect()
}

/// Odd but well-formed FASTA.
#[test]
fn sequences_of_any_form() {
    // Longer than a stretch, so that sequences lie across the ends of stretches.
    let long = format!(">THREE\n{}\n", "GGTATTTTA\nATTTATAGT".repeat(200_000));
    for (name, path) in lanes_of("k-nucleotide") {
        let text = String::from_utf8(output(path, &[], long.as_bytes())).expect("ASCII");
        assert!(text.ends_with("200000\tGGTATTTTAATTTATAGT\n"), "{name}: {text}");
    }
    let none = "0\tGGT\n0\tGGTA\n0\tGGTATT\n0\tGGTATTTTAATT\n0\tGGTATTTTAATTTATAGT\n";
    let one = format!("A 100.000\n\n\n{none}");
    let two = format!("A 50.000\nC 50.000\n\nAC 100.000\n\n{none}");
    for (program, stdin, want) in [
        ("k-nucleotide", ">THREE\nA", one.as_str()),
        ("k-nucleotide", ">ONE\nNN\n>THREE x\n\na\r\nC\n>FOUR\nNN\n", &two),
        ("reverse-complement", ">x\nacgtumrwsykvhdbn", ">x\nNVHDBMRSWYKAACGT\n"),
        ("reverse-complement", ">x y \n\nAC\nG\n>\n>z\nA\n", ">x y \nCGT\n>\n>z\nT\n"),
        ("reverse-complement", ">x\r\nAC\r\nG\r\n", ">x\nCGT\n"),
        ("reverse-complement", ">x", ">x\n"),
    ] {
        check(program, &[], stdin.as_bytes(), want.as_bytes());
    }
}

/// Skipped where there is no Python.
#[test]
fn outputs_are_those_of_the_python_version() {
    if Command::new("python3").arg("--version").output().is_err() {
        return;
    }
    let reference = format!("{DATA}/reference.py");
    for (program, n, from_fasta) in [
        ("binary-trees", "7", false),
        ("binary-trees", "11", false),
        ("fannkuch-redux", "8", false),
        ("fasta", "0", false),
        ("fasta", "1", false),
        ("fasta", "12345", false),
        ("k-nucleotide", "3000", true),
        ("mandelbrot", "1", false),
        ("mandelbrot", "50", false),
        ("mandelbrot", "64", false),
        ("n-body", "2000", false),
        ("pidigits", "123", false),
        ("regex-redux", "3000", true),
        ("reverse-complement", "3000", true),
        ("spectral-norm", "1", false),
        ("spectral-norm", "37", false),
    ] {
        let stdin = if from_fasta { fasta(n) } else { Vec::new() };
        let want = output("python3", &[&reference, program, n], &stdin);
        check(program, &[n], &stdin, &want);
    }
}

fn check_refusal(program: &str, arguments: &[&str], stdin: &str, want: &str) {
    for (name, path) in lanes_of(program) {
        let output = run(path, arguments, stdin.as_bytes(), Stdio::piped());
        let got = String::from_utf8_lossy(&output.stderr);
        assert_eq!(got, format!("{program}: {want}\n"), "{name} {arguments:?} {stdin:?}");
        assert_eq!(output.status.code(), Some(2), "{name} {arguments:?} {stdin:?}");
    }
}

#[test]
fn bad_arguments_are_refused() {
    for (program, least, greatest) in RANGES {
        let above = (greatest.parse::<u64>().expect("a number") + 1).to_string();
        let digits = "9".repeat(30);
        let refused = ["abc", "", "-1", "+7", "1.5", "1e3", "7 ", "\n", "٣", &above, &digits];
        let want = format!("N must be a whole number from {least} to {greatest}: got ");
        for argument in refused {
            check_refusal(program, &[argument], "", &format!("{want}{argument:?}"));
        }
        check_refusal(program, &[], "", &format!("{want}nothing"));
        check_refusal(program, &["7", "7"], "", &format!("{want}2 arguments"));
    }
    for program in ["k-nucleotide", "regex-redux", "reverse-complement"] {
        let want = format!("N must be a whole number from 0 to {}: got ", i64::MAX);
        for argument in ["x", "", "-1", "1.5", "9223372036854775808", &"9".repeat(30)] {
            check_refusal(program, &[argument], "", &format!("{want}{argument:?}"));
        }
        check_refusal(program, &["0", "0"], ">THREE\nA\n", &format!("{want}2 arguments"));
    }
}

#[test]
fn bad_inputs_are_refused() {
    let no_record = "standard input must be FASTA with a record >THREE";
    let no_fasta = "standard input must be FASTA, which begins with \">\"";
    let no_letters = "sequences must be of the letters ACGTUMKRYWSVBHDN";
    for (program, stdin, want) in [
        ("k-nucleotide", "", no_record),
        ("k-nucleotide", "ACGT\n", no_record),
        ("k-nucleotide", ">ONE\nACGT\n", no_record),
        ("k-nucleotide", ">THREE\n>FOUR\nACGT", no_record),
        ("k-nucleotide", ">THREE\nAN", "record >THREE must be of A, C, G and T: got 'N'"),
        ("k-nucleotide", ">THREE\nA \n", "record >THREE must be of A, C, G and T: got ' '"),
        ("regex-redux", "", no_fasta),
        ("regex-redux", "ACGT\n", no_fasta),
        ("reverse-complement", "", no_fasta),
        ("reverse-complement", "\n", no_fasta),
        ("reverse-complement", "ACGT\n", no_fasta),
        ("reverse-complement", ">x\nAC-GT\n", no_letters),
        ("reverse-complement", ">x\nAC \n", no_letters),
        ("reverse-complement", ">x\nACGT\n>y\nAC\0GT\n", no_letters),
        ("reverse-complement", ">x\nACGT\u{e9}\n", no_letters),
    ] {
        check_refusal(program, &[], stdin, want);
    }
}

#[test]
fn a_closed_pipe_ends_every_program_quietly() {
    let fasta = fasta("100000");
    for (name, path) in BINARIES {
        let (_, program) = name.split_once('-').expect("names begin with a lane");
        let (n, stdin) = match program {
            "fasta" => (vec!["10000000"], &b""[..]),
            "k-nucleotide" | "regex-redux" | "reverse-complement" => (vec![], &fasta[..]),
            _ => (vec!["7"], &b""[..]),
        };
        let (reader, writer) = io::pipe().expect("the system has pipes");
        drop(reader);
        let output = run(path, &n, stdin, writer);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
        assert_eq!(output.status.code(), Some(1), "{name}");
    }
}
