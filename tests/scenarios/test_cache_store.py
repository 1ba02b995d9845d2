# SPDX-License-Identifier: BSD-2-Clause
"""What is stored survives: restarts, crashes, damage to its files, full and vanished disks."""
import concurrent.futures
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

import proxy as proxymodule
import pytest
import scripted
from expect import blocked, released
from scripted import Answer
from test_cache import BIG, CACHE, COVERED, FRESH, is_hit, origin, path  # noqa: F401

# A longer run: CACHE_CRASHES=1000
CRASHES = int(os.environ.get("CACHE_CRASHES", "12"))


def objects(cache, *names):
    """Files of the store below o/ (heads, small contents) or c/ (large contents)."""
    return sorted(os.path.join(top, name) for sub in names or ("o", "c")
                  for top, _, files in os.walk(os.path.join(cache.directory, "objects", sub))
                  for name in files)


def wait_stored(cache, n, *names, seconds=20):
    deadline = time.monotonic() + seconds
    while len(objects(cache, *names)) < n and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(objects(cache, *names)) == n, objects(cache, *names)


def stats(cache):
    done = cache.divectl("cache", "stats", "--json", "-c", cache.config_path)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def again(cache):
    """The same daemon anew: on its directory, with its configuration."""
    cache.start()


def content(i, size):
    return hashlib.sha256(str(i).encode()).digest() * (size // 32)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("host", ["plain.example", COVERED])
@pytest.mark.parametrize("size", [64, 65536, 65568, 1 << 20])
def test_stored_responses_survive(dived, lab, origin, how, host, size):
    p = path()
    body = content(p, size)
    origin.at(p, body=body, fields=[FRESH] + scripted.signed_fields(lab, body))
    cache = dived(cache=CACHE)
    assert cache.curl(origin.url(p, host=host)).body == body
    wait_stored(cache, 1, "o")
    time.sleep(0.1)
    cache.process.send_signal(how)
    cache.process.wait(10)
    again(cache)
    response = cache.curl(origin.url(p, host=host))
    assert response.body == body and is_hit(response), response
    assert response.log()["verdict"] == ("verified" if host == COVERED else "not-supported")
    assert is_hit(cache.curl(origin.url(p, host=host), "-r", "0-9"))
    assert origin.count(p) == 1


def test_the_same_content_is_stored_once(dived, lab, origin):
    cache = dived(cache=CACHE)
    body = content("same", 1 << 20)
    names = [path() for _ in range(5)]
    for p in names:
        origin.at(p, body=body, fields=[FRESH] + scripted.signed_fields(lab, body))
        released(cache.curl(origin.url(p, host=COVERED)), body)
    wait_stored(cache, 5, "o")
    assert len(objects(cache, "c")) == 1
    digest = hashlib.sha256(body).hexdigest()
    assert digest in objects(cache, "c")[0]
    assert stats(cache)["deduplicated"] >= 4
    for p in names[:4]:
        assert cache.curl(origin.url(p, host=COVERED), "-X", "PURGE").status == 200
    assert is_hit(cache.curl(origin.url(names[4], host=COVERED)))
    cache.curl(origin.url(names[4], host=COVERED), "-X", "PURGE")
    wait_stored(cache, 0, "c")


@pytest.mark.parametrize("host", ["plain.example", COVERED])
@pytest.mark.parametrize("size", [1024, 1 << 20])
@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "empty", "gone"])
def test_a_damaged_file_is_never_served(dived, lab, origin, host, size, damage):
    p = path()
    body = content(p, size)
    origin.at(p, body=body, fields=[FRESH] + scripted.signed_fields(lab, body))
    cache = dived(cache=CACHE)
    cache.curl(origin.url(p, host=host))
    wait_stored(cache, 2 if size > 65536 else 1)
    time.sleep(0.1)
    cache.process.send_signal(signal.SIGTERM)
    cache.process.wait(10)
    for file in objects(cache):
        data = bytearray(open(file, "rb").read())
        if damage == "flip":
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        elif damage == "cut":
            del data[-1:]
        elif damage == "longer":
            data += b"x"
        elif damage == "empty":
            data = b""
        if damage == "gone":
            os.unlink(file)
        else:
            with open(file, "r+b") as f:
                f.write(data)
                f.truncate(len(data))
    again(cache)
    response = cache.curl(origin.url(p, host=host))
    assert response.body == body and not is_hit(response), response
    assert is_hit(cache.curl(origin.url(p, host=host)))
    assert origin.count(p) == 2


def test_content_damaged_while_running_is_not_served(dived, origin):
    """The file is opened anew (it isn't hot), and its change time tells."""
    cache = dived(cache=dict(CACHE, memory="0"))
    p = path()
    body = content(p, 1 << 20)
    origin.at(p, body=body, fields=[FRESH])
    cache.curl(origin.url(p))
    wait_stored(cache, 2)
    time.sleep(0.2)
    with open(objects(cache, "c")[0], "r+b") as f:
        f.seek(500000)
        f.write(b"forged")
    response = cache.curl(origin.url(p))
    assert response.body == body and not is_hit(response)


def test_foreign_files_are_removed_and_told(dived, origin):
    cache = dived(cache=CACHE)
    for name in ("o/00/readme.txt", "c/ff/" + "00" * 33, "o/ab/" + "ab" * 16 + "-" + "0" * 16):
        with open(os.path.join(cache.directory, "objects", name), "wb") as f:
            f.write(b"not ours")
    os.utime(os.path.join(cache.directory, "objects", "c/ff/" + "00" * 33), (1, 1))
    cache.process.send_signal(signal.SIGTERM)
    cache.process.wait(10)
    time.sleep(1.1)  # what was there before the start is told from what comes after by the second
    again(cache)
    wait_stored(cache, 0)
    deadline = time.monotonic() + 10  # told when a folder has been looked through
    while stats(cache)["dropped_corrupt"] < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert stats(cache)["dropped_corrupt"] >= 2


def test_a_directory_of_somebody_elses_is_left_alone(dived, origin, tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    cache = dived(cache=dict(CACHE, directory=str(tmp_path)))
    p, q = path(), path()
    origin.at(p, body=b"small", fields=[FRESH])
    origin.at(q, body=BIG, fields=[FRESH])
    for one, hit in ((p, True), (q, False)):
        assert not is_hit(cache.curl(origin.url(one)))
        assert is_hit(cache.curl(origin.url(one))) == hit
    assert os.listdir(tmp_path) == ["holiday.jpg"]
    assert not stats(cache)["disk_usable"]


def test_two_daemons_do_not_share_a_directory(dived, origin, tmp_path):
    one = dived(cache=dict(CACHE, directory=str(tmp_path)))
    two = dived(cache=dict(CACHE, directory=str(tmp_path)))
    assert stats(one)["disk_usable"] and not stats(two)["disk_usable"]
    p = path()
    origin.at(p, body=b"x", fields=[FRESH])
    two.curl(origin.url(p))
    assert is_hit(two.curl(origin.url(p)))


def test_a_vanished_directory_degrades_to_memory(dived, origin):
    cache = dived(cache=CACHE)
    p, q = path(), path()
    origin.at(p, body=b"x", fields=[FRESH])
    origin.at(q, body=BIG, fields=[FRESH])
    cache.curl(origin.url(p))
    shutil.rmtree(os.path.join(cache.directory, "objects"))
    assert cache.curl(origin.url(q)).body == BIG
    assert cache.curl(origin.url(p)).body == b"x"
    assert cache.curl(origin.url(q)).body == BIG
    r = path()
    origin.at(r, body=b"y", fields=[FRESH])
    cache.curl(origin.url(r))
    assert is_hit(cache.curl(origin.url(r)))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("host", ["plain.example", COVERED])
def test_a_full_disk_breaks_nobodys_download(dived, lab, origin, host, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], check=True)
    cache = None
    try:
        cache = dived(cache=dict(CACHE, directory=str(small)))
        for i in range(12):
            p = path()
            body = content(i, 1 << 20)
            origin.at(p, body=body, fields=[FRESH] + scripted.signed_fields(lab, body))
            response = cache.curl(origin.url(p, host=host))
            assert response.exit == 0 and response.body == body, (i, response)
        huge = content("huge", 8 << 20)
        p = path()
        origin.at(p, body=huge, fields=[FRESH])
        assert cache.curl(origin.url(p)).body == huge
        assert stats(cache)["objects"] >= 1
    finally:
        if cache is not None:
            assert cache.stop() is None
        subprocess.run(["umount", str(small)], check=True)


def test_budgets_are_kept(dived, origin):
    cache = dived(cache={"memory": "1MiB", "max-size": "8MiB", "max-object": "4MiB"})
    for i in range(40):
        p = path()
        origin.at(p, body=content(i, 512 * 1024), fields=[FRESH])
        cache.curl(origin.url(p))
    deadline = time.monotonic() + 10
    while stats(cache)["queued"] and time.monotonic() < deadline:
        time.sleep(0.05)
    now = stats(cache)
    assert now["disk_bytes"] <= 8 << 20 and now["memory_bytes"] <= 1 << 20 and now["evicted"] > 0
    time.sleep(0.3)
    on_disk = sum(os.path.getsize(f) for f in objects(cache))
    assert on_disk <= 8 << 20, on_disk


def test_kill_9_under_load_tears_nothing(dived, lab, origin):
    """Killed at any point: afterwards, whatever is served is what the origin sent."""
    cache = dived(cache=dict(CACHE, memory="256KiB"))
    names = {}
    for i in range(24):
        p = path()
        body = content(i, random.choice([100, 5000, 65536, 70000, 300000, 1 << 20]))
        names[p] = body
        origin.at(p, body=body, fields=[FRESH] + scripted.signed_fields(lab, body))
    hits = 0
    for _ in range(CRASHES):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            chosen = random.sample(sorted(names), 8)
            work = [pool.submit(cache.curl, origin.url(p, host=random.choice(
                [COVERED, "plain.example"])), timeout=5) for p in chosen]
            time.sleep(random.uniform(0.0, 0.15))
            cache.process.kill()
            for one in work:
                one.result()
        cache.process.wait(10)
        again(cache)
        for p in random.sample(sorted(names), 6):
            for host in (COVERED, "plain.example"):
                response = cache.curl(origin.url(p, host=host))
                assert response.status == 200 and response.body == names[p], (p, response)
                hits += is_hit(response)
    assert hits > 0


def test_a_reload_changes_the_budgets(dived, origin):
    cache = dived(cache={"memory": "4MiB", "max-size": "64MiB"})
    for i in range(8):
        p = path()
        origin.at(p, body=content(f"reload{i}", 1 << 20), fields=[FRESH])
        cache.curl(origin.url(p))
    wait_stored(cache, 8, "c")
    cache.changes["cache"] = {"memory": "1MiB", "max-size": "3MiB"}
    proxymodule.write_config(cache.lab, cache.config_path, cache.directory, cache.port,
                             **cache.changes)
    done = cache.divectl("reload", "-c", cache.config_path)
    assert done.returncode == 0, done
    deadline = time.monotonic() + 5
    while len(objects(cache, "c")) > 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stats(cache)["disk_bytes"] <= 3 << 20 and len(objects(cache, "c")) <= 2
