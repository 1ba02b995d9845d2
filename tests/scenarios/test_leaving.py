# SPDX-License-Identifier: BSD-2-Clause
"""Clients that go away in each phase: the origin's connection closes too, and nothing is left open."""
import contextlib
import os
import socket
import struct
import time

import pytest
from expect import eventually

COVERED, PLAIN = "dive01.example", "plain.lab.example"


def leave(s, how):
    if how == "reset":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def request(lab, host, behaviour, scheme="http"):
    name = f"{host}:{lab.ports['origin' if scheme == 'http' else 'origin-tls']}"
    target = f"http://{name}" if scheme == "http" else ""
    return f"GET {target}/b/{behaviour} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()


# phase -> what to send and how long to wait before going away
PHASES = {
    "before-a-byte": lambda s, lab, host: None,
    "within-the-request": lambda s, lab, host: s.sendall(request(lab, host, "good")[:20]),
    "while-the-origin-is-silent": lambda s, lab, host: s.sendall(request(lab, host, "stall-before-head")),
    "while-the-head-comes": lambda s, lab, host: s.sendall(request(lab, host, "stall-in-head")),
    "while-the-body-stalls": lambda s, lab, host: s.sendall(request(lab, host, "stall-in-body")),
    "while-the-body-comes": lambda s, lab, host: s.sendall(request(lab, host, "big-slow")),
    "after-the-answer": lambda s, lab, host: s.sendall(request(lab, host, "good")),
    "within-an-upload": lambda s, lab, host: s.sendall(
        request(lab, host, "upload").replace(b"GET", b"POST").replace(
            b"\r\n\r\n", b"\r\nContent-Length: 100000\r\n\r\n") + b"x" * 100),
    "with-requests-in-the-pipe": lambda s, lab, host: s.sendall(request(lab, host, "big-slow") * 3),
}


@pytest.fixture
def watched(dived):
    # Long timeouts: what closes here closes because the client left.
    return dived(workers=1, timeouts={"origin-head": "60s", "origin-idle": "60s", "client-head": "60s",
                                      "origin-pool-idle": "1s"})


@pytest.mark.parametrize("host", [PLAIN, COVERED])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_leaves_in_each_phase(watched, lab, host, how):
    watched.curl(lab.odd(host, "good"))  # what is opened once and kept is open now
    time.sleep(1.5)
    descriptors = eventually(watched.descriptors)
    upstream = lab.origin_open()
    for phase, begin in PHASES.items():
        s = watched.connect()
        begin(s, lab, host)
        time.sleep(0.25)
        leave(s, how)
    eventually(lambda: lab.origin_open() <= upstream, 10, "the closing of the origin's connections")
    eventually(lambda: watched.descriptors() <= descriptors, 10,
               f"the return to {descriptors} descriptors (now {watched.descriptors()})")
    assert watched.curl(lab.odd(host, "good")).status == 200


@pytest.mark.parametrize("host", [PLAIN, COVERED])
def test_client_leaves_inside_tls(watched, lab, host):
    watched.curl(lab.odd(host, "good", "https"))
    time.sleep(1.5)
    descriptors, upstream = watched.descriptors(), lab.origin_open()
    port = lab.ports["origin-tls"]
    for behaviour in ("stall-before-head", "stall-in-body", "big-slow", "good"):
        for how in ("close", "reset"):
            s = watched.tls(host, port)
            s.sendall(request(lab, host, behaviour, "https"))
            time.sleep(0.2)
            leave(s, how)
    for cut in (0, 5, 200):  # within the handshake
        s, _ = watched.tunnel(host, port)
        s.sendall((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 300)[:cut])
        time.sleep(0.1)
        leave(s, "reset")
    eventually(lambda: lab.origin_open() <= upstream, 10, "the closing of the origin's connections")
    eventually(lambda: watched.descriptors() <= descriptors, 10, "the return of the descriptors")


def test_client_leaves_while_dns_is_awaited(faulty_dns, lab):
    one = faulty_dns(workers=1, dns={"timeout": "2s"})
    one.curl(lab.url(PLAIN, "/plain"))
    lab.faults({"*.dive01.example": "drop", "dive01.example": "drop", "_dive.strict.lab.example": "drop"})
    descriptors = one.descriptors()
    for host in (COVERED, "strict.lab.example"):
        for _ in range(5):
            with contextlib.closing(one.connect()) as s:
                s.sendall(request(lab, host, "good"))
                time.sleep(0.1)
    time.sleep(3)  # late answers find nobody
    lab.faults({})
    assert one.curl(lab.odd(PLAIN, "good")).status == 200
    eventually(lambda: one.descriptors() <= descriptors + 6, 8, "the return of the descriptors")


def test_client_leaves_while_connecting(dived, lab):
    one = dived(workers=1, origins={"connect-timeout": "2s"})
    one.curl(lab.url(PLAIN, "/plain"))
    descriptors = one.descriptors()
    for _ in range(5):
        with contextlib.closing(one.connect()) as s:
            s.sendall(f"GET http://{PLAIN}:{lab.ports['stall']}/ HTTP/1.1\r\nHost: {PLAIN}:"
                      f"{lab.ports['stall']}\r\n\r\n".encode())
            time.sleep(0.1)
    eventually(lambda: one.descriptors() <= descriptors + 1, 8, "the return of the descriptors")


def test_client_leaves_a_websocket(watched, lab):
    upstream = lab.origin_open()
    name = f"{PLAIN}:{lab.ports['origin']}"
    s = watched.connect()
    s.sendall((f"GET http://{name}/b/websocket HTTP/1.1\r\nHost: {name}\r\nConnection: Upgrade\r\nUpgrade: "
               "websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    assert b" 101 " in s.recv(4096)
    s.close()
    eventually(lambda: lab.origin_open() <= upstream, 5, "the closing of the websocket")


def held_files(one):
    """Descriptors of files in hold.directory: they have no name there."""
    folder, found = f"/proc/{one.process.pid}/fd", []
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(os.path.join(folder, fd))
            if target.startswith(os.path.join(one.directory, "hold")):
                found.append(target)
    return found


def test_held_files_vanish_with_their_client(watched, lab):
    with contextlib.closing(watched.connect()) as s:
        s.sendall(request(lab, COVERED, "big-slow"))
        eventually(lambda: held_files(watched), 5, "the file")
        assert os.listdir(os.path.join(watched.directory, "hold")) == [], "held bodies have no name"
    eventually(lambda: not held_files(watched), 5, "the closing of the held file")


def test_a_thousand_short_clients_leave_nothing_behind(watched, lab):
    watched.curl(lab.url(PLAIN, "/plain"))
    time.sleep(1.5)
    descriptors = watched.descriptors()
    for i in range(1000):
        s = watched.connect()
        if i % 3:
            s.sendall(b"GET http://x")
        leave(s, "reset" if i % 2 else "close")
    eventually(lambda: watched.descriptors() <= descriptors, 10, "the return of the descriptors")
