//! `--targets`: requests in their order, from a file as vegeta reads it.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::place::{self, Place};
use crate::cmd::exit::UsageError;
use duet_definitions::{Header, MixCase};

/// A request of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The line of its URL, for people.
    at: String,
    method: Option<String>,
    /// A whole one, or a path.
    url: String,
    headers: Vec<Header>,
    body: Option<Vec<u8>>,
}

/// Reads a file, or with `-` standard input.
pub(super) fn read(path: &Path) -> Result<Vec<Listed>> {
    let (name, text) = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.context("failed to read targets from standard input")?;
        ("standard input".to_owned(), text)
    } else {
        let text = fs::read_to_string(path);
        let name = path.display().to_string();
        (name.clone(), text.with_context(|| format!("failed to read {name}"))?)
    };
    parse(&name, &text)
}

/// Where a list leads whose URLs stand for themselves.
pub(super) fn place(listed: &[Listed]) -> Result<Place> {
    let first = listed.iter().find(|target| !target.url.starts_with('/'));
    match first {
        Some(target) => Place::new(&target.url).with_context(|| target.at.clone()),
        None => bail!(UsageError(
            "no target says which server: give its URL, such as `duet load http://127.0.0.1:8080 \
             --targets FILE`"
                .to_owned()
        )),
    }
}

/// The requests as those of a mix. All are of the server of `place`.
pub(super) fn cases(listed: &[Listed], place: &Place) -> Result<Vec<MixCase>> {
    let case = |target: &Listed| {
        if !target.url.starts_with('/') {
            let own = Place::new(&target.url).with_context(|| target.at.clone())?;
            let same = own.url.origin() == place.url.origin() && own.zone == place.zone;
            ensure!(
                same,
                UsageError(format!(
                    "{}: {} is on another server than {}: a load has one, so load them one by one",
                    target.at, target.url, place.url
                ))
            );
        }
        let path = place::target(&target.url).with_context(|| target.at.clone())?;
        Ok(MixCase {
            weight: 1,
            method: target.method.clone(),
            path: Some(path),
            headers: target.headers.clone(),
            body: target.body.clone(),
            ..MixCase::default()
        })
    };
    listed.iter().map(case).collect()
}

fn parse(name: &str, text: &str) -> Result<Vec<Listed>> {
    let mut listed: Vec<Listed> = vec![];
    // A blank line ends a request.
    let mut open = false;
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        let at = format!("{name}:{number}");
        let wrong = |why: String| UsageError(format!("{at}: {why}"));
        if line.starts_with('#') {
            continue;
        }
        match listed.last_mut().filter(|_| open) {
            _ if line.is_empty() => open = false,
            Some(target) if line.starts_with('@') => {
                let file = &line[1..];
                let body =
                    fs::read(file).with_context(|| format!("{at}: failed to read {file}"))?;
                target.body = Some(body);
            }
            Some(target) if !begins(line) => target.headers.push(line.parse().map_err(wrong)?),
            _ => {
                listed.push(target(&at, line).map_err(wrong)?);
                open = true;
            }
        }
    }
    ensure!(!listed.is_empty(), UsageError(format!("{name} has no targets")));
    Ok(listed)
}

/// Whether a line begins a request: by a URL, or a method in capitals.
fn begins(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    is_url(word) || (word.len() < line.len() && word.bytes().all(|b| b.is_ascii_uppercase()))
}

fn is_url(word: &str) -> bool {
    word.starts_with('/') || ["http://", "https://"].iter().any(|scheme| word.starts_with(scheme))
}

fn target(at: &str, line: &str) -> Result<Listed, String> {
    let (method, url) = match line.split_once(char::is_whitespace) {
        _ if is_url(line) => (None, line),
        Some((method, url)) if duet_definitions::is_method(method) => (Some(method), url.trim()),
        _ => return Err(format!("`{line}` is no target: write `METHOD URL`")),
    };
    if !is_url(url) {
        return Err(format!("`{url}` is no target's URL: write http://host/path, or /path"));
    }
    let (method, url) = (method.map(str::to_owned), url.to_owned());
    Ok(Listed { at: at.to_owned(), method, url, headers: vec![], body: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse("t", text) {
            Ok(listed) => listed
                .iter()
                .map(|one| {
                    let method = one.method.as_deref().unwrap_or("-");
                    let headers: Vec<&str> =
                        one.headers.iter().map(|header| header.name.as_str()).collect();
                    let body = one.body.as_ref().map_or(0, Vec::len);
                    format!("{} {method} {} {} {body}", one.at, one.url, headers.join(","))
                })
                .collect::<Vec<_>>()
                .join("|"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn lists() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("body");
        fs::write(&path, "1234").expect("it can be written to");
        let with_body = format!("POST http://a/b\nX-Y: z\n@{}\n", path.display());
        let cases = [
            ("GET http://a/\n", "t:1 GET http://a/  0"),
            ("# all\nGET http://a/1\nGET /2\n", "t:2 GET http://a/1  0|t:3 GET /2  0"),
            ("http://a/1\n/2?u=http://b\n", "t:1 - http://a/1  0|t:2 - /2?u=http://b  0"),
            ("PUT /a\nA: b\n# c\nC: d\n\n\nGET /b\r\n", "t:1 PUT /a A,C 0|t:7 GET /b  0"),
            (&with_body, "t:1 POST http://a/b X-Y 4"),
            ("", "t has no targets"),
            ("GET\n", "t:1: `GET` is no target: write `METHOD URL`"),
            ("GET a/b\n", "t:1: `a/b` is no target's URL: write http://host/path, or /path"),
            ("GET /a\nnonsense\n", "t:2: `nonsense` is no header: write 'Name: value'"),
            ("GET /a\n@/none\n", "t:2: failed to read /none"),
        ];
        for (text, want) in cases {
            let got = shown(text);
            assert!(got.starts_with(want), "{text:?}: {got}");
        }
    }

    #[test]
    fn one_server() {
        let of = |text: &str| -> Result<Vec<String>> {
            let listed = parse("t", text)?;
            let place = place(&listed)?;
            let cases = cases(&listed, &place)?;
            Ok(cases.into_iter().filter_map(|case| case.path).collect())
        };
        let paths = of("GET http://a/1?b\nGET /ü\nGET http://a:80/%2F\n");
        assert_eq!(paths.expect("they are of one server"), ["/1?b", "/%C3%BC", "/%2F"]);
        for (text, want) in [
            (
                "GET http://a/\nGET http://b/\n",
                "t:2: http://b/ is on another server than http://a/",
            ),
            ("GET http://a/\nGET https://a/\n", "another server"),
            ("GET /a\n", "no target says which server"),
            ("GET http://a/ b\n", "t:1: a URL has no ' '"),
        ] {
            let got = of(text).map_err(|error| format!("{error:#}")).expect_err(text);
            assert!(got.contains(want), "{text}: {got}");
        }
    }
}
