//! The generator's threads: one per CPU, pinned, each with its share of every arm.
//!
//! The thread that leads does its own share of every window. It tells the others what to do and
//! waits for them between windows; while a window runs the threads have nothing in common.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Instant;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::account::Account;
use super::failure::{Failure, Trouble};
use super::fault::Faults;
use super::share::{Plan, Scratch, Share};
use super::times::Snapshot;
use duet_protocol::Job;

/// All threads, seen from the one that leads.
#[derive(Debug)]
pub(super) struct Team<'s, 'j> {
    leader: Worker<'j>,
    followers: Vec<Follower<'s>>,
}

/// What a window came to.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) first_ask: Instant,
    pub(super) last_answer: Instant,
    pub(super) right: u64,
    pub(super) faults: Faults,
    pub(super) received_bytes: u64,
    /// Of several threads one after the other, so that a value may occur more than once.
    pub(super) service_times: Snapshot,
    /// The arm's exchanges that were never answered yet, summed over threads.
    pub(super) unseen: usize,
    /// The request that failed last, in this window or an earlier one.
    pub(super) trouble: Option<Trouble>,
    /// What an open loop adds; all zero in a closed one.
    pub(super) open: DrivenOpen,
}

/// What a window of an open loop came to, beside what any does.
#[derive(Debug)]
pub(super) struct DrivenOpen {
    pub(super) account: Account,
    pub(super) sent_late: u64,
    pub(super) spin_ns: u64,
    pub(super) response: Snapshot,
    pub(super) at_least: Snapshot,
    pub(super) send_lag: Snapshot,
    pub(super) own_lag: Snapshot,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Prepare { arm: usize },
    Drive { arm: usize, end: Instant },
    DriveOpen { arm: usize, plan: Plan },
    Collect { arm: usize },
}

/// What a thread answers; a window's result when asked to collect.
type Outcome = Result<Option<Driven>, Failure>;

/// A thread that follows: where orders go, where outcomes come from.
#[derive(Debug)]
struct Follower<'s> {
    orders: Sender<Order>,
    outcomes: Receiver<Outcome>,
    thread: ScopedJoinHandle<'s, ()>,
}

impl<'s, 'j> Team<'s, 'j> {
    /// Starts the threads that follow, and pins all, the calling one included.
    pub(super) fn start(job: &'j Job, scope: &'s Scope<'s, 'j>) -> Result<Self, Failure> {
        let followers = (1..job.cpus.len()).map(|thread| {
            let (orders, orders_received) = channel();
            let (outcomes_sent, outcomes) = channel();
            let thread = scope.spawn(move || follow(job, thread, &orders_received, &outcomes_sent));
            Follower { orders, outcomes, thread }
        });
        let followers = followers.collect();
        Ok(Self { leader: Worker::start(job, 0)?, followers })
    }

    /// Makes the connections to an arm ready for a window, off its clock.
    pub(super) fn prepare(&mut self, arm: usize) -> Result<(), Failure> {
        self.carry_out(Order::Prepare { arm }).map(drop)
    }

    /// Drives an arm until `end`, and awaits the outstanding answers.
    pub(super) fn drive(&mut self, arm: usize, end: Instant) -> Result<(), Failure> {
        self.carry_out(Order::Drive { arm, end }).map(drop)
    }

    /// Sends the requests of a plan to an arm, and awaits the outstanding answers.
    pub(super) fn drive_open(&mut self, arm: usize, plan: Plan) -> Result<(), Failure> {
        self.carry_out(Order::DriveOpen { arm, plan }).map(drop)
    }

    /// The result of the window that was driven last.
    pub(super) fn collect(&mut self, arm: usize) -> Result<Driven, Failure> {
        let parts = self.carry_out(Order::Collect { arm })?;
        Ok(parts.into_iter().reduce(Driven::merge).expect("the leading thread always has a part"))
    }

    /// Closes all connections.
    pub(super) fn end(self) -> Result<(), Failure> {
        drop(self.leader);
        self.followers.into_iter().try_for_each(|follower| {
            drop(follower.orders); // has the thread end
            follower.thread.join().map_err(|_| lost_thread())
        })
    }

    fn carry_out(&mut self, order: Order) -> Result<Vec<Driven>, Failure> {
        for follower in &self.followers {
            follower.orders.send(order).map_err(|_| lost_thread())?;
        }
        let mut outcomes = vec![self.leader.carry_out(order)];
        for follower in &self.followers {
            outcomes.push(follower.outcomes.recv().map_err(|_| lost_thread())?);
        }
        outcomes.into_iter().filter_map(Result::transpose).collect()
    }
}

impl Driven {
    fn merge(mut self, other: Self) -> Self {
        self.first_ask = self.first_ask.min(other.first_ask);
        self.last_answer = self.last_answer.max(other.last_answer);
        self.right += other.right;
        self.faults.merge(&other.faults);
        self.received_bytes += other.received_bytes;
        self.service_times.extend(other.service_times);
        self.unseen += other.unseen;
        self.trouble = self.trouble.or(other.trouble);
        self.open.merge(other.open);
        self
    }
}

impl DrivenOpen {
    fn merge(&mut self, other: Self) {
        self.account.merge(&other.account);
        self.sent_late += other.sent_late;
        self.spin_ns += other.spin_ns;
        self.response.extend(other.response);
        self.at_least.extend(other.at_least);
        self.send_lag.extend(other.send_lag);
        self.own_lag.extend(other.own_lag);
    }
}

/// One thread's shares of all arms.
#[derive(Debug)]
struct Worker<'j> {
    shares: Vec<Share<'j>>,
    scratch: Scratch,
}

impl<'j> Worker<'j> {
    fn start(job: &'j Job, thread: usize) -> Result<Self, Failure> {
        pin(job.cpus[thread])?;
        let shares = (0..job.arms.len()).map(|arm| Share::new(job, arm, thread));
        Ok(Self { shares: shares.collect::<Result<_, _>>()?, scratch: Scratch::new()? })
    }

    fn carry_out(&mut self, order: Order) -> Outcome {
        match order {
            Order::Prepare { arm } => self.shares[arm].prepare(&mut self.scratch).map(|()| None),
            Order::Drive { arm, end } => {
                self.shares[arm].drive(end, &mut self.scratch).map(|()| None)
            }
            Order::DriveOpen { arm, plan } => {
                self.shares[arm].drive_open(&plan, &mut self.scratch).map(|()| None)
            }
            Order::Collect { arm } => Ok(Some(self.collect(arm))),
        }
    }

    fn collect(&mut self, arm: usize) -> Driven {
        let spin_ns = std::mem::take(&mut self.scratch.alarm.spin_ns);
        let tally = &mut self.scratch.tally;
        let open = DrivenOpen {
            account: std::mem::take(&mut tally.open.account),
            sent_late: std::mem::take(&mut tally.open.sent_late),
            spin_ns,
            response: tally.open.response.take(),
            at_least: tally.open.at_least.take(),
            send_lag: tally.open.send_lag.take(),
            own_lag: tally.open.own_lag.take(),
        };
        Driven {
            first_ask: tally.first_ask,
            last_answer: tally.last_answer,
            right: tally.service_times.count(),
            faults: std::mem::take(&mut tally.faults),
            received_bytes: std::mem::take(&mut tally.received_bytes),
            service_times: tally.service_times.take(),
            unseen: self.shares[arm].unseen(),
            trouble: self.shares[arm].trouble,
            open,
        }
    }
}

/// Carries out orders until there are no more.
fn follow(job: &Job, thread: usize, orders: &Receiver<Order>, outcomes: &Sender<Outcome>) {
    let mut worker = Worker::start(job, thread);
    while let Ok(order) = orders.recv() {
        let outcome = match &mut worker {
            Ok(worker) => worker.carry_out(order),
            Err(failure) => Err(failure.clone()),
        };
        if outcomes.send(outcome).is_err() {
            break; // the leading thread has failed and says so itself
        }
    }
}

/// Pins the calling thread.
pub(super) fn pin(cpu: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).map_err(|error| {
        let error = error.desc();
        Failure::general(format_args!("failed to pin to CPU {cpu}: {error}; may it be used here?"))
    })
}

fn lost_thread() -> Failure {
    Failure::general("a thread of the generator has ended; its message is on standard error")
}
