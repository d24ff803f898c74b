//! From a URL and options to the bytes of requests.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use url::Url;

use super::form;
use super::place::{Place, target};
use super::proxy::Proxy;
use super::targets::{self, Listed};
use super::variables::{VariableArgs, Variables};
use crate::cmd::exit::UsageError;
use duet_definitions::{Header, MixCase};
use duet_loadgen::request::composed::Given;
use duet_loadgen::request::exchange::{Exchange, Status, Variation};
use duet_loadgen::request::placeholder::{self, Placeholder};

/// What is sent over WebSocket where nothing is given.
const MESSAGE: &str = "message {seq}";

/// What is sent.
#[derive(Debug, Default, Args)]
pub(super) struct RequestArgs {
    /// The method [default: GET, or POST with a body].
    #[arg(short, long, conflicts_with_all = ["cases", "targets"])]
    method: Option<String>,

    /// A header as curl has it: 'Name: value', 'Name;' for an empty one, 'Name:' to leave a default
    /// one out; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// The body; of WebSocket, the message [default: message {seq}].
    #[arg(long, value_name = "TEXT", group = "a_body")]
    body: Option<String>,

    /// The body, from a file.
    #[arg(long, short = 'D', value_name = "FILE", group = "a_body")]
    body_file: Option<PathBuf>,

    /// The body as curl's -d has it: a form; @FILE: from a file, line breaks left out.
    #[arg(long, value_name = "DATA", group = "a_body")]
    data: Option<String>,

    /// The same, but a file as it is.
    #[arg(long, value_name = "DATA", group = "a_body")]
    data_binary: Option<String>,

    /// A field of a form with files (multipart), as curl has it: NAME=VALUE, NAME=@FILE or
    /// NAME=<FILE; may be repeated.
    #[arg(short = 'F', long, value_name = "FIELD", group = "a_body")]
    form: Vec<String>,

    /// User and password (basic authentication).
    #[arg(short, long, value_name = "USER:PASSWORD", conflicts_with = "bearer")]
    user: Option<String>,

    /// A token (bearer authentication).
    #[arg(long, value_name = "TOKEN", alias = "oauth2-bearer")]
    bearer: Option<String>,

    /// Cookies: 'NAME=VALUE; NAME=VALUE'.
    #[arg(short = 'b', long, value_name = "COOKIES")]
    cookie: Option<String>,

    /// Several requests, drawn by weight: a file with a table [[case]] each.
    ///
    /// It is TOML, and the keys of a table are weight, method, path, headers (a list), body or
    /// body_file, and expect = { status, body or body_file }; each of them may be left out. Paths
    /// are of the URL's host, those of files relative to FILE. Headers of the command line are sent
    /// with all.
    #[arg(long, value_name = "FILE", conflicts_with = "a_body")]
    pub(super) cases: Option<PathBuf>,

    /// Several requests, sent in their order, over and over: a file as vegeta reads it, - for
    /// standard input.
    ///
    /// A request is a line `METHOD URL`, or a URL alone for GET, with lines `Name: value` and a
    /// line `@FILE` for a body behind it; lines that begin with # are left out. All URLs are of one
    /// server; of the URL of the command line a path such as `/a?b=c` is enough. Headers of the
    /// command line are sent with all.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["a_body", "cases"])]
    pub(super) targets: Option<PathBuf>,

    #[command(flatten)]
    pub(super) variables: VariableArgs,

    /// A new connection for each request, which asks the server to close it.
    #[arg(long)]
    pub(super) disable_keepalive: bool,
}

/// A request as bytes, and what was declared of its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) exchange: Exchange,
    pub(super) weight: u32,
    pub(super) expect_status: Option<Status>,
    pub(super) expect_body: Option<Vec<u8>>,
}

impl RequestArgs {
    /// The values that requests may have.
    pub(super) fn variables(&self) -> Result<Variables> {
        let cookie = |header: &String| {
            header.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("cookie"))
        };
        ensure!(
            !self.variables.keeps_cookies() || !self.headers.iter().any(cookie),
            UsageError("--cookies writes the header Cookie: give those to begin with by -b".into())
        );
        self.variables.read(self.cookie.as_ref())
    }

    /// All requests; those of a list where there is one.
    pub(super) fn written(
        &self,
        place: &Place,
        listed: &[Listed],
        variables: &Variables,
        proxy: Option<&Proxy>,
    ) -> Result<Vec<Written>> {
        let target = target(&place.text)?;
        let form = match self.form.as_slice() {
            [] => None,
            fields => Some(form::multipart(fields)?),
        };
        let mut common = vec![];
        for header in &self.headers {
            common.push(header.parse::<Header>().map_err(UsageError)?);
        }
        let cases = match &self.cases {
            Some(path) => duet_definitions::read_mix(path)?,
            None if !listed.is_empty() => targets::cases(listed, place)?,
            None => vec![self.single(form.as_ref().map(|(body, _)| body))?],
        };
        let boundary = form.as_ref().map(|(_, boundary)| boundary);
        let mut defaults = self.defaults(&place.url, boundary)?;
        let mut prefix = String::new();
        if let Some(proxy) = proxy {
            prefix = format!("http://{}", place.url.authority());
            if let Some(value) = proxy.authorization() {
                let header = format!("Proxy-Authorization: {value}");
                defaults.push(header.parse().map_err(UsageError)?);
            }
        }
        let all = cases.len();
        variables.check(all)?;
        let write = |(number, case): (usize, MixCase)| {
            let path = case.path.as_deref().unwrap_or(&target);
            let case = MixCase { path: Some(format!("{prefix}{path}")), ..case };
            write(&[&defaults, &common], case, variables, (number, all))
        };
        cases.into_iter().enumerate().map(write).collect()
    }

    /// A request that opens a WebSocket, and the message.
    pub(super) fn message(&self, place: &Place) -> Result<Exchange> {
        let one = self.single(None)?;
        ensure!(
            one.method.as_deref().is_none_or(|method| method == "GET"),
            UsageError("a WebSocket is opened by GET: leave out --method".to_owned())
        );
        let text = one.body.unwrap_or_else(|| MESSAGE.into());
        ensure!(
            str::from_utf8(&text).is_ok(),
            UsageError("the message is not UTF-8: it is sent as text".to_owned())
        );
        let mut common = vec![];
        for header in &self.headers {
            common.push(header.parse::<Header>().map_err(UsageError)?);
        }
        let defaults = self.defaults(&place.url, None)?;
        let path = Some(target(&place.text)?);
        let head = MixCase { weight: 1, path, ..MixCase::default() };
        let head = write(&[&defaults, &common], head, &Variables::default(), (0, 1))?.exchange;
        ensure!(
            head.variation == Variation::None,
            UsageError("the request that opens a WebSocket has no placeholders".to_owned())
        );
        Ok(Exchange::with_message(head.request, &text, 1))
    }

    /// Whether there is a form with files.
    pub(super) fn has_form(&self) -> bool {
        !self.form.is_empty()
    }

    /// Whether requests carry what is meant for one server alone.
    pub(super) fn has_credentials(&self) -> bool {
        let is_secret = |header: &String| {
            let name = header.split([':', ';']).next().unwrap_or_default();
            ["authorization", "cookie"].iter().any(|secret| name.eq_ignore_ascii_case(secret))
        };
        self.user.is_some()
            || self.bearer.is_some()
            || self.cookie.is_some()
            || self.headers.iter().any(is_secret)
    }

    /// The request of the command line.
    fn single(&self, form: Option<&Vec<u8>>) -> Result<MixCase> {
        let method = self.method.clone();
        if let Some(method) = method.as_ref().filter(|method| !duet_definitions::is_method(method))
        {
            bail!(UsageError(format!("`{method}` is no method")));
        }
        let read = |path: &str| fs::read(path).with_context(|| format!("failed to read {path}"));
        let body = match (&self.body, &self.body_file, &self.data, &self.data_binary) {
            (Some(text), ..) => Some(text.clone().into_bytes()),
            (_, Some(path), ..) => Some(read(&path.to_string_lossy())?),
            (.., Some(data)) => Some(match data.strip_prefix('@') {
                Some(path) => read(path)?,
                None => data.clone().into_bytes(),
            }),
            (_, _, Some(data), _) => Some(match data.strip_prefix('@') {
                Some(path) => {
                    let mut bytes = read(path)?;
                    bytes.retain(|byte| !b"\r\n\0".contains(byte));
                    bytes
                }
                None => data.clone().into_bytes(),
            }),
            (None, None, None, None) => form.cloned(),
        };
        Ok(MixCase { weight: 1, method, body, ..MixCase::default() })
    }

    /// The headers that are sent unless others of their names are given.
    fn defaults(&self, url: &Url, boundary: Option<&String>) -> Result<Vec<Header>> {
        let form = self.data.is_some() || self.data_binary.is_some();
        let form = form.then(|| "application/x-www-form-urlencoded".to_owned());
        let multipart = boundary.map(|one| format!("multipart/form-data; boundary={one}"));
        let basic =
            self.user.as_ref().map(|user| format!("Basic {}", BASE64_STANDARD.encode(user)));
        let bearer = self.bearer.as_ref().map(|token| format!("Bearer {token}"));
        let close = self.disable_keepalive.then(|| "close".to_owned());
        let all = [
            ("Host", Some(url.authority().to_owned())),
            ("User-Agent", Some(concat!("duet/", env!("CARGO_PKG_VERSION")).to_owned())),
            ("Accept", Some("*/*".to_owned())),
            ("Authorization", basic.or(bearer)),
            ("Cookie", self.cookie.clone().filter(|_| !self.variables.keeps_cookies())),
            ("Content-Type", form.or(multipart)),
            ("Connection", close),
        ];
        let sent = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        // What comes from the command line is read as a header is: no line breaks.
        sent.map(|(name, value)| Ok(format!("{name}: {value}").parse().map_err(UsageError)?))
            .collect()
    }
}

/// Writes a request. Of the headers of one name those of the case come first, then those that all
/// cases have, then the defaults.
fn write(
    [defaults, common]: &[&[Header]; 2],
    case: MixCase,
    variables: &Variables,
    of: (usize, usize),
) -> Result<Written> {
    let body = case.body.as_deref();
    let method = case.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let levels: [&[Header]; 3] = [defaults, common, &case.headers];
    let named = |level: &[Header], name: &str| {
        level.iter().any(|header| header.name.eq_ignore_ascii_case(name))
    };
    let headers = levels.iter().enumerate().flat_map(|(i, level)| {
        let above = &levels[i + 1..];
        level.iter().filter(|header| !above.iter().any(|level| named(level, &header.name)))
    });
    let path = case.path.as_deref().unwrap_or("/");
    let line = format!("{method} {path} HTTP/1.1\r\n");
    let mut fields = String::new();
    for header in headers {
        if let Some(value) = &header.value {
            fields.push_str(&format!("{}: {value}\r\n", header.name));
        }
    }
    let left_out = levels.iter().any(|level| named(level, "content-length"));
    if body.is_none() && !left_out && matches!(method, "POST" | "PUT" | "PATCH") {
        fields.push_str("Content-Length: 0\r\n");
    }
    let mut exchange = match variables.composed(of, (&line, &fields), body)? {
        Some(composed) => {
            let mut exchange = Exchange::any_success(vec![], method == "HEAD");
            exchange.variation = Variation::Composed(Box::new(composed));
            let row = variables.rows.first().map(Vec::as_slice).unwrap_or_default();
            exchange.write(Given { row, ..Given::default() }); // as one that can be sent
            exchange
        }
        None => with_digits(line + &fields, body, method == "HEAD"),
    };
    if fields.lines().any(is_grpc) {
        exchange.grpc_status = Some(0);
    }
    exchange.captures = variables.captures(of.0);
    exchange.observed = variables.keeps_cookies() || !exchange.captures.is_empty();
    let MixCase { weight, expect_status, expect_body, .. } = case;
    let expect_status = expect_status.map(Status::Exactly);
    Ok(Written { exchange, weight, expect_status, expect_body })
}

/// Whether a field of a request says that it is a call of gRPC, whose status is in its trailers.
fn is_grpc(field: &str) -> bool {
    let Some((name, value)) = field.split_once(':') else { return false };
    name.eq_ignore_ascii_case("content-type") && value.trim().starts_with("application/grpc")
}

/// A request in which nothing differs but digits.
fn with_digits(mut head: String, body: Option<&[u8]>, is_head: bool) -> Exchange {
    let body = body.map(placeholder::find);
    if let Some((body, _)) = &body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let (mut request, mut places) = placeholder::find((head + "\r\n").as_bytes());
    if let Some((body, in_body)) = body {
        let (head_len, before) = (request.len(), places.len() as u64);
        places.extend(in_body.into_iter().map(|place| Placeholder {
            at: place.at + head_len,
            which: place.which + before,
            ..place
        }));
        request.extend(body);
    }
    Exchange { variation: Variation::digits(places), ..Exchange::any_success(request, is_head) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(target: &str, method: Option<&str>, headers: &[&str], body: Option<&str>) -> String {
        let args = RequestArgs {
            method: method.map(Into::into),
            headers: headers.iter().map(|&h| h.into()).collect(),
            body: body.map(Into::into),
            disable_keepalive: false,
            ..RequestArgs::default()
        };
        of(target, &args)
    }

    fn of(target: &str, args: &RequestArgs) -> String {
        let written = Place::new(target)
            .and_then(|place| args.written(&place, &[], &Variables::default(), None));
        match written.as_deref() {
            Ok([one]) => String::from_utf8_lossy(&one.exchange.request).into_owned(),
            Ok(several) => panic!("{several:?}"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn requests() {
        let agent = concat!("User-Agent: duet/", env!("CARGO_PKG_VERSION"), "\r\n");
        let plain = |line: &str, host: &str| {
            format!("{line} HTTP/1.1\r\nHost: {host}\r\n{agent}Accept: */*\r\n\r\n")
        };
        let cases = [
            (bytes("http://a.b/c?d=e#f", None, &[], None), plain("GET /c?d=e", "a.b")),
            (bytes("https://a:443/", None, &[], None), plain("GET /", "a")),
            (bytes("[fe80::1%25lo]:81/x%25", None, &[], None), plain("GET /x%25", "[fe80::1]:81")),
            (bytes("localhost:80", None, &[], None), plain("GET /", "localhost")),
            (bytes("[::1]:81/x", Some("PUT"), &[], None), {
                plain("PUT /x", "[::1]:81").replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")
            }),
            (
                bytes("http://a", None, &["accept: b", "X: y:z"], Some("hi")),
                format!(
                    "POST / HTTP/1.1\r\nHost: a\r\n{agent}accept: b\r\nX: y:z\r\n\
                     Content-Length: 2\r\n\r\nhi"
                ),
            ),
            (
                bytes("http://a", None, &["X;", "host: b", "User-Agent:", "ACCEPT:"], None),
                "GET / HTTP/1.1\r\nX: \r\nhost: b\r\n\r\n".to_owned(),
            ),
            (
                bytes("a/{seq:2}?{rand:3}", None, &["X: {seq:1}"], Some("{seq:3}")),
                format!(
                    "POST /00?000 HTTP/1.1\r\nHost: a\r\n{agent}Accept: */*\r\nX: 0\r\n\
                     Content-Length: 3\r\n\r\n000"
                ),
            ),
            (bytes("a/%7Bseq%7D/{x}", None, &[], None), plain("GET /%7Bseq%7D/{x}", "a")),
        ];
        for (got, want) in cases {
            assert_eq!(got, want);
        }
    }

    #[test]
    fn mistakes() {
        let cases = [
            (bytes("ftp://a", None, &[], None), "`ftp` is not supported"),
            (bytes("http://u:p@a", None, &[], None), "credentials"),
            (bytes("http://", None, &[], None), "is no URL"),
            (bytes("a", None, &["x"], None), "write 'Name: value'"),
            (bytes("a", None, &["x: y\r\nz: a"], None), "is no header"),
            (bytes("a", None, &["Content-Length: 1"], None), "follows from the body"),
            (bytes("a", Some("GET /"), &[], None), "is no method"),
            (bytes("a/#{seq}", None, &[], None), "in the path or the query"),
        ];
        for (got, want) in cases {
            assert!(got.contains(want), "{got} lacks {want}");
        }
    }

    #[test]
    fn headers_of_options() {
        let with = |change: fn(&mut RequestArgs)| {
            let mut args = RequestArgs::default();
            change(&mut args);
            of("a", &args)
        };
        let cases = [
            (with(|args| args.user = Some("a:b".into())), "\r\nAuthorization: Basic YTpi\r\n"),
            (with(|args| args.bearer = Some("x.y".into())), "\r\nAuthorization: Bearer x.y\r\n"),
            (with(|args| args.cookie = Some("a=b; c=d".into())), "\r\nCookie: a=b; c=d\r\n"),
            (with(|args| args.cookie = Some("a\r\nb: c".into())), "is no header"),
            (
                with(|args| args.form = vec!["a=b".into()]),
                "\r\nContent-Type: multipart/form-data; boundary=------------------------duet\r\n",
            ),
            (with(|args| args.form = vec!["a=b".into()]), "name=\"a\"\r\n\r\nb\r\n--"),
            (
                with(|args| {
                    args.user = Some("a:b".into());
                    args.headers = vec!["authorization: c".into()];
                }),
                "\r\nAccept: */*\r\nauthorization: c\r\n\r\n",
            ),
        ];
        for (got, want) in cases {
            assert!(got.contains(want), "{got} lacks {want}");
        }
    }

    #[test]
    fn bodies_as_curl_has_them() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("body");
        fs::write(&path, "a\r\nb\n").expect("it can be written to");
        let file = format!("@{}", path.display());
        let cases = [
            (Some("a=1".to_owned()), None, "3\r\n\r\na=1"),
            (Some(file.clone()), None, "2\r\n\r\nab"),
            (None, Some("@/none".to_owned()), "failed to read /none"),
            (None, Some(file), "5\r\n\r\na\r\nb\n"),
        ];
        for (data, data_binary, expected) in cases {
            let args = RequestArgs {
                data,
                data_binary,
                disable_keepalive: true,
                ..RequestArgs::default()
            };
            let got = of("a", &args);
            assert!(got.contains(expected), "{got}");
            let headers = "Content-Type: application/x-www-form-urlencoded\r\n\
                Connection: close\r\n";
            assert!(got.contains("failed") || got.contains(headers), "{got}");
        }
    }
}
