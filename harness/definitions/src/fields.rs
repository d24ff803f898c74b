//! Reads a TOML table field by field. A mistake is kept with its line and reading goes on, so that
//! one pass finds them all. What the fields mean is left to the readers of the three files.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::errors::{DefinitionError, Found, Kind, MISTAKES_MAX, Reference};
use super::nearest::suggestion;
use super::source::Source;

/// A value and the line it was read from.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct At<T> {
    pub(super) line: usize,
    pub(super) value: T,
}

/// A table that is being read. Every key that is asked for is known; [`Fields::finish`] reports
/// the others.
pub(super) struct Fields<'a> {
    source: &'a Source,
    table: &'a DeTable<'a>,
    /// Where the table begins: there missing keys are reported.
    pub(super) line: usize,
    /// What the table is, for messages: `server alpha`; empty for a whole file.
    what: String,
    known: Vec<&'static str>,
    found: &'a mut Found,
}

impl<'a> Fields<'a> {
    /// The fields of a whole file.
    pub(super) fn of_file(
        source: &'a Source,
        table: &'a DeTable<'a>,
        found: &'a mut Found,
    ) -> Fields<'a> {
        Fields { source, table, line: 1, what: String::new(), known: Vec::new(), found }
    }

    /// Reports the keys that are missing, each with an example of what to write.
    pub(super) fn require(&mut self, keys: &[(&'static str, &str)]) {
        for (key, example) in keys {
            if self.get(key).is_none() {
                let hint = format!("add it, such as {example}");
                self.mistake(self.line, format!("`{key}` is missing"), hint);
            }
        }
    }

    /// A string.
    pub(super) fn text(&mut self, key: &'static str) -> Option<At<String>> {
        let (value, line) = self.get(key)?;
        let text = value.as_str().map(|text| At { line, value: text.to_owned() });
        self.typed(key, value, line, text, "write a string in quotes")
    }

    /// A string where a key may have something else.
    pub(super) fn word(&mut self, key: &'static str) -> Option<At<String>> {
        let (value, line) = self.get(key)?;
        value.as_str().map(|text| At { line, value: text.to_owned() })
    }

    /// A string that is shown in tables: one line, not blank.
    pub(super) fn sentence(&mut self, key: &'static str) -> Option<At<String>> {
        let text = self.text(key)?;
        if text.value.trim().is_empty() {
            self.mistake(text.line, format!("`{key}` is empty"), "write a few words");
        } else if text.value.chars().any(char::is_control) {
            let hint = "write one line without tabs and line breaks: reports show it in tables";
            self.mistake(text.line, format!("`{key}` holds control characters"), hint);
        }
        Some(text)
    }

    /// A name: what other tables, the command line and reports call this table.
    pub(super) fn name(&mut self) -> At<String> {
        let Some(name) = self.text("name") else {
            return At { line: self.line, value: String::new() };
        };
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=40).contains(&name.value.len()) || !name.value.chars().all(allowed) {
            let problem = format!("the name {:?} cannot be used", name.value);
            self.mistake(name.line, problem, "use 1 to 40 of the characters a-z, 0-9 and -");
        }
        name
    }

    /// A whole number within a range.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<At<u32>> {
        let (value, line) = self.get(key)?;
        self.ranged(key, value, line, &range, "write a whole number without quotes")
    }

    /// A list of whole numbers within a range. Nothing when one of them is none.
    pub(super) fn whole_numbers(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<u32>,
    ) -> Option<Vec<At<u32>>> {
        let hint = "write a list of whole numbers: [8, 12]";
        let (value, line) = self.get(key)?;
        let items = self.typed(key, value, line, value.as_array(), hint)?;
        let mut numbers = Vec::new();
        for item in items {
            let line = self.source.line(item.span().start);
            numbers.push(self.ranged(key, item.get_ref(), line, range, hint)?);
        }
        Some(numbers)
    }

    /// A table of whole numbers within a range; empty when it is absent.
    pub(super) fn numbers(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> BTreeMap<String, At<u32>> {
        let hint = "write a table of whole numbers: { NAME = 1000 }";
        self.entries(key, hint, |fields, path, value, line| {
            fields.ranged(path, value, line, &range, hint)
        })
    }

    /// A table of positive numbers, whole or not; empty when it is absent.
    pub(super) fn fractions_by_name(&mut self, key: &'static str) -> BTreeMap<String, At<f64>> {
        let hint = "write a table of numbers above 0: { NAME = 2.5 }";
        self.entries(key, hint, |fields, path, value, line| {
            let value = fields.typed(path, value, line, positive(value), hint)?;
            Some(At { line, value })
        })
    }

    /// A positive number, whole or not.
    pub(super) fn fraction(&mut self, key: &'static str) -> Option<At<f64>> {
        let (value, line) = self.get(key)?;
        let number = positive(value);
        let value =
            self.typed(key, value, line, number, "write a number above 0, without quotes")?;
        Some(At { line, value })
    }

    /// A list of positive numbers.
    pub(super) fn fractions(&mut self, key: &'static str) -> Option<Vec<f64>> {
        let hint = "write a list of numbers above 0: [1.2, 12.6]";
        let (value, line) = self.get(key)?;
        let items = self.typed(key, value, line, value.as_array(), hint)?;
        let numbers: Option<Vec<f64>> = items.iter().map(|item| positive(item.get_ref())).collect();
        self.typed(key, value, line, numbers, hint)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let (value, line) = self.get(key)?;
        self.typed(key, value, line, value.as_bool(), "write true or false, without quotes")
    }

    /// A list of strings. Nothing when one of them is none, so that no check sees half a list.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        let hint = "write a list of strings: [\"one\", \"two\"]";
        let (value, line) = self.get(key)?;
        let items = self.typed(key, value, line, value.as_array(), hint)?;
        let mut texts = Vec::new();
        for item in items {
            let line = self.source.line(item.span().start);
            let Some(text) = item.get_ref().as_str() else {
                let problem = format!("`{key}` holds {}", a_type(item.get_ref()));
                self.mistake(line, problem, hint);
                return None;
            };
            texts.push(At { line, value: text.to_owned() });
        }
        Some(texts)
    }

    /// A list of at least one string.
    pub(super) fn some_texts(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        let texts = self.texts(key)?;
        if texts.is_empty() {
            self.empty(key);
            return None;
        }
        Some(texts)
    }

    /// A table of strings; empty when it is absent.
    pub(super) fn map(&mut self, key: &'static str) -> BTreeMap<String, At<String>> {
        let hint = "write a table of strings: { NAME = \"value\" }";
        self.entries(key, hint, |fields, path, value, line| {
            let text = fields.typed(path, value, line, value.as_str(), hint)?;
            Some(At { line, value: text.to_owned() })
        })
    }

    /// A list of tables, headed as in `form`, each read by `read`. At least one, when the key is
    /// there at all.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        form: &str,
        mut read: impl FnMut(&mut Fields<'_>) -> T,
    ) -> Vec<T> {
        let Some((value, line)) = self.get(key) else { return Vec::new() };
        let hint = format!("write a table for each: {form}");
        let items = self.typed(key, value, line, value.as_array(), &hint);
        if items.is_some_and(|items| items.is_empty()) {
            self.empty(key);
        }
        let mut all = Vec::new();
        for item in items.into_iter().flat_map(|items| items.iter()) {
            let line = self.source.line(item.span().start);
            let table = item.get_ref().as_table();
            if let Some(table) = self.typed(key, item.get_ref(), line, table, &hint) {
                let name = table.get("name").and_then(|name| name.get_ref().as_str());
                let what = name.map_or_else(|| key.to_owned(), |name| format!("{key} {name}"));
                all.push(self.nested(table, line, &what, &mut read));
            }
        }
        all
    }

    /// A table, read by `read`.
    pub(super) fn inner<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Option<T> {
        let (value, line) = self.get(key)?;
        let table = self.typed(key, value, line, value.as_table(), "write a table")?;
        Some(self.nested(table, line, key, read))
    }

    /// A table of tables, headed as in `form`, each read by `read`, with the lines of their names.
    pub(super) fn named<T>(
        &mut self,
        key: &'static str,
        form: &str,
        mut read: impl FnMut(&mut Fields<'_>) -> T,
    ) -> BTreeMap<String, At<T>> {
        let mut named = BTreeMap::new();
        let Some((value, line)) = self.get(key) else { return named };
        let hint = format!("write a table for each: {form}");
        let tables = self.typed(key, value, line, value.as_table(), &hint);
        for (name, value) in tables.into_iter().flatten() {
            let line = self.source.line(name.span().start);
            let path = format!("{key}.{}", name.get_ref());
            let table = value.get_ref().as_table();
            if let Some(table) = self.typed(&path, value.get_ref(), line, table, &hint) {
                let value = self.nested(table, line, &path, &mut read);
                named.insert(name.get_ref().to_string(), At { line, value });
            }
        }
        named
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The line of a key's value, or of the table when it has none.
    pub(super) fn line_of(&mut self, key: &'static str) -> usize {
        self.get(key).map_or(self.line, |(_, line)| line)
    }

    /// Keeps a mistake.
    pub(super) fn mistake(
        &mut self,
        line: usize,
        problem: impl std::fmt::Display,
        hint: impl Into<String>,
    ) {
        if self.found.mistakes.len() >= MISTAKES_MAX {
            return;
        }
        let problem = match self.what.as_str() {
            "" => problem.to_string(),
            what => format!("{what}: {problem}"),
        };
        let file = self.source.file.clone();
        self.found.mistakes.push(DefinitionError {
            file,
            line: Some(line),
            problem,
            hint: hint.into(),
        });
    }

    /// Keeps a name that must be defined somewhere.
    pub(super) fn refer(&mut self, kind: Kind, name: &str, line: usize) {
        let from = self.what.clone();
        let (file, name) = (self.source.file.clone(), name.to_owned());
        self.found.references.push(Reference { kind, name, from, file, line });
    }

    /// Everything found so far, for what is read from other files.
    pub(super) fn found(&mut self) -> &mut Found {
        self.found
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(mut self) {
        let known = std::mem::take(&mut self.known);
        for key in self.table.keys() {
            let name = key.get_ref();
            if !known.contains(&name.as_ref()) {
                let hint = suggestion(name, &known, "the keys are");
                let line = self.source.line(key.span().start);
                self.mistake(line, format!("unknown key `{name}`"), hint);
            }
        }
    }

    fn get(&mut self, key: &'static str) -> Option<(&'a DeValue<'a>, usize)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let value: &Spanned<DeValue<'a>> = self.table.get(key)?;
        Some((value.get_ref(), self.source.line(value.span().start)))
    }

    /// A table of values of one kind, each read by `read`, which is given its path in the file;
    /// empty when it is absent.
    fn entries<T>(
        &mut self,
        key: &'static str,
        hint: &str,
        mut read: impl FnMut(&mut Self, &str, &DeValue<'_>, usize) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut entries = BTreeMap::new();
        let Some((value, line)) = self.get(key) else { return entries };
        let table = self.typed(key, value, line, value.as_table(), hint);
        for (name, value) in table.into_iter().flatten() {
            let line = self.source.line(name.span().start);
            let path = format!("{key}.{}", name.get_ref());
            if let Some(value) = read(self, &path, value.get_ref(), line) {
                entries.insert(name.get_ref().to_string(), value);
            }
        }
        entries
    }

    /// A value as a whole number within a range.
    fn ranged(
        &mut self,
        key: &str,
        value: &DeValue<'_>,
        line: usize,
        range: &RangeInclusive<u32>,
        hint: &str,
    ) -> Option<At<u32>> {
        let integer = self.typed(key, value, line, value.as_integer(), hint)?;
        // None when it does not even fit into 32 bits.
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let Some(value) = number.filter(|number| range.contains(number)) else {
            let problem = format!("`{key}` is {integer}");
            let hint = format!("write a number from {} to {}", range.start(), range.end());
            self.mistake(line, problem, hint);
            return None;
        };
        Some(At { line, value })
    }

    /// Passes `wanted` on, and reports `value` when it is none.
    fn typed<T>(
        &mut self,
        key: &str,
        value: &DeValue<'_>,
        line: usize,
        wanted: Option<T>,
        hint: &str,
    ) -> Option<T> {
        if wanted.is_none() {
            self.mistake(line, format!("`{key}` is {}", a_type(value)), hint);
        }
        wanted
    }

    fn empty(&mut self, key: &'static str) {
        let line = self.line_of(key);
        self.mistake(line, format!("`{key}` is empty"), "name at least one");
    }

    fn nested<T>(
        &mut self,
        table: &'a DeTable<'a>,
        line: usize,
        key: &str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        let what = match self.what.as_str() {
            "" => key.to_owned(),
            what => format!("{what}, {key}"),
        };
        let (source, known) = (self.source, Vec::new());
        let mut fields = Fields { source, table, line, what, known, found: self.found };
        let value = read(&mut fields);
        fields.finish();
        value
    }
}

/// A number above 0, whole or not.
fn positive(value: &DeValue<'_>) -> Option<f64> {
    let number: Option<f64> = match value {
        DeValue::Integer(integer) => integer.as_str().parse().ok(),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite() && *number > 0.0)
}

/// What a value is, with its article.
fn a_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
