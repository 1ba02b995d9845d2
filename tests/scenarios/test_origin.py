# SPDX-License-Identifier: BSD-2-Clause
"""Origins that misbehave, each on an uncovered and a covered host, in the clear and over TLS.

The rule: the client gets the whole content, or it can tell that it didn't. Never a clean end of less.
"""
import contextlib
import time

import origin
import proxy as proxymodule
import pytest
from expect import eventually, never_whole, released

HOSTS = {"uncovered": "plain.lab.example", "covered": "dive01.example", "covered-00": "dive00.example"}

# What may never look like a finished transfer, to anybody.
BROKEN = """empty reset-before-head stall-before-head garbage tls-alert-in-plain ssh-banner close-in-head
reset-in-head stall-in-head huge-head endless-head many-fields nul-in-field
status-garbage status-too-big version-two version-icy length-garbage length-negative length-overflow
length-twice-differing length-list-differing coding-chunked-not-last coding-chunked-twice
chunk-size-garbage chunk-size-overflow chunk-size-negative chunk-without-crlf chunk-extension-endless
trailers-endless truncated-length truncated-before-body truncated-by-one reset-in-body stall-in-body
chunk-cut chunk-without-last chunk-last-without-crlf close-delimited-reset interim-storm
switching-unasked""".split()

# What a recipient may mend or refuse; if it is delivered, then whole.
EITHER = """bare-lf-head bare-cr-in-field folded-field space-before-colon field-without-name
length-and-chunked coding-unknown good-length-twice""".split()

GOOD = """good good-close good-chunked good-chunked-extensions good-close-delimited good-http10
good-http10-close-delimited good-drip good-bytewise-head good-no-reason good-interim
good-fields-in-lines fields-repeated""".split()


@pytest.mark.parametrize("where", ["uncovered", "covered"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken(proxy, lab, name, where):
    response = proxy.curl(lab.odd(HOSTS[where], name), timeout=12)
    assert response.exit != 28, response  # curl's patience ended before the proxy's
    if where == "uncovered":
        never_whole(response)
    else:
        never_whole(response, origin.BODY)
        assert response.exit == 0, response  # held: nothing had gone out, so a proper error can
        assert origin.BODY[:16] not in response.body


@pytest.mark.parametrize("where", ["uncovered", "covered"])
@pytest.mark.parametrize("name", ["empty", "close-in-head", "truncated-length", "truncated-by-one",
                                  "reset-in-body", "chunk-cut", "chunk-without-last", "length-negative",
                                  "close-delimited-truncated-tls", "stall-in-body"])
def test_broken_over_tls(proxy, lab, name, where):
    response = proxy.curl(lab.odd(HOSTS[where], name, "https"), timeout=12)
    assert response.exit != 28, response
    never_whole(response, *([origin.BODY] if where == "covered" else []))


@pytest.mark.parametrize("where", HOSTS)
@pytest.mark.parametrize("name", EITHER)
def test_whole_or_refused(proxy, lab, name, where):
    response = proxy.curl(lab.odd(HOSTS[where], name), timeout=12)
    if response.exit == 0 and response.status == 200:
        assert response.body == origin.BODY, response
    else:
        never_whole(response)
    assert response.field("x-injected") is None


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("where", HOSTS)
@pytest.mark.parametrize("name", GOOD)
def test_odd_but_right(proxy, lab, name, where, scheme):
    response = proxy.curl(lab.odd(HOSTS[where], name, scheme))
    if where == "uncovered":
        released(response, origin.BODY, "not-supported")
    elif (where, name) == ("covered-00", "fields-repeated") or name != "fields-repeated":
        released(response, origin.BODY)
    else:
        assert response.status in (200, 403), response


def test_bytes_beyond_the_length_are_not_the_next_response(proxy, lab):
    """The origin appends a forged response: it may not answer the next request on that connection."""
    for _ in range(4):
        response = proxy.curl(lab.odd("plain.lab.example", "excess-bytes"))
        assert response.exit == 0 and response.body == origin.BODY, response
        response = proxy.curl(lab.odd("plain.lab.example", "good"))
        assert response.exit == 0 and response.body == origin.BODY, response


def test_unasked_101_does_not_open_a_tunnel(proxy, lab):
    port = lab.ports["origin"]
    with contextlib.closing(proxy.connect()) as s:
        s.sendall(f"GET http://plain.lab.example:{port}/b/switching-unasked HTTP/1.1\r\n"
                  f"Host: plain.lab.example:{port}\r\n\r\n".encode())
        status, _, _ = proxymodule.read_response(s)
    assert status == 502, status


@pytest.mark.parametrize("name, reasons", [
    ("fields-forged", ("signature-mismatch",)), ("fields-in-trailers", ("missing-headers",))])
def test_forged_fields_are_blocked(proxy, lab, name, reasons):
    response = proxy.curl(lab.odd("dive01.example", name))
    assert response.status == 403 and response.reason.split(": ")[-1] in reasons, response
    assert origin.BODY[:16] not in response.body


def test_huge_signature_fields_are_an_error(proxy, lab):
    response = proxy.curl(lab.odd("dive01.example", "fields-huge"))
    assert response.status in (403, 502) and origin.BODY[:16] not in response.body, response


def test_uncovered_content_streams_without_being_held(proxy, lab):
    """good-drip takes 1.5 s: its first byte must come at once."""
    response = proxy.curl(lab.odd("plain.lab.example", "good-drip"), "-w",
                          "%{stderr}first=%{time_starttransfer}")
    assert float(response.stderr.split("first=")[1].replace(",", ".")) < 1.0, response


def test_covered_content_is_held_to_the_last_byte(proxy, lab):
    response = proxy.curl(lab.odd("dive01.example", "good-drip"), "-w",
                          "%{stderr}first=%{time_starttransfer}")
    assert response.status == 200
    assert float(response.stderr.split("first=")[1].replace(",", ".")) > 1.4, response


def test_report_only_is_not_held(dived, lab):
    one = dived(dive={"mode": "report-only"})
    response = one.curl(lab.odd("dive01.example", "good-drip"), "-w",
                        "%{stderr}first=%{time_starttransfer}")
    assert float(response.stderr.split("first=")[1].replace(",", ".")) < 1.0, response
    for name in ("truncated-length", "chunk-without-last", "reset-in-body"):
        never_whole(one.curl(lab.odd("dive01.example", name)))


def test_stalled_origins_are_timed_out_and_their_connections_closed(proxy, lab):
    before = lab.origin_open()
    started = time.monotonic()
    for name in ("stall-before-head", "stall-in-body"):
        response = proxy.curl(lab.odd("dive01.example", name), timeout=12)
        assert response.status == 504 or response.status == 502, response
    assert time.monotonic() - started < 10
    eventually(lambda: lab.origin_open() <= before + 2, 5, "the closing of stalled connections")


def test_a_large_uncovered_body_is_not_buffered(dived, lab):
    """A client that reads nothing: the proxy must stop reading too."""
    one = dived(workers=1)
    port = lab.ports["http"]
    with contextlib.closing(one.connect()) as s:
        s.sendall(f"GET http://plain.lab.example:{port}/01/size-64m HTTP/1.1\r\n"
                  f"Host: plain.lab.example:{port}\r\n\r\n".encode())
        time.sleep(1.5)
        with open(f"/proc/{one.process.pid}/status", encoding="ascii") as f:
            rss = int(next(line for line in f if line.startswith("VmRSS")).split()[1])
        sanitized = "sanitizer" in one.binary
        assert rss < (400_000 if sanitized else 48_000), f"{rss} KiB resident"


def test_a_large_held_body_does_not_stay_in_memory(dived, lab):
    one = dived(workers=1)
    response = one.curl(lab.url("dive01.example", "/01/size-64m"), keep_body=False, timeout=60)
    assert response.status == 200
    with open(f"/proc/{one.process.pid}/status", encoding="ascii") as f:
        peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1])
    sanitized = "sanitizer" in one.binary
    assert peak < (400_000 if sanitized else 48_000), f"{peak} KiB at its peak"
