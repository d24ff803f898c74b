//! Whom TLS trusts, and what is said where the two sides speak different protocols.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::transport::http2::{self, hello};
use crate::transport::server::{answer, serve};
use crate::transport::tls::{Identity, Tls, secure};
use crate::transport::{FIRST, load};

/// A certificate that vouches for itself, and its key; one that `openssl req -x509` makes says that
/// it is an authority.
fn certificate(names: &[&str], is_ca: IsCa) -> (CertificateDer<'static>, String, KeyPair) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    (made.der().clone(), made.pem(), key)
}

fn authority(names: &[&str]) -> (CertificateDer<'static>, String, KeyPair) {
    certificate(names, IsCa::Ca(BasicConstraints::Unconstrained))
}

/// The configuration of a server with this certificate; with `clients`, those have to show one of
/// this authority.
fn server(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<CertificateDer<'static>>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Arc::new(builder.with_single_cert(vec![certificate], key).unwrap())
}

/// Starts a server with this configuration.
fn start(config: Arc<ServerConfig>) -> (String, crate::transport::server::Served) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/path", listener.local_addr().unwrap().port());
    let tls = Tls { listener, config, count: AtomicU64::new(0), drops: |_| false };
    (url, serve(tls, |_| answer("hello")))
}

#[test]
fn a_certificate_that_vouches_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate.pem");
    let trusting = ["--cacert", file.to_str().unwrap(), "-n", "20", "--timeout", "5s"];

    let (certificate, pem, key) = authority(&["localhost"]);
    std::fs::write(&file, &pem).unwrap();
    let (url, served) = start(server(certificate, &key, rustls::ALL_VERSIONS, None));
    load(&url, &trusting).is_right(20, served.count());

    // Its name counts all the same, and the name may be another than the URL's.
    let (certificate, pem, key) = authority(&["example.invalid"]);
    std::fs::write(&file, &pem).unwrap();
    let (url, served) = start(server(certificate, &key, rustls::ALL_VERSIONS, None));
    let other = load(&url, &trusting);
    assert_eq!(other.code, 5, "{}", other.stderr);
    assert!(other.stderr.contains("-addext 'subjectAltName=DNS:localhost"), "{}", other.stderr);
    let named = load(&url, &[&trusting[..], &["--sni", "example.invalid"]].concat());
    named.is_right(20, served.count());

    // Nobody vouches for one that was not given.
    let (stranger, _, key) = authority(&["example.invalid"]);
    let (url, _) = start(server(stranger, &key, rustls::ALL_VERSIONS, None));
    let unknown = load(&url, &[&trusting[..], &["--sni", "example.invalid"]].concat());
    assert_eq!(unknown.code, 5, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("--cacert FILE, or any with --insecure"), "{}", unknown.stderr);
}

#[test]
fn certificates_of_clients() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (client, pem, client_key) = certificate(&["client"], IsCa::NoCa);
    let (cert, key) = (file("cert.pem", &pem), file("key.pem", &client_key.serialize_pem()));
    for version in rustls::ALL_VERSIONS {
        let (certificate, _, server_key) = authority(&["localhost"]);
        let config = server(certificate, &server_key, &[version], Some(client.clone()));
        let (url, served) = start(config);
        let options = ["-k", "-n", "20", "--timeout", "5s"];
        let without = load(&url, &options);
        assert_eq!(without.code, 5, "{}", without.stderr);
        let asks = "it asks for a certificate of the client, which --cert and --key give";
        assert!(without.stderr.contains(asks), "{version:?}: {}", without.stderr);
        assert_eq!(served.count(), 0);
        let with = load(&url, &[&options[..], &["--cert", &cert, "--key", &key]].concat());
        with.is_right(20, served.count());
    }
    let wrong = load("https://localhost/", &["--cert", &key, "--key", &key]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("no certificate in PEM form"), "{}", wrong.stderr);
}

#[test]
fn other_protocols() {
    let identity = Identity::new("localhost", &["http/1.1"]);
    let (encrypted, _) = secure(&identity, |_| false, |_| answer("hello"));
    let encrypted = encrypted.replace("https", "http");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap().to_string();
    serve(listener, |_| answer("hello"));
    // As nginx and Go's net/http respond.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let polite = listener.local_addr().unwrap().to_string();
    serve(listener, |_| {
        let words = "Client sent an HTTP request to an HTTPS server.";
        format!("HTTP/1.1 400 No\r\nContent-Length: {}\r\n\r\n{words}", words.len()).into_bytes()
    });
    let h2_only = http2::serve(None, 100, hello).url();
    let cases: [(&str, &[&str], &str); 5] = [
        (&encrypted, &[], "it speaks TLS: give an https:// URL"),
        (&polite, &[], "it speaks TLS: give an https:// URL"),
        (&format!("https://{plain}"), &["-k"], "does it speak TLS? if not, give an http:// URL"),
        (&plain, &["--http2"], "without --http2"),
        (&h2_only, &[], "it speaks HTTP/2: add --http2"),
    ];
    for (url, options, hint) in cases {
        let loaded = load(url, &[options, &["--timeout", "5s"]].concat());
        assert_eq!(loaded.code, 5, "{url}: {}", loaded.stderr);
        assert!(loaded.stderr.contains(hint), "{url} {options:?}: {}", loaded.stderr);
    }
}

#[test]
fn names_that_stand_for_other_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = serve(listener, |_| answer("hello"));
    let resolve = format!("a.invalid:{port}:127.0.0.1");
    let connect = format!("b.invalid:1:127.0.0.1:{port}");
    let cases = [
        (format!("http://a.invalid:{port}/"), ["--resolve", &resolve]),
        ("http://b.invalid:1/".to_owned(), ["--connect-to", &connect]),
    ];
    let mut before = 0;
    for (url, options) in cases {
        load(&url, &[&options[..], &["-n", "20"]].concat()).is_right(20, served.count() - before);
        before = served.count();
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        assert_eq!(served.host(), host);
    }
    let six = load(&format!("http://127.0.0.1:{port}/"), &["-6"]);
    assert_eq!((six.code, served.count()), (2, 2 * (20 + FIRST)), "{}", six.stderr);
    assert!(six.stderr.contains("127.0.0.1 has no IPv6 address"), "{}", six.stderr);
}

#[test]
fn zones() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = serve(listener, |_| answer("hello"));
    load(&format!("http://[::1%25lo]:{port}/"), &["-n", "20"]).is_right(20, served.count());
    assert_eq!(served.host(), format!("[::1]:{port}"));
    let none = load(&format!("http://[::1%nowhere]:{port}/"), &[]);
    assert_eq!(none.code, 2, "{}", none.stderr);
    assert!(none.stderr.contains("there is no interface `nowhere`"), "{}", none.stderr);
}
