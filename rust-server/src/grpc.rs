//! The service of CONTRACT.md, section 9, and the process around it, as tonic's examples teach.

use std::io;
use std::pin::Pin;
use std::process::ExitCode;

use tokio::sync::oneshot;
use tokio::time;
use tokio_stream::Stream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::command_line::{self, Offers, Options};
use crate::hyper_server::{PATIENCE, on_runtime, stop};
use crate::listen::{listen, resolve};
use shop::shop_server::ShopServer;
use shop::{HelloReply, HelloRequest, Item, ItemsRequest};

/// What `make proto` makes of `proto/shop.proto`.
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    unused_qualifications,
    reason = "it is generated"
)]
mod shop;

/// Streams at once on a connection, and the windows of a stream and of a connection.
const STREAMS_MAX: u32 = 256;
const WINDOW_BYTES: u32 = 1 << 20;

/// The most items of a request.
const ITEMS_MAX: u32 = 100;

const CATEGORIES: [&str; 5] = ["books", "games", "garden", "kitchen", "tools"];
const TAGS: [&str; 4] = ["new", "sale", "heavy", "fragile"];

/// The service.
#[derive(Debug, Default)]
struct Shop;

#[tonic::async_trait]
impl shop::shop_server::Shop for Shop {
    type ItemsStream = Pin<Box<dyn Stream<Item = Result<Item, Status>> + Send>>;

    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let HelloRequest { name } = request.into_inner();
        if name.is_empty() {
            return Err(Status::invalid_argument("the name is empty"));
        }
        Ok(Response::new(HelloReply { message: format!("Hello, {name}!") }))
    }

    async fn items(
        &self,
        request: Request<ItemsRequest>,
    ) -> Result<Response<Self::ItemsStream>, Status> {
        let ItemsRequest { n } = request.into_inner();
        if !(1..=ITEMS_MAX).contains(&n) {
            return Err(Status::invalid_argument("n is not from 1 to 100"));
        }
        Ok(Response::new(Box::pin(tokio_stream::iter((1..=n).map(|id| Ok(item(id)))))))
    }
}

fn item(id: u32) -> Item {
    let tag = |i: u32| TAGS[i as usize % TAGS.len()].to_owned();
    Item {
        id,
        name: format!("Item {id}"),
        category: CATEGORIES[(id as usize - 1) % CATEGORIES.len()].to_owned(),
        price: 1 + id * 37 % 99,
        quantity: 1 + id * 31 % 10,
        active: !id.is_multiple_of(3),
        tags: vec![tag(id), tag(id / 4)],
    }
}

/// Serves until SIGTERM or SIGINT, as the command line says. `version` is the line that
/// `--version` prints.
pub fn run(version: &str) -> ExitCode {
    command_line::run(version, Offers::H2c, |options| {
        on_runtime(options, || Ok(serve(options.clone())))
    })
}

async fn serve(options: Options) -> io::Result<()> {
    let stop = stop()?;
    let listener = listen(resolve(&options.addr).await?, false)?;
    command_line::announce(listener.local_addr()?)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let (stopping, stopped) = oneshot::channel();
    let stop = async move {
        stop.await;
        // Nobody listens where serving has ended by itself.
        let _ = stopping.send(());
    };
    let served = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_service(ShopServer::new(Shop))
        .serve_with_incoming_shutdown(incoming, stop);
    tokio::select! {
        served = served => served.map_err(io::Error::other),
        // What has not ended by then is cut off.
        () = async { let _ = stopped.await; time::sleep(PATIENCE).await } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::shop::shop_server::Shop as _;
    use super::*;

    #[test]
    fn messages_are_text() {
        for id in 1..=ITEMS_MAX {
            let bytes = item(id).encode_to_vec();
            assert!(bytes.is_ascii() && bytes.len() < 128, "{id}");
        }
    }

    #[tokio::test]
    async fn calls() {
        let hello = |name: &str| Shop.hello(Request::new(HelloRequest { name: name.to_owned() }));
        let reply = hello("you").await.expect("a name is given").into_inner();
        assert_eq!(reply.message, "Hello, you!");
        assert_eq!(hello("").await.expect_err("no name").code(), Code::InvalidArgument);
        let items = |n| Shop.items(Request::new(ItemsRequest { n }));
        for n in [0, ITEMS_MAX + 1] {
            let refused = items(n).await.err().map(|status| status.code());
            assert_eq!(refused, Some(Code::InvalidArgument), "{n}");
        }
        let all = items(ITEMS_MAX).await.expect("as many as there may be").into_inner();
        let all: Vec<Item> = all.map(|item| item.expect("it is one")).collect().await;
        let ids: Vec<u32> = all.iter().map(|item| item.id).collect();
        assert_eq!(ids, (1..=ITEMS_MAX).collect::<Vec<_>>());
    }
}
