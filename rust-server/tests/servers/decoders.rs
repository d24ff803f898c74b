//! All decoders and encoders take and give the same.

use rust_server::json;
use rust_server::orders::{Order, Text, summary};
use rust_server::response::BadRequest;

use crate::random::Random;

const ORDER: &str = r#"[{"id":"o-00001","customer":{"name":"Zo\u00eb \"Z\" Müller","country":"DE"},
    "category":"books","paid":true,"lines":[{"sku":"B-1","quantity":3,"price":"12.34"}]}]"#;

/// The response to a body, which must be the same for all: written by hand, serde's, and serde's
/// that borrows. `None` is a refusal.
fn answer(body: &[u8]) -> Option<String> {
    let by_hand = by_hand(body).ok();
    let owned: Option<Vec<Order>> = serde_json::from_slice(body).ok();
    let owned = owned.and_then(|orders| summary(orders).ok());
    let borrowed: Option<Vec<Order<Text<'_>>>> = serde_json::from_slice(body).ok();
    let borrowed = borrowed.and_then(|orders| summary(orders).ok());
    let body = String::from_utf8_lossy(body);
    assert_eq!(by_hand, owned.map(|summary| encode(&summary)), "{body}");
    assert_eq!(by_hand, borrowed.map(|summary| encode(&summary)), "{body}");
    by_hand
}

fn encode(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("a summary is JSON")
}

fn by_hand(body: &[u8]) -> Result<String, BadRequest> {
    let mut text = Vec::new();
    json::summary(&mut text, &summary(json::orders(body)?)?);
    Ok(String::from_utf8(text).expect("JSON is UTF-8"))
}

#[test]
fn contract_example() {
    assert_eq!(
        answer(ORDER.as_bytes()).as_deref(),
        Some(concat!(
            r#"{"count":1,"unpaid":0,"customers":1,"sum_cents":3702,"#,
            r#""by_category":{"books":3702},"top5":[{"id":"o-00001","cents":3702}]}"#
        ))
    );
    assert_eq!(
        answer(b"[]").as_deref(),
        Some(r#"{"count":0,"unpaid":0,"customers":0,"sum_cents":0,"by_category":{},"top5":[]}"#)
    );
}

/// The example with one part of it replaced.
#[track_caller]
fn check(right: bool, from: &str, to: &str) {
    let body = ORDER.replacen(from, to, 1);
    assert_ne!(body, ORDER);
    assert_eq!(answer(body.as_bytes()).is_some(), right, "{body}");
}

#[test]
fn optional_and_unknown_keys() {
    check(true, r#""paid":true,"#, "");
    check(true, r#""paid":true"#, r#""paid":null"#);
    check(false, r#""paid":true"#, r#""paid":"true""#);
    check(false, r#""paid":true"#, r#""paid":1"#);
    check(false, r#""paid":true"#, r#""paid":tru"#);
    check(false, r#""paid":true"#, r#""paid":true,"paid":true"#);
    check(true, r#""paid""#, r#""\u0070aid""#);
    check(
        true,
        r#""paid":true"#,
        r#""Paid":1,"x":[{"y":[]},{},-0.5e+3,1E5,"\ud83d",null,true,false]"#,
    );
    check(false, r#""paid":true"#, r#""x":[1,]"#);
    check(false, r#""paid":true"#, r#""x":{"y":1,}"#);
    check(false, r#""paid":true"#, r#""x":{"y"}"#);
    check(false, r#""paid":true"#, r#""x":{1:1}"#);
    check(false, r#""paid":true"#, r#""x":01"#);
    check(false, r#""paid":true"#, r#""x":1."#);
    check(false, r#""paid":true"#, r#""x":.1"#);
    check(false, r#""paid":true"#, r#""x":1e"#);
    check(false, r#""paid":true"#, r#""x":+1"#);
    check(false, r#""paid":true"#, r#""x":-"#);
    check(true, r#""paid":true"#, r#""x":1e999"#);
    check(false, r#""paid":true"#, r#""x":"\x""#);
    check(false, r#""paid":true"#, r#""x":"\u00g0""#);
    check(false, r#""paid":true"#, "\"x\":\"\t\"");
    check(false, r#""paid":true"#, "\"x\":nul");
    check(false, r#""paid":true"#, "");
}

#[test]
fn known_keys() {
    check(true, "Müller", r#"\ud83d\ude00\b\f\n\r\t\/\\\u0000"#);
    check(false, "Müller", r#"\ud83d"#);
    check(false, "Müller", r#"\ude00"#);
    check(false, "Müller", "\n");
    check(false, r#""quantity":3"#, r#""quantity":3.0"#);
    check(false, r#""quantity":3"#, r#""quantity":3e0"#);
    check(false, r#""quantity":3"#, r#""quantity":"3""#);
    check(false, r#""quantity":3"#, r#""quantity":-3"#);
    check(false, r#""quantity":3"#, r#""quantity":-0"#);
    check(false, r#""quantity":3"#, r#""quantity":03"#);
    check(false, r#""quantity":3"#, r#""quantity":4294967299"#);
    check(false, r#""quantity":3"#, r#""quantity":null"#);
    check(false, r#""quantity":3,"#, "");
    check(false, r#""sku":"B-1","#, "");
    check(false, r#","price":"12.34""#, "");
    check(false, r#""12.34""#, "12.34");
    check(false, r#""id":"o-00001","#, "");
    check(false, r#""id":"o-00001","#, r#""ID":"o-00001","#);
    check(false, r#"{"name":"Zo\u00eb \"Z\" Müller","country":"DE"}"#, "null");
    check(false, r#"{"sku":"B-1","quantity":3,"price":"12.34"}"#, "");
    check(false, r#"[{"sku":"B-1","quantity":3,"price":"12.34"}]"#, "{}");
}

#[test]
fn around_the_array() {
    check(true, "[", " \t\r\n[");
    check(false, "[", "\u{feff}[");
    check(false, "[", "\u{a0}[");
    check(false, "[", "");
    check(false, "[", "[[");
    check(false, "}]}]", "}]}] ,");
    check(false, "}]}]", "}]}]]");
    check(true, "}]}]", "}]}] \n");
}

#[test]
fn whole_bodies() {
    let wrong: [&[u8]; 9] = [b"", b" ", b"null", b"{}", b"[", b"[1]", b"[[]]", b"[{}]", b"[]\0"];
    for body in wrong {
        assert_eq!(answer(body), None, "{}", String::from_utf8_lossy(body));
    }
    let invalid_utf_8 = [b"[{\"id\":\"", &b"\xff"[..], b"\"}]"].concat();
    assert_eq!(answer(&invalid_utf_8), None);
    let nested = |depth: usize| {
        ORDER.replace("true", &format!("true,\"x\":{}{}", "[".repeat(depth), "]".repeat(depth)))
    };
    assert!(answer(nested(60).as_bytes()).is_some());
    // Deeper than the contract covers: it must only not overflow the stack.
    assert!(json::orders(nested(100_000).as_bytes()).is_err());
}

#[test]
fn damaged_bodies() {
    let words = [
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\",
        "\\u00",
        "\\ud83d\\ude00",
        "null",
        "true",
        "0",
        "-",
        ".",
        "e",
        "1e9",
        " ",
        "\n",
        "ü",
        "\u{0}",
        "\"x\":1,",
        "\"paid\":null,",
        "[],",
        "{},",
    ];
    let mut random = Random(4);
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..8_000 {
        let mut body = ORDER.as_bytes().to_vec();
        random.damage(&mut body, &words);
        match answer(&body) {
            Some(_) => right += 1,
            None => wrong += 1,
        }
    }
    assert!(right > 100 && wrong > 100, "{right} right, {wrong} wrong");
}

#[test]
fn the_same_items() {
    for (n, m) in [("1", "1"), ("7", "3"), ("1000", "1000000")] {
        let parsed = (n.parse().expect("it is in range"), m.parse().expect("it is in range"));
        let items = rust_server::items::items(parsed.0, parsed.1);
        let mut text = Vec::new();
        json::items(&mut text, &items);
        assert_eq!(String::from_utf8_lossy(&text), encode(&items));
    }
}
