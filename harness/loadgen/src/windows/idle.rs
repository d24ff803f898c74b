//! Connections that stay idle beside those of the load: what a server spends on clients that have
//! nothing to say.

use std::time::Duration;

use duet_protocol::Job;

use crate::error_kind::ErrorKind;
use crate::job_error::JobError;
use crate::reference::Patience;
use crate::request::exchange::{Exchange, ExpectedBody};
use crate::response::body_check::BodyCheck;
use crate::response::check::{Mismatch, Received, check};
use crate::transport::h1::reference::BlockingConnection;
use crate::transport::target::Target;

/// The idle connections of all arms.
pub(super) struct IdleConnections<'t> {
    targets: &'t [Target],
    /// The first exchange of each arm.
    exchanges: Vec<Exchange>,
    timeout: Duration,
    /// By arm.
    open: Vec<Vec<BlockingConnection>>,
}

impl<'t> IdleConnections<'t> {
    /// None is open yet.
    pub(super) fn new(job: &Job, targets: &'t [Target]) -> Self {
        Self {
            targets,
            exchanges: job.arms.iter().map(|arm| (&arm.exchanges[0]).into()).collect(),
            timeout: Duration::from_nanos(job.timeout_ns),
            open: targets.iter().map(|_| vec![]).collect(),
        }
    }

    /// Opens connections until each arm has `wanted`. Each of them has had a response then.
    pub(super) fn open(&mut self, wanted: u32) -> Result<(), JobError> {
        for (arm, target) in (0..).zip(self.targets) {
            let (open, exchange) = (&mut self.open[arm as usize], &self.exchanges[arm as usize]);
            while open.len() < wanted as usize {
                let opened = BlockingConnection::open(target, Patience::new(self.timeout));
                let opened = opened.and_then(|mut connection| {
                    ask(&mut connection, target, exchange, self.timeout)?;
                    Ok(connection)
                });
                open.push(opened.map_err(|why| {
                    let n = open.len() + 1;
                    JobError::for_arm(arm, format_args!("idle connection {n} of {wanted}: {why}"))
                })?);
            }
        }
        Ok(())
    }

    /// Sends a request on each of them: all must be alive.
    pub(super) fn verify(&mut self) -> Result<(), JobError> {
        for ((arm, target), exchange) in (0..).zip(self.targets).zip(&self.exchanges) {
            for (n, connection) in (1..).zip(&mut self.open[arm as usize]) {
                let asked = ask(connection, target, exchange, self.timeout);
                asked.map_err(|why| {
                    JobError::for_arm(arm, format!("idle connection {n}, used again: {why}"))
                })?;
            }
        }
        Ok(())
    }
}

/// A response that is as expected, after which the connection stays open.
fn ask(
    connection: &mut BlockingConnection,
    target: &Target,
    exchange: &Exchange,
    timeout: Duration,
) -> Result<(), String> {
    let got = connection.ask(target, &exchange.request, exchange.head, Patience::new(timeout))?;
    let mut body = BodyCheck::new(&exchange.body);
    if let ExpectedBody::Exactly(came) = &got.body {
        body.add(came, &exchange.body);
    }
    let content_type = got.content_type.as_deref().map(str::as_bytes);
    let received = Received { start: &[], status: got.status, content_type, body: &body };
    match check(&received, exchange) {
        // Of bodies too long to be kept there are digests.
        Err(Mismatch { kind: ErrorKind::WrongBody, .. }) if got.body == exchange.body => {}
        checked => checked.map_err(|mismatch| mismatch.text)?,
    }
    if !got.persistent {
        return Err(format!("{target} does not keep connections open"));
    }
    Ok(())
}
