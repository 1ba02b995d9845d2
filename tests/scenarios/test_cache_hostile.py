# SPDX-License-Identifier: BSD-2-Clause
"""The cache under attack, and under policies that change: nothing that a policy covers comes from it without
a verdict of today, nobody gets what was meant for somebody else, and no origin brings it down."""
import concurrent.futures
import contextlib
import socket
import threading
import time

import pytest
import scripted
from expect import blocked, eventually, released
from proxy import read_all
from scripted import Answer
from test_cache import (BIG, CACHE, COVERED, FRESH, cache, cache_status, is_hit, leave_after, origin,  # noqa: F401
                        path, slow, together, wait_for_clients)
from test_cache_store import again, objects, stats, wait_stored

BROWSER = ("-H", "Sec-Fetch-Mode: navigate")
SOON = ("Cache-Control", "max-age=1")
WHOLE_FOR_RANGE = dict(CACHE, **{"whole-for-range": True})


def log_says(proxy, text):
    return text in proxy.stderr()


# ---- records that change after an object was stored


def change_key_gone(lab, host):
    lab.dns.revoke_key(host, "ed1")


def change_draft(lab, host):
    lab.dns.set_policy(host, v="dive-draft-00")


def change_allowed_hash(lab, host):
    lab.dns.publish_key(host, "ed1", allowed_hash=("sha512",))


def change_another_key(lab, host):
    lab.dns.publish_key(host, "ed1", key=lab.keys["ghost"])


CHANGES = {"key-not-found": change_key_gone, "missing-headers": change_draft,
           "hash-algorithm-not-allowed": change_allowed_hash, "signature-mismatch": change_another_key}


@pytest.mark.parametrize("reason", list(CHANGES))
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_what_is_stored_falls_with_its_records(cache, lab, origin, reason, size):
    """It is dropped, said so in the log, asked for anew, and that is judged too."""
    host, p, body = lab.new_host(), path(), BIG[:size]
    origin.at(p, body=body, fields=[FRESH] + scripted.sign.sign01(lab.keys["ed1"], "ed1", body))
    url = origin.url(p, host=host)
    released(cache.curl(url), body)
    assert is_hit(cache.curl(url))
    CHANGES[reason](lab, host)
    time.sleep(2.1)
    blocked(cache.curl(url), reason, body)
    assert origin.count(p) == 2
    assert log_says(cache, "dropped: "), cache.stderr()[-2000:]
    blocked(cache.curl(url, "-H", "Cache-Control: max-stale"), reason, body)


def test_invalidation_of_keys_reaches_what_is_stored(cache, lab, origin):
    host, p, body = lab.new_host(key_ttl=3600, key_cache=3600), path(), BIG[:1000]
    origin.at(p, body=body, fields=[FRESH] + scripted.signed_fields(lab, body))
    url = origin.url(p, host=host)
    released(cache.curl(url), body)
    lab.dns.revoke_key(host, "ed1")
    time.sleep(1.1)
    lab.dns.set_policy(host, invalidate=int(time.time()))
    time.sleep(2.1)
    blocked(cache.curl(url), "key-not-found", body)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_a_name_that_becomes_covered_is_judged_from_then_on(dived, lab, origin, signed, size):
    cache = dived(cache=CACHE, workers=1)  # each worker's resolver remembers an absence for itself
    host, p, body = lab.new_host(), path(), BIG[:size]
    lab.dns.remove_policy(host)
    time.sleep(1.1)
    fields = scripted.signed_fields(lab, body) if signed else []
    origin.at(p, body=body, fields=[FRESH] + fields)
    url = origin.url(p, host=host)
    released(cache.curl(url), body, "not-supported")
    assert is_hit(cache.curl(url))
    lab.dns.set_policy(host)
    deadline = time.monotonic() + 10  # the absence may be remembered for a while
    while cache.curl(url).log()["verdict"] == "not-supported" and time.monotonic() < deadline:
        time.sleep(0.5)
    if signed:
        response = cache.curl(url)
        released(response, body)
        assert is_hit(response) and origin.count(p) == 1
    else:
        blocked(cache.curl(url), "missing-headers", body)


def test_a_key_that_goes_blocks_what_the_origin_says_is_not_modified(cache, lab, origin):
    """The 304 is about content that doesn't verify any more: the origin is asked for another, at once."""
    host, p, body = lab.new_host(), path(), BIG[:1000]

    def answer(request):
        if request.headers.get("If-None-Match"):
            return Answer(304, fields=[("ETag", '"1"'), FRESH])
        return Answer(body=body, fields=[SOON, ("ETag", '"1"')] + scripted.signed_fields(lab, body))

    origin.at(p, answer)
    url = origin.url(p, host=host)
    released(cache.curl(url), body)
    lab.dns.revoke_key(host, "ed1")
    time.sleep(2.2)
    began = time.monotonic()
    blocked(cache.curl(url), "key-not-found", body)
    assert time.monotonic() - began < 5
    assert [r.headers.get("If-None-Match") for r in origin.requests if r.path == p] == [None, '"1"', None]


def test_a_304_with_another_signature_is_judged(cache, lab, origin):
    p, body = path(), BIG[:1000]

    def answer(request):
        if request.headers.get("If-None-Match"):
            return Answer(304, fields=[("ETag", '"1"'), FRESH] + scripted.signed_fields(lab, b"other"))
        return Answer(body=body, fields=[SOON, ("ETag", '"1"')] + scripted.signed_fields(lab, body))

    origin.at(p, answer)
    url = origin.url(p, host=COVERED)
    released(cache.curl(url), body)
    time.sleep(2.1)
    released(cache.curl(url), body)  # what it has made of the stored one failed, and a whole one came
    released(cache.curl(url), body)


@pytest.mark.parametrize("directive", ["no-store", "private"])
def test_a_304_that_forbids_storing_ends_it(cache, origin, directive):
    p = path()

    def answer(request):
        if request.headers.get("If-None-Match"):
            return Answer(304, fields=[("ETag", '"1"'), ("Cache-Control", f"{directive}, max-age=600")])
        return Answer(body=b"body", fields=[SOON, ("ETag", '"1"')])

    origin.at(p, answer)
    cache.curl(origin.url(p))
    time.sleep(2.1)
    assert cache.curl(origin.url(p)).body == b"body"
    response = cache.curl(origin.url(p))
    assert not is_hit(response) and response.body == b"body", response
    assert origin.count(p) == 3


def test_stale_if_error_is_no_way_around_a_verdict(cache, lab):
    own = scripted.Origin()
    host, p, body = lab.new_host(), path(), BIG[:1000]
    answers = iter([Answer(body=body, fields=[("Cache-Control", "max-age=1, stale-if-error=600")] +
                           scripted.signed_fields(lab, body))])
    own.at(p, lambda r: next(answers, Answer(503, b"broken")))
    url = own.url(p, host=host)
    released(cache.curl(url), body)
    lab.dns.revoke_key(host, "ed1")
    time.sleep(2.2)
    response = cache.curl(url, timeout=8)
    assert response.exit == 0 and response.status in (403, 503), response
    assert body not in response.body
    own.close()


# ---- clients of different rules


@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_a_browser_that_leads_takes_no_verdict_from_others(dived, lab, origin, size):
    """Its transfer isn't verified; who follows it and is under enforcement gets a verdict of its own."""
    cache = dived(cache=CACHE, dive={"browsers": "exempt"})
    p, body = path(), BIG[:size]
    forged = body[:-1] + b"!"
    began = threading.Event()

    def answer(request):
        began.set()
        return slow(forged, [FRESH] + scripted.signed_fields(lab, body), pieces=4, pause=0.2)(request)

    origin.at(p, answer)
    url = origin.url(p, host=COVERED)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        leader = pool.submit(lambda: cache.curl(url, *BROWSER))
        assert began.wait(5)
        followers = [pool.submit(lambda: cache.curl(url)) for _ in range(4)]
        assert leader.result().body == forged
        for one in followers:
            assert one.result().status == 403 and forged[:64] not in one.result().body, one.result()
    # Nor is anything of it left for the next.
    blocked(cache.curl(url), "signature-mismatch", forged)


def test_what_a_browser_had_stored_is_judged_for_others(dived, lab, origin):
    cache = dived(cache=CACHE, dive={"browsers": "exempt"})
    good, bad = path(), path()
    origin.at(good, body=BIG, fields=[FRESH] + scripted.signed_fields(lab, BIG))
    origin.at(bad, body=BIG, fields=[FRESH] + scripted.signed_fields(lab, b"other"))
    for p in (good, bad):
        assert cache.curl(origin.url(p, host=COVERED), *BROWSER).body == BIG
    response = cache.curl(origin.url(good, host=COVERED))
    released(response, BIG)
    assert is_hit(response)
    for _ in range(2):
        blocked(cache.curl(origin.url(bad, host=COVERED)), "signature-mismatch", BIG)


def test_stripped_bodies_do_not_come_from_the_cache_either(dived, lab, origin):
    cache = dived(cache=CACHE, dive={"browsers": "exempt", "error-bodies": "strip"})
    p, q = path(), path()
    body = b"<script>evil()</script>" * 10
    origin.at(p, status=404, body=body, fields=[FRESH])
    url = origin.url(p, host=COVERED)
    assert cache.curl(url, *BROWSER).body == body
    for extra in ((), ("-r", "0-3")):
        response = cache.curl(url, *extra)
        assert response.status == 404 and response.body == b"" and response.exit == 0, response
        assert response.field("content-length") == "0"
    assert origin.count(p) == 1
    # And not from a transfer that is read along.
    began = threading.Event()

    def raw(request):
        request.wfile.write(b"HTTP/1.1 404 Not Found\r\nCache-Control: max-age=600\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(10):
            request.wfile.write(b"x" * 100)
            request.wfile.flush()
            began.set()
            time.sleep(0.1)

    origin.at(q, lambda r: Answer(raw=raw))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        leader = pool.submit(lambda: cache.curl(origin.url(q, host=COVERED), *BROWSER))
        assert began.wait(5)
        follower = cache.curl(origin.url(q, host=COVERED))
        assert len(leader.result().body) == 1000
    assert follower.status == 404 and follower.body == b"" and follower.exit == 0, follower


@pytest.mark.parametrize("covered", [True, False])
def test_report_only_reuses_and_reports(dived, lab, origin, covered):
    """An auditor's cache: what fails is served, reported, and not stored; what verifies is a hit."""
    cache = dived(cache=CACHE, dive={"mode": "report-only"})
    good, bad = path(), path()
    host = COVERED if covered else "plain.example"
    origin.at(good, body=BIG, fields=[FRESH] + scripted.signed_fields(lab, BIG))
    origin.at(bad, body=BIG, fields=[FRESH] + scripted.signed_fields(lab, b"other"))
    for _ in range(2):
        released(cache.curl(origin.url(good, host=host)), BIG, "verified" if covered else "not-supported",
                 "streamed")
    assert origin.count(good) == 1
    for _ in range(2):
        response = cache.curl(origin.url(bad, host=host))
        assert response.body == BIG and response.exit == 0
        assert response.log()["verdict"] == ("failed" if covered else "not-supported"), response.log()
    assert origin.count(bad) == (2 if covered else 1)


def test_a_part_of_a_shared_transfer_is_no_failure(dived, lab, origin):
    """In report-only mode: only a part goes by, so nothing is said of it."""
    cache = dived(cache=WHOLE_FOR_RANGE, dive={"mode": "report-only"})
    p, began = path(), threading.Event()
    origin.at(p, slow(BIG, [FRESH] + scripted.signed_fields(lab, BIG), began, pieces=10, pause=0.1))
    url = origin.url(p, host=COVERED)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        leader = pool.submit(lambda: cache.curl(url))
        assert began.wait(5)
        follower = cache.curl(url, "-r", "100-199")
        assert leader.result().body == BIG
    assert follower.status == 206 and follower.body == BIG[100:200], follower
    assert "collapsed" in cache_status(follower)
    assert follower.log()["verdict"] == "not-covered", follower.log()


# ---- poisoning


def test_a_validated_variant_is_not_another_clients(cache, origin):
    """Who waits for a transfer that turns out to be of another variant gets its own."""
    p, asked = path(), threading.Event()

    def answer(request):
        language = request.headers["Accept-Language"]
        if request.headers.get("If-None-Match") == f'"{language}"':
            asked.set()
            time.sleep(2)
            return Answer(304, fields=[("ETag", f'"{language}"'), SOON, ("Vary", "accept-language")])
        return Answer(body=language.encode(), fields=[SOON, ("Vary", "accept-language"),
                                                      ("ETag", f'"{language}"')])

    origin.at(p, answer)
    url = origin.url(p)
    assert cache.curl(url, "-H", "Accept-Language: de").body == b"de"
    time.sleep(2.2)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        leader = pool.submit(lambda: cache.curl(url, "-H", "Accept-Language: de"))
        assert asked.wait(5)
        others = [pool.submit(lambda: cache.curl(url, "-H", "Accept-Language: en")) for _ in range(3)]
        assert leader.result().body == b"de"
        assert [o.result().body for o in others] == [b"en"] * 3


def test_what_a_client_does_alone_keeps_nobody_from_sharing(cache, origin):
    """Credentials and conditions of one client say nothing about what others may share."""
    p = path()

    def answer(request):
        if request.headers.get("If-None-Match") == '"1"':
            return Answer(304, fields=[("ETag", '"1"')])
        return slow(BIG, [FRESH, ("ETag", '"1"')], pieces=4, pause=0.1)(request)

    origin.at(p, answer)
    cache.curl(origin.url(p), "-H", "Authorization: Basic eDp5")
    cache.curl(origin.url(p), "-H", 'If-None-Match: "1"')
    before = origin.count(p)
    assert all(r.body == BIG for r in together(6, lambda i: cache.curl(origin.url(p))))
    assert origin.count(p) == before + 1


@pytest.mark.parametrize("request_line", [
    "GET http://PLAIN.example:{port}{path} HTTP/1.1\r\nHost: plain.example:{port}",
    "GET HTTP://plain.example.:{port}{path} HTTP/1.1\r\nHost: plain.example.:{port}",
    "GET http://plain.example:{port}{path}#fragment HTTP/1.1\r\nHost: plain.example:{port}",
    "GET http://plain.example:{port}{path} HTTP/1.1\r\nHost: evil.example",
    "GET http://u:p@plain.example:{port}{path} HTTP/1.1\r\nHost: plain.example:{port}",
    "GET http://plain.example:{port}{path}?x HTTP/1.1\r\nHost: plain.example:{port}",
    "GET http://plain.example:{port}/x/..{path} HTTP/1.1\r\nHost: plain.example:{port}",
    "GET http://plain.example:{port}/{path} HTTP/1.1\r\nHost: plain.example:{port}",
    "GET http://plain.example:{port}{path} HTTP/1.1\r\nHost: plain.example:{port}\r\nContent-Length: 2",
    "POST http://plain.example:{port}{path} HTTP/1.1\r\nHost: plain.example:{port}\r\nContent-Length: 2",
    "HEAD http://plain.example:{port}{path} HTTP/1.1\r\nHost: plain.example:{port}",
])
def test_no_other_spelling_stores_what_this_one_gets(cache, origin, request_line):
    """Whatever an odd request brings into the cache, the plain one gets what the origin says to it."""
    p = path()

    def answer(request):
        odd = request.path != p or request.command != "GET" or request.content
        return Answer(body=b"odd!" if odd else b"good", fields=[FRESH])

    for one in (p, "/x/.." + p, "/" + p):
        origin.at(one, answer)
    text = request_line.format(port=origin.port, path=p) + "\r\nConnection: close\r\n\r\nab"
    cache.raw(text.encode(), timeout=5)
    response = cache.curl(origin.url(p))
    assert response.status == 200 and response.body == b"good", response


def test_a_part_said_to_be_a_whole_is_not_stored(cache, origin):
    p = path()
    origin.at(p, body=b"part", fields=[FRESH, ("Content-Range", "bytes 0-3/100")])
    for _ in range(2):
        assert not is_hit(cache.curl(origin.url(p)))


# ---- ranges of transfers under way


def parts_of(response, body):
    assert response.exit == 0 and response.status == 206, response
    boundary = response.field("content-type").split("boundary=")[1]
    return [part.split(b"\r\n\r\n", 1)[1][:-2]
            for part in response.body.split(b"--" + boundary.encode())[1:-1]]


@pytest.mark.parametrize("size", [3000, 1 << 20])
def test_several_ranges_of_what_only_now_comes(dived, origin, size):
    """The client gets all that its answer's length says: as parts or as the whole."""
    cache = dived(cache=WHOLE_FOR_RANGE)
    p, body = path(), BIG[:size]
    origin.at(p, body=body, fields=[FRESH, ("Content-Type", "text/x-test")])
    response = cache.curl(origin.url(p), "-r", "0-9,1000-1009,2000-2009", timeout=8)
    assert response.exit == 0, response
    if response.status == 200:
        assert response.body == body
    else:
        assert parts_of(response, body) == [body[:10], body[1000:1010], body[2000:2010]]
    assert is_hit(cache.curl(origin.url(p)))


def test_several_ranges_of_what_is_read_along(dived, origin):
    cache = dived(cache=WHOLE_FOR_RANGE)
    p, began = path(), threading.Event()
    origin.at(p, slow(BIG, [FRESH], began, pieces=10, pause=0.1))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        leader = pool.submit(lambda: cache.curl(origin.url(p)))
        assert began.wait(5)
        follower = cache.curl(origin.url(p), "-r", "0-9,500000-500009", timeout=8)
        assert leader.result().body == BIG
    assert follower.exit == 0, follower
    if follower.status == 200:
        assert follower.body == BIG
    else:
        assert parts_of(follower, BIG) == [BIG[:10], BIG[500000:500010]]


def test_several_ranges_of_what_a_validation_brings(cache, origin):
    """Our condition has taken the place of the client's Range, and the origin sends another whole."""
    p = path()
    versions = iter([BIG[:3000], BIG[3:6003]])
    origin.at(p, lambda r: Answer(body=next(versions), fields=[SOON, ("ETag", '"x"')]))
    cache.curl(origin.url(p))
    time.sleep(2.1)
    response = cache.curl(origin.url(p), "-r", "0-9,3000-3009", timeout=8)
    assert response.exit == 0, response
    assert response.body == BIG[3:6003] if response.status == 200 else \
        parts_of(response, BIG) == [BIG[3:13], BIG[3003:3013]]


# ---- exchanges without a client


@pytest.mark.parametrize("fields,body", ids=["no-store", "private", "vary", "empty"], argvalues=[
    ([("Cache-Control", "no-store")], BIG), ([("Cache-Control", "private")], b"x"),
    ([("Cache-Control", "max-age=60"), ("Vary", "*")], BIG), ([], b"")])
def test_a_background_revalidation_that_brings_nothing_to_store(cache, origin, fields, body):
    p = path()
    answers = iter([Answer(body=b"old", fields=[("Cache-Control", "max-age=1, stale-while-revalidate=600")])])
    origin.at(p, lambda r: next(answers, Answer(body=body, fields=fields)))
    cache.curl(origin.url(p))
    time.sleep(2.1)
    assert cache.curl(origin.url(p)).status == 200
    time.sleep(0.5)
    assert cache.alive()
    assert cache.curl(origin.url(p)).status == 200


@pytest.mark.parametrize("host", ["plain.example", COVERED])
@pytest.mark.parametrize("fields", [[FRESH], [("Cache-Control", "no-store")]], ids=["stored", "no-store"])
@pytest.mark.parametrize("how", ["whole", "breaks", "hangs"])
def test_a_leader_leaves_before_the_head(dived, lab, origin, host, fields, how):
    """Its followers decide what goes on; what can't be stored has nobody who could get it."""
    patience = "3s" if how == "hangs" else "20s"
    cache = dived(cache=CACHE, timeouts={"origin-head": patience, "origin-idle": patience})
    p, began, left = path(), threading.Event(), threading.Event()

    def raw(request):
        began.set()
        left.wait(20)
        time.sleep(0.2)
        if how == "hangs":
            time.sleep(6)
            return
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BIG)}\r\n" + "".join(
            f"{n}: {v}\r\n" for n, v in fields + scripted.signed_fields(lab, BIG)) + "\r\n"
        request.wfile.write(head.encode() + (BIG if how == "whole" else BIG[:1000]))

    origin.at(p, lambda r: Answer(raw=raw))
    url = origin.url(p, host=host)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        leave = leave_after(cache, url, began)
        followers = [pool.submit(lambda: cache.curl(url, timeout=15)) for _ in range(3)]
        wait_for_clients(cache, 4)
        leave()
        left.set()
        results = [f.result() for f in followers]
    assert cache.alive()
    for one in results:
        if how == "whole":
            assert one.body == BIG, one
        else:
            assert one.exit != 0 or one.status in (502, 504), one


def test_the_end_of_the_daemon_with_transfers_under_way(dived, lab, origin):
    """Leaders, followers, a revalidation in the background: none of them keeps it or crashes it."""
    cache = dived(cache=CACHE, timeouts={"drain": "1s"})
    p, q, swr = path(), path(), path()
    answers = iter([Answer(body=b"old", fields=[("Cache-Control", "max-age=1, stale-while-revalidate=600")])])
    hang = Answer(raw=lambda r: time.sleep(8))
    origin.at(swr, lambda r: next(answers, hang))
    origin.at(p, slow(BIG, [FRESH], pieces=40, pause=0.2))
    origin.at(q, slow(BIG, [FRESH] + scripted.signed_fields(lab, BIG), pieces=40, pause=0.2))
    cache.curl(origin.url(swr))
    time.sleep(2.1)
    cache.curl(origin.url(swr))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            pool.submit(lambda: cache.curl(origin.url(p)))
            pool.submit(lambda: cache.curl(origin.url(q, host=COVERED)))
        time.sleep(1)
        assert cache.stop() is None


def test_a_reload_in_the_middle(cache, lab, origin):
    p, began = path(), threading.Event()
    origin.at(p, slow(BIG, [FRESH] + scripted.signed_fields(lab, BIG), began, pieces=10, pause=0.1))
    url = origin.url(p, host=COVERED)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        first = [pool.submit(lambda: cache.curl(url)) for _ in range(2)]
        assert began.wait(5)
        cache.reload(cache={"memory": 0, "max-size": 0})
        time.sleep(0.3)
        rest = [pool.submit(lambda: cache.curl(url)) for _ in range(2)]
        assert all(f.result().body == BIG for f in first + rest)
    assert cache.alive()


def test_a_follower_reads_on_when_its_leaders_configuration_has_gone(dived, origin):
    """Who joined after a reload reads what was fetched under the configuration before; that one is freed."""
    cache = dived(cache=CACHE, workers=1)
    p, began, go, body = path(), threading.Event(), threading.Event(), BIG * (1 + (9 << 20) // len(BIG))
    origin.at(p, slow(body, [FRESH], began, pieces=4, pause=0, go=go))
    url = origin.url(p)
    request = f"GET {url} HTTP/1.1\r\nHost: {url.split('/')[2]}\r\nConnection: close\r\n\r\n".encode()
    with contextlib.closing(cache.connect()) as leader, contextlib.closing(socket.socket()) as follower:
        leader.sendall(request)
        assert began.wait(10)
        cache.reload(timeouts={"client-idle": "30s"})
        eventually(lambda: log_says(cache, "dived.yaml loaded"), 10, "the reload")
        time.sleep(0.5)
        follower.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 << 10)
        follower.settimeout(15)
        follower.connect(("127.0.0.1", cache.port))
        follower.sendall(request)
        got = follower.recv(4096)
        go.set()
        assert read_all(leader).endswith(body[-1000:])
        leader.close()
        cache.reload(timeouts={"client-idle": "31s"})
        time.sleep(1)
        got += read_all(follower)
    content = got.partition(b"\r\n\r\n")[2]
    assert len(content) == len(body) and content == body and origin.count(p) == 1
    assert cache.alive()


# ---- the store


def eventually_disk(proxy, n, seconds=10):
    deadline = time.monotonic() + seconds
    while stats(proxy)["disk_bytes"] < n and time.monotonic() < deadline:
        time.sleep(0.1)
    return stats(proxy)["disk_bytes"]


def test_validated_content_stays_in_the_budget(cache, origin):
    """A 304 gives stored content another head; its bytes on disk count as before."""
    p = path()

    def answer(request):
        if request.headers.get("If-None-Match"):
            return Answer(304, fields=[("ETag", '"1"'), FRESH])
        return Answer(body=BIG, fields=[SOON, ("ETag", '"1"')])

    origin.at(p, answer)
    cache.curl(origin.url(p))
    assert eventually_disk(cache, len(BIG)) >= len(BIG)
    time.sleep(2.1)
    assert cache.curl(origin.url(p)).body == BIG
    time.sleep(1)
    assert is_hit(cache.curl(origin.url(p)))
    assert eventually_disk(cache, len(BIG), 2) >= len(BIG)


def test_shared_content_stays_in_the_budget_of_the_last_name(cache, lab, origin):
    p, q = path(), path()
    for one in (p, q):
        origin.at(one, body=BIG, fields=[FRESH] + scripted.signed_fields(lab, BIG))
        released(cache.curl(origin.url(one, host=COVERED)), BIG)
        wait_stored(cache, 1 if one == p else 2, "o")
    assert len(objects(cache, "c")) == 1
    assert cache.curl(origin.url(p, host=COVERED), "-X", "PURGE").status == 200
    assert len(objects(cache, "c")) == 1 and eventually_disk(cache, len(BIG), 2) >= len(BIG)
    assert cache.curl(origin.url(q, host=COVERED), "-X", "PURGE").status == 200
    wait_stored(cache, 0, "o", "c")
    assert stats(cache)["disk_bytes"] == 0


@pytest.mark.parametrize("who", ["browser", "report-only"])
def test_who_does_not_enforce_finds_verified_content_after_a_crash(dived, lab, origin, who):
    """Content is checked after a crash, by whoever comes first, and isn't lost by being looked at."""
    cache = dived(cache=CACHE, dive={"browsers": "exempt" if who == "browser" else "report-only"})
    p = path()
    origin.at(p, body=BIG, fields=[FRESH] + scripted.signed_fields(lab, BIG))
    released(cache.curl(origin.url(p, host=COVERED)), BIG)
    wait_stored(cache, 1, "o")
    time.sleep(0.2)
    cache.process.kill()
    cache.process.wait(10)
    again(cache)
    response = cache.curl(origin.url(p, host=COVERED), *BROWSER)
    assert response.body == BIG and is_hit(response), response
    assert response.log()["verdict"] == ("exempt" if who == "browser" else "verified"), response.log()
    assert origin.count(p) == 1
