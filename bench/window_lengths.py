#!/usr/bin/env python3
"""Measures what the length of windows does to a ratio, on servers that stay the same.

lead_in.py compares suites, whose servers are started anew: what one start differs from the next by
hides what windows do. Here a pass starts both servers once, on one CPU, and drives them from
another by jobs of `duet generator` with short and with long windows in turn, in the order short,
long, long, short. Windows of a job come in fours, ABBA and BAAB, each behind a lead-in of 20 ms, as
in `duet run`.

Printed is a Markdown table, a line a path, and one of the passes of all: how much more CPU time a
request takes in long windows than in short ones, on each server, and how much larger the ratio of
the second server's to the first's is. Hodges-Lehmann estimates over passes with the exact interval
of the signed-rank test.
"""

import argparse
import contextlib
import json
import math
import statistics
import subprocess
import sys
import time
import urllib.request

from lead_in import percent, ratio
from load_peers import started, two_cpus

MS = 1_000_000
ORDER = (0, 1, 1, 0)
ROUNDS = ([0, 1, 1, 0], [1, 0, 0, 1])


def exchange(address, path):
    """A request for a path, and the response that the server gives now."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
        body = response.read().decode()
        status, kind = response.status, response.headers.get("Content-Type")
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"
    return {
        "request": request, "head": False, "status": status, "content_type": kind, "body": body,
    }


def costs(duet, arms, cpus, connections, window_ms, measure_ms):
    """Of both arms: ln of the CPU time per request in windows of this length."""
    rounds = max(2, measure_ms // (4 * window_ms))
    job = {
        "arms": arms, "connections": connections, "transport": "http", "churn": False,
        "cpus": [cpus[1]], "server_cpus": [cpus[0]], "lead_ns": 20 * MS, "window_ns": window_ms * MS,
        "fixed_window_ns": window_ms * MS, "measure_ns": measure_ms * MS, "warmup_ns": 300 * MS,
        "rounds": [ROUNDS[n % 2] for n in range(rounds + rounds % 2)], "timeout_ns": 5_000 * MS,
        "seed": 1,
    }
    # The line behind the job says that it may end.
    text = json.dumps(job) + "\n\n"
    done = subprocess.run(
        [duet, "generator"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or events[-1]["event"] != "done":
        sys.exit(f"the generator failed: {events[-1:]} {done.stderr}")
    windows = [event for event in events if event["event"] == "window"]
    if any(window.get("errors") for window in windows):
        sys.exit(f"there were wrong responses: {windows}")
    of_arm = [[window for window in windows if window["arm"] == arm] for arm in (0, 1)]
    cpu = [sum(window["server_cpu_ns"][arm] for window in of_arm[arm]) for arm in (0, 1)]
    return [math.log(cpu[arm] / sum(w["requests"] for w in of_arm[arm])) for arm in (0, 1)]


def measure(args, path, cpus):
    """Of a pass: ln of the costs by length of window and arm."""
    with contextlib.ExitStack() as stack:
        arms = []
        for command in (args.first, args.second):
            pid, address = stack.enter_context(started(command.split(), cpus[0]))
            arms.append({"addr": address, "pid": pid, "exchanges": [exchange(address, path)]})
        found = ([], [])
        for _ in range(args.repeats):
            for length in ORDER:
                window_ms = args.windows[length]
                of = costs(args.duet, arms, cpus, args.connections, window_ms, args.measure_ms)
                found[length].append(of)
        return [[statistics.mean(of[arm] for of in lengths) for arm in (0, 1)] for lengths in found]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("duet")
    parser.add_argument("first", help="a command that starts a server and prints its address")
    parser.add_argument("second")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--windows", nargs=2, type=int, default=[20, 250], metavar="MS")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--measure-ms", type=int, default=2000, help="of a job (%(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="of a pass (%(default)s)")
    parser.add_argument("--passes", type=int, default=20, help="(%(default)s)")
    args = parser.parse_args()
    cpus, began = two_cpus(), time.monotonic()
    short, long = args.windows
    print(f"| {args.connections} connections | ratio, {short} ms | ratio, {long} ms |", end=" ")
    print(f"{long} ms beside {short} ms: first | second | ratio |")
    print("|---|---|---|---|---|---|")
    of_path, every = {path: [] for path in args.paths}, []
    for _ in range(args.passes):
        for path, passes in of_path.items():
            passes.append(measure(args, path, cpus))
            every.append(passes[-1])
    for path, passes in [*((f"`{path}`", of) for path, of in of_path.items()), ("all", every)]:
        cells = [ratio([of[length][1] - of[length][0] for of in passes]) for length in (0, 1)]
        cells += [percent([of[1][arm] - of[0][arm] for of in passes]) for arm in (0, 1)]
        apart = [(of[1][1] - of[1][0]) - (of[0][1] - of[0][0]) for of in passes]
        print(f"| {path} | {' | '.join([*cells, percent(apart)])} |")
    print(f"\n{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
