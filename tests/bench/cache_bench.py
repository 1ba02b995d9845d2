# SPDX-License-Identifier: BSD-2-Clause
"""What a hit costs, and what a crowd that wants one cold object does to the origin: caches.ALL side by side.

That a hit is one is not believed but counted: the origin logs what it is asked for.
"""
import os
import statistics
import subprocess
import sys

import process
import caches
import servers

CASES = (("dived, not covered", "dived", servers.UNCOVERED), ("dived, verified", "dived", servers.COVERED),
         ("nginx", "nginx", servers.UNCOVERED), ("squid", "squid", servers.UNCOVERED),
         ("varnish", "varnish", servers.UNCOVERED))
OURS = ("dived, not covered", "dived, verified")
CONNECTIONS = (1, 8)
GIB = 1 << 30
CROWD, CROWD_RATIO = 1000, 1.3
SLOW, SLOW_PART = "squid", 16   # it reads its disk in 4 KiB steps: this part of the large hits is enough
RUN_SECONDS = 600
POLICY = os.path.join(os.path.dirname(servers.HERE), "..", "build", "tests", "bench", "cache_policy")


class CacheBench:
    """`bench`: the Bench whose lab, origin, load generator and rows are used."""

    def __init__(self, bench):
        self.bench, self.origin, self.servers = bench, bench.origin, {}
        for kind in caches.ALL:
            why = kind.missing()
            if why is not None:
                print(f"*** {kind.name} is NOT measured as a cache: {why} ***", file=sys.stderr)
                bench.commands.append(f"cache: {kind.name} was not measured: {why}")
                continue
            server = kind(bench.lab, bench.path(f"cache-{kind.name}"), bench.origin)
            self.servers[kind.name] = server.start()
            bench.commands.append(f"cache: {server.name}: {server.version()}")

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def cases(self):
        return [(label, self.servers[name], host) for label, name, host in CASES if name in self.servers]

    def run(self, server, host, file, size, connections=1, requests=1):
        """(processor seconds of the cache, seconds, requests that reached the origin)"""
        before, asked = process.cpu_seconds(server.pid), self.origin.fetches()
        done = subprocess.run(
            [self.bench.load, "--to", f"127.0.0.1:{server.port}", "--plain", "--host", host, "--port",
             str(self.origin.plain_port), "--path", "/" + file, "--size", str(size), "--connections",
             str(connections), "--requests", str(requests), *(["--forward"] if server.forward else [])],
            capture_output=True, text=True, check=False, timeout=RUN_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{server.name}: {done.stderr.strip()}")
        return (process.cpu_seconds(server.pid) - before, float(done.stdout),
                self.origin.fetches() - asked)

    def hits(self, what, file, size, connections, requests, scale, unit, rate):
        used, wall = {}, {}
        for _, server, host in self.cases():  # stored; written; opened
            for _ in range(4):
                self.run(server, host, file, size)
        for _ in range(self.bench.repetitions):
            for label, server, host in self.cases():
                part = SLOW_PART if server.name == SLOW and size > caches.SMALL_MAX else 1
                cpu, seconds, fetches = self.run(server, host, file, size, connections, requests // part)
                if fetches:
                    raise RuntimeError(f"{label}: {what}: {fetches} requests were no hits")
                used.setdefault(label, []).append(cpu * scale * part)
                wall.setdefault(label, []).append(seconds * part)
        nginx = statistics.median(used["nginx"])
        for label, values in used.items():
            per_second = connections * requests / statistics.median(wall[label])
            self.bench.row(f"{what}: {label}", statistics.median(values), unit, nginx,
                           nginx if label in OURS else None, rate(per_second))

    def small(self):
        for connections in CONNECTIONS:
            each = (8000 if self.bench.options.quick else 40000) // connections
            self.hits(f"hit of 1 KiB from memory, {connections} connection{'s' * (connections > 1)}",
                      "small", 1024, connections, each, 1000 / (connections * each),
                      "CPU s / 1000 requests", "{:.0f}/s".format)

    def large(self):
        for name, file, size, times in (("1 MiB", "medium", 1 << 20, 2048),
                                        ("64 MiB", "large", 64 << 20, 64)):
            if self.bench.options.quick:
                times //= 4
            self.hits(f"hit of {name} from disk", file, size, 1, times, GIB / (times * size), "CPU s / GiB",
                      lambda rate, size=size: f"{rate * size / (1 << 20):.0f} MiB/s")

    def crowd(self):
        """Everybody at once for something that nobody has asked for yet."""
        clients = CROWD // (5 if self.bench.options.quick else 1)
        wall = {}
        for label, server, host in self.cases():
            self.run(server, host, "small?other", 1024)  # DNS; a thread or two
            cpu, seconds, fetches = self.run(server, host, "large?cold", 64 << 20, clients)
            wall[label] = (seconds, fetches, cpu)
        nginx = wall["nginx"][0]
        for label, (seconds, fetches, cpu) in wall.items():
            self.bench.row(f"{clients} clients, one cold 64 MiB object: {label}", seconds, "s", nginx,
                           nginx * CROWD_RATIO if label in OURS else None,
                           f"{fetches} origin fetch{'es' * (fetches != 1)}, {cpu:.1f} CPU s")

    def policy(self):
        """The index alone: hit ratios, memory, the start."""
        if not os.access(POLICY, os.X_OK):
            self.bench.commands.append("cache: build/tests/bench/cache_policy isn't built: no hit ratios")
            return
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else self.bench.directory
        command = [POLICY, "--directory", os.path.join(memory, f"dive-bench-{os.getpid()}"),
                   *(["--quick"] if self.bench.options.quick else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=RUN_SECONDS)
        self.bench.commands += ["", *done.stdout.splitlines()]


def measure(bench):
    caching = CacheBench(bench)
    try:
        caching.small()
        caching.large()
        caching.crowd()
        caching.policy()
    finally:
        caching.stop()
