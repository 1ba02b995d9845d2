# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the scenarios: one lab for the session, dived with the lab's settings, dived with others.

    /usr/bin/python3 -m pytest tests/scenarios -q

DIVED and DIVECTL name other binaries (a sanitizer build); LAB_DIR names a lab that is up already.
"""
import os
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))

import lab as labmodule           # noqa: E402  the path is set above
import proxy as proxymodule       # noqa: E402

# Short, so that what must time out does so within a test's patience.
SHORT = {"client-head": "2s", "client-idle": "5s", "client-body": "2s", "client-write": "3s",
         "tls-handshake": "2s", "origin-head": "2s", "origin-idle": "2s", "tunnel-idle": "5s",
         "drain": "5s"}


def pytest_configure():
    """SIGTERM (a timeout of the run) lets the fixtures clean up, as SIGINT does."""
    def stop(*_):
        pytest.exit("ended by SIGTERM", 143)

    signal.signal(signal.SIGTERM, stop)


@pytest.fixture(scope="session")
def lab():
    if os.environ.get("LAB_DIR"):
        yield labmodule.Lab(os.environ["LAB_DIR"])
        return
    directory = tempfile.mkdtemp(prefix="dive-lab-")
    os.chmod(directory, 0o755)  # for the scenario of an ordinary user
    try:
        yield labmodule.up(directory, tied=True)
    finally:
        labmodule.down(directory)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def binary():
    path = proxymodule.dived_path()
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not there: run make, or name another with DIVED")
    return path


def finish(running, request):
    wrong = running.stop()
    if wrong is None and not (hasattr(request.node, "failed") and request.node.failed):
        running.remove()
    assert wrong is None, f"{wrong}\n(files: {running.directory})"


@pytest.fixture
def dived(lab, binary, request):
    """A factory: dived(section={...}) starts one with changed settings; it must end cleanly."""
    started = []

    def start(**how):
        one = proxymodule.Proxy(lab, binary=binary, **how)
        started.append(one)
        return one.start()

    yield start
    for one in started:
        finish(one, request)


class Shared:
    """dived with the lab's settings, started when first wanted and again should it have died."""

    def __init__(self, lab, binary):
        self.lab, self.binary, self.running = lab, binary, None

    def get(self):
        if self.running is None:
            self.running = proxymodule.Proxy(self.lab, binary=self.binary,
                                             timeouts=SHORT).start()
        return self.running


@pytest.fixture(scope="session")
def shared(lab, binary, request):
    one = Shared(lab, binary)
    yield one
    if one.running is not None:
        finish(one.running, request)


@pytest.fixture
def proxy(shared):
    """The shared dived. A test after which it is gone has failed, whatever it was about."""
    running = shared.get()
    yield running
    if not running.alive():
        shared.running = None
        pytest.fail("dived ended during this test:\n" + str(running.stop()))


@pytest.fixture
def faulty_dns(lab, dived):
    """A factory like `dived`, with the misbehaving DNS server in between; faults end with the test."""
    def start(**how):
        dns = {"forward": [f"127.0.0.1@{lab.ports['dnsproxy']}"], "timeout": "2s"}
        dns.update(how.pop("dns", {}))
        return dived(dns=dns, **how)

    yield start
    lab.faults({})


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    item.failed = getattr(item, "failed", False) or outcome.get_result().failed
