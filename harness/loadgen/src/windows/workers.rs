//! The generator's threads: one per CPU, pinned, each with its part of every arm.
//!
//! The thread that leads does its own part of every window. It tells the others what to do and
//! waits for them between windows; while a window runs the threads have nothing in common.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use duet_protocol::Job;

use super::arm_worker::{self, ArmWorker, WindowPlan};
use crate::count::window_sink::WindowCounts;
use crate::job_error::JobError;
use crate::system::pin;
use crate::transport::target::Target;

/// All threads, seen from the one that leads.
pub(super) struct WorkerPool<'s, 'j> {
    leader: Worker<'j>,
    followers: Vec<WorkerHandle<'s>>,
}

#[derive(Debug, Clone, Copy)]
enum Command {
    Prepare { arm: usize },
    Drive { arm: usize, plan: WindowPlan },
    Collect { arm: usize },
}

/// What a thread reports; a window's result when told to collect.
type Report = Result<Option<WindowCounts>, JobError>;

/// A thread that follows: where commands go, where reports come from.
#[derive(Debug)]
struct WorkerHandle<'s> {
    commands: Sender<Command>,
    reports: Receiver<Report>,
    thread: ScopedJoinHandle<'s, ()>,
}

impl<'s, 'j> WorkerPool<'s, 'j> {
    /// Starts the threads that follow, and pins all, the calling one included.
    pub(super) fn start(
        job: &'j Job,
        targets: &'j [Target],
        scope: &'s Scope<'s, 'j>,
    ) -> Result<Self, JobError> {
        let followers = (1..job.cpus.len()).map(|thread| {
            let (commands, received) = channel();
            let (sent, reports) = channel();
            let thread = scope.spawn(move || follow(job, targets, thread, &received, &sent));
            WorkerHandle { commands, reports, thread }
        });
        let followers = followers.collect();
        Ok(Self { leader: Worker::start(job, targets, 0)?, followers })
    }

    /// Makes the connections to an arm ready for a window, off its clock.
    pub(super) fn prepare(&mut self, arm: usize) -> Result<(), JobError> {
        self.carry_out(Command::Prepare { arm }).map(drop)
    }

    /// Drives a window of an arm, and awaits all responses.
    pub(super) fn drive(&mut self, arm: usize, plan: WindowPlan) -> Result<(), JobError> {
        self.carry_out(Command::Drive { arm, plan }).map(drop)
    }

    /// The result of the window that was driven last.
    pub(super) fn collect(&mut self, arm: usize) -> Result<WindowCounts, JobError> {
        let counts = self.carry_out(Command::Collect { arm })?;
        let whole = counts.into_iter().reduce(WindowCounts::merge);
        Ok(whole.expect("the leading thread always has counts"))
    }

    /// Closes all connections.
    pub(super) fn end(self) -> Result<(), JobError> {
        drop(self.leader);
        self.followers.into_iter().try_for_each(|follower| {
            drop(follower.commands); // has the thread end
            follower.thread.join().map_err(|_| lost_thread())
        })
    }

    fn carry_out(&mut self, command: Command) -> Result<Vec<WindowCounts>, JobError> {
        for follower in &self.followers {
            follower.commands.send(command).map_err(|_| lost_thread())?;
        }
        let mut reports = vec![self.leader.carry_out(command)];
        for follower in &self.followers {
            reports.push(follower.reports.recv().map_err(|_| lost_thread())?);
        }
        reports.into_iter().filter_map(Result::transpose).collect()
    }
}

/// One thread's part of all arms.
struct Worker<'j> {
    arms: Vec<Box<dyn ArmWorker + 'j>>,
}

impl<'j> Worker<'j> {
    fn start(job: &'j Job, targets: &[Target], thread: usize) -> Result<Self, JobError> {
        pin(job.cpus[thread])?;
        let targets = targets.iter().cloned().enumerate();
        let arms = targets.map(|(arm, target)| arm_worker::start(job, target, arm, thread));
        Ok(Self { arms: arms.collect::<Result<_, _>>()? })
    }

    fn carry_out(&mut self, command: Command) -> Report {
        match command {
            Command::Prepare { arm } => self.arms[arm].prepare().map(|()| None),
            Command::Drive { arm, plan } => self.arms[arm].drive(plan).map(|()| None),
            Command::Collect { arm } => Ok(Some(self.arms[arm].collect())),
        }
    }
}

/// Carries out commands until there are no more.
fn follow(
    job: &Job,
    targets: &[Target],
    thread: usize,
    commands: &Receiver<Command>,
    reports: &Sender<Report>,
) {
    let mut worker = Worker::start(job, targets, thread);
    while let Ok(command) = commands.recv() {
        let report = match &mut worker {
            Ok(worker) => worker.carry_out(command),
            Err(error) => Err(error.clone()),
        };
        if reports.send(report).is_err() {
            break; // the leading thread has failed and says so itself
        }
    }
}

fn lost_thread() -> JobError {
    JobError::general("a thread of the generator has ended; its message is on standard error")
}
