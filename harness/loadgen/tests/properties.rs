//! What fuzz/ checks with a fuzzer, checked with a bounded number of mutations of its seeds, the
//! same each time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use duet_stats::SplitMix64;

#[path = "../../../fuzz/http2.rs"]
mod http2;
#[path = "../../../fuzz/properties.rs"]
mod properties;

/// What mutations insert.
const PARTS: [&[u8]; 16] = [
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t",
    b":",
    b";",
    b"0",
    b"1",
    b"a",
    b"\xff",
    b"\0",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Date: Mon, 07 Nov 1994 08:49:38 GMT\r\n",
];

/// How long a response may take, of a server on a busy machine.
const TIMEOUT: Duration = Duration::from_millis(50);

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn mutate(bytes: &mut Vec<u8>, below: &mut impl FnMut(usize) -> usize) {
    let at = below(bytes.len() + 1);
    let end = (at + below(8)).min(bytes.len());
    match below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => drop(bytes.splice(at..end, PARTS[below(PARTS.len())].iter().copied())),
        2 => drop(bytes.splice(at..at, PARTS[below(PARTS.len())].iter().copied())),
        3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
        4 => bytes.truncate(at),
        _ if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1 + below(255) as u8),
        _ => bytes.push(below(256) as u8),
    }
}

/// How many mutations were interesting, of `rounds` of each seed in a folder, which the property
/// also gets.
fn interesting(folder: &str, rounds: usize, property: impl Fn(&[u8], &[u8]) -> bool) -> usize {
    let mut random = SplitMix64::new(1);
    let mut below = |n: usize| (random.next() % n as u64) as usize;
    let mut count = 0;
    for seed in seeds(folder) {
        for round in 0..rounds {
            let mut bytes = seed.clone();
            for _ in 0..round.min(1 + below(3)) {
                mutate(&mut bytes, &mut below);
            }
            count += usize::from(property(&seed, &bytes));
        }
    }
    count
}

#[test]
fn the_parser_agrees_with_httparse() {
    let count = interesting("seeds", 100, |_, bytes| properties::parser(bytes));
    assert!(count > 500, "only {count} mutations were answers");
}

#[test]
fn what_the_template_recognises_is_right() {
    let count = interesting("seeds", 100, |seed, bytes| {
        let (after, twice) = ([seed, bytes].concat(), [bytes, bytes].concat());
        properties::template(&after) | properties::template(&twice)
    });
    assert!(count > 500, "only {count} mutations were recognised");
}

#[test]
fn a_load_over_http2_adds_up() {
    let count = interesting("seeds-http2", 50, |_, bytes| http2::http2(bytes, TIMEOUT));
    assert!(count > 50, "only {count} mutations had an ok response");
}
