//! The two decoders and encoders take and give the same.

use rust_server::orders::{Order, summary};
use rust_server::{answer::BadRequest, items, json, json_serde};

use crate::random::Random;

const ORDER: &str = r#"[{"id":"o-00001","customer":{"name":"Zo\u00eb \"Z\" Müller","country":"DE"},
    "category":"books","paid":true,"lines":[{"sku":"B-1","quantity":3,"price":"12.34"}]}]"#;

/// The answer to a body, which must be the same for both.
fn answer(body: &[u8]) -> Result<String, BadRequest> {
    let by_hand = json::orders(body).and_then(|orders| {
        let mut text = Vec::new();
        json::summary(&mut text, &summary(&orders)?);
        Ok(text)
    });
    let by_serde = json_serde::orders(body).and_then(|orders: Vec<Order<'_>>| {
        Ok(serde_json::to_vec(&summary(&orders)?).expect("a summary is JSON"))
    });
    assert_eq!(by_hand, by_serde, "{}", String::from_utf8_lossy(body));
    by_hand.map(|text| String::from_utf8(text).expect("JSON is UTF-8"))
}

#[test]
fn contract_example() {
    assert_eq!(
        answer(ORDER.as_bytes()).as_deref(),
        Ok(concat!(
            r#"{"count":1,"unpaid":0,"customers":1,"sum_cents":3702,"#,
            r#""by_category":{"books":3702},"top5":[{"id":"o-00001","cents":3702}]}"#
        ))
    );
    assert_eq!(
        answer(b"[]").as_deref(),
        Ok(r#"{"count":0,"unpaid":0,"customers":0,"sum_cents":0,"by_category":{},"top5":[]}"#)
    );
}

/// The example with one part of it replaced.
#[track_caller]
fn check(right: bool, from: &str, to: &str) {
    let body = ORDER.replacen(from, to, 1);
    assert_ne!(body, ORDER);
    assert_eq!(answer(body.as_bytes()).is_ok(), right, "{body}");
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
    check(false, r#"{"name":"Zo\u00eb \"Z\" Müller","country":"DE"}"#, r#"["Zo","DE"]"#);
    check(false, r#"{"name":"Zo\u00eb \"Z\" Müller","country":"DE"}"#, "null");
    check(false, r#"{"sku":"B-1","quantity":3,"price":"12.34"}"#, r#"["B-1",3,"12.34"]"#);
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
        assert_eq!(answer(body), Err(BadRequest), "{}", String::from_utf8_lossy(body));
    }
    let invalid_utf_8 = [b"[{\"x\":\"", &b"\xff"[..], b"\"}]"].concat();
    assert_eq!(answer(&invalid_utf_8), Err(BadRequest));
    let nested = |depth: usize| {
        ORDER.replace("true", &format!("true,\"x\":{}{}", "[".repeat(depth), "]".repeat(depth)))
    };
    assert!(answer(nested(60).as_bytes()).is_ok());
    // Deeper than the contract covers: it must only not overflow the stack.
    assert_eq!(json::orders(nested(100_000).as_bytes()).err(), Some(BadRequest));
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
            Ok(_) => right += 1,
            Err(BadRequest) => wrong += 1,
        }
    }
    assert!(right > 100 && wrong > 100, "{right} right, {wrong} wrong");
}

#[test]
fn the_same_items() {
    for (n, m) in [("1", "1"), ("7", "3"), ("1000", "1000000")] {
        let items = items::items(n.as_bytes(), m.as_bytes()).expect("both are in range");
        let mut text = Vec::new();
        json::items(&mut text, &items);
        assert_eq!(text, serde_json::to_vec(&items).expect("items are JSON"));
    }
}
