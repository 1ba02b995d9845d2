# SPDX-License-Identifier: BSD-2-Clause
"""Each file of the catalogue, over http and https: released whole, or blocked for the right reason."""
import pytest
import web
import zones
from expect import blocked, passed, released

HOSTS = {"01": "dive01.example", "00": "dive00.example"}
# The names alone are known when tests are collected; the lab's own keys sign what is then served.
_KEYS = {name: web.sign.generate_key(algorithm) for name, algorithm in zones.KEY_IDS.items()}
CASES = [(draft, r.path) for draft in HOSTS for r in web.catalogue(_KEYS, draft, 0)
         if "64m" not in r.path]


@pytest.fixture(scope="module")
def catalogue(lab):
    return {r.path: r for draft in HOSTS for r in lab.catalogue(draft)}


def judged(response, resource):
    if resource.blocked:
        blocked(response, resource.blocked, resource.body)
        return
    entry = released(response, resource.body)
    assert entry["policy_domain"] in HOSTS.values() and entry["dnssec"] == "secure", entry
    assert entry["key_id"], entry
    for name, value in resource.headers:  # nothing hidden, nothing changed
        assert value in response.field(name), response


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("draft, path", CASES, ids=[path.strip("/") for _, path in CASES])
def test_catalogue(proxy, lab, catalogue, draft, path, scheme):
    resource = catalogue[path]
    judged(proxy.curl(lab.url(HOSTS[draft], path, scheme)), resource)


@pytest.mark.parametrize("draft", ["01", "00"])
@pytest.mark.parametrize("name", ["size-64m", "size-64m-flipped"])
def test_64_mib_held_and_judged(proxy, lab, catalogue, draft, name):
    resource = catalogue[f"/{draft}/{name}"]
    judged(proxy.curl(lab.url(HOSTS[draft], resource.path, "https"), timeout=60), resource)


@pytest.mark.parametrize("draft", ["01", "00"])
@pytest.mark.parametrize("host", ["www", "a.b.c"])
def test_policy_of_a_parent_covers_hosts_below(proxy, lab, catalogue, draft, host):
    name = f"{host}.{HOSTS[draft]}"
    good, bad = catalogue[f"/{draft}/size-1k"], catalogue[f"/{draft}/size-1k-flipped"]
    entry = released(proxy.curl(lab.url(name, good.path)), good.body)
    assert entry["policy_domain"] == HOSTS[draft]
    blocked(proxy.curl(lab.url(name, bad.path)), "signature-mismatch", bad.body)


@pytest.mark.parametrize("draft", ["01", "00"])
def test_policy_of_a_level_overrides_its_parents(proxy, lab, catalogue, draft):
    """sub has a policy without scopes: nothing is covered there."""
    bad = catalogue[f"/{draft}/size-1k-flipped"]
    entry = passed(proxy.curl(lab.url(f"sub.{HOSTS[draft]}", bad.path)), bad.body, "not-covered")
    assert entry["policy_domain"] == f"sub.{HOSTS[draft]}"


@pytest.mark.parametrize("draft", ["01", "00"])
def test_the_closest_key_record_counts(proxy, lab, draft):
    blocked(proxy.curl(lab.url(f"override.{HOSTS[draft]}", f"/{draft}/size-1k")), "signature-mismatch")


@pytest.mark.parametrize("draft", ["01", "00"])
def test_an_invalid_closest_key_record_is_not_skipped(proxy, lab, draft):
    blocked(proxy.curl(lab.url(f"badkey.{HOSTS[draft]}", f"/{draft}/size-1k")), "key-invalid")


def test_a_child_zone_has_policy_and_keys_of_its_own(proxy, lab, catalogue):
    host = "www.child.dive01.example"
    both = catalogue["/01/rotation-new-first"]  # ed2 is published in the child zone, ed1 isn't
    released(proxy.curl(lab.url(host, both.path)), both.body)
    blocked(proxy.curl(lab.url(host, "/01/size-1k")), "key-not-found")


def test_keyid_at_fqdn_reaches_above_the_policy(proxy, lab, catalogue):
    """The child zone's policy stands below dive01.example, whose key the signature names."""
    good = catalogue["/01/fqdn-own"]
    released(proxy.curl(lab.url("www.child.dive01.example", good.path)), good.body)


def test_deep_hosts_without_records_of_their_own(proxy, lab, catalogue):
    good = catalogue["/01/size-1k"]
    entry = released(proxy.curl(lab.url("a.b.c.mail.lab.example", good.path)), good.body)
    assert entry["policy_domain"] == "mail.lab.example"


def test_host_case_and_trailing_dot(proxy, lab, catalogue):
    good, bad = catalogue["/01/size-1k"], catalogue["/01/size-1k-flipped"]
    for host in ("DIVE01.Example", "dive01.example."):
        released(proxy.curl(lab.url(host, good.path)), good.body)
        blocked(proxy.curl(lab.url(host, bad.path)), "signature-mismatch", bad.body)


def test_ip_literal_has_no_policy(proxy, lab, catalogue):
    bad = catalogue["/01/size-1k-flipped"]
    passed(proxy.curl(lab.url("127.0.0.1", bad.path)), bad.body)


@pytest.mark.parametrize("name, verdict", [
    ("noscope", "not-covered"), ("emptyscope", "not-covered"), ("custom", "not-covered"),
    ("plain", "not-supported")])
def test_what_no_scope_covers_passes(proxy, lab, catalogue, name, verdict):
    bad = catalogue["/01/size-1k-flipped"]
    passed(proxy.curl(lab.url(f"{name}.lab.example", bad.path)), bad.body, verdict)


def test_custom_scope_defined_in_the_configuration_is_enforced(dived, lab, catalogue):
    one = dived(dive={"scopes": [{"name": "x-packages", "path": "/01/size-*"}]})
    bad, other = catalogue["/01/size-1k-flipped"], catalogue["/01/truncated"]
    blocked(one.curl(lab.url("custom.lab.example", bad.path)), "signature-mismatch", bad.body)
    passed(one.curl(lab.url("custom.lab.example", other.path)), other.body, "not-covered")


@pytest.mark.parametrize("media, covered", [("application/octet-stream", True), ("text/plain", False)])
def test_custom_scope_by_the_media_type_of_the_response(dived, lab, catalogue, media, covered):
    one = dived(dive={"scopes": [{"name": "x-packages", "media-type": media}]})
    bad = catalogue["/01/size-1k-flipped"]
    response = one.curl(lab.url("custom.lab.example", bad.path))
    if covered:
        blocked(response, "signature-mismatch", bad.body)
    else:
        passed(response, bad.body, "not-covered")


def test_a_path_of_any_length_is_matched_to_its_end(dived, lab):
    one = dived(dive={"scopes": [{"name": "x-packages", "path": "*/b/echo"}]},
                rules=[{"path": "*.secret", "deny": True}])
    long = "/" + "a" * 6000
    origin = f"http://custom.lab.example:{lab.ports['origin']}"
    assert one.curl(f"{origin}{long}/b/echo").log()["verdict"] == "verified"  # so it was covered
    response = one.curl(f"{origin}{long}.secret")
    assert response.status == 403 and "rule" in response.json["detail"], response


def test_unknown_scopes_directives_and_parameters_are_ignored(proxy, lab, catalogue):
    good, bad = catalogue["/01/size-1k"], catalogue["/01/size-1k-flipped"]
    released(proxy.curl(lab.url("unknown-bits.lab.example", good.path)), good.body)
    blocked(proxy.curl(lab.url("unknown-bits.lab.example", bad.path)), "signature-mismatch", bad.body)


@pytest.mark.parametrize("host", sorted(zones.BAD_POLICIES))
def test_faulty_policy_record_means_not_supported(proxy, lab, catalogue, host):
    bad = catalogue["/01/size-1k-flipped"]
    passed(proxy.curl(lab.url(f"{host}.lab.example", bad.path)), bad.body)


def test_unsupported_hosts_can_be_blocked(dived, lab, catalogue):
    one = dived(dive={"unsupported": "block"})
    good = catalogue["/01/size-1k"]
    response = one.curl(lab.url("plain.lab.example", good.path))
    assert response.status == 403 and good.body not in response.body, response
    released(one.curl(lab.url("dive01.example", good.path)), good.body)


def test_two_policies_at_a_name_mean_not_supported_and_are_logged(proxy, lab, catalogue):
    bad = catalogue["/01/size-1k-flipped"]
    passed(proxy.curl(lab.url("two-policies.lab.example", bad.path)), bad.body)
    assert "two-policies" in proxy.stderr()


def test_the_newer_of_two_versions_wins(proxy, lab, catalogue):
    good = catalogue["/01/size-1k"]
    released(proxy.curl(lab.url("two-versions.lab.example", good.path)), good.body)
    blocked(proxy.curl(lab.url("two-versions.lab.example", "/00/size-1k")), "missing-headers")


def test_only_accepted_versions_count(dived, lab, catalogue):
    one = dived(dive={"versions": ["dive-draft-00"]})
    bad = catalogue["/01/size-1k-flipped"]
    passed(one.curl(lab.url("dive01.example", bad.path)), bad.body)
    good = catalogue["/00/size-1k"]
    released(one.curl(lab.url("dive00.example", good.path)), good.body)


def test_other_txt_records_beside_the_policy_do_not_matter(proxy, lab, catalogue):
    bad = catalogue["/01/size-1k-flipped"]
    blocked(proxy.curl(lab.url("with-spf.lab.example", bad.path)), "signature-mismatch", bad.body)


def test_a_wildcard_txt_record_ends_the_walk(proxy, lab, catalogue):
    bad = catalogue["/01/size-1k-flipped"]
    passed(proxy.curl(lab.url("host.wild.lab.example", bad.path)), bad.body)
    # the wildcard's text stands for the key record too, and is none
    blocked(proxy.curl(lab.url("wild.lab.example", "/01/unknown-key")), "key-invalid")


def test_a_policy_from_a_wildcard_counts(proxy, lab):
    blocked(proxy.curl(lab.url("host.wildpol.lab.example", "/01/size-1k")),
            ("key-not-found", "key-invalid"))


def test_a_policy_in_many_strings_is_joined(proxy, lab, catalogue):
    good, bad = catalogue["/01/size-1k"], catalogue["/01/size-1k-flipped"]
    released(proxy.curl(lab.url("split.lab.example", good.path)), good.body)
    blocked(proxy.curl(lab.url("split.lab.example", bad.path)), "signature-mismatch", bad.body)


def test_a_policy_behind_a_cname_counts(proxy, lab, catalogue):
    good, bad = catalogue["/01/size-1k"], catalogue["/01/size-1k-flipped"]
    blocked(proxy.curl(lab.url("policy-alias.lab.example", good.path)), "key-not-found", good.body)
    blocked(proxy.curl(lab.url("policy-alias.lab.example", bad.path)), "signature-mismatch", bad.body)


def test_mode_off_verifies_nothing(dived, lab, catalogue):
    one = dived(dive={"mode": "off"})
    bad = catalogue["/01/size-1k-flipped"]
    response = one.curl(lab.url("dive01.example", bad.path))
    assert response.exit == 0 and response.body == bad.body, response
    assert response.log()["action"] == "streamed"


def test_mode_report_only_delivers_and_logs(dived, lab, catalogue):
    one = dived(dive={"mode": "report-only"})
    for scheme in ("http", "https"):
        bad = catalogue["/01/size-5m-flipped"]
        released(one.curl(lab.url("dive01.example", bad.path, scheme)), bad.body, "failed", "reported")
        good = catalogue["/01/size-5m"]
        response = one.curl(lab.url("dive01.example", good.path, scheme))
        assert response.body == good.body and response.log()["verdict"] == "verified", response


def test_rules_change_the_mode_for_a_host_a_path_a_client(dived, lab, catalogue):
    one = dived(rules=[{"host": "*.dive01.example", "path": "/01/trunc*", "mode": "off"},
                       {"host": "*.dive01.example", "mode": "report-only"},
                       {"host": "other.lab.example", "deny": True},
                       {"client": "10.0.0.0/8", "deny": True}])
    bad, cut = catalogue["/01/size-1k-flipped"], catalogue["/01/truncated"]
    released(one.curl(lab.url("www.dive01.example", bad.path)), bad.body, "failed", "reported")
    response = one.curl(lab.url("www.dive01.example", cut.path))
    assert response.body == cut.body and response.log()["action"] == "streamed", response
    blocked(one.curl(lab.url("dive00.example", "/00/size-1k-flipped")), "signature-mismatch")
    response = one.curl(lab.url("other.lab.example", "/plain"))
    assert response.status == 403 and b"plain text" not in response.body, response


@pytest.mark.parametrize("setting, verdict, action", [
    ("exempt", "exempt", "streamed"), ("report-only", "failed", "reported")])
def test_browsers_are_not_enforced_upon(dived, lab, catalogue, setting, verdict, action):
    one = dived(dive={"browsers": setting})
    bad = catalogue["/01/size-1k-flipped"]
    response = one.curl(lab.url("dive01.example", bad.path), "-H", "Sec-Fetch-Mode: navigate")
    released(response, bad.body, verdict, action)
    blocked(one.curl(lab.url("dive01.example", bad.path)), "signature-mismatch", bad.body)


def test_browsers_can_be_enforced_upon_and_get_html(dived, lab, catalogue):
    one = dived(dive={"browsers": "enforce"})
    bad = catalogue["/01/size-1k-flipped"]
    response = one.curl(lab.url("dive01.example", bad.path), "-H", "Sec-Fetch-Mode: navigate",
                        "-H", "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
    assert response.status == 403 and response.field("content-type").startswith("text/html"), response
    assert b"signature-mismatch" in response.body and bad.body not in response.body


def test_error_page_escapes_what_the_request_brought(dived, lab):
    one = dived(dive={"browsers": "enforce"})
    response = one.curl(lab.url("dive01.example", "/01/size-1k-flipped?%3Cscript%3E<b>'\""), "-g",
                        "-H", "Accept: text/html")
    assert b"<script>" not in response.body and b"<b>" not in response.body, response
