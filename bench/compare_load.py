#!/usr/bin/env python3
"""Compares `duet load` with other load generators: CPU time per request, and the highest rate.

The server runs on one CPU, the generator with one thread on another. In each of the rounds every
generator drives the same server once, in an order that changes, so that the machine's moods meet
all alike. What is printed are medians over the rounds with their intervals, and of `duet load` as
a multiple of another the median of the multiples within rounds. CPU time is all of a process's,
its start included. `duet load` compares every answer with the first, as it does by default. A
generator that has errors or does not end is left out there and named, as is one not installed.
"""

import argparse
import itertools
import os
import resource
import sys
import time

from load_peers import (
    TRANSPORTS, coverage, find, generators, interval, run, scheme, server, stolen_ticks, table,
    two_cpus,
)

PATH = "/hello"


def measure(made, url, connections, cpu, seconds):
    """CPU nanoseconds per request and requests per second of one run."""
    command, result = made
    before = resource.getrusage(resource.RUSAGE_CHILDREN)  # the server is none until it ends
    text = run(command(url, connections), cpu, seconds)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    requests, rate = result(text)
    return used * 1e9 / requests, rate


def compare(url, connections, installed, cpu, args):
    """Name -> (CPU nanoseconds per request, rate) of each round; and name -> why it has none."""
    failed = {}
    found = {name: [] for name in installed}
    names = list(installed)
    for turn in range(args.rounds):
        shift = turn // 2 % len(names)
        order = names[shift:] + names[:shift]
        for name in order if turn % 2 == 0 else reversed(order):
            if name in failed:
                continue
            try:
                found[name].append(measure(installed[name], url, connections, cpu, args.seconds))
            except ValueError as error:
                if name == "duet":
                    sys.exit(f"duet with {connections} connections: {error}")
                failed[name] = error
    return {name: values for name, values in found.items() if name not in failed}, failed


def rows(name, transport, connections, found):
    """A row of the table for each generator."""
    for generator, values in found.items():
        cpu, rate = zip(*values)
        pairs = list(zip(found["duet"], values))
        yield [
            name,
            transport,
            connections,
            generator,
            interval([ns / 1e3 for ns in cpu]),
            "" if generator == "duet" else interval([d[0] / v[0] for d, v in pairs]),
            interval([n / 1e3 for n in rate], "{:.1f}"),
            "" if generator == "duet" else interval([d[1] / v[1] for d, v in pairs], "{:.3f}"),
        ]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("duet", help="the program")
    parser.add_argument("servers", nargs="+", help="commands that print `listening HOST:PORT`; "
                        "where TLS is asked for, with -tls behind them")
    parser.add_argument("--transports", default="http", help=f"some of {','.join(TRANSPORTS)}")
    parser.add_argument("--streams", type=int, default=8, help="HTTP/2: on each connection")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=int, default=1, help="of each run")
    parser.add_argument("--connections", default="1,64,512")
    parser.add_argument("--peers", default="bare,wrk,oha,hey,h2load,ab", help="compared with these")
    parser.add_argument("--base", help="another build of duet to be compared with")
    return parser.parse_args()


def chosen(args, transport):
    """The generators that are compared over a transport."""
    streams = args.streams if transport in ("h2c", "h2") else 1
    every = generators(args.duet, args.seconds, transport, streams, args.base)
    base = ["base"] if args.base else []
    wanted = ["duet", *base, *filter(find, args.peers.split(","))]
    return {name: every[name] for name in wanted if name in every}


def main():
    args = arguments()
    cpus = two_cpus()
    for name in args.peers.split(","):
        if not find(name):
            how = "`make compare-load` builds it" if name == "bare" else "`make peers` installs it"
            print(f"{name} is skipped: it is not there ({how})")
    compared = {transport: chosen(args, transport) for transport in args.transports.split(",")}
    counts = [int(count) for count in args.connections.split(",")]
    runs = len(args.servers) * len(counts) * args.rounds * sum(map(len, compared.values()))
    print(f"{runs} runs, about {runs * (args.seconds + 0.15) / 60:.0f} minutes", file=sys.stderr)
    began, stolen = time.monotonic(), stolen_ticks()
    lines = []
    for command, transport in itertools.product(args.servers, compared):
        tls = ["-tls"] if scheme(transport) == "https" else []
        with server([*command.split(), *tls], cpus[0]) as address:
            name = os.path.basename(command.split()[0])
            for connections in counts:
                url = f"{scheme(transport)}://{address}{PATH}"
                found, failed = compare(url, connections, compared[transport], cpus[1], args)
                lines += rows(name, transport, connections, found)
                for peer, why in failed.items():
                    at = f"{name}, {transport}, {connections} connections"
                    print(f"{peer} is left out at {at}: {why}")
    print()
    ticks = [after - before for before, after in zip(stolen, stolen_ticks())]
    heads = ["server", "transport", "connections", "generator", "CPU µs a request", "duet's ÷ its",
             "thousand answers a second", "duet's ÷ its"]
    print(table(heads, lines))
    print(
        f"\nMedians of {args.rounds} rounds of {args.seconds} s with"
        f" {coverage(args.rounds):.0%} intervals. {time.monotonic() - began:.0f} s,"
        f" {ticks[0] / max(ticks[1], 1):.1%} of the CPUs' time stolen."
    )


if __name__ == "__main__":
    main()
