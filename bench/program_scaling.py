#!/usr/bin/env python3
"""Measures how the programs of programs.toml gain from a second CPU and from half the work.

Usage: program_scaling.py [NAME...] (only programs whose `set/problem` contains a NAME)

Every program runs pinned to one CPU and pinned to two, in alternation and in both orders, at two
sizes of which one has about twice the work of the other. From its quick size on the work is doubled
until it takes a quarter of a second on one CPU. Pinned to one CPU a program starts one working
thread and has nothing to merge: it is its own single-threaded version. Programs of one thread are
measured too: what they show is the error. Output goes to /dev/null; the sets must have been built
(`duet verify`).

Printed is a Markdown table: medians of elapsed time; how many times faster two CPUs are, the median
over pairs with the range from the 2nd smallest to the 2nd largest of the ten, a 98 % interval of the
median; CPU time on two over CPU time on one; the same of two copies of the program at once, each
pinned to a CPU of its own, which share nothing but cache and memory: what they lose is the
machine's, not the program's; and how many times longer the whole work takes than half of it, both
on two CPUs.
"""

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

PAIRS = 10
SECONDS_MIN = 0.25
DOUBLED_MAX = 8
SECONDS_MAX = 60
ROOT = Path(__file__).resolve().parent.parent
# N with about twice the work, where that is not 2 N.
DOUBLE = {
    "binary-trees": lambda n: n + 1,
    "fannkuch-redux": lambda n: n + 1,  # the least step: n + 1 times the work
    "mandelbrot": lambda n: round(n * math.sqrt(2) / 8) * 8,
    "pidigits": lambda n: round(n * math.sqrt(2)),
    "spectral-norm": lambda n: round(n * math.sqrt(2)),
}


def commands(definitions):
    """`set/problem`, problem, command with {n} left in: each program that a set builds."""
    for program_set in definitions["set"]:
        borrows = program_set.get("borrows", {})
        for problem in sorted([*program_set["problems"], *borrows]):
            lane = borrows.get(problem, program_set["lanes"][0])
            fill = lambda word: word.replace("{problem}", problem).replace("{lane}", lane)
            yield f"{program_set['name']}/{problem}", problem, [fill(w) for w in program_set["run"]]


def start(command, n, path, cpus):
    """A run of the program, and since when."""
    words = [word.replace("{n}", str(n)) for word in command]
    with open(path, "rb") as stdin:
        since = time.perf_counter()
        process = subprocess.Popen(
            words, cwd=ROOT, stdin=stdin, stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )
    return process, since


def end(process, since):
    """Elapsed and CPU seconds of a run."""
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - since
    process.returncode = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
    if process.returncode != 0:
        sys.exit(f"program_scaling: {' '.join(process.args)} exited with {process.returncode}")
    if elapsed > SECONDS_MAX:
        words = " ".join(process.args)
        sys.exit(f"program_scaling: {words} took {elapsed:.0f} s: is the machine busy?")
    return elapsed, usage.ru_utime + usage.ru_stime


def run(command, n, path, cpus):
    """Elapsed and CPU seconds of one run."""
    return end(*start(command, n, path, cpus))


def run_copies(command, n, path, cpus):
    """CPU seconds of a copy, of as many at once as there are CPUs."""
    copies = [start(command, n, path, {cpu}) for cpu in cpus]
    return statistics.mean(end(*copy)[1] for copy in copies)


def measure(command, n, path, cpus):
    """(elapsed, CPU) on one CPU and on two, and the CPU time of copies, a triple a round."""
    rounds = []
    for i in range(PAIRS + 1):
        one_round = {}
        for count in (1, 2) if i % 2 else (2, 1):
            one_round[count] = run(command, n, path, cpus[:count])
        one_round["copies"] = run_copies(command, n, path, cpus)
        rounds.append(one_round)
    return rounds[1:]  # the first one fills the caches


def sizes(problem, quick, command, make_input, cpus):
    """Two N of which the second takes long enough to be timed, and about twice as long."""
    n = quick
    for _ in range(DOUBLED_MAX):
        before, n = n, DOUBLE.get(problem, lambda n: 2 * n)(n)
        if run(command, n, make_input(n), cpus[:1])[0] >= SECONDS_MIN:
            break
    return before, n


def main():
    with open(ROOT / "bench/programs.toml", "rb") as file:
        definitions = tomllib.load(file)
    problems = {problem["name"]: problem for problem in definitions["problem"]}
    programs = list(commands(definitions))
    wanted = [p for p in programs if not sys.argv[1:] or any(name in p[0] for name in sys.argv[1:])]
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if not wanted or len(cpus) < 2:
        sys.exit(__doc__ if not wanted else "program_scaling: two CPUs are needed")
    print("| program | N | one CPU, s | two CPUs, s | faster | CPU time | of copies | times half |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, problem, command in wanted:

            def make_input(n):
                maker = problems[problem].get("input")
                if not maker:
                    return "/dev/null"
                path = Path(folder) / f"{maker}-{n}"
                if not path.exists():
                    words = next(c for _, p, c in programs if p == maker)
                    words = [word.replace("{n}", str(n)) for word in words]
                    with open(path, "wb") as out:
                        subprocess.run(words, cwd=ROOT, stdout=out, check=True)
                return path

            quick = problems[problem]["sizes"]["quick"]
            earlier = None
            for n in sizes(problem, quick, command, make_input, cpus):
                rounds = measure(command, n, make_input(n), cpus)
                gains = sorted(r[1][0] / r[2][0] for r in rounds)
                one, two = (statistics.median(r[i][0] for r in rounds) for i in (1, 2))
                ratio = lambda cpu: statistics.median(cpu(r) / max(r[1][1], 1e-6) for r in rounds)
                cpu, copies = ratio(lambda r: r[2][1]), ratio(lambda r: r["copies"])
                growth = f"{two / earlier:.2f}" if earlier else ""
                gain = f"{statistics.median(gains):.2f} [{gains[1]:.2f}, {gains[-2]:.2f}]"
                print(f"| {name} | {n:,} | {one:.3f} | {two:.3f} | {gain} ", end="")
                print(f"| {cpu:.2f} | {copies:.2f} | {growth} |")
                sys.stdout.flush()
                earlier = two


main()
