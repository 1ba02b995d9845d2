# SPDX-License-Identifier: BSD-2-Clause
"""What clients feel of reloads: latency while configurations with many rules are loaded, one after the other.

Every reload is another configuration: the file of rules gets a new first rule each time.
"""
import signal
import statistics
import threading
import time

import process
import servers

RULES = 100_000
CLIENTS, EACH = 4, 4000  # as much as leaves a core for the rest
ADDED_MAX_MS = 50
NAMES = ("median", "95 %", "99 %", "slowest")


def write_rules(path, version):
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"rules:\n  - {{host: v{version}.example, mode: report-only}}\n")
        f.writelines(f"  - {{host: h{i}.bench.example, mode: report-only}}\n" for i in range(RULES))


class Reloads:
    """Reloads without a pause for the length of the block."""
    def __init__(self, server, rules, log):
        self.server, self.rules, self.log = server, rules, log
        self.count, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def loaded(self):
        with open(self.log, encoding="utf-8") as f:
            return sum(" loaded" in line for line in f)

    def run(self):
        while not self.ended.is_set():
            write_rules(self.rules, self.count + 1)
            before = self.loaded()
            self.server.process.send_signal(signal.SIGHUP)
            limit = time.monotonic() + 60
            while self.loaded() == before:
                if time.monotonic() > limit:
                    raise RuntimeError(f"{self.server.name}: no reload within 60 s, see {self.log}")
                time.sleep(0.01)
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def measure(bench):
    rules, log = bench.path("rules.yaml"), bench.path("reload.log")
    write_rules(rules, 0)
    server = servers.Dived(bench.lab, bench.path("reload"), bench.origin, include=[rules],
                           log={"level": "info", "access": "null", "error": log})
    server.start()
    alone, beside, reloads, used = [], [], 0, 0.0
    try:
        bench.latency(server, CLIENTS, EACH)  # warm
        for _ in range(2 * bench.repetitions + 1):
            alone.append(bench.latency(server, CLIENTS, EACH))
            before = process.cpu_seconds(server.pid)
            with Reloads(server, rules, log) as running:
                beside.append(bench.latency(server, CLIENTS, EACH))
            reloads, used = reloads + running.count, used + process.cpu_seconds(server.pid) - before
    finally:
        server.stop()
    for i, name in enumerate(NAMES):
        bench.row(f"{RULES} rules, no reload: {name}", statistics.median(run[i] for run in alone), "ms")
    for i, name in enumerate(NAMES):
        bench.row(f"{RULES} rules, {reloads} reloads: {name}", statistics.median(run[i] for run in beside), "ms")
    bench.row(f"{RULES} rules: what reloads add to the slowest request",
              max(run[3] for run in beside) - statistics.median(run[3] for run in alone), "ms", None, ADDED_MAX_MS)
