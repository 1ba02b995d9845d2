# SPDX-License-Identifier: BSD-2-Clause
"""Running it: checks, signals, logs, traces, files that are wrong, disks that are full."""
import json
import os
import signal
import subprocess
import threading
import time
from datetime import datetime

import proxy as proxymodule
import pytest
from expect import LOG_FIELDS, blocked, eventually, released

GOOD, FLIPPED, HOST = "/01/size-1k", "/01/size-1k-flipped", "dive01.example"


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01")}


def check(binary, path, *more):
    return subprocess.run([binary, "-c", str(path), *more], capture_output=True, text=True, timeout=20,
                          check=False)


@pytest.fixture
def config(lab, tmp_path):
    """A function that writes the lab's configuration with changes and returns its path."""
    def write(name="dived.yaml", append="", **changes):
        path = tmp_path / name
        proxymodule.write_config(lab, str(path), str(tmp_path), proxymodule.free_port(), **changes)
        with open(path, "a", encoding="utf-8") as f:
            f.write(append)
        return path

    return write


# --check

def test_check_accepts_a_good_configuration(binary, config):
    done = check(binary, config(), "--check")
    assert done.returncode == 0, done


def test_check_does_not_start_or_change_anything(binary, config, tmp_path):
    check(binary, config(), "--check")
    assert not os.path.exists(tmp_path / "ca.key") and not os.path.exists(tmp_path / "control.sock")


@pytest.mark.parametrize("append, line_from_end, hint", [
    ("conection: 1\n", 0, "conection"),
    ("timeouts: {client-hed: 1s}\n", 0, "client-head"),
    ("limits: {head-size: lots}\n", 0, "head-size"),
    ("limits: {head-size: 64KB}\n", 0, "KiB"),
    ("timeouts: {drain: 5x}\n", 0, "drain"),
    ("limits: {connections: -1}\n", 0, "connections"),
    ("limits: {connections: 99999999999999999999}\n", 0, "connections"),
    ("trace: [1, 2]\n", 0, "trace"),
    ("timeouts: {drain: 1s, drain: 2s}\n", 0, "drain"),
    ("rules: [{host: \"*.x\"}]\n", 0, ""),
    ("rules: [{host: \"*.x\", mode: enforced}]\n", 0, "enforce"),
    ("trace: {entries: 1\n", None, ""),
    ("\ttrace: 1\n", None, ""),
    ("trace: &a {entries: 1}\n", None, ""),
], ids=lambda v: str(v).strip()[:30] if isinstance(v, str) else "")
def test_check_says_where_and_what(binary, config, append, line_from_end, hint):
    path = config(append=append)
    done = check(binary, path, "--check")
    lines = len(path.read_text().splitlines())
    if append.startswith("trace: &a") and done.returncode == 0:
        return  # anchors may be understood
    assert done.returncode == 78, done
    said = done.stderr + done.stdout
    assert f"{path.name}:" in said and hint in said, said
    if line_from_end is not None:
        assert f"{path.name}:{lines - line_from_end}:" in said, said


def test_check_refuses_what_is_not_there_or_not_text(binary, tmp_path):
    assert check(binary, tmp_path / "absent.yaml", "--check").returncode in (66, 78)
    for name, data in (("empty", b""), ("binary", bytes(range(256))), ("list", b"- 1\n"),
                       ("bomb", b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"),
                       ("deep", b"a: " + b"[" * 100_000), ("version", b"version: 2\n")):
        path = tmp_path / name
        path.write_bytes(data)
        done = check(binary, path, "--check")
        assert done.returncode == 78, (name, done)


def test_start_with_a_bad_configuration_ends_at_once_with_78(binary, config):
    assert check(binary, config(append="nonsense: 1\n")).returncode == 78


def test_usage_errors(binary):
    assert subprocess.run([binary, "--nonsense"], capture_output=True, timeout=10,
                          check=False).returncode == 64
    done = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0 and "--check" in done.stdout
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0 and "dived" in done.stdout


# Start

def start_fails(binary, path, word):
    done = check(binary, path)
    assert done.returncode not in (0, -11, -6), done
    assert word in (done.stderr + done.stdout), done
    return done


def test_port_in_use_is_said(binary, config, proxy):
    path = config(listeners=[{"address": f"127.0.0.1:{proxy.port}", "mode": "explicit"}])
    start_fails(binary, path, str(proxy.port))


def test_missing_trust_anchor_is_said(binary, config, tmp_path):
    path = config(dns={"trust-anchor-file": str(tmp_path / "absent.key")})
    start_fails(binary, path, "absent.key")


def test_empty_trust_anchor_is_refused(binary, config, tmp_path):
    """Without an anchor everything is insecure: dived would verify nothing."""
    (tmp_path / "empty.key").write_text("; nothing\n")
    start_fails(binary, config(dns={"trust-anchor-file": str(tmp_path / "empty.key")}), "empty.key")


def test_missing_origin_ca_file_is_said(binary, config, tmp_path):
    start_fails(binary, config(origins={"ca-file": str(tmp_path / "absent.crt")}), "absent.crt")


def test_ca_key_that_others_can_read_is_refused(dived, binary, lab):
    one = dived()
    assert one.stop() is None
    key = os.path.join(one.directory, "ca.key")
    os.chmod(key, 0o644)
    done = start_fails(binary, one.config_path, "ca.key")
    assert "permission" in (done.stderr + done.stdout).lower() or "mode" in done.stderr, done
    os.chmod(key, 0o600)
    one.start()
    assert one.curl(lab.url(HOST, GOOD, "https")).status == 200


def test_ca_certificate_without_its_key_is_refused(dived, binary):
    one = dived()
    assert one.stop() is None
    os.unlink(os.path.join(one.directory, "ca.key"))
    start_fails(binary, one.config_path, "ca.key")
    one.process = None


def test_ca_is_kept_across_restarts(dived):
    one = dived()
    with open(one.ca, "rb") as f:
        before = f.read()
    assert one.stop() is None
    one.start()
    with open(one.ca, "rb") as f:
        assert f.read() == before


def test_runs_as_an_ordinary_user(dived, lab):
    if os.geteuid() != 0:
        pytest.skip("it runs as one already")
    one = proxymodule.Proxy(lab)
    os.chmod(one.directory, 0o777)
    del dived
    one.wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    probe = subprocess.run([*one.wrapper, "test", "-x", one.binary, "-a", "-r", lab.anchor, "-a", "-r",
                            lab.origin_ca], check=False)
    if probe.returncode:
        pytest.skip("the ordinary user can't read the binary or the lab here")
    for sub in ("hold", "objects"):
        os.makedirs(os.path.join(one.directory, sub), exist_ok=True)
        os.chmod(os.path.join(one.directory, sub), 0o777)
    one.start()
    assert one.curl(lab.url(HOST, GOOD, "https")).status == 200
    assert one.stop() is None
    one.remove()


# Signals

def transfer(one, url, results, **how):
    thread = threading.Thread(target=lambda: results.append(one.curl(url, timeout=30, **how)))
    thread.start()
    time.sleep(0.5)
    return thread


@pytest.mark.parametrize("host", [HOST, "plain.lab.example"])
def test_sighup_applies_a_good_configuration_without_dropping_a_transfer(dived, lab, host):
    one = dived()
    results = []
    thread = transfer(one, lab.odd(host, "big-slow"), results)
    assert one.curl(lab.url(HOST, FLIPPED)).status == 403
    one.reload(dive={"mode": "report-only"})
    eventually(lambda: one.curl(lab.url(HOST, FLIPPED)).status == 200, 5, "the reload")
    thread.join(30)
    assert results[0].status == 200 and len(results[0].body) == 4 << 20, results[0]
    one.reload(dive={"mode": "enforce"})
    eventually(lambda: one.curl(lab.url(HOST, FLIPPED)).status == 403, 5, "the second reload")


def test_sighup_keeps_the_old_configuration_if_the_new_one_is_bad(dived, lab):
    one = dived()
    results = []
    thread = transfer(one, lab.odd(HOST, "big-slow"), results)
    with open(one.config_path, "a", encoding="utf-8") as f:
        f.write("nonsense: 1\n")
    one.signal(signal.SIGHUP)
    eventually(lambda: "nonsense" in one.stderr(), 5, "the complaint")
    assert "dived.yaml:" in one.stderr()
    thread.join(30)
    assert results[0].status == 200 and len(results[0].body) == 4 << 20, results[0]
    assert one.curl(lab.url(HOST, FLIPPED)).status == 403


def test_sighup_keeps_kept_alive_connections(dived, lab):
    one = dived()
    host = f"plain.lab.example:{lab.ports['http']}"
    request = f"GET http://{host}/plain HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    s = one.connect()
    s.sendall(request)
    assert proxymodule.read_response(s)[2] == b"plain text\n"
    one.reload(timeouts={"client-idle": "30s"})
    time.sleep(0.5)
    s.sendall(request)
    assert proxymodule.read_response(s)[2] == b"plain text\n"
    s.close()


def test_many_reloads_under_load(dived, lab, body):
    one = dived()
    stop, wrong = threading.Event(), []

    def work():
        while not stop.is_set():
            if one.curl(lab.url(HOST, GOOD)).body != body[GOOD]:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(20):
        one.reload(limits={"header-count": 100 + i})
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not wrong


@pytest.mark.parametrize("host", [HOST, "plain.lab.example"])
def test_sigterm_drains(dived, lab, host):
    one = dived()
    results = []
    thread = transfer(one, lab.odd(host, "big-slow"), results)
    one.signal(signal.SIGTERM)
    time.sleep(0.3)
    with pytest.raises(OSError):  # no longer accepting
        one.connect(1).close()
    thread.join(30)
    assert results[0].exit == 0 and len(results[0].body) == 4 << 20, results[0]
    assert one.process.wait(10) == 0
    one.process = None


def test_sigterm_ends_what_does_not_finish(dived, lab):
    one = dived(timeouts={"drain": "1s"})
    results = []
    thread = transfer(one, lab.odd("plain.lab.example", "stall-in-body"), results)
    started = time.monotonic()
    one.signal(signal.SIGTERM)
    assert one.process.wait(8) == 0
    assert time.monotonic() - started < 5
    one.process = None
    thread.join(30)
    assert results[0].exit != 0, "cut off, and the client can tell"


def test_sigterm_with_idle_connections_is_quick(dived, lab):
    one = dived()
    held = [one.connect() for _ in range(3)]
    one.curl(lab.url("plain.lab.example", "/plain", "https"))
    started = time.monotonic()
    one.signal(signal.SIGTERM)
    assert one.process.wait(8) == 0 and time.monotonic() - started < 3
    one.process = None
    for s in held:
        s.close()


def test_sigint_ends_it_too(dived):
    one = dived()
    one.signal(signal.SIGINT)
    assert one.process.wait(8) in (0, -signal.SIGINT)
    one.process = None


def test_sigusr1_reopens_the_logs(dived, lab):
    one = dived()
    one.curl(lab.url(HOST, GOOD)).log()
    os.rename(one.log_path, one.log_path + ".1")
    one.curl(lab.url(HOST, GOOD))
    time.sleep(0.3)
    one.signal(signal.SIGUSR1)
    eventually(lambda: os.path.exists(one.log_path), 5, "the new file")
    entry = one.curl(lab.url(HOST, FLIPPED)).log()
    assert entry["action"] == "blocked"
    with open(one.log_path + ".1", encoding="utf-8") as f:
        assert len([line for line in f if GOOD in line]) == 2


# Log and trace

def test_log_has_all_fields_and_is_json_by_the_line(proxy, lab, body):
    response = proxy.curl(lab.url("www.dive01.example", GOOD, "https"))
    entry = released(response, body[GOOD])
    assert set(LOG_FIELDS) <= set(entry), set(LOG_FIELDS) - set(entry)
    datetime.fromisoformat(entry["ts"].replace("Z", "+00:00"))
    assert entry["client"].startswith("127.0.0.1"), entry
    assert entry["method"] == "GET" and entry["host"] == "www.dive01.example", entry
    assert entry["url"] == lab.url("www.dive01.example", GOOD, "https"), entry
    assert entry["status"] == 200 and entry["bytes"] >= 1024 and entry["duration_ms"] >= 0, entry
    assert (entry["verdict"], entry["action"]) == ("verified", "released")
    assert entry["policy_domain"] == HOST and entry["key_id"] == "ed1" and entry["dnssec"] == "secure"


def test_query_strings_and_credentials_stay_out_of_the_logs(proxy, lab):
    mark = proxy.log_mark()
    proxy.curl(lab.url("plain.lab.example", "/plain?token=secretquery"), "-H",
               "Authorization: Bearer secretheader", "-H", "Cookie: secretcookie")
    proxy.curl(lab.url("plain.lab.example", "/plain"), "--proxy-user", "u:secretproxy")
    proxy.log_entry(mark, "/plain")
    with open(proxy.log_path, encoding="utf-8") as f:
        f.seek(mark)
        text = f.read()
    for secret in ("secretquery", "secretheader", "secretcookie", "secretproxy"):
        assert secret not in text and secret not in proxy.stderr()


def test_log_lines_survive_hostile_urls(proxy, lab):
    mark = proxy.log_mark()
    for path in ('/x"}\\u0000', "/%0a%0d{}", "/" + "a" * 4000, "/\xff\xfe"):
        proxy.raw(f"GET http://plain.lab.example:{lab.ports['http']}{path} HTTP/1.1\r\nHost: "
                  f"plain.lab.example:{lab.ports['http']}\r\nConnection: close\r\n\r\n".encode("latin-1"))
    time.sleep(0.3)
    proxy.log_entries(mark)  # raises if a line isn't JSON


def test_every_exchange_has_one_entry_and_an_id_of_its_own(proxy, lab):
    mark = proxy.log_mark()
    for path in (GOOD, FLIPPED, "/status/404", "/plain"):
        proxy.curl(lab.url(HOST, path))
    entries = eventually(lambda: (e := proxy.log_entries(mark)) and len(e) >= 4 and e)
    assert len(entries) == 4 and len({e["exchange"] for e in entries}) == 4, entries


def test_trace_tells_why(proxy, lab):
    entry = blocked(proxy.curl(lab.url(HOST, FLIPPED, "https")), "signature-mismatch")
    done = proxy.divectl("-s", os.path.join(proxy.directory, "control.sock"), "trace", entry["exchange"])
    if done.returncode == 2:
        done = proxy.divectl("trace", entry["exchange"], "--socket",
                             os.path.join(proxy.directory, "control.sock"))
    assert done.returncode == 0, done
    for word in ("_dive.dive01.example", "ed1._divekey.dive01.example", "signature-mismatch", "secure"):
        assert word in done.stdout, done.stdout


def test_health_and_metrics(dived, lab):
    port = proxymodule.free_port()
    one = dived(admin={"http": f"127.0.0.1:{port}"})
    one.curl(lab.url(HOST, GOOD))
    one.curl(lab.url(HOST, FLIPPED))
    get = lambda path: subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "--max-time", "5",
                                       f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True,
                                      timeout=10, check=True).stdout
    assert get("/healthz").strip()
    metrics = get("/metrics")
    assert 'verdict="verified"' in metrics and 'reason="signature-mismatch"' in metrics, metrics
    for name in ("dived_requests_total", "dived_verdicts_total", "dived_connections", "dived_build_info",
                 "dived_dns_queries_total", "dived_hold_bytes", "dived_verify_duration_seconds"):
        assert name in metrics, name


# Full disks, unwritable places

def test_a_full_disk_while_holding_is_an_error_not_a_short_body(dived, lab, body):
    """RLIMIT_FSIZE: the hold's file can't grow. Small bodies stay in memory and work."""
    one = dived(wrapper=["prlimit", "--fsize=1048576"], log={"access": "-"})
    response = one.curl(lab.url(HOST, "/01/size-5m"))
    assert response.exit == 0 and response.status in (500, 502, 503, 507), response
    assert body["/01/size-5m"][:16] not in response.body
    assert one.curl(lab.url(HOST, GOOD)).body == body[GOOD]
    assert one.curl(lab.url("plain.lab.example", "/01/size-5m")).body == body["/01/size-5m"]


def test_a_hold_directory_that_is_not_there(binary, config, tmp_path):
    start_fails(binary, config(hold={"directory": str(tmp_path / "absent")}), "absent")


def test_out_of_descriptors_is_survived(dived, lab, body):
    one = dived(workers=1, wrapper=["prlimit", "--nofile=64"])
    held = []
    try:
        for _ in range(80):
            held.append(one.connect(2))
    except OSError:
        pass
    time.sleep(0.5)
    for s in held:
        s.close()
    eventually(lambda: one.curl(lab.url(HOST, GOOD)).body == body[GOOD], 8, "recovery")


def test_a_log_that_cannot_be_written_stops_nothing(dived, lab, body):
    one = dived(log={"access": "/dev/full"})
    assert one.curl(lab.url(HOST, GOOD)).body == body[GOOD]


def test_idle_it_uses_no_cpu(dived, lab):
    one = dived()
    one.curl(lab.url(HOST, GOOD, "https"))
    time.sleep(1)

    def ticks():
        with open(f"/proc/{one.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 5, "ticks of 10 ms in two idle seconds"


def test_divectl_status_and_reload(dived, lab):
    one = dived()
    socket = os.path.join(one.directory, "control.sock")
    done = one.divectl("status", "--json", "--socket", socket)
    assert done.returncode == 0, done
    json.loads(done.stdout)
    assert one.divectl("reload", "--socket", socket).returncode == 0
    assert one.curl(lab.url(HOST, GOOD)).status == 200
