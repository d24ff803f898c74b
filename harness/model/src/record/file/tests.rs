use super::*;
use crate::testing::{Scene, programs, run};

/// The lines of a record with a header, two blocks and an end.
fn lines() -> Vec<String> {
    let run = run(&Scene::default());
    let blocks = run.blocks.into_iter().take(2).map(|block| Record::Block(Box::new(block)));
    let end = crate::record::RunEnd { elapsed_ns: 1, interrupted: None, stopped: None };
    [Record::Header(Box::new(run.header))]
        .into_iter()
        .chain(blocks)
        .chain([Record::End(end)])
        .map(|record| serde_json::to_string(&record).expect("records are JSON"))
        .collect()
}

fn plain(input: impl BufRead) -> Result<Run> {
    read_lines(input, BYTES_MAX)
}

/// What a folder's record holds, as far as it goes.
fn text(folder: &Path) -> String {
    let bytes = fs::read(folder.join(FILE_NAME)).expect("a record");
    let mut lines = Inflated { stream: Some(MultiGzDecoder::new(&bytes[..])) };
    let mut text = String::new();
    lines.read_to_string(&mut text).expect("it is compressed text");
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut stream = GzEncoder::new(vec![], Compression::fast());
    stream.write_all(bytes).expect("a vector takes all");
    stream.finish().expect("a vector takes all")
}

#[test]
fn a_run_is_read_back_as_it_was_written() {
    for run in [run(&Scene::default()), programs(4, 1.2)] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = Writer::replace(folder.path(), run.records()).expect("it is written");
        let end = run.end.clone();
        end.map(|end| writer.append(&Record::End(end))).transpose().expect("it is appended");
        assert!(!run.blocks.is_empty() || !run.program_blocks.is_empty());
        assert_eq!(read(folder.path()).expect("it is a record"), run);
    }
}

#[test]
fn a_record_takes_the_place_of_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let header = || Record::Header(Box::new(run(&Scene::default()).header));
    let end = |elapsed_ns| {
        Record::End(crate::record::RunEnd { elapsed_ns, interrupted: None, stopped: None })
    };
    fs::write(folder.path().join(PLAIN_FILE_NAME), "an older one").expect("a file");
    // What was left of an attempt that was killed is in nobody's way.
    fs::write(folder.path().join(PARTIAL), "{").expect("a file");
    for elapsed_ns in [1, 2] {
        let mut writer = Writer::replace(folder.path(), [header()]).expect("it is replaced");
        writer.append(&end(elapsed_ns)).expect("it is appended");
        let read = read(folder.path()).expect("it is a record");
        assert_eq!(read.end.map(|end| end.elapsed_ns), Some(elapsed_ns));
    }
    assert!(!folder.path().join(PARTIAL).exists());
    assert!(!folder.path().join(PLAIN_FILE_NAME).exists());
}

#[test]
fn a_record_cut_short_is_read_as_far_as_it_goes() {
    let mut text = lines().join("\n");
    let whole = plain(text.as_bytes()).expect("it is whole");
    assert_eq!((whole.blocks.len(), whole.end.is_some(), whole.truncated), (2, true, false));
    text.truncate(text.len() - 5);
    let cut = plain(text.as_bytes()).expect("only the last line is damaged");
    assert_eq!((cut.blocks.len(), cut.end, cut.truncated), (2, None, true));
    // Within a character.
    let mut bytes = lines()[..2].join("\n").into_bytes();
    bytes.extend_from_slice("\n{\"×".as_bytes());
    bytes.pop();
    let cut = plain(&bytes[..]).expect("only the last line is damaged");
    assert_eq!((cut.blocks.len(), cut.truncated), (1, true));
}

/// Whatever is cut off, all lines before it are there, and a cut within a line is told.
#[test]
fn a_compressed_record_cut_short_is_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = run(&Scene::default());
    let records: Vec<Record> = run.records().take(8).collect();
    let mut writer = Writer::replace(folder.path(), []).expect("it is written");
    let path = folder.path().join(FILE_NAME);
    // Behind each line: how long the file is, and how many blocks it has.
    let mut ends = vec![];
    for (n, record) in records.iter().enumerate() {
        writer.append(record).expect("it is appended");
        let blocks = records[..=n].iter().filter(|r| matches!(r, Record::Block(_))).count();
        ends.push((fs::metadata(&path).expect("a file").len() as usize, blocks));
    }
    let bytes = fs::read(&path).expect("a record");
    let read = |cut: usize| read_compressed(&bytes[..cut], cut as u64);
    let mut told = 0;
    for pair in ends.windows(2) {
        let ((before, blocks), (after, more)) = (pair[0], pair[1]);
        let whole = read(before).expect("it ends between lines");
        assert_eq!((whole.blocks.len(), whole.truncated, whole.end), (blocks, false, None));
        for cut in [before + 1, before.midpoint(after), after - 5] {
            let cut = read(cut).expect("its last line is cut off");
            assert!((blocks..=more).contains(&cut.blocks.len()), "{}", cut.blocks.len());
            told += u32::from(cut.truncated);
        }
    }
    assert!(told > 0, "a line that was cut off is told");
    assert!(read(0).is_err() && read(5).is_err(), "there is no header");
}

#[test]
fn a_compressed_record_may_have_members_and_no_damage() {
    let lines: Vec<String> = lines().into_iter().map(|line| line + "\n").collect();
    let whole = plain(lines.concat().as_bytes()).expect("it is whole");
    let read = |bytes: &[u8]| read_compressed(bytes, bytes.len() as u64);
    let members: Vec<Vec<u8>> = lines.iter().map(|line| gzip(line.as_bytes())).collect();
    assert_eq!(read(&members.concat()).expect("a member each"), whole);
    let bytes = members.concat();
    let cut = read(&bytes[..bytes.len() - 9]).expect("the last member is cut off");
    assert_eq!(cut.blocks, whole.blocks);
    // A member that is cut off, and another behind it.
    let joined = [&members[0][..], &members[1][..members[1].len() / 2], &members[2]].concat();
    assert!(read(&joined).is_err());
    let twice = [gzip(lines.concat().as_bytes()), members[1].clone()].concat();
    let error = read(&twice).expect_err("something follows the end");
    assert!(format!("{error:#}").contains("had ended before"), "{error:#}");
    let mut damaged = gzip(lines.concat().as_bytes());
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    assert!(read(&damaged).is_err(), "its checksum is of other lines");
    assert!(read(lines.concat().as_bytes()).is_err(), "it is not compressed");
}

#[test]
fn a_bomb_is_refused() {
    let header = lines()[0].clone() + "\n";
    let spaces = " ".repeat(4_000);
    let build = |n: u32| format!("{{\"record\":\"build\",{spaces}\"server\":\"{n}\"}}\n");
    let cases = [
        // A line without an end, lines that are none, and many that are lines.
        header.clone() + &" ".repeat(20 << 20),
        header.clone() + &"\n".repeat(8 << 20),
        header.clone() + &"[".repeat(8 << 20),
        header.clone() + &(0..5_000).map(build).collect::<String>(),
    ];
    for text in cases {
        let bytes = gzip(text.as_bytes());
        let bound = bytes.len() as u64 * EXPANSION_MAX + EXPANSION_SPARE;
        assert!((text.len() as u64) > bound, "{} is no bomb", bytes.len());
        let error = read_compressed(&bytes[..], bytes.len() as u64).expect_err("a bomb");
        let said = format!("{error:#}");
        assert!(said.contains("it is no record") || said.contains("damaged"), "{said}");
    }
}

#[test]
fn every_line_has_the_id_of_its_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut first = run(&Scene::default());
    first.header.id = Some("first".to_owned());
    let mut writer = Writer::replace(folder.path(), first.records()).expect("it is written");
    let end = crate::record::RunEnd { elapsed_ns: 1, interrupted: None, stopped: None };
    writer.append(&Record::End(end.clone())).expect("it is appended");
    let text = text(folder.path());
    assert!(text.lines().skip(1).all(|line| line.starts_with("{\"run\":\"first\",")), "{text}");
    assert_eq!(read(folder.path()).expect("it is a record"), Run { end: Some(end), ..first });
    // A second run's lines, lines of an older program, or an id that the header does not know.
    let check = |text: String| {
        let error = plain(text.as_bytes()).expect_err("it is of two runs");
        assert!(format!("{error:#}").contains("line 3 is of another run"), "{error:#}");
    };
    let at_third = |change: fn(&str) -> String| {
        let lines = text.lines().zip(1..);
        lines.map(|(l, n)| if n == 3 { change(l) } else { l.to_owned() } + "\n").collect()
    };
    check(at_third(|line| line.replacen("first", "second", 1)));
    check(at_third(|line| line.replacen("\"run\":\"first\",", "", 1)));
    let old = lines();
    let foreign = old[2].replacen('{', "{\"run\":\"first\",", 1);
    check([&old[0], &old[1], &foreign].map(|line| format!("{line}\n")).concat());
}

#[test]
fn a_record_longer_than_any_is_refused() {
    let whole = lines().join("\n") + "\n";
    let spaces = std::io::repeat(b' ');
    let line = BufReader::new(whole.as_bytes().chain(spaces));
    let error = plain(line).expect_err("its last line has no end");
    assert!(format!("{error:#}").contains("longer than 16 MiB"), "{error:#}");
    let nested = format!("{whole}{}", "[".repeat(100_000));
    assert!(plain(nested.as_bytes()).expect("its last line is cut off").truncated);
    let error = plain(format!("{nested}\n").as_bytes()).expect_err("it is damaged");
    assert!(format!("{error:#}").contains("is damaged"), "{error:#}");
}

#[test]
fn a_record_that_cannot_be_trusted_is_refused() {
    let check = |change: fn(&mut Vec<String>), want: &str| {
        let mut lines = lines();
        change(&mut lines);
        let error = plain(lines.join("\n").as_bytes()).expect_err(want);
        assert!(format!("{error:#}").contains(want), "{error:#}");
    };
    check(Vec::clear, "empty");
    check(|lines| drop(lines.remove(0)), "line 1 is no header");
    check(|lines| lines.insert(1, lines[0].clone()), "it is a second header");
    check(|lines| lines[1].truncate(40), "line 2 is damaged");
    check(|lines| lines[0] = lines[0].replace("c64", "<c>"), "a load cannot have the name");
    check(|lines| lines[0] = lines[0].replacen("\"schema\":1", "\"schema\":9", 1), "schema 9");
    check(|lines| lines[1] = lines[1].replacen("\"cell\"", "\"sell\"", 1), "line 2 is damaged");
    check(
        |lines| lines.insert(2, lines[1].clone()),
        "block 1 of pair/small/c64 was measured before",
    );
    check(|lines| lines[2] = lines[2].replacen("\"block\":1,", "\"block\":99,", 1), "block 100");
    check(|lines| lines[1] = lines[1].replacen("c64", "c65", 1), "is no cell of this run");
    check(|lines| lines.push(lines[3].clone()), "had ended before");
    // The last line is not cut off where it has its end.
    check(|lines| *lines.last_mut().expect("some") = "{}\n".to_owned(), "line 4 is damaged");
}
