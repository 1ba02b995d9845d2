# SPDX-License-Identifier: BSD-2-Clause
"""What DNS proves, fails to prove, withholds and lies about."""
import time

import pytest
import zones
from expect import blocked, eventually, passed, released

FLIPPED = "/01/size-1k-flipped"
GOOD = "/01/size-1k"


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01")}


@pytest.mark.parametrize("host", ["unsigned.example", "www.unsigned.example"])
def test_unsigned_zone_passes_whatever_it_publishes(proxy, lab, body, host):
    for scheme in ("http", "https"):
        passed(proxy.curl(lab.url(host, FLIPPED, scheme)), body[FLIPPED])


def test_insecure_policy_below_a_secure_one_is_absent(proxy, lab, body):
    """The unsigned zone's empty policy and its attacker's key must not weaken its parent's policy."""
    host = "insecure.dive01.example"
    entry = blocked(proxy.curl(lab.url(host, FLIPPED)), "signature-mismatch", body[FLIPPED])
    assert entry["policy_domain"] == "dive01.example"
    released(proxy.curl(lab.url(host, GOOD)), body[GOOD])
    blocked(proxy.curl(lab.url(host, "/01/unknown-key")), ("key-not-found", "dnssec-unavailable"))


@pytest.mark.parametrize("host", ["bogus.example", "www.bogus.example", "expired.example"])
def test_bogus_zone_is_blocked(proxy, lab, body, host):
    """Its address is bogus too; the policy's answer is what the client is told about."""
    for scheme in ("http", "https"):
        response = proxy.curl(lab.url(host, GOOD, scheme))
        assert response.exit == 0 and response.status in (403, 502), response
        assert body[GOOD] not in response.body
        if response.status == 403:
            assert "dnssec-unavailable" in response.reason, response
        assert response.log()["dnssec"] == "bogus"


def test_bogus_policy_of_a_reachable_host_is_blocked(faulty_dns, lab, body):
    one = faulty_dns()
    lab.faults({"_dive.dive01.example": "unsigned"})
    entry = blocked(one.curl(lab.url("dive01.example", GOOD)), "dnssec-unavailable", body[GOOD])
    assert entry["dnssec"] == "bogus"
    entry = blocked(one.curl(lab.url("www.dive01.example", GOOD, "https")), "dnssec-unavailable",
                    body[GOOD])


def test_bogus_policy_can_be_ignored(faulty_dns, lab, body):
    one = faulty_dns(dive={"bogus": "ignore"})
    lab.faults({"_dive.strict.lab.example": "unsigned"})
    passed(one.curl(lab.url("strict.lab.example", FLIPPED)), body[FLIPPED])


@pytest.mark.parametrize("lie", ['forge:v="dive-draft-01", scopes=()', "nxdomain", "unsigned"])
def test_lies_about_a_signed_policy_open_nothing(faulty_dns, lab, body, lie):
    one = faulty_dns()
    lab.faults({"_dive.strict.lab.example": lie})
    blocked(one.curl(lab.url("strict.lab.example", FLIPPED)), "dnssec-unavailable", body[FLIPPED])


@pytest.mark.parametrize("lie, reasons", [
    ("nxdomain", ("dnssec-unavailable", "key-not-found")), ("unsigned", ("dnssec-unavailable",)),
    ("servfail", ("dnssec-unavailable", "key-not-found")),
    ("drop", ("dnssec-unavailable", "key-not-found"))])
def test_no_true_answer_about_the_key(faulty_dns, lab, body, lie, reasons):
    one = faulty_dns()
    lab.faults({"ed1._divekey.strict.lab.example": lie})
    blocked(one.curl(lab.url("strict.lab.example", GOOD)), reasons, body[GOOD])
    both = "/01/rotation-old-first"
    released(one.curl(lab.url("strict.lab.example", both)), body[both])


@pytest.mark.parametrize("fault", ["servfail", "refused", "drop", "garbage"])
def test_dns_down_for_the_policy_fails_closed(faulty_dns, lab, body, fault):
    one = faulty_dns()
    assert one.curl(lab.url("plain.lab.example", "/plain")).status == 200
    lab.faults({"_dive.strict.lab.example": fault})
    started = time.monotonic()
    blocked(one.curl(lab.url("strict.lab.example", GOOD)), "dnssec-unavailable", body[GOOD])
    assert time.monotonic() - started < 8
    lab.faults({})
    eventually(lambda: one.curl(lab.url("strict.lab.example", GOOD)).status == 200, 12, "recovery")


def test_no_answer_can_be_ignored(faulty_dns, lab, body):
    one = faulty_dns(dive={"no-answer": "ignore"})
    lab.faults({"_dive.strict.lab.example": "servfail"})
    passed(one.curl(lab.url("strict.lab.example", FLIPPED)), body[FLIPPED])


def test_no_answer_from_a_provably_insecure_zone_passes(faulty_dns, lab, body):
    one = faulty_dns()
    lab.faults({"_dive.unsigned.example": "servfail", "_dive.www.unsigned.example": "servfail"})
    passed(one.curl(lab.url("www.unsigned.example", FLIPPED)), body[FLIPPED])


def test_slow_dns_delays_but_does_not_open(faulty_dns, lab, body):
    one = faulty_dns()
    lab.faults({"_dive.dive01.example": "delay:1", "ed1._divekey.dive01.example": "delay:1"})
    started = time.monotonic()
    released(one.curl(lab.url("dive01.example", GOOD)), body[GOOD])
    assert time.monotonic() - started >= 1
    lab.faults({"_dive.strict.lab.example": "delay:1"})
    blocked(one.curl(lab.url("strict.lab.example", FLIPPED)), "signature-mismatch", body[FLIPPED])


def test_not_one_byte_before_the_policy_is_known(faulty_dns, lab):
    """An uncovered host streams, but only once that is proven."""
    one = faulty_dns()
    lab.faults({"_dive.plain.lab.example": "delay:1"})
    response = one.curl(lab.url("plain.lab.example", "/01/size-5m"), "-w",
                        "%{stderr}first=%{time_starttransfer}")
    assert response.status == 200
    assert float(response.stderr.split("first=")[1].replace(",", ".")) >= 0.9, response.stderr


def test_all_dns_down_is_an_error_within_bounds(faulty_dns, lab):
    one = faulty_dns()
    lab.faults({"*": "drop"})
    started = time.monotonic()
    for url in (lab.url("plain.lab.example", "/plain"), lab.url("plain.lab.example", "/plain", "https")):
        response = one.curl(url)
        assert response.status in (403, 502, 504), response
        assert (response.field("proxy-status") or "").startswith("dived; error="), response
    assert time.monotonic() - started < 15
    lab.faults({})
    eventually(lambda: one.curl(lab.url("plain.lab.example", "/plain")).status == 200, 20, "recovery")


def test_truncated_answers_are_asked_again_over_tcp(faulty_dns, lab, body):
    """The policy comes over UDP truncated and over TCP not at all: no answer."""
    one = faulty_dns()
    lab.faults({"_dive.strict.lab.example": "truncate"})
    blocked(one.curl(lab.url("strict.lab.example", GOOD)), "dnssec-unavailable", body[GOOD])


def test_a_host_without_address_is_an_error_of_dns(proxy, lab):
    response = proxy.curl(lab.url("nothere.lab.example", "/plain"))
    assert response.status in (502, 504), response
    assert "dns" in response.field("proxy-status"), response


def test_cname_to_the_origin_is_followed(proxy, lab):
    assert proxy.curl(lab.url("alias.lab.example", "/plain")).body == b"plain text\n"


def test_ipv4_is_used_when_ipv6_leads_nowhere(proxy, lab):
    assert proxy.curl(lab.url("v6first.lab.example", "/plain")).body == b"plain text\n"


@pytest.mark.parametrize("host", ["nsec3.example", "a.b.nsec3.example"])
def test_nsec3_zone(proxy, lab, body, host):
    released(proxy.curl(lab.url(host, GOOD)), body[GOOD])
    blocked(proxy.curl(lab.url(host, FLIPPED)), "signature-mismatch", body[FLIPPED])
    blocked(proxy.curl(lab.url(host, "/01/unknown-key")), "key-not-found")


def test_stub_zones(dived, lab, body):
    server = f"127.0.0.1@{lab.ports['dns']}"
    one = dived(dns={"forward": None, "stub": [{"zone": z, "address": server} for z in zones.ZONES]})
    released(one.curl(lab.url("dive01.example", GOOD)), body[GOOD])
    blocked(one.curl(lab.url("dive01.example", FLIPPED)), "signature-mismatch", body[FLIPPED])
    passed(one.curl(lab.url("unsigned.example", FLIPPED)), body[FLIPPED])


def test_a_trust_anchor_for_another_root_makes_everything_bogus(dived, lab, body, tmp_path):
    anchor = tmp_path / "other.key"
    anchor.write_text(". IN DS 1 13 2 " + "ab" * 32 + "\n")
    one = dived(dns={"trust-anchor-file": str(anchor)})
    response = one.curl(lab.url("dive01.example", GOOD))
    assert response.status in (403, 502) and body[GOOD] not in response.body, response


def test_every_level_is_asked_and_nothing_else(faulty_dns, lab, body):
    one = faulty_dns()
    mark = lab.queries_mark()
    released(one.curl(lab.url("a.b.c.dive01.example", GOOD)), body[GOOD])
    asked = {name for name, kind in lab.queries(mark) if kind == "TXT"}
    levels = ["a.b.c.dive01.example", "b.c.dive01.example", "c.dive01.example", "dive01.example",
              "example"]
    assert asked >= {f"_dive.{level}" for level in levels[:4]}
    known = {f"_dive.{level}" for level in levels} | {f"ed1._divekey.{level}" for level in levels[:4]}
    assert asked <= known, asked - known


def test_cached_records_are_not_asked_again(faulty_dns, lab, body):
    one = faulty_dns()
    released(one.curl(lab.url("cached.lab.example", GOOD)), body[GOOD])
    mark = lab.queries_mark()
    for _ in range(3):
        released(one.curl(lab.url("cached.lab.example", GOOD)), body[GOOD])
    records = ("_dive.cached.lab.example", "ed1._divekey.cached.lab.example")
    assert not [name for name, kind in lab.queries(mark) if name in records and kind == "TXT"]


def test_invalidation_in_the_future_asks_for_the_key_each_time(faulty_dns, lab, body):
    """invalidate-keys-cache lies ahead: each verification makes a fresh query, whatever the TTL."""
    one = faulty_dns()
    for _ in range(3):
        mark = lab.queries_mark()
        released(one.curl(lab.url("invalidate-future.lab.example", GOOD)), body[GOOD])
        assert ("ed1._divekey.invalidate-future.lab.example", "TXT") in lab.queries(mark)
