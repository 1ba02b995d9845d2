# SPDX-License-Identifier: BSD-2-Clause
"""Keys over time: rotation, removal, and revocation by invalidate-keys-cache."""
import time

import pytest
from expect import blocked, eventually, released

GOOD, BOTH, NEW = "/01/size-1k", "/01/rotation-new-first", "/01/rotation-first-unknown"


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01") + lab.catalogue("00")}


def test_rotation_without_a_gap(proxy, lab, body):
    """Old key alone; new key published; both signatures; old key removed."""
    host = lab.new_host(keyids=("ed1",))
    released(proxy.curl(lab.url(host, GOOD)), body[GOOD])
    released(proxy.curl(lab.url(host, BOTH)), body[BOTH])  # the new one isn't published yet
    lab.dns.publish_key(host, "ed2")
    for _ in range(4):  # whatever is cached, there is no moment at which the file fails
        released(proxy.curl(lab.url(host, BOTH)), body[BOTH])
        time.sleep(0.6)
    lab.dns.revoke_key(host, "ed1")
    for _ in range(4):
        released(proxy.curl(lab.url(host, BOTH)), body[BOTH])
        time.sleep(0.6)
    eventually(lambda: proxy.curl(lab.url(host, GOOD)).status == 403, 5, "the old key's end")
    blocked(proxy.curl(lab.url(host, GOOD)), "key-not-found", body[GOOD])


def test_rotation_draft_00(proxy, lab, body):
    host = lab.new_host(keyids=("ed2",), v="dive-draft-00")
    released(proxy.curl(lab.url(host, "/00/rotation")), body["/00/rotation"])
    blocked(proxy.curl(lab.url(host, "/00/size-1k")), "key-not-found")


def test_revocation_by_removal_within_the_ttl(proxy, lab, body):
    host = lab.new_host(keyids=("ed1",))
    released(proxy.curl(lab.url(host, GOOD)), body[GOOD])
    lab.dns.revoke_key(host, "ed1")
    time.sleep(2.1)
    blocked(proxy.curl(lab.url(host, GOOD)), "key-not-found", body[GOOD])


def test_a_cached_key_outlives_its_record_until_invalidated(proxy, lab, body):
    """The key may be cached for an hour, in our cache and in libunbound's: only
    invalidate-keys-cache reaches it, and then at once."""
    host = lab.new_host(keyids=("ed1",), key_ttl=3600, key_cache=3600)
    released(proxy.curl(lab.url(host, GOOD)), body[GOOD])
    lab.dns.revoke_key(host, "ed1")
    time.sleep(2.1)
    released(proxy.curl(lab.url(host, GOOD)), body[GOOD])
    time.sleep(1)
    lab.dns.set_policy(host, invalidate=int(time.time()))
    time.sleep(2.1)  # the policy's TTL
    blocked(proxy.curl(lab.url(host, GOOD)), "key-not-found", body[GOOD])


def test_invalidation_replaces_a_key_under_the_same_name(proxy, lab, body):
    host = lab.new_host(keyids=(), invalidate=1)
    lab.dns.publish_key(host, "ed1", key=lab.keys["ghost"], ttl=3600, cache=3600)
    blocked(proxy.curl(lab.url(host, GOOD)), "signature-mismatch", body[GOOD])
    lab.dns.publish_key(host, "ed1", ttl=3600, cache=3600)
    time.sleep(1)
    lab.dns.set_policy(host, invalidate=int(time.time()))
    time.sleep(2.1)
    released(proxy.curl(lab.url(host, GOOD)), body[GOOD])


def test_an_old_invalidation_does_not_stop_caching(faulty_dns, lab, body):
    host = lab.new_host(keyids=("ed1",), key_ttl=300, key_cache=300, invalidate=int(time.time()) - 100)
    one = faulty_dns()
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    mark = lab.queries_mark()
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    assert (f"ed1._divekey.{host}", "TXT") not in lab.queries(mark)


def test_a_key_published_after_a_failure_is_found(proxy, lab, body):
    """Unresolvable: a fresh query before failing, so that no negative cache delays a new key."""
    host = lab.new_host(keyids=("ed1",))
    blocked(proxy.curl(lab.url(host, "/01/unknown-key")), "key-not-found")
    lab.dns.publish_key(host, "ghost")
    released(proxy.curl(lab.url(host, "/01/unknown-key")), body["/01/unknown-key"])


def test_policy_appears_and_disappears(proxy, lab, body):
    flipped = "/01/size-1k-flipped"
    host = lab.new_host(keyids=("ed1",))
    blocked(proxy.curl(lab.url(host, flipped)), "signature-mismatch", body[flipped])
    lab.dns.remove_policy(host)
    time.sleep(2.1)
    response = proxy.curl(lab.url(host, flipped))
    assert response.status == 200 and response.body == body[flipped], response
    lab.dns.set_policy(host)
    time.sleep(2.1)
    blocked(proxy.curl(lab.url(host, flipped)), "signature-mismatch", body[flipped])


def test_a_cached_policy_is_used_for_its_lifetime(proxy, lab, body):
    flipped = "/01/size-1k-flipped"
    host = lab.new_host(keyids=("ed1",), policy_ttl=300, cache=300)
    blocked(proxy.curl(lab.url(host, flipped)), "signature-mismatch", body[flipped])
    lab.dns.remove_policy(host)
    time.sleep(2.1)
    blocked(proxy.curl(lab.url(host, flipped)), "signature-mismatch", body[flipped])


def test_the_cache_parameter_does_not_outlive_the_ttl(proxy, lab, body):
    host = lab.new_host(keyids=("ed1",), key_ttl=1, key_cache=86400)
    released(proxy.curl(lab.url(host, GOOD)), body[GOOD])
    lab.dns.revoke_key(host, "ed1")
    time.sleep(2.1)
    blocked(proxy.curl(lab.url(host, GOOD)), "key-not-found", body[GOOD])
