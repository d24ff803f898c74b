//! A load generator that checks every response.
//!
//! It drives HTTP/1.1 and HTTP/2 servers over TCP or Unix sockets, with or without TLS, in a closed
//! loop (each connection sends its next request when it has its response) or an open one (requests
//! are sent at planned instants, whatever the server does, and response times count from there).
//! Every response is compared with the expected one; every request planned is accounted for.
//!
//! [`load::run`] drives one load from threads of the calling process. [`run`] is a process of its
//! own that takes a [`Job`] and drives several servers in turn, in windows of some milliseconds
//! over connections that stay open. [`capacity`] searches the highest rate that a server holds, and
//! [`null_server`] is a server so fast that the generator's own limit shows.
//!
//! There is one driver. `transport` turns requests into bytes and events into completions, `count`
//! enters them, `timing` says when a request is due, `request` which is next, and `response` is
//! where one is checked.

#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout)]

use std::io::{BufRead, ErrorKind, Write};

use anyhow::{Context, Result};

use duet_process::proc;
use duet_protocol::{Event, Job};
use job_error::JobError;
use windows::session::{self, Stop};

pub mod capacity;
pub mod count;
mod driver;
pub mod error_kind;
mod job_error;
mod limits;
pub mod load;
pub mod null_server;
pub mod reason;
pub mod reference;
pub mod request;
pub mod response;
pub mod system;
pub mod timing;
pub mod transport;
mod windows;

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
        .map_err(|error| JobError::general(error).into())
        .and_then(|()| carry_out(stdin, &mut stdout));
    let ended = match ended {
        Err(Stop::Failed(error)) => {
            let failed = Event::Failed { arm: error.arm(), error: error.to_string() };
            session::emit(&mut stdout, &failed)
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
        .map_err(|error| JobError::general(format_args!("the job cannot be read: {error}")))?;
    check(&job)?;
    system::raise_file_limit();
    session::run(&job, stdin, stdout)
}

/// How many members the rooms have in which the messages of all exchanges are sent; none: they have
/// no messages, or differ.
fn members(job: &Job) -> Option<u32> {
    let mut members = job.arms.iter().flat_map(|arm| &arm.exchanges).map(|exchange| {
        let message = exchange.message.as_ref()?;
        Some(message.members)
    });
    let first = members.next()?;
    first.filter(|first| members.all(|other| other == Some(*first)))
}

/// Refuses jobs that mean nothing.
fn check(job: &Job) -> Result<(), JobError> {
    let wrong_round =
        |round: &Vec<u32>| round.is_empty() || round.iter().any(|&a| a as usize >= job.arms.len());
    let http2 = job.transport.is_http2();
    let untrusted = job.transport.is_tls() && job.arms.iter().any(|a| a.certificate_pem.is_none());
    let mut exchanges = job.arms.iter().flat_map(|arm| &arm.exchanges);
    let messages = job.has_messages();
    let streams = exchanges.clone().any(|exchange| exchange.event_ns.is_some());
    let calls = exchanges.any(|exchange| exchange.grpc_status.is_some());
    let members = members(job);
    let rooms = members.map(|members| job.connections / members.max(1));
    let mistakes = [
        (job.arms.is_empty(), "it has no arms"),
        (job.arms.iter().any(|arm| arm.exchanges.is_empty()), "an arm has no exchanges"),
        (job.cpus.is_empty(), "it has no CPUs"),
        (job.connections == 0, "it has no connections"),
        (job.streams == 0, "its connections have no streams"),
        (job.tls_resume && !job.transport.is_tls(), "there are no TLS sessions to resume"),
        (job.streams > 1 && !http2, "several streams on a connection need HTTP/2"),
        (streams && http2, "streams of events need HTTP/1.1"),
        (messages && http2, "messages over WebSocket need HTTP/1.1"),
        (calls && !http2, "calls of gRPC need HTTP/2"),
        (messages && (job.churn || job.idle > 0), "messages need connections that stay in use"),
        (messages != members.is_some(), "some exchanges have messages, and their rooms differ"),
        (
            members.is_some_and(|n| !job.connections.is_multiple_of(n)),
            "its connections are no whole rooms",
        ),
        (rooms.is_some_and(|rooms| (rooms as usize) < job.cpus.len()), "a thread has no room"),
        (job.churn && http2, "a connection for each request needs HTTP/1.1"),
        (untrusted, "an arm has no certificate"),
        (job.rounds.len() < 2, "it has fewer than two rounds"),
        (job.rounds.iter().any(wrong_round), "a round is empty or names an arm that there is not"),
        (job.timeout_ns == 0, "the timeout is zero"),
        (job.open.is_some_and(|open| !open.rate.is_possible()), "its rate is nothing"),
        (job.fixed_window_ns.unwrap_or(job.window_ns) == 0, "the windows are empty"),
    ];
    match mistakes.iter().find(|(wrong, _)| *wrong) {
        Some((_, what)) => Err(JobError::general(format_args!("the job is invalid: {what}"))),
        None => Ok(()),
    }
}
