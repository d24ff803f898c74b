//! What the programs share: how they take N or standard input, and how they fail.
//!
//! Exit codes: 0 done; 2 an argument or an input that the program cannot use; 1 reading or writing
//! failed. Every failure is one line on standard error, except that a reader who closed the pipe
//! is told nothing.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Stdin, Write};
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::thread;

/// Standard input. A [`File`] would tell `read_to_end` its size; the rules want buffers that grow.
pub type Input = BufReader<StandardInput>;

/// Standard output without the search for line ends that [`io::Stdout`] makes in all it is given.
pub type Output = BufWriter<File>;

/// Standard input whose errors say so.
pub struct StandardInput(Stdin);

impl Read for StandardInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            io::Error::new(error.kind(), format!("failed to read standard input: {error}"))
        })
    }
}

const BUFFER_BYTES: usize = 1 << 16;

/// Runs a program whose only argument is a whole number within `range`.
pub fn with_number(
    program: &str,
    range: RangeInclusive<usize>,
    run: impl FnOnce(usize, &mut Output) -> io::Result<()>,
) -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let number = parse_number(&arguments, range);
    exit_code(program, number.and_then(|n| with_output(|out| run(n, out))))
}

/// Runs a program that reads standard input. An argument is accepted and ignored if it is a whole
/// number, since the benchmarks game starts every program with one.
pub fn with_input(
    program: &str,
    run: impl FnOnce(Input, &mut Output) -> io::Result<()>,
) -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let number = if arguments.is_empty() {
        Ok(0)
    } else {
        parse_number(&arguments, 0..=isize::MAX as usize)
    };
    let input = BufReader::with_capacity(BUFFER_BYTES, StandardInput(io::stdin()));
    exit_code(program, number.and_then(|_| with_output(|out| run(input, out))))
}

/// The error of a program that cannot use its argument or its input.
pub fn unusable(message: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message.into())
}

/// A line without its end, a line feed or a carriage return and a line feed.
pub fn without_end(line: &[u8]) -> &[u8] {
    match line {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
        text => text,
    }
}

/// How many threads can run at once: the cores this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn parse_number(arguments: &[OsString], range: RangeInclusive<usize>) -> io::Result<usize> {
    let problem = match arguments {
        [argument] => {
            let digits = argument.to_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            match digits.and_then(|text| text.parse().ok()).filter(|n| range.contains(n)) {
                Some(number) => return Ok(number),
                None => format!("{argument:?}"),
            }
        }
        [] => "nothing".to_string(),
        _ => format!("{} arguments", arguments.len()),
    };
    let (low, high) = range.into_inner();
    Err(unusable(format!("N must be a whole number from {low} to {high}: got {problem}")))
}

fn with_output(run: impl FnOnce(&mut Output) -> io::Result<()>) -> io::Result<()> {
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, stdout);
    run(&mut out)?;
    out.flush()
}

fn exit_code(program: &str, result: io::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if error.kind() != ErrorKind::BrokenPipe {
        eprintln!("{program}: {error}");
    }
    ExitCode::from(if error.kind() == ErrorKind::InvalidData { 2 } else { 1 })
}
