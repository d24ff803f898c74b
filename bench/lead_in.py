#!/usr/bin/env python3
"""Measures what lead-in and length of windows do to a ratio.

Each setting, LEAD:WINDOW in milliseconds, is a suite of its own: by default lead-ins of 0 to 40 ms
before windows of 20 ms, and windows of 50 to 250 ms behind the lead-in that bench/suites.toml has.
A pass runs the settings one after the other, the next one in reverse order, so that what the
machine does meanwhile does not favour one. All are of the matchup `idiomatic`.

Printed is a Markdown table, a line a setting and workload: how many times more CPU time per request
the second server needs than the first; per server, how much more a window after the other server's
costs than one after its own (kappa), and the difference of both. Then, for each setting after the
first, how much more CPU time a request takes than in the first setting, on each server, and how much
larger the ratio is, from the means of passes. Hodges-Lehmann
estimates over blocks (over passes) with the exact interval of the signed-rank test, 95 % or more;
the extremes where there are too few for one.
"""

import argparse
import gzip
import itertools
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEAD_MS = 20
SETTINGS = [(lead, 20) for lead in (0, 5, 10, 20, 40)]
SETTINGS += [(LEAD_MS, window) for window in (50, 100, 250)]
WORKLOADS = ["hello", "items", "orders-2k"]


def suite(lead_ms, window_ms, workloads, load, blocks):
    """The definition of a suite that measures one setting."""
    # At least two rounds of four windows.
    return f"""
[[suite]]
name = "lead-{lead_ms}-{window_ms}"
summary = "A lead-in of {lead_ms} ms before windows of {window_ms} ms"
verdicts = false
blocks = {blocks}
lead_ms = {lead_ms}
window_ms = {window_ms}
measure_ms = {max(1000, 8 * window_ms)}
warmup_ms = 1000
[[suite.cells]]
matchups = ["idiomatic"]
workloads = {json.dumps(workloads)}
loads = ["{load}"]
"""


def rank(n):
    """The largest k so that the k-th smallest of the pairwise means of n values and the k-th
    largest are an interval of 95 % or more; none is 0."""
    counts = [1]  # by rank sum, of the 2^n ways to give signs
    for value in range(1, n + 1):
        longer = counts + [0] * value
        for total, count in enumerate(counts):
            longer[total + value] += count
        counts = longer
    return sum(1 for below in itertools.accumulate(counts) if below <= 0.025 * 2**n)


def estimate(values):
    """Hodges-Lehmann estimate and interval."""
    n = len(values)
    means = sorted((values[i] + values[j]) / 2 for i in range(n) for j in range(i, n))
    k = max(rank(n), 1)
    return statistics.median(means), (means[k - 1], means[-k])


def percent(values):
    value, (low, high) = estimate(values)
    return f"{math.expm1(value):+.1%} [{math.expm1(low):+.1%}, {math.expm1(high):+.1%}]"


def ratio(values):
    value, (low, high) = estimate(values)
    return f"{math.exp(value):.3f}× [{math.exp(low):.3f}, {math.exp(high):.3f}]"


def kappas(block):
    """Of both arms: ln of the CPU time per request in cold windows over that in warm ones."""
    costs = {(arm, warm): [] for arm in (0, 1) for warm in (False, True)}
    for before, window in zip(block["windows"], block["windows"][1:]):
        arm = window["arm"]
        cost = window["server_cpu_ns"][arm] / window["requests"]
        costs[arm, before["arm"] == arm].append(math.log(cost))
    median = {key: statistics.median(values) for key, values in costs.items()}
    return [median[arm, False] - median[arm, True] for arm in (0, 1)]


def costs(block):
    """Of both arms: ln of the CPU time per request over all windows."""
    windows = block["windows"]
    of_arm = [[window for window in windows if window["arm"] == arm] for arm in (0, 1)]
    cpu = [sum(window["server_cpu_ns"][arm] for window in of_arm[arm]) for arm in (0, 1)]
    return [math.log(cpu[arm] / sum(w["requests"] for w in of_arm[arm])) for arm in (0, 1)]


def run(duet, folder, setting, out):
    """Runs a setting's suite; its log ratios, and kappas and costs of the arms, by workload."""
    name = f"lead-{setting[0]}-{setting[1]}"
    command = [duet, "run", name, "--bench", str(folder), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    summary = json.loads((out / "summary.json").read_text())
    found = {}
    for cell in summary["matchups"][0]["cells"]:
        of_metric = {metric["metric"]: metric for metric in cell["metrics"]}
        found[cell["id"]["workload"]] = (of_metric["cpu_ns_per_request"]["log_ratios"], [], [])
    for line in gzip.open(out / "run.jsonl.gz", "rt", encoding="utf-8", newline="\n"):
        block = json.loads(line)
        if block["record"] == "block" and not block["failure"] and not block["discarded"]:
            of_workload = found[block["cell"]["workload"]]
            of_workload[1].append(kappas(block))
            of_workload[2].append(costs(block))
    shutil.rmtree(out)
    return found


def measure(duet, settings, workloads, load, blocks, passes):
    """(Setting, workload) -> a list by passes of what run() returns."""
    folder = Path(tempfile.mkdtemp(prefix=".lead-in-", dir=ROOT))
    found = {}
    try:
        for file in (ROOT / "bench").glob("*"):
            if file.name != "suites.toml":
                (folder / file.name).symlink_to(file)
        text = (ROOT / "bench" / "suites.toml").read_text()
        text = text[: text.index("# Suites.")]
        suites = [suite(*setting, workloads, load, blocks) for setting in settings]
        (folder / "suites.toml").write_text(text + "".join(suites))
        for turn in range(passes):
            for setting in settings if turn % 2 == 0 else settings[::-1]:
                for workload, values in run(duet, folder, setting, folder / "out").items():
                    found.setdefault((setting, workload), []).append(values)
    finally:
        shutil.rmtree(folder)
    return found


def mean(pairs, arm):
    return statistics.mean(pair[arm] for pair in pairs)


def setting(text):
    lead, window = text.split(":")
    return int(lead), int(window)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("duet", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("workloads", nargs="*", default=WORKLOADS)
    parser.add_argument("--settings", nargs="+", type=setting, default=SETTINGS)
    parser.add_argument("--load", default="c64", help="of bench/suites.toml (%(default)s)")
    parser.add_argument("--blocks", type=int, default=4, help="of a pass (%(default)s)")
    parser.add_argument("--passes", type=int, default=2, help="(%(default)s)")
    args = parser.parse_args()
    found = measure(
        args.duet, args.settings, args.workloads, args.load, args.blocks, args.passes
    )
    print("| lead-in, window | workload | CPU per request | κ, first | κ, second | difference |")
    print("|---|---|---|---|---|---|")
    for (lead, window), workload in itertools.product(args.settings, args.workloads):
        passes = found[(lead, window), workload]
        ratios = [value for values, _, _ in passes for value in values]
        both = [pair for _, pairs, _ in passes for pair in pairs]
        first, second = ([pair[arm] for pair in both] for arm in (0, 1))
        apart = [pair[1] - pair[0] for pair in both]
        cells = [ratio(ratios), percent(first), percent(second), percent(apart)]
        print(f"| {lead} ms, {window} ms | {workload} | {' | '.join(cells)} |")
    base, *others = args.settings
    print(f"\n| beside {base[0]} ms, {base[1]} ms | workload | first | second | ratio |")
    print("|---|---|---|---|---|")
    for other, workload in itertools.product(others, args.workloads):
        pairs = list(zip(found[base, workload], found[other, workload]))
        cells = [percent([mean(b[2], arm) - mean(a[2], arm) for a, b in pairs]) for arm in (0, 1)]
        cells.append(percent([statistics.mean(b[0]) - statistics.mean(a[0]) for a, b in pairs]))
        print(f"| {other[0]} ms, {other[1]} ms | {workload} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
