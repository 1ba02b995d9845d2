# SPDX-License-Identifier: BSD-2-Clause
"""dived as a service of a real systemd, from what `make install` puts into place: units, sandbox, credentials."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

import machine as machinemodule
import proxy as proxymodule
import pytest
from expect import eventually

GOOD, BAD, HOST = "/01/size-1k", "/01/size-1k-flipped", "dive01.example"
WATCHDOG_SECONDS = 4
CONFIG = "/etc/dived/dived.yaml"
DROP_INS = "/etc/systemd/system/dived.service.d"
DOC = "/usr/local/share/doc/dived"


def low_port():
    """A free one that only root, or who has the capability, may listen on."""
    for port in range(1000, 900, -1):
        with contextlib.closing(socket.socket()) as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    pytest.skip("no port below 1024 is free")


class Service:
    def __init__(self, lab, machine):
        self.lab, self.machine = lab, machine
        self.port = proxymodule.free_port()
        self.ca = machine.root + "/var/lib/dived/ca.crt"
        for name, path in (("anchor", lab.anchor), ("origin-ca.crt", lab.origin_ca)):
            shutil.copyfile(path, f"{machine.root}/etc/dived/{name}")
            os.chmod(f"{machine.root}/etc/dived/{name}", 0o644)

    def configure(self, **changes):
        base = proxymodule.settings(self.lab, "/var/lib/dived", self.port)
        own = {"admin": {"socket": "/run/dived/control.sock"},
               "origins": {"ca-file": "/etc/dived/origin-ca.crt"}, "dns": {"trust-anchor-file": "/etc/dived/anchor"},
               "hold": {"directory": "/var/cache/dived/hold"}, "cache": {"directory": "/var/cache/dived/objects"},
               "log": {"access": "/var/log/dived/access.log", "level": "info"}}
        config = proxymodule.merged(proxymodule.merged(base, own), changes)
        self.machine.file(CONFIG, proxymodule.yaml(config))

    def drop_in(self, name, text=None):
        if text is None:
            with open(f"{self.machine.root}{DOC}/{name}", encoding="utf-8") as f:
                text = f.read()
        self.machine.file(f"{DROP_INS}/{name}", text)

    def ctl(self, *args, check=True):
        return self.machine.run("systemctl", *args, check=check)

    def start(self):
        self.ctl("daemon-reload")
        self.ctl("restart", "dived")

    def show(self, name):
        return self.ctl("show", "--value", "--property", name, "dived").stdout.strip()

    def state(self):
        return self.show("ActiveState")

    def get(self, path, port=None):
        """(status, body, curl's words)"""
        with tempfile.TemporaryDirectory() as folder:
            body = os.path.join(folder, "body")
            done = subprocess.run(
                ["curl", "-q", "-sS", "-o", body, "-w", "%{http_code}", "--max-time", "30", "--proxy",
                 f"http://127.0.0.1:{port or self.port}", "--cacert", self.ca, self.lab.url(HOST, path, "https")],
                capture_output=True, text=True, check=False)
            content = b""
            with contextlib.suppress(FileNotFoundError), open(body, "rb") as f:
                content = f.read()
        return int(done.stdout or 0), content, done.stderr

    def works(self, port=None):
        """Lets through what is signed and nothing else."""
        want = {r.path: r.body for r in self.lab.catalogue("01")}[GOOD]
        status, body, words = self.get(GOOD, port)
        assert (status, body) == (200, want), (status, words, self.machine.journal("dived")[-3000:])
        status, body, words = self.get(BAD, port)
        assert status == 403 and b"signature-mismatch" in body, (status, words)

    def processes(self):
        """{comm: {field of /proc/PID/status: value}} of the service's control group."""
        found = {}
        listed = self.machine.run("sh", "-c", "grep -l /dived.service /proc/[0-9]*/cgroup", check=False).stdout
        for path in listed.split():
            text = self.machine.run("cat", os.path.dirname(path) + "/status").stdout
            fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
            found[fields["Name"]] = fields
        return found


@pytest.fixture(scope="module")
def machine():
    if "sanitizer" in proxymodule.dived_path():
        pytest.skip("the units' sandbox is for the plain build")
    wrong = machinemodule.why_not()
    if wrong:
        pytest.skip(f"no machine that boots systemd here: {wrong}")
    with machinemodule.Machine() as one:
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        done = subprocess.run(["make", "install", f"DESTDIR={one.root}"], cwd=proxymodule.ROOT, env=env,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        yield one.start()


@pytest.fixture(scope="module")
def installed(lab, machine):
    """As `docs/getting-started.md` has it: the user is made by systemd-sysusers."""
    machine.run("systemd-sysusers")
    return Service(lab, machine)


@pytest.fixture
def service(installed):
    """Running, with the unit as it is but for a watchdog that a test can wait for."""
    shutil.rmtree(installed.machine.root + DROP_INS, ignore_errors=True)
    installed.drop_in("watchdog.conf", f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}s\n")
    installed.configure()
    installed.ctl("reset-failed", "dived", check=False)
    installed.start()
    yield installed
    installed.ctl("stop", "dived.socket", "dived", check=False)


def test_a_service_is_confined_and_works(service):
    service.works()
    for name, fields in service.processes().items():
        assert int(fields["CapEff"], 16) == 0 and int(fields["CapBnd"], 16) == 0, (name, fields)
        assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", (name, fields)
        assert fields["Uid"].split()[0] != "0", (name, fields)
    assert set(service.processes()) == {"dived", "dived-keeper", "dived-signer", "dived-launcher"}
    said = service.machine.journal("dived")
    landlock = "this kernel has no Landlock" not in said
    assert f"sandbox: seccomp on, Landlock {'on' if landlock else 'off'}" in said
    exposure = service.machine.run("systemd-analyze", "security", "dived", "--no-pager").stdout
    assert float(re.search(r"exposure level for dived.service: ([0-9.]+)", exposure)[1]) <= 2.0


def test_a_stop_leaves_no_process_to_be_killed(service):
    service.works()
    before = len(service.machine.journal("dived"))
    service.ctl("stop", "dived")
    assert service.show("Result") == "success"
    assert "SIGKILL" not in service.machine.journal("dived")[before:]


def test_a_bad_configuration_fails_the_reload_and_changes_nothing(service):
    pid = service.show("MainPID")
    service.ctl("reload", "dived")
    service.configure(dive={"mode": "enfroce"})
    done = service.ctl("reload", "dived", check=False)
    assert done.returncode != 0
    assert "did you mean enforce?" in service.machine.journal("dived")
    assert service.state() == "active" and service.show("MainPID") == pid
    service.works()
    service.configure(dive={"mode": "off"})
    service.ctl("reload", "dived")
    assert service.get(BAD)[0] == 200


def test_a_start_with_a_bad_configuration_is_not_repeated(service):
    service.configure(dive={"mode": "enfroce"})
    assert service.ctl("restart", "dived", check=False).returncode != 0
    time.sleep(1)  # RestartSec is a tenth of that
    assert service.state() == "failed" and service.show("ExecMainStatus") == "78"
    assert service.show("NRestarts") == "0"


def test_an_upgrade_stays_one_service(service):
    before = service.show("MainPID")
    service.machine.run("/usr/local/bin/divectl", "upgrade")
    eventually(lambda: service.show("MainPID") != before)
    service.works()
    service.ctl("reload", "dived")
    time.sleep(2 * WATCHDOG_SECONDS)
    assert service.state() == "active" and service.show("NRestarts") == "0"
    service.ctl("stop", "dived")
    assert service.show("Result") == "success"


def test_a_service_that_hangs_is_started_anew(service):
    restarts = int(service.show("NRestarts"))
    service.machine.run("kill", "-STOP", service.show("MainPID"))
    eventually(lambda: int(service.show("NRestarts")) == restarts + 1, seconds=60)
    eventually(lambda: service.state() == "active", seconds=30)
    service.works()


def test_the_key_as_a_credential_is_out_of_the_users_reach(service):
    key = "/etc/dived/private/ca.key"
    service.ctl("stop", "dived")
    os.makedirs(service.machine.root + os.path.dirname(key), mode=0o700, exist_ok=True)
    service.machine.run("mv", "/var/lib/dived/ca.key", key)
    try:
        service.machine.run("chown", "root:root", key)
        service.drop_in("ca-key.conf")
        service.configure(interception={"ca-key": "credential:ca.key"})
        service.start()
        service.works()
        readable = service.machine.run("setpriv", "--reuid=dived", "--clear-groups", "cat", key, check=False)
        assert readable.returncode != 0
        service.ctl("reload", "dived")
        before = service.show("MainPID")
        service.machine.run("/usr/local/bin/divectl", "upgrade")
        eventually(lambda: service.show("MainPID") != before)
        service.works()
    finally:
        service.ctl("stop", "dived")
        service.machine.run("mv", key, "/var/lib/dived/ca.key")
        service.machine.run("chown", "dived:dived", "/var/lib/dived/ca.key")


def test_clients_wait_in_the_socket_while_the_service_starts(service):
    service.ctl("stop", "dived")
    service.machine.file("/etc/systemd/system/dived.socket.d/port.conf",
                         f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{service.port}\n")
    service.ctl("daemon-reload")
    service.ctl("start", "dived.socket")
    assert service.state() == "inactive"
    service.works()
    assert service.state() == "active"
    service.ctl("restart", "--no-block", "dived")
    for _ in range(10):
        service.works()


def test_the_gateways_drop_in_gives_the_two_capabilities_it_needs(service):
    port = low_port()
    service.drop_in("transparent.conf")
    service.configure(listeners=[
        {"address": f"127.0.0.1:{port}", "mode": "explicit"},
        {"address": f"127.0.0.1:{proxymodule.free_port()}", "mode": "transparent", "tproxy": True}])
    service.start()
    service.works(port)
    before = service.show("MainPID")
    service.machine.run("/usr/local/bin/divectl", "upgrade")
    eventually(lambda: service.show("MainPID") != before)
    service.works(port)
    exposure = service.machine.run("systemd-analyze", "security", "dived", "--no-pager").stdout
    assert float(re.search(r"exposure level for dived.service: ([0-9.]+)", exposure)[1]) <= 2.0
