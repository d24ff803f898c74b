#!/usr/bin/env python3
"""Walks the way of GATE.md ("Guard your own server in CI") with servers of other makes.

Usage: stranger_walk.py DUET [--only KIND]... [--slowdown PERCENT] [--margin PERCENT]
                        [--policy LINES]

For each kind a git repository is made with a small server of it, `duet init` writes definitions,
and they are committed with the margin in the place of init's, of requests per second and CPU time
per request. Then two changes are gated against the commit: one that changes a comment, which must
PASS, and one that does so much more work per request, which must be REGRESSED. How much work that
is follows from what a request costs, measured under `duet load` as the server is and with a loop.

Printed is a Markdown table: both verdicts, the change of CPU time per request that the gate found,
with its interval, and the seconds that all of it took. The exit code is 1 where a verdict is
another one. Nothing is downloaded, and nothing stays.
"""

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from load_peers import run as run_on, two_cpus

WARMUP_S = 3
MEASURED_S = 4
START_LIMIT_S = 30
GATE_LIMIT_S = 1800
METRIC = "cpu_ns_per_request"
MARGINS = "margins_percent = "  # the beginning of the line that init writes
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

PYTHON = '''import asyncio, sys

# A comment.
WORK = 0
BODY = b'{"status":"ok"}'
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 15\\r\\n\\r\\n"
MISSING = b"HTTP/1.1 404 No\\r\\nContent-Length: 0\\r\\n\\r\\n"


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            for _ in range(WORK):
                pass
            writer.write(HEAD + BODY if head.startswith(b"GET /health ") else MISSING)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
'''

NODE = """const cluster = require('node:cluster');
const http = require('node:http');

// A comment.
const WORK = 0;
let state = 1;

function spin(rounds) {
  let x = state;
  for (let i = 0; i < rounds; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  state = x;
}

if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) cluster.fork();
} else {
  http.createServer((request, response) => {
    spin(WORK);
    response.writeHead(request.url === '/health' ? 200 : 404, {'Content-Type': 'application/json'});
    response.end(request.url === '/health' ? '{"status":"ok"}' : '{}');
  }).listen(Number(process.env.PORT), '127.0.0.1');
}
"""

GO = """package main

import (
	"io"
	"net/http"
	"os"
)

// A comment.
const work = 0

func spin(rounds, x uint32) uint32 {
	for range rounds {
		x = x*1664525 + 1013904223
	}
	return x
}

func health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if spin(work, uint32(len(r.URL.Path))) == 1 {
		w.Header().Set("X-One", "1")
	}
	io.WriteString(w, `{"status":"ok"}`)
}

func main() {
	http.HandleFunc("/health", health)
	panic(http.ListenAndServe(os.Args[1], nil))
}
"""

RUST = """use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

// A comment.
const WORK: u32 = 0;

fn spin(rounds: u32, seed: u32) -> u32 {
    (0..rounds).fold(seed, |x, _| black_box(x.wrapping_mul(1664525).wrapping_add(1013904223)))
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut first) = (String::new(), String::new());
    while reader.read_line(&mut line)? > 0 {
        if first.is_empty() {
            first.clone_from(&line);
        }
        if line == "\\r\\n" {
            black_box(spin(WORK, first.len() as u32));
            stream.write_all(page::response(&first).as_bytes())?;
            first.clear();
        }
        line.clear();
    }
    Ok(())
}

fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let listener = TcpListener::bind(address).expect("it is free");
    for stream in listener.incoming().flatten() {
        thread::spawn(|| serve(stream));
    }
}
"""

RUST_PAGE = """//! What is served.

/// The response to a request's first line.
pub fn response(line: &str) -> &'static str {
    if line.starts_with("GET /health ") {
        "HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 15\\r\\n\\r\\n\\
         {\\"status\\":\\"ok\\"}"
    } else {
        "HTTP/1.1 404 No\\r\\nContent-Length: 0\\r\\n\\r\\n"
    }
}
"""

JAVA = """import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

public class Server {
    // A comment.
    static final int WORK = 0;
    static final byte[] BODY = "{\\"status\\":\\"ok\\"}".getBytes(StandardCharsets.UTF_8);

    static int spin(int rounds, int x) {
        for (int i = 0; i < rounds; i++) x = x * 1664525 + 1013904223;
        return x;
    }

    public static void main(String[] args) throws Exception {
        var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0]));
        var server = HttpServer.create(address, 0);
        server.createContext("/health", exchange -> {
            if (spin(WORK, exchange.hashCode()) == 1) System.err.println("one");
            exchange.getRequestBody().readAllBytes();
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(200, BODY.length);
            try (var body = exchange.getResponseBody()) {
                body.write(BODY);
            }
        });
        server.setExecutor(Executors.newFixedThreadPool(2));
        server.start();
    }
}
"""


def crate(name, more=""):
    """The manifest of a crate."""
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{more}'


# Kind -> what it needs; its files, the first of which has the work and a comment; the commands that
# build and start it; the rounds that are tried first; lines of its policy.
KINDS = {
    "python": {
        "needs": ["python3"],
        "files": {"server.py": PYTHON},
        "run": "python3 server.py {port}",
        "rounds": 2000,
    },
    "node": {
        "needs": ["node"],
        "files": {"app.js": NODE},
        "run": "node app.js",
        "rounds": 20_000,
        "policy": "warmup_ms = 1500",
    },
    "go": {
        "needs": ["go"],
        "files": {"main.go": GO, "go.mod": "module shop\n\ngo 1.23\n", ".gitignore": "/app\n"},
        "build": "go build -o app .",
        "run": "./app {addr}",
        "rounds": 20_000,
    },
    "rust": {
        "needs": ["cargo"],
        "files": {
            "shop/src/main.rs": RUST,
            "shop/Cargo.toml": crate("shop", '\n[dependencies]\npage = { path = "../page" }\n'),
            "page/Cargo.toml": crate("page"),
            "page/src/lib.rs": RUST_PAGE,
            "Cargo.toml": '[workspace]\nmembers = ["shop", "page"]\nresolver = "2"\n',
        },
        "build": "cargo build --release --offline",
        "run": "target/release/shop {addr}",
        "rounds": 20_000,
    },
    "shell": {
        "needs": ["python3", "sh"],
        "files": {
            "shop/__main__.py": PYTHON,
            "shop/__init__.py": "",
            "start.sh": 'python3 -m shop "$1" &\nwait\n',
        },
        "run": "sh start.sh {port}",
        "rounds": 2000,
    },
    "java": {
        "needs": ["java", "javac"],
        "files": {"Server.java": JAVA, ".gitignore": "/out\n"},
        "build": "javac -d out Server.java",
        # It sends head and body one after the other.
        "run": "java -Dsun.net.httpserver.nodelay=true -cp out Server {port}",
        "rounds": 20_000,
        "policy": "warmup_ms = 4000",
    },
}


class Walk:
    """A repository with a server of some kind, and a cache for the places of its versions."""

    def __init__(self, args, kind, folder):
        self.args, self.kind, self.folder = args, KINDS[kind], Path(folder) / "shop"
        self.env = {**os.environ, "XDG_CACHE_HOME": str(Path(folder) / "cache")}
        if "go" in self.kind["needs"]:
            self.env["GOCACHE"] = output(["go", "env", "GOCACHE"])
        self.env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        for who in ("AUTHOR", "COMMITTER"):
            self.env |= {f"GIT_{who}_NAME": "Walk", f"GIT_{who}_EMAIL": "walk@example.org"}
        for name, text in self.kind["files"].items():
            self.write(name, text)
        with open(self.folder / ".gitignore", "a") as ignored:
            ignored.write("/results\n/target\n__pycache__\n")

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def change(self, work=0, comment="A comment."):
        """Has the server work so many rounds per request, and say this in a comment."""
        name, text = next(iter(self.kind["files"].items()))
        changed = text.replace("A comment.", comment)
        for constant in ("WORK = 0", "work = 0", "WORK: u32 = 0"):
            changed = changed.replace(constant, constant[:-1] + str(work))
        self.write(name, changed)

    def run(self, words, codes=(0,)):
        """Runs a command in the repository; its exit code, which must be one of these."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True, text=True,
            timeout=GATE_LIMIT_S,
        )
        if done.returncode not in codes:
            raise SystemExit(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.returncode

    def prepare(self):
        """The walk up to the commit: the server, `duet init`, the margin."""
        if "build" in self.kind:
            self.run(self.kind["build"].split())  # Cargo.lock belongs to the commit
        self.run(["git", "init", "--quiet", "--initial-branch=main"])
        init = ["--name", "my-server", "--run", self.kind["run"], "--get", "/health"]
        if "build" in self.kind:
            init += ["--build", self.kind["build"]]
        self.run([self.args.duet, "init", *init])
        suites = self.folder / "bench/suites.toml"
        margin = f"{self.args.margin:g}"
        lines = [
            f"{MARGINS}{{ requests_per_second = {margin}, {METRIC} = {margin} }}",
            self.kind.get("policy", ""),
            *self.args.policy,
        ]
        text = [
            "\n".join(lines) if line.startswith(MARGINS) else line
            for line in suites.read_text().splitlines()
        ]
        suites.write_text("\n".join(text) + "\n")
        self.run(["git", "add", "."])
        self.run(["git", "commit", "--quiet", "--message", "A server and its gate"])

    def cost_ns(self, work):
        """CPU time per request of the server with so many rounds of work."""
        self.change(work)
        if "build" in self.kind:
            self.run(self.kind["build"].split())
        server_cpu, cpu = two_cpus()
        with self.started(server_cpu) as (group, port):
            load = [self.args.duet, "load", f"http://127.0.0.1:{port}/health", "-t1", "-c16"]
            load += ["--warmup=0", "--no-ceiling", "--json"]
            run_on([*load, f"-d{WARMUP_S}s"], cpu, WARMUP_S)
            before_ns = cpu_ns(group)
            result = json.loads(run_on([*load, f"-d{MEASURED_S}s"], cpu, MEASURED_S))
            return (cpu_ns(group) - before_ns) / result["requests"]["ok"]

    @contextlib.contextmanager
    def started(self, cpu):
        """The server on a CPU: its session, and its port."""
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        run = self.kind["run"].replace("{addr}", f"127.0.0.1:{port}").replace("{port}", str(port))
        server = subprocess.Popen(
            ["taskset", "-c", str(cpu), *run.split()], cwd=self.folder,
            env={**self.env, "PORT": str(port)}, start_new_session=True,
        )
        try:
            await_port(port)
            yield server.pid, port
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()

    def rounds(self):
        """The rounds of work that make a request so much dearer."""
        tried = self.kind["rounds"]
        plain_ns, dear_ns = self.cost_ns(0), self.cost_ns(tried)
        if dear_ns < 1.1 * plain_ns:
            raise SystemExit(f"{tried} rounds of work are lost in {plain_ns:.0f} ns per request")
        share = self.args.slowdown / 100
        rounds = round(share * plain_ns / ((dear_ns - plain_ns) / tried))
        print(f"  a request costs {plain_ns:.0f} ns; {rounds} rounds more", file=sys.stderr)
        return max(rounds, 1)

    def gate(self, **change):
        """Gates a change: the verdict, and how the metric changed with its interval, in percent."""
        self.change(**change)
        found = self.folder.parent / "comparison.json"
        words = [self.args.duet, "gate", "--base", "git:main", "--head", "dir:."]
        self.run([*words, "--json", str(found)], codes=(0, 1, 3))
        result = json.loads(found.read_text())
        [cell] = result["cells"]
        [metric] = [metric for metric in cell["metrics"] if metric["metric"] == METRIC]
        ends = [metric["estimate"], metric["interval"]["low"], metric["interval"]["high"]]
        value, low, high = (f"{100 * math.expm1(end):+.1f}" for end in ends)
        change = f"{value} % ({low} to {high}), {cell['blocks']} blocks"
        print(f"  {result['outcome']}: {change}", file=sys.stderr)
        return result["outcome"], change


def output(words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def cpu_ns(session):
    """CPU time of the processes of a session and of those that they waited for, by
    proc_pid_stat(5)."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += sum(map(int, fields[11:15]))
    return total * TICK_NS


def await_port(port):
    """Waits until somebody listens."""
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"nobody listens at port {port}") from None
            time.sleep(0.02)


def walk(args, kind):
    """A line of the table, and whether both verdicts are as they must be."""
    if missing := [name for name in KINDS[kind]["needs"] if not shutil.which(name)]:
        print(f"{kind} left out: no {', '.join(missing)}", file=sys.stderr)
        return None, True
    print(f"{kind}:", file=sys.stderr)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stranger-walk-") as folder:
        way = Walk(args, kind, folder)
        way.prepare()
        rounds = way.rounds()
        same, same_change = way.gate(comment="Another comment.")
        slow, slow_change = way.gate(work=rounds)
    cells = [kind, same, same_change, slow, slow_change, f"{time.monotonic() - began:.0f}"]
    return f"| {' | '.join(cells)} |", (same, slow) == ("PASS", "REGRESSED")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("duet", type=os.path.abspath, help="the binary")
    parser.add_argument("--only", action="append", choices=KINDS, help="kinds [default: all]")
    parser.add_argument("--slowdown", type=float, default=5, help="percent of a request's CPU time")
    parser.add_argument("--margin", type=float, default=2, help="of the policy, in percent")
    parser.add_argument(
        "--policy", action="append", default=[], help="a further line of it, such as 'looks = [6]'"
    )
    args = parser.parse_args()
    walked = [walk(args, kind) for kind in args.only or KINDS]
    print("| server | same code | CPU time per request | "
          f"{args.slowdown:g} % slower | CPU time per request | seconds |")
    print("|---|---|---|---|---|---:|")
    for line, _ in walked:
        if line:
            print(line)
    sys.exit(not all(right for _, right in walked))


if __name__ == "__main__":
    main()
