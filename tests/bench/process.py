# SPDX-License-Identifier: BSD-2-Clause
"""What a process and all that it started use: processor seconds and memory, out of /proc."""
import os
import threading

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.02


def _stat(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return f.read().rpartition(")")[2].split()


def tree(root):
    """The pids of `root` and of everything below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(_stat(name)[1]), []).append(int(name))
            except OSError:
                continue
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root):
    """User and system time of the whole tree, with that of children which have ended."""
    ticks = 0
    for pid in tree(root):
        try:
            ticks += sum(map(int, _stat(pid)[11:15]))
        except OSError:
            continue
    return ticks / TICKS


def _status(pid, name):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            return next((int(line.split()[1]) * 1024 for line in f if line.startswith(name + ":")), 0)
    except OSError:
        return 0


def memory(root, name="RssAnon"):
    """A field of /proc/PID/status in bytes, over the whole tree."""
    return sum(_status(pid, name) for pid in tree(root))


def reset_peak(root):
    """VmHWM starts anew at what is resident now."""
    for pid in tree(root):
        with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")


class Sampler:
    """The highest RssAnon of the tree while the `with` block runs, in .peak."""

    def __init__(self, root):
        self.root, self.peak = root, 0
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while True:
            self.peak = max(self.peak, memory(self.root))
            if self.end.wait(SAMPLE_SECONDS):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()
