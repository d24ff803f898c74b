//! What GitHub Actions understands on standard output and in a step's summary.
//!
//! Workflow commands as actions/toolkit writes them (`packages/core/src/command.ts`): a line
//! `::error file=…,title=…::message`. Pure text: what deserves an annotation is left to the caller.

use std::borrow::Cow;

/// GitHub shows no more than ten annotations of a kind per step.
pub const ANNOTATIONS_MAX: usize = 10;

/// GitHub drops the whole summary of a step above 1024 KiB.
pub const STEP_SUMMARY_BYTES_MAX: usize = 1024 * 1024;

/// How bad it is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Fails the build.
    Error,
    /// Worth a look.
    Warning,
    /// Worth knowing.
    Notice,
}

/// A note on the page of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// How bad it is.
    pub level: Level,
    /// Its head.
    pub title: String,
    /// The file it is about, relative to the repository, and the line if it is about one.
    pub place: Option<(String, Option<u32>)>,
    /// What there is to say; may have several lines.
    pub message: String,
}

/// The line that makes an annotation, without its line feed.
#[must_use]
pub fn annotation(annotation: &Annotation) -> String {
    let command = match annotation.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let mut properties = vec![];
    if let Some((file, line)) = &annotation.place {
        properties.push(format!("file={}", property(file)));
        properties.extend(line.map(|line| format!("line={line},endLine={line}")));
    }
    properties.push(format!("title={}", property(&annotation.title)));
    format!("::{command} {}::{}", properties.join(","), data(&annotation.message))
}

/// The lines that make these annotations, the worst first and otherwise in their order. Of more
/// than [`ANNOTATIONS_MAX`] the last line names those that have none of their own.
#[must_use]
pub fn annotations(all: &[Annotation]) -> String {
    let mut sorted: Vec<&Annotation> = all.iter().collect();
    sorted.sort_by_key(|annotation| annotation.level);
    let own = if sorted.len() > ANNOTATIONS_MAX { ANNOTATIONS_MAX - 1 } else { sorted.len() };
    let (shown, rest) = sorted.split_at(own);
    let mut lines: Vec<String> = shown.iter().map(|a| annotation(a)).collect();
    if let Some(worst) = rest.first() {
        let titles: Vec<&str> = rest.iter().map(|a| a.title.as_str()).collect();
        lines.push(annotation(&Annotation {
            level: worst.level,
            title: format!("{} more", rest.len()),
            place: None,
            message: titles.join("\n"),
        }));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A step's summary within GitHub's limit: whole, or cut after a line with a last line that says
/// so. `room` is what is left of [`STEP_SUMMARY_BYTES_MAX`].
#[must_use]
pub fn step_summary(markdown: &str, room: usize) -> Cow<'_, str> {
    const CUT: &str = "\n\n**Cut here: GitHub takes 1 MiB per step. The run's folder has all of \
                       it in report.md and report.html.**\n";
    const FENCE: &str = "```";
    // What may have to be closed: a fence, and some folds.
    const CLOSING: usize = 256;
    if markdown.len() <= room {
        return Cow::Borrowed(markdown);
    }
    let mut end = room.saturating_sub(CUT.len() + CLOSING).min(markdown.len());
    while !markdown.is_char_boundary(end) {
        end -= 1;
    }
    let kept = markdown[..end].rsplit_once('\n').map_or("", |(kept, _)| kept);
    let fences = kept.lines().filter(|line| line.starts_with(FENCE)).count();
    let fence = if fences % 2 == 1 { "\n```" } else { "" };
    let open = kept.matches("<details>").count();
    let folds = open.saturating_sub(kept.matches("</details>").count());
    let folds = "\n</details>".repeat(folds.min(20));
    let whole = format!("{kept}{fence}{folds}{CUT}");
    if whole.len() <= room { Cow::Owned(whole) } else { Cow::Borrowed("") }
}

/// A command's data.
fn data(raw: &str) -> String {
    raw.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(raw: &str) -> String {
    data(raw).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(level: Level, title: &str) -> Annotation {
        let (title, message) = (title.to_owned(), "m".to_owned());
        Annotation { level, title, place: None, message }
    }

    #[test]
    fn commands() {
        let check = |place: Option<(&str, Option<u32>)>, title: &str, message: &str, want: &str| {
            let place = place.map(|(file, line)| (file.to_owned(), line));
            let (title, message) = (title.to_owned(), message.to_owned());
            let got = annotation(&Annotation { level: Level::Error, title, place, message });
            assert_eq!(got, want);
        };
        check(
            Some(("bench/suites.toml", Some(12))),
            "duet: throughput regressed",
            "5.8% slower",
            "::error file=bench/suites.toml,line=12,endLine=12,\
             title=duet%3A throughput regressed::5.8%25 slower",
        );
        check(Some(("a,b", None)), "t", "a: b, c", "::error file=a%2Cb,title=t::a: b, c");
        check(None, "1,2\n%0A", "a\r\nb", "::error title=1%2C2%0A%250A::a%0D%0Ab");
    }

    #[test]
    fn at_most_ten() {
        let check = |errors: usize, warnings: usize, lines: usize, last: &str| {
            let warnings = (0..warnings).map(|i| note(Level::Warning, &format!("w{i}")));
            let errors = (0..errors).map(|i| note(Level::Error, &format!("e{i}")));
            let all: Vec<Annotation> = warnings.chain(errors).collect();
            let got = annotations(&all);
            assert_eq!(got.lines().count(), lines, "{got}");
            assert_eq!(got.lines().last().unwrap_or_default(), last, "{got}");
        };
        check(0, 0, 0, "");
        check(1, 1, 2, "::warning title=w0::m");
        check(4, 6, 10, "::warning title=w5::m");
        check(9, 2, 10, "::warning title=2 more::w0%0Aw1");
        check(11, 1, 10, "::error title=3 more::e9%0Ae10%0Aw0");
    }

    #[test]
    fn summaries_are_cut_after_a_line() {
        let check = |markdown: &str, room: usize, start: &str, end: &str| {
            let got = step_summary(markdown, room);
            assert!(got.len() <= room, "{} of {room}", got.len());
            assert!(got.starts_with(start) && got.ends_with(end), "{got}");
        };
        let line = "é".repeat(50) + "\n";
        let text = line.repeat(20);
        assert_eq!(step_summary(&text, text.len()), text);
        check(&text, 1000, &line, "report.html.**\n");
        check(&format!("```\n{text}"), 1000, "```\n", "report.html.**\n");
        check(&format!("<details>\n{text}"), 1000, "<details>\n", "report.html.**\n");
        check(&text, 10, "", "");
        let fenced = step_summary(&format!("```\n{text}"), 1000).into_owned();
        assert_eq!(fenced.matches("```").count(), 2, "{fenced}");
        assert!(fenced.contains("\n```\n\n**Cut here"), "{fenced}");
    }
}
