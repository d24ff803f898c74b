use std::collections::BTreeMap;
use std::io;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::*;

/// A folder with these files.
fn made_up(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().expect("a folder");
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    root
}

const V2: [(&str, &str); 7] = [
    ("cgroup.controllers", "cpu memory pids\n"),
    ("cgroup.procs", ""),
    ("cgroup.subtree_control", "cpu memory\n"),
    ("user.slice/app.slice/cgroup.procs", ""),
    ("user.slice/app.slice/cgroup.subtree_control", "memory cpu pids\n"),
    ("user.slice/app.slice/run.scope/cgroup.procs", ""),
    ("user.slice/app.slice/run.scope/cgroup.subtree_control", "\n"),
];

#[test]
fn version_2_makes_groups_beside_its_own() {
    let check = |files: &[(&str, &str)], own: &str, want: Result<(&str, bool), &str>| {
        let root = made_up(files);
        let found = find(root.path(), own).map(|found| {
            assert_eq!(found.version, Version::V2);
            let [(controller, parent)] = &found.parents[..] else { panic!("{found:?}") };
            assert_eq!(controller, UNIFIED);
            let parent = parent.strip_prefix(root.path()).expect("it is below the root");
            (parent.display().to_string(), found.limits_cpu)
        });
        let want = want.map(|(path, cpu)| (path.to_owned(), cpu));
        match want {
            Ok(want) => assert_eq!(found, Ok(want), "{own}"),
            Err(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{found:?}"),
        }
    };
    let own = "0::/user.slice/app.slice/run.scope\n";
    check(&V2, own, Ok(("user.slice/app.slice", true)));
    check(&V2, "1:name=systemd:/\n0::/\n", Ok(("", true)));
    // What has CPU time too is better than what is nearer.
    let mut files = V2;
    files[4].1 = "memory\n";
    check(&files, own, Ok(("", true)));
    files[2].1 = "memory\n";
    check(&files, own, Ok(("user.slice/app.slice", false)));
    (files[2].1, files[4].1) = ("pids\n", "\n");
    check(&files, own, Err("with the controller memory"));
    check(&V2, "1:memory:/\n", Err("no group of version 2"));
    check(&[("other", "")], own, Err("no control groups"));
}

#[test]
fn version_1_has_a_folder_for_each_controller() {
    let root = made_up(&[
        ("cpuacct/tasks", ""),
        ("cpu/docker/a/tasks", ""),
        ("memory/a/b/tasks", ""),
        ("freezer/tasks", ""),
    ]);
    let membership = "4:memory:/a/b\n2:cpu,cpuacct:/docker/a\n1:name=systemd:/c\n";
    let found = find(root.path(), membership).expect("folders can be made");
    assert_eq!((found.version, found.limits_cpu), (Version::V1, true));
    let parents: BTreeMap<&str, String> = found
        .parents
        .iter()
        .map(|(c, p)| (c.as_str(), p.strip_prefix(root.path()).expect("").display().to_string()))
        .collect();
    // A container's own path is not there.
    let want = [("cpu", "cpu/docker/a"), ("cpuacct", "cpuacct"), ("freezer", "freezer")];
    let want = want.into_iter().chain([("memory", "memory/a/b")]);
    assert_eq!(parents, want.map(|(c, p)| (c, p.to_owned())).collect());
    let group = found.group(&Limits::default());
    assert_eq!(Group::parse(&group.words()), Ok(Some(group.clone())));
    assert_eq!(Group::parse(&[]), Ok(None));
    for wrong in ["memory", "other=/x", "=/x", ""] {
        let words = [&group.words()[..], &[wrong.to_owned()]].concat();
        let why = format!("`{wrong}` names no folder of a controller");
        assert_eq!(Group::parse(&words), Err(why));
    }
    group.make().expect("it is made");
    group.remove().expect("it is empty");
}

/// What the kernel would have in a group's folders, then what is read and written.
#[test]
fn numbers_and_limits_of_both_versions() {
    let limits = Limits { cpus: Some(0.5), memory_bytes: Some(32 << 20) };
    let check = |words: &[&str], files: &[(&str, &str)], written: &[(&str, &str)]| {
        let root = made_up(files);
        let word = |word: &&str| word.replace('=', &format!("={}/", root.path().display()));
        let words: Vec<String> = words.iter().map(word).collect();
        let group = Group::parse(&words).expect("known controllers").expect("there are words");
        assert_eq!(group.clock().and_then(|clock| clock.read_ns()).ok(), Some(1_234_000));
        let memory = group.memory().expect("it is all there");
        let want = GroupMemory {
            anonymous_bytes: 4096,
            file_bytes: 8192,
            shared_bytes: 12,
            socket_bytes: Some(77),
        };
        assert_eq!(memory, want, "{words:?}");
        assert_eq!(group.oom_kills().ok(), Some(3));
        group.limit(&limits).expect("files can be written");
        for (path, want) in written {
            let got = fs::read_to_string(root.path().join(path)).expect("it was written");
            assert_eq!(got, *want, "{path}");
        }
    };
    check(
        &["unified=g"],
        &[
            ("g/cpu.stat", "usage_usec 1234\nuser_usec 1000\n"),
            ("g/memory.stat", "anon 4096\nfile 8192\nkernel 5\nsock 77\nshmem 12\nanon_thp 0\n"),
            ("g/memory.events", "low 0\noom 4\noom_kill 3\noom_group_kill 0\n"),
            ("g/memory.swap.max", "max\n"),
        ],
        &[("g/cpu.max", "50000 100000"), ("g/memory.max", "33554432"), ("g/memory.swap.max", "0")],
    );
    let stat = "rss 1\ncache 2\nshmem 3\ntotal_cache 8192\ntotal_rss 4096\ntotal_rss_huge 0\n\
                total_shmem 12\n";
    check(
        &["cpuacct=a", "memory=m", "cpu=c"],
        &[
            ("a/cpuacct.usage", "1234000\n"),
            ("m/memory.stat", stat),
            ("m/memory.kmem.tcp.usage_in_bytes", "77\n"),
            ("m/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            ("m/memory.memsw.limit_in_bytes", "0"),
            ("c/tasks", ""),
        ],
        &[
            ("c/cpu.cfs_quota_us", "50000"),
            ("c/cpu.cfs_period_us", "100000"),
            ("m/memory.limit_in_bytes", "33554432"),
            ("m/memory.memsw.limit_in_bytes", "33554432"),
        ],
    );
}

#[test]
fn groups_of_harnesses_that_are_gone_are_removed() {
    let own = owner::owner().expect("there is /proc");
    let root = made_up(&[
        ("cgroup.controllers", ""),
        (&format!("a/duet-{own}-7/cgroup.procs"), "1\n"),
        ("b/other/cgroup.procs", ""),
    ]);
    let folders = ["a/duet-gone-1", "duet-gone-2", "a/duet-alive-3"];
    let empty = format!("b/duet-{own}-8");
    for folder in folders.into_iter().chain([empty.as_str()]) {
        fs::create_dir_all(root.path().join(folder)).expect("a folder");
    }
    remove_left_below(root.path(), |owner| owner == "gone");
    let is_there = |folder: &str| root.path().join(folder).exists();
    assert_eq!(folders.map(is_there), [false, false, true]);
    assert!(!is_there(&empty) && is_there(&format!("a/duet-{own}-7")) && is_there("b/other"));
}

/// A shell in a group of its own, where this machine lets us make one.
fn in_a_group(script: &str, limits: &Limits) -> Option<(Child, Group)> {
    let group = here().ok()?.group(limits);
    group.make().and_then(|()| group.limit(limits)).expect("the probe was made, too");
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let entries = group.entries().expect("it was just made");
    crate::child::tame_in(&mut command, &[], crate::child::Entry { groups: entries, stamp: None })
        .expect("no CPUs are named");
    Some((command.spawn().expect("there is a shell"), group))
}

#[test]
fn ended_children_count_exactly_and_all_ends_at_once() {
    let script = "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; echo done; \
                  sleep 60 & sleep 60 & wait";
    let Some((mut shell, group)) = in_a_group(script, &Limits::default()) else { return };
    let mut done = [0; 5];
    io::Read::read_exact(shell.stdout.as_mut().expect("a pipe"), &mut done).expect("it is said");
    let clock = group.clock().expect("it is there");
    let took_ns = clock.read_ns().expect("it is there");
    let live = crate::tree::cpu_ns(crate::child::pid(&shell).as_raw(), None);
    // Without a group the child's time is known to ticks, cut off twice.
    let ticks_ns = live.expect("it lives");
    assert!(took_ns.abs_diff(ticks_ns) <= 4 * crate::proc::TICK_NS, "{took_ns} {ticks_ns}");
    assert!(took_ns > crate::proc::TICK_NS, "{took_ns}");
    assert!(group.memory().is_ok_and(|memory| memory.anonymous_bytes > 0));
    assert_eq!(group.oom_kills().ok(), Some(0));
    group.kill();
    shell.wait().expect("it was killed");
    assert_eq!(group.processes(), []);
    group.remove().expect("it is empty");
    group.remove().expect("it is gone");
}

#[test]
fn an_oom_kill_is_counted() {
    let limits = Limits { cpus: None, memory_bytes: Some(8 << 20) };
    // 64 MiB in a variable.
    let script = "x=$(head -c 67108864 /dev/zero | tr '\\0' x); echo ${#x}";
    let Some((mut shell, group)) = in_a_group(script, &limits) else { return };
    shell.wait().expect("it ends");
    assert!(group.oom_kills().is_ok_and(|kills| kills > 0), "{:?}", group.oom_kills());
    group.kill();
    group.remove().expect("it is empty");
}
