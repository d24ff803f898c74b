#!/usr/bin/env python3
"""Measures what lead-in and length of windows do to a ratio.

Usage: lead_in.py DUET [WORKLOAD...] (hello, items and orders-2k unless others are named)

Each setting is a suite of its own: lead-ins of 0 to 40 ms before windows of 20 ms, and windows of 50
to 250 ms behind the lead-in that bench/suites.toml has by default. The settings are run one after
the other, four blocks each, and then again in reverse order, so that what the machine does over the
quarter of an hour does not favour one. All are of the matchup `idiomatic`.

Printed is a Markdown table, a line a setting and workload: how many times more CPU time per request
the second server needs than the first; and, per server, how much more a window after the other
server's costs than one after its own (kappa), and the difference of both. Hodges-Lehmann estimates
over the eight blocks with the exact 96 % interval of the signed-rank test.
"""

import gzip
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
BLOCKS = 4  # in each of two passes: eight
RANK = 4  # of eight values the 4th smallest pairwise mean, and the 4th largest: 96.1 %


def suite(lead_ms, window_ms, workloads):
    """The definition of a suite that measures one setting."""
    # At least two rounds of four windows.
    return f"""
[[suite]]
name = "lead-{lead_ms}-{window_ms}"
summary = "A lead-in of {lead_ms} ms before windows of {window_ms} ms"
verdicts = false
blocks = {BLOCKS}
lead_ms = {lead_ms}
window_ms = {window_ms}
measure_ms = {max(1000, 8 * window_ms)}
warmup_ms = 1000
[[suite.cells]]
matchups = ["idiomatic"]
workloads = {json.dumps(workloads)}
loads = ["c64"]
"""


def estimate(values):
    """Hodges-Lehmann estimate and interval."""
    n = len(values)
    means = sorted((values[i] + values[j]) / 2 for i in range(n) for j in range(i, n))
    interval = (means[RANK - 1], means[-RANK]) if n == 8 else (means[0], means[-1])
    return statistics.median(means), interval


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


def run(duet, folder, setting, out):
    """Runs a setting's suite; its log ratios and kappas of the arms, by workload."""
    name = f"lead-{setting[0]}-{setting[1]}"
    command = [duet, "run", name, "--bench", str(folder), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    summary = json.loads((out / "summary.json").read_text())
    found = {}
    for cell in summary["matchups"][0]["cells"]:
        of_metric = {metric["metric"]: metric for metric in cell["metrics"]}
        found[cell["id"]["workload"]] = (of_metric["cpu_ns_per_request"]["log_ratios"], [])
    for line in gzip.open(out / "run.jsonl.gz", "rt", encoding="utf-8", newline="\n"):
        block = json.loads(line)
        if block["record"] == "block" and not block["failure"] and not block["discarded"]:
            found[block["cell"]["workload"]][1].append(kappas(block))
    shutil.rmtree(out)
    return found


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    duet, workloads = str(Path(sys.argv[1]).resolve()), sys.argv[2:] or WORKLOADS
    folder = Path(tempfile.mkdtemp(prefix=".lead-in-", dir=ROOT))
    try:
        for file in (ROOT / "bench").glob("*"):
            if file.name != "suites.toml":
                (folder / file.name).symlink_to(file)
        text = (ROOT / "bench" / "suites.toml").read_text()
        text = text[: text.index("# Suites.")]
        suites = [suite(lead, window, workloads) for lead, window in SETTINGS]
        (folder / "suites.toml").write_text(text + "".join(suites))
        found = {}
        for order in (SETTINGS, SETTINGS[::-1]):
            for setting in order:
                for workload, values in run(duet, folder, setting, folder / "out").items():
                    ratios, both = found.setdefault((setting, workload), ([], []))
                    ratios += values[0]
                    both += values[1]
    finally:
        shutil.rmtree(folder)
    print("| lead-in, window | workload | CPU per request | κ, first | κ, second | difference |")
    print("|---|---|---|---|---|---|")
    for lead, window in SETTINGS:
        for workload in workloads:
            ratios, both = found[(lead, window), workload]
            first, second = ([pair[arm] for pair in both] for arm in (0, 1))
            apart = [pair[1] - pair[0] for pair in both]
            cells = [ratio(ratios), percent(first), percent(second), percent(apart)]
            print(f"| {lead} ms, {window} ms | {workload} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
