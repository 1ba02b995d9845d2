#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What dived costs, beside nginx as a TLS-bridging reverse proxy and squid with ssl-bump.

    bench.py [--quick] [--only requests,download,held,idle,fair,reload,audit,sign,cache] [--held GIB] [--out FILE]

One run, one machine, one origin, the same files. Processor time is that of the proxy's whole process
tree, never that of the load generator or of the origin. Each figure is the median of the repetitions,
which take turns (dived, nginx, squid, dived ...), so that a noisy neighbour disturbs all alike.
One file is asked for again and again, so the caches of DNS records and of checked signatures are warm; the
row "keys asked for each time" has records that may not be cached (no `cache` parameter).
BENCH_FULL=1 holds 10 GiB instead of 2. $DIVED names the binary. The result goes to build/bench.txt too.

  requests   1 KiB responses on kept-alive connections, over 1 and over 8 of them
  download   64 MiB, again and again; beside it, what SHA-256 alone costs
  held       one large body kept back until its verdict: by how much dived's memory rises
  idle       10,000 intercepted connections, each after one request, and 10,000 plain ones
  fair       latency of 100 small clients, alone and beside one client with many large downloads
  reload     latency of small clients while 100,000 rules are loaded again and again
  audit      dived with access log and audit store, and without: the ratio of processor time
  sign       divectl sign over 1,000 files of 1 MiB: cores that it keeps busy (sign_bench.py)
  cache      hits from memory and from disk, 1,000 clients for one cold object, beside nginx, squid and
             varnish as caches; the hit ratio of the index, its memory, and the start with a million objects
"""
import argparse
import contextlib
import hashlib
import os
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import audit_bench
import cache_bench
import process
import reload_bench
import servers
import sign_bench

ROOT = os.path.abspath(os.path.join(servers.HERE, "..", ".."))
import lab as lab_module    # noqa: E402  servers has set the path

GIB = 1 << 30
SMALL, MEDIUM, LARGE = 1024, 1 << 20, 64 << 20
CONNECTIONS = (1, 8)
IDLE = {"dived": 10_000, "nginx": 1000, "squid": 1000}
SMALL_CLIENTS, HOG_CONNECTIONS = 100, 200
RUN_SECONDS = 120   # no single run of the load generator takes this long
HELD_RISE_MAX, IDLE_MAX, IDLE_PLAIN_MAX = 32 << 20, 64 << 10, 16 << 10

# What one of the proxies is asked for: label -> (server, host)
CASES = {
    "dived, not covered": ("dived", servers.UNCOVERED),
    "dived, verified": ("dived", servers.COVERED),
    "dived, verified, keys asked for each time": ("dived", servers.ASKING),
    "nginx": ("nginx", servers.UNCOVERED),
    "squid": ("squid", servers.UNCOVERED),
}


class Bench:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.held_bytes = int(options.held * GIB)
        self.repetitions = 1 if options.quick else 3
        self.servers, self.rows, self.commands = {}, [], []
        self.lab = self.origin = None
        self.load = os.path.join(directory, "load")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    # Start and end

    def start(self):
        build = ["gcc", "-std=c17", "-O2", "-Wall", "-D_GNU_SOURCE", "-o", self.load,
                 os.path.join(servers.HERE, "load.c"), "-lssl", "-lcrypto", "-pthread"]
        subprocess.run(build, check=True)
        self.lab = lab_module.up(self.path("lab"))
        self.origin = servers.Origin(self.lab, self.path("origin"), {
            "small": SMALL, "medium": MEDIUM, "large": LARGE, "held": self.held_bytes, "broken": SMALL}).start()
        if self.options.only not in ("cache", "audit", "reload"):
            self.start_proxies()

    def start_proxies(self):
        self.fresh("dived", servers.Dived)
        self.fresh("nginx", servers.Nginx)
        why = servers.Squid.missing()
        if why is None:
            self.fresh("squid", servers.Squid)
        else:
            print(f"*** squid is NOT measured: {why} ***", file=sys.stderr)
            self.commands.append(f"squid was not measured: {why}")
        for server in self.servers.values():
            self.commands.append(f"{server.name}: {server.version()}: {' '.join(server.command)}"
                                 if server.name != "squid" else f"squid: {server.version()}")

    def fresh(self, name, kind=None):
        """A new process of this server in place of the old one."""
        old = self.servers.get(name)
        if old is not None:
            old.stop()
        kind = kind or type(old)
        count = sum(n.startswith(name) for n in os.listdir(self.directory))
        self.servers[name] = kind(self.lab, self.path(f"{name}-{count}"), self.origin)
        return self.servers[name].start()

    def stop(self):
        for server in [*self.servers.values(), self.origin]:
            if server is not None:
                server.stop()
        if self.lab is not None:
            lab_module.down(self.lab.directory)

    # Load

    def command(self, server, host, file, size, connections=1, requests=1, *more):
        return [self.load, "--to", f"127.0.0.1:{server.port}", "--host", host, "--port",
                str(self.origin.port), "--ca", server.ca, "--path", "/" + file, "--size", str(size),
                "--connections", str(connections), "--requests", str(requests),
                *(["--connect"] if server.tunnels else []), *more]

    def run(self, *args):
        done = subprocess.run(self.command(*args), capture_output=True, text=True, check=False,
                              timeout=RUN_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{args[0].name}: {done.stderr.strip()}")
        return float(done.stdout)

    def cpu(self, *args):
        """(processor seconds of the proxy, seconds) of one run."""
        root = args[0].pid
        before = process.cpu_seconds(root)
        seconds = self.run(*args)
        return process.cpu_seconds(root) - before, seconds

    def cases(self):
        return {label: (self.servers[name], host) for label, (name, host) in CASES.items()
                if name in self.servers}

    def row(self, label, value, unit, nginx=None, goal=None, note=""):
        self.rows.append((label, value, unit, value / nginx if nginx else None,
                          None if goal is None else value <= goal, note))
        print(f"  {label}: {value:.3f} {unit}", file=sys.stderr)

    # Measurements

    def compare(self, what, file, size, connections, requests, scale, unit):
        """{label: median processor seconds times `scale`}, with each case's rate."""
        used = {label: [] for label in self.cases()}
        wall = {label: [] for label in used}
        for label, (server, host) in self.cases().items():  # warm: DNS, certificates, connections
            self.run(server, host, file, size, connections, 1)
        for _ in range(self.repetitions):
            for label, (server, host) in self.cases().items():
                cpu, seconds = self.cpu(server, host, file, size, connections, requests)
                used[label].append(cpu * scale)
                wall[label].append(seconds)
        total = connections * requests
        rates = {label: total / statistics.median(values) for label, values in wall.items()}
        return {label: statistics.median(values) for label, values in used.items()}, rates

    def requests(self):
        for connections in CONNECTIONS:
            each = (1000 if self.options.quick else 4000) // (1 if connections == 1 else 4)
            medians, rates = self.compare("requests", "small", SMALL, connections, each,
                                          1000 / (connections * each), "CPU s per 1000")
            for label, value in medians.items():
                self.row(f"1 KiB, {connections} connection{'s' * (connections > 1)}: {label}", value,
                         "CPU s / 1000 requests", medians["nginx"],
                         medians["nginx"] if label in ("dived, not covered", "dived, verified") else None,
                         f"{rates[label]:.0f}/s")

    def download(self):
        sha = statistics.median(sha256_seconds() for _ in range(self.repetitions))
        times = 4 if self.options.quick else 8
        per = GIB / (times * LARGE)
        medians, rates = self.compare("download", "large", LARGE, 1, times, per, "CPU s per GiB")
        nginx = medians["nginx"]
        for label, value in medians.items():
            goal = {"dived, verified": nginx + sha, "dived, not covered": nginx}.get(label)
            self.row(f"64 MiB: {label}", value, "CPU s / GiB", nginx, goal,
                     f"{rates[label] * LARGE / (1 << 20):.0f} MiB/s")
        self.row("SHA-256 alone", sha, "CPU s / GiB", nginx)
        self.row("64 MiB: nginx + SHA-256, the goal for verified", nginx + sha, "CPU s / GiB", nginx)

    def held(self):
        rises, anonymous, cpus = [], [], []
        for _ in range(self.repetitions):
            server = self.fresh("dived")
            self.run(server, servers.COVERED, "small", SMALL, 1, 100)
            process.reset_peak(server.pid)
            before = process.memory(server.pid, "VmRSS")
            before_anonymous = process.memory(server.pid)
            with process.Sampler(server.pid) as sampler:
                cpu, _ = self.cpu(server, servers.COVERED, "held", self.held_bytes)
            rises.append(process.memory(server.pid, "VmHWM") - before)
            anonymous.append(sampler.peak - before_anonymous)
            cpus.append(cpu / self.options.held)
        label = f"{self.options.held:g} GiB held: "
        self.row(label + "rise of the peak resident set (VmHWM)", statistics.median(rises) / (1 << 20),
                 "MiB", None, HELD_RISE_MAX / (1 << 20))
        self.row(label + "rise of RssAnon, sampled", statistics.median(anonymous) / (1 << 20), "MiB")
        self.row(label + "processor time", statistics.median(cpus), "CPU s / GiB")

    @contextlib.contextmanager
    def client(self, command):
        """The load generator, "ready", for the length of the block."""
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as client:
            try:
                if client.stdout.readline() != "ready\n":
                    raise RuntimeError(f"{command}: {client.stderr.read().strip()}")
                yield client
                if client.poll() is not None:
                    raise RuntimeError(f"{command}: {client.stderr.read().strip()}")
            finally:
                client.stdin.close()
                client.kill()
                client.wait()

    def plain(self, server, host, file, size, connections, requests, *more):
        """The command for http without TLS, through the proxy."""
        return [self.load, "--to", f"127.0.0.1:{server.port}", "--plain", "--forward", "--host", host,
                "--port", str(self.origin.plain_port), "--path", "/" + file, "--size", str(size),
                "--connections", str(connections), "--requests", str(requests), *more]

    def idle_each(self, name, plain):
        server = self.fresh(name)
        host = CASES["dived, verified"][1] if name == "dived" else servers.UNCOVERED
        self.run(server, host, "small", SMALL, 8, 20)
        time.sleep(0.3)
        before = process.memory(server.pid)
        clients = ("--clients", "100") if name == "dived" else ()  # it limits connections an address
        command = (self.plain if plain else self.command)(server, host, "small", SMALL, IDLE[name], 1,
                                                          "--idle", *clients)
        with self.client(command):
            time.sleep(2)  # the origin's connections beyond those that are kept are closed
            return (process.memory(server.pid) - before) / IDLE[name]

    def idle(self):
        names = [name for name in ("nginx", "squid", "dived") if name in self.servers]
        for plain, goal in ((False, IDLE_MAX), (True, IDLE_PLAIN_MAX)):
            asked = ["dived"] if plain else names
            each = {name: statistics.median(self.idle_each(name, plain)
                                            for _ in range(self.repetitions)) for name in asked}
            for name in asked:
                self.row(f"{IDLE[name]} idle {'plain' if plain else 'intercepted'} connections: {name}",
                         each[name] / 1024, "KiB RssAnon each",
                         each["nginx"] / 1024 if "nginx" in each else None,
                         goal / 1024 if name == "dived" else None)

    def latency(self, server, clients=SMALL_CLIENTS, each=100):
        """[milliseconds: median, 95 %, 99 %, slowest]"""
        command = self.command(server, servers.COVERED, "small", SMALL, clients,
                               each // 5 if self.options.quick else each, "--latency", "--clients",
                               str(clients))
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{server.name}: {done.stderr.strip()}")
        return [float(value) for value in done.stdout.split()]

    def fair(self):
        """One hog, of one address, and small clients of an address each."""
        hogs = {"alone": None,
                "beside a hog that downloads what is held": (servers.COVERED, "medium", MEDIUM),
                "beside a hog that downloads what streams": (servers.UNCOVERED, "large", LARGE)}
        for what, hog in hogs.items():
            server = self.fresh("dived")
            self.latency(server)  # warm
            with contextlib.ExitStack() as stack:
                if hog:
                    stack.enter_context(self.client(self.command(server, *hog, HOG_CONNECTIONS, 1,
                                                                 "--endless")))
                    time.sleep(2)
                runs = [self.latency(server) for _ in range(self.repetitions)]
            for i, name in enumerate(("median", "95 %", "99 %", "slowest")):
                self.row(f"{SMALL_CLIENTS} small clients {what}: {name}",
                         statistics.median(run[i] for run in runs), "ms")

    def sign(self):
        for result in sign_bench.measure(100 if self.options.quick else 1000, 1 << 20):
            if result["jobs"] != result["cores"]:
                continue
            busy, cores = max(result["busy_cores"], result["wanted_cores"] or 0), result["cores"]
            self.rows.append((f"divectl sign, {result['files']} files, {result['hash']}", busy, "cores", None,
                              busy >= 0.9 * cores, f"of {cores}; {result['busy_cores']} given, "
                              f"{result['wall_s']} s"))

    def reload(self):
        reload_bench.measure(self)

    def audit(self):
        audit_bench.measure(self)

    def cache(self):
        cache_bench.measure(self)


def sha256_seconds():
    """Processor seconds for one GiB, the block in the cache as it is when a proxy hashes."""
    block, start = memoryview(bytes(16 << 10)), time.process_time()
    digest = hashlib.sha256()
    for _ in range(GIB // len(block)):
        digest.update(block)
    return time.process_time() - start


def versions(bench, seconds):
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False)
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        model = next((line.split(": ", 1)[1].strip() for line in f if line.startswith("model name")),
                     platform.machine())
    return [f"{time.strftime('%Y-%m-%d %H:%M:%S')}, {seconds:.0f} s, {os.cpu_count()} x {model}, "
            f"Linux {platform.release()}, load {os.getloadavg()[0]:.1f}",
            openssl.stdout.strip() + f"; {servers.WORKERS} workers each; median of {bench.repetitions}",
            *bench.commands]


def table(rows):
    texts = [("measured", "", "", "x nginx", "goal", "")]
    for label, value, unit, ratio, met, note in rows:
        texts.append((label, f"{value:.3f}", unit, f"{ratio:.2f}" if ratio is not None else "",
                      "" if met is None else "met" if met else "MISSED", note))
    widths = [max(len(row[i]) for row in texts) for i in range(6)]
    right = (False, True, False, True, False, True)
    return ["  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in
                      zip(row, widths, right)).rstrip() for row in texts]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one repetition, fewer requests")
    parser.add_argument("--only", default="requests,download,held,idle,fair,reload,audit,sign,cache")
    parser.add_argument("--held", type=float, help="GiB of the held download",
                        default=10 if os.environ.get("BENCH_FULL") == "1" else 2)
    parser.add_argument("--out", default=os.path.join(ROOT, "build", "bench.txt"))
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # what was started is stopped, always
        signal.signal(number, lambda *_: sys.exit("bench: interrupted"))
    directory = tempfile.mkdtemp(prefix="dive-bench-")
    os.chmod(directory, 0o755)  # squid runs as another user
    bench, began = Bench(options, directory), time.monotonic()
    try:
        names = options.only.split(",")
        if names != ["sign"]:
            bench.start()
        for name in names:
            getattr(bench, name)()
        lines = [*table(bench.rows), "", *versions(bench, time.monotonic() - began)]
    finally:
        bench.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print("\n".join(lines))
    os.makedirs(os.path.dirname(options.out), exist_ok=True)
    with open(options.out, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
