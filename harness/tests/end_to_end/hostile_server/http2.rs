//! What a server of HTTP/2 may do wrong, frame by frame (RFC 9113).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::frames::{
    ACK, END_HEADERS, END_STREAM, PADDED, PRIORITY, code, data, field, frame, goaway, headers, ok,
    setting, trailers,
};
use super::{
    Act, FIRST, Mode, REQUESTS, STRUCK, bytes, check, counts, drain, fails, load, perform, timeout,
};

const MODES: [Mode; 4] = [
    ("at once", "-c 1 --streams 1", false),
    ("closed loop", "-c 2 --streams 1", true),
    ("open loop, two threads", "-c 2 -t 2 -q 500 --warmup 0 --streams 1", true),
    ("several streams", SEVERAL, true),
];

/// Several requests in flight on a connection: those beside the one that is struck may fail too.
const SEVERAL: &str = "-c 1 --streams 4";

/// When the server behaves so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// In place of its SETTINGS: on the connections of the load, behind those of the reference
    /// response, or on all.
    Opening,
    /// In place of a response.
    Request,
}

/// What the server does in place of what it should, with the stream of the request.
type Does = Box<dyn Fn(u32) -> Act + Send + Sync>;

/// A behaviour, and what must come of it, as with HTTP/1.1. `*`: the accounts add up.
struct Behaviour {
    name: String,
    when: When,
    does: Arc<Does>,
    first: &'static str,
    later: &'static str,
    options: &'static str,
}

fn line(
    name: impl Into<String>,
    does: impl Fn(u32) -> Act + Send + Sync + 'static,
    first: &'static str,
    later: &'static str,
) -> Behaviour {
    let (name, does) = (name.into(), Arc::new(Box::new(does) as Does));
    Behaviour { name, when: When::Request, does, first, later, options: "" }
}

fn opening(name: &'static str, act: Act, first: &'static str, later: &'static str) -> Behaviour {
    Behaviour { when: When::Opening, ..line(name, move |_| act.clone(), first, later) }
}

fn run(behaviour: &Behaviour, &(_, mode, later): &Mode) -> Result<(), String> {
    // What becomes of a whole connection does not depend on the mode.
    let whole = behaviour.when == When::Opening || behaviour.later == "*";
    if later && whole && mode != MODES[1].1 {
        return Ok(());
    }
    let addr = serve(behaviour, later);
    let timeout = timeout(behaviour.first, behaviour.later);
    let http2 = format!("--http2-prior-knowledge {timeout}");
    let options = format!("{http2} -n {REQUESTS} {mode} {}", behaviour.options);
    let ran = load(&addr, &options)?;
    match (later, behaviour.first, behaviour.later) {
        (false, "ok", _) => counts(&ran, "ok", 0),
        (true, _, "ok") if mode != SEVERAL => counts(&ran, "ok", 0),
        (false, "*", _) => counts(&ran, "*", REQUESTS),
        (false, words, _) => fails(&ran, words),
        (true, _, "unopened") => fails(&ran, "cannot connect to"),
        (true, _, "*") if ran.stdout.is_empty() => fails(&ran, "cannot connect to"),
        (true, _, _) if mode == SEVERAL => counts(&ran, "*", 0),
        (true, _, kinds) => counts(&ran, kinds, STRUCK),
    }
}

#[test]
fn http2() {
    let behaviours = [
        openings(),
        settings(),
        endless(),
        resets(),
        goaways(),
        streams(),
        hpack(),
        fields(),
        bodies(),
    ];
    let behaviours = behaviours.into_iter().flatten().collect::<Vec<_>>();
    assert!(behaviours.len() >= 103, "{}", behaviours.len());
    check(&behaviours, &MODES, |behaviour| &behaviour.name, run);
}

/// Serves a behaviour.
fn serve(behaviour: &Behaviour, later: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let (does, when) = (Arc::clone(&behaviour.does), behaviour.when);
    let seen = Arc::new(AtomicU64::new(0));
    // The thread ends with this process.
    thread::spawn(move || {
        for (stream, index) in listener.incoming().zip(0..) {
            let (stream, does, seen) = (stream.unwrap(), Arc::clone(&does), Arc::clone(&seen));
            let at_once = when == When::Opening && (!later || index >= FIRST);
            let strikes = move || {
                when == When::Request && (!later || seen.fetch_add(1, Ordering::SeqCst) % 5 == 4)
            };
            thread::spawn(move || {
                // Whatever fails here does so since the other side has gone.
                let _ = converse(stream, &does, at_once, strikes);
            });
        }
    });
    addr
}

/// One connection.
fn converse(
    mut stream: TcpStream,
    does: &Does,
    at_once: bool,
    strikes: impl Fn() -> bool,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    if !at_once {
        stream.write_all(&bytes(&setting("")))?;
    } else if !perform(&mut stream, &does(0))? {
        return drain(&mut stream);
    }
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload)?;
        match (kind, flags & ACK) {
            (1, _) => {
                let id = u32::from_be_bytes(id);
                if !strikes() {
                    stream.write_all(&bytes(&ok(id)))?;
                } else if !perform(&mut stream, &does(id))? {
                    return drain(&mut stream);
                }
            }
            (4, 0) => stream.write_all(&bytes(&frame(4, ACK, 0, "")))?,
            _ => {}
        }
    }
}

/// What is sent in place of SETTINGS.
fn openings() -> Vec<Behaviour> {
    use Act::{Close, Finish, Hold, Reset, Send};
    let text = |text: &str| text.to_owned();
    let and = |more: String| setting("") + &more;
    vec![
        opening("silent", Hold(text("")), "no stream is allowed", "unopened"),
        opening("closed", Close(text("")), "load it without --http2", "unopened"),
        opening("half closed", Finish(text("")), "load it without --http2", "unopened"),
        opening("reset", Reset(text("")), "load it without --http2", "unopened"),
        opening(
            "HTTP/1.1",
            Close(text("HTTP/1.1 400 No\r\n\r\n")),
            "load it without --http2",
            "unopened",
        ),
        opening(
            "HTTP/1.1 that stays",
            Hold(text("HTTP/1.1 400 No\r\n\r\n")),
            "load it without --http2",
            "unopened",
        ),
        opening(
            "an alert of TLS",
            Close(text("\x15\x03\x01\0\x02\x02\x28")),
            "load it without --http2",
            "unopened",
        ),
        opening(
            "noise",
            Hold("\u{ff}\u{fe}\0\x01\x02".repeat(99)),
            "load it without --http2",
            "unopened",
        ),
        opening("half a frame", Hold(text("\0\0\0\x04")), "no stream is allowed", "unopened"),
        opening(
            "half a frame, closed",
            Close(text("\0\0\0\x04")),
            "load it without --http2",
            "unopened",
        ),
        opening("no SETTINGS, but PING", Hold(frame(6, 0, 0, &"x".repeat(8))), "no", "unopened"),
        opening("an acknowledgement first", Hold(frame(4, ACK, 0, "")), "no", "unopened"),
        opening("closed behind SETTINGS", Close(setting("")), "load it without --http2", "*"),
        opening("GOAWAY at once", Hold(goaway(0, 0)), "", "*"),
        opening("GOAWAY behind SETTINGS", Close(and(goaway(0, 0))), "", "*"),
        opening("GOAWAY with an error", Hold(and(goaway(0, 11))), "ENHANCE_YOUR_CALM", "*"),
        opening("GOAWAY on a stream", Hold(and(frame(7, 0, 1, "\0\0\0\0\0\0\0\0"))), "keep", "*"),
        opening("GOAWAY that is too short", Hold(and(frame(7, 0, 0, "\0\0"))), "keep", "*"),
        opening("WINDOW_UPDATE of nothing", Hold(and(frame(8, 0, 0, "\0\0\0\0"))), "keep", "*"),
        opening(
            "WINDOW_UPDATE of too much",
            Hold(and(frame(8, 0, 0, "\x7f\u{ff}\u{ff}\u{ff}"))),
            "keep",
            "*",
        ),
        opening("WINDOW_UPDATE that is too short", Hold(and(frame(8, 0, 0, "\0"))), "keep", "*"),
        opening("PING that is too short", Hold(and(frame(6, 0, 0, "x"))), "keep", "*"),
        opening("PING on a stream", Hold(and(frame(6, 0, 1, "xxxxxxxx"))), "keep", "*"),
        opening("DATA on stream 0", Hold(and(data(0, "x"))), "keep", "*"),
        opening("HEADERS on stream 0", Hold(and(headers(0, "\u{88}"))), "keep", "*"),
        opening("HEADERS on an idle stream", Hold(and(headers(9, "\u{88}"))), "keep", "*"),
        opening("RST_STREAM on stream 0", Hold(and(frame(3, 0, 0, &code(0)))), "keep", "*"),
        opening("RST_STREAM on an idle stream", Hold(and(frame(3, 0, 9, &code(0)))), "keep", "*"),
        opening("CONTINUATION alone", Hold(and(frame(9, END_HEADERS, 1, "\u{88}"))), "keep", "*"),
        opening(
            "PUSH_PROMISE",
            Hold(and(frame(5, END_HEADERS, 1, "\0\0\0\x02\u{88}"))),
            "keep",
            "*",
        ),
        opening("PRIORITY on stream 0", Hold(and(frame(2, 0, 0, "\0\0\0\0\0"))), "keep", "*"),
        opening(
            "a frame that is too long",
            Hold(and(frame(6, 0, 0, &"x".repeat(17_000)))),
            "keep",
            "*",
        ),
        opening("a frame of an unknown kind", Send(and(frame(99, 255, 7, "x"))), "ok", "ok"),
    ]
}

/// Settings.
fn settings() -> Vec<Behaviour> {
    use Act::{Hold, Send};
    vec![
        opening("no streams", Send(setting("\0\x03\0\0\0\0")), "no stream is allowed", "unopened"),
        opening("a stream at a time", Send(setting("\0\x03\0\0\0\x01")), "ok", "ok"),
        opening(
            "streams withdrawn",
            Send(setting("") + &setting("\0\x03\0\0\0\0")),
            "no stream is allowed",
            "*",
        ),
        opening(
            "streams withdrawn and given",
            Send(setting("\0\x03\0\0\0\0") + &setting("\0\x03\0\0\0\x09")),
            "ok",
            "ok",
        ),
        opening("push enabled", Send(setting("\0\x02\0\0\0\x01")), "ok", "ok"),
        opening("push of 2", Hold(setting("\0\x02\0\0\0\x02")), "keep", "unopened"),
        opening(
            "a window that is too large",
            Hold(setting("\0\x04\u{ff}\u{ff}\u{ff}\u{ff}")),
            "keep",
            "unopened",
        ),
        opening("frames that are too short", Hold(setting("\0\x05\0\0\0\x01")), "keep", "unopened"),
        opening("frames that are too long", Hold(setting("\0\x05\x7f\0\0\0")), "keep", "unopened"),
        opening("an unknown setting", Send(setting("\x7f\0\0\0\0\x01")), "ok", "ok"),
        opening("no table", Send(setting("\0\x01\0\0\0\0")), "ok", "ok"),
        opening("a huge table", Send(setting("\0\x01\u{ff}\u{ff}\u{ff}\u{ff}")), "ok", "ok"),
        opening("half a setting", Hold(setting("\0\x01\0")), "keep", "unopened"),
        opening("SETTINGS on a stream", Hold(frame(4, 0, 1, "")), "keep", "unopened"),
        opening(
            "an acknowledgement with settings",
            Hold(frame(4, ACK, 0, "\0\x01\0\0\0\0")),
            "keep",
            "unopened",
        ),
        opening("short lists of fields", Send(setting("\0\x06\0\0\0\x01")), "ok", "ok"),
        Behaviour {
            options: "--body hello",
            ..opening("no window for a body", Send(setting("\0\x04\0\0\0\0")), "ok", "ok")
        },
    ]
}

/// Frames without end, in place of SETTINGS or of a response.
fn endless() -> Vec<Behaviour> {
    use Act::Endless;
    let kinds = [
        ("SETTINGS", setting("")),
        ("settings", setting("\0\x03\0\0\0\x09")),
        ("acknowledgements", frame(4, ACK, 0, "")),
        ("PING", frame(6, 0, 0, "xxxxxxxx")),
        ("PING acknowledged", frame(6, ACK, 0, "xxxxxxxx")),
        ("WINDOW_UPDATE", frame(8, 0, 0, "\0\0\0\x01")),
        ("frames of an unknown kind", frame(99, 0, 0, &"x".repeat(999))),
        ("PRIORITY", frame(2, 0, 1, "\0\0\0\0\0")),
        ("GOAWAY", goaway(0x7fff_ffff, 0)),
    ];
    let mut all = vec![];
    for (name, again) in kinds {
        let act = Endless(setting(""), again.clone());
        all.push(Behaviour {
            when: When::Opening,
            ..line(format!("{name} without end at first"), move |_| act.clone(), "", "*")
        });
        all.push(line(
            format!("{name} without end"),
            move |_| Endless(String::new(), again.clone()),
            "",
            "*",
        ));
    }
    all
}

/// RST_STREAM with each code, at each stage.
fn resets() -> Vec<Behaviour> {
    use Act::Send;
    let rst = |id, reason| frame(3, 0, id, &code(reason));
    let mut all: Vec<Behaviour> = (0..=14)
        .filter(|reason| *reason != 7)
        .map(|reason| {
            line(format!("RST_STREAM {reason}"), move |id| Send(rst(id, reason)), "", "reset")
        })
        .collect();
    all.extend([
        line("RST_STREAM that refuses", move |id| Send(rst(id, 7)), "", "ok"),
        line(
            "RST_STREAM behind the head",
            move |id| Send(headers(id, "\u{88}") + &rst(id, 2)),
            "",
            "reset",
        ),
        line(
            "RST_STREAM without an error behind the head",
            move |id| Send(headers(id, "\u{88}") + &rst(id, 0)),
            "",
            "reset",
        ),
        line(
            "RST_STREAM in the body",
            move |id| Send(headers(id, "\u{88}") + &data(id, "hel") + &rst(id, 8)),
            "",
            "reset",
        ),
        line(
            "RST_STREAM that refuses in the body",
            move |id| Send(headers(id, "\u{88}") + &data(id, "hel") + &rst(id, 7)),
            "",
            "ok",
        ),
        line("RST_STREAM behind the response", move |id| Send(ok(id) + &rst(id, 0)), "ok", "ok"),
        line("RST_STREAM twice", move |id| Send(rst(id, 2) + &rst(id, 2)), "", "reset"),
        line(
            "RST_STREAM that is too short",
            move |id| Send(frame(3, 0, id, "\0")),
            "keep",
            "malformed",
        ),
    ]);
    all
}

/// GOAWAY at each stage, with each last stream.
fn goaways() -> Vec<Behaviour> {
    use Act::{Close, Hold, Send};
    const ALL: u32 = 0x7fff_ffff;
    vec![
        line("GOAWAY before the request", |_| Close(goaway(0, 0)), "", "ok"),
        line("GOAWAY before the request, left open", |_| Hold(goaway(0, 0)), "", "ok"),
        line("GOAWAY with an error", |_| Close(goaway(0, 11)), "ENHANCE_YOUR_CALM", "goaway"),
        line("GOAWAY with an error, left open", |_| Hold(goaway(ALL, 2)), "", "goaway|timeout"),
        line("GOAWAY behind the request, closed", |id| Close(goaway(id, 0)), "", "reset|goaway"),
        line(
            "GOAWAY behind the request, left open",
            |id| Hold(goaway(id, 0)),
            "no response from",
            "timeout",
        ),
        line("GOAWAY and a response", |id| Send(goaway(id, 0) + &ok(id)), "ok", "ok"),
        line("GOAWAY behind a response", |id| Send(ok(id) + &goaway(id, 0)), "ok", "ok"),
        line("GOAWAY behind a response, closed", |id| Close(ok(id) + &goaway(id, 0)), "ok", "ok"),
        line("GOAWAY for all and a response", |id| Send(goaway(ALL, 0) + &ok(id)), "ok", "ok"),
        line(
            "GOAWAY within the response",
            |id| Send(headers(id, "\u{88}") + &goaway(id, 0) + &frame(0, END_STREAM, id, "hello")),
            "ok",
            "ok",
        ),
        line(
            "GOAWAY with an error behind a response",
            |id| Send(ok(id) + &goaway(id, 2)),
            "ok",
            "ok",
        ),
        line(
            "GOAWAY with a higher last stream",
            |id| Hold(goaway(0, 0) + &goaway(id, 0)),
            "",
            "ok|malformed|goaway",
        ),
        line(
            "closed in the body",
            |id| Close(headers(id, "\u{88}") + &data(id, "hel")),
            "",
            "truncated",
        ),
        line(
            "reset in the body",
            |id| Act::Reset(headers(id, "\u{88}") + &data(id, "hel")),
            "",
            "truncated|reset",
        ),
        line("closed without a response", |_| Close(String::new()), "", "reset"),
        line("reset without a response", |_| Act::Reset(String::new()), "", "reset"),
        line("no response", |_| Send(String::new()), "no response from", "timeout"),
        line("closed in a frame", |id| Close(headers(id, "\u{88}")[..5].to_owned()), "", "reset"),
        line(
            "silent in a frame",
            |id| Hold(headers(id, "\u{88}")[..9].to_owned()),
            "no response from",
            "*",
        ),
    ]
}

/// Frames on streams and in an order that they do not belong to.
fn streams() -> Vec<Behaviour> {
    use Act::{Hold, Send};
    let end = |id, body: &str| frame(0, END_STREAM, id, body);
    vec![
        line("DATA before HEADERS", move |id| Send(end(id, "hello")), "keep", "malformed"),
        line("HEADERS twice", |id| Send(headers(id, "\u{88}") + &ok(id)), "keep", "malformed"),
        line("a stream of the server", |_| Send(headers(2, "\u{88}")), "keep", "malformed"),
        line(
            "a stream that is not open",
            |id| Send(headers(id + 2, "\u{88}")),
            "keep",
            "malformed",
        ),
        line(
            "DATA on a stream that is not open",
            move |id| Send(end(id + 2, "x")),
            "keep",
            "malformed",
        ),
        line("DATA on stream 0", move |_| Send(end(0, "x")), "keep", "malformed"),
        line("DATA behind the end", |id| Send(ok(id) + &data(id, "x")), "ok", "ok"),
        line("HEADERS behind the end", |id| Send(ok(id) + &headers(id, "\u{88}")), "ok", "ok"),
        line(
            "PUSH_PROMISE",
            |id| Send(frame(5, END_HEADERS, id, "\0\0\0\x02\u{88}")),
            "keep",
            "malformed",
        ),
        line(
            "WINDOW_UPDATE of nothing",
            |id| Send(frame(8, 0, id, "\0\0\0\0") + &ok(id)),
            "",
            "malformed",
        ),
        line(
            "WINDOW_UPDATE of too much",
            |id| Send(frame(8, 0, id, "\x7f\u{ff}\u{ff}\u{ff}") + &ok(id)),
            "ok",
            "ok",
        ),
        line("WINDOW_UPDATE", |id| Send(frame(8, 0, id, "\0\0\0\x01") + &ok(id)), "ok", "ok"),
        line("PING and a response", |id| Send(frame(6, 0, 0, "xxxxxxxx") + &ok(id)), "ok", "ok"),
        line("PING not asked for", |id| Send(frame(6, ACK, 0, "xxxxxxxx") + &ok(id)), "ok", "ok"),
        line("SETTINGS and a response", |id| Send(setting("") + &ok(id)), "ok", "ok"),
        line("no streams any more", |id| Send(setting("\0\x03\0\0\0\0") + &ok(id)), "", "*"),
        line(
            "an acknowledgement not asked for",
            |id| Send(frame(4, ACK, 0, "") + &ok(id)),
            "",
            "*",
        ),
        line(
            "PRIORITY of itself",
            |id| Send(frame(2, 0, id, &(code(id) + "\0")) + &ok(id)),
            "",
            "*",
        ),
        line("a frame of an unknown kind", |id| Send(frame(99, 0, id, "x") + &ok(id)), "ok", "ok"),
        line("no CONTINUATION", |id| Hold(frame(1, 0, id, "\u{88}")), "no response from", "*"),
        line(
            "DATA in place of CONTINUATION",
            move |id| Send(frame(1, 0, id, "\u{88}") + &end(id, "hello")),
            "keep",
            "malformed",
        ),
        line(
            "CONTINUATION of another stream",
            |id| Send(frame(1, 0, id, "\u{88}") + &frame(9, END_HEADERS, id + 2, "")),
            "keep",
            "malformed",
        ),
        line(
            "CONTINUATION",
            move |id| {
                Send(frame(1, 0, id, "") + &frame(9, END_HEADERS, id, "\u{88}") + &end(id, "hello"))
            },
            "ok",
            "ok",
        ),
        line(
            "CONTINUATION without end",
            |id| Act::Endless(frame(1, 0, id, "\u{88}"), frame(9, 0, id, &field("a", "b"))),
            "",
            "malformed|goaway|reset",
        ),
        line(
            "empty CONTINUATION without end",
            |id| Act::Endless(frame(1, 0, id, "\u{88}"), frame(9, 0, id, "")),
            "",
            "malformed|goaway|reset",
        ),
        line(
            "padding",
            |id| {
                Send(
                    frame(1, END_HEADERS | PADDED, id, "\x02\u{88}\0\0")
                        + &frame(0, END_STREAM | PADDED, id, "\x03hello\0\0\0"),
                )
            },
            "ok",
            "ok",
        ),
        line(
            "padding beyond HEADERS",
            |id| Send(frame(1, END_HEADERS | PADDED, id, "\x09\u{88}\0\0")),
            "keep",
            "malformed",
        ),
        line(
            "padding beyond DATA",
            |id| Send(headers(id, "\u{88}") + &frame(0, END_STREAM | PADDED, id, "\x09hello")),
            "keep",
            "malformed",
        ),
        line(
            "HEADERS with a priority",
            move |id| {
                Send(frame(1, END_HEADERS | PRIORITY, id, "\0\0\0\0\0\u{88}") + &end(id, "hello"))
            },
            "ok",
            "ok",
        ),
        line(
            "DATA that is too long",
            |id| Send(headers(id, "\u{88}") + &data(id, &"x".repeat(16_385))),
            "keep",
            "malformed",
        ),
        line("an empty HEADERS", |id| Send(headers(id, "")), "", "malformed"),
    ]
}

/// Fields that are compressed wrongly (RFC 7541).
fn hpack() -> Vec<Behaviour> {
    let cases = [
        ("index 0", "\u{80}"),
        ("an index beyond the table", "\u{fe}"),
        ("an index without end", "\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}"),
        ("half an index", "\u{ff}"),
        ("a table that is too large", "\x3f\u{ff}\u{ff}\u{ff}\x07\u{88}"),
        ("a table changed behind a field", "\u{88}\x20"),
        ("a string beyond the end", "\u{88}\0\x01a\x7fb"),
        ("a name beyond the end", "\u{88}\0\x7fa"),
        ("a string of wrong Huffman codes", "\u{88}\0\x01a\u{84}\u{ff}\u{ff}\u{ff}\u{ff}"),
        ("a length without end", "\u{88}\0\x01a\x7f\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}"),
    ];
    let all = cases.map(|(name, block)| {
        line(name, move |id| Act::Send(headers(id, block)), "keep", "malformed")
    });
    all.into()
}

/// Fields that no response has.
fn fields() -> Vec<Behaviour> {
    let with = |name: &'static str, more: String, first, later| {
        let block = "\u{88}".to_owned() + &more;
        line(
            name,
            move |id| Act::Send(headers(id, &block) + &frame(0, END_STREAM, id, "hello")),
            first,
            later,
        )
    };
    let alone = |name: &'static str, block: String, first, later| {
        line(
            name,
            move |id| Act::Send(headers(id, &block) + &frame(0, END_STREAM, id, "hello")),
            first,
            later,
        )
    };
    let status = |status: &str| format!("\x08{}{status}", char::from(status.len() as u8));
    vec![
        alone("no status", field("a", "b"), "", "malformed"),
        with("status twice", status("200"), "", "malformed"),
        alone("a status of letters", status("abc"), "", "malformed"),
        alone("a status of one digit", status("2"), "", "malformed"),
        alone("a status of four digits", status("2000"), "", "malformed"),
        alone("status 099", status("099"), "", "malformed"),
        alone("an empty status", status(""), "", "malformed"),
        alone("status 500", status("500"), "got 500", "bad_status"),
        alone("status 999", status("999"), "got 999", "bad_status"),
        alone("status 302", status("302"), "got 302", "bad_status"),
        alone("status 204 with a body", status("204"), "ok", "bad_status"),
        alone("status 304 with a body", status("304"), "", "bad_status"),
        alone("status 101", status("101"), "", "malformed|bad_status"),
        line(
            "status 100 alone",
            move |id| Act::Send(headers(id, &status("100"))),
            "no response from",
            "timeout",
        ),
        line(
            "status 103 before",
            move |id| Act::Send(headers(id, &status("103")) + &ok(id)),
            "ok",
            "ok",
        ),
        line(
            "status 103 without end",
            move |id| Act::Endless(String::new(), headers(id, &status("103"))),
            "",
            "*",
        ),
        line(
            "status 103 that ends",
            move |id| Act::Send(frame(1, END_HEADERS | END_STREAM, id, &status("103"))),
            "",
            "malformed",
        ),
        with("a pseudo-field of requests", field(":path", "/"), "ok", "ok"),
        with("an unknown pseudo-field", field(":x", "y"), "", "malformed"),
        alone("a pseudo-field behind others", field("a", "b") + "\u{88}", "", "malformed"),
        with("capital letters", field("A", "b"), "", "malformed"),
        with("a blank in a name", field("a b", "c"), "", "malformed"),
        with("no name", field("", "c"), "", "malformed"),
        with("NUL in a value", field("a", "\0"), "", "malformed"),
        with("a line feed in a value", field("a", "b\r\nc: d"), "", "malformed"),
        with("Connection", field("connection", "close"), "", "malformed"),
        with("Transfer-Encoding", field("transfer-encoding", "chunked"), "", "malformed"),
        with("many fields", field("a", "b").repeat(500), "ok", "ok"),
        with("too many fields", field("a", &"b".repeat(120)).repeat(125), "ok", "ok"),
        line(
            "too long a list of fields",
            |id| {
                let more = frame(9, 0, id, &field("a", &"b".repeat(120)).repeat(125));
                Act::Send(
                    frame(1, 0, id, "\u{88}") + &more.repeat(6) + &frame(9, END_HEADERS, id, ""),
                )
            },
            "",
            "malformed|reset",
        ),
        line(
            "trailers",
            |id| {
                Act::Send(
                    headers(id, "\u{88}") + &data(id, "hello") + &trailers(id, &field("a", "b")),
                )
            },
            "ok",
            "ok",
        ),
        line(
            "trailers with a status",
            |id| Act::Send(headers(id, "\u{88}") + &data(id, "hello") + &trailers(id, "\u{88}")),
            "ok",
            "ok",
        ),
        line(
            "trailers that do not end",
            |id| {
                Act::Send(
                    headers(id, "\u{88}") + &data(id, "hello") + &headers(id, &field("a", "b")),
                )
            },
            "",
            "malformed",
        ),
    ]
}

/// Bodies.
fn bodies() -> Vec<Behaviour> {
    use Act::{Close, Endless, Send};
    let with = |id, length: &str, body: &str| {
        headers(id, &("\u{88}".to_owned() + &field("content-length", length)))
            + &frame(0, END_STREAM, id, body)
    };
    vec![
        line("too long a length", move |id| Send(with(id, "6", "hello")), "", "malformed"),
        line("too short a length", move |id| Send(with(id, "4", "hello")), "", "malformed"),
        line("a length of letters", move |id| Send(with(id, "five", "hello")), "", "malformed"),
        line("a negative length", move |id| Send(with(id, "-5", "hello")), "", "malformed"),
        line(
            "no end",
            |id| Send(headers(id, "\u{88}") + &data(id, "hello")),
            "no response from",
            "timeout",
        ),
        line(
            "no end, closed",
            |id| Close(headers(id, "\u{88}") + &data(id, "hello")),
            "",
            "truncated",
        ),
        line(
            "no body, and no end",
            |id| Send(headers(id, "\u{88}")),
            "no response from",
            "timeout",
        ),
        line(
            "the end alone",
            |id| Send(headers(id, "\u{88}") + &data(id, "hello") + &frame(0, END_STREAM, id, "")),
            "ok",
            "ok",
        ),
        line(
            "another body",
            |id| Send(headers(id, "\u{88}") + &frame(0, END_STREAM, id, "jello")),
            "ok",
            "wrong_body",
        ),
        line(
            "no body",
            |id| Send(frame(1, END_HEADERS | END_STREAM, id, "\u{88}")),
            "ok",
            "wrong_body",
        ),
        line(
            "a body without end",
            |id| Endless(headers(id, "\u{88}"), data(id, &"x".repeat(9_999))),
            "no response from",
            "*",
        ),
        line(
            "empty DATA without end",
            |id| Endless(headers(id, "\u{88}"), data(id, "")),
            "",
            "timeout|malformed",
        ),
        line("drops", |id| Act::Drip(ok(id)), "no response from", "*"),
    ]
}
