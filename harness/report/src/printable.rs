//! Text of others, made harmless for a terminal and for the log of a workflow.
//!
//! What is said may quote names, responses and standard error of programs that are not trusted: a
//! pull request from a fork decides them. Escape sequences can rewrite what a terminal shows, and
//! CI services carry out commands that they find in a log.

/// Characters that no terminal shows but some obey: control characters, and those of Unicode that
/// turn the direction of text (Boucher and Anderson, "Trojan Source", 2021).
fn is_obeyed(c: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c);
    turns || c.is_control()
}

/// Text on one line, with a blank for every character that a terminal obeys.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { ' ' } else { c }).collect()
}

/// The same of several lines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    let keep = |c: char| if is_obeyed(c) && c != '\n' { ' ' } else { c };
    text.chars().map(keep).collect()
}

/// Text that is about to be printed: of the characters that a terminal obeys only line feeds, tabs
/// and colours stay, and nothing in it is a command of a CI service. Such commands are `::name …::`
/// at the beginning of a line, after blanks, and `##[name]`, `##vso[…]` or `##teamcity[…]` anywhere
/// (actions/runner, `src/Runner.Common/ActionCommand.cs`); they get a backslash.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut at_start) = (text, true);
    while let Some(c) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            out.push_str(colour);
            rest = &rest[colour.len()..];
            continue;
        }
        if (at_start && rest.starts_with("::")) || is_bracket_command(rest) {
            out.push('\\');
        }
        match c {
            '\n' | '\t' => out.push(c),
            c if is_obeyed(c) => out.push(' '),
            c => out.push(c),
        }
        at_start = c == '\n' || at_start && (c.is_whitespace() || is_obeyed(c));
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The colour or other look (SGR, ECMA-48 8.3.117) that a text begins with.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\x1b[")?;
    let is_parameter = |c: char| c.is_ascii_digit() || matches!(c, ';' | ':');
    let end = parameters.find(|c| !is_parameter(c)).filter(|end| *end <= 16)?;
    parameters[end..].starts_with('m').then(|| &text[..end + 3])
}

/// Whether a text begins with `##`, a name or none, and a bracket.
fn is_bracket_command(text: &str) -> bool {
    let Some(name) = text.strip_prefix("##") else { return false };
    name.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('[')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_commands_nothing() {
        let cases = [
            ("plain, 5 % × [1.2, 1.3]\n", "plain, 5 % × [1.2, 1.3]\n"),
            ("\x1b[1;31merror\x1b[0m: no\n", "\x1b[1;31merror\x1b[0m: no\n"),
            ("a\x1b[2Jb\x1b]0;title\x07c\r\u{9b}d", "a [2Jb ]0;title c  d"),
            ("::error::x\n  ::set-env name=A::b", "\\::error::x\n  \\::set-env name=A::b"),
            ("\x1b[1m::warning::x\x1b[0m", "\x1b[1m\\::warning::x\x1b[0m"),
            ("\r::error::x", " \\::error::x"),
            ("std::io::Error", "std::io::Error"),
            ("a ##[error]b ##vso[task.complete]", "a \\##[error]b \\##vso[task.complete]"),
            ("## Heading [1]", "## Heading [1]"),
            ("abc\u{202e}txt.exe", "abc txt.exe"),
        ];
        for (text, want) in cases {
            assert_eq!(for_terminal(text), want, "{text:?}");
        }
        assert_eq!(printable("a\n\x1b[1mb\u{2066}"), "a  [1mb ");
        assert_eq!(printable_lines("a\n\x1b[1mb"), "a\n [1mb");
    }
}
