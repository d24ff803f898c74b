"""What the comparisons of load generators share: the generators, servers, intervals, tables."""

import contextlib
import json
import math
import os
import re
import shutil
import statistics
import subprocess

TOOLS = os.path.join("target", "tools", "bin")  # where `make peers` puts what cargo builds
BARE = "bare_epoll"  # harness/loadgen/examples: the least that a generator can do


class Skipped(Exception):
    """What cannot be measured here, and why."""


def find(name):
    """The path of an installed program, or None."""
    name = BARE if name == "bare" else name
    return shutil.which(name, path=TOOLS) or shutil.which(name)


def duet_result(text):
    """Right answers and their rate. Refuses a run that did not verify, or that had errors."""
    result = json.loads(text)
    requests = result["requests"]
    if not result["body_verified"] or requests["sent"] != requests["ok"] + requests["in_flight"]:
        raise ValueError("duet load had errors or did not compare the bodies")
    return requests["ok"], result["ok_per_second"]


def reads(requests, rate, *errors):
    """A reader of what a generator prints. Refuses a run with an error that it names."""

    def result(text):
        for error in errors:
            found = re.search(error, text)
            if found and not (found.groups() and found.group(1) == "0"):
                raise ValueError(f"it had errors: {found.group(0).strip()}")
        count, per_second = re.search(requests, text), re.search(rate, text)
        if not count or not per_second:
            raise ValueError("its output has no result")
        return int(count.group(1)), float(per_second.group(1))

    return result


# How requests travel -> what each generator that can do it is told. The certificate of the server
# is its own: wrk, hey, h2load and ab look at none unless they are told to.
TRANSPORTS = {
    "http": {
        "duet": [], "bare": [], "wrk": [], "oha": [], "hey": [], "h2load": ["--h1"], "ab": [],
    },
    "https": {
        "duet": ["--insecure"], "wrk": [], "oha": ["--insecure"], "hey": [], "h2load": ["--h1"],
        "ab": [],
    },
    "h2c": {"duet": ["--http2"], "oha": ["--http2"], "h2load": []},
    "h2": {"duet": ["--http2", "--insecure"], "oha": ["--http2", "--insecure"], "h2load": []},
}
# Its option for the number of requests under way on a connection of HTTP/2.
STREAMS = {"duet": "--streams={}", "oha": "-p{}", "h2load": "-m{}"}


def scheme(transport):
    return "http" if transport in ("http", "h2c") else "https"


def generators(duet, seconds, transport="http", streams=1, base=None):
    """Name -> (command for a URL and a number of connections, requests and rate in its output), of
    the generators that can do such a transport.

    `base` is another build of duet, which is told the same. Each runs one thread for so many seconds.
    GOMAXPROCS and the mask of CPUs hold back those that
    have no option for it. ab keeps a record of each request that it might send: 2 million.
    """
    of = {name: find(name) or name for name in ("bare", "wrk", "oha", "hey", "h2load", "ab")}
    load = ["load", "-t1", f"-d{seconds}s", "--warmup=0", "--no-ceiling", "--json"]
    commands = {
        "duet": ([duet, *load], duet_result),
        "base": ([base, *load], duet_result),
        "bare": (
            [of["bare"], f"-d{seconds}s"], reads(r"(\d+) responses", r"([\d.]+) a second")
        ),
        "wrk": (
            [of["wrk"], "-t1", f"-d{seconds}s"],
            reads(
                r"(\d+) requests in", r"Requests/sec:\s+([\d.]+)",
                "Non-2xx.*", "Socket errors.*",
            ),
        ),
        "oha": (
            [of["oha"], "--no-tui", "--no-color", f"-z{seconds}s"],
            reads(r"\[200\] (\d+) responses", r"Requests/sec:\s+([\d.]+)", r"\[[13-5]\d\d\] \d+"),
        ),
        "hey": (
            [of["hey"], f"-z={seconds}s"],
            reads(r"\[200\]\s+(\d+) responses", r"Requests/sec:\s+([\d.]+)", "Error distribution"),
        ),
        "h2load": (
            [of["h2load"], "-t1", f"-D{seconds}"],
            reads(
                r"(\d+) succeeded", r"finished in [\d.]+m?s, ([\d.]+) req/s",
                r"(\d+) failed",
            ),
        ),
        "ab": (
            [of["ab"], "-k", "-q", f"-t{seconds}", "-n2000000"],
            reads(
                r"Complete requests:\s+(\d+)", r"Requests per second:\s+([\d.]+)",
                r"Failed requests:\s+(\d+)", "Non-2xx.*",
            ),
        ),
    }

    def command(name, fixed, options):
        form = STREAMS["duet" if name == "base" else name] if streams > 1 else None
        many = [form.format(streams)] if form else []
        connections = "-c={}" if name == "hey" else "-c{}"
        return lambda url, c: [*fixed, *options, *many, connections.format(c), url]

    of_transport = TRANSPORTS[transport]
    if base:
        of_transport = {**of_transport, "base": of_transport["duet"]}
    return {
        name: (command(name, commands[name][0], options), commands[name][1])
        for name, options in of_transport.items()
    }


@contextlib.contextmanager
def started(command, cpu):
    """Starts a server that prints `listening HOST:PORT` on a CPU; its process and its address.
    Stops it again."""
    process = subprocess.Popen(
        ["taskset", "-c", str(cpu), *command], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        if not line.startswith("listening "):
            raise SystemExit(f"did not start: {' '.join(command)}")
        yield process.pid, line.removeprefix("listening ").strip()
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def server(command, cpu):
    """The address of a server that is started on a CPU, and stopped again."""
    with started(command, cpu) as (_, address):
        yield address


def run(command, cpu, seconds):
    """Runs a generator on a CPU; what it printed. One that does not end in time is killed."""
    limit = 10 + 3 * seconds
    try:
        done = subprocess.run(
            ["taskset", "-c", str(cpu), *command], capture_output=True, text=True, timeout=limit,
            env={**os.environ, "GOMAXPROCS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it did not end within {limit} s") from error
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise ValueError(f"exit {done.returncode}: {said[-2000:]}")
    return done.stdout


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise SystemExit("two CPUs are needed: one for the server, one for the generator")
    return cpus[:2]


def stolen_ticks():
    """Time that the hypervisor took from all CPUs, and all their time, in ticks since the start."""
    with open("/proc/stat") as stat:
        ticks = [int(n) for n in stat.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def rank(n):
    """The rank, from 1, of the ends of an interval of the median that holds it at 95 % at least:
    the largest for which they do, by the binomial distribution (W. Conover, "Practical
    Nonparametric Statistics", 3.2). 1 where none does: fewer than six values."""
    below = 0
    for k in range(1, n // 2 + 1):
        below += math.comb(n, k - 1)
        if 2 * below / 2**n > 0.05:
            return max(k - 1, 1)
    return max(n // 2, 1)


def coverage(n):
    """The share of such intervals that hold the median."""
    return max(0.0, 1 - 2 * sum(math.comb(n, k) for k in range(rank(n))) / 2**n)


def interval(values, form="{:.2f}"):
    """The median and its interval as text."""
    ordered = sorted(values)
    k = rank(len(ordered))
    numbers = statistics.median(ordered), ordered[k - 1], ordered[-k]
    middle, low, high = (form.format(number) for number in numbers)
    return f"{middle} [{low}, {high}]"


def table(heads, rows):
    """A Markdown table whose first column is text and whose others are numbers."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
