//! What is typed: commands as words, names, paths.

use std::collections::BTreeMap;

/// A command: its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

/// What only a shell understands.
const SHELL: [&str; 8] = ["&&", "||", "|", ";", ">", "<", "&", "2>&1"];

/// Words of commands, and the language that somebody who uses them writes in.
const LANGUAGES: [(&str, &str); 16] = [
    ("cargo", "Rust"),
    ("go", "Go"),
    ("python", "Python"),
    ("python3", "Python"),
    ("uvicorn", "Python"),
    ("gunicorn", "Python"),
    ("node", "JavaScript"),
    ("npm", "JavaScript"),
    ("deno", "TypeScript"),
    ("bun", "TypeScript"),
    ("java", "Java"),
    ("mvn", "Java"),
    ("dotnet", "C#"),
    ("ruby", "Ruby"),
    ("php", "PHP"),
    ("zig", "Zig"),
];

/// Splits a command line at white space; quotes and backslashes protect as in a shell.
///
/// # Errors
/// A quote that is not closed, or what needs a shell.
pub(super) fn split(text: &str) -> Result<Words, String> {
    let words = shell_words::split(text).map_err(|_| "a quote is not closed".to_owned())?;
    if words.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(odd) = words.iter().find(|word| SHELL.contains(&word.as_str())) {
        return Err(format!("it runs without a shell, and `{odd}` needs one: sh -c '…'"));
    }
    Ok(Words(words))
}

/// Parts the assignments in front of a command from it, as a shell does.
pub(super) fn environment(words: &[String]) -> (BTreeMap<String, String>, Vec<String>) {
    let assignment = |word: &String| {
        let (name, value) = word.split_once('=')?;
        let first = name.chars().next().filter(|c| c.is_ascii_alphabetic() || *c == '_');
        let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (first.is_some() && rest).then(|| (name.to_owned(), value.to_owned()))
    };
    let assigned: Vec<(String, String)> = words.iter().map_while(assignment).collect();
    let run = words[assigned.len()..].to_vec();
    (assigned.into_iter().collect(), run)
}

/// A server's name.
pub(super) fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=40).contains(&text.len()) && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("use 1 to 40 of the characters a-z, 0-9 and -".to_owned())
}

/// A path with its query.
pub(super) fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        return Ok(text.to_owned());
    }
    Err("begin it with `/`, and percent-encode what is not plain ASCII".to_owned())
}

/// A command's word with `$PORT` and `${PORT}` as the placeholder of the port.
pub(super) fn with_port(word: &str) -> String {
    let braced = word.replace("${PORT}", "{port}");
    let mut parts = braced.split("$PORT");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // `$PORTAL` is another variable.
        let ends = !part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        text.push_str(if ends { "{port}" } else { "$PORT" });
        text.push_str(part);
    }
    text
}

/// Whether a path means itself in YAML, in a shell and in what GitHub makes of a workflow.
pub(super) fn is_plain_path(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
}

/// Where GitHub finds an action.
pub(super) fn action(text: &str) -> Result<String, String> {
    match text.split_once('@') {
        Some((repository, version))
            if is_plain_path(repository) && is_plain_path(version) && repository.contains('/') =>
        {
            Ok(text.to_owned())
        }
        _ => {
            Err("write the repository that holds Duet, and its version: someone/duet@v0.1.0".into())
        }
    }
}

/// Where git finds a repository, and the tag to take.
pub(super) fn url(text: &str) -> Result<(String, String), String> {
    let parts = text.rsplit_once('@').and_then(|(url, tag)| {
        let address = url.strip_prefix("https://")?;
        // A port is the only colon.
        let plain = address.split(':').all(is_plain_path) && is_plain_path(tag);
        plain.then(|| (url.to_owned(), tag.to_owned()))
    });
    parts.ok_or_else(|| {
        "write the https address of Duet's repository, and its version: \
         https://git.example/someone/duet@v0.1.0"
            .to_owned()
    })
}

/// A name for the workload that requests a path: `/api/users?page=2` is `api-users-page-2`.
pub(super) fn workload(path: &str) -> String {
    let plain: String = path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    let mut name = plain.split_whitespace().collect::<Vec<&str>>().join("-");
    name.truncate(40);
    if name.is_empty() { "front-page".to_owned() } else { name }
}

/// The language that these commands suggest.
pub(super) fn language(build: &[String], run: &[String]) -> String {
    let firsts = [build, run].into_iter().filter_map(|words| words.first());
    let known = firsts.filter_map(|first| LANGUAGES.iter().find(|(word, _)| word == first));
    known.map(|(_, language)| (*language).to_owned()).next().unwrap_or("unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).expect("it can be split").0
    }

    #[test]
    fn commands() {
        let check = |text: &str, want: &[&str]| assert_eq!(words(text), want, "{text}");
        check("go build -o app .", &["go", "build", "-o", "app", "."]);
        check("  ./app\t--on={addr} ", &["./app", "--on={addr}"]);
        check("sh -c 'make && make install'", &["sh", "-c", "make && make install"]);
        check(r#"a "b c" 'd "e' f\ g """#, &["a", "b c", "d \"e", "f g", ""]);
        check(r#"a "b\"c" 'd\e'"#, &["a", "b\"c", "d\\e"]);
        for (bad, want) in [
            ("", "it is empty"),
            ("a 'b", "a quote is not closed"),
            ("make && ./app", "it runs without a shell, and `&&` needs one: sh -c '…'"),
        ] {
            assert_eq!(split(bad), Err(want.to_owned()), "{bad}");
        }
    }

    #[test]
    fn assignments() {
        let check = |text: &str, env: &[(&str, &str)], run: &[&str]| {
            let (got, words) = environment(&words(text));
            let got: Vec<(&str, &str)> =
                got.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(
                (&got[..], &words.iter().map(String::as_str).collect::<Vec<_>>()[..]),
                (env, run)
            );
        };
        check("PORT={port} node app.js", &[("PORT", "{port}")], &["node", "app.js"]);
        check("A=1 B=2=3 x C=4", &[("A", "1"), ("B", "2=3")], &["x", "C=4"]);
        check("./a=b x", &[], &["./a=b", "x"]);
        check("=1 x", &[], &["=1", "x"]);
        check("A=1", &[("A", "1")], &[]);
    }

    #[test]
    fn ports() {
        for (word, want) in [
            ("$PORT", "{port}"),
            ("--listen=:${PORT}", "--listen=:{port}"),
            ("exec app $PORT; $PORT", "exec app {port}; {port}"),
            ("$PORTAL_PORT", "$PORTAL_PORT"),
            ("port", "port"),
        ] {
            assert_eq!(with_port(word), want);
        }
    }

    #[test]
    fn names_of_workloads() {
        for (path, want) in [
            ("/", "front-page"),
            ("/health", "health"),
            ("/api/Users?page=2", "api-users-page-2"),
            ("/%20", "20"),
        ] {
            assert_eq!(workload(path), want);
            assert_eq!(name(&workload(path)).as_deref(), Ok(want));
        }
        assert!(name(&workload(&"/long".repeat(20))).is_ok());
    }

    #[test]
    fn places_of_duet() {
        for (text, good) in [
            ("someone/duet@v0.1.0", true),
            ("someone/duet", false),
            ("duet@v1", false),
            ("a/b@", false),
            ("a/b@${{ x }}", false),
        ] {
            assert_eq!(action(text).is_ok(), good, "{text}");
        }
        for (text, good) in [
            ("https://git.example/someone/duet@v0.1.0", true),
            ("https://git.example:8443/duet@v1", true),
            ("https://git.example/duet", false),
            ("http://git.example/duet@v1", false),
            ("https://git.example/duet@v1\nx: y", false),
            ("https://git.example/$(x)@v1", false),
        ] {
            assert_eq!(url(text).is_ok(), good, "{text}");
        }
    }
}
