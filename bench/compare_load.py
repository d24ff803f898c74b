#!/usr/bin/env python3
"""Compares `duet load` with other load generators: the CPU time each spends on a request.

Usage: compare_load.py DUET SERVER... (each SERVER a command that prints `listening HOST:PORT`)

The server runs on one CPU, the generator on another. In each of the rounds every generator drives
the same server once, in an order that alternates, so that the machine's moods meet all alike. What
is printed is the median over rounds and the range of its middle rounds: with 8 rounds, from the
2nd smallest to the 2nd largest, a 93 % interval of the median. Generators that are not installed
are named and skipped; nothing is installed.
"""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys

ROUNDS = 8
SECONDS = 1
CONNECTIONS = (1, 64, 512)
PATH = "/hello"


def generators(duet):
    """Name -> (command for url and connections, requests from its output)."""

    def found(pattern):
        return lambda text: int(re.search(pattern, text).group(1))

    return {
        "duet": (
            lambda url, c: [duet, "load", url, f"-c{c}", "-t1", f"-d{SECONDS}s", "--warmup=0", "--json"],
            lambda text: json.loads(text)["requests"]["right"],
        ),
        "wrk": (
            lambda url, c: ["wrk", "-t1", f"-c{c}", f"-d{SECONDS}s", url],
            found(r"(\d+) requests in"),
        ),
        "oha": (
            lambda url, c: ["oha", "--no-tui", f"-c{c}", f"-z{SECONDS}s", url],
            found(r"\[200\] (\d+) responses"),
        ),
        "hey": (
            lambda url, c: ["hey", f"-c{c}", f"-z{SECONDS}s", url],
            found(r"\[200\]\s+(\d+) responses"),
        ),
    }


def measure(command, requests, cpu):
    """CPU nanoseconds per request of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)  # the server is none until it ends
    run = subprocess.run(
        ["taskset", "-c", str(cpu), *command],
        capture_output=True, text=True, timeout=60 + 10 * SECONDS, env={**os.environ, "GOMAXPROCS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}\n{run.stdout}{run.stderr}")
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used * 1e9 / requests(run.stdout)


def compare(server, installed, cpus):
    process = subprocess.Popen(
        ["taskset", "-c", str(cpus[0]), *server.split()], stdout=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().removeprefix("listening ").strip()
        for connections in CONNECTIONS:
            found = {name: [] for name in installed}
            for turn in range(ROUNDS):
                names = list(installed) if turn % 2 == 0 else list(installed)[::-1]
                for name in names:
                    command, requests = installed[name]
                    argv = command(f"http://{address}{PATH}", connections)
                    found[name].append(measure(argv, requests, cpus[1]))
            for name, values in found.items():
                show(server, connections, name, values, found["duet"])
    finally:
        process.terminate()
        process.wait()


def show(server, connections, name, values, duet):
    def interval(numbers):
        ordered = sorted(numbers)
        return statistics.median(ordered), ordered[1], ordered[-2]

    us = "{:6.2f} [{:.2f}, {:.2f}]".format(*(value / 1e3 for value in interval(values)))
    ratio = "{:.2f}x [{:.2f}, {:.2f}]".format(*interval([v / d for v, d in zip(values, duet)]))
    program = os.path.basename(server.split()[0])
    print(f"{program:<12} {connections:>4} connections  {name:<5} {us} us of CPU a request, {ratio} duet's")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        sys.exit("two CPUs are needed: one for the server, one for the generator")
    every = generators(sys.argv[1])
    installed = {name: made for name, made in every.items() if name == "duet" or shutil.which(name)}
    for name in sorted(every.keys() - installed.keys()):
        print(f"{name} is not installed: skipped")
    for server in sys.argv[2:]:
        compare(server, installed, cpus)


if __name__ == "__main__":
    main()
