# SPDX-License-Identifier: BSD-2-Clause
"""A policy that was seen doesn't disappear without a proof, not even over a restart; and what the file
of the state does and doesn't bring back."""
import json
import os
import time

import pytest
from expect import blocked, eventually, passed, released

GOOD = "/01/size-1k"
FLIPPED = "/01/size-1k-flipped"
ZONE = "seen.example."
# libunbound believes nothing for longer than a second, and there is but one of them (each worker has its
# own), so that a change of DNSSEC shows at once and everywhere.
FORGETFUL = {"workers": 1, "dns": {"unbound": {"do-not-query-localhost": False, "cache-max-ttl": 1,
                                               "cache-max-negative-ttl": 1}}}
LOST = "this domain had a policy"
IGNORED = "is ignored: "


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01")}


@pytest.fixture
def host(lab):
    return lab.new_host(zone="seen.example")


def restart(one):
    assert one.stop() is None
    return one.start()


def crash(one):
    one.process.kill()
    one.process.wait(10)
    return one.start()


def policies(one, *words):
    return one.divectl("policies", *words, "-c", one.config_path)


def remembered(one):
    done = policies(one, "list", "--json")
    assert done.returncode == 0, done
    return {p["domain"] for p in json.loads(done.stdout)["policies"]}


def state_of(one):
    return os.path.join(one.directory, "state", "state")


def insecure(one, lab, host):
    """Waits until the proxy sees that `host` is insecure, which its log tells."""
    return eventually(lambda: one.curl(lab.url(host, FLIPPED)).log()["dnssec"] == "insecure", 10,
                      "insecurity")


def test_a_policy_that_becomes_insecure_is_refused_until_it_is_forgotten(dived, lab, body, host):
    one = dived(**FORGETFUL)
    never = lab.new_host(zone="seen.example")
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    assert host in remembered(one)
    with lab.dns.without_ds(ZONE):
        insecure(one, lab, host)
        for path in (GOOD, FLIPPED):
            entry = blocked(one.curl(lab.url(host, path)), "dnssec-unavailable", body[path])
            assert entry["policy_domain"] == host and entry["dnssec"] == "insecure", entry
        passed(one.curl(lab.url(never, FLIPPED)), body[FLIPPED])
        assert one.stderr().count(LOST) == 1

        restart(one)
        blocked(one.curl(lab.url(host, GOOD)), "dnssec-unavailable", body[GOOD])
        assert host in policies(one, "list").stdout

        done = policies(one, "forget", host.upper() + ".")
        assert done.returncode == 0, done
        assert policies(one, "forget", host).returncode == 1
        assert host not in remembered(one)
        passed(one.curl(lab.url(host, FLIPPED)), body[FLIPPED])
        restart(one)
        passed(one.curl(lab.url(host, FLIPPED)), body[FLIPPED])


def test_what_was_forgotten_stays_so_after_a_crash(dived, lab, body, host):
    one = dived(**FORGETFUL)
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    restart(one)
    assert host in remembered(one)
    assert policies(one, "forget", host).returncode == 0
    crash(one)
    assert host not in remembered(one)


def test_a_forgotten_policy_that_can_not_be_saved_is_told(dived, lab, body, host):
    one = dived(state={"directory": "/proc/nowhere"})
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    done = policies(one, "forget", host)
    assert done.returncode == 0 and "could not be saved" in done.stderr, done
    assert host not in remembered(one)


def test_a_validated_absence_lets_the_domain_go(dived, lab, body, host):
    one = dived(**FORGETFUL)
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    lab.dns.remove_policy(host)
    eventually(lambda: one.curl(lab.url(host, FLIPPED)).status == 200, 10, "the absence")
    assert host not in remembered(one)
    with lab.dns.without_ds(ZONE):
        insecure(one, lab, host)
        passed(one.curl(lab.url(host, FLIPPED)), body[FLIPPED])


def test_bogus_and_missing_answers_that_are_ignored_lose_no_seen_policy(faulty_dns, lab, body, host):
    one = faulty_dns(dive={"bogus": "ignore", "no-answer": "ignore"})
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    for fault in ("unsigned", "servfail"):
        restart(one)
        lab.faults({f"_dive.{host}": fault})
        blocked(one.curl(lab.url(host, GOOD)), "dnssec-unavailable", body[GOOD])
    never = lab.new_host(zone="seen.example")
    lab.faults({f"_dive.{never}": "servfail"})
    passed(one.curl(lab.url(never, FLIPPED)), body[FLIPPED])


def test_it_can_be_switched_off(dived, lab, body, host):
    one = dived(dive={"remember-policies": "0s"}, **FORGETFUL)
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    assert not remembered(one)
    with lab.dns.without_ds(ZONE):
        insecure(one, lab, host)
        passed(one.curl(lab.url(host, FLIPPED)), body[FLIPPED])


def test_it_lasts_as_long_as_the_configuration_says(dived, lab, body, host):
    one = dived(dive={"remember-policies": "6s"}, **FORGETFUL)
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    seen = time.monotonic()
    with lab.dns.without_ds(ZONE):
        restart(one)
        blocked(one.curl(lab.url(host, GOOD)), "dnssec-unavailable", body[GOOD])
        time.sleep(max(0, seen + 7.5 - time.monotonic()))
        passed(one.curl(lab.url(host, FLIPPED)), body[FLIPPED])


def test_a_report_only_policy_that_is_gone_is_only_logged(dived, lab, body):
    host = lab.new_host(zone="seen.example", directives=("report-only",))
    one = dived(**FORGETFUL)
    assert one.curl(lab.url(host, GOOD)).status == 200
    with lab.dns.without_ds(ZONE):
        restart(one)
        passed(one.curl(lab.url(host, FLIPPED)), body[FLIPPED])
        assert eventually(lambda: LOST in one.stderr(), 5, "the warning")


def asked(lab, host, since):
    return {name for name, kind in lab.queries(since) if kind == "TXT" and name.endswith(host)}


def test_records_are_used_after_a_restart_for_what_is_left_of_their_lifetime(faulty_dns, lab, body):
    lasting = lab.new_host(key_cache=300, key_ttl=300, policy_ttl=300, cache=300)
    short = lab.new_host(key_cache=7, key_ttl=7, policy_ttl=7, cache=7)
    records = lambda host: {f"_dive.{host}", f"ed1._divekey.{host}"}
    one = faulty_dns()
    for host in (lasting, short):
        mark = lab.queries_mark()
        released(one.curl(lab.url(host, GOOD)), body[GOOD])
        assert asked(lab, host, mark) >= records(host)
    learned = time.monotonic()
    restart(one)
    mark = lab.queries_mark()
    for host in (short, lasting):
        released(one.curl(lab.url(host, GOOD)), body[GOOD])
        blocked(one.curl(lab.url(host, FLIPPED)), "signature-mismatch", body[FLIPPED])
        if host == lasting or time.monotonic() < learned + 5:
            assert not asked(lab, host, mark) & records(host)
    time.sleep(max(0, learned + 8 - time.monotonic()))
    mark = lab.queries_mark()
    for host in (short, lasting):
        released(one.curl(lab.url(host, GOOD)), body[GOOD])
    assert asked(lab, short, mark) >= records(short)
    assert not asked(lab, lasting, mark) & records(lasting)


def corrupt(path):
    with open(path, "r+b") as f:
        f.seek(20)
        byte = f.read(1)
        f.seek(20)
        f.write(bytes([byte[0] ^ 1]))


def truncated(path):
    os.truncate(path, os.path.getsize(path) - 5)


def foreign(path):
    with open(path, "wb") as f:
        f.write(b"not a file of dived's\n" * 100)


def empty(path):
    os.truncate(path, 0)


def group_writable(path):
    os.chmod(path, 0o620)


def link(path):
    os.rename(path, path + ".moved")
    os.symlink(path + ".moved", path)


def fifo(path):
    os.unlink(path)
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("damage", [corrupt, truncated, foreign, empty, group_writable, link, fifo])
def test_a_state_file_that_is_not_wholly_good_is_ignored(dived, lab, body, host, damage):
    one = dived(**FORGETFUL)
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    assert one.stop() is None
    assert os.stat(state_of(one)).st_mode & 0o7777 == 0o600
    assert IGNORED not in one.stderr()
    damage(state_of(one))
    one.start()
    assert one.stderr().count(IGNORED) == 1, one.stderr()
    assert not remembered(one)
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    restart(one)  # a good one has taken its place
    assert one.stderr().count(IGNORED) == 1, one.stderr()
    assert host in remembered(one)


def test_a_state_directory_that_can_not_be_written_is_told_and_harms_nothing(dived, lab, body, host):
    one = dived(state={"directory": "/proc/nowhere"})
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    assert one.stop() is None
    assert one.stderr().count("the state is not saved: ") == 1


def test_nothing_is_kept_without_a_state_directory(dived, lab, body, host):
    one = dived(state={"directory": "null"})
    released(one.curl(lab.url(host, GOOD)), body[GOOD])
    restart(one)
    assert not remembered(one)
    assert not os.path.exists(state_of(one))
