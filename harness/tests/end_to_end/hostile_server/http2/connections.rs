//! What becomes of a connection: its opening, settings, resets and ends.

use super::super::Act;
use super::super::frames::{
    ACK, END_HEADERS, END_STREAM, code, data, frame, goaway, headers, ok, setting,
};
use super::{Behaviour, When, line, opening};

/// What is sent in place of SETTINGS.
pub(super) fn openings() -> Vec<Behaviour> {
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
pub(super) fn settings() -> Vec<Behaviour> {
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
pub(super) fn endless() -> Vec<Behaviour> {
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
pub(super) fn resets() -> Vec<Behaviour> {
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
pub(super) fn goaways() -> Vec<Behaviour> {
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
