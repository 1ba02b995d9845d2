# SPDX-License-Identifier: BSD-2-Clause
"""Logs: rotated, on a full disk, to journald and to syslog; and none of it ever stops a request."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

import proxy as proxymodule
import pytest
from expect import eventually

GOOD, FLIPPED, HOST = "/01/size-1k", "/01/size-1k-flipped", "dive01.example"
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def lines_of(path):
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as f:
        return f.read().splitlines()
    return []


# Rotation

def test_no_line_is_lost_while_logs_are_rotated(dived, lab):
    one = dived()
    stop, asked = threading.Event(), []

    def ask():
        while not stop.is_set():
            one.curl(lab.url(HOST, GOOD))
            asked.append(1)

    thread = threading.Thread(target=ask)
    thread.start()
    for i in range(5):
        os.rename(one.log_path, f"{one.log_path}.{i}")
        one.signal(signal.SIGUSR1)
        eventually(lambda: os.path.exists(one.log_path) and lines_of(one.log_path), 10, "lines in the new file")
    stop.set()
    thread.join(30)
    files = [one.log_path] + [f"{one.log_path}.{i}" for i in range(5)]
    eventually(lambda: sum(len(lines_of(f)) for f in files) == len(asked), 10, "a line for each request")
    for path in files:
        for line in lines_of(path):
            json.loads(line)


def test_the_packaged_logrotate_file_is_sound(tmp_path):
    if shutil.which("logrotate") is None:
        pytest.skip("no logrotate here")
    with open(os.path.join(ROOT, "conf", "debian", "dived.logrotate"), encoding="utf-8") as f:
        text = f.read()
    path = tmp_path / "dived"
    path.write_text(text.replace("su dived dived", "su root root").replace("0640 dived dived", "0640 root root"))
    os.chmod(path, 0o644)
    done = subprocess.run(["logrotate", "--debug", "--state", str(tmp_path / "state"), str(path)],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0 and "error" not in done.stderr.lower(), done.stderr


# A full disk

@pytest.fixture
def tiny(tmp_path):
    """A file system of 64 KiB."""
    path = tmp_path / "tiny"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)],
                          capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no tmpfs can be mounted here: " + done.stderr.decode())
    os.chmod(path, 0o777)
    yield str(path)
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def lost(one):
    done = one.divectl("status", "--json", "--socket", os.path.join(one.directory, "control.sock"))
    return json.loads(done.stdout)["log_lines_lost"]


def test_a_full_log_disk_drops_lines_and_says_so_when_it_is_back(dived, lab, tiny):
    path = os.path.join(tiny, "access.log")
    one = dived(log={"access": path})
    with contextlib.suppress(OSError), open(os.path.join(tiny, "ballast"), "wb", buffering=0) as f:
        while True:
            f.write(bytes(4096))
    for _ in range(15):
        assert one.curl(lab.url(HOST, GOOD)).status == 200
    eventually(lambda: lost(one) > 0, 10, "lost lines")
    eventually(lambda: "could not be written (No space left" in one.stderr(), 10, "the complaint")
    os.unlink(os.path.join(tiny, "ballast"))
    assert one.curl(lab.url(HOST, FLIPPED)).status == 403
    eventually(lambda: "the access log takes lines again" in one.stderr(), 10, "that it is back")
    eventually(lambda: FLIPPED in lines_of(path)[-1], 10, "the line")
    json.loads(lines_of(path)[-1])


# journald

@contextlib.contextmanager
def datagrams(path):
    """A socket as journald has it; the datagrams that come are appended to the list."""
    got = []
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as s:
        s.bind(path)
        os.chmod(path, 0o777)

        def read():
            with contextlib.suppress(OSError):
                while piece := s.recv(1 << 18):
                    got.append(piece.decode())

        threading.Thread(target=read, daemon=True).start()
        yield got


def entry_of(datagram):
    """journald's native protocol, the lines that have a name and a value."""
    assert datagram.endswith("\n")
    return dict(line.split("=", 1) for line in datagram.rstrip("\n").split("\n"))


def test_journald_gets_a_field_for_each_value(dived, lab, tmp_path):
    path = str(tmp_path / "journal")
    with datagrams(path) as got:
        one = dived(log={"access": f"journald:{path}", "error": f"journald:{path}", "level": "info"})
        one.curl(lab.url(HOST, FLIPPED, "https"))
        one.curl(lab.url(HOST, GOOD))
        one.raw(f"GET http://{HOST}:{lab.ports['http']}/a HTTP/1.1\r\nHost: other\r\n"
                "Connection: close\r\n\r\n".encode())
        find = lambda word: next((entry_of(d) for d in got if word in d), None)
        blocked = eventually(lambda: find("DIVED_ACTION=blocked"), 10, "the blocked one")
        assert blocked["PRIORITY"] == "4" and blocked["SYSLOG_IDENTIFIER"] == "dived", blocked
        assert blocked["DIVED_REASON"] == "signature-mismatch" and blocked["DIVED_VERDICT"] == "failed"
        assert blocked["DIVED_HOST"] == HOST and blocked["DIVED_STATUS"] == "403", blocked
        assert len(blocked["DIVED_EXCHANGE"]) == 24 and FLIPPED in blocked["MESSAGE"], blocked
        released = eventually(lambda: find("DIVED_ACTION=released"), 10, "the released one")
        assert released["PRIORITY"] == "6" and "DIVED_REASON" not in released and "DIVED_TS" not in released
        start = eventually(lambda: find("MESSAGE=main: dived"), 10, "the start")
        assert start["PRIORITY"] == "6" and start["DIVED_AREA"] == "main", start


def test_a_journald_that_is_not_there_stops_nothing(dived, lab, tmp_path):
    one = dived(log={"access": f"journald:{tmp_path}/absent"})
    assert one.curl(lab.url(HOST, GOOD)).status == 200
    eventually(lambda: lost(one) > 0, 10, "lost lines")
    with datagrams(f"{tmp_path}/absent") as got:
        eventually(lambda: one.curl(lab.url(HOST, GOOD)).status == 200 and got, 15, "the journal that came up")


def test_a_log_that_nobody_reads_stops_nothing(dived, lab, tmp_path):
    """The receiver's queue is full for ever."""
    path = str(tmp_path / "stuck")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as s:
        s.bind(path)
        one = dived(log={"access": f"journald:{path}"})
        for _ in range(40):
            assert one.curl(lab.url(HOST, GOOD)).status == 200


# syslog

RSYSLOG = """
global(workDirectory="{work}")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imtcp")
template(name="all" type="string" string="%inputname%|%pri%|%timestamp:::date-rfc3339%|%app-name%|%procid%|%msgid%|%msg%\\n")
ruleset(name="all") {{ action(type="omfile" file="{work}/out" template="all" flushOnTXEnd="on") }}
input(type="imuxsock" Socket="{work}/log" UseSpecialParser="off" ruleset="all" UseSysTimeStamp="off"
      IgnoreTimestamp="off" RateLimit.Interval="0")
input(type="imudp" address="127.0.0.1" port="{udp}" ruleset="all")
input(type="imtcp" address="127.0.0.1" port="{tcp}" ruleset="all")
"""


@pytest.fixture(scope="module")
def rsyslog(tmp_path_factory):
    """(targets by name, the file that it writes) of a real rsyslogd."""
    if shutil.which("rsyslogd") is None:
        pytest.skip("no rsyslogd here")
    work = str(tmp_path_factory.mktemp("rsyslog"))
    udp, tcp = proxymodule.free_port(), proxymodule.free_port()
    config = os.path.join(work, "conf")
    with open(config, "w", encoding="ascii") as f:
        f.write(RSYSLOG.format(work=work, udp=udp, tcp=tcp))
    with subprocess.Popen(["rsyslogd", "-n", "-f", config, "-i", os.path.join(work, "pid")],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          preexec_fn=proxymodule.die_with_parent) as process:
        try:
            eventually(lambda: os.path.exists(os.path.join(work, "log")), 10, "rsyslogd")
            eventually(lambda: socket.socket().connect_ex(("127.0.0.1", tcp)) == 0, 10, "rsyslogd's port")
            yield ({"unix": f"syslog:{work}/log", "udp": f"syslog:udp:127.0.0.1:{udp}",
                    "tcp": f"syslog:tcp:127.0.0.1:{tcp}"}, os.path.join(work, "out"))
        finally:
            process.terminate()


@pytest.mark.parametrize("way", ["unix", "udp", "tcp"])
def test_syslog(dived, lab, rsyslog, way):
    targets, out = rsyslog
    before = len(lines_of(out))
    one = dived(log={"access": targets[way], "error": targets[way], "level": "info"})
    for path in (GOOD, FLIPPED, GOOD):
        one.curl(lab.url(HOST, path))
    read = lambda: [line.split("|", 6) for line in lines_of(out)[before:]]
    access = eventually(lambda: (a := [x for x in read() if x[5] == "access"]) and len(a) == 3 and a, 10,
                        "three messages")
    for fields in access:
        entry = json.loads(fields[6])
        assert fields[3] == "dived" and fields[4] == str(one.process.pid), fields
        assert fields[2][:19] == entry["ts"][:19], "its own time"
        assert fields[1] == ("28" if entry["action"] == "blocked" else "30"), fields
    errors = [x for x in read() if x[5] == "error"]
    assert any("main: dived" in x[6] for x in errors), errors


def test_a_syslog_server_that_goes_and_comes_back(dived, lab):
    """TCP: what was lost is counted, and it goes on by itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        one = dived(log={"access": f"syslog:tcp:127.0.0.1:{port}"})
        one.curl(lab.url(HOST, GOOD))
        peer = server.accept()[0]
        head = proxymodule.read_until(peer, b" ", 10)
        assert b"access" in proxymodule.read_exactly(peer, int(head))
        peer.close()

    def ask_and_lose():
        assert one.curl(lab.url(HOST, GOOD)).status == 200
        return lost(one) > 0

    eventually(ask_and_lose, 20, "lost lines")
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.5)

        def ask_and_connect():
            assert one.curl(lab.url(HOST, GOOD)).status == 200
            with contextlib.suppress(TimeoutError):
                return server.accept()[0]
            return None

        peer = eventually(ask_and_connect, 20, "another connection")
        assert b"access" in proxymodule.read_exactly(peer, int(proxymodule.read_until(peer, b" ", 10)))
        peer.close()


@pytest.mark.parametrize("target", ["syslog:tcp:localhost:514", "syslog:udp:192.0.2.1", "journald:relative",
                                    "syslog:carrier-pigeon"])
def test_check_refuses_a_target_that_makes_no_sense(binary, lab, tmp_path, target):
    path = tmp_path / "dived.yaml"
    proxymodule.write_config(lab, str(path), str(tmp_path), proxymodule.free_port(), log={"access": target})
    done = subprocess.run([binary, "-c", str(path), "--check"], capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == 78 and target in done.stderr and "syslog:udp:" in done.stderr, done
