//! The files that are written: the text of definitions, and writing them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use duet_model::spec::{ExpectedResponse, Server};

/// The names of the definitions' files, in the order of [`definitions`].
pub(super) const DEFINITIONS: [&str; 3] = ["servers.toml", "workloads.toml", "suites.toml"];

/// The three files of definitions: a server, the request to it, and what must hold.
pub(super) fn definitions(
    server: &Server,
    workload: &str,
    path: &str,
    response: &ExpectedResponse,
) -> [String; 3] {
    [servers(server), workloads(workload, path, response), suites(&server.name, workload)]
}

fn servers(server: &Server) -> String {
    let mut text = format!(
        "# How the server is built and started, in the folder above this one.\n\
         [[server]]\nname = {}\nlanguage = {}\nlanes = [\"idiomatic\"]\nsummary = {}\n",
        quoted(&server.name),
        quoted(&server.language),
        quoted(&server.summary)
    );
    for (key, words) in [("needs", &server.needs), ("build", &server.build), ("run", &server.run)] {
        if !words.is_empty() {
            text.push_str(&format!("{key} = {}\n", list(words)));
        }
    }
    for (name, value) in &server.env {
        text.push_str(&format!("env.{name} = {}\n", quoted(value)));
    }
    text.push_str(&format!("external = true\nworkloads = {}\n", list(&server.workloads)));
    text
}

fn workloads(workload: &str, path: &str, response: &ExpectedResponse) -> String {
    let mut text = format!(
        "# The request, and the expected response: every response is compared with it.\n\
         [[workload]]\nname = {}\nquestion = {}\npath = {}\n[workload.expect]\nstatus = {}\n",
        quoted(workload),
        quoted(&format!("What does GET {path} cost?")),
        quoted(path),
        response.status
    );
    if let Some(kind) = &response.content_type {
        text.push_str(&format!("content_type = {}\n", quoted(kind)));
    }
    text.push_str(&format!("body = {}\n", quoted(&response.body)));
    text
}

fn suites(server: &str, workload: &str) -> String {
    format!(
        "# The load: connections that each send the next request after the last response.\n\
         [[load]]\n\
         name = \"c16\"\n\
         connections = 16\n\
         \n\
         # How much worse a change may make it, in percent, and what must hold in any case.\n\
         [[gate]]\n\
         name = \"change\"\n\
         summary = \"A change against what was before it\"\n\
         servers = [{}]\n\
         workloads = [{}]\n\
         loads = [\"c16\"]\n\
         margins_percent = {{ requests_per_second = 3, cpu_ns_per_request = 3, \
         rss_bytes_peak = 5 }}\n\
         budgets = [\"error_rate == 0\"]\n",
        quoted(server),
        quoted(workload)
    )
}

/// Writes files that must not exist yet: all of them, or none. Scripts may be executed.
///
/// # Errors
/// When one cannot be written; the others are removed then, with the folders that were made.
pub(super) fn write_all(files: &[(&PathBuf, &String)]) -> Result<()> {
    let mut made = vec![];
    for (path, text) in files {
        if let Err(error) = write(path, text, &mut made) {
            for path in made.iter().rev() {
                // The error that is reported is the one that matters.
                drop(if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) });
            }
            return Err(error).with_context(|| format!("failed to write {}", path.display()));
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str, made: &mut Vec<PathBuf>) -> Result<()> {
    let missing = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let missing: Vec<&Path> = missing.take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder)?;
        made.push(folder.to_owned());
    }
    let is_script = path.extension().is_some_and(|extension| extension == "sh");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(if is_script { 0o777 } else { 0o666 });
    let mut file = options.open(path)?;
    made.push(path.to_owned());
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
}

/// A TOML string: as it is where a literal one can hold it and a basic one would need escapes.
fn quoted(text: &str) -> String {
    let control = |c: char| c.is_control();
    if text.contains(['"', '\\']) && !text.contains('\'') && !text.contains(control) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    #[test]
    fn strings_survive() {
        for text in ["", "plain", "{\"a\":\"b\"}", "it's", "it's \"so\"\\", "a\r\n\tb\u{1}\u{7f}é"]
        {
            let toml = format!("x = {}", quoted(text));
            let table = DeTable::parse(&toml).unwrap_or_else(|error| panic!("{toml}: {error}"));
            let value = table.get_ref().get("x").and_then(|value| value.get_ref().as_str());
            assert_eq!(value, Some(text), "{toml}");
        }
        assert_eq!(quoted("{\"a\":1}"), "'{\"a\":1}'");
    }
}
