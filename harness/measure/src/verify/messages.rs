//! Messages over WebSocket: whether each of them comes back as it is, once and in order, to
//! everybody it should. The client is tungstenite, which has nothing in common with the generator.

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use reqwest::header::{HeaderName, HeaderValue};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{ANSWER_LIMIT, Verifier, excerpt, wire};
use crate::MeasureError;
use crate::client::{self, Io};
use crate::requests;
use crate::server::Running;
use duet_model::record::Wire;
use duet_model::spec::Case;

/// The room that is used here. The generator begins with the first.
const ROOM: u32 = i32::MAX.cast_unsigned();
/// Messages that each member sends, one behind the other.
const MESSAGES: usize = 5;

type Socket = WebSocketStream<Box<dyn Io>>;

impl Verifier {
    /// Sends messages on every connection of a room, and compares what comes back. Returns the
    /// shape of the response to a handshake, with the length of a message for its body.
    pub(super) async fn converse(
        &self,
        running: &Running,
        case: &Case,
    ) -> Result<Wire, MeasureError> {
        let opened = self.open(running, case).await?;
        let (mut sockets, wire) = (vec![opened.0], opened.1);
        for _ in 1..case.members() {
            sockets.push(self.open(running, case).await?.0);
        }
        let sent = texts(case, sockets.len());
        for turn in 0..MESSAGES {
            for (socket, texts) in sockets.iter_mut().zip(&sent) {
                let message = Message::text(texts[turn].clone());
                socket.send(message).await.context("it takes no messages")?;
            }
        }
        let mut order = None;
        for socket in &mut sockets {
            let received = receive(socket, MESSAGES * sent.len()).await?;
            check(&sent, &received)?;
            nothing_more(socket).await?;
            let first = order.get_or_insert_with(|| received.clone());
            if *first != received {
                Err(anyhow!("the members of a room get its messages in other orders"))?;
            }
        }
        Ok(Wire { body_bytes: sent[0][0].len() as u64, ..wire })
    }

    /// Opens a connection.
    async fn open(&self, running: &Running, case: &Case) -> Result<(Socket, Wire), MeasureError> {
        let (addr, transport) = (&running.addr, running.transport);
        let opened = client::connect(addr, transport, self.tls(transport)?);
        let late = || format!("no answer within {} s", ANSWER_LIMIT.as_secs());
        let opened = timeout(ANSWER_LIMIT, opened).await.with_context(late)?;
        let io = opened.context("no answer").map_err(MeasureError::Unready)?;
        let scheme = if transport.is_tls() { "wss" } else { "ws" };
        let path = case.path.replacen("{room}", &ROOM.to_string(), 1);
        let url = format!("{scheme}://{}{path}", requests::host(addr));
        let mut request = url.into_client_request().context("the path is not valid")?;
        for (name, value) in &case.headers {
            let name: HeaderName = name.parse().with_context(|| format!("header name `{name}`"))?;
            let value: HeaderValue =
                value.parse().with_context(|| format!("value of header `{name}`"))?;
            request.headers_mut().insert(name, value);
        }
        let shaken = timeout(ANSWER_LIMIT, client_async(request, io)).await.with_context(late)?;
        let (socket, response) = shaken.context("no WebSocket")?;
        Ok((socket, wire(response.headers(), 0)))
    }
}

/// The messages of each member. All differ.
fn texts(case: &Case, members: usize) -> Vec<Vec<String>> {
    let message = case.message.as_deref().unwrap_or_default();
    let text = |number: usize| message.replace("{seq}", &format!("{number:010}"));
    let of_member = |member: usize| (0..MESSAGES).map(|i| text(member + i * members)).collect();
    (0..members).map(of_member).collect()
}

/// The next messages.
async fn receive(socket: &mut Socket, all: usize) -> Result<Vec<String>> {
    let mut received = vec![];
    while received.len() < all {
        let came = || format!("{} of {all} messages came back", received.len());
        let message = next(socket, came).await?;
        match message {
            Message::Text(text) => received.push(text.to_string()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(frame) => bail!("the server ended the WebSocket: {frame:?}"),
            message => bail!("a message that is no text: {}", excerpt(&message.into_data(), 0)),
        }
    }
    Ok(received)
}

/// Checks that a ping is answered, and that nothing comes before that.
async fn nothing_more(socket: &mut Socket) -> Result<()> {
    let ping = Bytes::from_static(b"duet");
    socket.send(Message::Ping(ping.clone())).await.context("it takes no ping")?;
    loop {
        match next(socket, || "no pong".to_owned()).await? {
            Message::Pong(pong) if pong == ping => return Ok(()),
            Message::Ping(_) | Message::Pong(_) => {}
            message => {
                let shown = excerpt(&message.into_data(), 0);
                bail!("behind all messages, or twice: {shown}")
            }
        }
    }
}

async fn next(socket: &mut Socket, came: impl Fn() -> String) -> Result<Message> {
    let message = timeout(ANSWER_LIMIT, socket.next()).await;
    let late = || format!("{} within {} s", came(), ANSWER_LIMIT.as_secs());
    let message = message.with_context(late)?;
    message.with_context(|| format!("the end, and {}", came()))?.with_context(came)
}

/// Checks that messages came that were sent, those of each member in its order.
fn check(sent: &[Vec<String>], received: &[String]) -> Result<()> {
    let mut left: Vec<_> = sent.iter().map(|of_member| of_member.iter().peekable()).collect();
    for (number, text) in (1..).zip(received) {
        let of = left.iter_mut().position(|of_member| of_member.peek() == Some(&text));
        let of = of.with_context(|| {
            let shown = excerpt(text.as_bytes(), 0);
            format!("message {number} back was not sent, came twice or came too soon: {shown}")
        })?;
        left[of].next();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let case = Case { message: Some("n{seq}".to_owned()), ..Case::default() };
        let sent = texts(&case, 2);
        assert_eq!(sent[1][0], "n0000000001");
        let got = |numbers: &[u32]| {
            let texts: Vec<String> = numbers.iter().map(|n| format!("n{n:010}")).collect();
            check(&sent, &texts).map_err(|error| error.to_string())
        };
        assert_eq!(got(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), Ok(()));
        assert_eq!(got(&[1, 3, 0, 2]), Ok(()));
        for wrong in [&[2][..], &[0, 4], &[0, 0], &[0, 1, 0], &[99]] {
            assert!(got(wrong).is_err(), "{wrong:?}");
        }
    }
}
