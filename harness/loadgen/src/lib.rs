//! The load generator. One engine, two drivers.
//!
//! For `duet run` it is a process of its own, pinned, with a job on standard input, and drives one
//! arm at a time, closed or open loop: `session` decides the windows, `search` the rates that
//! they try, `worker` has the threads, `share` is the loop that a window runs in. For `duet load`
//! it is threads of the process: `steady` has them, `stream` is their loop, closed or open. Both
//! loops ask by way of `client`; `http1`, `template` and `judge` decide what a right answer is.
//! `connection` hides whether its socket is TCP or Unix and whether TLS lies between. `http2` is
//! the loop for HTTP/2; it keeps the books of `stream`. Nothing here knows servers, suites or
//! files.

use std::io::{BufRead, ErrorKind, Write};

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use duet_process::proc;
use duet_protocol::{Event, Job, Transport};
use failure::Failure;
use session::Stop;

pub mod steady; // one load on one address: `duet load`

// What is right.
pub mod fault; // the ways to fail
pub mod http1; // the full parser
mod judge; // expected against got
pub mod template; // the fast path

// Driving.
mod alarm; // waiting until a request is due
mod batches; // taking answers several at a time
mod client; // a thread's connections to a server, and the hot path
mod connection; // one connection
pub mod pace; // planned instants
pub mod patch; // positions of a request that differ each time
mod pipe; // what is asked behind a request
mod requests; // the order of exchanges
mod share; // a thread's part of an arm, driven in windows
mod socket; // TCP and Unix sockets
pub mod target; // whom to ask
pub mod times; // histograms of windows
pub mod tls; // what may lie between a connection and its socket
mod worker; // threads

// One load.
pub mod account; // what became of every request
pub mod capacity; // the search for the highest rate that holds
pub mod first; // the first answer, which the others are held against
mod http2; // a thread's part over HTTP/2
pub mod latencies; // histograms that know what they do not know
pub mod null; // what answers every request with nothing
pub mod seconds; // what happened in each second
pub mod stream; // a thread's part

// Deciding.
mod edges; // clocks between windows
mod failure; // why a job ends early
mod search; // which rate each arm is asked for next
mod session; // one job, from start to end
mod warmup; // when it is warm, how long windows are

/// Reads a [`Job`] from the first line of `stdin`, carries it out, and writes [`Event`]s to
/// `stdout`. A job that fails ends with [`Event::Failed`], not with an error. When nobody reads
/// `stdout` any more, the generator ends quietly.
///
/// The process is killed when the thread that started it ends.
///
/// # Errors
/// When `stdin` or `stdout` break in another way than by being closed.
pub fn run(stdin: impl BufRead, mut stdout: impl Write) -> Result<()> {
    let ended = proc::die_with_parent()
        .map_err(|error| Failure::general(error).into())
        .and_then(|()| carry_out(stdin, &mut stdout));
    let ended = match ended {
        Err(Stop::Failed(Failure { arm, error })) => {
            session::emit(&mut stdout, &Event::Failed { arm, error })
        }
        ended => ended,
    };
    match ended {
        Err(Stop::Unread(error)) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("failed to talk to the harness")
        }
        _ => Ok(()),
    }
}

fn carry_out(mut stdin: impl BufRead, stdout: &mut impl Write) -> Result<(), Stop> {
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(Stop::Unread)?;
    let job: Job = serde_json::from_str(&line)
        .map_err(|error| Failure::general(format_args!("the job cannot be read: {error}")))?;
    check(&job)?;
    raise_file_limit();
    session::run(&job, stdin, stdout)
}

/// Refuses jobs that mean nothing.
fn check(job: &Job) -> Result<(), Failure> {
    let wrong_round =
        |round: &Vec<u32>| round.is_empty() || round.iter().any(|&a| a as usize >= job.arms.len());
    let mistakes = [
        (job.arms.is_empty(), "it has no arms"),
        (job.arms.iter().any(|arm| arm.exchanges.is_empty()), "an arm has no exchanges"),
        (job.cpus.is_empty(), "it has no CPUs"),
        (job.connections == 0, "it has no connections"),
        (job.rounds.len() < 2, "it has fewer than two rounds"),
        (job.rounds.iter().any(wrong_round), "a round is empty or names an arm that there is not"),
        (job.transport != Transport::Http, "windows are driven over plain HTTP/1.1 only so far"),
        (job.timeout_ns == 0, "the timeout is zero"),
        (job.open.is_some_and(|open| !open.rate.is_possible()), "its rate is nothing"),
        (job.fixed_window_ns.unwrap_or(job.window_ns) == 0, "the windows are empty"),
    ];
    match mistakes.iter().find(|(wrong, _)| *wrong) {
        Some((_, what)) => Err(Failure::general(format_args!("the job is invalid: {what}"))),
        None => Ok(()),
    }
}

/// Allows as many connections as the system lets this process have. Where that is too few, opening
/// them fails and says so.
pub(crate) fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Within the hard limit this is always allowed.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
