# SPDX-License-Identifier: BSD-2-Clause
"""What the running daemon has given up: looked at from outside, in /proc, and by asking for more."""
import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess

import proxy as proxymodule
import pytest
from expect import eventually, released

GOOD, HOST = "/01/size-1k", "dive01.example"
NOBODY = 65534
SANITIZED = "sanitizer" in proxymodule.dived_path()
CAP_NET_BIND_SERVICE = 1 << 10

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
not_sanitized = pytest.mark.skipif(SANITIZED, reason="a sanitizer build has no sandbox")


def landlock_abi():
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


needs_landlock = pytest.mark.skipif(landlock_abi() < 2, reason="this kernel has no Landlock of version 2 or later")


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01")}


def status(pid, task=None):
    where = f"/proc/{pid}/status" if task is None else f"/proc/{pid}/task/{task}/status"
    with open(where, encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def children(pid):
    """{comm: pid} of all processes below this one."""
    found, todo = {}, [pid]
    while todo:
        one = todo.pop()
        with contextlib.suppress(OSError):
            with open(f"/proc/{one}/task/{one}/children", encoding="ascii") as f:
                below = [int(word) for word in f.read().split()]
            for child in below:
                with open(f"/proc/{child}/comm", encoding="ascii") as f:
                    found[f.read().strip()] = child
                todo.append(child)
    return found


@not_sanitized
def test_every_thread_is_confined(proxy):
    pid = proxy.process.pid
    tasks = os.listdir(f"/proc/{pid}/task")
    assert len(tasks) > 2
    for task in tasks:
        now = status(pid, task)
        assert now["Seccomp"] == "2" and now["NoNewPrivs"] == "1", now
        for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(now[name], 16) == 0, now
        if os.geteuid() == 0:
            assert int(now["CapBnd"], 16) == 0, now


@not_sanitized
def test_there_is_no_core_dump(proxy):
    with open(f"/proc/{proxy.process.pid}/limits", encoding="ascii") as f:
        line = next(l for l in f if l.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"], line


@not_sanitized
def test_it_can_be_left_out(dived, lab, body):
    one = dived(sandbox={"seccomp": False, "landlock": False})
    assert status(one.process.pid)["Seccomp"] == "0"
    assert "seccomp off, Landlock off" in one.stderr()
    released(one.curl(lab.url(HOST, GOOD)), body[GOOD])


def for_nobody(lab, **changes):
    """A dived that is started as root and becomes nobody, in a folder of theirs."""
    one = proxymodule.Proxy(lab, process={"user": "nobody"}, **changes)
    for sub in ("hold", "objects", "state"):
        os.makedirs(os.path.join(one.directory, sub), exist_ok=True)
        os.chown(os.path.join(one.directory, sub), NOBODY, -1)
    os.chown(one.directory, NOBODY, -1)
    return one


@contextlib.contextmanager
def running(one):
    try:
        yield one.start()
        assert one.stop() is None
    finally:
        if one.process is not None:
            one.process.kill()
            one.process.wait()
        one.remove()


@needs_root
def test_root_becomes_the_user(lab, body):
    with running(for_nobody(lab)) as one:
        now = status(one.process.pid)
        assert set(now["Uid"].split()) == {str(NOBODY)} and "0" not in now["Gid"].split(), now
        assert "0" not in now["Groups"].split(), now
        assert int(now["CapEff"], 16) == 0 and int(now["CapPrm"], 16) == 0, now
        assert "runs as root" not in one.stderr()
        released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
        # The key was made by the process that has it, before it gave root up: the daemon can't read it.
        assert os.stat(os.path.join(one.directory, "ca.key")).st_uid == 0
        below = children(one.process.pid)
        assert set(status(below["dived-signer"])["Uid"].split()) == {str(NOBODY)}, below
        one.reload(trace={"entries": 5})
        eventually(lambda: " loaded" in one.stderr(), what="the reload")
        released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])


@needs_root
@not_sanitized
def test_its_own_user_cannot_look_into_it(lab):
    with running(for_nobody(lab)) as one:
        for pid in (one.process.pid, children(one.process.pid)["dived-signer"]):
            done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "head", "-c1",
                                   f"/proc/{pid}/environ"], capture_output=True, text=True, check=False)
            assert done.returncode != 0 and "Permission denied" in done.stderr, done


@needs_root
def test_low_ports_stay_possible_where_there_are_some(lab):
    address = "127.83.11.7"
    try:
        with socket.socket() as s:
            s.bind((address, 81))
    except OSError as e:
        pytest.skip(f"low ports can't be had here: {e}")
    one = for_nobody(lab)
    write = lambda *ports: proxymodule.write_config(
        lab, one.config_path, one.directory, 0,
        **{**one.changes, "listeners": [{"address": f"{address}:{port}"} for port in ports]})
    write(81)
    process = subprocess.Popen([one.binary, "-c", one.config_path], cwd=one.directory, stderr=subprocess.PIPE, text=True,
                               preexec_fn=proxymodule.die_with_parent)
    try:
        eventually(lambda: connects(address, 81), what="listening on a low port")
        now = status(process.pid)
        assert int(now["CapEff"], 16) == CAP_NET_BIND_SERVICE and now["Uid"].split()[1] == str(NOBODY), now
        write(81, 82)
        process.send_signal(signal.SIGHUP)
        eventually(lambda: connects(address, 82), what="another low port")
    finally:
        process.terminate()
        assert process.wait(20) == 0, process.stderr.read()
        one.remove()


def connects(address, port):
    with contextlib.closing(socket.socket()) as s:
        return s.connect_ex((address, port)) == 0


def test_a_user_that_is_not_there_is_said(lab, binary, tmp_path):
    path = str(tmp_path / "dived.yaml")
    proxymodule.write_config(lab, path, str(tmp_path), proxymodule.free_port(), process={"user": "no-such-user"})
    for more in (["--check"], []):
        done = subprocess.run([binary, "-c", path, *more], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 78 and "no-such-user" in done.stderr, done


def test_only_root_becomes_somebody_else(lab, binary):
    if os.geteuid() != 0:
        pytest.skip("the other case needs root to be set up")
    one = for_nobody(lab)
    os.chmod(one.directory, 0o755)
    one.wrapper = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    one.changes["process"] = {"user": "root"}
    with pytest.raises(RuntimeError, match="only root can become"):
        one.start()
    one.process = None
    one.remove()


# Reload

@not_sanitized
@needs_landlock
@pytest.mark.parametrize("change", [
    lambda d: {"hold": {"directory": d}},
    lambda d: {"log": {"access": os.path.join(d, "access.log")}},
], ids=["hold", "log"])
def test_places_that_were_not_opened_take_a_restart(dived, lab, body, change):
    elsewhere = subprocess.run(["mktemp", "-d", "-p", "/var/tmp"], capture_output=True, text=True,
                               check=True).stdout.strip()
    try:
        one = dived()
        one.reload(**change(elsewhere))
        said = eventually(lambda: re.search(r"error.*(" + re.escape(elsewhere) + r".*takes a restart)", one.stderr()),
                          what="the refusal")
        assert "for writing" in said.group(1)
        released(one.curl(lab.url(HOST, GOOD)), body[GOOD])
        assert not os.listdir(elsewhere)
        assert one.stop() is None
        one.start()
        assert one.curl(lab.url(HOST, GOOD, "https")).body == body[GOOD]  # the log may be elsewhere
    finally:
        shutil.rmtree(elsewhere)


@not_sanitized
def test_what_is_inside_can_be_changed_and_replaced(dived, lab, body):
    """Another file in an open folder, and files that are replaced by others of the same name."""
    one = dived(log={"error": "-"})
    anchor = os.path.join(one.directory, "anchor.key")
    shutil.copy(lab.anchor, anchor)
    one.reload(dns={"trust-anchor-file": anchor})
    eventually(lambda: one.stderr().count(" loaded") == 1, what="the reload")
    shutil.copy(lab.anchor, anchor + ".new")
    os.rename(anchor + ".new", anchor)
    os.rename(one.config_path, one.config_path + ".old")
    one.reload(trace={"entries": 7})
    eventually(lambda: one.stderr().count(" loaded") == 2, what="the second reload")
    os.rename(one.log_path, one.log_path + ".1")
    one.signal(signal.SIGUSR1)
    eventually(lambda: os.path.exists(one.log_path), what="a new log")
    released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])


@not_sanitized
@needs_landlock
@pytest.mark.parametrize("option", ["trust-anchor-file", "auto-trust-anchor-file"])
def test_files_of_the_resolvers_own_options_are_inside(dived, lab, body, tmp_path, option):
    """In a folder that no other key names."""
    anchor, hints = tmp_path / "anchor.key", tmp_path / "root.hints"
    shutil.copy(lab.anchor, anchor)
    hints.write_text(". 3600000 NS a.root-servers.net.\na.root-servers.net. 3600000 A 127.0.0.1\n", "ascii")
    one = dived(dns={"trust-anchor-file": "null", "unbound": {option: str(anchor), "root-hints": str(hints)}})
    assert "Landlock on" in one.stderr()
    released(one.curl(lab.url(HOST, GOOD)), body[GOOD])
    if option.startswith("auto"):
        eventually(lambda: "autotrust" in anchor.read_text("ascii"), what="the resolver's own note in it")


# The unit

@pytest.mark.parametrize("unit", ["dived.service"])
def test_exposure_of_the_unit(unit):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not there: make deps")
    path = os.path.join(proxymodule.ROOT, "systemd", unit)
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", path], capture_output=True,
                          text=True, timeout=60, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done
    assert float(found.group(1)) <= 2.0 and done.returncode == 0, done.stdout
