//! JUnit XML, as GitLab, Jenkins, Azure Pipelines and dorny/test-reporter read it.
//!
//! What counts as a failure is left to the caller; the format is quick-junit's.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

/// A document of these suites, called `name`.
pub(crate) fn junit(name: &str, suites: impl IntoIterator<Item = TestSuite>) -> String {
    let mut report = Report::new(name);
    report.add_test_suites(suites);
    report.time = Some(report.test_suites.iter().filter_map(|suite| suite.time).sum());
    let text = report.to_string().expect("strings can be written into memory");
    // The two that quick-junit leaves and XML does not have.
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// A group of cases that began at `started`, ISO 8601 in UTC.
pub(crate) fn suite(
    name: &str,
    started: &str,
    properties: impl IntoIterator<Item = (&'static str, String)>,
    cases: Vec<TestCase>,
) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.extra.insert("timestamp".into(), started.into());
    suite.add_properties(properties.into_iter().map(|(name, value)| Property::new(name, value)));
    suite.set_time(cases.iter().filter_map(|case| case.time).sum());
    suite.add_test_cases(cases);
    suite
}

/// A case: one question, and what came of it. Viewers part `class` at dots to build a tree;
/// `seconds` is 0 where nobody measured that; `output` is shown beside it, whatever the outcome.
pub(crate) fn case(
    class: &str,
    name: &str,
    seconds: f64,
    status: TestCaseStatus,
    output: Option<String>,
) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(class).set_time(Duration::from_secs_f64(seconds.max(0.0)));
    if let Some(output) = output {
        case.set_system_out(output);
    }
    case
}

/// What is wanted does not hold. `kind` is a word for machines: `regression`.
pub(crate) fn failure(kind: &str, message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind).set_message(message);
    status
}

/// Nothing was found out: something broke. `details` may be empty.
pub(crate) fn error(kind: &str, message: String, details: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(kind).set_message(message);
    if !details.is_empty() {
        status.set_description(details);
    }
    status
}

/// It was measured, and that does not say.
pub(crate) fn skipped(message: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document() {
        let long = "5.8% slower\nthan base".to_owned();
        let details = "a < b\u{1b}[0m\r\n";
        let cases = vec![
            case("hello.c64", "throughput", 70.8, failure("regression", long), None),
            case("hello.c64", "latency", 1.0, skipped("inconclusive".into()), Some("n = 8".into())),
            case("hello.c64", "memory", 0.0, error("start", "no".into(), details), None),
            case("hello.c64", "start-up", 0.0, TestCaseStatus::success(), None),
        ];
        let name = "a <gate> & \"more\"";
        let began = "2026-02-12T09:30:11Z";
        let suites = [
            suite(name, began, [("base", "3f2c1ab\ttab".to_owned())], cases),
            suite("", began, [], vec![]),
        ];
        insta::assert_snapshot!(junit("duet gate", suites));
    }
}
