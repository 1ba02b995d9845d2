# SPDX-License-Identifier: BSD-2-Clause
"""What a hostile origin or client could do to an exchange: lifetimes, idle loops, protocol changes, reuse."""
import contextlib
import os
import socket
import threading
import time

import proxy as proxymodule
import pytest
from expect import eventually

COVERED, PLAIN = "dive01.example", "plain.lab.example"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nnot signed, not verified!!\n"


@pytest.fixture
def origin():
    """A factory: origin(serve) listens and calls serve(socket, number) in a thread each; its port."""
    listeners = []

    def start(serve):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def one(s, number):
            with contextlib.closing(s), contextlib.suppress(OSError):
                serve(s, number)

        def run():
            number = 0
            with contextlib.suppress(OSError):
                while True:
                    s, _ = listener.accept()
                    threading.Thread(target=one, args=(s, number), daemon=True).start()
                    number += 1

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def cpu_seconds(one):
    with open(f"/proc/{one.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idles(one, seconds=1.0):
    before = cpu_seconds(one)
    time.sleep(seconds)
    used = cpu_seconds(one) - before
    assert used < 0.4 * seconds, f"{used:.2f} s of CPU in {seconds} s of waiting"


def test_verdict_after_the_client_has_gone(faulty_dns, lab):
    """report-only: the client has everything and leaves; the key's answer comes later."""
    one = faulty_dns(workers=1)
    mark = one.log_mark()
    lab.faults({"ed1._divekey.reportonly.lab.example": "delay:1.5"})
    response = one.curl(lab.url("reportonly.lab.example", "/01/size-1k"), "-H", "Connection: close")
    assert response.status == 200, response
    entry = one.log_entry(mark, seconds=15)
    assert entry["client"] == "127.0.0.1" and entry["duration_ms"] >= 1000, entry


def test_half_closed_tunnel_is_waited_for_idly(dived, lab, origin):
    port = origin(lambda s, number: (s.recv(100), time.sleep(3), s.sendall(b"late")))
    one = dived(workers=1, interception={"splice": [PLAIN]}, access={"connect-ports": [port]})
    s, head = one.tunnel(PLAIN, port)
    assert b" 200" in head
    s.sendall(b"all that I say")
    s.shutdown(socket.SHUT_WR)
    time.sleep(0.3)
    idles(one)
    assert proxymodule.read_all(s, 8) == b"late"


def test_origin_that_closed_is_waited_for_idly_while_the_policy_is_pending(faulty_dns, lab, origin):
    def serve(s, number):
        s.recv(65536)
        s.sendall(EVIL)

    port = origin(serve)
    one = faulty_dns(workers=1)
    lab.faults({"_dive.plain.lab.example": "delay:2.5"})
    with contextlib.closing(one.connect()) as s:
        s.sendall(f"GET http://{PLAIN}:{port}/ HTTP/1.1\r\nHost: {PLAIN}:{port}\r\n\r\n".encode())
        time.sleep(0.3)
        idles(one)


def test_client_that_stops_reading_from_an_origin_that_closed(dived, lab, origin):
    """What is left of the response waits in the proxy: without spinning, and not for ever."""
    size = 3_500_000

    def serve(s, number):
        s.recv(65536)
        s.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    port = origin(serve)
    one = dived(workers=1, timeouts={"client-write": "3s", "origin-idle": "60s"})
    mark = one.log_mark()
    with contextlib.closing(socket.socket()) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", one.port))
        s.sendall(f"GET http://{PLAIN}:{port}/ HTTP/1.1\r\nHost: {PLAIN}:{port}\r\n\r\n".encode())
        time.sleep(0.7)
        idles(one)
        entry = one.log_entry(mark, seconds=8)
        assert "timeout" in entry["error"], entry


@pytest.mark.parametrize("pieces", [[EVIL], [EVIL[:1], EVIL[1:4], EVIL[4:]], [b"\r\n" + EVIL]],
                         ids=["whole", "in-pieces", "behind-a-line"])
def test_response_before_any_request_in_a_tunnel_is_no_banner(dived, lab, origin, pieces):
    def serve(s, number):
        for piece in pieces:
            s.sendall(piece)
            time.sleep(0.2)
        s.recv(65536)

    port = origin(serve)
    one = dived(workers=1, access={"connect-ports": [port]})
    s, head = one.tunnel(COVERED, port)
    assert b" 200" in head
    with contextlib.closing(s):
        time.sleep(1)
        with contextlib.suppress(OSError):
            s.sendall(f"GET / HTTP/1.1\r\nHost: {COVERED}:{port}\r\n\r\n".encode())
        got = proxymodule.read_all(s, 5)
    assert b"not verified" not in got, got


def test_banner_of_another_protocol_still_passes(dived, lab, origin):
    def serve(s, number):
        s.sendall(b"HT")
        time.sleep(0.3)
        s.sendall(b" is no HTTP\r\n")
        s.sendall(s.recv(100))

    port = origin(serve)
    one = dived(workers=1, access={"connect-ports": [port]})
    s, _ = one.tunnel(PLAIN, port)
    with contextlib.closing(s):
        assert proxymodule.read_until(s, b"\n") == b"HT is no HTTP\r\n"
        s.sendall(b"\x01\x02")
        assert proxymodule.read_all(s, 5) == b"\x01\x02"


def test_endless_request_line_in_a_tunnel_stays_http(dived, lab, origin):
    """A redirect of the attacker's makes clients ask for such URLs; they aren't another protocol."""
    def serve(s, number):
        s.recv(65536)
        s.sendall(EVIL)

    port = origin(serve)
    one = dived(workers=1, access={"connect-ports": [port]})
    s, _ = one.tunnel(COVERED, port)
    with contextlib.closing(s):
        s.sendall(b"GET /" + b"a" * 17000)
        time.sleep(0.5)
        with contextlib.suppress(OSError):
            s.sendall(b" HTTP/1.1\r\nHost: " + f"{COVERED}:{port}".encode() + b"\r\n\r\n")
        got = proxymodule.read_all(s, 5)
    assert b"not verified" not in got, got
    assert got.startswith(b"HTTP/1.1 4"), got


def test_upgrade_is_not_offered_with_content(proxy, lab):
    """The protocol would change while the request's content is still on its way."""
    response = proxy.curl(lab.odd(PLAIN, "upload"), "-H", "Connection: Upgrade", "-H", "Upgrade: websocket",
                          "-d", "some content")
    assert response.status == 200 and "upgrade:" not in response.json["head"].lower(), response


def test_upgrade_does_not_get_around_dns_that_fails(faulty_dns, lab):
    one = faulty_dns(workers=1, timeouts={"tunnel-idle": "3s"})
    host = lab.new_host()
    lab.faults({f"_dive.{host}": "servfail"})
    port = lab.ports["origin-tls"]
    with contextlib.closing(one.tls(host, port)) as s:
        s.sendall(f"GET /b/websocket HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: "
                  "websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        status, _, _ = proxymodule.read_response(s)
    assert status == 403


def test_connect_inside_a_tunnel_is_refused(proxy, lab):
    port = lab.ports["origin-tls"]
    with contextlib.closing(proxy.tls(PLAIN, port)) as s:
        s.sendall(f"CONNECT {PLAIN}:{port} HTTP/1.1\r\nHost: {PLAIN}:{port}\r\n\r\n".encode())
        status, _, _ = proxymodule.read_response(s)
    assert status in (400, 405, 501)


def test_retried_request_has_its_end(dived, lab, origin):
    """A chunked request without content, on a connection that the origin closes, is sent again: whole."""
    def serve(s, number):
        s.recv(65536)
        if number == 0:
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            s.recv(65536)
            return
        got = b""
        while not got.endswith(b"0\r\n\r\n"):
            got += s.recv(65536)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    port = origin(serve)
    one = dived(workers=1, timeouts={"origin-head": "3s"})
    name = f"{PLAIN}:{port}"
    with contextlib.closing(one.connect()) as s:
        s.sendall(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert proxymodule.read_response(s)[0] == 200
        s.sendall(f"PUT http://{name}/ HTTP/1.1\r\nHost: {name}\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "0\r\n\r\n".encode())
        assert proxymodule.read_response(s)[0] in (200, 502)


def test_connection_of_before_a_reload_serves_none_after_it(dived, lab, origin):
    """It was guarded and verified by the old configuration."""
    seen = []

    def serve(s, number):
        while s.recv(65536):
            seen.append(number)
            time.sleep(1 if len(seen) == 1 else 0)
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    port = origin(serve)
    one = dived(workers=1)
    name = f"{PLAIN}:{port}"
    with contextlib.closing(one.connect()) as s:
        s.sendall(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        eventually(lambda: seen)
        one.reload(dive={"reports": "log"})
        eventually(lambda: "loaded" in one.stderr())
        assert proxymodule.read_response(s)[0] == 200
        s.sendall(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert proxymodule.read_response(s)[0] == 200
    assert seen == [0, 1], seen


def test_dialled_connection_is_used_by_the_first_exchange(proxy, lab):
    """Session tickets behind the handshake (TLS 1.3) are no reason to throw it away."""
    def opened():
        with open(lab.path("origin.log"), encoding="utf-8") as f:
            return f.read().count("open ")

    port, before = lab.ports["origin-tls"], opened()
    with contextlib.closing(proxy.tls("report.lab.example", port)) as s:
        time.sleep(0.5)
        s.sendall(f"GET /b/good HTTP/1.1\r\nHost: report.lab.example:{port}\r\n\r\n".encode())
        proxymodule.read_response(s)
    assert opened() - before == 1
