//! Bodies as browsers send forms with files: multipart/form-data (RFC 7578), in curl's words.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cmd::exit::UsageError;

/// What separates the parts, unless one of them holds it.
const BOUNDARY: &str = "------------------------duet";

/// The body of a form, and its boundary.
pub(super) fn multipart(fields: &[String]) -> Result<(Vec<u8>, String)> {
    let parts = fields.iter().map(|field| part(field)).collect::<Result<Vec<_>>>()?;
    let mut boundary = BOUNDARY.to_owned();
    let holds = |boundary: &str| {
        parts.iter().any(|(_, content)| {
            content.windows(boundary.len()).any(|part| part == boundary.as_bytes())
        })
    };
    while holds(&boundary) {
        boundary.push('x');
    }
    let mut body = vec![];
    for (head, content) in &parts {
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((body, boundary))
}

/// A field's head and content: `name=value`, `name=<FILE`, or `name=@FILE` for a file with its
/// name; with `;type=T` and `;filename=F` behind a file.
fn part(field: &str) -> Result<(String, Vec<u8>)> {
    let (name, value) = field.split_once('=').unwrap_or_default();
    ensure!(!name.is_empty(), UsageError(format!("`{field}` is no field: write name=value")));
    let read = |path: &str| fs::read(path).with_context(|| format!("failed to read {path}"));
    let disposition = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name)?);
    match value.split_at_checked(1) {
        Some(("<", path)) => Ok((format!("{disposition}\r\n"), read(path)?)),
        Some(("@", file)) => {
            let mut words = file.split(';');
            let path = words.next().unwrap_or_default();
            let known = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
            let (mut filename, mut kind) = (known.unwrap_or_default(), "application/octet-stream");
            for word in words {
                match word.split_once('=') {
                    Some(("type", value)) => kind = value,
                    Some(("filename", value)) => value.clone_into(&mut filename),
                    _ => Err(UsageError(format!(
                        "`{word}`: behind a file stands ;type=T or ;filename=F"
                    )))?,
                }
            }
            let filename = quoted(&filename)?;
            let kind = one_line(kind)?;
            let head =
                format!("{disposition}; filename=\"{filename}\"\r\nContent-Type: {kind}\r\n");
            Ok((head, read(path)?))
        }
        _ => Ok((format!("{disposition}\r\n"), value.as_bytes().to_vec())),
    }
}

/// A name as it stands in quotation marks (RFC 7578, section 2, and the HTML standard).
fn quoted(name: &str) -> Result<String> {
    Ok(one_line(name)?.replace('"', "%22"))
}

fn one_line(text: &str) -> Result<&str> {
    ensure!(!text.contains(['\r', '\n']), UsageError(format!("{text:?} has more than one line")));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(fields: &[&str]) -> String {
        let fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
        match multipart(&fields) {
            Ok((body, boundary)) => {
                String::from_utf8_lossy(&body).replace(&boundary, "B").replace("\r\n", "|")
            }
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn forms_as_curl_writes_them() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("a\".txt");
        fs::write(&path, "x\r\ny").expect("it can be written to");
        let path = path.display();
        let named = "--B|Content-Disposition: form-data; name=\"f\"";
        let cases = [
            (body(&["a=b=c", "d="]), {
                "--B|Content-Disposition: form-data; name=\"a\"||b=c|\
                 --B|Content-Disposition: form-data; name=\"d\"|||--B--|"
                    .to_owned()
            }),
            (body(&[&format!("f=<{path}")]), format!("{named}||x|y|--B--|")),
            (body(&[&format!("f=@{path}")]), {
                let kind = "Content-Type: application/octet-stream";
                format!("{named}; filename=\"a%22.txt\"|{kind}||x|y|--B--|")
            }),
            (body(&[&format!("f=@{path};type=a/b;filename=c")]), {
                format!("{named}; filename=\"c\"|Content-Type: a/b||x|y|--B--|")
            }),
        ];
        for (got, want) in cases {
            assert_eq!(got, want);
        }
    }

    #[test]
    fn fields_that_are_none() {
        for (field, want) in [
            ("a", "is no field"),
            ("=b", "is no field"),
            ("a=@/none;x", ";type=T"),
            ("a=<", "failed to read"),
            ("a\n=b", "more than one line"),
        ] {
            let got = body(&[field]);
            assert!(got.contains(want), "{got} lacks {want}");
        }
    }

    #[test]
    fn a_boundary_is_in_no_part() {
        let (body, boundary) = multipart(&[format!("a={BOUNDARY}")]).expect("it is a field");
        assert_eq!(boundary, format!("{BOUNDARY}x"));
        assert!(body.ends_with(format!("--{boundary}--\r\n").as_bytes()));
    }
}
