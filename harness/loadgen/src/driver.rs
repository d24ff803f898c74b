//! The loop of a thread: sends what is due, hands responses to where they are counted, replaces
//! connections, looks after timeouts. One loop for loads and windows, closed and open, over every
//! transport; compiled for each combination of transport and sink.
//!
//! Closed and open loops differ in their schedule only. When no slot is free, the requests of an
//! open loop wait with their planned instants; since those are given by the schedule, there is no
//! queue to keep. Asking for more than is possible therefore costs nothing.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollEvent;

use crate::count::{Mode, Sink};
use crate::job_error::JobError;
use crate::limits::{DRAIN_MAX, EVENTS, SWEEP};
use crate::request::in_flight::InFlight;
use crate::timing::coalescing::{CONNECTIONS_MIN, WakeupCoalescing};
use crate::timing::schedule::{Due, Phases, Schedule};
use crate::timing::timer::{DeadlineTimer, TIMER};
use crate::transport::{Completion, ConnectionState, Outcome, Progress, Transport};

mod pauses;
mod recovery;
mod stages;
mod sweep;
#[cfg(test)]
mod tests;

/// Longer than any load.
pub(crate) const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);
/// Delay before wake-up coalescing is first considered; reconsidered at each sweep.
const COALESCING_FIRST_CHECK: Duration = Duration::from_millis(5);
/// An open loop that is late by this much asks for more than is possible.
const OVERDUE: Duration = Duration::from_millis(10);

/// Where in its phases a load or a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The warm-up of a load, the lead-in of a window.
    Warmup,
    Measuring,
    /// Behind the measured time of a window. A closed window is measured from end to end.
    Over,
}

/// One thread of a load, or of the windows of an arm.
#[derive(Debug)]
pub(crate) struct Driver<'l, T, S> {
    pub(crate) transport: T,
    pub(crate) sink: S,
    schedule: Schedule,
    phases: Phases,
    timeout: Duration,
    /// Whether each request of a load is sent and awaited.
    promised: bool,
    /// Between two sweeps.
    sweep_pause: Duration,
    /// Set to end a load early.
    stop: Option<&'l AtomicBool>,
    /// Whether requests may be sent on vacant connections, which opens them.
    opens_on_send: bool,
    connections: Vec<Recovery>,
    /// Since when each slot is free.
    free_since: Vec<Instant>,
    /// Slots in which a request may be sent, the one that waits longest first.
    free: VecDeque<usize>,
    /// How long a slot pauses between a response and its next request.
    think: Duration,
    /// Slots that pause, and until when, in this order.
    thinking: VecDeque<(Instant, usize)>,
    timer: DeadlineTimer,
    coalescing: Option<WakeupCoalescing>,
    events: Vec<EpollEvent>,
    /// Whether the next request follows a response at once on the same connection.
    resends: bool,
    sending: bool,
    /// Requests sent, ...
    sent: u64,
    /// ... and those of them in flight.
    outstanding: usize,
    /// When waiting for responses is given up.
    drain_deadline: Instant,
    next_sweep: Instant,
    stage: Stage,
    /// How often something was found since then.
    wakeups: u64,
    /// Since when no connection is open.
    disconnected_since: Option<Instant>,
    /// Since when nothing was sent, and how much was before.
    idle_since: (Instant, u64),
}

/// What is known of a connection beside what its transport knows.
#[derive(Debug, Clone, Copy)]
struct Recovery {
    /// Failures since the last ok response, or since the window began.
    failures: u32,
    /// Since when it is being opened.
    opening_since: Instant,
    /// When to open it anew.
    reopen_at: Option<Instant>,
}

impl<'l, T: Transport, S: Sink> Driver<'l, T, S> {
    /// No connection is open yet. `churn` says that each request has a connection of its own.
    pub(crate) fn new(
        transport: T,
        sink: S,
        timeout: Duration,
        churn: bool,
        stop: Option<&'l AtomicBool>,
    ) -> Result<Self, JobError> {
        let now = Instant::now();
        let never = now + NEVER;
        let timer = DeadlineTimer::new().map_err(JobError::waiting)?;
        timer.watch(transport.epoll()).map_err(JobError::waiting)?;
        let connections = transport.connections();
        let slots = connections * transport.slots_per_connection();
        let unused = Recovery { failures: 0, opening_since: now, reopen_at: None };
        Ok(Self {
            opens_on_send: T::OPENS_ON_SEND && (churn || S::MODE == Mode::Window),
            transport,
            sink,
            schedule: Schedule::Closed { left: None },
            phases: Phases { begin: never, from: never, until: never, to: never },
            timeout,
            promised: false,
            sweep_pause: SWEEP.min(timeout / 4),
            stop,
            connections: vec![unused; connections],
            free_since: vec![now; slots],
            free: VecDeque::with_capacity(slots),
            think: Duration::ZERO,
            thinking: VecDeque::new(),
            timer,
            coalescing: None,
            events: vec![EpollEvent::empty(); EVENTS],
            resends: false,
            sending: false,
            sent: 0,
            outstanding: 0,
            drain_deadline: never,
            next_sweep: never,
            stage: Stage::Warmup,
            wakeups: 0,
            disconnected_since: None,
            idle_since: (now, 0),
        })
    }

    /// Sends each request of a load and awaits its response, however late that is.
    pub(crate) fn promise(&mut self) {
        self.promised = true;
    }

    /// Has each slot of a closed loop pause between a response and its next request.
    pub(crate) fn pause(&mut self, think: Duration) {
        self.think = think;
    }

    /// Requests sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Time spent waiting busily for planned instants, since this was asked for last.
    pub(crate) fn take_spin_ns(&mut self) -> u64 {
        std::mem::take(&mut self.timer.spin_ns)
    }

    /// Drives `schedule` until it is over and no response is awaited any more.
    pub(crate) fn drive(&mut self, schedule: Schedule, phases: Phases) -> Result<(), JobError> {
        self.begin(schedule.clone(), phases)?;
        // A closed window sends in every slot at least once, however late the thread is.
        let at_once = S::MODE == Mode::Window && !self.schedule.is_open();
        let mut now = if at_once { phases.begin } else { Instant::now() };
        loop {
            self.enter_stage(now)?;
            let sent = self.sent;
            if !self.thinking.is_empty() {
                self.end_pauses(now);
            }
            let completion = self.transport.next();
            self.proceed(completion, now)?;
            if self.sending && self.is_over(now) {
                self.stop_sending(now, if self.promised { NEVER } else { DRAIN_MAX })?;
            }
            if !self.sending && (self.outstanding == 0 || now >= self.drain_deadline) {
                break;
            }
            let open = self.schedule.is_open();
            if open && self.sent > sent {
                now = Instant::now(); // sending is no waiting
            }
            let ready = self.wait(now)?;
            self.wakeups += u64::from(ready > 0);
            now = match self.handle(ready)? {
                Some(last_read) if !open => last_read,
                _ => Instant::now(),
            };
            if now >= self.next_sweep {
                self.sweep(now)?;
            }
        }
        self.finish(schedule)
    }

    fn begin(&mut self, schedule: Schedule, phases: Phases) -> Result<(), JobError> {
        let pauses = !self.think.is_zero();
        self.resends = !schedule.is_open() && self.transport.is_sequential() && !pauses;
        self.schedule = schedule;
        self.phases = phases;
        self.sending = true;
        self.timer.spin_ns = 0;
        self.idle_since = (phases.begin, self.sent);
        let whole = S::MODE == Mode::Window && !self.schedule.is_open();
        self.stage = if whole { Stage::Over } else { Stage::Warmup };
        if S::MODE == Mode::Window {
            self.make_ready();
        }
        self.next_sweep = phases.begin + self.sweep_pause;
        if S::MODE == Mode::Load
            && self.connections.len() >= CONNECTIONS_MIN
            && self.transport.is_sequential()
            && !self.opens_on_send
            && !pauses
        {
            let coalescing = WakeupCoalescing::new(phases.begin).map_err(JobError::waiting)?;
            self.coalescing = Some(coalescing);
            self.next_sweep = phases.begin + COALESCING_FIRST_CHECK;
        }
        if pauses {
            self.spread(phases.begin);
        }
        Ok(())
    }

    /// Makes every usable slot free for a window, whatever happened in the one before.
    fn make_ready(&mut self) {
        self.free.clear();
        for slot in 0..self.free_since.len() {
            let connection = self.connection_of(slot);
            self.connections[connection].failures = 0;
            self.free_since[slot] = self.phases.begin;
            let vacant = self.transport.state(connection) == ConnectionState::Vacant;
            if self.transport.is_free(slot) || (vacant && self.opens_on_send) {
                self.free.push_back(slot);
            }
        }
    }

    /// Handles the first `ready` events. Returns the clock as it was read last, if it was.
    fn handle(&mut self, ready: usize) -> Result<Option<Instant>, JobError> {
        let mut last_read = None;
        for i in 0..ready {
            let event = self.events[i];
            if event.data() == TIMER {
                continue;
            }
            if let Some(completion) = self.transport.on_event(&event) {
                let at = completion.at;
                last_read = Some(self.proceed(Some(completion), at)?);
            }
        }
        Ok(last_read)
    }

    /// Settles what has happened and sends what is due, until neither leads to the other. Returns
    /// the clock as it was read last.
    #[inline(always)]
    fn proceed(
        &mut self,
        mut completion: Option<Completion>,
        mut now: Instant,
    ) -> Result<Instant, JobError> {
        loop {
            while let Some(Completion { slot, progress, at }) = completion {
                now = at;
                self.settle(slot, progress, at)?;
                completion = self.transport.next();
            }
            if self.free.is_empty() || !self.dispatch(now)? {
                return Ok(now);
            }
            completion = self.transport.next();
        }
    }

    /// Sends what is due in slots that are free. Says whether anything was sent.
    #[inline]
    fn dispatch(&mut self, mut now: Instant) -> Result<bool, JobError> {
        if !self.sending || now < self.phases.begin {
            return Ok(false);
        }
        let open = self.schedule.is_open();
        if S::MODE == Mode::Window && open && now >= self.phases.to {
            return Ok(false);
        }
        let sent = self.sent;
        let mut clock = now;
        while let Some(&slot) = self.free.front() {
            let room = self.transport.room(slot);
            let mut queued = 0;
            while queued < room {
                let (planned, measured) = match self.schedule.take(now, &self.phases) {
                    Due::Nothing => break,
                    Due::Shed { planned, measured } => {
                        self.sink.shed(planned, now, measured);
                        continue;
                    }
                    Due::Send { planned, measured } => (planned, measured),
                };
                if open {
                    now = Instant::now();
                    clock = now;
                } else if queued == 0 && self.sent > sent {
                    clock = Instant::now(); // of the first slot it was read just now
                }
                queued += 1;
                let planned = open.then_some(planned);
                self.enqueue(slot, InFlight::new(planned, measured, clock));
            }
            if queued == 0 && room > 0 {
                break; // nothing is due any more
            }
            self.free.pop_front();
            if queued > 0 {
                let progress = self.transport.flush(slot);
                if !matches!(progress, Progress::Pending) {
                    self.settle_failed(slot, progress, clock)?;
                }
            }
        }
        Ok(self.sent > sent)
    }

    #[inline]
    fn enqueue(&mut self, slot: usize, request: InFlight) {
        self.sink.sent(&request, self.free_since[slot]);
        self.sent += 1;
        self.outstanding += 1;
        self.transport.enqueue(slot, request);
    }

    /// Counts what has happened, and makes slot and connection ready for what comes next.
    #[inline(always)] // where responses come from; elsewhere it is called by way of the next
    fn settle(&mut self, slot: usize, progress: Progress, now: Instant) -> Result<(), JobError> {
        let connection = self.connection_of(slot);
        match progress {
            Progress::Pending => {}
            Progress::Completed(request, Outcome::Ok { service_ns }) => {
                self.outstanding -= 1;
                self.connections[connection].failures = 0;
                self.sink.ok(&request, connection, service_ns, now, &self.phases);
                if self.resends && self.sending && self.free.is_empty() {
                    return self.resend(slot, now);
                }
                self.release(slot, now);
            }
            Progress::Completed(request, Outcome::Mismatch(mismatch)) => {
                self.outstanding -= 1;
                self.sink.mismatch(&request, *mismatch, now)?;
                self.release(slot, now);
            }
            Progress::Completed(request, Outcome::Failed(error)) => {
                self.outstanding -= 1;
                self.sink.failed(&request, *error, now);
                self.release_failed(slot, error.kind, now);
            }
            Progress::Opened => self.slots_of(connection).for_each(|slot| {
                if self.transport.is_free(slot) {
                    self.push_free(slot, now);
                }
            }),
            Progress::Ready => self.free.push_back(slot),
            Progress::Unsolicited(mismatch) => {
                self.sink.unsolicited(*mismatch)?;
                self.replace(connection, None, now);
            }
            Progress::Disconnected(error) => {
                self.sink.disconnected(*error);
                self.replace(connection, Some(error.kind), now);
            }
        }
        Ok(())
    }

    /// Sends the next request of a closed loop where a response has come, without a detour by the
    /// queue.
    #[inline(always)]
    fn resend(&mut self, slot: usize, now: Instant) -> Result<(), JobError> {
        if self.transport.is_free(slot)
            && let Due::Send { measured, .. } = self.schedule.take(now, &self.phases)
        {
            self.enqueue(slot, InFlight::new(None, measured, now));
            return match self.transport.flush(slot) {
                Progress::Pending => Ok(()),
                progress => self.settle_failed(slot, progress, now),
            };
        }
        self.release(slot, now);
        Ok(())
    }

    /// Counts a request that failed in sending, or in time.
    #[cold]
    fn settle_failed(
        &mut self,
        slot: usize,
        progress: Progress,
        now: Instant,
    ) -> Result<(), JobError> {
        self.settle(slot, progress, now)
    }

    /// A slot is free again, or its connection has to be replaced.
    #[inline(always)]
    fn release(&mut self, slot: usize, now: Instant) {
        let connection = self.connection_of(slot);
        if self.transport.is_free(slot) {
            self.push_free_after_pause(slot, now);
        } else if self.transport.state(connection) == ConnectionState::Vacant {
            if self.opens_on_send {
                self.push_free_after_pause(slot, now);
            } else {
                self.replace(connection, None, now);
            }
        }
    }

    /// A slot is free, now or after its pause.
    #[inline(always)]
    fn push_free_after_pause(&mut self, slot: usize, now: Instant) {
        if self.think.is_zero() {
            self.push_free(slot, now);
        } else {
            self.thinking.push_back((now + self.think, slot));
        }
    }

    /// A slot is free. With several requests in flight it may be noted already: by the response
    /// just before.
    #[inline(always)]
    fn push_free(&mut self, slot: usize, now: Instant) {
        self.free_since[slot] = now;
        if self.free.back() != Some(&slot) {
            self.free.push_back(slot);
        }
    }

    #[inline]
    fn connection_of(&self, slot: usize) -> usize {
        match self.transport.slots_per_connection() {
            1 => slot, // known to the compiler with HTTP/1.1
            n => slot / n,
        }
    }

    fn slots_of(&self, connection: usize) -> Range<usize> {
        let n = self.transport.slots_per_connection();
        connection * n..(connection + 1) * n
    }

    /// Waits for events until the next request is due.
    fn wait(&mut self, now: Instant) -> Result<usize, JobError> {
        let on = self.coalescing.as_ref().is_some_and(WakeupCoalescing::on);
        if on
            && self.sending
            && self.is_full(now)
            && let Some(coalescing) = &mut self.coalescing
        {
            let ready = coalescing.wait(self.transport.epoll(), &mut self.events);
            return ready.map_err(JobError::waiting);
        }
        let due = match self.thinking.front() {
            _ if !self.sending => None,
            Some(&(due, _)) => Some(due),
            None if self.free.is_empty() => None,
            None => self.schedule.next(&self.phases),
        };
        let patience = self.sweep_pause;
        let ready = self.timer.wait(self.transport.epoll(), &mut self.events, (now, due), patience);
        ready.map_err(JobError::waiting)
    }

    /// Whether every slot is used as soon as it is free: in a closed loop always, in an open one
    /// where requests are overdue by so much that a moment more makes no difference.
    #[inline]
    fn is_full(&self, now: Instant) -> bool {
        if !self.schedule.is_open() {
            return true;
        }
        let next = self.free.is_empty().then(|| self.schedule.next(&self.phases)).flatten();
        next.is_some_and(|due| now.saturating_duration_since(due) > OVERDUE)
    }
}
