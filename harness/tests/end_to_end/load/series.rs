//! The file of seconds.

use super::*;

/// Loads a server; the result, and the series: the fields of each second, empty ones null.
#[track_caller]
pub(crate) fn series(options: &str, name: &str) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut command = command(|_| right(), options);
    let (code, json) = result(&command.arg("--json").arg("--series").arg(&path).output().unwrap());
    assert_eq!(code, 0, "{json}");
    let text = std::fs::read_to_string(path).unwrap();
    if name.ends_with("jsonl") {
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        return (json, lines.collect());
    }
    let (names, lines) = text.split_once('\n').unwrap();
    let lines = lines.lines().map(|line| {
        let values = line.split(',').map(|v| serde_json::from_str(v).unwrap_or(Value::Null));
        names.split(',').map(str::to_owned).zip(values).collect()
    });
    (json, lines.collect())
}

#[test]
fn a_series() {
    let sum = |lines: &[Value], name: &str| {
        lines.iter().map(|line| line[name].as_u64().unwrap()).sum::<u64>()
    };
    for (options, name) in [
        ("-d 2500ms -q 400 -c 4 --warmup 0", "a.csv"),
        ("-d 2500ms -q 400 -c 4 -t 2 --warmup 0", "a.jsonl"),
        ("-d 2500ms -c 1 --warmup 0", "a.jsonl"),
    ] {
        let (json, lines) = series(options, name);
        for (line, (offset_s, partial)) in lines.iter().zip([(0, false), (1, false), (2, true)]) {
            assert_eq!(line["offset_s"], offset_s, "{line}");
            assert!(line["partial"] == partial || lines.len() > 3, "{line}");
        }
        assert!(lines.len() >= 3, "{lines:?}");
        for name in ["sent", "ok"] {
            assert_eq!(sum(&lines, name), requests(&json, name), "{lines:?}");
        }
        assert_eq!(sum(&lines, "failed_reset"), 0, "{lines:?}");
        let open = json["mode"] == "open";
        let planned = if open { 400.0.into() } else { Value::Null };
        assert_eq!(lines[1]["planned_per_second"], planned, "{lines:?}");
        let what = if open { "response" } else { "service" };
        let ns = |quantile: &str| lines[0][format!("{what}_ns_{quantile}")].as_u64();
        assert!(Some(0) < ns("p50") && ns("p50") <= ns("max"), "{lines:?}");
        assert!(!open || ns("p99").is_none(), "too few requests: {lines:?}");
    }
    // The warm-up is left out.
    let (_, lines) = series("-d 1s -c 1 --warmup 1500ms", "a.csv");
    assert_eq!((&lines[0]["offset_s"], &lines[0]["partial"]), (&0.into(), &false.into()));
}
