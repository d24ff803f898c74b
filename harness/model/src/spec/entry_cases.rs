//! Requests to a cache of entries, and the expected responses.

use super::entries::{Entries, Value};
use super::workload::{Case, ExpectedResponse};

impl Entries {
    /// Stores a value.
    #[must_use]
    pub fn put(&self, id: u32, value: Value) -> Case {
        let stored = format!(r#"{{"id":{id},"bytes":{}}}"#, self.value_bytes);
        let case = case("PUT", format!("{}/{id}", self.path), "application/json", stored);
        Case { body: Some(self.value(id, value)), ..case }
    }

    /// Reads a value.
    #[must_use]
    pub fn get(&self, id: u32, value: Value) -> Case {
        let path = format!("{}/{id}", self.path);
        case("GET", path, "text/plain; charset=utf-8", self.value(id, value))
    }

    /// Counts the entries.
    #[must_use]
    pub fn count(&self, entries: u32) -> Case {
        let counted = format!(r#"{{"count":{entries}}}"#);
        case("GET", self.path.clone(), "application/json", counted)
    }
}

fn case(method: &str, path: String, content_type: &str, body: String) -> Case {
    let content_type = Some(content_type.to_owned());
    let expect = ExpectedResponse { status: 200, content_type, body, ..Default::default() };
    Case { method: method.to_owned(), path, expect, ..Case::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_follow_from_ids() {
        let entries = Entries { path: "/kv".to_owned(), value_bytes: 100 };
        let values = |id| [Value::First, Value::Second].map(|value| entries.value(id, value));
        let put = entries.put(7, Value::Second);
        assert_eq!(
            (put.path.as_str(), put.expect.body.as_str()),
            ("/kv/7", r#"{"id":7,"bytes":100}"#)
        );
        assert_eq!(put.body, Some(values(7)[1].clone()));
        assert_eq!(entries.get(7, Value::First).expect.body, values(7)[0]);
        assert_eq!(entries.count(5).expect.body, r#"{"count":5}"#);
    }
}
