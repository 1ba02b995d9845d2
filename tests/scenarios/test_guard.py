# SPDX-License-Identifier: BSD-2-Clause
"""Where the proxy must not go, whom it must not serve, and how much of anything it takes."""
import contextlib
import json
import socket
import time

import proxy as proxymodule
import pytest
from expect import eventually

FORBIDDEN = ["guard-meta", "guard-ten", "guard-cgnat", "guard-zero", "guard-multicast",
             "guard-broadcast", "guard-one92", "guard-one72", "guard-ula", "guard-link6",
             "guard-mapped", "guard-nat64", "guard-six2four"]
LITERALS = ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001", "0", "0.0.0.0", "[::1]",
            "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "127.0.0.1.",
            "169.254.169.254", "10.0.0.1", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]"]


@pytest.fixture(scope="module")
def guarded(lab, binary):
    """As users run it: no holes in the guard."""
    one = proxymodule.Proxy(lab, binary=binary, origins={"allow-networks": [], "connect-timeout": "2s"})
    yield one.start()
    wrong = one.stop()
    assert wrong is None, wrong
    one.remove()


def refused(response):
    assert response.exit in (0, 56) and (response.status or 403) in (400, 403, 502), response
    assert b"plain text" not in response.body


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["plain.lab.example", "dive01.example", "guard-loop6.lab.example"])
def test_loopback_by_name_is_refused(guarded, lab, host, scheme):
    response = guarded.curl(lab.url(host, "/plain", scheme))
    refused(response)
    assert response.status in (403, 502), response
    assert response.field("proxy-status").startswith("dived; error="), response


@pytest.mark.parametrize("literal", LITERALS)
def test_loopback_and_private_by_literal_is_refused(guarded, lab, literal):
    refused(guarded.curl(f"http://{literal}:{lab.ports['http']}/plain", "-g"))
    got = guarded.raw(f"GET http://{literal}:{lab.ports['http']}/plain HTTP/1.1\r\nHost: {literal}:"
                      f"{lab.ports['http']}\r\nConnection: close\r\n\r\n".encode())
    assert b"plain text" not in got and got.split(b" ")[1] in (b"400", b"403", b"502"), got
    # A 200 to CONNECT is fine if it leads nowhere: the guard is on the address connected to.
    response = guarded.curl(f"https://{literal}:{lab.ports['https']}/plain", "-g", "-k")
    assert b"plain text" not in response.body and response.status in (0, 400, 403, 502), response


@pytest.mark.parametrize("host", FORBIDDEN)
def test_networks_without_a_hole_stay_closed(proxy, lab, host):
    """127.0.0.0/8 and ::1 are open in the lab's settings; all else is not."""
    response = proxy.curl(f"http://{host}.lab.example:{lab.ports['http']}/")
    assert response.exit == 0 and response.status in (403, 502), response
    assert "destination_ip_prohibited" in response.field("proxy-status"), "it was connected to, it seems"


def test_the_proxy_does_not_talk_to_itself_or_its_admin(guarded):
    for host in ("127.0.0.1", "localhost", "plain.lab.example"):
        mark = len(guarded.stderr())
        response = guarded.curl(f"http://{host}:{guarded.port}/")
        if host == "127.0.0.1":  # answered by itself, as if it had been asked directly
            assert response.status == 200 and b"dived" in response.body, response
        else:
            refused(response)
        assert "dialing -> ready" not in guarded.stderr()[mark:]


def test_clients_outside_of_the_list_are_denied(dived, lab):
    one = dived(access={"clients": ["127.0.0.2/32"]})
    for url in (lab.url("plain.lab.example", "/plain"),):
        response = one.curl(url)
        assert response.status == 403 and b"plain text" not in response.body, response
        response = one.curl(url, "--interface", "127.0.0.2")
        assert response.status == 200, response
    response = one.curl(lab.url("plain.lab.example", "/plain", "https"))
    assert response.exit == 56 and "403" in response.stderr, response


def test_connect_ports_outside_of_the_list_are_denied(dived, lab):
    one = dived(access={"connect-ports": [443]})
    response = one.curl(lab.url("plain.lab.example", "/plain", "https"))
    assert response.exit == 56 and "403" in response.stderr, response
    assert one.curl(lab.url("plain.lab.example", "/plain")).status == 200


def test_rule_denies_a_host_before_it_is_connected_to(dived, lab):
    one = dived(rules=[{"host": "*.lab.example", "deny": True}])
    before = lab.origin_open()
    for scheme in ("http", "https"):
        response = one.curl(lab.odd("plain.lab.example", "good", scheme))
        assert response.status == 403 or "403" in response.stderr, response
    assert lab.origin_open() == before
    assert one.curl(lab.url("plain.example", "/plain")).status == 200


# Limits

def request(lab, more="", path="/plain"):
    host = f"plain.lab.example:{lab.ports['http']}"
    return f"GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


def status_of(got):
    assert got and got.how != "timeout", got
    return int(got.split(b" ")[1])


def test_a_long_url_is_414(dived, lab):
    one = dived(limits={"url-length": "1KiB"})
    assert status_of(one.raw(request(lab, path="/plain?" + "a" * 2000))) == 414
    assert one.curl(lab.url("plain.lab.example", "/plain?" + "a" * 900)).status in (200, 404)


def test_a_large_head_is_431(dived, lab):
    one = dived(limits={"head-size": "8KiB"})
    assert status_of(one.raw(request(lab, "X: " + "a" * 9000 + "\r\n"))) == 431
    assert one.curl(lab.url("plain.lab.example", "/plain"), "-H", "X: " + "a" * 6000).status == 200


def test_an_endless_head_is_431_and_bounded(proxy, lab):
    assert status_of(proxy.raw(request(lab)[:-2] + b"X: " + b"a" * (4 << 20))) == 431


def test_many_fields_are_431(dived, lab):
    one = dived(limits={"header-count": 32})
    fields = "".join(f"X{i}: {i}\r\n" for i in range(40))
    assert status_of(one.raw(request(lab, fields))) == 431
    fields = [a for i in range(20) for a in ("-H", f"X{i}: {i}")]
    assert one.curl(lab.url("plain.lab.example", "/plain"), *fields).status == 200


def test_a_slow_head_is_408(proxy, lab):
    started = time.monotonic()
    with contextlib.closing(proxy.connect()) as s:
        s.sendall(b"GET http://plain.lab")
        got = proxymodule.read_all(s, 10)
    assert got.how in ("eof", "reset") and (not got or status_of(got) == 408), got
    assert got, "408 should be said"
    assert 1 < time.monotonic() - started < 8


def test_a_head_in_drips_is_408_too(proxy):
    """Each byte in time, the whole not: the deadline is the head's, not the byte's."""
    started = time.monotonic()
    with contextlib.closing(proxy.connect()) as s:
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 8:
                s.sendall(b"G")
                time.sleep(0.2)
                if s in proxymodule.select.select([s], [], [], 0)[0]:
                    break
    assert time.monotonic() - started < 7


def test_an_idle_connection_is_closed_silently(proxy):
    with contextlib.closing(proxy.connect()) as s:
        got = proxymodule.read_all(s, 12)
    assert got.how in ("eof", "reset") and got in (b"", ) or status_of(got) == 408, got


def test_a_stalled_upload_is_ended(proxy, lab):
    host = f"plain.lab.example:{lab.ports['origin']}"
    with contextlib.closing(proxy.connect()) as s:
        s.sendall(f"POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nabc"
                  .encode())
        got = proxymodule.read_all(s, 12)
    assert got.how in ("eof", "reset") and (not got or status_of(got) in (408, 502, 504)), got


def test_a_request_body_over_the_limit_is_413(dived, lab):
    one = dived(limits={"request-body-size": "10KiB"})
    response = one.curl(lab.odd("plain.lab.example", "upload"), "-d", "x" * 20000, "-H", "Expect:")
    assert response.status == 413 or response.exit in (55, 56), response
    response = one.curl(lab.odd("plain.lab.example", "upload"), "-d", "x" * 20000, "-H", "Expect:", "-H",
                        "Transfer-Encoding: chunked")
    assert response.status == 413 or response.exit in (55, 56), response
    assert one.curl(lab.odd("plain.lab.example", "upload"), "-d", "x" * 9000).json["bytes"] == 9000


def test_connections_per_client_are_limited(dived, lab):
    one = dived(limits={"connections": 100, "connections-per-client": 5})
    connections = lambda: json.loads(one.divectl("status", "--json", "-c", one.config_path).stdout)["connections"]
    held = []

    def five():
        """What came while the start's own probe was still there was refused: once more."""
        if connections() < 5:
            held.append(one.connect())
        return connections() == 5

    eventually(five, 10, "five clients")
    got = one.raw(request(lab, "Connection: close\r\n"), timeout=5)
    assert b"plain text" not in got, got
    response = one.curl(lab.url("plain.lab.example", "/plain"), "--interface", "127.0.0.3")
    assert response.status == 200, response
    for s in held:
        s.close()
    eventually(lambda: one.curl(lab.url("plain.lab.example", "/plain")).status == 200, 5, "recovery")


def test_connections_are_limited_in_all(dived, lab):
    one = dived(limits={"connections": 5, "connections-per-client": 5})
    time.sleep(0.3)
    held = [socket.create_connection(("127.0.0.1", one.port), timeout=5,
                                     source_address=(f"127.0.0.{i + 10}", 0)) for i in range(5)]
    time.sleep(0.2)
    got = one.raw(request(lab, "Connection: close\r\n"), timeout=3)
    assert b"plain text" not in got, got
    for s in held:
        s.close()
    eventually(lambda: one.curl(lab.url("plain.lab.example", "/plain")).status == 200, 5, "recovery")
