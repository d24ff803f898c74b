//! Long text in lines, for terminals.

use crate::printable::printable;

/// The lines of `text` that fit into `columns` when each stands behind `indent` columns. A number
/// and its per cent sign stay together, as does an interval: `[1.28, 1.91]`. What is longer than a
/// line has one of its own. Control characters, which what servers wrote may hold, become blanks.
#[must_use]
pub(crate) fn wrapped(text: &str, indent: usize, columns: usize) -> Vec<String> {
    let text = printable(text);
    let mut lines = vec![String::new()];
    for word in words(&text) {
        let last = lines.len() - 1; // there is always one
        let line = &mut lines[last];
        if line.is_empty() {
            *line = word;
        } else if indent + line.chars().count() + 1 + word.chars().count() <= columns {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

/// [`wrapped`] as one text, of which the first line already stands at `indent`.
#[must_use]
pub fn hanging(text: &str, indent: usize, columns: usize) -> String {
    wrapped(text, indent, columns).join(&format!("\n{:indent$}", ""))
}

/// What is not broken.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(last)
                if word.starts_with('%') || (last.starts_with('[') && last.ends_with(',')) =>
            {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_where_it_may_be() {
        let cases: [(&str, usize, &[&str]); 7] = [
            ("", 10, &[""]),
            ("one two three", 10, &["one two", "three"]),
            ("one two  three", 99, &["one two three"]),
            ("about 99 %, no more", 10, &["about", "99 %, no", "more"]),
            ("it is [1.28, 1.91]", 10, &["it is", "[1.28, 1.91]"]),
            ("incomprehensibilities of it", 10, &["incomprehensibilities", "of it"]),
            ("a\x1b[31mb\nc", 10, &["a [31mb c"]),
        ];
        for (text, columns, want) in cases {
            assert_eq!(wrapped(text, 0, columns), want, "{text:?}");
        }
        assert_eq!(wrapped("one two three", 5, 12), ["one two", "three"]);
        assert_eq!(hanging("one two three", 2, 9), "one two\n  three");
    }
}
