//! The arguments of `duet load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

use super::limit::Limit;
use super::raw;
use super::request::RequestArgs;
use super::series;
use super::transport::TransportArgs;
use super::values::{Percentile, count, duration, percentile, rate, share, status, timeout};
use duet_loadgen::request::exchange::Status;
use duet_loadgen::timing::arrivals::Rate;

/// Load-tests a URL
///
/// Closed loop: each connection sends its next request when it has its response. With --rate, open
/// loop: requests are sent at planned instants whatever the server does, and response times count
/// from those instants. Every response is compared; the accounts add up.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("open").args(["rate", "find_capacity"]).multiple(true)))]
pub(in crate::cmd) struct Load {
    /// Target URL: http://host[:port]/path?query, or https://...; ws:// and wss:// for WebSocket.
    ///
    /// Over WebSocket a request is a message, and its response the message that comes back.
    /// In path, query, header values and bodies `{seq}` stands for the number of the request and
    /// `{rand}` for a random number, both of ten digits; `{seq:4}` and `{rand:4}` have four.
    #[arg(value_name = "URL", required_unless_present = "targets")]
    pub(super) url: Option<String>,

    /// Connections [default: 50].
    #[arg(short, long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) connections: Option<u32>,

    /// Threads [default: half the CPUs that may be used].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) threads: Option<u32>,

    /// How long to measure, such as 10s, 500ms or 1m30s; a number alone is seconds.
    #[arg(short, long, short_alias = 'z', value_name = "TIME", default_value = "10s")]
    #[arg(value_parser = duration, conflicts_with = "requests")]
    pub(super) duration: Duration,

    /// How many requests to measure, such as 5000 or 10k, instead of a duration; with --poisson, on
    /// average.
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub(super) requests: Option<u64>,

    /// Requests per second over all connections: an open loop. A:B: from A to B, evenly changing.
    /// Several, such as 100,200,400: one step after the other, each as long as --step says.
    #[arg(short = 'q', long, short_alias = 'R', alias = "qps", value_name = "N|A:B")]
    #[arg(value_parser = rate, value_delimiter = ',')]
    pub(super) rate: Vec<Rate>,

    /// Random instants, as if of many independent users, instead of evenly spaced ones.
    #[arg(long, requires = "open")]
    pub(super) poisson: bool,

    /// So many requests at the same instant, with a pause that keeps the rate.
    #[arg(long, value_name = "N", requires = "open", conflicts_with = "poisson")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(super) burst: Option<u64>,

    #[command(flatten)]
    pub(super) steps: StepArgs,

    /// In a closed loop, how long each connection pauses between a response and its next request.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[arg(conflicts_with_all = ["rate", "find_capacity", "pipeline"])]
    pub(super) think: Option<Duration>,

    /// Random seed for instants, the choice of requests and `{rand}`.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,

    /// A request that is older than this when its turn comes is not sent, and counted.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "open")]
    pub(super) deadline: Option<Duration>,

    /// Time before the measured time [default: 1s; none with --requests].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) warmup: Option<Duration>,

    /// Timeout of a response: 1ms or more.
    #[arg(long, value_name = "TIME", value_parser = timeout, default_value = "10s")]
    pub(super) timeout: Duration,

    #[command(flatten)]
    pub(super) request: RequestArgs,

    #[command(flatten)]
    pub(super) transport: TransportArgs,

    /// Follow the redirects of the first response, over HTTP/1.1 and of a GET or HEAD, and load
    /// where they end. Credentials and cookies go to no other host, port or scheme.
    #[arg(short = 'L', long, conflicts_with_all = ["cases", "targets", "http2"])]
    pub(super) location: bool,

    /// Requests that are in flight on each connection, written together: HTTP/1.1 pipelining.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    #[arg(conflicts_with_all = ["rate", "disable_keepalive", "http2"])]
    pub(super) pipeline: u32,

    /// Expected status, such as 404, or 2xx for any success [default: that of the first response,
    /// which has to be a success].
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub(super) expect_status: Option<Status>,

    /// What is compared with the first response.
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    pub(super) verify: Verify,

    /// The tolerated share of requests without an ok response, such as 0.01 or 1%.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub(super) max_error_rate: f64,

    /// What must hold, such as p99=5ms or max=1s; may be repeated. Response times in an open loop,
    /// service times in a closed one.
    #[arg(long, value_name = "QUANTILE=TIME")]
    pub(super) limit: Vec<Limit>,

    #[command(flatten)]
    pub(super) capacity: CapacityArgs,

    /// Pin the threads to these CPUs, such as 2,3; one thread for each unless --threads says so.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) cpus: Vec<usize>,

    /// Do not measure what the generator reaches at most here, which takes a third of a second
    /// after the run.
    #[arg(long)]
    pub(super) no_ceiling: bool,

    /// Quantiles to show, in per cent, such as 50,90,99.5 [default: 50,90,99,99.9,99.99].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = percentile)]
    pub(super) percentiles: Vec<Percentile>,

    /// Print a histogram of the times that limits are about.
    #[arg(long, conflicts_with_all = ["json", "find_capacity"])]
    pub(super) histogram: bool,

    /// Print the result as JSON (schema duet.load/1).
    #[arg(long)]
    pub(super) json: bool,

    /// Write the histograms as a HdrHistogram log, V2.
    #[arg(long, value_name = "FILE")]
    pub(super) hdr: Option<PathBuf>,

    /// Write a line for each second: .csv or .jsonl.
    #[arg(long, value_name = "FILE", value_parser = series::file)]
    pub(super) series: Option<PathBuf>,

    /// Write a row for each request of the measured time: .csv.
    #[arg(long, value_name = "FILE", value_parser = raw::file)]
    pub(super) raw: Option<PathBuf>,

    /// Write the percentiles as a picture.
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,

    /// Write the percentiles as text for HdrHistogram's plotter, in milliseconds.
    #[arg(long, value_name = "FILE")]
    pub(super) hgrm: Option<PathBuf>,
}

/// What is compared with the first response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Verify {
    /// Status, and the body if the first two bodies are equal.
    Auto,
    /// Status and body.
    Body,
    /// Status only.
    Status,
}

/// Arguments of loads one after the other.
#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// How long each rate of --rate is measured, where there are several [with --overload: 10s].
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "open")]
    #[arg(conflicts_with_all = ["requests", "duration", "hdr", "hgrm", "series", "svg", "raw"])]
    #[arg(conflicts_with = "histogram")]
    pub(super) step: Option<Duration>,

    /// What happens beyond --rate, or beyond what --find-capacity has found: steps at this rate,
    /// at 1.5 and 2 times as much, and whether the server recovers at half of it.
    #[arg(long, requires = "open")]
    #[arg(conflicts_with_all = ["requests", "duration", "hdr", "hgrm", "series", "svg", "raw"])]
    #[arg(conflicts_with = "histogram")]
    pub(super) overload: bool,
}

impl StepArgs {
    /// Whether there are steps.
    pub(super) fn are_there(&self) -> bool {
        self.step.is_some() || self.overload
    }
}

/// Arguments of the search.
#[derive(Debug, Args)]
pub(super) struct CapacityArgs {
    /// Search for the highest rate at which every --limit holds; --rate is where to begin
    /// [default: 1000].
    #[arg(long, requires = "limit", conflicts_with_all = ["requests", "duration", "pipeline"])]
    #[arg(conflicts_with_all = ["hdr", "hgrm", "series", "svg", "raw", "percentiles"])]
    pub(super) find_capacity: bool,

    /// How long each probe measures.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    #[arg(requires = "find_capacity")]
    pub(super) probe_duration: Duration,
}
