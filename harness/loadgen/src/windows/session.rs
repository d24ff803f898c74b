//! One job from its first connection to its last event: connect, warm up, drive windows, report.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use duet_protocol::{Event, Handshakes, Job, Negotiated, Rate, ResolvedRate, SearchResult};
use duet_stats::SplitMix64;
use duet_units::Limit;

use super::arm_worker::{WindowMode, WindowPlan};
use super::health::Health;
use super::idle::IdleConnections;
use super::results::{Measured, Window, results};
use super::search::{self, Searches};
use super::warmup;
use super::workers::WorkerPool;
use crate::count::window_clocks::{ClockReading, WindowClocks};
use crate::count::window_sink::WindowCounts;
use crate::job_error::JobError;
use crate::reference;
use crate::transport::target::Target;
use crate::transport::tls::{Tls, Trust};

/// The name of a server's certificate where the job says no other.
const SERVER_NAME: &str = "localhost";
/// Between telling all threads what to send and the first instant they may send at.
const START: Duration = Duration::from_micros(200);

/// Why a session ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The job cannot go on.
    Failed(JobError),
    /// Events cannot be written: nobody reads them any more, most likely.
    Unread(io::Error),
}

impl From<JobError> for Stop {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

/// Carries out `job`, which is valid. Events are written as they happen. After [`Event::Idle`] and
/// [`Event::Driven`] it waits for a line of `proceed`, or its end.
pub(crate) fn run(
    job: &Job,
    mut proceed: impl BufRead,
    mut events: impl Write,
) -> Result<(), Stop> {
    let targets = targets(job)?;
    std::thread::scope(|scope| {
        let pool = WorkerPool::start(job, &targets, scope)?;
        let mut session =
            Session { job, pool, clocks: WindowClocks::new(job)?, health: vec![], totals: vec![] };
        let negotiated = session.connect(&targets)?;
        emit(&mut events, &Event::Connected { negotiated })?;
        let mut idle = IdleConnections::new(job, &targets);
        for connections in idle_counts(job.idle) {
            idle.open(connections)?;
            emit(&mut events, &Event::Idle { connections })?;
            proceed.read_line(&mut String::new()).map_err(Stop::Unread)?;
        }

        let warm = session.warm_up()?;
        let Warm { stationary, elapsed_ns, window_ns, open, .. } = warm;
        emit(&mut events, &Event::Warm { stationary, elapsed_ns, window_ns, open })?;

        let shaken = handshakes(&targets);
        let (measured, searched) = match job.limit() {
            None => (session.measure(&warm)?, None),
            Some(limit) => {
                let (measured, searched) = session.search(limit, &warm)?;
                (measured, Some(searched))
            }
        };
        emit(&mut events, &Event::Driven)?;
        proceed.read_line(&mut String::new()).map_err(Stop::Unread)?;
        idle.verify()?;
        drop(idle);

        let lost = session.clocks.lost();
        session.pool.end()?;
        for mut result in results(measured, job.open.is_some())? {
            for (cpu_ns, lost) in result.server_cpu_ns.iter_mut().zip(&lost) {
                *cpu_ns = if *lost { 0 } else { *cpu_ns };
            }
            emit(&mut events, &Event::Window(Box::new(result)))?;
        }
        let (ok, sent) = session.totals.iter().copied().unzip();
        emit(&mut events, &Event::Totals { ok, sent })?;
        let shaken = handshakes(&targets).into_iter().zip(shaken).map(|(now, at)| now.since(at));
        let shaken: Vec<Handshakes> = shaken.collect();
        if shaken.iter().any(|arm| arm.total() > 0) {
            emit(&mut events, &Event::Handshakes { arms: shaken })?;
        }
        if let Some(arms) = searched {
            emit(&mut events, &Event::Searched { arms })?;
        }
        if lost.contains(&true) {
            emit(&mut events, &Event::CpuLost { arms: lost })?;
        }
        emit(&mut events, &Event::Done)
    })
}

/// The handshakes with each arm so far.
fn handshakes(targets: &[Target]) -> Vec<Handshakes> {
    let of = |target: &Target| target.tls.as_ref().map(Tls::handshakes).unwrap_or_default();
    targets.iter().map(of).collect()
}

/// After how many idle connections memory is read: twice, so that what the first ones cost once
/// does not count.
fn idle_counts(idle: u32) -> Vec<u32> {
    if idle == 0 { vec![] } else { vec![idle.div_ceil(10), idle] }
}

/// Writes one event as a line.
pub(crate) fn emit(events: &mut impl Write, event: &Event) -> Result<(), Stop> {
    let mut line = serde_json::to_vec(event).map_err(|e| Stop::Unread(e.into()))?;
    line.push(b'\n');
    events.write_all(&line).and_then(|()| events.flush()).map_err(Stop::Unread)
}

/// Where the arms listen, and how they are spoken to.
fn targets(job: &Job) -> Result<Vec<Target>, JobError> {
    let target = |(arm, of_arm): (u32, &duet_protocol::ArmJob)| {
        let http2 = job.transport.is_http2();
        let name = of_arm.server_name.as_deref().unwrap_or(SERVER_NAME);
        let pem = of_arm.certificate_pem.as_deref().unwrap_or_default();
        let tls = job.transport.is_tls().then(|| {
            let tls = Trust::from_pem(pem.as_bytes())
                .and_then(|trust| Tls::new(trust, None, name, http2))
                .map(|tls| if job.tls_resume { tls.resuming() } else { tls });
            tls.map_err(|why| JobError::for_arm(arm, format_args!("its certificate: {why:#}")))
        });
        Ok(Target { addr: of_arm.addr.clone(), tls: tls.transpose()?, http2 })
    };
    (0..).zip(&job.arms).map(target).collect()
}

struct Session<'s, 'j> {
    job: &'j Job,
    pool: WorkerPool<'s, 'j>,
    clocks: WindowClocks<'j>,
    health: Vec<Health>,
    /// Ok responses and requests sent so far, by arm.
    totals: Vec<(u64, u64)>,
}

/// What the warm-up found.
struct Warm {
    stationary: bool,
    elapsed_ns: u64,
    window_ns: u64,
    /// Ok responses per second of each arm.
    rates: Vec<f64>,
    open: Option<ResolvedRate>,
}

impl<'s, 'j> Session<'s, 'j> {
    /// Opens all connections. Returns what TLS agreed on with each arm.
    fn connect(&mut self, targets: &[Target]) -> Result<Vec<Negotiated>, JobError> {
        self.health = vec![Health::default(); targets.len()];
        let timeout = Duration::from_nanos(self.job.timeout_ns);
        let negotiated = (0..).zip(targets).map(|(arm, target)| {
            let negotiated = reference::negotiate(target, timeout);
            negotiated.map_err(|why| JobError::for_arm(arm, why))
        });
        let negotiated = negotiated.collect::<Result<_, _>>()?;
        (0..targets.len()).try_for_each(|arm| self.pool.prepare(arm))?;
        Ok(negotiated)
    }

    /// Drives rounds of windows until [`warmup::is_stationary`] and every exchange had an ok
    /// response, or the time for it is over. Its windows are half as long as those that are
    /// measured: what has settled shows in the number of rounds rather than in their length. One
    /// round is always driven: it decides the windows' length. Before an open loop it is a closed
    /// one too, since that warms up sooner, and a pilot may follow.
    fn warm_up(&mut self) -> Result<Warm, JobError> {
        let began = Instant::now();
        let deadline = began + Duration::from_nanos(self.job.warmup_ns);
        // In an open loop, or of a long window, that is the length of other windows.
        let alike = self.job.open.is_none() && !self.job.solo;
        let fixed_window_ns = self.job.fixed_window_ns.filter(|_| alike);
        let mut window_ns = fixed_window_ns.unwrap_or(self.job.window_ns);
        let mut rates = vec![];
        let stationary = loop {
            let hurry = (!rates.is_empty()).then_some(deadline);
            let lead = Duration::ZERO;
            let Some((round_rates, unseen)) = self.closed_round(lead, window_ns / 2, hurry)? else {
                break false;
            };
            rates.push(round_rates);
            if fixed_window_ns.is_none() {
                let slowest =
                    warmup::recent_rates(&rates).into_iter().fold(f64::INFINITY, f64::min);
                window_ns =
                    warmup::window_ns(self.job.window_ns, self.job.in_flight_max(), slowest);
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
        if self.job.solo {
            window_ns = self.job.fixed_window_ns.unwrap_or(window_ns);
        }
        let rates = warmup::recent_rates(&rates);
        Ok(Warm { stationary, elapsed_ns, window_ns, rates, open })
    }

    /// The rate of an open loop, if it is given. Where it is a share of a capacity, the arms are
    /// driven as hard as they go to find that out.
    fn rate(&mut self, window_ns: u64) -> Result<Option<ResolvedRate>, JobError> {
        let Some(open) = self.job.open else { return Ok(None) };
        let share = match open.rate {
            Rate::PerSecond(rate_per_second) => {
                return Ok(Some(ResolvedRate { rate_per_second, capacity_per_second: None }));
            }
            Rate::Within(_) => return Ok(None),
            Rate::Share(share) => share,
        };
        let rounds = warmup::pilot_rounds(window_ns, self.job.arms.len());
        let rounds = (0..rounds).map(|_| self.closed_round(self.lead(), window_ns, None));
        // Without a deadline there is always a result.
        let rounds = rounds.filter_map(Result::transpose);
        let rates = rounds.map(|round| round.map(|(rates, _)| rates));
        let capacity = warmup::capacity_per_second(&rates.collect::<Result<Vec<_>, _>>()?);
        let rate_per_second = ((capacity as f64 * share).round() as u64).max(1);
        Ok(Some(ResolvedRate { rate_per_second, capacity_per_second: Some(capacity) }))
    }

    /// Drives every arm twice, forth and back. Returns the arms' rates and how many exchanges had
    /// no ok response yet; none if `deadline` passed meanwhile.
    fn closed_round(
        &mut self,
        lead: Duration,
        window_ns: u64,
        deadline: Option<Instant>,
    ) -> Result<Option<(Vec<f64>, usize)>, JobError> {
        let arms = self.job.arms.len();
        let mut ok = vec![0; arms];
        let mut time = vec![Duration::ZERO; arms];
        let mut unseen = vec![0; arms];
        for arm in (0..arms).chain((0..arms).rev()) {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
            let span = Duration::from_nanos(window_ns);
            let counts = self.drive(arm, 0, (lead, span), WindowMode::Closed)?.counts;
            ok[arm] += counts.account.ok;
            time[arm] += counts.elapsed();
            unseen[arm] = counts.unseen;
        }
        let rates = ok.iter().zip(&time).map(|(&n, time)| n as f64 / time.as_secs_f64());
        Ok(Some((rates.collect(), unseen.iter().sum())))
    }

    /// Drives the job's rounds, as many as there is time for.
    fn measure(&mut self, warm: &Warm) -> Result<Measured, JobError> {
        let job = self.job;
        let rounds = match job.solo {
            true => 1,
            false => {
                warmup::rounds(job.measure_ns, warm.window_ns, job.arms.len(), job.rounds.len())
            }
        };
        let times = (self.lead(), Duration::from_nanos(warm.window_ns));
        let mut windows = Vec::with_capacity(rounds * job.rounds[0].len());
        let mut driven = vec![0; job.arms.len()];
        for (round, arms) in job.rounds[..rounds].iter().enumerate() {
            for &arm in arms {
                let arm = arm as usize;
                let mode = self.mode(warm.open, driven[arm]);
                windows.push(self.drive(arm, round as u32, times, mode)?);
                driven[arm] += 1;
            }
        }
        let end = self.clocks.end_at_rest()?;
        for (arm, health) in self.health.iter().enumerate() {
            let last = windows.iter().rev().find(|window| window.arm == arm as u32);
            let last_error = last.and_then(|window| window.counts.last_error);
            health.conclude(arm as u32, job, last_error)?;
        }
        Ok(Measured { windows, end })
    }

    /// Drives probes of the arms in turn until every search is over.
    fn search(
        &mut self,
        limit: Limit,
        warm: &Warm,
    ) -> Result<(Measured, Vec<SearchResult>), JobError> {
        let mut searches = Searches::new(limit, &warm.rates, self.job);
        let mut windows = vec![];
        while let Some(next) = searches.next() {
            let began = Instant::now();
            let (rate_per_second, capacity_per_second) = (next.rate_per_second, None);
            let rate = ResolvedRate { rate_per_second, capacity_per_second };
            let mode = self.mode(Some(rate), next.index);
            let times = (self.lead(), Duration::from_nanos(next.planned_ns));
            let mut window = self.drive(next.arm, next.round, times, mode)?;
            let held = search::holds(limit, &window.counts);
            window.probe = Some(searches.learn(&next, held, began.elapsed()));
            windows.push(window);
        }
        Ok((Measured { windows, end: self.clocks.end_at_rest()? }, searches.found()))
    }

    /// How an arm's window is driven that is its `index`-th, from 0. The instants of an open loop
    /// depend on that and on nothing else, so that all arms get the same ones.
    fn mode(&self, rate: Option<ResolvedRate>, index: u32) -> WindowMode {
        let (Some(rate), Some(open)) = (rate, self.job.open) else { return WindowMode::Closed };
        WindowMode::Open {
            per_second: rate.rate_per_second,
            arrivals: open.arrivals,
            seed: SplitMix64::derived(self.job.seed, "instants", index).next(),
        }
    }

    /// The lead-in of a window.
    fn lead(&self) -> Duration {
        Duration::from_nanos(self.job.lead_ns)
    }

    /// Drives one window behind its lead-in. Nothing is in flight at the edges of a closed window,
    /// since the CPU clock of a process that is running on another CPU is late by up to a tick of
    /// the kernel; an open one goes on from its lead-in without a pause.
    fn drive(
        &mut self,
        arm: usize,
        round: u32,
        (lead, span): (Duration, Duration),
        mode: WindowMode,
    ) -> Result<Window, JobError> {
        self.pool.prepare(arm)?;
        self.clocks.look()?;
        let before = self.clocks.begin()?;
        let (counts, edges) = match mode {
            WindowMode::Closed => self.drive_closed(arm, lead, span)?,
            WindowMode::Open { .. } => {
                let begin = Instant::now() + START;
                let mut counts = self.drive_part(arm, WindowPlan { begin, lead, span, mode })?;
                let edges = counts.edges.take();
                (counts, *edges.expect("the thread that leads reads its clocks at both edges"))
            }
        };
        self.totals.resize(self.job.arms.len(), (0, 0));
        let (ok, errors) = &counts.outside;
        let total = &mut self.totals[arm];
        total.0 += counts.account.ok + ok;
        total.1 += counts.account.sent + ok + errors.total();
        let health = &mut self.health[arm];
        let arm = arm as u32;
        health.add(arm, self.job, &counts.account, &counts.outside, counts.last_error)?;
        Ok(Window { arm, round, counts, before, edges, probe: None })
    }

    /// Drives a closed window behind its lead-in, which is a window that does not count.
    fn drive_closed(
        &mut self,
        arm: usize,
        lead: Duration,
        span: Duration,
    ) -> Result<(WindowCounts, [ClockReading; 2]), JobError> {
        let part = |span| WindowPlan {
            begin: Instant::now(),
            lead: Duration::ZERO,
            span,
            mode: WindowMode::Closed,
        };
        let led = (!lead.is_zero()).then(|| self.drive_part(arm, part(lead))).transpose()?;
        let begin = self.clocks.begin()?;
        let mut counts = self.drive_part(arm, part(span))?;
        let end = self.clocks.end_at_rest()?;
        counts.outside =
            led.map_or_else(Default::default, |led| (led.account.ok, led.account.errors));
        Ok((counts, [begin, end]))
    }

    fn drive_part(&mut self, arm: usize, plan: WindowPlan) -> Result<WindowCounts, JobError> {
        self.pool.drive(arm, plan)?;
        self.pool.collect(arm)
    }
}
