//! WebSocket of the contract's section 4.10 on axum: an echo, and rooms.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::get;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::{self, Instant};

use crate::axum_routes::{Error, Path};
use crate::number::Count;
use crate::response::BODY_BYTES_MAX;

/// So many messages a member of a room may be behind.
const BEHIND_MAX: usize = 256;

/// The number of a room.
type Id = Count<{ i32::MAX.cast_unsigned() }>;

/// The rooms that have members, and how long a client may be silent.
#[derive(Clone)]
struct Sockets {
    rooms: Arc<Mutex<HashMap<u32, Sender<Message>>>>,
    patience: Option<Duration>,
}

/// The routes. `patience`: how long a client may be silent; without one, for ever.
pub fn routes(patience: Option<Duration>) -> Router {
    Router::new()
        .route("/ws/echo", get(echo))
        .route("/ws/rooms/{id}", get(room))
        .with_state(Sockets { rooms: Arc::default(), patience })
}

async fn echo(State(sockets): State<Sockets>, upgrade: WebSocketUpgrade) -> Response {
    limited(upgrade).on_upgrade(async move |mut socket| {
        while in_time(sockets.patience, echo_one(&mut socket)).await.is_some() {}
    })
}

async fn room(
    State(sockets): State<Sockets>,
    Path(id): Path<Id>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Error> {
    // Before the response: whoever has it is a member.
    let member = Member::join(sockets, id.get());
    Ok(limited(upgrade).on_upgrade(|socket| member.talk(socket)))
}

fn limited(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.max_message_size(BODY_BYTES_MAX).max_frame_size(BODY_BYTES_MAX)
}

/// `None`: the connection is over.
async fn echo_one(socket: &mut WebSocket) -> Option<()> {
    let message = receive(socket).await?;
    socket.send(message).await.ok()
}

/// The next message. Pings and the end are responded to by axum; `None`: the connection is over.
async fn receive(socket: &mut WebSocket) -> Option<Message> {
    loop {
        match socket.recv().await?.ok()? {
            message @ (Message::Text(_) | Message::Binary(_)) => return Some(message),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
        }
    }
}

async fn in_time<T>(
    patience: Option<Duration>,
    work: impl Future<Output = Option<T>>,
) -> Option<T> {
    match patience {
        Some(patience) => time::timeout(patience, work).await.ok()?,
        None => work.await,
    }
}

/// A member of a room, which it leaves when it is dropped.
struct Member {
    sockets: Sockets,
    id: u32,
    room: Sender<Message>,
    messages: Receiver<Message>,
}

impl Member {
    fn join(sockets: Sockets, id: u32) -> Member {
        let mut rooms = sockets.rooms();
        let room = rooms.entry(id).or_insert_with(|| broadcast::channel(BEHIND_MAX).0).clone();
        let messages = room.subscribe();
        drop(rooms);
        Member { sockets, id, room, messages }
    }

    /// Hands on what comes either way, until the connection is over.
    async fn talk(mut self, mut socket: WebSocket) {
        let mut heard = Instant::now();
        loop {
            let silence = async {
                match self.sockets.patience {
                    Some(patience) => time::sleep_until(heard + patience).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = receive(&mut socket) => {
                    let Some(message) = message else { return };
                    heard = Instant::now();
                    // It has a receiver: this member's.
                    let _ = self.room.send(message);
                }
                message = self.messages.recv() => {
                    let message = message.unwrap_or_else(|_| too_slow());
                    let over = matches!(message, Message::Close(_));
                    if socket.send(message).await.is_err() || over {
                        return;
                    }
                }
                () = silence => return,
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut rooms = self.sockets.rooms();
        if self.room.receiver_count() == 1 {
            rooms.remove(&self.id); // this was the last one
        }
    }
}

/// What a member is told that is too far behind.
fn too_slow() -> Message {
    let reason = "too slow".into();
    Message::Close(Some(CloseFrame { code: close_code::POLICY, reason }))
}

impl Sockets {
    fn rooms(&self) -> MutexGuard<'_, HashMap<u32, Sender<Message>>> {
        // Whoever panicked left a map that is whole.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
