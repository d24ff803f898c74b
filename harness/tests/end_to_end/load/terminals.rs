//! Texts that fit a terminal, and what CI reads.

use crate::load::{command, right};
use crate::responder::{Act, Request};

#[test]
fn lines_fit() {
    let failing = |request: &Request| match request.index {
        20.. if request.index.is_multiple_of(7) => Act::Close,
        _ => right(),
    };
    for options in ["-n 200 -c 4", "-n 200 -q 2000 -c 4", "-q 100,200 --step 100ms --limit max=1s"]
    {
        for columns in [40, 80] {
            let mut command = command(failing, options);
            let output = command.env("COLUMNS", columns.to_string()).output().unwrap();
            let shown = String::from_utf8(output.stdout).unwrap();
            let wide: Vec<&str> = shown.lines().filter(|l| l.chars().count() > columns).collect();
            assert!(wide.is_empty(), "{options}, {columns}: {wide:?} in {shown}");
            let said = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("every body compared (5 B)"), "{shown}");
        }
    }
    // A terminal that does not say how wide it is.
    let output = command(|_| right(), "-n 20").env("COLUMNS", "0").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("so that users would wait longer\nthan these times say."), "{shown}");
}

#[test]
fn a_line_a_second_in_ci() {
    let mut command = command(|_| right(), "-d 3s -c 1 --warmup 0");
    let output = command.env("CI", "true").env("TERM", "xterm").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let lines = error.lines().filter(|line| line.contains("ok responses per second")).count();
    assert!(lines >= 2 && !error.contains('\x1b'), "{error}");
}
