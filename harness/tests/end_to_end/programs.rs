//! The real binary against programs, mostly ones that fail: small shell scripts.

use std::fs;
use std::process::{Command, Stdio};

use duet_model::record::{self, Run, Stage};
use tempfile::TempDir;

const DUET: &str = env!("CARGO_BIN_EXE_duet");

/// Prints its argument and counts to it.
const GOOD: &str = "# A comment that counts for nothing.\ni=0\n\
                    while [ $i -lt 300 ]; do i=$((i + 1)); done\necho \"n is $1\"\n";

/// Prints what it reads, backwards.
const READER: &str = "rev\n";

/// A folder with a good set of programs and another one.
struct Bench {
    folder: TempDir,
}

struct Outcome {
    code: Option<i32>,
    text: String,
}

impl Bench {
    /// `other`: the second set's program; it is given N, which is 1 at the test size and 2 else.
    fn new(other: &str, suite: &str) -> Self {
        let bench = Self { folder: TempDir::new().expect("a temporary folder") };
        let set = |name: &str, language: &str| {
            format!(
                "[[set]]\nname = \"{name}\"\nlanguage = \"{language}\"\nlanes = [\"std\"]\n\
                 summary = \"For tests\"\nversion = [\"echo\", \"sh 1\"]\n\
                 run = [\"sh\", \"{name}/{{problem}}.sh\", \"{{n}}\"]\n\
                 source = \"{name}/{{problem}}.sh\"\nproblems = [\"count\", \"turn\"]\n"
            )
        };
        let problems = "[[problem]]\nname = \"count\"\nquestion = \"How long?\"\n\
             sizes = { test = 1, large = 2 }\noutputs = { 1 = \"count-1.txt\" }\n\
             [[problem]]\nname = \"turn\"\nquestion = \"How fast?\"\ninput = \"count\"\n\
             sizes = { test = 1, large = 2 }\noutputs = { 1 = \"turn-1.txt\" }\n";
        let suites = format!(
            "[[matchup]]\nname = \"pair\"\nlane = \"std\"\narms = [\"one\", \"two\"]\n\
             [[suite]]\nname = \"s\"\nsummary = \"For tests\"\n{suite}\n\
             [[suite.programs]]\nmatchups = [\"pair\"]\nproblems = [\"count\", \"turn\"]\n\
             sizes = [\"large\"]\n"
        );
        bench.write(
            "bench/programs.toml",
            &(problems.to_owned() + &set("one", "A") + &set("two", "B")),
        );
        bench.write("bench/suites.toml", &suites);
        bench.write("bench/count-1.txt", "n is 1\n");
        bench.write("bench/turn-1.txt", "1 si n\n");
        bench.write("one/count.sh", GOOD);
        bench.write("one/turn.sh", READER);
        bench.write("two/count.sh", other);
        bench.write("two/turn.sh", READER);
        bench
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        let folder = path.parent().expect("it is in a folder");
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).expect("a file");
    }

    fn read(&self, path: &str) -> String {
        let path = self.folder.path().join(path);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    fn duet(&self, words: &[&str]) -> Outcome {
        let mut command = Command::new(DUET);
        command.args(words).current_dir(self.folder.path()).env("NO_COLOR", "1");
        let output = command.stdin(Stdio::null()).output().expect("the binary starts");
        let text = [output.stdout, output.stderr].concat();
        Outcome { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    fn record(&self) -> Run {
        record::read(&self.folder.path().join("results/latest")).expect("a record")
    }
}

impl Outcome {
    #[track_caller]
    fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "\n{}", self.text);
        self
    }

    #[track_caller]
    fn says(&self, what: &str) -> &Self {
        assert!(self.text.contains(what), "no `{what}` in\n{}", self.text);
        self
    }
}

const BRIEF: &str = "blocks = 2\nverdicts = false";

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    // It holds both streams of the program.
    let daemon = format!("{GOOD}setsid sleep 1000 &\necho $! >> left\n");
    let bench = Bench::new(&daemon, BRIEF);
    bench.duet(&["run", "s"]).exits(0);
    let left = bench.read("left");
    let pids: Vec<&str> = left.lines().collect();
    assert!(pids.len() > 2, "{pids:?}");
    for pid in pids {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        assert!(!["sleep\n", "setsid\n"].contains(&name.as_str()), "{pid} is still there");
    }
}

#[test]
fn programs_are_measured_like_any_other_cell() {
    let bench = Bench::new(GOOD, "blocks = 6");
    bench.duet(&["run", "s", "--seed", "7"]).exits(0).says("count").says("large, N = 2");
    let run = bench.record();
    // Where other processes disturbed a block, it was measured again.
    let counted: Vec<_> = run.program_blocks.iter().filter(|b| b.discarded.is_none()).collect();
    assert_eq!((run.blocks.len(), counted.len()), (0, 12));
    for block in &counted {
        assert_eq!(block.failure, None);
        assert_eq!(block.arms.len(), 2);
        assert!(block.gauges.is_some_and(|gauges| gauges.after.alu_ns > 0.0));
        for arm in &block.arms {
            assert!(arm.elapsed_ns > 0 && arm.rss_bytes_peak > 100_000, "{arm:?}");
            assert_eq!(arm.cpu_busy_ns.len(), 2);
            assert_eq!(arm.output_bytes, 7);
            assert!(arm.checked_elapsed_ns.is_some(), "{arm:?}");
        }
    }
    let forward = counted.iter().filter(|block| block.order == [0, 1]).count();
    assert_eq!(forward, 6, "both orders come equally often");
    assert_eq!(run.programs.len(), 4);
    assert!(run.programs.iter().all(|p| p.failure.is_none() && p.gz_bytes.is_some()));
    assert_eq!(run.builds.len(), 2);
    assert_eq!(bench.read("target/inputs/count-2"), "n is 2\n");
    assert!(bench.read("results/latest/programs.svg").contains("How many times slower"));
    for name in ["report.md", "report.html", "speed.svg", "memory.svg"] {
        assert!(bench.read(&format!("results/latest/{name}")).contains("count"), "{name}");
    }
    // The record alone gives the same report.
    let report = bench.read("results/latest/report.html");
    bench.duet(&["report", "results/latest"]).exits(0);
    assert_eq!(bench.read("results/latest/report.html"), report);
}

/// Holds four million bytes for each of N, in the shell itself.
const HOLDER: &str = "x=$(head -c $(($1 * 4000000)) /dev/zero | tr '\\0' x)\necho \"n is $1\"\n";

#[test]
fn memory_per_unit_is_that_of_n_less_that_of_one() {
    let bench = Bench::new(HOLDER, BRIEF);
    bench.write("one/count.sh", HOLDER);
    let problems = bench.read("bench/programs.toml");
    let counted = problems.replacen("sizes", "unit = \"hoard\"\nsizes", 1);
    bench.write("bench/programs.toml", &counted);
    bench.duet(&["run", "s"]).exits(0).says("hoard: A ");
    let run = bench.record();
    for block in run.program_blocks.iter().filter(|block| block.failure.is_none()) {
        for arm in &block.arms {
            let Some(base) = arm.rss_bytes_base else {
                assert_eq!(block.cell.workload, "turn", "{arm:?}");
                continue;
            };
            let unit = arm.rss_bytes_peak - base;
            assert!(base > 4_000_000 && (3_000_000..12_000_000).contains(&unit), "{arm:?}");
        }
    }
    assert!(bench.read("results/latest/report.md").contains("memory per hoard"));
    assert!(bench.read("results/latest/summary.json").contains("rss_bytes_per_unit"));
}

#[test]
fn verify_checks_sets_of_programs() {
    let bench = Bench::new(GOOD, BRIEF);
    bench.duet(&["verify", "two"]).exits(0).says("two: 2 valid outputs");
    bench.duet(&["list"]).exits(0).says("SETS OF PROGRAMS").says("large, test").says("How fast?");
    bench.duet(&["verify", "three"]).exits(2).says("there are one, two");
    let bench = Bench::new("echo oh", BRIEF);
    bench.duet(&["verify", "one"]).exits(0).says("one: 2 valid outputs");
    let outcome = bench.duet(&["verify"]);
    outcome.exits(5).says("one: 2 valid outputs");
    outcome.says("failed two count: at N = 1").says("two: 1 valid output");
}

#[test]
fn a_cpu_without_what_a_set_needs() {
    let bench = Bench::new(GOOD, BRIEF);
    let path = "bench/programs.toml";
    let needs = format!("needs_cpu = {{ {} = \"perpetuum\" }}\n", std::env::consts::ARCH);
    bench.write(path, &(bench.read(path) + &needs));
    bench.duet(&["run", "s"]).exits(4).says("no cell is left").says("this CPU has no perpetuum");
    bench.duet(&["verify", "two"]).exits(0).says("left out two: this CPU has no perpetuum");
    // What needs other sets only is measured, and the report says what was left out.
    let suites = bench.read("bench/suites.toml")
        + "[[suite.programs]]\nmatchups = [\"same\"]\nproblems = [\"count\"]\nsizes = [\"large\"]\n\
           [[matchup]]\nname = \"same\"\nlane = \"std\"\narms = [\"one\", \"one\"]\n";
    bench.write("bench/suites.toml", &suites);
    bench.duet(&["run", "s"]).exits(0).says("two: this CPU has no perpetuum");
    assert!(bench.record().program_blocks.iter().all(|block| block.cell.matchup == "same"));
    assert!(bench.read("results/latest/report.md").contains("this CPU has no perpetuum"));
}

#[test]
fn sources_are_linked_wherever_the_report_lies() {
    let bench = Bench::new(GOOD, BRIEF);
    let elsewhere = TempDir::new().expect("a temporary folder");
    let root = bench.folder.path().canonicalize().expect("the folder exists");
    for (out, way) in [
        (bench.folder.path().join("runs"), "../".to_owned()),
        (elsewhere.path().join("run"), format!("{}/", root.display())),
    ] {
        let words = ["run", "s", "--only", "count", "--out", out.to_str().expect("a plain path")];
        bench.duet(&words).exits(0);
        for (file, link) in [("report.md", "]("), ("report.html", "href=\"")] {
            let text = fs::read_to_string(out.join(file)).expect("a report");
            let link = format!("{link}{way}one/count.sh");
            assert!(text.contains(&link), "no {link} in {file}");
        }
    }
}

#[test]
fn a_damaged_input_is_made_anew() {
    let bench = Bench::new(GOOD, BRIEF);
    bench.duet(&["run", "s", "--only", "turn"]).exits(0);
    bench.write("target/inputs/count-2", "something else\n");
    bench.duet(&["run", "s", "--only", "turn"]).exits(0);
    assert_eq!(bench.read("target/inputs/count-2"), "n is 2\n");
}

/// Runs with a faulty program and compares exit code, stage and reason.
#[track_caller]
fn check(other: &str, suite: &str, stage: Stage, says: &str) -> Bench {
    let bench = Bench::new(other, suite);
    bench.duet(&["run", "s", "--only", "count"]).exits(5).says(says);
    let run = bench.record();
    let of_programs = run.programs.iter().filter_map(|p| p.failure.as_ref());
    let of_blocks = run.program_blocks.iter().filter_map(|b| b.failure.as_ref());
    let failures: Vec<_> = of_programs.chain(of_blocks).collect();
    assert!(!failures.is_empty());
    for failure in failures {
        assert_eq!((failure.stage, failure.server.as_deref()), (stage, Some("two")), "{failure:?}");
    }
    assert!(bench.read("results/latest/report.md").contains(says));
    bench
}

#[test]
fn a_wrong_output() {
    let bench = check("echo n is 7", BRIEF, Stage::Verify, "differs from byte 5 on");
    assert!(bench.record().program_blocks.is_empty(), "nothing is timed");
}

/// Where no output is known to be right, the second program is the one that differs, so the order
/// of the first block decides who is named.
#[test]
fn a_wrong_output_at_the_measured_size() {
    let bench = Bench::new("if [ $1 = 1 ]; then echo n is 1; else echo oh; fi", BRIEF);
    let outcome = bench.duet(&["run", "s", "--only", "count"]);
    outcome.exits(5).says("by the first program that ran");
}

/// Every block has a run whose output is checked, then one that is timed and writes to /dev/null.
#[test]
fn outputs_are_checked_apart_from_what_is_timed() {
    let bench = Bench::new(
        "[ /dev/stdout -ef /dev/null ] && to=null || to=harness\n\
         echo $to >> two/runs\necho \"n is $1\"",
        BRIEF,
    );
    bench.duet(&["run", "s", "--only", "count"]).exits(0);
    let runs = bench.read("two/runs");
    let blocks = bench.record().program_blocks.len();
    assert!(blocks >= 2);
    // At the test size nothing is timed.
    assert_eq!(runs, format!("harness\n{}", "harness\nnull\n".repeat(blocks)));
}

#[test]
fn an_output_that_is_wrong_only_later() {
    let bench = check(
        "echo run >> two/runs; [ $(wc -l < two/runs) -lt 4 ] && echo n is $1 || echo oh",
        BRIEF,
        Stage::Agree,
        "by the first program that ran",
    );
    let blocks = bench.record().program_blocks;
    let (good, bad) = blocks.split_at(1);
    assert!(good[0].failure.is_none() && good[0].arms.len() == 2, "{good:?}");
    assert!(!bad.is_empty() && bad.iter().all(|block| block.arms.is_empty()), "{bad:?}");
}

#[test]
fn a_crash() {
    let crash = "echo alas >&2; [ $1 = 1 ] && echo n is 1 || exit 3";
    let bench = check(crash, BRIEF, Stage::Run, "it exited with 3");
    assert!(bench.read("results/latest/report.md").contains("wrote: alas"));
    assert_eq!(bench.record().program_blocks.len(), 2);
    check("kill -SEGV $$", BRIEF, Stage::Run, "it was killed by SIGSEGV");
}

#[test]
fn an_endless_run_is_given_up() {
    let suite = format!("{BRIEF}\nprogram_limit_s = 1");
    let endless = "[ $1 = 1 ] && echo n is 1 && exit; while :; do :; done";
    let bench = check(endless, &suite, Stage::Run, "longer than 1 s and was killed");
    assert_eq!(bench.record().program_blocks.len(), 1, "its cell is not measured again");
}

#[test]
fn too_much_memory_is_given_up() {
    let suite = format!("{BRIEF}\nprogram_limit_mib = 24");
    let hungry = "[ $1 = 1 ] && echo n is 1 && exit\n\
                  x=xxxxxxxx; while [ ${#x} -lt 200000000 ]; do x=$x$x; done; sleep 60";
    check(hungry, &suite, Stage::Run, "more than 24 MiB and was killed");
}

#[test]
fn a_missing_binary() {
    let bench = Bench::new(GOOD, BRIEF);
    let path = "bench/programs.toml";
    let text = bench.read(path).replacen("[\"sh\", \"two", "[\"./nowhere\", \"two", 1);
    bench.write(path, &text);
    bench.duet(&["run", "s", "--only", "count"]).exits(5).says("failed to start").says("nowhere");
}
