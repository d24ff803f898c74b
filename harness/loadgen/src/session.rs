//! One job from its first connection to its last event: connect, warm up, drive windows, report.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use super::edges::{Edge, Edges};
use super::failure::{Failure, Health};
use super::search::{self, Searches};
use super::share::Plan;
use super::times;
use super::warmup;
use super::worker::{Driven, DrivenOpen, Team};
use duet_process::proc::CpuClock;
use duet_protocol::{
    Arrivals, Event, Job, Negotiated, OpenResult, ProbeResult, Rate, ResolvedRate, SearchResult,
    WindowResult,
};
use duet_stats::SplitMix64;
use duet_units::Limit;

/// Rounds in which the pilot looks for the capacity: their median withstands a moment in which the
/// machine was slow.
const PILOT_ROUNDS: usize = 6;
/// Between telling all threads what to send and the first instant they may send at.
const START: Duration = Duration::from_micros(200);

/// Why a session ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The job cannot go on.
    Failed(Failure),
    /// Events cannot be written: nobody reads them any more, most likely.
    Unread(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Carries out `job`, which is valid. Events are written as they happen. After
/// [`Event::Driven`] it waits for a line of `proceed`, or its end.
pub(super) fn run(
    job: &Job,
    mut proceed: impl BufRead,
    mut events: impl Write,
) -> Result<(), Stop> {
    std::thread::scope(|scope| {
        let mut session = Session::connect(job, Team::start(job, scope)?)?;
        let negotiated = vec![Negotiated::default(); job.arms.len()];
        emit(&mut events, &Event::Connected { negotiated })?;

        let warm = session.warm_up()?;
        let Warm { stationary, elapsed_ns, window_ns, open, .. } = warm;
        emit(&mut events, &Event::Warm { stationary, elapsed_ns, window_ns, open })?;

        let (measured, searched) = match job.limit() {
            None => (session.measure(&warm)?, None),
            Some(limit) => {
                let (measured, searched) = session.search(limit, &warm)?;
                (measured, Some(searched))
            }
        };
        emit(&mut events, &Event::Driven)?;
        proceed.read_line(&mut String::new()).map_err(Stop::Unread)?;

        session.team.end()?;
        for result in results(measured, job.open.is_some())? {
            emit(&mut events, &Event::Window(Box::new(result)))?;
        }
        if let Some(arms) = searched {
            emit(&mut events, &Event::Searched { arms })?;
        }
        emit(&mut events, &Event::Done)
    })
}

/// Writes one event as a line.
pub(super) fn emit(events: &mut impl Write, event: &Event) -> Result<(), Stop> {
    let mut line = serde_json::to_vec(event).map_err(|e| Stop::Unread(e.into()))?;
    line.push(b'\n');
    events.write_all(&line).and_then(|()| events.flush()).map_err(Stop::Unread)
}

struct Session<'s, 'j> {
    job: &'j Job,
    team: Team<'s, 'j>,
    edges: Edges<'j>,
    health: Vec<Health>,
}

/// What the warm-up found.
struct Warm {
    stationary: bool,
    elapsed_ns: u64,
    window_ns: u64,
    /// Right answers per second of each arm.
    rates: Vec<f64>,
    open: Option<ResolvedRate>,
}

/// How a window is driven.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Closed { window_ns: u64 },
    Open { window_ns: u64, per_second: u64, arrivals: Arrivals, seed: u64 },
}

/// A window that was driven and is not encoded yet.
struct Window {
    arm: u32,
    round: u32,
    driven: Driven,
    generator_cpu_ns: u64,
    /// The clocks when it began.
    begin: Edge,
    /// Which rate it tried, if it did.
    probe: Option<ProbeResult>,
}

/// All measured windows, and the clocks behind the last.
struct Measured {
    windows: Vec<Window>,
    end: Edge,
}

impl<'s, 'j> Session<'s, 'j> {
    fn connect(job: &'j Job, team: Team<'s, 'j>) -> Result<Self, Failure> {
        let health = vec![Health::default(); job.arms.len()];
        let mut session = Self { job, team, edges: Edges::new(job)?, health };
        (0..job.arms.len()).try_for_each(|arm| session.team.prepare(arm))?;
        Ok(session)
    }

    /// Drives rounds of windows until [`warmup::is_stationary`] and every exchange was answered
    /// once, or the time for it is over. Its windows are half as long as those that are measured:
    /// what has settled shows in the number of rounds rather than in their length. One round is
    /// always driven: it decides the windows' length. Before an open loop it is a closed one too,
    /// since that warms up sooner, and a pilot may follow.
    fn warm_up(&mut self) -> Result<Warm, Failure> {
        let began = Instant::now();
        let deadline = began + Duration::from_nanos(self.job.warmup_ns);
        // In an open loop that is the length of other windows.
        let fixed_window_ns = self.job.fixed_window_ns.filter(|_| self.job.open.is_none());
        let mut window_ns = fixed_window_ns.unwrap_or(self.job.window_ns);
        let mut rates = vec![];
        let stationary = loop {
            let hurry = (!rates.is_empty()).then_some(deadline);
            let Some((round_rates, unseen)) = self.closed_round(window_ns / 2, hurry)? else {
                break false;
            };
            rates.push(round_rates);
            if fixed_window_ns.is_none() {
                let slowest =
                    warmup::recent_rates(&rates).into_iter().fold(f64::INFINITY, f64::min);
                window_ns = warmup::window_ns(self.job.window_ns, self.job.connections, slowest);
            }
            if unseen == 0 && warmup::is_stationary(&rates) {
                break true;
            }
        };
        let elapsed_ns = began.elapsed().as_nanos() as u64; // 584 years
        let open = self.rate(window_ns)?;
        if let Some(open) = open {
            let needed = warmup::open_window_ns(self.job.window_ns, open.rate_per_second);
            window_ns = self.job.fixed_window_ns.unwrap_or(needed);
        }
        let rates = warmup::recent_rates(&rates);
        Ok(Warm { stationary, elapsed_ns, window_ns, rates, open })
    }

    /// The rate of an open loop, if it is given. Where it is a share of a capacity not known yet,
    /// the arms are driven as hard as they go to find that out.
    fn rate(&mut self, window_ns: u64) -> Result<Option<ResolvedRate>, Failure> {
        let Some(open) = self.job.open else { return Ok(None) };
        let (share, capacity) = match open.rate {
            Rate::PerSecond(rate_per_second) => {
                return Ok(Some(ResolvedRate { rate_per_second, capacity_per_second: None }));
            }
            Rate::Within(_) => return Ok(None),
            Rate::Share { share, capacity_per_second } => (share, capacity_per_second),
        };
        let capacity = match capacity {
            Some(capacity) => capacity,
            None => {
                let rounds = (0..PILOT_ROUNDS).map(|_| self.closed_round(window_ns, None));
                // Without a deadline there is always a result.
                let rounds = rounds.filter_map(Result::transpose);
                let rates = rounds.map(|round| round.map(|(rates, _)| rates));
                warmup::capacity_per_second(&rates.collect::<Result<Vec<_>, _>>()?)
            }
        };
        let rate_per_second = ((capacity as f64 * share).round() as u64).max(1);
        Ok(Some(ResolvedRate { rate_per_second, capacity_per_second: Some(capacity) }))
    }

    /// Drives every arm twice, forth and back. Returns the arms' rates and how many exchanges were
    /// never answered; none if `deadline` passed meanwhile.
    fn closed_round(
        &mut self,
        window_ns: u64,
        deadline: Option<Instant>,
    ) -> Result<Option<(Vec<f64>, usize)>, Failure> {
        let arms = self.job.arms.len();
        let mut right = vec![0; arms];
        let mut time = vec![Duration::ZERO; arms];
        let mut unseen = vec![0; arms];
        for arm in (0..arms).chain((0..arms).rev()) {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
            let driven = self.drive(arm, 0, Manner::Closed { window_ns })?.driven;
            right[arm] += driven.right;
            time[arm] += driven.last_answer - driven.first_ask;
            unseen[arm] = driven.unseen;
        }
        let rates = right.iter().zip(&time).map(|(&n, time)| n as f64 / time.as_secs_f64());
        Ok(Some((rates.collect(), unseen.iter().sum())))
    }

    /// Drives the job's rounds, as many as there is time for.
    fn measure(&mut self, warm: &Warm) -> Result<Measured, Failure> {
        let job = self.job;
        let rounds = warmup::rounds(
            job.measure_ns,
            warm.window_ns,
            job.connections,
            &warm.rates,
            job.rounds.len(),
        );
        let mut windows = Vec::with_capacity(rounds * job.rounds[0].len());
        let mut turns = vec![0; job.arms.len()];
        for (round, arms) in job.rounds[..rounds].iter().enumerate() {
            for &arm in arms {
                let arm = arm as usize;
                let manner = self.manner(warm.window_ns, warm.open, turns[arm]);
                windows.push(self.drive(arm, round as u32, manner)?);
                turns[arm] += 1;
            }
        }
        let end = self.edges.read()?;
        for (arm, health) in self.health.iter().enumerate() {
            let last = windows.iter().rev().find(|window| window.arm == arm as u32);
            let trouble = last.and_then(|window| window.driven.trouble);
            health.conclude(arm as u32, job, trouble)?;
        }
        Ok(Measured { windows, end })
    }

    /// Drives probes of the arms in turn until every search is over.
    fn search(
        &mut self,
        limit: Limit,
        warm: &Warm,
    ) -> Result<(Measured, Vec<SearchResult>), Failure> {
        let mut searches = Searches::new(limit, &warm.rates, self.job);
        let mut windows = vec![];
        while let Some(turn) = searches.next() {
            let began = Instant::now();
            let rated =
                ResolvedRate { rate_per_second: turn.rate_per_second, capacity_per_second: None };
            let manner = self.manner(turn.planned_ns, Some(rated), turn.index);
            let mut window = self.drive(turn.arm, turn.round, manner)?;
            let open = &window.driven.open;
            let held = search::holds(limit, open.account.planned, open.sent_late, &open.response);
            window.probe = Some(searches.learn(&turn, held, began.elapsed()));
            windows.push(window);
        }
        Ok((Measured { windows, end: self.edges.read()? }, searches.found()))
    }

    /// How an arm's window is driven that is its `turn`-th, from 0. The instants of an open loop
    /// depend on that and on nothing else, so that all arms get the same ones.
    fn manner(&self, window_ns: u64, rated: Option<ResolvedRate>, turn: u32) -> Manner {
        let (Some(rated), Some(open)) = (rated, self.job.open) else {
            return Manner::Closed { window_ns };
        };
        Manner::Open {
            window_ns,
            per_second: rated.rate_per_second,
            arrivals: open.arrivals,
            seed: SplitMix64::derived(self.job.seed, "instants", turn).next(),
        }
    }

    /// Drives one window.
    fn drive(&mut self, arm: usize, round: u32, manner: Manner) -> Result<Window, Failure> {
        self.team.prepare(arm)?;
        let begin = self.edges.read()?;
        let cpu_ns_before = own_cpu_ns()?;
        match manner {
            Manner::Closed { window_ns } => {
                self.team.drive(arm, Instant::now() + Duration::from_nanos(window_ns))?;
            }
            Manner::Open { window_ns, per_second, arrivals, seed } => {
                let (begin, span) = (Instant::now() + START, Duration::from_nanos(window_ns));
                self.team.drive_open(arm, Plan { begin, span, per_second, arrivals, seed })?;
            }
        }
        let generator_cpu_ns = own_cpu_ns()? - cpu_ns_before;
        let driven = self.team.collect(arm)?;
        let arm = arm as u32;
        let health = &mut self.health[arm as usize];
        health.add(arm, self.job, driven.right, &driven.faults, driven.trouble)?;
        Ok(Window { arm, round, driven, generator_cpu_ns, begin, probe: None })
    }
}

/// What the harness is told about the windows.
fn results(measured: Measured, open: bool) -> Result<Vec<WindowResult>, Failure> {
    let Measured { windows, end } = measured;
    let nexts = windows.iter().skip(1).map(|window| &window.begin).chain([&end]);
    windows.iter().zip(nexts).map(|(window, next)| result(window, next, open)).collect()
}

fn result(window: &Window, next: &Edge, open: bool) -> Result<WindowResult, Failure> {
    let Window { arm, round, driven, generator_cpu_ns, begin, probe } = window;
    let cpu = next.server_cpu_ns.iter().zip(&begin.server_cpu_ns);
    Ok(WindowResult {
        arm: *arm,
        round: *round,
        elapsed_ns: (driven.last_answer - driven.first_ask).as_nanos() as u64,
        requests: driven.right,
        errors: driven.faults.by_name(),
        received_bytes: driven.received_bytes,
        server_cpu_ns: cpu.map(|(after, before)| after - before).collect(),
        generator_cpu_ns: *generator_cpu_ns,
        // Counters of stolen time may go back where a virtual machine migrates.
        server_stolen_ns: next.server_stolen_ns.saturating_sub(begin.server_stolen_ns),
        generator_stolen_ns: next.generator_stolen_ns.saturating_sub(begin.generator_stolen_ns),
        service_time: encode(&driven.service_times)?,
        open: open.then(|| open_result(&driven.open)).transpose()?,
        probe: *probe,
    })
}

/// What an open loop adds.
///
/// # Panics
/// When a request was lost track of, which would be a mistake of ours.
fn open_result(driven: &DrivenOpen) -> Result<OpenResult, Failure> {
    let account = &driven.account;
    assert!(account.adds_up(), "requests were lost track of: {account:?}");
    let at_least = (!driven.at_least.is_empty()).then(|| encode(&driven.at_least));
    Ok(OpenResult {
        planned: account.planned,
        sent: account.sent,
        sent_late: driven.sent_late,
        never_sent: account.never_sent,
        generator_spin_ns: driven.spin_ns,
        response_time: encode(&driven.response)?,
        response_time_at_least: at_least.transpose()?,
        send_lag: encode(&driven.send_lag)?,
        own_lag: encode(&driven.own_lag)?,
    })
}

fn encode(snapshot: &[(u64, u32)]) -> Result<String, Failure> {
    times::encode(snapshot).map_err(|error| Failure::general(format_args!("{error:#}")))
}

fn own_cpu_ns() -> Result<u64, Failure> {
    let read = CpuClock::own().read_ns();
    read.map_err(|e| Failure::general(format_args!("failed to read the own CPU clock: {e}")))
}
