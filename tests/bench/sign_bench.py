#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""divectl sign over 1,000 files: how many cores it keeps busy, by number of jobs.

    sign_bench.py [--files 1000] [--bytes 1048576]

Busy cores are (user + system time) / wall time. On a machine with other work to do, that is what the
others leave; so wanted cores adds the time for which a thread was ready and waited for a core (sampled
from /proc/PID/task/*/schedstat): what it would keep busy alone. The files are in the page cache. DIVECTL
names another binary. Prints one JSON line a run.
"""
import argparse
import json
import os
import resource
import subprocess
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DIVECTL = os.path.abspath(os.environ.get("DIVECTL", os.path.join(ROOT, "build", "divectl")))


def demand(pid):
    """Seconds of running and of waiting for a core, over all threads that live."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            ran, waited, _ = f.read().split()
        total += int(ran) + int(waited)
    return total / 1e9


def run(jobs, args):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    most, wanted = 0, None
    process = subprocess.Popen([DIVECTL, "sign", "--jobs", str(jobs), *args], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            seconds = demand(process.pid)
            if seconds > most:  # less: threads have ended
                most, wanted = seconds, seconds / (time.monotonic() - start)
        except (OSError, ValueError):
            pass  # a thread, or all of it, has just ended
        time.sleep(0.02)
    if process.returncode != 0:
        raise SystemExit(f"divectl sign: exit {process.returncode}")
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {"jobs": jobs, "wall_s": round(wall, 3), "user_s": round(user, 3), "system_s": round(system, 3),
            "busy_cores": round((user + system) / wall, 2),
            "wanted_cores": round(wanted, 2) if most else None}


def measure(files, size):
    """Yields one result for each set of hashes and number of jobs."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="dive-sign-bench-") as folder:
        key = os.path.join(folder, "key.pem")
        subprocess.run([DIVECTL, "keygen", key, "--keyid", "k@bench.example"], stdout=subprocess.DEVNULL, check=True)
        names = []
        for i in range(files):
            names.append(os.path.join(folder, str(i)))
            with open(names[-1], "wb") as f:
                f.write(i.to_bytes(8, "big") * (size // 8))
        listed = os.path.join(folder, "list")
        with open(listed, "w", encoding="ascii") as f:
            f.write("\n".join(names))
        for hashes in ("sha-256", "all"):
            args = ["--files-from", listed, "--key", key, "--keyid", "k", "--hash", hashes]
            for jobs in sorted({1, cores, 2 * cores}):
                yield {"files": files, "bytes": size, "hash": hashes, "cores": cores, **run(jobs, args)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=1 << 20)
    options = parser.parse_args()
    for result in measure(options.files, options.bytes):
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
