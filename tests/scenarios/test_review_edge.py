# SPDX-License-Identifier: BSD-2-Clause
"""What hostile clients could do at the proxy's edge: ways to leave, what stays behind them, floods."""
import contextlib
import itertools
import os
import socket
import ssl
import struct
import threading
import time

import proxy as proxymodule
import pytest
from expect import eventually

COVERED, PLAIN = "dive01.example", "plain.lab.example"


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def cpu_seconds(one):
    with open(f"/proc/{one.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idles(one, seconds=1.0):
    before = cpu_seconds(one)
    time.sleep(seconds)
    used = cpu_seconds(one) - before
    assert used < 0.4 * seconds, f"{used:.2f} s of CPU in {seconds} s of waiting"


@pytest.mark.parametrize("behaviour", ["stall-before-head", "stall-in-body"])
def test_reset_of_a_client_whose_next_bytes_nobody_reads(dived, lab, behaviour):
    """With unread bytes in the way, only an error on the socket tells that the client has gone."""
    one = dived(workers=1, timeouts={"origin-head": "60s", "origin-idle": "60s", "client-head": "60s"})
    upstream = lab.origin_open()
    name = f"{PLAIN}:{lab.ports['origin']}"
    s = one.connect()
    s.sendall(f"GET http://{name}/b/{behaviour} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    eventually(lambda: lab.origin_open() > upstream, 10, "the origin's connection")
    s.sendall(b"GET http://")
    time.sleep(0.3)
    idles(one)
    reset(s)
    time.sleep(0.2)
    idles(one)
    eventually(lambda: lab.origin_open() <= upstream, 10, "the closing of the origin's connection")


@pytest.fixture
def asking_origin():
    """A port where NTLM or Negotiate authenticates the connection, as it does at widespread servers."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(s):
        user = b"nobody"
        with contextlib.closing(s), contextlib.suppress(OSError):
            while True:
                head = proxymodule.read_until(s, b"\r\n\r\n").lower()
                if not head:
                    return
                for line in head.split(b"\r\n"):
                    name, _, value = line.partition(b": ")
                    if name == b"authorization":
                        user = value.split()[-1]
                s.sendall(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %d\r\n\r\n" % len(user)
                          + user)

    def run():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize("scheme", ["NTLM", "negotiate"])
def test_connection_that_an_origin_has_authenticated_is_one_clients(dived, asking_origin, scheme):
    one = dived(workers=1, cache={"memory": "16MiB", "max-size": "16MiB"})
    pages = itertools.count()

    def ask(s, *fields, page=None):
        name = f"{PLAIN}:{asking_origin}"
        page = page or next(pages)
        s.sendall("\r\n".join([f"GET http://{name}/{page} HTTP/1.1", f"Host: {name}", *fields, "", ""]).encode())
        return proxymodule.read_response(s)[2]

    with contextlib.closing(one.connect()) as alice, contextlib.closing(one.connect()) as bob:
        assert ask(bob) == b"nobody"
        assert ask(alice, f"Authorization: {scheme} alice") == b"alice"
        assert ask(bob) == b"nobody", "another client's connection speaks for alice"
        assert ask(alice) == b"alice", "NTLM takes several requests on one connection"
        assert ask(bob, f"Authorization: {scheme} bob") == b"bob"
        assert ask(alice, page="same") == b"alice"
        assert ask(bob, page="same") == b"bob", "what was said to alice was stored"


@pytest.fixture
def silent_origin():
    """A port where connections are made and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        yield listener.getsockname()[1]


def hello(name):
    """A ClientHello, as OpenSSL makes it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def test_what_clients_leave_behind_at_origins_is_bounded(dived, silent_origin):
    """Each tunnel's connection to the origin waits in TLS for the tunnel's first request; the client has left."""
    most = 1024  # ORIGIN_UNUSED_MAX
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as f:
        if int(f.read()) < 2048:
            pytest.skip("net.core.somaxconn is below 2048")
    one = dived(workers=1, timeouts={"tls-handshake": "120s"}, access={"connect-ports": [silent_origin]},
                log={"level": "warning"})
    first = hello(PLAIN)

    def tunnels(count):
        for _ in range(count):
            s, head = one.tunnel(PLAIN, silent_origin)
            assert b" 200" in head
            s.sendall(first)
            assert s.recv(1)  # ServerHello: the origin's connection is the pool's now
            reset(s)

    before = one.descriptors()
    tunnels(100)
    eventually(lambda: one.descriptors() >= before + 100, 10, "connections that wait at the origin")
    tunnels(most + 100)
    eventually(lambda: before + most - 50 <= one.descriptors() <= before + most + 20, 10,
               f"at most {most} connections that wait (now {one.descriptors() - before})")
