//! Texts that fit a terminal, and what CI reads.

use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::unistd::ttyname;

use crate::binary::wait;
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

/// What was drawn, line by line, without what moves the cursor and colours.
fn lines(drawn: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(drawn);
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => {
                // `ESC [`, parameters, a letter: `m` is a colour, all else moves the cursor.
                let end = rest.by_ref().skip(1).find(char::is_ascii_alphabetic);
                plain.extend(end.filter(|end| *end != 'm').map(|_| '\n'));
            }
            '\r' => plain.push('\n'),
            c => plain.push(c),
        }
    }
    plain.lines().map(str::to_owned).collect()
}

/// A terminal that becomes narrower while a load goes on: what is drawn afterwards fits.
#[test]
fn a_terminal_is_resized() {
    let size = Winsize { ws_row: 50, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let path = ttyname(&pty.slave).unwrap();
    let mut command = command(|_| right(), "-d 4s -c 2 --warmup 0");
    command.env_remove("NO_COLOR").env_remove("CI").env_remove("COLUMNS").env("TERM", "xterm");
    let mut child = command.stderr(pty.slave).spawn().unwrap();
    drop(command); // and its end of the terminal
    let drawn = Arc::new(Mutex::new(vec![]));
    let (mut terminal, to) = (File::from(pty.master), Arc::clone(&drawn));
    let reader = thread::spawn(move || {
        let mut buffer = [0; 4096];
        // An error: the other end is closed.
        while let Ok(n @ 1..) = terminal.read(&mut buffer) {
            to.lock().unwrap().extend_from_slice(&buffer[..n]);
        }
    });
    // Rows are filled with blanks up to the edge, and a picture is one line for the terminal.
    let rows_have = |columns: usize| {
        move |picture: &String| {
            picture.chars().skip(columns).take(3).eq("ok ".chars()) && picture.contains("of 4 s")
        }
    };
    wait(|| lines(&drawn.lock().unwrap()).iter().any(rows_have(80)));
    let stty = Command::new("stty").arg("-F").arg(&path).args(["cols", "40"]).status().unwrap();
    assert!(stty.success());
    thread::sleep(Duration::from_millis(500));
    let before = drawn.lock().unwrap().len();
    assert!(child.wait().unwrap().success());
    reader.join().unwrap();
    let after = lines(&drawn.lock().unwrap()[before..]);
    let pictures: Vec<&String> = after.iter().filter(|line| line.contains("of 4 s")).collect();
    assert!(pictures.len() > 3 && pictures.iter().skip(1).all(|p| rows_have(40)(p)), "{after:?}");
}
