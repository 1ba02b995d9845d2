# SPDX-License-Identifier: BSD-2-Clause
"""Rules: who decides about a request, at CONNECT and inside of it; files of rules; divectl rule-test."""
import concurrent.futures
import json
import os
import ssl
import threading
import time

import pytest
import scripted
from expect import blocked, eventually, released
from test_cache import BIG, CACHE, COVERED, FRESH, is_hit, origin, path, wait_for_clients  # noqa: F401  fixtures
from test_verdicts import catalogue  # noqa: F401

HOST = "www.dive01.example"


def denied(response, place):
    """By a rule, in the clear or as the answer to CONNECT."""
    if response.exit == 56:
        assert "403" in response.stderr, response
    else:
        assert response.status == 403 and place in response.json["detail"], response


def tunnel_entry(one):
    """The first line of the access log about a CONNECT."""
    for _ in range(100):
        for entry in one.log_entries():
            if entry["method"] == "CONNECT":
                return entry
        time.sleep(0.05)
    raise AssertionError(one.log_entries())


def write(one, name, text):
    target = os.path.join(one.directory, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8") as f:
        f.write(text)


def reloaded(one, text, **changes):
    """Reloads and waits for a line of the error log."""
    before = len(one.stderr())
    one.reload(**changes)
    for _ in range(100):
        if text in one.stderr()[before:]:
            return
        time.sleep(0.1)
    raise AssertionError(one.stderr()[before:])


def test_each_criterion_chooses(dived, lab, catalogue):
    https = lab.ports["https"]
    one = dived(rules=[
        {"host": ".dive01.example", "port": 1, "mode": "off"},
        {"host": ".dive01.example", "user": "*", "mode": "off"},
        {"host": ".dive01.example", "destination": "0.0.0.0/0", "mode": "off"},
        {"host": ".dive01.example", "client": ["10.0.0.0/8", "192.0.2.0/24"], "mode": "off"},
        {"host": ".dive01.example", "method": ["PUT", "POST"], "mode": "off"},
        {"host": ["*.dive00.example", ".dive01.example"], "port": [1, https], "scheme": "https",
         "client": "127.0.0.0/8", "method": "GET", "path": ["/01/size-1k-f*", "/no"],
         "time": ["mon-sun", "00:00-24:00"], "mode": "report-only"}])
    bad = catalogue["/01/size-1k-flipped"]
    entry = released(one.curl(lab.url(HOST, bad.path, "https")), bad.body, "failed", "reported")
    assert entry["rule"].startswith("dived.yaml:"), entry
    entry = blocked(one.curl(lab.url(HOST, bad.path)), "signature-mismatch", bad.body)
    assert "rule" not in entry


def test_the_rest_of_the_day_is_another_matter(dived, lab, catalogue):
    """A window that can't be now: the day after tomorrow."""
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    other = days[(time.localtime().tm_wday + 2) % 7]
    one = dived(rules=[{"host": ".dive01.example", "time": other, "mode": "off"}])
    bad = catalogue["/01/size-1k-flipped"]
    blocked(one.curl(lab.url(HOST, bad.path)), "signature-mismatch", bad.body)


def test_a_path_keeps_a_later_deny_for_inside(dived, lab, catalogue):
    one = dived(rules=[{"host": HOST, "path": "/01/size-1k", "mode": "enforce"},
                       {"host": ".dive01.example", "deny": True}])
    good = catalogue["/01/size-1k"]
    released(one.curl(lab.url(HOST, good.path, "https")), good.body)
    response = one.curl(lab.url(HOST, "/01/size-5m", "https"))
    assert response.status == 403 and "denied by the rule in" in response.json["detail"], response
    # Another host of the second rule has no rule before it: CONNECT is refused.
    response = one.curl(lab.url("dive01.example", good.path, "https"))
    assert response.exit == 56 and "403" in response.stderr, response


def test_what_is_denied_inside_is_not_relayed_unseen(dived, lab):
    """Neither as another protocol nor under the name of a host that is spliced."""
    one = dived(rules=[{"host": HOST, "path": "/only", "mode": "enforce"}, {"host": HOST, "deny": True},
                       {"host": "plain.lab.example", "splice": True}])
    s, head = one.tunnel(HOST, lab.ports["https"])
    assert b" 200 " in head, head
    s.sendall(b"SSH-2.0-test\r\n")
    s.settimeout(10)
    try:
        assert s.recv(100) == b""
    except ConnectionError:
        pass
    s.close()
    entry = tunnel_entry(one)
    assert "denied by the rule in" in entry["error"] and entry["rule"], entry


@pytest.mark.parametrize("spelling", ["/01/size-1k", "/%30%31/size-1k", "//01///size-1k", "/./01/size-1k",
                                      "/x/../01/size-1k", "/%2e/01/size-1k", "/x%2F..%2f01/size-1k"])
def test_a_path_is_denied_in_all_its_spellings(dived, lab, catalogue, spelling):
    one = dived(rules=[{"host": HOST, "path": "/01/*", "deny": True}])
    for scheme in ("http", "https"):
        response = one.curl("--path-as-is", lab.url(HOST, spelling, scheme))
        assert response.status == 403 and "denied by the rule in" in response.json["detail"], response
    # Nor does another spelling get what the rule is not about out of DIVE.
    one.reload(rules=[{"host": HOST, "path": "/public/*", "mode": "off"}])
    bad = catalogue["/01/size-1k-flipped"]
    eventually(lambda: one.curl("--path-as-is", lab.url(HOST, "/public/../01/size-1k-flipped")).reason
               == "Blocked by DIVE: signature-mismatch", what="the new rules")
    blocked(one.curl("--path-as-is", lab.url(HOST, "/public/%2e%2e/01/size-1k-flipped")), "signature-mismatch",
            bad.body)


@pytest.mark.parametrize("rules", [[{"host": "plain.lab.example", "splice": True}], []])
def test_a_spliced_name_inside_of_another_tunnel_ends_it(dived, lab, rules):
    """The tunnel leads to the host that CONNECT named, whose TLS is opened."""
    one = dived(interception={"splice": [] if rules else ["plain.lab.example"]}, rules=rules)
    s, head = one.tunnel(HOST, lab.ports["https"])
    assert b" 200 " in head, head
    context = ssl.create_default_context(cafile=lab.origin_ca)
    with pytest.raises(OSError):
        context.wrap_socket(s, server_hostname="plain.lab.example")
    s.close()
    assert "names plain.lab.example" in tunnel_entry(one)["error"]


def test_splice_by_a_rule(dived, lab, catalogue):
    one = dived(rules=[{"host": HOST, "splice": True}])
    bad = catalogue["/01/size-1k-flipped"]
    response = one.curl(lab.url(HOST, bad.path, "https"), "--cacert", lab.origin_ca)
    assert response.exit == 0 and response.body == bad.body, response
    entry = tunnel_entry(one)
    assert entry["method"] == "CONNECT" and entry["verdict"] == "exempt" and entry["rule"], entry
    # In the clear there is nothing to leave unseen.
    blocked(one.curl(lab.url(HOST, bad.path)), "signature-mismatch", bad.body)


def test_a_rule_opens_what_the_list_splices(dived, lab, catalogue):
    one = dived(interception={"splice": ["*.dive01.example"]}, rules=[{"host": HOST, "splice": False}])
    bad = catalogue["/01/size-1k-flipped"]
    blocked(one.curl(lab.url(HOST, bad.path, "https")), "signature-mismatch", bad.body)


def test_require_blocks_what_has_no_policy(dived, lab):
    one = dived(rules=[{"host": "plain.lab.example", "require": True}])
    for scheme in ("http", "https"):
        response = one.curl(lab.url("plain.lab.example", "/plain", scheme))
        assert response.status == 403 and b"plain text" not in response.body, response
        assert response.log()["verdict"] == "not-supported", response
    assert one.curl(lab.url("other.lab.example", "/plain")).status == 200
    one = dived(dive={"unsupported": "block"}, rules=[{"host": "plain.lab.example", "require": False}])
    assert one.curl(lab.url("plain.lab.example", "/plain")).status == 200
    assert one.curl(lab.url("other.lab.example", "/plain")).status == 403


def bound_fields(lab, body, where, authority):
    """A signature that covers path and authority of the request."""
    key = lab.keys["ed1"]
    components = ('"content-digest"', '"@path";req', '"@authority";req')
    values = {'"@path";req': where, '"@authority";req': authority}
    return [FRESH] + scripted.sign.sign01(key, "ed1", body, components=components, values=values)


def test_require_components_binds_a_signature_to_its_url(dived, lab, origin):  # noqa: F811
    one = dived(cache=CACHE, rules=[{"host": COVERED, "require-components": ["@path;req",
                                                                            "@authority;req"]}])
    loose, bound, moved = path(), path(), path()
    authority = origin.url(bound, host=COVERED).split("/")[2]
    origin.at(loose, body=BIG, fields=[FRESH] + scripted.sign.sign01(lab.keys["ed1"], "ed1", BIG))
    origin.at(bound, body=BIG, fields=bound_fields(lab, BIG, bound, authority))
    origin.at(moved, body=BIG, fields=bound_fields(lab, BIG, bound, authority))
    blocked(one.curl(origin.url(loose, host=COVERED)), "missing-headers", BIG)
    blocked(one.curl(origin.url(moved, host=COVERED)), "signature-mismatch", BIG)
    for _ in range(2):
        entry = released(one.curl(origin.url(bound, host=COVERED)), BIG)
        assert entry["rule"]
    assert origin.count(bound) == 1  # the second came from the cache, and was judged again


def test_what_one_rule_rejects_is_not_remembered_for_others(dived, lab, origin):  # noqa: F811
    """The same URL, for a client whose rule asks for more and for one whose doesn't."""
    one = dived(cache=CACHE, rules=[{"client": "127.0.0.2/32", "require-components": '"@path";req'}])
    p = path()
    origin.at(p, body=BIG, fields=[FRESH] + scripted.sign.sign01(lab.keys["ed1"], "ed1", BIG))
    url = origin.url(p, host=COVERED)
    for _ in range(2):
        blocked(one.curl(url, "--interface", "127.0.0.2"), "missing-headers", BIG)
        released(one.curl(url), BIG)


@pytest.mark.parametrize("how", ["rule", "request"])
def test_what_is_rejected_for_one_is_not_rejected_for_its_followers(dived, lab, origin, how):  # noqa: F811
    """They wait for the same transfer; the leader's rule asks for more, or the signature covers its request."""
    one = dived(cache=CACHE, rules=[{"client": "127.0.0.2/32", "require-components": '"@path";req'}]
                if how == "rule" else [])
    p, asked, go = path(), threading.Event(), threading.Event()
    fields = scripted.sign.sign01(lab.keys["ed1"], "ed1", BIG)
    if how == "request":
        fields = scripted.sign.sign01(lab.keys["ed1"], "ed1", BIG, components=('"content-digest"', '"x-a";req'),
                                      values={'"x-a";req': "right"})
        fields = [(name, value.replace(";req", "; req")) for name, value in fields]  # RFC 9651 section 4.2.3.2

    def answer(request):
        asked.set()
        go.wait(20)
        return scripted.Answer(body=BIG, fields=[FRESH, ("ETag", '"1"')] + fields)

    origin.at(p, answer)
    url = origin.url(p, host=COVERED)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        leader = pool.submit(lambda: one.curl(url, "--interface", "127.0.0.2", "-H", "X-A: wrong"))
        assert asked.wait(20)
        follower = pool.submit(lambda: one.curl(url, "-H", "X-A: right"))
        wait_for_clients(one, 2)
        go.set()
        reason = "missing-headers" if how == "rule" else "signature-mismatch"
        assert leader.result().reason == f"Blocked by DIVE: {reason}" and BIG[:64] not in leader.result().body
        assert follower.result().status == 200 and follower.result().body == BIG, follower.result()


def test_cache_false_neither_stores_nor_serves(dived, lab, origin):  # noqa: F811
    one = dived(cache=CACHE, rules=[{"client": "127.0.0.2/32", "cache": False}])
    p = path()
    origin.at(p, body=BIG, fields=[FRESH])
    url = origin.url(p)
    for _ in range(2):
        assert one.curl(url, "--interface", "127.0.0.2").body == BIG
    assert origin.count(p) == 2
    assert one.curl(url).body == BIG and is_hit(one.curl(url))
    assert one.curl(url, "--interface", "127.0.0.2").body == BIG
    assert origin.count(p) == 4


def test_listeners_have_names(dived, lab):
    """By default that of the address."""
    one = dived()
    url = lab.url("plain.lab.example", "/plain")
    address = f"127.0.0.1:{one.port}"
    one.reload(rules=[{"listener": address, "deny": True}])
    for _ in range(50):
        response = one.curl(url)
        if response.status == 403:
            break
        time.sleep(0.1)
    denied(response, "dived.yaml")
    # A connection keeps the name of the listener that accepted it; a new one has the new name.
    one.reload(listeners=[{"address": address, "name": "staff"}],
               rules=[{"listener": "staff", "method": "GET", "deny": True}])
    for _ in range(50):
        if one.divectl("rule-test", "-c", one.config_path, url).stdout.count("staff"):
            break
        time.sleep(0.1)
    for _ in range(50):
        response = one.curl(url, "-X", "POST", "-d", "x")
        if response.status != 403:
            break
        time.sleep(0.1)
    assert response.status != 403, response
    denied(one.curl(url), "dived.yaml")


def test_files_of_rules_and_a_reload_that_meets_half_of_one(dived, lab):
    one = dived(include=["conf.d/*.yaml"])
    url = lab.url("plain.lab.example", "/plain")
    assert one.curl(url).status == 200
    write(one, "hosts.txt", "".join(f"n{i}.example\n" for i in range(100000)) + ".lab.example\n")
    write(one, "conf.d/20-late.yaml", "rules: [{host: plain.lab.example, deny: false}]\n")
    # Paths are those of the folder of dived.yaml.
    write(one, "conf.d/10-deny.yaml", "rules:\n  - {hosts-file: hosts.txt, deny: true}\n")
    reloaded(one, "loaded")
    for _ in range(50):
        response = one.curl(url)
        if response.status == 403:
            break
        time.sleep(0.1)
    denied(response, "10-deny.yaml:2")
    assert response.log()["rule"] == "10-deny.yaml:2", response
    response = one.divectl("rule-test", "-c", one.config_path, url)
    assert "decided by" in response.stdout and "10-deny.yaml:2" in response.stdout, response
    # Half-written: the old rules stay, and the log says where.
    write(one, "conf.d/10-deny.yaml", "rules:\n  - {hosts-file: hosts.txt, deny: t")
    reloaded(one, "conf.d/10-deny.yaml:")
    denied(one.curl(url), "10-deny.yaml:2")
    write(one, "conf.d/10-deny.yaml", "rules:\n  - {hosts-file: hosts.txt, deny: true}\n")
    write(one, "hosts.txt", "plain.lab.example\nnot a host\n")
    reloaded(one, "hosts.txt:2:1: error")
    denied(one.curl(lab.url("other.lab.example", "/plain")), "10-deny.yaml:2")


def test_a_reload_with_a_hundred_thousand_rules_holds_nobody_up(dived, lab):
    """Requests go on meanwhile, none fails; the longest is told, and loosely bounded: machines differ."""
    one = dived(workers=2, log={"level": "info"})
    url = lab.url("plain.lab.example", "/plain")
    host = url.split("/")[2]
    write(one, "big.yaml", "rules:\n" + "".join(
        f"  - {{host: .h{i}.example, path: \"/a/*\", mode: report-only}}\n" for i in range(100000)))
    over, worst, wrong, count = threading.Event(), [0.0], [], [0]
    request = f"GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    def ask():
        while not over.is_set():
            began = time.monotonic()
            got = one.raw(request)
            worst[0] = max(worst[0], time.monotonic() - began)
            count[0] += 1
            if not got.startswith(b"HTTP/1.1 200"):
                wrong.append(got[:200])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        time.sleep(0.5)
        quiet = worst[0]
        before = len(one.stderr())
        one.reload(include=["big.yaml"])
        for _ in range(300):
            if "loaded" in one.stderr()[before:]:
                break
            time.sleep(0.1)
        time.sleep(0.5)
    finally:
        over.set()
        thread.join()
    print(f"longest request: {quiet * 1000:.1f} ms before, {worst[0] * 1000:.1f} ms with the reload, "
          f"of {count[0]}")
    assert not wrong and count[0] > 20, wrong
    assert worst[0] < 2


def rule_test(one, *args):
    result = one.divectl("rule-test", "-c", one.config_path, "--json", *args)
    assert result.returncode == 0, result
    return json.loads(result.stdout)


def test_rule_test_says_what_the_daemon_does(dived, lab, catalogue):
    one = dived(rules=[{"host": HOST, "path": "/01/size-1k", "mode": "report-only"},
                       {"host": HOST, "client": "10.0.0.0/8", "splice": True},
                       {"host": HOST, "method": "PUT", "cache": False},
                       {"host": ".dive01.example", "deny": True}])
    url = lab.url(HOST, "/01/size-5m", "https")
    answer = rule_test(one, url)
    assert [c["criterion"] for c in answer["candidates"]] == ["path", "client", "method"], answer
    assert answer["connect"]["action"] == "open" and answer["connect"]["pending"], answer
    assert answer["request"]["action"] == "deny", answer
    assert one.curl(url).status == 403
    answer = rule_test(one, lab.url(HOST, "/01/size-1k", "https"))
    assert answer["request"]["mode"] == "report-only" and answer["candidates"] == [], answer
    answer = rule_test(one, lab.url("dive01.example", "/x", "https"))
    assert answer["connect"]["action"] == "deny" and answer["request"] is None, answer
    assert answer["of_other_hosts"] == 3
    answer = rule_test(one, "http://nowhere.example/")
    assert answer["rule"] is None and answer["connect"] is None, answer
    for wrong in (["ftp://a/"], ["http://a.example/", "--client", "a"], [],
                  ["http://a.example/", "--time", "noon"]):
        assert one.divectl("rule-test", "-c", one.config_path, *wrong).returncode == 2, wrong
    write(one, "bad.yaml", "version: 1\nrules: [{host: a.example}]\n")
    result = one.divectl("rule-test", "-c", "bad.yaml", url)
    assert result.returncode == 78 and "bad.yaml:2:9: error" in result.stderr, result
