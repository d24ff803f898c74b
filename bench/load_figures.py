#!/usr/bin/env python3
"""Measures what `duet load` claims of itself beside CPU time and rate: system calls per request,
memory, send lag, and what happens in overload. Each figure is a Markdown table.

The server runs on one CPU, the generator with one thread on another. Where wrk is installed, it is
measured in the same way, in turns. What cannot be measured here is named and skipped.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from load_peers import (
    Skipped, coverage, find, generators, interval, run, server, table, two_cpus,
)

# System calls in which a generator only waits.
WAITING = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "nanosleep",
           "clock_nanosleep", "futex", "restart_syscall"}
# The histograms of an open loop.
PARTS = ("response", "service", "send_lag")
READING = {"read", "readv", "recvfrom", "recvmsg"}


def load(args, url, cpu, options, seconds, series=None):
    """One run of `duet load`: its result, and the seconds of its series that are whole."""
    command = [args.duet, "load", url, "-t1", "--no-ceiling", "--json", *options.split()]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "seconds.jsonl")
        command += ["--series", path] if series else []
        try:
            result = json.loads(run(command, cpu, seconds))
        except ValueError as error:
            raise ValueError(f"{' '.join(command)}: {error}") from error
        if not series:
            return result
        with open(path) as lines:
            return result, [s for s in map(json.loads, lines) if not s["partial"]]


def system_calls(args, cpus):
    """System calls per request, counted by strace, of two runs of which one is twice as long: what
    happens once drops out of their difference. Since every call takes longer then, the generator
    is what is slow, and finds more answers at a time than it would otherwise."""
    if not find("strace"):
        raise Skipped("strace is not installed")

    def counts(command, requests):
        """Name -> (calls, errors), and the requests that were made."""
        with tempfile.NamedTemporaryFile("r", suffix=".strace") as summary:
            text = run(["strace", "-f", "-c", "-o", summary.name, *command], cpus[1], 60)
            # Columns: % time, seconds, usecs/call, calls, errors (or nothing), syscall.
            line = r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(\d*) +(\w+)$"
            lines = re.findall(line, summary.read(), re.M)
        calls = {name: (int(n), int(errors or 0)) for n, errors, name in lines}
        calls.pop("total", None)
        return calls, requests(text)

    rows = []
    with server([args.duet, "null-responder"], cpus[0]) as address:
        url = f"http://{address}/"
        duet = [args.duet, "load", url, "-t1", "-c64", "--no-ceiling", "--json"]
        of = {
            "duet": (
                [[*duet, f"-n{n}"] for n in (args.requests, 2 * args.requests)],
                lambda text: json.loads(text)["requests"]["ok"],
            ),
            "wrk": (
                [[find("wrk"), "-t1", "-c64", f"-d{n}s", url] for n in (2, 4)],
                lambda text: int(re.search(r"(\d+) requests in", text).group(1)),
            ),
        }
        for name, (commands, requests) in of.items():
            if not find(name) and name != "duet":
                continue
            (few, n), (many, m) = (counts(command, requests) for command in commands)

            def more(wanted, which):
                names = {call for call in many if wanted(call)}
                total = sum(many[c][which] - few.get(c, (0, 0))[which] for c in names)
                return total / (m - n)

            rows.append([
                name,
                f"{m - n:,}",
                f"{more(lambda call: call not in WAITING, 0):.4f}",
                f"{more(lambda call: call in READING, 0):.4f}",
                f"{more(lambda call: call in READING, 1):.4f}",
                f"{more(lambda call: call in WAITING, 0):.4f}",
            ])
    heads = ["generator", "requests", "calls a request besides waiting", "of them reads"]
    print(table([*heads, "reads in vain", "waits a request"], rows))


def memory(args, cpus):
    """The most memory that is resident with many connections open."""
    count = args.open
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 100), max(hard, count + 100)))
    except (ValueError, OSError) as error:
        raise Skipped(f"{count} files may not be open at once (ulimit -n {hard})") from error
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        ports = [int(n) for n in file.read().split()]
    if ports[1] - ports[0] < 1.2 * count:
        raise Skipped(f"there are {ports[1] - ports[0]} ephemeral ports")
    made = generators(args.duet, args.seconds)
    peaks = {name: [] for name in ("duet", "wrk") if name == "duet" or find(name)}
    for turn in range(args.rounds):
        for name in list(peaks) if turn % 2 == 0 else reversed(peaks):
            # A responder of its own for each: the connections of the one before are gone.
            with server([args.duet, "null-responder"], cpus[0]) as address:
                command = made[name][0](f"http://{address}/", count)
                if name == "duet":
                    command.remove("--warmup=0")
                    command.append("--warmup=2s")
                peaks[name].append(peak(command, cpus[1], count, name))
    rows = [
        [
            name,
            interval([kib / 1024 for kib in values], "{:.1f}"),
            f"{statistics.median(values) / count * 1024:.0f}",
            "" if name == "duet" else interval([d / v for d, v in zip(peaks["duet"], values)]),
        ]
        for name, values in peaks.items()
    ]
    print(table(["generator", "peak RSS in MiB", "bytes a connection", "duet's ÷ its"], rows))
    print(f"\nMedians of {args.rounds} rounds and {coverage(args.rounds):.0%} intervals;"
          f" {count:,} connections, all open at once.")


def peak(command, cpu, count, name):
    """The peak RSS of a run in KiB, as the kernel says it (VmHWM, which never falls)."""
    process = subprocess.Popen(
        ["taskset", "-c", str(cpu), *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    kib, files, until = 0, 0, time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
            if found:  # a process that has ended has none
                kib = max(kib, int(found.group(1)))
                files = max(files, len(os.listdir(f"/proc/{process.pid}/fd")))
        except OSError:
            break  # it has just ended
        time.sleep(0.1)
    process.kill()
    text = process.communicate()[0]
    if process.returncode != 0 or files < count:
        raise ValueError(f"{name} had {files} files open, exit {process.returncode}: {text}")
    return kib


def send_lag(args, cpus):
    """How late requests are sent: p99 in each second in which nothing was stolen from the CPU."""
    clean = {rate: [] for rate in (1_000, 10_000, 50_000)}
    total = dict.fromkeys(clean, 0)
    parts = {rate: [] for rate in clean}
    with server([args.duet, "null-responder"], cpus[0]) as address:
        for turn in range(args.rounds):
            for rate in list(clean) if turn % 2 == 0 else reversed(clean):
                # A second needs a thousand requests for a p99, and may have one less than its rate.
                options = f"-c64 -q{max(rate, 1_010)} -d{args.seconds}s --warmup 1s"
                result, seconds = load(
                    args, f"http://{address}/", cpus[1], options, args.seconds, series=True
                )
                total[rate] += len(seconds)
                clean[rate] += [
                    second["send_lag_ns_p99"] / 1e3
                    for second in seconds
                    if second["stolen_ns"] == 0 and second["send_lag_ns_p99"] is not None
                ]
                parts[rate].append(result)
    rows = []
    for rate, lags in clean.items():

        def us(histogram, *keys):
            values = []
            for result in parts[rate]:
                value = result[histogram]
                for key in keys:
                    value = value and value.get(key)
                if value is not None:
                    values.append(value / 1e3)
            return f"{statistics.median(values):.1f}" if values else "unknown"

        rows.append([
            f"{max(rate, 1_010):,}",
            f"{len(lags)} of {total[rate]}",
            interval(lags, "{:.1f}") if lags else "unknown",
            f"{max(lags):.1f}" if lags else "unknown",
            *(us(part, "mean_ns") for part in PARTS),
            *(us(part, "quantiles", "p50", "ns") for part in PARTS),
            *(us(part, "quantiles", "p99", "ns") for part in PARTS),
        ])
    lag = ["requests a second", "seconds not stolen from", "p99 of the lag, µs", "worst second"]
    rest = [f"{part}, {which}" for which in ("mean", "p50", "p99")
            for part in ("response", "service", "lag")]
    print(table([*lag, *rest], rows))
    print(
        "\nFirst: medians over the seconds in which nothing was stolen, with 95 % intervals where"
        " there are six. Then, in µs: medians of whole runs, with what was stolen; the mean"
        " response is the sum of the mean service and the mean lag."
    )


def fit(points):
    """The slope of the straight line through points, and how well it fits: R²."""
    x, y = zip(*points)
    slope, _ = statistics.linear_regression(x, y)
    return slope, statistics.correlation(x, y) ** 2


def overload(args, cpus):
    """Twice the rate that a closed loop reaches."""
    command = args.server.split()
    seconds = max(args.seconds, 5)
    rows, shares = [], []
    with server(command, cpus[0]) as address:
        url = f"http://{address}/hello"

        def closed():
            options = f"-c64 -d{seconds}s --warmup 0"
            return load(args, url, cpus[1], options, seconds)["ok_per_second"]

        rate = 2 * closed()
        for turn in range(args.rounds):
            options = f"-c64 -q{rate:.0f} -d{seconds}s --warmup 0"
            if turn % 2 == 0:
                most = closed()
            result, series = load(args, url, cpus[1], options, seconds, series=True)
            if turn % 2 == 1:
                most = closed()
            r = result["requests"]
            adds_up = r["planned"] == r["sent"] + r["unsent"] + r["shed"]
            adds_up &= r["sent"] == r["ok"] + sum(r["failed"].values()) + r["in_flight"]
            points = [(s["offset_s"] + 0.5, s["response_ns_p50"] / 1e9)
                      for s in series if 0 <= s["offset_s"] < seconds and s["response_ns_p50"]]
            slope, linear = fit(points)
            shares.append(result["ok_per_second"] / most)
            rows.append([
                turn + 1, f"{rate:,.0f}", f"{most:,.0f}", f"{result['ok_per_second']:,.0f}",
                f"{shares[-1]:.3f}",
                f"{r['planned']:,} = {r['sent']:,} + {r['unsent']:,}" if adds_up else "WRONG",
                f"{slope:.3f} (expected {1 - result['ok_per_second'] / rate:.3f})",
                f"{linear:.5f}",
            ])
            rate = 2 * most
    heads = ["round", "planned a second", "closed loop reaches", "overload reaches", "share"]
    print(table([*heads, "planned = sent + never sent", "latency, seconds a second", "R²"], rows))
    print(
        f"\nShare reached in overload: {interval(shares, '{:.3f}')}, a"
        f" {coverage(len(shares)):.0%} interval of the median of {len(shares)} rounds."
    )


FIGURES = {"calls": system_calls, "memory": memory, "lag": send_lag, "overload": overload}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("duet", help="the program")
    parser.add_argument("server", help="a command that prints `listening HOST:PORT`, to overload")
    parser.add_argument("--figures", default=",".join(FIGURES), help="which of them")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    parser.add_argument("--requests", type=int, default=50_000, help="under strace, and twice that")
    parser.add_argument("--open", type=int, default=10_000, help="connections for the memory")
    return parser.parse_args()


def main():
    args = arguments()
    cpus = two_cpus()
    failed = False
    for name in args.figures.split(","):
        print(f"\n### {name}\n", flush=True)
        try:
            FIGURES[name](args, cpus)
        except Skipped as why:
            print(f"skipped: {why}")
        except ValueError as why:
            failed = True
            print(f"failed: {why}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
