//! Limits that control groups set, of either version: this process's own group and all above it.

use std::path::{Path, PathBuf};

use super::kernel_files::read;

/// What the groups say, each the tightest of all levels; absent where no level says anything.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Limits {
    /// Whether CPU time is accounted for at all.
    pub(super) cpu_known: bool,
    /// CPUs' worth of time per period.
    pub(super) cpus: Option<f64>,
    /// Time for which threads were kept off their CPUs, since the group was made.
    pub(super) throttled_ns: Option<u64>,
    /// Memory that is still free within the limit.
    pub(super) memory_free_bytes: Option<u64>,
}

/// The time for which a control group kept threads off their CPUs, summed over CPUs, since the
/// group was made. Absent where no group has a CPU controller.
#[must_use]
pub fn throttled_ns() -> Option<u64> {
    limits().throttled_ns
}

/// The limits of this process.
pub(super) fn limits() -> Limits {
    let membership = read("/proc/self/cgroup").unwrap_or_default();
    let mounts = read("/proc/self/mounts").unwrap_or_default();
    let file = |folder: &Path, name: &str| read(&folder.join(name).to_string_lossy());
    let mut limits = Limits::default();
    for folder in folders("cpu", &membership, &mounts) {
        let quota = match file(&folder, "cpu.max") {
            Some(max) => Some(quota(&max)),
            None => file(&folder, "cpu.cfs_quota_us").map(|quota_us| {
                let period_us = file(&folder, "cpu.cfs_period_us").unwrap_or_default();
                quota(&format!("{} {}", quota_us.trim(), period_us.trim()))
            }),
        };
        limits.cpu_known |= quota.is_some();
        limits.cpus = tighter(limits.cpus, quota.flatten());
        let throttled = file(&folder, "cpu.stat").and_then(|stat| throttled(&stat));
        limits.throttled_ns = limits.throttled_ns.max(throttled);
    }
    for folder in folders("memory", &membership, &mounts) {
        let limit = file(&folder, "memory.max").or(file(&folder, "memory.limit_in_bytes"));
        let used = file(&folder, "memory.current").or(file(&folder, "memory.usage_in_bytes"));
        let free = memory_free(&limit.unwrap_or_default(), &used.unwrap_or_default());
        limits.memory_free_bytes = match (limits.memory_free_bytes, free) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    limits
}

fn tighter(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The folders in which a controller's files of this process's groups may lie, its own first. Some
/// may not exist: a container sees its group's path, but not always the folders of that path.
/// `membership` is the text of /proc/self/cgroup, `mounts` that of /proc/self/mounts (cgroups(7)).
fn folders(controller: &str, membership: &str, mounts: &str) -> Vec<PathBuf> {
    let mut folders = vec![];
    for mount in mounts.lines() {
        let fields: Vec<&str> = mount.split(' ').collect();
        let [_, place, kind, options, ..] = fields[..] else { continue };
        // A line of version 2 names no controllers: `0::/path`.
        let wanted = match kind {
            "cgroup2" => "",
            "cgroup" if options.split(',').any(|option| option == controller) => controller,
            _ => continue,
        };
        let own = membership.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let controllers = parts.next()?;
            let path = parts.next()?;
            controllers.split(',').any(|name| name == wanted).then_some(path)
        });
        let Some(own) = own else { continue };
        for group in Path::new(own).ancestors() {
            // An absolute path would replace the place of the mount.
            let below = group.strip_prefix("/").unwrap_or(group);
            folders.push(Path::new(place).join(below));
        }
    }
    folders
}

/// CPUs' worth of time, from a quota and a period in microseconds: `200000 100000`. A quota of
/// `max` (version 2) or -1 (version 1) is none.
fn quota(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    let quota: f64 = words.next()?.parse().ok()?;
    let period: f64 = words.next()?.parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// The time in a cpu.stat: `throttled_usec` in version 2, `throttled_time` (ns) in version 1.
fn throttled(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| match line.split_once(' ')? {
        ("throttled_usec", us) => Some(us.trim().parse::<u64>().ok()?.saturating_mul(1000)),
        ("throttled_time", ns) => ns.trim().parse().ok(),
        _ => None,
    })
}

/// What is free below a limit. `max`, and the huge number that version 1 has instead, are none.
fn memory_free(limit: &str, used: &str) -> Option<u64> {
    const NO_LIMIT: u64 = 1 << 60;
    let limit: u64 = limit.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)?;
    Some(limit.saturating_sub(used.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found() {
        let check = |controller: &str, membership: &str, mounts: &str, want: &[&str]| {
            let want: Vec<PathBuf> = want.iter().map(PathBuf::from).collect();
            assert_eq!(folders(controller, membership, mounts), want, "{membership} {mounts}");
        };
        let v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        let own = "/sys/fs/cgroup/user.slice/run.scope";
        let above = ["/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"];
        check("cpu", "0::/user.slice/run.scope\n", v2, &[own, above[0], above[1]]);
        check("memory", "0::/\n", v2, &["/sys/fs/cgroup"]);
        let v1 = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                  cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpuacct,cpu 0 0\n\
                  cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n";
        let membership = "4:memory:/a\n2:cpu,cpuacct:/docker/b\n1:name=systemd:/c\n";
        let folders = ["docker/b", "docker", ""].map(|g| format!("/sys/fs/cgroup/cpu,cpuacct/{g}"));
        check("cpu", membership, v1, &folders.each_ref().map(String::as_str));
        check("memory", membership, v1, &["/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"]);
        // Both versions at once, and none at all.
        let both = "cgroup /c/cpu cgroup rw,cpu 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\n";
        check("cpu", "1:cpu:/\n0::/\n", both, &["/c/cpu", "/c/unified"]);
        check("cpu", "", both, &[]);
        check("cpu", "0::/\n", "", &[]);
        check("cpu", "nonsense\n:\n", "nonsense\n\n", &[]);
    }

    #[test]
    fn quotas() {
        let cases = [
            ("max 100000\n", None),
            ("200000 100000\n", Some(2.0)),
            ("50000 100000", Some(0.5)),
            ("-1 100000", None),
            ("-1 ", None),
            ("", None),
            ("100 0", None),
        ];
        for (text, want) in cases {
            assert_eq!(quota(text), want, "{text:?}");
        }
    }

    #[test]
    fn throttling() {
        let cases = [
            ("usage_usec 9\nnr_periods 4\nnr_throttled 2\nthrottled_usec 1500\n", Some(1_500_000)),
            ("nr_periods 4\nnr_throttled 2\nthrottled_time 1500\n", Some(1_500)),
            // The root group of version 2 has no controller.
            ("usage_usec 9\nuser_usec 5\n", None),
            ("throttled_usec x\n", None),
            ("", None),
        ];
        for (stat, want) in cases {
            assert_eq!(throttled(stat), want, "{stat:?}");
        }
    }

    #[test]
    fn memory_limits() {
        let cases = [
            ("1000\n", "400\n", Some(600)),
            ("400", "1000", Some(0)),
            ("max\n", "400\n", None),
            ("9223372036854771712\n", "400\n", None),
            ("1000", "", None),
        ];
        for (limit, used, want) in cases {
            assert_eq!(memory_free(limit, used), want, "{limit} {used}");
        }
    }
}
