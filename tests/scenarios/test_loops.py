# SPDX-License-Identifier: BSD-2-Clause
"""The proxy that is led to itself: by name, by address, through a parent, by way of another one."""
import contextlib
import re
import socket
import time

import parent as parentmodule
import proxy as proxymodule
import pytest
from expect import eventually

HOST = "plain.lab.example"


def name_of(proxy, lab):
    """How it calls itself in Via."""
    via = proxy.curl(lab.url(HOST, "/plain")).field("via")
    return re.search(r"dived-[0-9a-f]{8}", via).group()


def is_loop(response):
    assert response.status == 508, response
    assert "proxy_loop_detected" in response.field("proxy-status"), response


def is_own_listener(response):
    assert response.status == 502, response
    assert "destination_ip_prohibited" in response.field("proxy-status"), response
    assert "own listening address" in response.json["detail"], response


# By address. The lab opens 127.0.0.0/8 and ::1: the proxy's own addresses stay shut even then.

@pytest.fixture(scope="module")
def wildcard(lab, binary):
    """Listens on every address, IPv4 and IPv6, with the guard wide open."""
    for _ in range(3):
        port = proxymodule.free_port()
        one = proxymodule.Proxy(lab, binary=binary,
                                origins={"allow-networks": ["0.0.0.0/0", "::/0"], "connect-timeout": "3s"},
                                listeners=[{"address": f"0.0.0.0:{port}"}, {"address": f"[::]:{port}"}])
        one.free = port
        # Proxy.start() looks at the port that it has drawn itself.
        one._listens = lambda one=one: wait_for(one)
        try:
            one.start()
            break
        except RuntimeError:
            continue
    one.port = port
    yield one
    wrong = one.stop()
    assert wrong is None, wrong
    one.remove()


def wait_for(one):
    deadline = time.monotonic() + proxymodule.START_SECONDS
    while time.monotonic() < deadline and one.process.poll() is None:
        with contextlib.closing(socket.socket()) as s:
            if s.connect_ex(("127.0.0.1", one.free)) == 0:
                return True
        time.sleep(0.02)
    return False


def own_addresses():
    """Of the interfaces, loopback included."""
    found = {"127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"}
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as s:
        with contextlib.suppress(OSError):
            s.connect(("192.0.2.1", 9))
            found.add(s.getsockname()[0])
    return sorted(found)


@pytest.mark.parametrize("address", own_addresses())
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_own_address_is_refused(wildcard, address, scheme):
    ports = {"connect-ports": [443, wildcard.free]}
    if wildcard.changes.get("access") != ports:
        wildcard.changes["access"] = ports
        proxymodule.write_config(wildcard.lab, wildcard.config_path, wildcard.directory, 0,
                                 **wildcard.changes)
        assert wildcard.divectl("reload", "--socket",
                                f"{wildcard.directory}/control.sock").returncode == 0
        eventually(lambda: b" 200" in tunnel_status(wildcard), 10, "the reload")
    is_own_listener(wildcard.curl(f"{scheme}://{address}:{wildcard.free}/"))


def tunnel_status(proxy):
    s, head = proxy.tunnel("127.0.0.1", proxy.port)
    s.close()
    return head


@pytest.mark.parametrize("host", [HOST, "guard-loop6.lab.example"])
def test_by_name(proxy, host):
    response = proxy.curl(f"http://{host}:{proxy.port}/")
    if host == HOST:
        is_own_listener(response)
    else:  # the listener is IPv4's; on ::1 the port counts as its own too
        assert response.status == 502, response
    assert proxy.curl(f"http://{HOST}:{proxy.port}/").status == 502


# By Via

def test_a_request_that_was_here_before(proxy, lab):
    name = name_of(proxy, lab)
    url = lab.url(HOST, "/plain")
    for via in (f"1.1 {name}", f"1.0 other, 1.1 {name}", f"HTTP/1.1  {name} (a comment)", f"1.1\t{name}"):
        is_loop(proxy.curl(url, "-H", f"Via: {via}"))
    is_loop(proxy.curl(url, "-H", "Via: 1.1 first", "-H", f"Via: 1.1 {name}"))
    is_loop(proxy.curl(lab.url(HOST, "/plain", "https"), "-H", f"Via: 1.1 {name}"))
    for via in ("1.1 dived-00000000", f"1.1 x{name}", f"1.1 {name}x", name, f"1.1 x ({name})"):
        assert proxy.curl(url, "-H", f"Via: {via}").status == 200, via


def test_connect_that_was_here_before(proxy, lab):
    name = name_of(proxy, lab)
    for via, status in ((f"1.1 {name}", b" 508 "), ("1.1 dived-00000000", b" 200 ")):
        got = proxy.raw(f"CONNECT {HOST}:{lab.ports['https']} HTTP/1.1\r\nHost: {HOST}\r\n"
                        f"Via: {via}\r\n\r\n".encode(), timeout=2)
        assert status in got.split(b"\r\n")[0], got


def test_hops_have_a_limit(proxy, lab):
    url = lab.url(HOST, "/plain")
    many = lambda n: ", ".join(f"1.1 hop{i}" for i in range(n))
    assert proxy.curl(url, "-H", f"Via: {many(32)}").status == 200
    is_loop(proxy.curl(url, "-H", f"Via: {many(33)}"))


def test_instances_have_different_names(proxy, dived, lab):
    assert name_of(proxy, lab) != name_of(dived(), lab)


# Through a parent, and around

@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_parent_that_leads_back(lab, dived, scheme):
    with parentmodule.Parent(via="parent") as one:
        proxy = dived(origins={"parent": f"http://127.0.0.1:{one.port}"})
        one.forward = proxy.port
        response = proxy.curl(lab.url(HOST, "/plain", scheme))
        is_loop(response)
        assert len(one.asked()) <= 2, one.asked()


@pytest.mark.parametrize("scheme, intercepts", [("http", True), ("https", False), ("https", True)])
def test_two_that_are_each_other_s_parent(lab, dived, scheme, intercepts):
    first = dived()
    second = dived(origins={"parent": f"http://127.0.0.1:{first.port}"},
                   interception={"enabled": intercepts})
    first.reload(origins={"parent": f"http://127.0.0.1:{second.port}"})
    eventually(lambda: first.curl(lab.url(HOST, "/plain")).status == 508, 10, "the reload")
    mark = first.log_mark()
    response = first.curl(lab.url(HOST, "/plain?again", scheme))
    if scheme == "https" and intercepts:  # whose CA the first doesn't trust: it gets no further
        assert response.status == 502, response
        assert "tls_certificate_error" in response.field("proxy-status"), response
    else:
        is_loop(response)
    eventually(lambda: not busy(first) and not busy(second), 10, "an end of it")
    assert len(first.log_entries(mark)) <= 6, first.log_entries(mark)


def busy(proxy):
    return proxy.descriptors() > 100


def test_a_ring_without_via_ends_at_the_limits(lab, dived):
    """A parent that leads back and hides where a connection has been: only its number ends it."""
    with parentmodule.Parent() as one:
        proxy = dived(origins={"parent": f"http://127.0.0.1:{one.port}", "connect-timeout": "3s"},
                      limits={"connections-per-client": 60})
        one.forward = proxy.port
        idle = proxy.descriptors()
        response = proxy.curl(lab.url(HOST, "/plain", "https"), timeout=30)
        assert response.status in (502, 504, 508) or response.exit in (35, 56), response
        assert len(one.asked()) <= 70, len(one.asked())
        eventually(lambda: proxy.descriptors() < idle + 20, 30, "all of it being closed")
        one.forward = None
        assert proxy.curl(lab.url(HOST, "/plain", "https")).status == 200
