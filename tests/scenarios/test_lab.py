# SPDX-License-Identifier: BSD-2-Clause
"""The lab is what it says: checked with libunbound and an independent verifier, without dived."""
import http.client
import json
import os
import ssl
import subprocess
import sys
import time

import lab as labmodule
import pytest
import resolve
import sign
import zones
from expect import eventually

SECURITY = {
    "_dive.dive01.example": ("secure", 1), "_dive.dive00.example": ("secure", 1),
    "_dive.www.dive01.example": ("secure", 0), "_dive.example": ("secure", 0),
    "_dive.child.dive01.example": ("secure", 1), "_dive.insecure.dive01.example": ("insecure", 1),
    "_dive.nsec3.example": ("secure", 1), "_dive.a.b.nsec3.example": ("secure", 0),
    "_dive.unsigned.example": ("insecure", 1), "_dive.bogus.example": ("bogus", 1),
    "_dive.expired.example": ("bogus", 1), "_dive.two-policies.lab.example": ("secure", 2),
    "_dive.host.wild.lab.example": ("secure", 1), "_dive.host.wildpol.lab.example": ("secure", 1),
    "_dive.policy-alias.lab.example": ("secure", 1), "_dive.nothere.example": ("secure", 0),
    "twin._divekey.dive01.example": ("secure", 2), "ghost._divekey.dive01.example": ("secure", 0),
}


@pytest.fixture(params=["forward", "stubs"])
def resolver(lab, request):
    stubs = list(zones.ZONES) if request.param == "stubs" else ()
    one = resolve.Resolver(lab.anchor, f"127.0.0.1@{lab.ports['dnsproxy']}", stubs)
    yield one
    one.close()


def test_dnssec_status_of_each_zone(resolver):
    for name, (security, n) in SECURITY.items():
        got, records = resolver.ask(name)
        assert (got, len(records)) == (security, n), name


def test_without_the_trust_anchor_nothing_is_secure(lab, tmp_path):
    anchor = tmp_path / "other.key"
    anchor.write_text(". IN DS 1 13 2 " + "ab" * 32 + "\n")
    one = resolve.Resolver(str(anchor), f"127.0.0.1@{lab.ports['dns']}")
    assert one.ask("_dive.dive01.example")[0] in ("bogus", "no-answer")
    one.close()


def test_zone_changes_are_served_and_secure(lab):
    host = lab.new_host(keyids=("ed1",))
    one = resolve.Resolver(lab.anchor, f"127.0.0.1@{lab.ports['dns']}")
    assert one.ask(f"_dive.{host}") == ("secure", [sign.policy_record()])
    assert one.ask(f"ed1._divekey.{host}")[0] == "secure"
    lab.dns.revoke_key(host, "ed1")
    lab.dns.set_policy(host, directives=("report-only",))
    time.sleep(2.1)  # the TTL is a second, and libunbound counts whole ones
    assert one.ask(f"ed1._divekey.{host}") == ("secure", [])
    assert one.ask(f"_dive.{host}") == ("secure", [sign.policy_record(directives=("report-only",))])
    one.close()


@pytest.mark.parametrize("fault, expected", [
    ("servfail", ("no-answer", 0)), ("nxdomain", ("bogus", 0)), ("unsigned", ("bogus", 1)),
    ("forge:v=\"dive-draft-01\"", ("bogus", 1)), ("delay:0.3", ("secure", 1))])
def test_dns_faults(lab, fault, expected):
    one = resolve.Resolver(lab.anchor, f"127.0.0.1@{lab.ports['dnsproxy']}")
    lab.faults({"_dive.dive01.example": fault})
    try:
        security, records = one.ask("_dive.dive01.example")
        assert security == expected[0]
        assert one.ask("_dive.dive00.example")[0] == "secure"
    finally:
        lab.faults({})
        one.close()


def fetch(lab, path, host="dive01.example", port="http", context=None):
    if context:
        connection = http.client.HTTPSConnection("127.0.0.1", lab.ports[port], timeout=5, context=context)
        connection.set_debuglevel(0)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", lab.ports[port], timeout=5)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    body = response.read()
    headers = {}
    for name, value in response.getheaders():
        name = name.lower()
        headers[name] = headers[name] + ", " + value if name in headers else value
    connection.close()
    return response.status, headers, body


def test_catalogue_is_served_as_made(lab):
    paths = set()
    for resource in lab.catalogue("01") + lab.catalogue("00"):
        assert resource.path not in paths, "two resources with one path"
        paths.add(resource.path)
        if "64m" in resource.path or "5m" in resource.path:
            continue
        status, headers, body = fetch(lab, resource.path)
        assert status == 200 and body == resource.body, resource
        for name, value in resource.headers:
            if value:  # nginx sends no empty fields
                assert name.lower() in headers, resource


def test_good_signatures_verify_elsewhere(lab):
    published = {k: v for k, v in lab.keys.items() if k != "ghost"}
    for name, verifies in (("size-1k", True), ("digest-sha3-512", True), ("ed448", True),
                           ("rotation-new-first", True), ("covers-status", True),
                           ("size-1k-flipped", False), ("unknown-key", False), ("wrong-key", False)):
        _, headers, body = fetch(lab, "/01/" + name)
        assert bool(sign.verify01(headers, body, published)) is verifies, name
    for name, verifies in (("size-1k", True), ("ed448", True), ("digest-sha3-384", True),
                           ("size-1k-flipped", False), ("wrong-key", False)):
        _, headers, body = fetch(lab, "/00/" + name)
        assert bool(sign.verify00(headers["dive-sig"], body, published)) is verifies, name


def test_rfc9421_signature_base():
    """The example of RFC 9421 section 2.5's form, by hand."""
    base = sign.signature_base(('"content-digest"', '"@status"'), ';keyid="k";alg="ed25519"',
                               {'"content-digest"': "sha-256=:AA==:", '"@status"': "200"})
    assert base == (b'"content-digest": sha-256=:AA==:\n"@status": 200\n'
                    b'"@signature-params": ("content-digest" "@status");keyid="k";alg="ed25519"')


@pytest.mark.parametrize("host, trusted", [
    ("dive01.example", True), ("www.dive01.example", True), ("strict.lab.example", True),
    ("wrongname.lab.example", False), ("expired-cert.lab.example", False),
    ("selfsigned.lab.example", False), ("untrusted.lab.example", False)])
def test_origin_certificates(lab, host, trusted):
    done = subprocess.run(
        ["curl", "-q", "-sS", "--max-time", "5", "--cacert", lab.origin_ca, "--resolve",
         f"{host}:{lab.ports['https']}:127.0.0.1", "-o", "/dev/null", lab.url(host, "/plain", "https")],
        capture_output=True, timeout=10, check=False)
    assert (done.returncode == 0) is trusted, done.stderr


def test_misbehaving_origin(lab):
    status, headers, body = fetch(lab, "/b/good", port="origin")
    assert status == 200 and sign.verify01(headers, body, lab.keys)
    with pytest.raises(http.client.IncompleteRead):
        fetch(lab, "/b/truncated-length", port="origin")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        fetch(lab, "/b/chunk-without-last", port="origin")
    assert b"GET /b/echo" in fetch(lab, "/b/echo", port="origin")[2]


def test_collector_records(lab):
    context = ssl.create_default_context(cafile=lab.origin_ca)
    context.check_hostname = False
    mark = lab.reports_mark()
    connection = http.client.HTTPSConnection("127.0.0.1", lab.ports["collector"], timeout=5,
                                             context=context)
    connection.request("POST", "/report", json.dumps({"a": 1}))
    assert connection.getresponse().status == 204
    connection.close()
    report = eventually(lambda: lab.reports(mark))[0]
    assert report["path"] == "/report" and json.loads(report["body"]) == {"a": 1}


def test_two_labs_at_once_and_down_stops_all(tmp_path):
    second = labmodule.up(str(tmp_path / "second"), tied=True)
    processes = [tuple(p) for p in second.state["processes"].values()]
    assert all(labmodule.start_time(pid) == began for pid, began in processes)
    script = os.path.join(os.path.dirname(labmodule.__file__), "lab.py")
    shown = subprocess.run([sys.executable, script, "env", second.directory], capture_output=True,
                           text=True, timeout=10, check=True).stdout
    assert f"export LAB_HTTP_PORT='{second.ports['http']}'" in shown
    subprocess.run([sys.executable, script, "down", second.directory], timeout=20, check=True)
    for pid, began in processes:
        assert labmodule.start_time(pid) != began


def test_a_lab_tied_to_a_run_that_is_killed_ends_too(tmp_path):
    here = os.path.dirname(labmodule.__file__)
    code = (f"import sys, time; sys.path.insert(0, {here!r}); import lab; "
            f"print(lab.up({str(tmp_path / 'tied')!r}, tied=True).ports, flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as run:
        assert run.stdout.readline()
        processes = labmodule.Lab(str(tmp_path / "tied")).state["processes"].values()
        run.kill()
    eventually(lambda: all(labmodule.start_time(pid) != began for pid, began in processes), 8, "the end")
