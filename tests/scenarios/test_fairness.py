# SPDX-License-Identifier: BSD-2-Clause
"""One client that takes all it can get, and many that want little: they get it. Clients that say nothing.

The clients have an address each out of 127.0.0.0/8. Times are generous: what is tested is that nobody waits
for the hog's end, not how fast it goes (`make bench ONLY=fair` measures that).
"""
import concurrent.futures
import contextlib
import ctypes
import resource
import select
import socket
import struct
import threading
import time

import proxy as proxymodule
import pytest
import scripted
from expect import eventually

SMALL_CLIENTS = 100
HOG = "127.0.2.1"
PATIENCE = 60  # for all small clients together


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    """This process plays thousands of clients."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def origin(lab):
    """/small; /large, without an end; /upload, which reads."""
    one = scripted.Origin()

    def endless(request):
        def raw(handler):
            with contextlib.suppress(OSError):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
                block = bytes(1 << 16)
                while True:
                    handler.wfile.write(block)
        return scripted.Answer(raw=raw)

    one.at("/small", body=b"small", fields=[("Cache-Control", "no-store")])
    one.at("/large", endless)
    yield one
    one.close()


@pytest.fixture(scope="module")
def running(lab, binary):
    one = proxymodule.Proxy(lab, binary=binary, log={"level": "warning"},
                            limits={"connections-per-client": 3000},
                            timeouts={"client-write": "60s", "client-head": "10s", "drain": "0s"})
    yield one.start()
    wrong = one.stop()
    assert wrong is None, wrong
    one.remove()


def connect(proxy, source):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE, source_address=(source, 0))


def small(proxy, origin, number):
    """One client's two requests on one connection."""
    with contextlib.closing(connect(proxy, f"127.0.3.{number + 1}")) as s:
        for _ in range(2):
            s.sendall(f"GET {origin.url('/small')} HTTP/1.1\r\nHost: plain.example:{origin.port}\r\n\r\n".encode())
            status, _, body = proxymodule.read_response(s, PATIENCE)
            if (status, body) != (200, b"small"):
                return f"{number}: {status} {body[:80]}"
    return None


def all_small(proxy, origin):
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(SMALL_CLIENTS) as pool:
        wrong = [w for w in pool.map(lambda i: small(proxy, origin, i), range(SMALL_CLIENTS)) if w]
    assert not wrong, wrong
    assert time.monotonic() - began < PATIENCE


class Hog:
    """`connections` of one address that each do `work` again and again until the block ends."""

    def __init__(self, proxy, connections, work):
        self.proxy, self.connections, self.work = proxy, connections, work
        self.end, self.done, self.failed = threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(connections)]

    def run(self):
        try:
            with contextlib.closing(connect(self.proxy, HOG)) as s:
                while not self.end.is_set():
                    self.work(s)
                    self.done += 1
        except (OSError, AssertionError) as error:
            if not self.end.is_set():
                self.failed.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        eventually(lambda: self.done >= self.connections or self.failed, 60, "the hog")
        return self

    def __exit__(self, *_):
        self.end.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        assert not self.failed, self.failed[:3]


def downloads(origin):
    """Reads as fast as it can what has no end."""
    asked = threading.local()

    def work(s):
        if not getattr(asked, "yes", False):
            asked.yes = True
            s.sendall(f"GET {origin.url('/large')} HTTP/1.1\r\nHost: plain.example:{origin.port}\r\n\r\n".encode())
        assert s.recv(1 << 18)
    return work


def reads_slowly(origin):
    fast = downloads(origin)

    def work(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        fast(s)
        time.sleep(0.2)
    return work


def uploads(lab):
    """Content without an end, to an origin that reads it."""
    begun = threading.local()
    block = bytes(1 << 16)

    def work(s):
        if not getattr(begun, "yes", False):
            begun.yes = True
            host = f"plain.example:{lab.ports['origin']}"
            s.sendall(f"POST http://{host}/b/upload-unsigned HTTP/1.1\r\nHost: {host}\r\n"
                      "Content-Length: 1000000000000\r\n\r\n".encode())
        s.sendall(block)
    return work


def held(lab):
    """What is kept back and hashed, again and again."""
    host = f"dive01.example:{lab.ports['http']}"
    local = threading.local()

    def work(s):
        if not hasattr(local, "block"):
            local.block = bytearray(1 << 20)
        s.sendall(f"GET http://{host}/01/size-5m HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        status, fields, _ = proxymodule.read_response(s, PATIENCE, head_only=True)
        assert status == 200, status
        left = int(fields["content-length"])
        while left:  # without a copy: this process has small clients too
            n = s.recv_into(local.block, min(left, 1 << 20))
            assert n, "the content ended early"
            left -= n
    return work


def asks_dns(lab):
    """A new name each time, so that each asks the resolver for addresses and a policy."""
    count = threading.local()

    def work(s):
        count.n = getattr(count, "n", 0) + 1
        host = f"h{count.n}x{threading.get_ident()}.lab.example:{lab.ports['http']}"
        s.sendall(f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        status, _, _ = proxymodule.read_response(s, PATIENCE)
        assert status in (403, 502, 504, 404, 200), status
    return work


# The hog's connections: many for one address, few enough that the test's own threads leave a CPU to the daemon.
HOGS = {"downloads": (40, lambda lab, origin: downloads(origin)),
        "reads slowly": (200, lambda lab, origin: reads_slowly(origin)),
        "uploads": (40, lambda lab, origin: uploads(lab)),
        "what is held": (16, lambda lab, origin: held(lab)),
        "many names": (40, lambda lab, origin: asks_dns(lab))}


@pytest.mark.parametrize("what", HOGS)
def test_small_clients_beside_a_hog(running, lab, origin, what):
    connections, work = HOGS[what]
    with Hog(running, connections, work(lab, origin)) as hog:
        before = hog.done
        all_small(running, origin)
        eventually(lambda: hog.done > before, PATIENCE, "a turn of the hog's")


def test_a_hog_may_have_so_many_connections(lab, binary, origin):
    """limits.connections-per-client: the rest stays for others."""
    with contextlib.ExitStack() as stack:
        proxy = proxymodule.Proxy(lab, binary=binary, limits={"connections": 500, "connections-per-client": 300})
        stack.callback(proxy.remove)
        stack.callback(proxy.stop)
        proxy.start()
        sockets = [stack.enter_context(contextlib.closing(connect(proxy, HOG))) for _ in range(301)]
        refused = [s for s in sockets if select.select([s], [], [], 1 if s is sockets[-1] else 0)[0]]
        assert len(refused) == 1 and proxymodule.read_response(refused[0])[0] == 429
        all_small(proxy, origin)


# Clients that say nothing

def test_thousands_that_never_speak(running, origin):
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(contextlib.closing(connect(running, f"127.0.4.{1 + i % 250}")))
                  for i in range(3000)]
        all_small(running, origin)
        assert running.descriptors() > 3000
        # Half of them say something after all.
        for s in silent[:50]:
            s.sendall(f"GET {origin.url('/small')} HTTP/1.1\r\nHost: plain.example:{origin.port}\r\n\r\n".encode())
        assert all(proxymodule.read_response(s, PATIENCE)[0] == 200 for s in silent[:50])
        # timeouts.client-head: the others are closed.
        eventually(lambda: running.descriptors() < 1000, 60, "an end of those that never speak")
    all_small(running, origin)


def test_thousands_that_say_half_a_thing(running, lab, origin):
    """A head without its end, a tunnel without a word, half of a ClientHello."""
    host = f"plain.lab.example:{lab.ports['https']}"
    begin = [b"GET http://plain.example/ HTTP/1.1\r\nHost: pl", f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(),
             f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() + b"\x16\x03\x01\x02\x00\x01\x00"]
    with contextlib.ExitStack() as stack:
        for i in range(1500):
            s = stack.enter_context(contextlib.closing(connect(running, f"127.0.5.{1 + i % 250}")))
            s.sendall(begin[i % 3])
        all_small(running, origin)
    eventually(lambda: running.descriptors() < 1000, 60, "an end of them")


class Deaf(socket.socket):
    """A socket that hears nothing of what the peer says: its handshake stays half open."""

    def __init__(self, source, port):
        super().__init__(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF: return 0
        program = struct.pack("HL", 1, ctypes.addressof(nothing))
        self.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER
        self.bind((source, 0))
        self.connect_ex(("127.0.0.1", port))


def half_open(port):
    """Connections to `port` that the kernel has in SYN_RECV."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        lines = [line.split() for line in f][1:]
    return sum(1 for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "03")


def test_thousands_of_half_open_connections(running, origin):
    with contextlib.ExitStack() as stack:
        for i in range(3000):
            stack.enter_context(contextlib.closing(Deaf(f"127.0.6.{1 + i % 250}", running.port)))
        assert half_open(running.port) > 100
        all_small(running, origin)
