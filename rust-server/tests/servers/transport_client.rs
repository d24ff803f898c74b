//! A client that speaks TLS and HTTP/2, and the certificate that it trusts.

use std::fs;
use std::future::poll_fn;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::client::{Answer, Answers, Client, PATIENCE, Server};

pub(crate) const AXUM: &str = env!("CARGO_BIN_EXE_rust-axum");

/// The servers of other routes on the same connections.
pub(crate) const SERVERS: &[&str] = &[
    AXUM,
    env!("CARGO_BIN_EXE_rust-axum-reuseport"),
    #[cfg(feature = "hyper")]
    env!("CARGO_BIN_EXE_rust-hyper"),
];

pub(crate) const LIMIT: usize = 1_048_576;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Https1,
    H2,
    H2c,
}

pub(crate) const ALL: [Over; 3] = [Over::Https1, Over::H2, Over::H2c];

/// A certificate with its key, in files for the server, and a client's trust in it.
pub(crate) struct Identity {
    folder: TempDir,
    trusted: CertificateDer<'static>,
}

impl Identity {
    pub(crate) fn new() -> Identity {
        let made = generate_simple_self_signed(["localhost".to_owned()]).expect("it can be made");
        let CertifiedKey { cert, signing_key } = made;
        let folder = tempfile::tempdir().expect("a folder can be made");
        let write = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).expect("the folder can be written to");
        };
        write("cert.pem", cert.pem());
        write("key.pem", signing_key.serialize_pem());
        Identity { trusted: cert.der().clone(), folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("the path is UTF-8").to_owned()
    }

    pub(crate) fn start(&self, over: Over) -> Server {
        self.start_with(AXUM, over, &[])
    }

    /// Another server, with these arguments beside the usual ones.
    pub(crate) fn start_with(&self, program: &str, over: Over, args: &[&str]) -> Server {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        let transport: &[&str] = match over {
            Over::H2c => &["--h2c"],
            _ => &["--tls-cert", &cert, "--tls-key", &key],
        };
        Server::start_with(program, &[transport, args].concat())
    }

    pub(crate) fn connect(&self, over: Over, server: &Server) -> Connection {
        match over {
            Over::Https1 => {
                let stream = secure(server.address, client(self, &["http/1.1"]));
                Connection::Http1(Box::new(Answers::of(stream.expect("the handshake succeeds"))))
            }
            Over::H2 => Connection::http2(server.address, Some(client(self, &["h2"]))),
            Over::H2c => Connection::http2(server.address, None),
        }
    }
}

pub(crate) fn client(identity: &Identity, protocols: &[&str]) -> Arc<ClientConfig> {
    Arc::new(client_with(identity, protocols, ring::default_provider(), &TLS13))
}

pub(crate) fn client_with(
    identity: &Identity,
    protocols: &[&str],
    provider: CryptoProvider,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(identity.trusted.clone()).expect("it is a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .expect("the provider has suites for it")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("it is a name")
}

pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Connects and shakes hands.
pub(crate) fn secure(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<Secure, rustls::Error> {
    let mut stream = Client::connect(address).stream;
    let mut tls = ClientConnection::new(config, localhost())?;
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut stream) {
            return Err(match error.downcast::<rustls::Error>() {
                Ok(error) => error,
                Err(error) => panic!("{error}"),
            });
        }
    }
    Ok(StreamOwned::new(tls, stream))
}

/// A connection over any transport. Over HTTP/2 it lives only while somebody asks.
pub(crate) enum Connection {
    Http1(Box<Answers<Secure>>),
    Http2 { runtime: Runtime, requests: SendRequest<Bytes>, driver: JoinHandle<()> },
}

/// A request that has begun and lacks its body.
pub(crate) enum Begun {
    Http1,
    Http2(ResponseFuture, SendStream<Bytes>),
}

impl Connection {
    pub(crate) fn http2(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Connection {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a descriptor is free");
        let (requests, driver) = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("it accepts");
            // What ends a connection is of no interest; that it ends is.
            let Some(config) = tls else {
                let (requests, connection) =
                    h2::client::handshake(stream).await.expect("it speaks HTTP/2");
                return (requests, tokio::spawn(async { drop(connection.await) }));
            };
            let stream = TlsConnector::from(config).connect(localhost(), stream).await;
            let stream = stream.expect("the handshake succeeds");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let (requests, connection) =
                h2::client::handshake(stream).await.expect("it speaks HTTP/2");
            (requests, tokio::spawn(async { drop(connection.await) }))
        });
        Connection::Http2 { runtime, requests, driver }
    }

    /// Sends a request with these header fields and a body, and reads the answer.
    pub(crate) fn ask(&mut self, line: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let length = body.len().to_string();
        let typed = ("content-type", "application/json");
        let sized = [fields, &[("content-length", &*length), typed]].concat();
        let fields = if body.is_empty() { fields } else { &sized };
        match self {
            Connection::Http1(answers) => {
                let request = format!("{}{body}", head(line, fields));
                answers.stream().write_all(request.as_bytes()).expect("the server reads");
                answers.read(line.starts_with("HEAD ")).expect("an answer")
            }
            Connection::Http2 { runtime, requests, .. } => runtime.block_on(async {
                let (response, mut stream) = send(requests, line, fields, body.is_empty()).await;
                if !body.is_empty() {
                    // The server may have refused by now, and then it does not want the rest.
                    let _ = stream.send_data(Bytes::from(body.to_owned()), true);
                }
                receive(response).await
            }),
        }
    }

    /// Begins a request with two bytes to come, and returns when the server has begun it.
    pub(crate) fn begin(&mut self, line: &str) -> Begun {
        let fields = [("content-length", "2"), ("expect", "100-continue")];
        match self {
            Connection::Http1(answers) => {
                let request = head(line, &fields);
                answers.stream().write_all(request.as_bytes()).expect("the server reads");
                assert_eq!(answers.read(false).expect("an answer").status, 100);
                Begun::Http1
            }
            Connection::Http2 { runtime, requests, .. } => {
                let (response, stream) =
                    runtime.block_on(send(requests, line, &fields[..1], false));
                // Frames are taken in order: who has answered this has begun the one before.
                assert_eq!(self.ask("GET /hello", &[], "").status, 200);
                Begun::Http2(response, stream)
            }
        }
    }

    /// Sends the two bytes.
    pub(crate) fn finish(&mut self, begun: Begun, body: &'static str) -> Answer {
        match (self, begun) {
            (Connection::Http1(answers), Begun::Http1) => {
                answers.stream().write_all(body.as_bytes()).expect("the server reads");
                answers.read(false).expect("an answer")
            }
            (Connection::Http2 { runtime, .. }, Begun::Http2(response, mut stream)) => runtime
                .block_on(async {
                    let body = Bytes::from_static(body.as_bytes());
                    stream.send_data(body, true).expect("the stream is open");
                    receive(response).await
                }),
            _ => panic!("it began on another connection"),
        }
    }

    /// Waits until the server has closed the connection.
    pub(crate) fn closed(self) {
        match self {
            Connection::Http1(mut answers) => assert!(answers.is_at_end()),
            Connection::Http2 { runtime, driver, .. } => {
                let end = async { tokio::time::timeout(PATIENCE, driver).await };
                runtime.block_on(end).expect("it closes").expect("the driver does not panic");
            }
        }
    }
}

pub(crate) fn head(line: &str, fields: &[(&str, &str)]) -> String {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

pub(crate) async fn send(
    requests: &mut SendRequest<Bytes>,
    line: &str,
    fields: &[(&str, &str)],
    without_body: bool,
) -> (ResponseFuture, SendStream<Bytes>) {
    let (method, path) = line.split_once(' ').expect("a line has two words");
    let mut request = Request::builder().method(method).uri(format!("http://localhost{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("the request is well-formed");
    poll_fn(|context| requests.poll_ready(context)).await.expect("the connection is open");
    requests.send_request(request, without_body).expect("the connection is open")
}

pub(crate) async fn receive(response: ResponseFuture) -> Answer {
    let received = tokio::time::timeout(PATIENCE, async {
        let (head, body) = response.await.expect("an answer").into_parts();
        (Response::from_parts(head, ()), read(body).await)
    });
    let (response, body) = received.await.expect("an answer in time");
    let text = |value: &http::HeaderValue| value.to_str().expect("headers are ASCII").to_owned();
    let headers = response.headers().iter();
    Answer {
        status: response.status().as_u16(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: String::from_utf8(body).expect("the body is UTF-8"),
    }
}

pub(crate) async fn read(mut body: RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.expect("the body is complete");
        body.flow_control().release_capacity(part.len()).expect("it was taken");
        bytes.extend_from_slice(&part);
    }
    bytes
}
