# SPDX-License-Identifier: BSD-2-Clause
"""hold.release: what leaves before the verdict, and that it is never the whole."""
import contextlib
import threading
import time

import pytest
from expect import eventually
from scripted import Answer, Origin, signed_fields
from web import content, flipped

BODY = content(300 * 1024, "release")
TAIL = 64 * 1024
HOST = "dive01.example"


class Slow:
    """Sends a body in two parts: the second when it is let go."""

    def __init__(self, lab, body, fields, first, chunked):
        self.go, self.body, self.first, self.chunked = threading.Event(), body, first, chunked
        framing = [("Transfer-Encoding", "chunked")] if chunked else [("Content-Length", str(len(body)))]
        self.fields = list(fields) + framing

    def __call__(self, request):
        return Answer(raw=self.send)

    def send(self, handler):
        head = "HTTP/1.1 200 OK\r\n" + "".join(f"{n}: {v}\r\n" for n, v in self.fields) + "\r\n"
        with contextlib.suppress(OSError):
            handler.wfile.write(head.encode())
            self.part(handler, self.body[:self.first])
            self.go.wait(30)
            self.part(handler, self.body[self.first:])
            if self.chunked:
                handler.wfile.write(b"0\r\n\r\n")

    def part(self, handler, data):
        if data:
            handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n" if self.chunked else data)


@pytest.fixture(scope="module")
def origin():
    one = Origin()
    yield one
    one.close()


def allow(lab, origin):
    return {"access": {"connect-ports": [443, origin.port]}}


class Client:
    """Reads in the background, so that a test can look at what has arrived."""

    def __init__(self, proxy, url, fields=""):
        self.s = proxy.connect(timeout=30)
        authority = url.split("/")[2]
        self.s.sendall(f"GET {url} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n".encode())
        self.data, self.error, self.ended = b"", None, False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while piece := self.s.recv(65536):
                self.data += piece
        except OSError as e:
            self.error = e
        self.ended = True
        self.s.close()

    @property
    def content(self):
        return self.data.partition(b"\r\n\r\n")[2]

    def status(self):
        return self.data[9:12]


def rounds():
    return [(release, chunked) for release in ("tail", "trickle") for chunked in (False, True)]


@pytest.mark.parametrize("release,chunked", rounds())
def test_early_bytes_leave_but_never_the_tail(dived, lab, origin, release, chunked):
    one = dived(hold={"release": release, "trickle-interval": "100ms"},
                timeouts={"origin-idle": "30s"}, **allow(lab, origin))
    slow = Slow(lab, BODY, signed_fields(lab, BODY), len(BODY), chunked)
    path = f"/{release}-{chunked}"
    if not chunked:  # all but the last byte: the content is there, its end isn't
        slow.first -= 1
    origin.at(path, slow)
    client = Client(one, origin.url(path, HOST))
    want = len(BODY) - TAIL - 1024 if release == "tail" else 3 * 1024
    eventually(lambda: len(client.content) >= want, 15, "bytes before the verdict")
    time.sleep(0.3)
    assert len(client.content) <= len(BODY) - TAIL + (2048 if chunked else 0) and not client.ended
    if release == "trickle":
        assert len(client.content) < 100 * 1024
    assert client.status() == b"200"
    slow.go.set()
    if chunked:
        eventually(lambda: client.data.endswith(b"0\r\n\r\n"), 15, "the end")
    else:
        eventually(lambda: len(client.content) == len(BODY), 15, "the end")
        assert client.content == BODY
    client.s.shutdown(2)
    entry = one.log_entry(0, path)
    assert (entry["verdict"], entry["action"], entry["status"]) == ("verified", "released", 200)


@pytest.mark.parametrize("release,chunked", rounds())
def test_a_forgery_is_broken_off_and_its_end_never_leaves(dived, lab, origin, release, chunked):
    one = dived(hold={"release": release, "trickle-interval": "100ms"},
                timeouts={"origin-idle": "30s"}, **allow(lab, origin))
    forged, path = flipped(BODY), f"/forged-{release}-{chunked}"
    slow = Slow(lab, forged, signed_fields(lab, BODY), len(forged) - 1, chunked)
    origin.at(path, slow)
    client = Client(one, origin.url(path, HOST))
    eventually(lambda: len(client.content) >= 2048, 15, "bytes before the verdict")
    slow.go.set()
    eventually(lambda: client.ended, 15, "the end")
    assert isinstance(client.error, ConnectionResetError), client.error
    assert len(client.content) < len(BODY) - TAIL + 4096 and not client.data.endswith(b"0\r\n\r\n")
    entry = one.log_entry(0, path)
    assert (entry["verdict"], entry["action"]) == ("failed", "blocked"), entry
    assert entry["reason"] == "signature-mismatch"


@pytest.mark.parametrize("release", ["tail", "trickle"])
def test_interim_responses_before_a_rest_do_not_get_into_what_has_begun(dived, lab, origin, release):
    """The origin breaks off and is asked for the rest, which it puts forged heads before."""
    one = dived(hold={"release": release, "trickle-interval": "100ms", "tail": "16KiB"},
                timeouts={"origin-idle": "30s"}, **allow(lab, origin))
    path, fields, go = f"/interim-{release}", signed_fields(lab, BODY), threading.Event()

    def answer(request):
        asked = request.headers.get("Range")

        def send(handler):
            framing, first = [("Content-Length", str(len(BODY)))], 0
            status, before = "200 OK", b""
            if asked is not None:
                first = int(asked.split("=")[1].rstrip("-"))
                status, before = "206 Partial Content", b"HTTP/1.1 103 Forged\r\nLink: $(forged)\r\n\r\n" * 3
                framing = [("Content-Length", str(len(BODY) - first)),
                           ("Content-Range", f"bytes {first}-{len(BODY) - 1}/{len(BODY)}")]
            head = f"HTTP/1.1 {status}\r\n" + "".join(
                f"{n}: {v}\r\n" for n, v in [*fields, ("ETag", '"whole"'), *framing]) + "\r\n"
            with contextlib.suppress(OSError):
                handler.wfile.write(before + head.encode() + (BODY[first:] if asked else BODY[:200 * 1024]))
                go.wait(30)
        return Answer(raw=send)

    origin.at(path, answer)
    client = Client(one, origin.url(path, HOST))
    eventually(lambda: len(client.content) >= 2048, 15, "bytes before the verdict")
    go.set()
    eventually(lambda: len(client.content) >= len(BODY) or client.ended, 20, "the end")
    assert client.content == BODY, (len(client.content), client.error)
    client.s.shutdown(2)
    assert origin.count(path) == 2
    assert one.log_entry(0, path)["verdict"] == "verified"


def test_curl_sees_the_abort_as_an_error_over_tls_too(dived, lab, origin):
    one = dived(hold={"release": "tail", "tail": "1KiB"}, timeouts={"origin-idle": "30s"})
    response = one.curl(lab.url(HOST, "/01/size-5m-flipped", "https"))
    assert response.exit in (18, 56), response  # partial file, or reset (which may throw bytes away)
    assert len(response.body) < 5 << 20
    assert one.curl(lab.url(HOST, "/01/size-5m", "https")).body == content(5 << 20)


@pytest.mark.parametrize("release", ["tail", "trickle"])
def test_what_fits_in_the_tail_is_blocked_cleanly(dived, lab, release):
    one = dived(hold={"release": release, "trickle-interval": "100ms"})
    response = one.curl(lab.url(HOST, "/01/size-1k-flipped"))
    assert response.status == 403 and response.reason == "Blocked by DIVE: signature-mismatch"
    assert one.curl(lab.url(HOST, "/01/size-1k")).body == content(1024)


def held_cases():
    return {"unsigned": ([], ""), "unknown-key": ("ghost", ""), "range": ("ed1", "Range: bytes=0-99999\r\n"),
            "condition": ("ed1", "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n")}


@pytest.mark.parametrize("case", held_cases())
def test_nothing_leaves_without_a_verified_signature_nor_of_a_part(dived, lab, origin, case):
    """A head that proves nothing yet, or a part: as with release: verdict."""
    keyid, extra = held_cases()[case]
    fields = [] if case == "unsigned" else signed_fields(lab, BODY, keyid)
    one = dived(hold={"release": "tail", "tail": "1"}, timeouts={"origin-idle": "30s"}, **allow(lab, origin))
    slow = Slow(lab, BODY, fields, len(BODY) - 1, False)
    origin.at(f"/held-{case}", slow)
    client = Client(one, origin.url(f"/held-{case}", HOST), extra)
    time.sleep(1)
    assert not client.data or client.status() == b"403", client.data[:200]
    slow.go.set()
    eventually(lambda: client.data, 10, "an answer")
    assert client.status() == {"range": b"206", "condition": b"200"}.get(case, b"403")
    client.s.shutdown(2)


def test_draft_00_is_held_to_its_end(dived, lab, origin):
    one = dived(hold={"release": "tail", "tail": "1"}, timeouts={"origin-idle": "30s"}, **allow(lab, origin))
    slow = Slow(lab, BODY, signed_fields(lab, BODY), len(BODY) - 1, False)
    origin.at("/draft00", slow)
    client = Client(one, origin.url("/draft00", "dive00.example"))
    time.sleep(1)
    assert client.data == b""
    slow.go.set()
    eventually(lambda: len(client.content) == len(BODY), 10, "the content")
    client.s.shutdown(2)


def test_a_client_that_takes_nothing_does_not_stop_the_hold(dived, lab):
    one = dived(hold={"release": "tail"}, timeouts={"client-write": "2s"})
    with contextlib.closing(one.connect()) as s:
        authority = f"{HOST}:{lab.ports['http']}"
        s.sendall(f"GET http://{authority}/01/size-64m HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        entry = one.log_entry(0, "size-64m", seconds=30)
    assert entry["verdict"] == "verified" and entry["bytes"] < 64 << 20


def test_an_origin_that_breaks_off_breaks_the_client_off(dived, lab, origin):
    one = dived(hold={"release": "tail"}, **allow(lab, origin))
    body = content(300 * 1024)

    def short(handler):
        fields = "".join(f"{n}: {v}\r\n" for n, v in signed_fields(lab, body))
        handler.wfile.write(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode()
                            + body[:-10])

    origin.at("/short", lambda request: Answer(raw=short))
    response = one.curl(origin.url("/short", HOST))
    if response.status == 502:  # it broke off before the key was known, so nothing had left
        assert response.field("Proxy-Status").startswith("dived; error=http_response_incomplete")
    else:
        assert response.exit in (18, 56) and len(response.body) <= len(body) - TAIL
