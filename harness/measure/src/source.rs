//! What a source says of its program: its size as the benchmarks game counts it, and what it uses.
//!
//! The site's rule: comments and repeated white space removed, then the smallest gzip. Strings,
//! raw strings and characters are left as they are. Rust and Go are known, by the file's ending;
//! other languages are taken to have `//` and `/* */`.

use std::collections::BTreeSet;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What differs between languages for the reader of their sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Nested comments, `r#""#`, lifetimes.
    Rust,
    /// Raw strings in backquotes.
    Go,
    /// `//`, `/* */`, `""` and `''`.
    Other,
}

impl Syntax {
    /// By the ending of a file's name.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path.rsplit('.').next() {
            Some("rs") => Self::Rust,
            Some("go") => Self::Go,
            _ => Self::Other,
        }
    }
}

/// The size of a source: stripped, then gzip -9 without a file name and date.
///
/// # Panics
/// Never: writing into memory does not fail.
#[must_use]
pub fn gz_bytes(source: &str, syntax: Syntax) -> u64 {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let text = strip(source, syntax);
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    written.expect("a Vec takes all").len() as u64
}

/// The source without comments and repeated white space: of every run of white space outside of
/// strings one character is left, a line break if it had one.
#[must_use]
pub fn strip(source: &str, syntax: Syntax) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut white: Option<char> = None;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = token(rest, first, syntax);
        let (piece, after) = rest.split_at(length);
        match kind {
            Token::White | Token::Comment => {
                let breaks = piece.contains('\n') || white == Some('\n');
                white = Some(if breaks { '\n' } else { ' ' });
            }
            Token::Text => {
                // White space at the very beginning is left out altogether.
                out.extend(white.take().filter(|_| !out.is_empty()));
                out.push_str(piece);
            }
        }
        rest = after;
    }
    out
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    White,
    Comment,
    Text,
}

/// The token at the start of `rest`, which begins with `first`, and its length in bytes.
fn token(rest: &str, first: char, syntax: Syntax) -> (Token, usize) {
    if first.is_whitespace() {
        let end = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        return (Token::White, end);
    }
    if rest.starts_with("//") {
        return (Token::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Token::Comment, block_comment(rest, syntax == Syntax::Rust));
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let length = match (first, syntax) {
        ('"', _) => quoted(rest, '"'),
        ('`', Syntax::Go) => rest[1..].find('`').map_or(rest.len(), |end| end + 2),
        ('\'', Syntax::Rust) => character(rest),
        ('\'', _) => quoted(rest, '\''),
        ('r' | 'b' | 'c', Syntax::Rust) => raw_string(rest).unwrap_or_else(|| word(rest, is_word)),
        (c, _) if is_word(c) => word(rest, is_word),
        (c, _) => c.len_utf8(),
    };
    (Token::Text, length)
}

fn word(rest: &str, is_word: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

fn block_comment(rest: &str, nests: bool) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") && (nests || depth == 0) {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a string or character that begins with a quote, escapes respected.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character of Rust, or of the quote of a lifetime or label.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => quoted(rest, '\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// The length of a raw string of Rust: `r"…"`, `br#"…"#`.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr"));
    let after = after.or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.find(|c| c != '#')?;
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", &after[..hashes]);
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// What a source uses beyond plain code of one thread, sorted: `C`, `crate NAME`, `intrinsics`,
/// `threads`, `unsafe`. `own` are modules that the project's programs share.
///
/// A scan for words, not a parser: it finds what is named in the ordinary way.
#[must_use]
pub fn features(source: &str, syntax: Syntax, own: &[String]) -> Vec<String> {
    let text = without_strings(source, syntax);
    let words: BTreeSet<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let has = |word: &str| words.contains(word);
    let mut found = BTreeSet::new();
    let mut note = |when: bool, what: &str| {
        if when {
            found.insert(what.to_owned());
        }
    };
    match syntax {
        Syntax::Rust => {
            note(has("unsafe"), "unsafe");
            note(text.contains("extern \"\""), "C");
            note(text.contains("std::arch") || text.contains("core::arch"), "intrinsics");
            note(has("thread") || has("rayon"), "threads");
            for name in crates(&text) {
                note(!own.iter().any(|own| own == name), &format!("crate {name}"));
            }
        }
        Syntax::Go => {
            let imports = go_imports(source);
            note(imports.contains("unsafe"), "unsafe");
            note(imports.contains("C"), "C");
            note(has("go"), "threads");
            // A path of the standard library has no dot in its first part.
            for path in imports
                .iter()
                .filter(|path| path.split('/').next().is_some_and(|first| first.contains('.')))
            {
                note(true, &format!("module {path}"));
            }
        }
        Syntax::Other => {}
    }
    found.into_iter().collect()
}

/// The stripped source with all strings empty, so that words in them are not found.
fn without_strings(source: &str, syntax: Syntax) -> String {
    let text = strip(source, syntax);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let (_, length) = token(rest, first, syntax);
        let piece = &rest[..length];
        let is_string = piece.len() > 1 && piece.ends_with(['"', '`', '\'', '#']);
        out.push_str(if is_string { "\"\"" } else { piece });
        rest = &rest[length..];
    }
    out
}

/// The crates that `use` names.
fn crates(text: &str) -> impl Iterator<Item = &str> {
    const LANGUAGE: [&str; 6] = ["std", "core", "alloc", "crate", "self", "super"];
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("use "))
        .filter_map(|path| path.split([':', ';', ' ']).find(|part| !part.is_empty()))
        .filter(|name| !LANGUAGE.contains(name) && name.starts_with(|c: char| c.is_lowercase()))
}

/// The paths that a Go file imports.
fn go_imports(source: &str) -> BTreeSet<String> {
    let text = strip(source, Syntax::Go);
    let mut imports = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        inside = (inside || line.starts_with("import (")) && line != ")";
        if (inside || line.starts_with("import "))
            && let Some(path) = line.split('"').nth(1)
        {
            imports.insert(path.to_owned());
        }
    }
    imports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripping() {
        let cases = [
            (Syntax::Rust, "a  b\t c", "a b c"),
            (Syntax::Rust, "  a\n\n\n  b  \n", "a\nb"),
            (Syntax::Rust, "// one\nfn a() {} // two\n/* three */ b", "fn a() {}\nb"),
            (Syntax::Rust, "a /* x /* y */ z */ b", "a b"),
            (Syntax::Go, "a /* x /* y */ b", "a b"),
            (Syntax::Rust, r#"x("//  no", 'a', '"') // yes"#, r#"x("//  no", 'a', '"')"#),
            (Syntax::Rust, r#"x("\"  //")  y"#, r#"x("\"  //") y"#),
            (Syntax::Rust, r##"r#"a " //  "#  b"##, r##"r#"a " //  "# b"##),
            (Syntax::Rust, r#"br"\"  b"#, r#"br"\" b"#),
            (
                Syntax::Rust,
                "fn f<'a>(x: &'a  str) { 'l: loop {} }",
                "fn f<'a>(x: &'a str) { 'l: loop {} }",
            ),
            (Syntax::Rust, r"'\''  '\\'", r"'\'' '\\'"),
            (Syntax::Rust, "for  r in  rows", "for r in rows"),
            (Syntax::Go, "x := `raw  // ` // end", "x := `raw  // `"),
            (Syntax::Go, "'\\''  '/'", "'\\'' '/'"),
            (Syntax::Other, "a // b\nc", "a\nc"),
            (Syntax::Rust, "\"never ends  ", "\"never ends  "),
            (Syntax::Rust, "/* never ends", ""),
            (Syntax::Rust, "ä  → /*ö*/ ü", "ä → ü"),
        ];
        for (syntax, source, want) in cases {
            assert_eq!(strip(source, syntax), want, "{source}");
        }
    }

    /// gzip's frame has 18 bytes; a stripped source of nothing is an empty block of two.
    #[test]
    fn sizes() {
        assert_eq!(gz_bytes("// nothing\n", Syntax::Rust), 20);
        let plain = "fn main() { println!(\"hello\"); }";
        let padded = "// A greeting.\nfn main()  {\tprintln!(\"hello\"); /* bye */ }\n\n";
        assert_eq!(gz_bytes(plain, Syntax::Rust), gz_bytes(padded, Syntax::Rust));
    }

    #[test]
    fn features_of_sources() {
        let cases: [(Syntax, &str, &[&str]); 9] = [
            (Syntax::Rust, "fn main() { let a = \"unsafe\"; } // thread", &[]),
            (Syntax::Rust, "use std::thread;\nuse own::x;", &["threads"]),
            (Syntax::Rust, "use rayon::prelude::*;", &["crate rayon", "threads"]),
            (Syntax::Rust, "use regex;\nuse std::arch::x86_64::*;", &["crate regex", "intrinsics"]),
            (Syntax::Rust, "unsafe extern \"C\" { fn f(); }", &["C", "unsafe"]),
            (Syntax::Go, "package main\nimport \"fmt\"\nfunc main() {}", &[]),
            (Syntax::Go, "import (\n\"sync\"\n)\nfunc main() { go f() }", &["threads"]),
            (Syntax::Go, "import \"C\"\nimport \"unsafe\"", &["C", "unsafe"]),
            (Syntax::Go, "import (\n\"a.org/x\"\n)\n// go f()", &["module a.org/x"]),
        ];
        for (syntax, source, want) in cases {
            assert_eq!(features(source, syntax, &["own".to_owned()]), want, "{source}");
        }
    }
}
