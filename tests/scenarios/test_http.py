# SPDX-License-Identifier: BSD-2-Clause
"""HTTP as clients use it: methods, ranges, redirects, other statuses, request bodies, connections."""
import contextlib
import hashlib
import json
import random
import threading
import time

import proxy as proxymodule
import pytest
from expect import blocked, passed, proxy_error, released

GOOD, FLIPPED = "/01/size-300k", "/01/size-300k-flipped"
HOST = "dive01.example"
SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01") + lab.catalogue("00")}


# Ranges: the whole is fetched and verified, then the part is served

@SCHEMES
@pytest.mark.parametrize("asked, first, last", [
    ("0-0", 0, 0), ("0-99", 0, 99), ("100-", 100, 307199), ("-100", 307100, 307199),
    ("262143-262145", 262143, 262145), ("307199-", 307199, 307199), ("0-999999999", 0, 307199),
    ("-999999999", 0, 307199)])
def test_range_is_served_from_the_verified_whole(proxy, lab, body, scheme, asked, first, last):
    response = proxy.curl(lab.url(HOST, GOOD, scheme), "-r", asked)
    assert response.exit == 0 and response.status == 206, response
    assert response.body == body[GOOD][first:last + 1]
    assert response.field("content-range") == f"bytes {first}-{last}/{len(body[GOOD])}", response
    assert response.log()["verdict"] == "verified"


def test_range_does_not_reach_the_origin_of_a_covered_host(proxy, lab):
    response = proxy.curl(lab.odd(HOST, "echo"), "-r", "0-20000")
    assert b"range:" not in response.body.lower(), response


def test_range_of_a_tampered_whole_is_blocked(proxy, lab, body):
    """The tampered byte is the last; the range asked for is intact."""
    response = proxy.curl(lab.url(HOST, FLIPPED), "-r", "0-99")
    blocked(response, "signature-mismatch", body[FLIPPED])


def test_unsatisfiable_range_is_416(proxy, lab, body):
    response = proxy.curl(lab.url(HOST, GOOD), "-r", "307200-")
    assert response.status == 416, response
    assert response.field("content-range") == f"bytes */{len(body[GOOD])}", response


@pytest.mark.parametrize("value", ["bytes=5-2", "bytes=x", "lines=1-2", "bytes=", "bytes=--5"])
def test_invalid_range_is_ignored(proxy, lab, body, value):
    response = proxy.curl(lab.url(HOST, GOOD), "-H", f"Range: {value}")
    assert (response.status, response.body) == (200, body[GOOD]) or response.status == 416, response


def test_several_ranges_give_what_was_asked_or_the_whole(proxy, lab, body):
    response = proxy.curl(lab.url(HOST, GOOD), "-r", "0-9,1000-1009")
    if response.status == 206:
        assert response.field("content-type").startswith("multipart/byteranges"), response
        assert body[GOOD][:10] in response.body and body[GOOD][1000:1010] in response.body
    else:
        assert response.status == 200 and response.body == body[GOOD], response


def test_resumed_download_is_whole(proxy, lab, body, tmp_path):
    part = tmp_path / "part"
    part.write_bytes(body[GOOD][:100_000])
    response = proxy.curl(lab.url(HOST, GOOD), "-C", "-", "-o", str(part))
    assert response.exit == 0 and part.read_bytes() == body[GOOD], response


def test_if_range_with_another_etag_gives_the_whole(proxy, lab, body):
    response = proxy.curl(lab.url(HOST, GOOD), "-r", "0-9", "-H", 'If-Range: "another"')
    assert response.status == 200 and response.body == body[GOOD], response


def test_range_of_an_uncovered_host_is_the_origins_own(proxy, lab, body):
    response = proxy.curl(lab.url("plain.lab.example", GOOD), "-r", "5-14")
    assert response.status == 206 and response.body == body[GOOD][5:15], response


def test_unsolicited_206_is_refused(proxy, lab):
    response = proxy.curl(lab.odd(HOST, "partial-unasked"))
    assert response.status in (403, 502) and len(response.body) < 2000, response


# Methods and statuses

@SCHEMES
@pytest.mark.parametrize("path", [GOOD, FLIPPED])
def test_head_has_no_content_to_verify(proxy, lab, body, scheme, path):
    response = proxy.curl(lab.url(HOST, path, scheme), "-I")
    assert response.exit == 0 and response.status == 200 and response.body in (b"",) or \
        response.body.startswith(b"HTTP/"), response
    assert response.field("content-length") == str(len(body[path])), response
    assert response.field("signature-input"), response


@SCHEMES
def test_post_200_is_verified(proxy, lab, scheme):
    response = proxy.curl(lab.odd(HOST, "upload", scheme), "-d", "hello")
    assert response.status == 200 and response.json["bytes"] == 5, response
    assert response.log()["verdict"] == "verified"


@SCHEMES
def test_unsigned_post_200_is_blocked(proxy, lab, scheme):
    blocked(proxy.curl(lab.odd(HOST, "upload-unsigned", scheme), "-d", "hello"), "missing-headers",
            b"thanks")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "REPORT"])
def test_other_methods_pass_through(proxy, lab, method):
    response = proxy.curl(lab.odd("plain.lab.example", "upload"), "-X", method, "-d", "x=1")
    assert response.status == 200 and response.json["head"].startswith(f"{method} /b/upload"), response


def test_trace_does_not_reveal_credentials(proxy, lab):
    response = proxy.curl(lab.odd("plain.lab.example", "echo"), "-X", "TRACE", "-H",
                          "Proxy-Authorization: Basic c2VjcmV0")
    assert b"c2VjcmV0" not in response.body


@SCHEMES
@pytest.mark.parametrize("status", [204, 301, 400, 401, 404, 500, 503])
def test_other_statuses_pass_on_a_covered_host(proxy, lab, scheme, status):
    response = proxy.curl(lab.url(HOST, f"/status/{status}", scheme))
    assert response.exit == 0 and response.status == status, response
    assert "error=" not in (response.field("proxy-status") or "")
    if status >= 400:
        assert response.body in (b"an error body", b"who?", b"not here", b"broken", b"later"), response


def test_304_passes(proxy, lab):
    etag = proxy.curl(lab.url(HOST, GOOD), "-I").field("etag")
    response = proxy.curl(lab.url(HOST, GOOD), "-H", f"If-None-Match: {etag}")
    assert response.status in (304, 200), response
    if response.status == 304:
        assert response.body == b""


def test_error_bodies_can_be_stripped(dived, lab):
    one = dived(dive={"error-bodies": "strip"})
    response = one.curl(lab.url(HOST, "/status/404"))
    assert response.exit == 0 and response.status == 404 and response.body == b"", response
    assert one.curl(lab.url("plain.lab.example", "/status/404")).body == b"not here"
    assert one.curl(lab.url("reportonly.lab.example", "/status/404")).body == b"not here"


@pytest.mark.parametrize("name", ["status-203", "status-201", "status-299"])
def test_other_success_with_content_is_blocked_or_passed(dived, lab, name):
    response = dived().curl(lab.odd(HOST, name))
    assert response.status == 403 and len(response.body) < 2000, response
    one = dived(dive={"other-success": "pass"})
    response = one.curl(lab.odd(HOST, name))
    assert response.status == int(name[-3:]) and len(response.body) == 100_000, response


def test_redirect_is_followed_to_a_verified_file(proxy, lab, body):
    released(proxy.curl(lab.url(HOST, "/redirect"), "-L"), body["/01/size-1k"], match="/01/")


def test_redirect_to_an_uncovered_host_is_judged_by_that_host(proxy, lab, body):
    response = proxy.curl(lab.url(HOST, "/redirect-other"), "-L")
    assert response.status == 200 and response.body == body["/01/size-1k-flipped"], response


def test_redirect_to_a_covered_host_is_judged_by_that_host(proxy, lab):
    response = proxy.curl(lab.url("plain.lab.example", "/redirect-covered"), "-L")
    assert response.status == 403 and "signature-mismatch" in response.reason, response


def test_redirect_from_http_to_https(proxy, lab, body):
    released(proxy.curl(lab.url("plain.lab.example", "/redirect-https"), "-L"), body["/01/size-1k"],
             match="/01/")


# https-required

def test_https_required_refuses_plain_http_on_another_port(proxy, lab, body):
    response = proxy.curl(lab.url("https.lab.example", "/01/size-1k"))
    assert response.status == 403 and body["/01/size-1k"] not in response.body, response
    released(proxy.curl(lab.url("https.lab.example", "/01/size-1k", "https")), body["/01/size-1k"])


def test_https_required_counts_in_report_only_too(proxy, lab):
    response = proxy.curl(lab.odd("https-report.lab.example", "echo"))
    assert response.status == 403 and b"GET /b/echo" not in response.body, response


def test_https_required_never_contacts_the_origin_in_the_clear(proxy, lab):
    def requests():
        with open(lab.path("nginx", "access.log"), encoding="utf-8") as f:
            return sum("http https.lab.example" in line for line in f)

    before = requests()
    proxy.curl(lab.url("https.lab.example", "/01/size-1k"))
    assert requests() == before


def low_ports(lab):
    if not lab.low_ports:
        pytest.skip("ports 80 and 443 can't be bound here: run it as root to try the upgrade")


def test_https_required_upgrades_on_the_default_port(proxy, lab, body):
    low_ports(lab)
    released(proxy.curl("http://upgrade.lab.example/01/size-1k"), body["/01/size-1k"])
    with open(lab.path("nginx", "access.log"), encoding="utf-8") as f:
        lines = [line for line in f if " upgrade.lab.example " in line]
    assert lines and all(line.startswith("https ") for line in lines), lines
    blocked(proxy.curl("http://upgrade.lab.example/01/size-1k-flipped"), "signature-mismatch")


def test_an_upgrade_is_denied_where_a_rule_denies_https(dived, lab):
    low_ports(lab)
    for rule in ({"scheme": "https"}, {"port": 443}):
        one = dived(rules=[{"host": "upgrade.lab.example", "deny": True, **rule}])
        response = one.curl("http://upgrade.lab.example/01/size-1k")
        assert response.status == 403 and b"denied by the rule" in response.body, response


def test_https_required_can_refuse(dived, lab):
    low_ports(lab)
    one = dived(dive={"https-required": "refuse"})
    assert one.curl("http://upgrade.lab.example/01/size-1k").status == 403


# What leaves the proxy, what comes back

def sent(response):
    """The request as the origin got it: (request line, [(name, value)])."""
    lines = response.body.decode("latin-1").split("\r\n")
    return lines[0], [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]


@SCHEMES
def test_request_is_forwarded_in_origin_form(proxy, lab, scheme):
    port = lab.ports["origin" if scheme == "http" else "origin-tls"]
    line, fields = sent(proxy.curl(lab.odd("plain.lab.example", "echo?a=%20b&c", scheme), "-H", "X-Kept: 1"))
    assert line == "GET /b/echo?a=%20b&c HTTP/1.1"
    names = [name.lower() for name, _ in fields]
    assert names.count("host") == 1 and dict(fields)["Host"] == f"plain.lab.example:{port}"
    assert ("X-Kept", "1") in fields or ("x-kept", "1") in fields
    assert "via" in names
    for name in ("proxy-connection", "proxy-authorization", "forwarded", "x-forwarded-for"):
        assert name not in names, fields


@SCHEMES
def test_hop_by_hop_request_fields_are_removed(proxy, lab, scheme):
    response = proxy.curl(
        lab.odd("plain.lab.example", "echo", scheme), "-H", "Connection: X-Hop, keep-alive", "-H",
        "X-Hop: secret1", "-H", "Keep-Alive: secret2", "-H", "TE: trailers, secret3", "-H",
        "Proxy-Connection: secret4", "-H", "Proxy-Authorization: Basic secret5", "-H",
        "Proxy-Authenticate: secret6", "-H", "Upgrade: secret7")
    assert response.status == 200 and b"secret" not in response.body, response


def test_connection_cannot_remove_what_the_message_needs(proxy, lab):
    """Connection: host (or content-length) is an attack: end-to-end fields stay, or it is refused."""
    response = proxy.curl(lab.odd("plain.lab.example", "upload"), "-H", "Connection: content-length, host",
                          "-d", "12345")
    assert response.status == 400 or response.json["bytes"] == 5, response


def test_hop_by_hop_response_fields_are_removed(proxy, lab):
    for host in ("plain.lab.example", HOST):
        response = proxy.curl(lab.odd(host, "hop-by-hop"))
        assert response.status == 200 and response.field("x-kept") == "yes", response
        for name in ("x-secret", "keep-alive", "proxy-authenticate", "proxy-connection"):
            assert response.field(name) is None, response


def test_via_and_loop_detection(proxy, lab):
    response = proxy.curl(lab.odd("plain.lab.example", "good"))
    assert response.field("via"), response
    response = proxy.curl(f"http://plain.lab.example:{proxy.port}/", timeout=10)  # a name that leads to itself
    assert response.exit == 0 and response.status >= 400, response


def test_signed_message_is_delivered_unchanged(proxy, lab, body):
    direct = {"content-type", "etag", "last-modified", "content-digest", "signature-input", "signature"}
    response = proxy.curl(lab.url(HOST, GOOD))
    for name in direct:
        assert response.field(name), response
    assert response.field("content-length") == str(len(body[GOOD]))


def test_coded_content_is_hashed_and_delivered_as_received(proxy, lab, body):
    response = proxy.curl(lab.url(HOST, "/01/gzip-coded"))
    released(response, body["/01/gzip-coded"])
    assert response.field("content-encoding") == "gzip"


# Request bodies

@pytest.fixture(scope="module")
def big_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("upload") / "big"
    data = random.Random("upload").randbytes(100_000_000)
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


@SCHEMES
@pytest.mark.parametrize("how", ["length", "chunked"])
def test_100_mb_upload(proxy, lab, big_file, scheme, how):
    path, digest = big_file
    more = ["-H", "Transfer-Encoding: chunked"] if how == "chunked" else []
    response = proxy.curl(lab.odd(HOST, "upload", scheme), "-T", str(path), *more, timeout=90)
    assert response.status == 200, response
    assert response.json["bytes"] == 100_000_000 and response.json["sha256"] == digest


@SCHEMES
def test_expect_100_continue(proxy, lab, scheme):
    response = proxy.curl(lab.odd("plain.lab.example", "upload", scheme), "-H", "Expect: 100-continue",
                          "-d", "x" * 2000)
    assert response.status == 200 and response.json["bytes"] == 2000, response


def test_expect_refused_by_the_origin(proxy, lab):
    response = proxy.curl(lab.odd("plain.lab.example", "expect-refused"), "-H", "Expect: 100-continue",
                          "-d", "x" * 2000)
    assert response.exit == 0 and response.status == 417, response


def test_early_response_reaches_the_client(proxy, lab, big_file):
    response = proxy.curl(lab.odd("plain.lab.example", "early-response"), "-T", str(big_file[0]), "-H",
                          "Expect:", timeout=30)
    assert response.status == 413 or response.exit in (55, 56), response
    assert response.exit != 28, response


def test_chunked_request_is_forwarded_with_its_end(proxy, lab):
    port = lab.ports["origin"]
    got = proxy.raw(f"POST http://plain.lab.example:{port}/b/upload HTTP/1.1\r\nHost: plain.lab.example:"
                    f"{port}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n"
                    "6;x=y\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n".encode())
    assert b'"bytes": 11' in got, got


def test_truncated_upload_never_looks_whole_to_the_origin(proxy, lab):
    """The client goes away in the middle of a chunk: the origin must not get a final chunk."""
    port = lab.ports["origin"]
    with open(lab.path("origin.log"), encoding="utf-8") as f:
        f.seek(0, 2)
        with contextlib.closing(proxy.connect()) as s:
            s.sendall(f"POST http://plain.lab.example:{port}/b/upload HTTP/1.1\r\nHost: plain.lab.example"
                      f":{port}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe".encode())
            time.sleep(0.5)
        time.sleep(0.5)
        log = f.read()
    assert "close" in log, "the origin's connection was left open"


# Connections

def request(lab, path="/plain", host="plain.lab.example", more="", method="GET", version="1.1"):
    port = lab.ports["http"]
    return (f"{method} http://{host}:{port}{path} HTTP/{version}\r\nHost: {host}:{port}\r\n{more}\r\n"
            ).encode()


def test_connection_is_kept_alive_across_outcomes(proxy, lab, body):
    with contextlib.closing(proxy.connect()) as s:
        for host, path, status in ((HOST, "/01/size-1k", 200), (HOST, "/01/size-1k-flipped", 403),
                                   ("plain.lab.example", "/plain", 200), (HOST, "/status/404", 404),
                                   (HOST, "/status/204", 204), (HOST, "/01/size-5m", 200)):
            s.sendall(request(lab, path, host))
            got, _, content = proxymodule.read_response(s)
            assert got == status
            if status == 200 and path != "/plain":
                assert content == body[path]


def test_head_then_get_on_one_connection(proxy, lab, body):
    with contextlib.closing(proxy.connect()) as s:
        s.sendall(request(lab, GOOD, HOST, method="HEAD"))
        status, fields, _ = proxymodule.read_response(s, head_only=True)
        assert status == 200 and fields["content-length"] == str(len(body[GOOD]))
        s.sendall(request(lab, GOOD, HOST))
        assert proxymodule.read_response(s)[2] == body[GOOD]


def test_pipelined_requests_are_answered_in_order(proxy, lab, body):
    with contextlib.closing(proxy.connect()) as s:
        s.sendall(request(lab, GOOD, HOST) + request(lab) + request(lab, "/01/size-1k-flipped", HOST)
                  + request(lab, "/01/size-1k", HOST))
        assert proxymodule.read_response(s)[2] == body[GOOD]
        assert proxymodule.read_response(s)[2] == b"plain text\n"
        assert proxymodule.read_response(s)[0] == 403
        assert proxymodule.read_response(s)[2] == body["/01/size-1k"]


def test_connection_close_is_honoured(proxy, lab):
    got = proxy.raw(request(lab, more="Connection: close\r\n"))
    assert got.how == "eof" and got.endswith(b"plain text\n")
    assert b"connection: close" in got.lower()


@pytest.mark.parametrize("host", ["plain.lab.example", HOST])
def test_http_1_0_client(proxy, lab, body, host):
    got = proxy.raw(request(lab, GOOD, host, version="1.0"))
    head, _, content = got.partition(b"\r\n\r\n")
    assert got.how == "eof" and content == body[GOOD]
    assert b"transfer-encoding" not in head.lower()


def test_http_1_0_client_gets_chunked_content_decoded(proxy, lab):
    port = lab.ports["origin"]
    for host in ("plain.lab.example", HOST):
        got = proxy.raw(f"GET http://{host}:{port}/b/good-chunked HTTP/1.0\r\n\r\n".encode())
        head, _, content = got.partition(b"\r\n\r\n")
        assert got.how == "eof" and len(content) == 100_000, head
        assert b"transfer-encoding" not in head.lower()


def test_half_closed_client_gets_the_whole_answer_or_none(proxy, lab, body):
    """A client that shuts its sending side down may be taken as gone, but not half served."""
    got = proxy.raw(request(lab, GOOD, HOST, more="Connection: close\r\n"), half_close=True)
    assert got.how != "timeout" and (got == b"" or got.endswith(body[GOOD]))


def test_request_in_single_bytes(proxy, lab):
    with contextlib.closing(proxy.connect()) as s:
        for byte in request(lab):
            s.sendall(bytes([byte]))
        assert proxymodule.read_response(s)[2] == b"plain text\n"


def test_empty_lines_before_a_request_are_ignored(proxy, lab):
    with contextlib.closing(proxy.connect()) as s:
        s.sendall(b"\r\n" + request(lab))
        assert proxymodule.read_response(s)[2] == b"plain text\n"


def test_origin_connections_are_reused(dived, lab):
    """One worker, ten requests after one another: /b/count counts those of a connection."""
    one = dived(workers=1)
    counts = [int(one.curl(lab.odd("plain.lab.example", "count")).body) for _ in range(5)]
    assert counts == [1, 2, 3, 4, 5]
    counts = [int(one.curl(lab.odd("plain.lab.example", "count", "https")).body) for _ in range(3)]
    assert counts == [1, 2, 3]


def test_a_pooled_connection_that_the_origin_closed_is_replaced(proxy, lab):
    for _ in range(5):
        response = proxy.curl(lab.odd("plain.lab.example", "drop-after-idle"))
        assert response.exit == 0 and response.status == 200, response


def test_many_clients_at_once(proxy, lab, body):
    wrong = []

    def work(number):
        path = ["/01/size-1k", "/01/size-1k-flipped", GOOD, "/01/size-5m"][number % 4]
        scheme = ["http", "https"][number % 2]
        response = proxy.curl(lab.url(HOST, path, scheme), timeout=60)
        good = response.status == 403 if "flipped" in path else response.body == body[path]
        if not good:
            wrong.append(response)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert not wrong


def test_client_reads_slowly(proxy, lab, body):
    response = proxy.curl(lab.url(HOST, "/01/size-5m"), "--limit-rate", "2500k", timeout=30)
    released(response, body["/01/size-5m"])


def test_hold_keepalive_sends_interim_responses(dived, lab):
    one = dived(hold={"keepalive": "1s"})
    port = lab.ports["origin"]
    with contextlib.closing(one.connect()) as s:
        s.sendall(f"GET http://{HOST}:{port}/b/good-drip HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        statuses = []
        while True:
            status, _, content = proxymodule.read_response(s)
            statuses.append(status)
            if status >= 200:
                break
    assert statuses[-1] == 200 and len(content) == 100_000 and 100 in statuses, statuses


@pytest.mark.parametrize("agent", ["Debian APT-HTTP/1.3 (2.6.1)", "Ubuntu APT-HTTP/1.3 (2.4.5)"])
def test_hold_keepalive_spares_apt_which_fails_on_one(dived, lab, agent):
    one = dived(hold={"keepalive": "500ms"})
    authority = f"{HOST}:{lab.ports['origin']}"
    with contextlib.closing(one.connect()) as s:
        s.sendall(f"GET http://{authority}/b/good-drip HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {agent}\r\n\r\n"
                  .encode())
        assert proxymodule.read_response(s)[0] == 200


def test_too_large_to_hold_is_refused(dived, lab):
    one = dived(hold={"max-size": "1MiB", "max-total": "2MiB"})
    response = one.curl(lab.url(HOST, "/01/size-5m"))
    assert response.exit == 0 and response.status >= 400 and len(response.body) < 4000, response
    assert one.curl(lab.url("plain.lab.example", "/01/size-5m")).status == 200


def test_hold_timeout_ends_a_download_that_never_ends(dived, lab):
    one = dived(hold={"timeout": "1s"})
    response = one.curl(lab.odd(HOST, "good-drip"))
    assert response.status in (502, 504, 403), response


def test_websocket_over_plain_http(proxy, lab):
    port = lab.ports["origin"]
    with contextlib.closing(proxy.connect()) as s:
        s.sendall((f"GET http://plain.lab.example:{port}/b/websocket HTTP/1.1\r\nHost: plain.lab.example:"
                   f"{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        status, fields, _ = proxymodule.read_response(s)
        assert status == 101 and fields["upgrade"].lower() == "websocket", fields
        assert fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        for size in (1, 1000, 100_000):
            data = random.randbytes(size)
            s.sendall(data)
            assert proxymodule.read_exactly(s, size) == data


def test_upgrade_that_the_origin_declines(proxy, lab):
    response = proxy.curl(lab.odd("plain.lab.example", "good"), "-H", "Connection: Upgrade", "-H",
                          "Upgrade: websocket")
    assert response.status == 200 and len(response.body) == 100_000, response


@pytest.mark.parametrize("target", ["/", "/x?y"])
def test_origin_form_request_for_another_host(proxy, target):
    got = proxy.raw(f"GET {target} HTTP/1.1\r\nHost: plain.lab.example\r\nConnection: close\r\n\r\n".encode())
    assert got.split(b" ")[1] == b"421", got


@pytest.mark.parametrize("url", ["ftp://plain.lab.example/", "gopher://plain.lab.example/",
                                 "file:///etc/passwd"])
def test_other_schemes_are_refused(proxy, url):
    got = proxy.raw(f"GET {url} HTTP/1.1\r\nHost: plain.lab.example\r\nConnection: close\r\n\r\n".encode())
    assert got.split(b" ")[1] in (b"400", b"403", b"501"), got
    assert b"root:" not in got


def test_refused_reset_and_silent_origins(dived, lab):
    one = dived(origins={"connect-timeout": "1s"})
    for port, statuses in (("closed", (502,)), ("reset", (502,)), ("stall", (504, 502))):
        started = time.monotonic()
        response = one.curl(f"http://plain.lab.example:{lab.ports[port]}/", timeout=10)
        proxy_error(response, statuses)
        assert time.monotonic() - started < 6
        response = one.curl(f"https://plain.lab.example:{lab.ports[port]}/", timeout=10)
        proxy_error(response, statuses)  # told inside of TLS, whatever the origin did
    assert json.dumps(one.log_entries())
