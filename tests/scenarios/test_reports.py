# SPDX-License-Identifier: BSD-2-Clause
"""Failure reports: every field of the drafts, to whom, when, and what their failing changes (nothing)."""
import base64
import hashlib
import json
import time

import pytest
from expect import blocked, eventually, released

FLIPPED = "/01/size-1k-flipped"


@pytest.fixture(scope="module")
def resources(lab):
    return {r.path: r for draft in ("01", "00") for r in lab.catalogue(draft)}


def report_about(lab, mark, url, seconds=8):
    def found():
        for entry in lab.reports(mark):
            body = json.loads(entry["body"])
            if body["resource"]["url"] == url:
                return entry, body
        return None

    return eventually(found, seconds, f"a report about {url}")


def test_report_of_a_blocked_download_has_all_fields(proxy, lab, resources):
    mark, url = lab.reports_mark(), lab.url("report.lab.example", FLIPPED, "https")
    resource = resources[FLIPPED]
    blocked(proxy.curl(url), "signature-mismatch", resource.body)
    entry, report = report_about(lab, mark, url)
    assert entry["method"] == "POST" and entry["path"] == "/report"
    assert entry["headers"]["content-type"].split(";")[0] == "application/json"
    sent = dict(resource.headers)
    assert abs(report.pop("timestamp") - time.time()) < 30
    assert report.pop("client")["user-agent"]
    assert report == {
        "report-version": "0.1",
        "policy": {"domain": "report.lab.example", "fqdn": "report.lab.example",
                   "dnssec-validated": True},
        "resource": {"url": url, "method": "GET", "status-code": 200, "scope": "strict"},
        "headers-received": {"signature-input": sent["Signature-Input"], "signature": sent["Signature"],
                             "content-digest": sent["Content-Digest"]},
        "key-resolution": [{"key-id": "ed1", "fqdn-queried": "ed1._divekey.report.lab.example",
                            "found": True, "dnssec-validated": True, "sig-algorithm": "ed25519"}],
        "validation": {"hash-algorithm": "sha-256",
                       "hash-computed": base64.b64encode(hashlib.sha256(resource.body).digest()).decode(),
                       "signature-valid": False, "failure-reason": "signature-mismatch",
                       "final-decision": "blocked"}}


def test_report_only_delivers_and_reports(proxy, lab, resources):
    for path, host in ((FLIPPED, "reportonly"), ("/00/size-1k-flipped", "reportonly00")):
        mark, url = lab.reports_mark(), lab.url(f"{host}.lab.example", path)
        entry = released(proxy.curl(url), resources[path].body, "failed", "reported")
        assert entry["reason"] == "signature-mismatch"
        _, report = report_about(lab, mark, url)
        assert report["validation"]["final-decision"] == "allowed-report-only"
        assert report["validation"]["failure-reason"] == "signature-mismatch"


def test_draft_00_report_has_its_own_header_member(proxy, lab, resources):
    mark, url = lab.reports_mark(), lab.url("reportonly00.lab.example", "/00/rotation-first-unknown")
    host = lab.new_host(v="dive-draft-00", keyids=("ed2",),
                        report_to=f"https://collector.example:{lab.ports['collector']}/report")
    url = lab.url(host, "/00/size-1k")
    blocked(proxy.curl(url), "key-not-found")
    _, report = report_about(lab, mark, url)
    assert report["headers-received"]["dive-sig"] == resources["/00/size-1k"].headers[0][1]
    resolution = report["key-resolution"][0]
    assert resolution["key-id"] == "ed1" and resolution["found"] is False, resolution
    assert resolution["sig-algorithm"] is None, resolution


def test_missing_headers_are_null(proxy, lab):
    mark, url = lab.reports_mark(), lab.url("report.lab.example", "/01/no-fields")
    blocked(proxy.curl(url), "missing-headers")
    _, report = report_about(lab, mark, url)
    assert report["headers-received"] == {"signature-input": None, "signature": None,
                                          "content-digest": None}, report
    assert report["validation"]["failure-reason"] == "missing-headers"
    assert report["validation"]["signature-valid"] in (False, None)


def test_each_key_that_was_tried_is_reported_in_order(proxy, lab):
    mark, url = lab.reports_mark(), lab.url("report.lab.example", "/01/rotation-mixed-failures")
    blocked(proxy.curl(url), "no-valid-key")
    _, report = report_about(lab, mark, url)
    assert [k["key-id"] for k in report["key-resolution"]][0] == "ghost", report
    assert [k["key-id"] for k in report["key-resolution"]][-1] == "ed1", report
    assert [k["found"] for k in report["key-resolution"]] == [False, True], report


def test_good_downloads_are_not_reported(proxy, lab):
    mark, url = lab.reports_mark(), lab.url("report.lab.example", "/01/size-1k")
    assert proxy.curl(url).status == 200
    time.sleep(1)
    assert not [r for r in lab.reports(mark) if json.loads(r["body"])["resource"]["url"] == url]


def test_plain_http_report_to_is_ignored(proxy, lab):
    blocked(proxy.curl(lab.url("report-http.lab.example", FLIPPED)), "signature-mismatch")
    time.sleep(0.5)
    with open(lab.path("nginx", "access.log"), encoding="utf-8") as f:
        assert not [line for line in f if "POST /report" in line]


@pytest.mark.parametrize("host", ["report-slow", "report-error"])
def test_a_collector_that_fails_changes_nothing(proxy, lab, host):
    started = time.monotonic()
    for _ in range(2):
        blocked(proxy.curl(lab.url(f"{host}.lab.example", FLIPPED)), "signature-mismatch")
    assert time.monotonic() - started < 4, "the report was waited for"


def test_reports_are_deduplicated(proxy, lab):
    host = lab.new_host(report_to=f"https://collector.example:{lab.ports['collector']}/report")
    mark, url = lab.reports_mark(), lab.url(host, FLIPPED)
    for _ in range(10):
        blocked(proxy.curl(url), "signature-mismatch")
    report_about(lab, mark, url)
    time.sleep(1)
    same = [r for r in lab.reports(mark) if json.loads(r["body"])["resource"]["url"] == url]
    assert len(same) < 10, "one failure ten times over is one report, or a few"


def test_no_report_to_a_private_address(dived, lab):
    """A policy can name any URL: it must not become a way into the internal network."""
    one = dived(origins={"allow-networks": ["127.0.0.1/32"]})
    host = lab.new_host(report_to=f"https://127.0.0.2:{lab.ports['collector']}/report")
    mark = lab.reports_mark()
    blocked(one.curl(lab.url(host, FLIPPED)), "signature-mismatch")
    time.sleep(1)
    assert not [r for r in lab.reports(mark) if host in r["body"]]


@pytest.mark.parametrize("setting", ["off", "log"])
def test_reports_can_be_kept_at_home(dived, lab, setting):
    one = dived(dive={"reports": setting})
    mark, url = lab.reports_mark(), lab.url("report.lab.example", FLIPPED)
    blocked(one.curl(url), "signature-mismatch")
    time.sleep(1)
    assert not [r for r in lab.reports(mark) if json.loads(r["body"])["resource"]["url"] == url]
    if setting == "log":
        assert "failure-reason" in one.stderr() or "signature-mismatch" in one.stderr()


def test_report_only_mode_of_the_proxy_reports_too(dived, lab, resources):
    one = dived(dive={"mode": "report-only"})
    mark, url = lab.reports_mark(), lab.url("report.lab.example", FLIPPED, "https")
    released(one.curl(url), resources[FLIPPED].body, "failed", "reported")
    _, report = report_about(lab, mark, url)
    assert report["validation"]["final-decision"] == "allowed-report-only"


def test_the_configured_user_agent_is_reported(dived, lab):
    one = dived(dive={"user-agent": "Acme/1.0"})
    mark, url = lab.reports_mark(), lab.url("report.lab.example", FLIPPED)
    blocked(one.curl(url), "signature-mismatch")
    assert report_about(lab, mark, url)[1]["client"] == {"user-agent": "Acme/1.0"}
