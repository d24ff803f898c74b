//! What is wrong with a request or its expected answer, wherever they were read from.

use duet_model::spec::{Case, ExpectedResponse, GeneratedBody};

/// Headers that the harness writes itself.
const OWN_HEADERS: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// The longest message over WebSocket: what CONTRACT.md has servers take.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Something wrong with a request or an answer.
pub(super) struct Fault {
    /// The key whose value is wrong.
    pub(super) key: &'static str,
    pub(super) problem: String,
    pub(super) hint: String,
}

/// What is wrong with a request.
pub(super) fn request_faults(case: &Case) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |key, problem: String, hint: &str| {
        faults.push(Fault { key, problem, hint: hint.to_owned() });
    };
    let capital = |c: char| c.is_ascii_uppercase() || c == '-';
    if case.method.is_empty() || !case.method.chars().all(capital) {
        let hint = "write it in capital letters, such as GET or POST";
        fault("method", format!("the method is {:?}", case.method), hint);
    }
    if !case.path.starts_with('/') {
        let hint = "begin it with `/`: the harness fills in host and port";
        fault("path", format!("the path is {:?}", case.path), hint);
    }
    if let Some(bad) = case.path.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        let hint = "percent-encode it: %20 for a space, the bytes of UTF-8 for other characters";
        fault("path", format!("the path holds {bad:?}"), hint);
    }
    for (name, value) in &case.headers {
        // RFC 9110, 5.6.2: the characters of a token.
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            let hint = "use letters, digits and `-`";
            fault("headers", format!("a header is named {name:?}"), hint);
        }
        if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            let hint = "take it out: the harness sets Content-Length, Transfer-Encoding and \
                        Connection, by `body`, `chunked` and `churn`";
            fault("headers", format!("the header `{name}` is set"), hint);
        }
        if value.chars().any(char::is_control) || value.trim() != value {
            let hint = "write one line without control characters and without space around it";
            fault("headers", format!("the header `{name}` is {value:?}"), hint);
        }
    }
    if case.body.is_some() && case.body_generated.is_some() {
        let hint = "remove one of the two";
        fault("body_generated", "`body_generated` stands beside `body`".to_owned(), hint);
    }
    faults.extend(message_faults(case));
    faults.extend(too_long(case.body_generated.as_ref()));
    let mut fault = |key, problem: String, hint: &str| {
        faults.push(Fault { key, problem, hint: hint.to_owned() });
    };
    if let Some(event_ms) = case.event_ms {
        let events = case.expect.events();
        let last_ms = u64::from(events) * u64::from(event_ms);
        if events == 0 {
            let hint = "write an empty line behind each event in the body of `expect`";
            fault("event_ms", "`event_ms` without an event in the body".to_owned(), hint);
        } else if case.least_ms.map(u64::from) != Some(last_ms) {
            let problem = format!("`least_ms` is not when the last of {events} events is due");
            fault("event_ms", problem, &format!("write `least_ms = {last_ms}`"));
        }
    }
    if case.chunked && case.body.is_none() && case.body_generated.is_none() {
        let hint = "add a `body`, or take `chunked` out";
        fault("chunked", "`chunked` without a `body`".to_owned(), hint);
    }
    faults
}

/// What is wrong with the message of a request that opens a WebSocket.
fn message_faults(case: &Case) -> Vec<Fault> {
    let room = case.path.contains("{room}");
    let Some(message) = &case.message else {
        let problem = "`members` without a `message`".to_owned();
        let hint = "add a `message`, or take `members` out".to_owned();
        let alone = case.members.map(|_| Fault { key: "members", problem, hint });
        return alone.into_iter().collect();
    };
    let http = [
        ("body", case.body.is_some() || case.body_generated.is_some()),
        ("method", case.method != "GET"),
        ("event_ms", case.event_ms.is_some()),
        ("least_ms", case.least_ms.is_some()),
        ("upstream_calls", case.upstream_calls.is_some()),
        ("expect", case.expect != ExpectedResponse { status: 101, ..Default::default() }),
    ];
    let mut faults: Vec<Fault> = http
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(key, _)| Fault {
            key,
            problem: format!("`{key}` stands beside `message`"),
            hint: "take it out: a WebSocket is opened by GET, and its message comes back".into(),
        })
        .collect();
    if !message.contains("{seq}") {
        let hint = "write `{seq}` into it: the numbers show that none is lost, or comes twice";
        let problem = "the message has no number".to_owned();
        faults.push(Fault { key: "message", problem, hint: hint.to_owned() });
    }
    if message.len() > MESSAGE_BYTES_MAX {
        let problem = format!("the message has {} bytes", message.len());
        let hint = format!("write {MESSAGE_BYTES_MAX} at most");
        faults.push(Fault { key: "message", problem, hint });
    }
    if room != case.members.is_some() {
        let hint = "write `{room}` into the path, and say by `members` how many share a room";
        let problem = "only one of `{room}` and `members` is there".to_owned();
        faults.push(Fault { key: "members", problem, hint: hint.to_owned() });
    }
    faults
}

/// What is wrong with an answer to a request with this method.
pub(super) fn answer_faults(method: &str, answer: &ExpectedResponse) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !(200..=599).contains(&answer.status) {
        let problem = format!("the status is {}", answer.status);
        let hint = "write a number from 200 to 599".to_owned();
        faults.push(Fault { key: "status", problem, hint });
    }
    if !answer.body.is_empty() && answer.body_generated.is_some() {
        let problem = "`body_generated` stands beside `body`".to_owned();
        let hint = "remove one of the two".to_owned();
        faults.push(Fault { key: "body_generated", problem, hint });
    }
    faults.extend(too_long(answer.body_generated.as_ref()));
    if answer.grpc_status.is_some() && (method != "POST" || answer.status != 200) {
        let problem = "`grpc_status` stands beside another method than POST, or another status \
                       than 200";
        let hint = "every call of gRPC is a POST, and answered with 200 whatever it comes to";
        let (problem, hint) = (problem.to_owned(), hint.to_owned());
        faults.push(Fault { key: "grpc_status", problem, hint });
    }
    // RFC 9110, 6.4.1: these have no content, so no server could give this answer.
    let empty = method == "HEAD" || matches!(answer.status, 204 | 304);
    let has_body = !answer.body.is_empty()
        || answer.body_generated.is_some_and(|generated| generated.bytes > 0);
    if empty && has_body {
        let problem = "a body is expected where HTTP allows none".to_owned();
        let hint = "make it empty: HEAD, 204 and 304 have no body".to_owned();
        faults.push(Fault { key: "body", problem, hint });
    }
    faults
}

/// A generated body that is longer than any response may be.
fn too_long(body: Option<&GeneratedBody>) -> Option<Fault> {
    let bytes = body.map(|body| body.bytes).filter(|bytes| *bytes > GeneratedBody::BYTES_MAX)?;
    let hint = format!("write a number up to {}", GeneratedBody::BYTES_MAX);
    Some(Fault { key: "body_generated", problem: format!("`bytes` is {bytes}"), hint })
}
