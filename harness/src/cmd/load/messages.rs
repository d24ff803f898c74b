//! ws:// and wss://: messages over WebSocket. The first one shows whether they come back.

use anyhow::{Result, ensure};

use super::args::{Load, Verify};
use super::cases::Prepared;
use super::place::Place;
use super::targets::Listed;
use crate::cmd::exit::{ServerUnavailable, UsageError};
use crate::cmd::stdio;
use duet_loadgen::load::Case;
use duet_loadgen::reference::{self, FetchError, Patience};
use duet_loadgen::request::exchange::{Exchange, Message, Status};
use duet_loadgen::transport::target::Target;

/// Where to send, and the message. It is sent once: where it comes back, all have to.
pub(super) fn prepare(args: &Load, place: &Place, listed: &[Listed]) -> Result<Prepared> {
    let unfit = [
        (args.transport.is_http2(), "--http2"),
        (args.request.cases.is_some(), "--cases"),
        (!listed.is_empty(), "--targets"),
        (args.request.disable_keepalive, "--disable-keepalive"),
        (args.request.has_form(), "--form"),
        (args.request.variables.are_there(), "values and cookies of responses"),
        (args.pipeline > 1, "--pipeline"),
        (args.location, "--location"),
        (args.expect_status.is_some(), "--expect-status"),
        (args.transport.forwards(&place.url).is_some(), "--proxy with ws:// (with wss:// it goes)"),
    ];
    if let Some((_, what)) = unfit.iter().find(|(is_there, _)| *is_there) {
        return Err(UsageError(format!("a load of WebSocket has no {what}")).into());
    }
    let mut exchange = args.request.message(place)?;
    exchange.status = Status::Exactly(101);
    let (target, echoed) = converse(args.transport.targets(place)?, &exchange, args)?;
    if !echoed {
        ensure!(
            args.verify != Verify::Body,
            ServerUnavailable(format!("{target} sends another message back than it was sent"))
        );
        stdio::note("the server sends another message back: any message counts as the response");
    }
    let echoed = echoed && args.verify != Verify::Status;
    exchange.message = exchange.message.map(|message| Message { echoed, ..message });
    Ok(Prepared { target, cases: vec![Case { weight: 1, exchange }], sent: 1 })
}

/// Sends the message once: to the first of the addresses that takes a connection.
fn converse(targets: Vec<Target>, exchange: &Exchange, args: &Load) -> Result<(Target, bool)> {
    let patience = Patience::new(args.timeout);
    let mut error = "the host has no address".to_owned();
    for target in targets {
        match reference::converse(&target, exchange, patience) {
            Err(FetchError::Unconnected(why)) => error = why,
            Err(FetchError::Unanswered(why)) => return Err(ServerUnavailable(why).into()),
            Ok(echoed) => return Ok((target, echoed)),
        }
    }
    Err(ServerUnavailable(error).into())
}
