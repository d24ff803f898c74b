//! A request of HTTP/1.1 in the terms of HTTP/2.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::request::exchange::Variation;
use crate::request::requests;
use crate::request::selector::NextRequest;

/// The most header fields.
const FIELDS_MAX: usize = 128;
/// Fields about a connection, which HTTP/2 does not have (RFC 9113, section 8.2.2); `Host` becomes
/// the authority.
const OWN_TO_HTTP1: [&str; 6] =
    ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// What a thread sends, and its requests in the form of HTTP/2.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) plain: requests::Requests,
    requests: Vec<Request>,
    tls: bool,
}

impl Requests {
    /// `tls` says that TLS lies beneath.
    pub(super) fn new(plain: requests::Requests, tls: bool) -> Result<Self, String> {
        let requests = plain.exchanges.iter().map(|exchange| Request::read(&exchange.request, tls));
        let requests = requests.collect::<Result<_, _>>()?;
        Ok(Self { plain, requests, tls })
    }

    /// A request in the form of HTTP/2.
    pub(super) fn get(&mut self, slot: usize, next: NextRequest) -> &Request {
        if self.plain.exchanges[next.exchange].variation != Variation::None {
            let exchange = self.plain.write(slot, next);
            self.requests[next.exchange] = Request::read(&exchange.request, self.tls)
                .expect("what differs from a request that could be read was made to fit");
        }
        &self.requests[next.exchange]
    }
}

/// A request, ready to be sent again and again.
#[derive(Debug, Clone)]
pub(super) struct Request {
    method: Method,
    uri: Uri,
    fields: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    /// Reads the bytes that HTTP/1.1 would send.
    pub(super) fn read(bytes: &[u8], tls: bool) -> Result<Self, String> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(bytes).map_err(|error| error.to_string())?;
        let httparse::Status::Complete(length) = parsed else {
            return Err("its head does not end".to_owned());
        };
        let (Some(method), Some(path)) = (request.method, request.path) else {
            return Err("it has no method".to_owned());
        };
        let host = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"));
        let host = host.ok_or("it has no Host")?.value;
        let uri = Uri::builder()
            .scheme(if tls { Scheme::HTTPS } else { Scheme::HTTP })
            .authority(Authority::try_from(host).map_err(|error| error.to_string())?)
            .path_and_query(PathAndQuery::try_from(path).map_err(|error| error.to_string())?)
            .build();
        let mut own = HeaderMap::new();
        for field in request.headers.iter() {
            let name = field.name.to_ascii_lowercase();
            if !OWN_TO_HTTP1.contains(&name.as_str()) {
                let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
                let value = HeaderValue::from_bytes(field.value);
                own.append(name, value.map_err(|error| error.to_string())?);
            }
        }
        Ok(Self {
            method: Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?,
            uri: uri.map_err(|error| error.to_string())?,
            fields: own,
            body: Bytes::copy_from_slice(&bytes[length..]),
        })
    }

    /// All but the body.
    pub(super) fn head(&self) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.fields.clone();
        *request.version_mut() = http::Version::HTTP_2;
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let bytes =
            b"POST /a?b=c HTTP/1.1\r\nHost: d:8\r\nX-Y: z\r\nx-y: w\r\nConnection: close\r\n\
            Content-Length: 2\r\n\r\nhi";
        let request = Request::read(bytes, true).expect("it is a request");
        let head = request.head();
        assert_eq!((head.method().as_str(), &request.body[..]), ("POST", &b"hi"[..]));
        assert_eq!(head.uri().to_string(), "https://d:8/a?b=c");
        let fields: Vec<_> =
            head.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        let expected: [(&str, &[u8]); 3] = [("x-y", b"z"), ("x-y", b"w"), ("content-length", b"2")];
        assert_eq!(fields, expected);
        let cases: [(&[u8], &str); 3] = [
            (b"GET / HTTP/1.1\r\n\r\n", "it has no Host"),
            (b"GET / HTTP/1.1\r\n", "its head does not end"),
            (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "invalid"),
        ];
        for (bytes, expected) in cases {
            let error = Request::read(bytes, false).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
