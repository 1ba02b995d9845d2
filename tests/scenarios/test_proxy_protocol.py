# SPDX-License-Identifier: BSD-2-Clause
"""Load balancers in front: who the client is, is what their PROXY header says, and nobody else's."""
import contextlib
import socket
import ssl
import struct
import time

import proxy as proxymodule
import pytest
from expect import eventually

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(client="192.0.2.7", to="198.51.100.1", port=80):
    return f"PROXY TCP4 {client} {to} 4711 {port}\r\n".encode()


def v2(client="192.0.2.7", to="198.51.100.1", port=80, command=0x21, more=b""):
    body = socket.inet_aton(client) + socket.inet_aton(to) + struct.pack("!HH", 4711, port) + more
    return SIGNATURE + bytes([command, 0x11]) + struct.pack("!H", len(body)) + body


@pytest.fixture(scope="module")
def behind(lab, binary):
    """dived with an explicit and a transparent listener that 127.0.0.0/29 speaks to for others."""
    ports = [proxymodule.free_port() for _ in range(2)]
    listeners = [{"address": f"127.0.0.1:{port}", "mode": mode, "proxy-protocol": ["127.0.0.0/29"]}
                 for port, mode in zip(ports, ("explicit", "transparent"))]
    listeners.append({"address": "127.0.0.1:0", "mode": "explicit"})

    class Behind(proxymodule.Proxy):
        def _listens(self):
            self.port = ports[0]
            return super()._listens()

    one = Behind(lab, binary=binary, listeners=listeners, access={"clients": ["192.0.2.0/24", "127.0.0.1/32"]},
                 limits={"connections-per-client": 3}, timeouts={"client-head": "2s"},
                 rules=[{"client": "192.0.2.66/32", "deny": True}])
    one.start()
    one.explicit, one.transparent = ports
    yield one
    wrong = one.stop()
    assert wrong is None, wrong
    one.remove()


def talk(port, data, source="127.0.0.1", timeout=15):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0)) as s:
            s.sendall(data)
            return proxymodule.read_all(s, timeout)
    except ConnectionError:
        return proxymodule.Ending(b"")


def served(behind, mark, client):
    """A request that was answered is in the log under `client`; entries of earlier ones may come late."""
    eventually(lambda: any(e["client"] == client and e["status"] == 200 for e in behind.log_entries(mark)), 10,
               f"an entry of {client}")


def request(lab):
    host = f"plain.lab.example:{lab.ports['http']}"
    return f"GET http://{host}/plain HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("header", [v1(), v2(), v2(more=b"\x04\x00\x04xxxx"),
                                    v1().replace(b"TCP4 192.0.2.7 198.51.100.1",
                                                 b"TCP6 ::ffff:192.0.2.7 2001:db8::1")])
def test_the_named_client_is_the_client(behind, lab, header):
    mark = behind.log_mark()
    got = talk(behind.explicit, header + request(lab))
    assert got.endswith(b"plain text\n"), got
    served(behind, mark, "192.0.2.7")


def test_a_header_in_pieces(behind, lab):
    with socket.create_connection(("127.0.0.1", behind.explicit), 15) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in v2() + request(lab)[:20]:
            s.sendall(bytes([byte]))
        s.sendall(request(lab)[20:])
        assert proxymodule.read_all(s).endswith(b"plain text\n")


@pytest.mark.parametrize("make", [v1, v2])
def test_access_and_rules_see_the_named_client(behind, lab, make):
    for client in ("198.51.100.9", "192.0.2.66"):  # not in access.clients, denied by a rule
        got = talk(behind.explicit, make(client) + request(lab))
        assert got.startswith(b"HTTP/1.1 403 "), got


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(command=0x20), SIGNATURE + b"\x20\x00\x00\x00"])
def test_without_addresses_it_is_the_connections_own(behind, lab, header):
    mark = behind.log_mark()
    assert talk(behind.explicit, header + request(lab)).endswith(b"plain text\n")
    served(behind, mark, "127.0.0.1")


@pytest.mark.parametrize("bad", [
    b"", b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", b"PROXY TCP4 " + b"1" * 200, b"PROXY UDP4 x\r\n",
    SIGNATURE + b"\x21\x11\x00\x04abcd", SIGNATURE + b"\x21\x11\xff\xff", SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12)])
def test_no_header_or_a_malformed_one_is_closed(behind, lab, bad):
    mark = len(behind.stderr())
    got = talk(behind.explicit, bad + request(lab))
    assert got == b"" and got.how != "timeout", got
    eventually(lambda: "does not begin with a PROXY protocol header" in behind.stderr()[mark:])


@pytest.mark.parametrize("data", [v1(), v2(), b""])
def test_from_elsewhere_nothing_is_accepted(behind, lab, data):
    mark = len(behind.stderr())
    got = talk(behind.explicit, data + request(lab), source="127.0.0.9")
    assert got == b"" and got.how != "timeout", got
    eventually(lambda: "127.0.0.9: closed: not in listeners[].proxy-protocol" in behind.stderr()[mark:])


def test_on_other_listeners_a_header_is_a_bad_request(proxy, lab):
    for header in (v1(), v2()):
        got = proxy.raw(header + request(lab))
        assert got.startswith(b"HTTP/1.1 400 ") and b"plain text" not in got, got


def test_a_header_that_never_ends_is_bounded_by_time(behind, lab):
    for part in (b"", b"PROXY TCP4 192", v2()[:20]):
        with socket.create_connection(("127.0.0.1", behind.explicit), 15) as s:
            s.sendall(part)
            started = time.monotonic()
            assert proxymodule.read_all(s, 20) == b""
            assert 1 < time.monotonic() - started < 15


def test_the_census_counts_named_clients(behind, lab):
    """Three connections each, though all come from one load balancer."""
    with contextlib.ExitStack() as open_ones:
        for client in ("192.0.2.20", "192.0.2.21"):
            for _ in range(3):
                s = open_ones.enter_context(socket.create_connection(("127.0.0.1", behind.explicit), 15))
                s.sendall(v1(client) + request(lab).replace(b"Connection: close\r\n", b""))
                assert proxymodule.read_response(s)[0] == 200
        assert talk(behind.explicit, v1("192.0.2.20") + request(lab)) == b""
        assert talk(behind.explicit, v1("192.0.2.22") + request(lab)).endswith(b"plain text\n")
    eventually(lambda: talk(behind.explicit, v1("192.0.2.20") + request(lab)).endswith(b"plain text\n"))


@pytest.mark.parametrize("make", [v1, v2])
def test_the_named_destination_is_the_original_one(behind, lab, make):
    """On a transparent listener; no firewall had to do with it."""
    host = f"plain.lab.example:{lab.ports['http']}"
    head = make("192.0.2.7", "127.0.0.1", lab.ports["http"])
    got = talk(behind.transparent,
               head + f"GET /plain HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert got.endswith(b"plain text\n"), got
    with socket.create_connection(("127.0.0.1", behind.transparent), 15) as s:
        s.sendall(make("192.0.2.7", "127.0.0.1", lab.ports["https"]))
        context = ssl.create_default_context(cafile=behind.ca)
        with context.wrap_socket(s, server_hostname="plain.lab.example") as tls:
            tls.sendall(f"GET /plain HTTP/1.1\r\nHost: plain.lab.example:{lab.ports['https']}\r\n"
                        "Connection: close\r\n\r\n".encode())
            assert proxymodule.read_all(tls).endswith(b"plain text\n")


def test_a_destination_that_is_the_proxy_itself_is_a_loop(behind, lab):
    mark = len(behind.stderr())
    head = v1("192.0.2.7", "127.0.0.1", behind.transparent)
    assert talk(behind.transparent, head + b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") == b""
    eventually(lambda: "a loop" in behind.stderr()[mark:])
