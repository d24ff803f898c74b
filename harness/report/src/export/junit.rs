//! JUnit XML, as GitLab, Jenkins, Azure Pipelines and dorny/test-reporter read it.
//!
//! The format has no standard; what is written here is what all of them share: `testsuites`,
//! `testsuite` with counts and properties, `testcase` with at most one of `failure`, `error` and
//! `skipped`, and `system-out`. What counts as a failure is left to the caller.

/// A group of cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// When it began, ISO 8601 in UTC.
    pub timestamp: Option<String>,
    /// Names and values that hold for all of it.
    pub properties: Vec<(String, String)>,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// A case: one question, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it belongs to. Viewers part it at dots to build a tree.
    pub class: String,
    /// Its name, unique within its class.
    pub name: String,
    /// How long it took; 0 where nobody measured that.
    pub seconds: f64,
    /// What came of it.
    pub outcome: Outcome,
    /// What viewers show beside it, whatever the outcome.
    pub output: Option<String>,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// What was asked does not hold.
    Failure {
        /// A word for machines: `regression`.
        kind: String,
        /// One line.
        message: String,
        /// All there is to say; may be empty.
        details: String,
    },
    /// It could not be asked: something broke.
    Error {
        /// A word for machines: `drive`.
        kind: String,
        /// One line.
        message: String,
        /// All there is to say; may be empty.
        details: String,
    },
    /// It was asked, and there is no answer.
    Skipped {
        /// Why.
        message: String,
    },
}

/// A document of these suites, called `name`.
#[must_use]
pub fn junit(name: &str, suites: &[Suite]) -> String {
    let all = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    out += &format!("<testsuites name=\"{}\" {all}>\n", attribute(name));
    for suite in suites {
        out += &of_suite(suite);
    }
    out + "</testsuites>\n"
}

fn of_suite(suite: &Suite) -> String {
    let counts = Counts::of(suite.cases.iter());
    let mut out = format!(" <testsuite name=\"{}\" {counts}", attribute(&suite.name));
    if let Some(timestamp) = &suite.timestamp {
        out += &format!(" timestamp=\"{}\"", attribute(timestamp));
    }
    out += ">\n";
    if !suite.properties.is_empty() {
        out += "  <properties>\n";
        for (name, value) in &suite.properties {
            let (name, value) = (attribute(name), attribute(value));
            out += &format!("   <property name=\"{name}\" value=\"{value}\"/>\n");
        }
        out += "  </properties>\n";
    }
    for case in &suite.cases {
        out += &of_case(case);
    }
    out + " </testsuite>\n"
}

fn of_case(case: &Case) -> String {
    let (class, name) = (attribute(&case.class), attribute(&case.name));
    let head = format!(
        "  <testcase classname=\"{class}\" name=\"{name}\" time=\"{:.3}\"",
        case.seconds.max(0.0)
    );
    let mut inner = match &case.outcome {
        Outcome::Passed => String::new(),
        Outcome::Failure { kind, message, details } => element("failure", kind, message, details),
        Outcome::Error { kind, message, details } => element("error", kind, message, details),
        Outcome::Skipped { message } => {
            format!("   <skipped message=\"{}\"/>\n", attribute(message))
        }
    };
    if let Some(output) = &case.output {
        inner += &format!("   <system-out>{}</system-out>\n", text(output));
    }
    if inner.is_empty() { head + "/>\n" } else { format!("{head}>\n{inner}  </testcase>\n") }
}

fn element(name: &str, kind: &str, message: &str, details: &str) -> String {
    let (kind, message) = (attribute(kind), attribute(message));
    format!("   <{name} type=\"{kind}\" message=\"{message}\">{}</{name}>\n", text(details))
}

/// The counts that suites carry as attributes.
#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    seconds: f64,
}

impl Counts {
    fn of<'a>(cases: impl Iterator<Item = &'a Case>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            counts.tests += 1;
            counts.seconds += case.seconds.max(0.0);
            match case.outcome {
                Outcome::Passed => {}
                Outcome::Failure { .. } => counts.failures += 1,
                Outcome::Error { .. } => counts.errors += 1,
                Outcome::Skipped { .. } => counts.skipped += 1,
            }
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tests, failures, errors, skipped, seconds } = self;
        write!(
            f,
            "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" \
             time=\"{seconds:.3}\""
        )
    }
}

/// Text between tags.
fn text(raw: &str) -> String {
    escape(raw, |c| match c {
        // A carriage return that is written as it is becomes a line feed when it is read.
        '\r' => Some("&#13;"),
        _ => None,
    })
}

/// Text in double quotes.
fn attribute(raw: &str) -> String {
    escape(raw, |c| match c {
        '"' => Some("&quot;"),
        // White space in attributes is read as blanks unless it is written as a reference.
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        '\t' => Some("&#9;"),
        _ => None,
    })
}

fn escape(raw: &str, more: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match (c, more(c)) {
            (_, Some(reference)) => out += reference,
            ('&', None) => out += "&amp;",
            ('<', None) => out += "&lt;",
            ('>', None) => out += "&gt;",
            (c, None) if is_xml(c) => out.push(c),
            (_, None) => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}

/// Whether XML 1.0 can hold a character at all, written out or as a reference (production 2).
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}'
        | '\u{10000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, seconds: f64, outcome: Outcome, output: Option<&str>) -> Case {
        let output = output.map(str::to_owned);
        Case { class: "hello.c64".to_owned(), name: name.to_owned(), seconds, outcome, output }
    }

    #[test]
    fn a_document() {
        let suite = Suite {
            name: "a <gate> & \"more\"".to_owned(),
            timestamp: Some("2026-02-12T09:30:11Z".to_owned()),
            properties: vec![("base".to_owned(), "3f2c1ab\ttab".to_owned())],
            cases: vec![
                case(
                    "throughput",
                    70.8,
                    Outcome::Failure {
                        kind: "regression".to_owned(),
                        message: "5.8% slower\nthan base".to_owned(),
                        details: "a < b\u{1b}[0m\r\n".to_owned(),
                    },
                    None,
                ),
                case(
                    "latency",
                    1.0,
                    Outcome::Skipped { message: "inconclusive".to_owned() },
                    Some("n = 8"),
                ),
                case(
                    "memory",
                    0.0,
                    Outcome::Error {
                        kind: "start".to_owned(),
                        message: "no".to_owned(),
                        details: String::new(),
                    },
                    None,
                ),
                case("start-up", 0.0, Outcome::Passed, None),
            ],
        };
        let empty =
            Suite { name: String::new(), timestamp: None, properties: vec![], cases: vec![] };
        insta::assert_snapshot!(junit("duet gate", &[suite, empty]));
    }
}
