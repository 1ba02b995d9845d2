# SPDX-License-Identifier: BSD-2-Clause
"""What log, metrics and audit store cost together: dived with them and without, in turns.

Verified responses are logged and counted; of those that fail, in report-only, each is a row of the store with its
proof. Processor time is that of all of dived's threads, so the store's own too.
"""
import statistics
import time

import servers

QUIET = {"log": {"level": "warning", "access": "null"}}
KINDS = {  # what is asked for: label -> (file, changes of both)
    "verified": ("small", {}),
    "all failing, report-only": ("broken", {"dive": {"mode": "report-only", "reports": "off"}}),
}
GOAL = 1.05


def settings(bench, kind, audited, number):
    changes = dict(KINDS[kind][1])
    if not audited:
        return {**QUIET, **changes}
    return {"log": {"level": "warning", "access": bench.path(f"access-{number}.log")},
            "audit": {"file": bench.path(f"audit-{number}.db")}, **changes}


def measure(bench):
    size, connections = 1024, 8
    each = 500 if bench.options.quick else 2000
    for number, (kind, (file, _)) in enumerate(KINDS.items()):
        pair = {}
        try:
            for audited in (False, True):
                server = servers.Dived(bench.lab, bench.path(f"audited-{number}-{audited}"), bench.origin,
                                       **settings(bench, kind, audited, number))
                pair[audited] = server.start()
                bench.run(server, servers.COVERED, file, size, connections, 50)
            used = {False: [], True: []}
            for _ in range(2 * bench.repetitions + 1):
                for audited, server in pair.items():
                    cpu, _ = bench.cpu(server, servers.COVERED, file, size, connections, each)
                    used[audited].append(cpu)
                time.sleep(0.2)
        finally:
            for server in pair.values():
                server.stop()
        scale = 1000 / (connections * each)
        without, with_it = (statistics.median(used[a]) * scale for a in (False, True))
        bench.row(f"{kind}: without log and audit", without, "CPU s / 1000 requests")
        bench.rows.append((f"{kind}: with both", with_it, "CPU s / 1000 requests", None,
                           with_it / without <= GOAL if kind == "verified" else None,
                           f"x {with_it / without:.3f} of without"))
