# SPDX-License-Identifier: BSD-2-Clause
"""A machine that boots: systemd as process 1 of a container, on what this machine has installed.

Its root is an overlay over ours in memory, so whatever is installed or changed there is gone with it. It has our
network: what listens on loopback here, the lab, is there too. Everything in it ends with it. Needs root.
"""
import contextlib
import os
import shutil
import subprocess
import tempfile
import time

START_SECONDS = 60
# systemd-nspawn's filter is older than Landlock's use in services.
CALLS = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"


def run(*args, check=True, **how):
    done = subprocess.run(args, capture_output=True, text=True, check=False, timeout=120, **how)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: {done.stdout}{done.stderr}")
    return done


def why_not():
    """A reason why a machine can't be had here, or None."""
    if os.geteuid() != 0:
        return "it needs root"
    for tool in ("systemd-nspawn", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed: make deps"
    if not os.path.exists("/lib/systemd/systemd"):
        return "systemd is not installed: make deps"
    with Root() as root:
        return root.wrong


class Root:
    """The overlay. `wrong`: why there is none."""

    def __init__(self):
        self.base = self.path = self.wrong = None

    def __enter__(self):
        self.base = tempfile.mkdtemp(prefix="dived-machine-")
        self.path = os.path.join(self.base, "root")
        try:
            run("mount", "-t", "tmpfs", "-o", "mode=755", "dived-machine", self.base)
            for name in ("upper", "work", "root"):
                os.mkdir(os.path.join(self.base, name), 0o755)
            run("mount", "-t", "overlay", "-o",
                f"lowerdir=/,upperdir={self.base}/upper,workdir={self.base}/work", "dived-machine", self.path)
        except RuntimeError as error:
            self.wrong = f"no overlay over /: {error}"
        return self

    def __exit__(self, *_):
        for path in (self.path, self.base):
            if os.path.ismount(path):
                run("umount", path)
        os.rmdir(self.base)


class Machine:
    """Write to `root` first, then start()."""

    def __init__(self):
        self.mounted = Root()
        self.root = self.process = self.leader = self.log = None

    def __enter__(self):
        self.root = self.mounted.__enter__().path
        if self.mounted.wrong:
            raise RuntimeError(self.mounted.wrong)
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.log.close()
        self.mounted.__exit__()

    def file(self, path, text, mode=0o644):
        where = self.root + path
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(where, mode)

    def start(self):
        """Boots no further than to sysinit.target: none of the services that are enabled on this machine."""
        self.log = open(os.path.join(self.mounted.base, "console"), "w+b")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--directory", self.root, "--register=no", "--keep-unit",
             "--machine", "dived-test", "--system-call-filter", CALLS, "--console=pipe", "--boot", "--",
             "--unit=sysinit.target"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            self.leader = self._leader()
            if self.leader and self.run("systemctl", "is-active", "sysinit.target", check=False).returncode == 0:
                return self
            time.sleep(0.1)
        raise RuntimeError("the machine didn't start:\n" + self.console())

    def _leader(self):
        with contextlib.suppress(OSError):
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
                for pid in f.read().split():
                    with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                        if comm.read().strip() == "systemd":
                            return pid
        return None

    def console(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()[-4000:]

    def run(self, *args, check=True):
        """A command in the machine, as root."""
        return run("nsenter", "--target", self.leader, "--all", *args, check=check)

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit", unit).stdout
