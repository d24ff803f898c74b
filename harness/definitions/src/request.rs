//! What is wrong with a request or its expected answer, wherever they were read from.

use super::{Answer, Case};

/// Headers that the harness writes itself.
const OWN_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// Something wrong with a request or an answer.
pub(super) struct Fault {
    /// The key whose value is wrong.
    pub(super) key: &'static str,
    pub(super) problem: String,
    pub(super) cure: String,
}

/// What is wrong with a request.
pub(super) fn request_faults(case: &Case) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |key, problem: String, cure: &str| {
        faults.push(Fault { key, problem, cure: cure.to_owned() });
    };
    let capital = |c: char| c.is_ascii_uppercase() || c == '-';
    if case.method.is_empty() || !case.method.chars().all(capital) {
        let cure = "write it in capital letters, such as GET or POST";
        fault("method", format!("the method is {:?}", case.method), cure);
    }
    if !case.path.starts_with('/') {
        let cure = "begin it with `/`: the harness fills in host and port";
        fault("path", format!("the path is {:?}", case.path), cure);
    }
    if let Some(bad) = case.path.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        let cure = "percent-encode it: %20 for a space, the bytes of UTF-8 for other characters";
        fault("path", format!("the path holds {bad:?}"), cure);
    }
    for (name, value) in &case.headers {
        // RFC 9110, 5.6.2: the characters of a token.
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            let cure = "use letters, digits and `-`";
            fault("headers", format!("a header is named {name:?}"), cure);
        }
        if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            let cure = "take it out: the harness sets Host, Content-Length, Transfer-Encoding and \
                        Connection, by `body`, `chunked` and `churn`";
            fault("headers", format!("the header `{name}` is set"), cure);
        }
        if value.chars().any(char::is_control) || value.trim() != value {
            let cure = "write one line without control characters and without space around it";
            fault("headers", format!("the header `{name}` is {value:?}"), cure);
        }
    }
    if case.chunked && case.body.is_none() {
        let cure = "add a `body`, or take `chunked` out";
        fault("chunked", "`chunked` without a `body`".to_owned(), cure);
    }
    faults
}

/// What is wrong with an answer to a request with this method.
pub(super) fn answer_faults(method: &str, answer: &Answer) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !(200..=599).contains(&answer.status) {
        let problem = format!("the status is {}", answer.status);
        let cure = "write a number from 200 to 599".to_owned();
        faults.push(Fault { key: "status", problem, cure });
    }
    // RFC 9110, 6.4.1: these have no content, so no server could give this answer.
    let empty = method == "HEAD" || matches!(answer.status, 204 | 304);
    if empty && !answer.body.is_empty() {
        let problem = "a body is expected where HTTP allows none".to_owned();
        let cure = "make it empty: HEAD, 204 and 304 have no body".to_owned();
        faults.push(Fault { key: "body", problem, cure });
    }
    faults
}
