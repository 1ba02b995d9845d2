# SPDX-License-Identifier: BSD-2-Clause
"""Malformed and ambiguous requests: 400 and close, and never a second request at the origin."""
import contextlib
import time

import proxy as proxymodule
import pytest

NAME = "plain.lab.example"
SMUGGLED = "GET http://{host}/b/echo?smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"

# name -> the request, {host} being the misbehaving origin; each must be refused
REFUSED = {
    "length-and-chunked":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "chunked-and-length":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n"
        "Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two-lengths":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n"
        "Content-Length: 6\r\n\r\nhello!",
    "length-list": "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5, 6\r\n\r\nhello!",
    "length-plus": "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: +5\r\n\r\nhello",
    "length-negative": "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: -5\r\n\r\nhello",
    "length-hex": "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x5\r\n\r\nhello",
    "length-empty": "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length:\r\n\r\nhello",
    "length-inner-space":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5 0\r\n\r\nhello",
    "length-overflow":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\n"
        "Content-Length: 18446744073709551621\r\n\r\nhello",
    "coding-unknown":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n"
        "0\r\n\r\n",
    "coding-chunked-not-last":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n"
        "\r\n0\r\n\r\n",
    "coding-chunked-twice":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, chunked\r\n"
        "\r\n0\r\n\r\n",
    "coding-in-two-fields":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n"
        "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "coding-quoted":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: \"chunked\"\r\n\r\n"
        "0\r\n\r\n",
    "coding-vertical-tab":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n"
        "0\r\n\r\n",
    "coding-on-http-1.0":
        "POST http://{host}/b/upload HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n",
    "space-before-colon":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding : chunked\r\n\r\n"
        "0\r\n\r\n",
    "tab-before-colon":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length\t: 5\r\n\r\nhello",
    "folded-field":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nX: a\r\n Transfer-Encoding: chunked\r\n"
        "Content-Length: 0\r\n\r\n",
    "space-before-first-field":
        "GET http://{host}/b/echo HTTP/1.1\r\n Host: {host}\r\nHost: {host}\r\n\r\n",
    "bare-lf-in-head": "GET http://{host}/b/echo HTTP/1.1\nHost: {host}\nX: y\n\n",
    "bare-cr-in-field": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\nX: a\rY: b\r\n\r\n",
    "nul-in-field": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\nX: a\0b\r\n\r\n",
    "nul-in-name": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\nX\0Y: a\r\n\r\n",
    "nul-in-target": "GET http://{host}/b/ec\0ho HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "field-without-colon": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\nnonsense\r\n\r\n",
    "field-without-name": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\n: value\r\n\r\n",
    "name-with-space": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\nX Y: a\r\n\r\n",
    "name-with-non-ascii": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\nX\xe9: a\r\n\r\n",
    "no-host": "GET http://{host}/b/echo HTTP/1.1\r\n\r\n",
    "two-hosts": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\nHost: other.lab.example\r\n\r\n",
    "two-equal-hosts": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
    "host-list":
        "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}, other.lab.example\r\n\r\n",
    "host-garbage": "GET http://{host}/b/echo HTTP/1.1\r\nHost: {host}/../x@y\r\n\r\n",
    "userinfo-in-host": "GET http://{host}/b/echo HTTP/1.1\r\nHost: user@{host}\r\n\r\n",
    "version-missing": "GET http://{host}/b/echo\r\nHost: {host}\r\n\r\n",
    "version-0.9": "GET http://{host}/b/echo HTTP/0.9\r\nHost: {host}\r\n\r\n",
    "version-garbage": "GET http://{host}/b/echo HTTP/x.1\r\nHost: {host}\r\n\r\n",
    "version-lower-case": "GET http://{host}/b/echo http/1.1\r\nHost: {host}\r\n\r\n",
    "method-garbage": "G@T http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "method-empty": " http://{host}/b/echo HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "target-with-space": "GET http://{host}/b/echo x HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "target-empty": "GET  HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "target-with-fragment": "GET http://{host}/b/echo#x HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "target-with-control": "GET http://{host}/b/echo\x01 HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "target-without-host": "GET http:///b/echo HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "target-bad-port": "GET http://plain.lab.example:99999/ HTTP/1.1\r\nHost: plain.lab.example:99999\r\n\r\n",
    "target-port-garbage": "GET http://plain.lab.example:8x/ HTTP/1.1\r\nHost: plain.lab.example:8x\r\n\r\n",
    "target-userinfo": "GET http://plain.lab.example@{host}/b/echo HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "target-label-too-long": "GET http://" + "a" * 64 + ".example/ HTTP/1.1\r\nHost: " + "a" * 64 +
                             ".example\r\n\r\n",
    "chunk-size-garbage":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "zz\r\nhello\r\n0\r\n\r\n",
    "chunk-size-0x":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0x5\r\nhello\r\n0\r\n\r\n",
    "chunk-size-negative":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "-1\r\nhello\r\n0\r\n\r\n",
    "chunk-size-overflow":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk-without-crlf":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhelloXX0\r\n\r\n",
    "chunk-bare-lf":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\nhello\r\n0\r\n\r\n",
    "chunk-size-space":
        "POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5 5\r\nhello\r\n0\r\n\r\n",
    "connect-without-port": "CONNECT plain.lab.example HTTP/1.1\r\nHost: plain.lab.example\r\n\r\n",
    "connect-with-path": "CONNECT {host}/b/echo HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "connect-with-scheme": "CONNECT https://{host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "connect-with-userinfo": "CONNECT user@{host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "connect-port-garbage": "CONNECT plain.lab.example:x HTTP/1.1\r\nHost: plain.lab.example\r\n\r\n",
    "connect-port-0": "CONNECT plain.lab.example:0 HTTP/1.1\r\nHost: plain.lab.example:0\r\n\r\n",
    "connect-with-body":
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    "tls-to-the-plain-port": "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + "x" * 160,
    "http2-preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "garbage": "\x00\x01\x02\x03\xff\xfe\r\n\r\n",
}


def requests_at_origin(lab, mark):
    with open(lab.path("origin.log"), encoding="utf-8") as f:
        f.seek(mark)
        return [line for line in f if line.startswith("request")]


def mark_of(lab):
    with open(lab.path("origin.log"), encoding="utf-8") as f:
        return f.seek(0, 2)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_closed(proxy, lab, name):
    """400 (or a closer 4xx, 5xx), then close; what follows on the connection is no request."""
    host = f"{NAME}:{lab.ports['origin']}"
    mark = mark_of(lab)
    data = (REFUSED[name].replace("{host}", host) + SMUGGLED.replace("{host}", host)).encode("latin-1")
    got = proxy.raw(data, timeout=8)
    assert got.how != "timeout", got
    if got or name not in ("tls-to-the-plain-port", "http2-preface", "garbage"):
        status = int(got.split(b" ")[1])
        assert 400 <= status < 600, got
        assert got.count(b"HTTP/1.1 ") == 1, got
        assert b"connection: close" in got.lower(), got
    assert b"GET /b/echo" not in got
    time.sleep(0.05)
    assert not [line for line in requests_at_origin(lab, mark) if "smuggled" in line]


@pytest.mark.parametrize("inside", ["length-and-chunked", "two-lengths", "two-equal-hosts",
                                    "space-before-colon", "bare-lf-in-head", "no-host",
                                    "coding-chunked-not-last", "chunk-size-garbage"])
def test_refused_inside_tls_too(proxy, lab, inside):
    host = f"{NAME}:{lab.ports['origin-tls']}"
    mark = mark_of(lab)
    text = REFUSED[inside].replace("http://{host}", "").replace("{host}", host)
    text += f"GET /b/echo?smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
    with contextlib.closing(proxy.tls(NAME, lab.ports["origin-tls"])) as s:
        s.sendall(text.encode("latin-1"))
        got = proxymodule.read_all(s, 8)
    assert got.how != "timeout" and got.count(b"HTTP/1.1 ") == 1, got
    assert 400 <= int(got.split(b" ")[1]) < 500, got
    assert not [line for line in requests_at_origin(lab, mark) if "smuggled" in line]


def test_host_that_differs_from_the_target_does_not_choose_the_origin(proxy, lab):
    """RFC 9112 section 3.2.2: the target wins (and Host is rewritten), or the request is refused."""
    host = f"{NAME}:{lab.ports['origin']}"
    got = proxy.raw(f"GET http://{host}/b/echo HTTP/1.1\r\nHost: dive01.example\r\nConnection: close\r\n\r\n"
                    .encode())
    status = int(got.split(b" ")[1])
    if status == 200:
        assert b"dive01.example" not in got and f"Host: {host}".encode().lower() in got.lower()
    else:
        assert status in (400, 421)


def test_absolute_target_with_host_of_a_covered_name(proxy, lab):
    """The policy that counts is the target's, whatever Host says."""
    port = lab.ports["http"]
    got = proxy.raw(f"GET http://dive01.example:{port}/01/size-1k-flipped HTTP/1.1\r\nHost: {NAME}:{port}\r\n"
                    "Connection: close\r\n\r\n".encode())
    assert got.split(b" ")[1] in (b"403", b"400", b"421"), got[:300]


def test_equal_lengths_twice_are_mended_or_refused(proxy, lab):
    host = f"{NAME}:{lab.ports['origin']}"
    got = proxy.raw(f"POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n"
                    "Content-Length: 5\r\nConnection: close\r\n\r\nhello".encode())
    assert got.split(b" ")[1] == b"400" or b'"bytes": 5' in got


def test_a_good_request_is_not_refused(proxy, lab):
    """The table above proves nothing if everything is refused."""
    host = f"{NAME}:{lab.ports['origin']}"
    got = proxy.raw(f"POST http://{host}/b/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"
                    f"GET http://{host}/b/echo?second HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                    .encode())
    assert got.count(b"HTTP/1.1 200") == 2 and b'"bytes": 5' in got and b"?second" in got
