# SPDX-License-Identifier: BSD-2-Clause
"""What the admin listener shows: the page in a real browser, its JSON, readiness, metrics by promtool's
opinion; and divectl top."""
import http.client
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import time
import warnings

import proxy as proxymodule
import pytest
from expect import eventually

GOOD, FLIPPED, HOST = "/01/size-1k", "/01/size-1k-flipped", "dive01.example"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Watched:
    """A dived with an admin listener, after one verified and two blocked requests."""

    def __init__(self, lab, binary, tmp):
        self.admin_port = proxymodule.free_port()
        self.one = proxymodule.Proxy(lab, binary=binary, admin={"http": f"127.0.0.1:{self.admin_port}",
                                                                "hosts": ["*.admin.example"]},
                                     audit={"file": os.path.join(tmp, "audit.db")}).start()
        self.one.curl(lab.url(HOST, GOOD))
        for _ in range(2):
            self.one.curl(lab.url(HOST, FLIPPED))

    def get(self, path, host=None, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        connection.request(method, path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer


@pytest.fixture(scope="module")
def watched(lab, binary, tmp_path_factory):
    one = Watched(lab, binary, str(tmp_path_factory.mktemp("watched")))
    yield one
    wrong = one.one.stop()
    assert wrong is None, wrong
    one.one.remove()


def test_status_json_tells_what_happened(watched):
    answer = watched.get("/api/status.json")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    s = json.loads(answer.text)
    assert s["ready"] is True and s["mode"] == "enforce" and s["not_ready"] is None
    assert s["counters"]["verdicts"]["verified"] == 1 and s["counters"]["verdicts"]["failed"] == 2
    assert s["counters"]["blocked"] == 2 and s["counters"]["reasons"]["signature-mismatch"] == 2
    assert [h["name"] for h in s["hosts"]] == [HOST] and s["clients"][0]["failed"] == 2
    assert len(s["recent"]) == 2 and s["recent"][0]["reason"] == "signature-mismatch"
    assert s["audit"]["on"] is True and s["history"]["step_s"] == 10
    assert "PRIVATE" not in answer.text and "ca.key" not in answer.text


def test_the_page_admits_nothing_from_outside(watched):
    answer = watched.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status == 200 and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "") and "https://" not in answer.text
    assert "innerHTML" not in answer.text and "eval(" not in answer.text


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1", 200), ("localhost", 200), ("LOCALHOST:9128", 200), ("[::1]:9128", 200),
    (socket.gethostname() or "localhost", 200), ("a.admin.example", 200), ("admin.example", 421),
    ("rebound.attacker.example", 421), ("localhost.attacker.example", 421), ("127.0.0.1.nip.example", 421),
])
def test_names_that_others_turned_to_us_get_nothing(watched, host, status):
    """DNS rebinding: a page of another site may make its own name mean this address."""
    for path in ("/", "/api/status.json"):
        answer = watched.get(path, host)
        assert answer.status == status, (path, answer.text[:200])
        if status != 200:
            assert HOST not in answer.text
    assert watched.get("/healthz", host).status == 200, "for machines, and without content"


def test_it_only_reads(watched):
    for path in ("/", "/api/status.json", "/readyz", "/metrics", "/healthz"):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer = watched.get(path, method=method)
            assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD", (path, method)
        assert watched.get(path, method="HEAD").text == ""
    assert watched.get("/api/").status == 404 and watched.get("/api/status.json/x").status == 404


def test_ready_says_why_not_while_it_drains(lab, dived):
    port = proxymodule.free_port()
    one = dived(admin={"http": f"127.0.0.1:{port}"}, timeouts={"drain": "20s"})

    def ready(path="/readyz"):
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return proxymodule.read_all(s).decode()

    eventually(lambda: "200 OK" in ready(), 10, "readiness")
    assert ready().endswith("\r\n\r\nready\n")
    # A transfer that goes on keeps the process for a while.
    with socket.create_connection(("127.0.0.1", one.port), 5) as client:
        client.sendall(f"GET {lab.url(HOST, GOOD)} HTTP/1.1\r\nHost: x\r\n".encode())
        time.sleep(0.2)
        one.signal(signal.SIGTERM)
        said = eventually(lambda: ready() if "503" in ready() else "", 10, "503")
        assert "not ready: draining" in said
        assert "200 OK" in ready("/healthz")
    assert one.process.wait(20) == 0  # by itself: a second SIGTERM wouldn't let it drain
    one.process = None


def test_metrics_as_promtool_wants_them(watched):
    promtool = shutil.which("promtool")
    if promtool is None:
        warnings.warn("promtool (Debian: prometheus) is not here: /metrics was NOT checked by it")
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=watched.get("/metrics").text, text=True,
                          capture_output=True, timeout=30, check=False)
    assert done.returncode == 0 and done.stderr == "", done


# In a browser

def browse(tmp_path, url, *options):
    """Chromium, headless, with a profile of its own. --no-sandbox: tests may run as root."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=6000", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture
def chromium():
    if CHROMIUM is None:
        warnings.warn("chromium is not here: the pages were NOT tried in a browser")
        pytest.skip("chromium is not installed: apt-get install chromium")
    return browse


def test_the_page_in_a_browser(watched, chromium, tmp_path):
    seen = chromium(tmp_path, f"http://127.0.0.1:{watched.admin_port}/", "--dump-dom")
    assert "ready, mode enforce" in seen, seen[-3000:]
    assert '<b id="failed" class="bad">2</b>' in seen and '<b id="verified" class="good">1</b>' in seen
    assert seen.count("<svg") == 4 and "signature-mismatch" in seen and HOST in seen
    picture = tmp_path / "page.png"
    chromium(tmp_path, f"http://127.0.0.1:{watched.admin_port}/", f"--screenshot={picture}")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and picture.stat().st_size > 10000


def test_the_report_in_a_browser(watched, chromium, tmp_path):
    page = tmp_path / "report.html"

    def made():
        done = watched.one.divectl("audit", "report", "--html", "-o", str(page), "-c", watched.one.config_path)
        assert done.returncode == 0, done
        return page.read_text().count("signature-mismatch") >= 2

    eventually(made, 20, "rows")
    seen = chromium(tmp_path, page.as_uri(), "--dump-dom")
    assert "<svg" in seen and "signature-mismatch" in seen and f'host: "{HOST}", mode: report-only' in seen


# divectl top

def test_top_once_and_as_json(watched):
    done = watched.one.divectl("top", "--once", "-c", watched.one.config_path)
    assert done.returncode == 0 and "\x1b" not in done.stdout, done
    for word in ("requests/s", "verified/s", "held", "cache hits", HOST, "127.0.0.1", "ready"):
        assert word in done.stdout, done.stdout
    done = watched.one.divectl("top", "--once", "--json", "-c", watched.one.config_path)
    assert json.loads(done.stdout)["counters"]["blocked"] == 2
    assert watched.one.divectl("top", "--interval", "0", "-c", watched.one.config_path).returncode == 2
    assert watched.one.divectl("top", "--socket", "/nowhere/x.sock").returncode == 69


def test_top_on_a_terminal_draws_until_it_is_stopped(watched):
    leader, follower = pty.openpty()
    with subprocess.Popen([proxymodule.divectl_path(), "top", "--interval", "1", "-c",
                           watched.one.config_path], stdout=follower, stdin=subprocess.DEVNULL) as top:
        os.close(follower)
        seen = b""
        while seen.count(b"dived ") < 2:
            seen += os.read(leader, 4096)
        top.send_signal(signal.SIGINT)
        assert top.wait(10) == 0
    os.close(leader)
    assert b"\x1b[H" in seen and HOST.encode() in seen
