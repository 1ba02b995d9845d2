# SPDX-License-Identifier: BSD-2-Clause
"""divectl verify and fetch: what they accept, refuse, keep and leave, and how they say so."""
import contextlib
import hashlib
import http.server
import json
import os
import pty
import resource
import signal
import subprocess
import threading
import time

import pytest
import proxy as proxymodule
import sign
import web
from expect import eventually

BODY = web.content(1 << 20, "fetch")


class Ran:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"<exit {self.code}; {self.out[-3000:]!r}; {self.err[-3000:]!r}>"


class Divectl:
    """Runs divectl with the lab's configuration in a folder of its own."""

    def __init__(self, lab, folder):
        self.lab, self.folder = lab, str(folder)
        self.config = os.path.join(self.folder, "..", os.path.basename(self.folder) + ".yaml")
        self.configure()

    def configure(self, **changes):
        dived = os.path.join(self.folder, "..", "state")
        changes = {"interception": {"enabled": False}, **changes}
        proxymodule.write_config(self.lab, self.config, dived, 3128, **changes)

    def command(self, command, *args):
        return [proxymodule.divectl_path(), command, "-c", self.config, *args]

    def start(self, command, *args, **how):
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        return subprocess.Popen(self.command(command, *args), cwd=self.folder, **how)

    def __call__(self, command, *args, timeout=60, **how):
        process = self.start(command, *args, **how)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return self.ended(process, out, err)

    @staticmethod
    def ended(process, out, err):
        err = (err or b"").decode(errors="replace")
        assert not proxymodule.SANITIZER.search(err), err
        return Ran(process.returncode, (out or b"").decode(errors="replace"), err)

    def files(self):
        return sorted(os.listdir(self.folder))

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return f.read()


@pytest.fixture
def divectl(lab, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    return Divectl(lab, folder)


class Origin:
    """An origin that does what `answer(handler)` says; requests are kept."""

    def __init__(self):
        self.answers, self.seen = {}, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    outer.answers[self.path](self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, host, path):
        return f"http://{host}:{self.port}{path}"

    def on(self, path, answer):
        self.answers[path] = answer

    def redirect(self, path, location, status=302):
        def answer(h):
            h.send_response(status)
            h.send_header("Location", location)
            h.send_header("Content-Length", "5")
            h.end_headers()
            h.wfile.write(b"moved")
        self.on(path, answer)


@pytest.fixture
def origin():
    one = Origin()
    yield one
    one.server.shutdown()
    one.server.server_close()


def serve(lab, body=BODY, etag='"v1"', cut=None, stall=None, ranges=True, extra=(), keyid="ed1", slow=0,
          signed=True, signature_of=None):
    """Answers with `body`: `cut`: breaks off after so many bytes; `stall`: an Event that is waited
    for there instead; `slow`: seconds between blocks."""
    def answer(h):
        start = 0
        asked = h.headers.get("Range")
        if ranges and asked and (h.headers.get("If-Range") in (None, etag)):
            start = int(asked[6:-1])
        h.send_response(206 if start else 200)
        if start:
            h.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if etag:
            h.send_header("ETag", etag)
        h.send_header("Content-Length", str(len(body) - start))
        if signed:
            of = body if signature_of is None else signature_of
            for name, value in sign.sign01(lab.keys[keyid], keyid, of):
                h.send_header(name, value)
        for name, value in extra:
            h.send_header(name, value)
        h.end_headers()
        end = len(body) if cut is None else cut
        for at in range(start, end, 1 << 16):
            h.wfile.write(body[at:min(at + (1 << 16), end)])
            if slow:
                time.sleep(slow)
        if stall:
            stall.wait(30)
        h.close_connection = True
    return answer


# ---- what is accepted and what isn't ----

HOSTS = {"01": "dive01.example", "00": "dive00.example"}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("draft", ["01", "00"])
def test_fetch_accepts(divectl, lab, draft, scheme):
    ran = divectl("fetch", lab.url(HOSTS[draft], f"/{draft}/size-300k", scheme))
    assert ran.code == 0 and "VERIFIED: signed with key ed1" in ran.out and ran.err == "", ran
    assert divectl.files() == ["size-300k"]
    assert divectl.read("size-300k") == web.content(300 * 1024)


@pytest.mark.parametrize("draft, name, reasons", [
    ("01", "size-1k-flipped", ["signature-mismatch"]), ("00", "size-1k-flipped", ["signature-mismatch"]),
    ("01", "emptied", ["signature-mismatch"]), ("01", "wrong-key", ["signature-mismatch"]),
    ("01", "unknown-key", ["key-not-found"]), ("01", "key-short", ["key-invalid"]),
    ("01", "key-restricted-refused", ["hash-algorithm-not-allowed"]),
    ("01", "rotation-mixed-failures", ["no-valid-key"])])
def test_rejected_for_each_reason(divectl, lab, draft, name, reasons):
    url = lab.url(HOSTS[draft], f"/{draft}/{name}", "https")
    ran = divectl("fetch", url)
    assert ran.code == 1 and "REJECTED" in ran.err and reasons[0] in ran.err, ran
    assert divectl.files() == [] and ran.out == ""
    ran = divectl("verify", "--json", url)
    assert ran.code == 1 and ran.json["verdict"] == "failed" and ran.json["reason"] in reasons, ran
    assert ran.json["verified"] is False and ran.json["decision"] == "rejected"


def test_unsigned_in_a_covered_scope(divectl, lab, origin):
    origin.on("/a", serve(lab, signed=False))
    ran = divectl("fetch", origin.url("strict.lab.example", "/a"))
    assert ran.code == 1 and "missing-headers" in ran.err and divectl.files() == [], ran


@pytest.mark.parametrize("host", ["bogus.example", "expired.example"])
def test_bogus_dns_is_rejected(divectl, lab, host):
    ran = divectl("verify", "--json", lab.url(host, "/01/size-1k"))
    assert ran.code == 1 and ran.json["reason"] == "dnssec-unavailable", ran
    assert any(l["security"] == "bogus" for l in ran.json["lookups"]), ran
    ran = divectl("fetch", lab.url(host, "/01/size-1k", "https"))
    assert ran.code == 1 and "dnssec-unavailable" in ran.err and divectl.files() == [], ran


def test_no_answer_is_rejected(divectl, lab):
    divectl.configure(dns={"forward": [f"127.0.0.1@{lab.ports['dnsproxy']}"], "timeout": "1s"})
    lab.faults({"_dive.dive01.example": "servfail"})
    try:
        ran = divectl("verify", "--json", lab.url("dive01.example", "/01/size-1k", "https"))
    finally:
        lab.faults({})
    assert ran.code == 1 and ran.json["reason"] == "dnssec-unavailable", ran
    assert ran.json["lookups"][0]["security"] in ("no-answer", "bogus"), ran


@pytest.mark.parametrize("host, why", [("unsigned.example", "no DIVE policy"),
                                       ("plain.example", "no DIVE policy"),
                                       ("noscope.lab.example", "does not cover it")])
def test_what_nothing_vouches_for_is_said_to_be_so(divectl, lab, host, why):
    url = lab.url(host, "/01/size-1k")
    ran = divectl("fetch", url)
    assert ran.code == 0 and "NOT VERIFIED" in ran.out and why in ran.out, ran
    assert divectl.files() == ["size-1k"]
    ran = divectl("verify", url)
    assert ran.code == 0 and "NOT VERIFIED" in ran.out, ran
    os.unlink(os.path.join(divectl.folder, "size-1k"))
    ran = divectl("fetch", "--require", url)
    assert ran.code == 1 and "REJECTED: NOT VERIFIED" in ran.err and divectl.files() == [], ran
    ran = divectl("verify", "--json", "--require", url)
    assert ran.code == 1 and ran.json["decision"] == "rejected" and not ran.json["verified"], ran


def test_require_lets_through_what_is_verified(divectl, lab):
    ran = divectl("fetch", "--require", lab.url("dive01.example", "/01/size-1k"))
    assert ran.code == 0 and divectl.files() == ["size-1k"], ran


def test_report_only_is_delivered_and_said_not_to_be_verified(divectl, lab):
    url = lab.url("reportonly.lab.example", "/01/size-1k-flipped")
    ran = divectl("fetch", url)
    assert ran.code == 0 and "NOT VERIFIED: signature-mismatch" in ran.out, ran
    assert divectl.read("size-1k-flipped") == web.flipped(web.content(1024))
    assert divectl("verify", "--require", url).code == 1


def test_https_required(divectl, lab):
    ran = divectl("verify", "--json", lab.url("https.lab.example", "/01/size-1k"))
    assert ran.code == 1 and ran.json["reason"] == "https-required" and ran.json["status"] == 0, ran
    if lab.low_ports:
        ran = divectl("verify", "--json", "http://upgrade.lab.example/01/size-1k")
        assert ran.code == 0 and ran.json["final-url"].startswith("https://"), ran


# ---- the account ----

def test_account_for_people(divectl, lab):
    ran = divectl("verify", lab.url("dive01.example", "/01/size-1k", "https"))
    for part in ("_dive.dive01.example  secure", "ed1._divekey.dive01.example  secure",
                 "policy: found at dive01.example, secure", "status 200", "key ed1, ed25519", "as listed",
                 "verified: the signature verified", "1024 bytes", "VERIFIED: signed with key ed1"):
        assert part in ran.out, (part, ran)
    assert divectl.files() == [] and ran.err == ""


def test_json_members(divectl, lab):
    url = lab.url("dive01.example", "/01/size-1k", "https")
    account = divectl("verify", "--json", url).json
    assert account["url"] == account["final-url"] == url and account["status"] == 200
    assert account["bytes"] == 1024 and account["resumed"] == 0 and account["exit"] == 0
    assert account["verdict"] == "verified" and account["verified"] and account["reason"] == "none"
    assert account["decision"] == "accepted" and account["failure"] is None and account["redirects"] == []
    assert account["key-id"] == "ed1" and account["policy"]["domain"] == "dive01.example"
    account = divectl("fetch", "--json", url).json
    assert account["file"] == "size-1k" and account["trace-version"] == 1


def test_control_characters_never_reach_the_terminal(divectl, lab, origin):
    origin.redirect("/a", "/b\x9b31m")
    ran = divectl("verify", origin.url("plain.example", "/a"))
    assert ran.code == 76 and "\x9b" not in ran.out + ran.err, ran


# ---- redirects ----

def test_redirects_are_judged_by_their_own_hosts(divectl, lab, origin):
    good, bad = web.content(1024), web.flipped(web.content(1024))
    origin.redirect("/start", origin.url("other.lab.example", "/x/../two?q=1#part"), 301)
    origin.redirect("/two?q=1", "//strict.lab.example:%d/good" % origin.port, 307)
    origin.on("/good", serve(lab, good))
    origin.on("/bad", serve(lab, bad, signature_of=good))
    ran = divectl("verify", "--json", origin.url("plain.example", "/start"))
    account = ran.json
    assert ran.code == 0 and account["verified"] and account["host"] == "strict.lab.example", ran
    assert [hop["status"] for hop in account["redirects"]] == [301, 307]
    assert account["redirects"][0]["trace"]["verdict"] == "not-supported"
    assert account["redirects"][1]["url"] == origin.url("other.lab.example", "/two?q=1")
    origin.redirect("/start", origin.url("strict.lab.example", "/bad"))
    ran = divectl("fetch", origin.url("plain.example", "/start"))
    assert ran.code == 1 and divectl.files() == [], ran
    origin.redirect("/away", origin.url("plain.example", "/bad"))  # no policy there: it doesn't count
    ran = divectl("fetch", origin.url("strict.lab.example", "/away"))
    assert ran.code == 0 and "NOT VERIFIED" in ran.out and divectl.files() == ["away"], ran


def test_redirects_are_bounded(divectl, lab, origin):
    origin.redirect("/loop", "/loop")
    ran = divectl("fetch", "--max-redirects", "3", origin.url("plain.example", "/loop"))
    assert ran.code == 69 and "more than 3 redirects" in ran.err and divectl.files() == [], ran
    assert len(origin.seen) == 4
    for n in range(3):
        origin.redirect(f"/{n}", f"/{n + 1}")
    origin.on("/3", serve(lab))
    assert divectl("verify", "--max-redirects", "3", origin.url("strict.lab.example", "/0")).code == 0
    assert divectl("verify", "--max-redirects", "2", origin.url("strict.lab.example", "/0")).code == 69


def test_a_redirect_from_a_bogus_host_is_rejected(divectl, lab, origin):
    origin.redirect("/a", origin.url("plain.example", "/b"))
    origin.on("/b", serve(lab))
    ran = divectl("verify", origin.url("bogus.example", "/a"))
    assert ran.code == 1 and origin.seen == [], ran


@pytest.mark.parametrize("location", ["ftp://plain.example/a", "http://u:p@plain.example/", "javascript:x",
                                      "http://"])
def test_redirects_to_what_is_no_url(divectl, origin, location):
    origin.redirect("/a", location)
    ran = divectl("verify", origin.url("plain.example", "/a"))
    assert ran.code == 76 and "redirect" in ran.err + ran.out, ran


def test_given_fields_stay_with_their_origin(divectl, lab, origin):
    origin.redirect("/a", "/b")
    origin.redirect("/b", origin.url("other.lab.example", "/c"))
    origin.on("/c", serve(lab))
    ran = divectl("verify", "-H", "Authorization: Bearer s3cret", "--header", "User-Agent: mine/1",
                  origin.url("plain.example", "/a"))
    assert ran.code == 0, ran
    given = [(seen[1].get("authorization"), seen[1].get("user-agent", "")[:7]) for seen in origin.seen]
    assert given == [("Bearer s3cret", "mine/1")] * 2 + [(None, "divectl")]


# ---- origins that fail ----

@pytest.mark.parametrize("host", ["wrongname", "expired-cert", "selfsigned", "untrusted"])
def test_untrusted_tls(divectl, lab, host):
    ran = divectl("fetch", lab.url(f"{host}.lab.example", "/01/size-1k", "https"))
    assert ran.code == 76 and ran.err.count("\n") == 1 and divectl.files() == [], ran


@pytest.mark.parametrize("behaviour, code", [
    ("truncated-length", 69), ("chunk-cut", 69), ("chunk-without-last", 69), ("close-delimited-reset", 69),
    ("reset-in-body", 69), ("reset-before-head", 69), ("empty", 69), ("garbage", 76), ("bare-lf-head", 76),
    ("length-and-chunked", 76), ("chunk-size-garbage", 76), ("switching-unasked", 76),
    ("interim-storm", 76), ("partial-unasked", 1), ("status-203", 1), ("stall-in-body", 75),
    ("stall-before-head", 75), ("good", 0), ("good-chunked", 0), ("good-interim", 0),
    ("good-close-delimited", 0), ("fields-in-trailers", 1)])
def test_misbehaving_origins(divectl, lab, behaviour, code):
    ran = divectl("fetch", "--timeout", "1s", lab.odd("strict.lab.example", behaviour))
    assert ran.code == code, ran
    assert divectl.files() == ([behaviour] if code == 0 else []), ran
    if code > 1:
        assert ran.err.count("\n") == 1 and ran.err.startswith("divectl: "), ran


def test_error_statuses_are_no_downloads(divectl, lab):
    for host in ("dive01.example", "plain.example"):
        ran = divectl("fetch", lab.url(host, "/nothing-here"))
        assert ran.code == 69 and "status 404" in ran.err and divectl.files() == [], ran


def test_addresses_and_names_that_lead_nowhere(divectl, lab):
    assert divectl("verify", "http://nowhere.lab.example/").code == 68
    assert divectl("verify", f"http://plain.example:{lab.ports['closed']}/").code == 69
    ran = divectl("verify", "http://guard-ten.lab.example/")
    assert ran.code == 77 and "allow-networks" in ran.err + ran.out, ran


def test_max_size(divectl, lab, origin):
    url = lab.url("dive01.example", "/01/size-300k")
    assert divectl("fetch", "--max-size", str(300 * 1024 - 1), url).code == 76
    assert divectl.files() == []
    assert divectl("fetch", "--max-size", "300KiB", url).code == 0

    def endless(h):
        h.send_response(200)
        h.send_header("Connection", "close")
        h.end_headers()
        for _ in range(200):
            h.wfile.write(b"x" * 65536)
        h.close_connection = True
    origin.on("/endless", endless)
    ran = divectl("fetch", "--max-size", "1MiB", origin.url("plain.example", "/endless"))
    assert ran.code == 76 and "--max-size" in ran.err and "endless" not in divectl.files(), ran


# ---- the file ----

def test_nothing_has_the_name_before_the_verdict(divectl, lab, origin):
    stall = threading.Event()
    origin.on("/f", serve(lab, stall=stall, cut=len(BODY) - 1))
    process = divectl.start("fetch", origin.url("strict.lab.example", "/f"))
    part = os.path.join(divectl.folder, "f.divectl-part")
    eventually(lambda: os.path.exists(part) and os.path.getsize(part) == len(BODY) - 1, what="the part")
    assert divectl.files() == ["f.divectl-part", "f.divectl-part.head"]
    assert all(os.stat(os.path.join(divectl.folder, n)).st_mode & 0o777 == 0o600 for n in divectl.files())
    stall.set()
    process.communicate()
    origin.on("/f", serve(lab, slow=0.05))
    seen = set()
    process = divectl.start("fetch", origin.url("strict.lab.example", "/f"), "--no-resume")
    while process.poll() is None:
        if "f" in divectl.files():
            assert divectl.read("f") == BODY  # never less than the whole
        seen.update(divectl.files())
        time.sleep(0.005)
    assert process.returncode == 0 and "f.divectl-part" in seen, process.communicate()
    process.communicate()
    assert divectl.files() == ["f"]
    mask = os.umask(0)
    os.umask(mask)
    assert os.stat(os.path.join(divectl.folder, "f")).st_mode & 0o777 == 0o666 & ~mask


def test_an_existing_destination_stays(divectl, lab):
    url = lab.url("dive01.example", "/01/size-1k")
    path = os.path.join(divectl.folder, "size-1k")
    with open(path, "wb") as f:
        f.write(b"mine")
    ran = divectl("fetch", url)
    assert ran.code == 2 and "exists" in ran.err and divectl.read("size-1k") == b"mine", ran
    ran = divectl("fetch", "--force", lab.url("dive01.example", "/01/size-1k-flipped"), "-o", "size-1k")
    assert ran.code == 1 and divectl.read("size-1k") == b"mine", ran
    assert divectl("fetch", "--force", url).code == 0 and divectl.read("size-1k") == web.content(1024)
    assert divectl.files() == ["size-1k"]
    os.symlink("/etc/passwd", os.path.join(divectl.folder, "link"))
    assert divectl("fetch", "--force", "-o", "link", url).code == 2
    assert divectl("fetch", "--force", "-o", divectl.folder + "/", url).code == 2


def test_a_destination_that_appears_meanwhile_stays(divectl, lab, origin):
    stall = threading.Event()

    def answer(h):
        stall.wait(20)
        serve(lab)(h)
    origin.on("/f", answer)
    process = divectl.start("fetch", origin.url("strict.lab.example", "/f"))
    eventually(lambda: origin.seen, what="the request")
    with open(os.path.join(divectl.folder, "f"), "wb") as f:
        f.write(b"mine")
    stall.set()
    ran = divectl.ended(process, *process.communicate(timeout=20))
    assert ran.code == 2 and divectl.read("f") == b"mine" and divectl.files() == ["f"], ran


def test_standard_output_gets_it_after_the_verdict(divectl, lab):
    process = divectl.start("fetch", "-o", "-", lab.url("dive01.example", "/01/size-5m"))
    out, err = process.communicate()
    assert process.returncode == 0 and out == web.content(5 << 20) and b"VERIFIED" in err
    ran = divectl("fetch", "-o", "-", lab.url("dive01.example", "/01/size-5m-flipped"))
    assert ran.code == 1 and ran.out == "" and divectl.files() == [], ran.err
    with open("/dev/full", "wb") as full:
        ran = divectl("fetch", "-o", "-", lab.url("dive01.example", "/01/size-1k"), stdout=full)
    assert ran.code == 74 and ran.err.count("\n") == 1, ran


def test_names_from_the_url(divectl, lab):
    for path in ("/", "/01/", "/.bashrc", "/%2e%2e", "/a%2fb", "/a%0ab", "/-rf"):
        ran = divectl("fetch", lab.url("plain.example", path))
        assert ran.code == 2 and "-o FILE" in ran.err and divectl.files() == [], (path, ran)


def test_usage(divectl):
    for args in ((), ("ftp://a/b",), ("http://a/b", "http://c/d"), ("http://u@a/b",), ("http://a/b", "-H", "x"),
                 ("http://a/b", "-H", "Host: c"), ("http://a/b", "-H", "A: b\nC: d"), ("http://a/b", "--timeout", "x"),
                 ("http://a/b", "--max-size", "-1"), ("http://a/b", "--max-redirects", "101"), ("http://a/b", "-o", "")):
        ran = divectl("fetch", *args)
        assert ran.code == 2 and ran.err and ran.out == "", (args, ran)
    assert divectl("verify", "http://a/b", "-o", "x").code == 2
    assert divectl("verify", "--help").code == 0


def test_unwritable_folder(divectl, lab):
    ran = divectl("fetch", "-o", "/sys/size-1k", lab.url("dive01.example", "/01/size-1k"))  # root's too
    assert ran.code == 73 and ran.err.count("\n") == 1, ran


def test_missing_folder(divectl, lab):
    ran = divectl("fetch", "-o", "none/x", lab.url("dive01.example", "/01/size-1k"))
    assert ran.code == 73 and ran.err.count("\n") == 1 and divectl.files() == [], ran


def test_disk_full(divectl, lab):
    ran = divectl("fetch", lab.url("dive01.example", "/01/size-5m"),
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
    assert ran.code == 74 and ran.err.count("\n") == 1 and divectl.files() == [], ran


# ---- interrupted, and gone on with ----

def interrupted(divectl, lab, origin, host="strict.lab.example", n=600000, **how):
    """Leaves a part of n bytes of /f."""
    origin.on("/f", serve(lab, cut=n, **how))
    ran = divectl("fetch", origin.url(host, "/f"))
    assert ran.code == 69, ran
    return ran


def last_range(origin):
    return origin.seen[-1][1].get("range"), origin.seen[-1][1].get("if-range")


def test_an_interrupted_download_is_resumed(divectl, lab, origin):
    ran = interrupted(divectl, lab, origin)
    assert "goes on" in ran.err and divectl.files() == ["f.divectl-part", "f.divectl-part.head"], ran
    origin.on("/f", serve(lab))
    ran = divectl("fetch", "--json", origin.url("strict.lab.example", "/f"))
    assert last_range(origin) == ("bytes=600000-", '"v1"')
    assert ran.code == 0 and ran.json["resumed"] == 600000 and ran.json["verified"], ran
    assert ran.json["bytes"] == len(BODY) and ran.json["digests"][0]["computed"] == \
        ran.json["digests"][0]["listed"]
    assert divectl.files() == ["f"] and divectl.read("f") == BODY


def test_what_was_there_is_hashed_again(divectl, lab, origin):
    interrupted(divectl, lab, origin)
    with open(os.path.join(divectl.folder, "f.divectl-part"), "r+b") as f:
        f.write(bytes([BODY[0] ^ 1]))
    origin.on("/f", serve(lab))
    ran = divectl("fetch", origin.url("strict.lab.example", "/f"))
    assert last_range(origin)[0] and ran.code == 1 and "signature-mismatch" in ran.err, ran
    assert divectl.files() == []  # of no use to anybody
    assert divectl("fetch", origin.url("strict.lab.example", "/f")).code == 0


def test_changed_content_is_fetched_anew(divectl, lab, origin):
    interrupted(divectl, lab, origin)
    other = web.content(1 << 20, "changed")
    origin.on("/f", serve(lab, other, etag='"v2"'))
    ran = divectl("fetch", origin.url("strict.lab.example", "/f"))
    assert last_range(origin) == ("bytes=600000-", '"v1"')
    assert ran.code == 0 and divectl.read("f") == other, ran


def test_changed_content_under_the_old_validator_is_rejected(divectl, lab, origin):
    interrupted(divectl, lab, origin)
    origin.on("/f", serve(lab, web.content(1 << 20, "changed")))
    ran = divectl("fetch", origin.url("strict.lab.example", "/f"))
    assert ran.code == 1 and divectl.files() == [], ran


@pytest.mark.parametrize("lie", ["other-start", "other-tag", "no-range", "416", "total-grows"])
def test_a_rest_that_does_not_fit_is_fetched_anew(divectl, lab, origin, lie):
    interrupted(divectl, lab, origin)

    def answer(h):
        if "Range" not in h.headers:
            return serve(lab)(h)
        h.send_response(416 if lie == "416" else 206)
        ranges = {"other-start": "bytes 5-1048575/1048576", "other-tag": "bytes 600000-1048575/1048576",
                  "total-grows": "bytes 600000-1048575/1048577"}
        if lie in ranges:
            h.send_header("Content-Range", ranges[lie])
        h.send_header("ETag", '"v2"' if lie == "other-tag" else '"v1"')
        h.send_header("Content-Length", "0" if lie == "416" else str((1 << 20) - 600000))
        h.end_headers()
        if lie != "416":
            h.wfile.write(bytes((1 << 20) - 600000))
        return None
    origin.on("/f", answer)
    ran = divectl("fetch", origin.url("strict.lab.example", "/f"))
    assert ran.code == 0 and divectl.read("f") == BODY and divectl.files() == ["f"], ran
    assert [("range" in seen[1]) for seen in origin.seen] == [False, True, False]


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_without_a_strong_validator_nothing_is_left(divectl, lab, origin, etag):
    interrupted(divectl, lab, origin, etag=etag)
    assert divectl.files() == []


def test_a_part_of_another_url_is_not_used(divectl, lab, origin):
    interrupted(divectl, lab, origin)
    origin.on("/other", serve(lab))
    ran = divectl("fetch", "-o", "f", origin.url("strict.lab.example", "/other"))
    assert last_range(origin) == (None, None) and ran.code == 0 and divectl.read("f") == BODY, ran


def test_a_damaged_head_is_not_used(divectl, lab, origin):
    interrupted(divectl, lab, origin)
    with open(os.path.join(divectl.folder, "f.divectl-part.head"), "ab") as f:
        f.write(b"X: y\r\n\r\n")
    origin.on("/f", serve(lab))
    ran = divectl("fetch", origin.url("strict.lab.example", "/f"))
    assert last_range(origin) == (None, None) and ran.code == 0 and divectl.files() == ["f"], ran


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_part(divectl, lab, origin, number):
    stall = threading.Event()
    origin.on("/f", serve(lab, cut=400000, stall=stall))
    process = divectl.start("fetch", origin.url("strict.lab.example", "/f"))
    part = os.path.join(divectl.folder, "f.divectl-part")
    eventually(lambda: os.path.exists(part) and os.path.getsize(part) == 400000, what="the part")
    process.send_signal(number)
    ran = divectl.ended(process, *process.communicate(timeout=10))
    stall.set()
    assert ran.code == 128 + number and divectl.files() == ["f.divectl-part", "f.divectl-part.head"], ran
    origin.on("/f", serve(lab))
    ran = divectl("fetch", origin.url("strict.lab.example", "/f"))
    assert ran.code == 0 and last_range(origin)[0] == "bytes=400000-" and divectl.read("f") == BODY, ran


def test_two_runs_for_one_destination(divectl, lab, origin):
    stall = threading.Event()
    origin.on("/f", serve(lab, cut=400000, stall=stall))
    process = divectl.start("fetch", origin.url("strict.lab.example", "/f"))
    eventually(lambda: "f.divectl-part" in divectl.files() and origin.seen, what="the part")
    ran = divectl("fetch", origin.url("strict.lab.example", "/f"))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    stall.set()
    assert ran.code == 75 and "another divectl" in ran.err, ran


# ---- size and progress ----

@pytest.mark.parametrize("command", ["verify", "fetch"])
def test_64_mib_in_flat_memory(divectl, lab, command):
    process = divectl.start(command, lab.url("dive01.example", "/01/size-64m", "https"))
    peak = samples = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError, ValueError), \
                open(f"/proc/{process.pid}/status", encoding="ascii") as f:
            text = f.read()
            if "Name:\tdivectl" in text:  # not python before it becomes divectl
                peak, samples = max(peak, int(text.split("VmHWM:")[1].split()[0])), samples + 1
        time.sleep(0.002)
    _, err = process.communicate()
    assert process.returncode == 0, err
    if "sanitizer" not in proxymodule.divectl_path():
        assert samples > 5 and peak < 32 * 1024, f"{peak} KiB in {samples} samples"
    if command == "fetch":
        digest = hashlib.sha256(divectl.read("size-64m")).digest()
        assert digest == hashlib.sha256(web.content(64 << 20)).digest()


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_on_a_terminal_only(divectl, lab, origin, quiet):
    origin.on("/f", serve(lab, slow=0.12))
    ours, theirs = pty.openpty()
    process = divectl.start("fetch", origin.url("strict.lab.example", "/f"), *(["-q"] if quiet else []),
                            stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):
        while True:
            shown += os.read(ours, 4096)
    os.close(ours)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert (b"% [=" in shown) == (not quiet), shown
    assert quiet or shown.endswith(b"\r\x1b[K")
    os.unlink(os.path.join(divectl.folder, "f"))
    ran = divectl("fetch", origin.url("strict.lab.example", "/f"))
    assert ran.code == 0 and ran.err == "", ran
