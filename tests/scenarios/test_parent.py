# SPDX-License-Identifier: BSD-2-Clause
"""A parent proxy towards the origins: what it is asked, what it may answer, and what clients see of it."""
import contextlib
import os
import shutil
import socket
import subprocess
import time

import kdc as kdcmodule
import parent as parentmodule
import proxy as proxymodule
import pytest
from expect import blocked, eventually, passed, proxy_error, released

GOOD, FLIPPED = "/01/size-300k", "/01/size-300k-flipped"
HOST = "dive01.example"
SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])
# As users run it: no holes in the guard. The parent is on loopback all the same.
SHUT = {"allow-networks": [], "connect-timeout": "3s"}


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01") + lab.catalogue("00")}


@contextlib.contextmanager
def running(lab, binary, origins, **changes):
    one = proxymodule.Proxy(lab, binary=binary, origins={**SHUT, **origins}, **changes)
    try:
        yield one.start()
    finally:
        wrong = one.stop()
    assert wrong is None, wrong
    one.remove()


@pytest.fixture(scope="module")
def parent():
    with parentmodule.Parent() as one:
        yield one


@pytest.fixture(scope="module")
def through(lab, binary, parent):
    with running(lab, binary, {"parent": f"http://127.0.0.1:{parent.port}"}) as one:
        yield one


@pytest.fixture
def asked(parent):
    """What the parent was asked since the test began, but for the reports of those before."""
    before = len(parent.asked())
    return lambda method=None: [r for r in parent.asked()[before:] if method in (None, r.method)
                                and not r.target.startswith("collector.example:")]


# What is asked

def test_http_goes_in_absolute_form(through, lab, body, asked):
    url = lab.url("plain.lab.example", "/plain?a=b")
    response = through.curl(url, "-H", "Proxy-Authorization: Basic Y2xpZW50OnNlY3JldA==")
    assert response.status == 200, response
    [request] = asked()
    assert (request.method, request.target) == ("GET", url), request
    assert request.fields["host"] == f"plain.lab.example:{lab.ports['http']}"
    assert "proxy-authorization" not in request.fields, "the client's password went to the parent"
    assert request.fields["via"].startswith("1.1 dived-"), request


def test_https_goes_by_connect_and_is_verified_here(through, lab, body, asked):
    released(through.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
    requests = asked()
    assert requests and all(r.method == "CONNECT" for r in requests), requests
    assert requests[0].target == f"{HOST}:{lab.ports['https']}", requests
    assert requests[0].fields["host"] == requests[0].target
    assert requests[0].fields["via"].startswith("1.1 dived-")


@SCHEMES
def test_what_is_wrong_is_blocked_as_ever(through, lab, body, scheme):
    blocked(through.curl(lab.url(HOST, FLIPPED, scheme)), "signature-mismatch", body[FLIPPED])


def test_the_parent_resolves(through, lab, asked):
    """No address of the origin is looked up here: only the parent can know this one."""
    response = through.curl(f"http://only-the-parent-knows.lab.example:{lab.ports['http']}/plain")
    assert response.status == 200, response
    assert "only-the-parent-knows" in asked()[0].target


@SCHEMES
def test_connections_persist(through, lab, scheme, asked):
    urls = [lab.url("plain.lab.example", f"/plain?{i}", scheme) for i in range(3)]
    for url in urls:
        assert through.curl(url).status == 200
    if scheme == "https":
        assert len(asked("CONNECT")) <= 2, asked()  # the handshake's, and one for another worker


def test_request_content_goes_through(through, lab, asked):
    data = os.urandom(300_000)
    path = os.path.join(through.directory, "upload")
    with open(path, "wb") as f:
        f.write(data)
    response = through.curl(lab.odd("plain.lab.example", "echo"), "--data-binary", f"@{path}")
    assert response.status == 200, response
    assert asked("POST")[0].fields["content-length"] == str(len(data))


def test_tls_is_verified_behind_the_parent(through, lab):
    """A parent can't put another origin in the place of the one that was asked for."""
    response = through.curl(f"https://nobody.invalid-name.example:{lab.ports['https']}/plain")
    assert proxy_error(response, (502,)).status == 502
    assert "tls_certificate_error" in response.field("proxy-status"), response


# The guard

@pytest.mark.parametrize("literal", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254",
                                     "[::ffff:127.0.0.1]", "localhost", "a.localhost"])
@SCHEMES
def test_internal_literals_are_refused_here(through, lab, literal, scheme, asked):
    response = through.curl(f"{scheme}://{literal}:{lab.ports[scheme]}/plain")
    assert b"plain text" not in response.body, response
    assert response.status == 502 or response.exit == 56, response
    assert not asked(), "the parent was asked for it"


def test_a_parent_that_is_the_proxy_itself(lab, binary):
    with running(lab, binary, {}) as one:
        one.reload(origins={"parent": f"http://127.0.0.1:{one.port}"})
        for _ in range(100):
            response = one.curl(lab.url("plain.lab.example", "/plain"))
            if "parent proxy" in (response.field("proxy-status") or ""):
                break
            time.sleep(0.1)
        assert response.status == 502, response
        assert "destination_ip_prohibited" in response.field("proxy-status"), response


# What it answers

ANSWERS = {
    "407": (b"HTTP/1.1 407 No\r\nContent-Length: 6\r\n\r\nSECRET", 502, "proxy_configuration_error"),
    "403": (b"HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nSECRET", 502, "http_request_denied"),
    "502": (b"HTTP/1.1 502 No\r\nContent-Length: 6\r\n\r\nSECRET", 502, "destination_unavailable"),
    "504": (b"HTTP/1.1 504 No\r\n\r\nSECRET", 504, "connection_timeout"),
    "508": (b"HTTP/1.1 508 No\r\n\r\nSECRET", 508, "proxy_loop_detected"),
    "302": (b"HTTP/1.1 302 No\r\nLocation: http://x/\r\nContent-Length: 6\r\n\r\nSECRET", 502,
            "destination_unavailable"),
    "nothing": (b"", 502, "connection_terminated"),
    "half a head": (b"HTTP/1.1 200 OK\r\nX: ", 502, "connection_terminated"),
    "garbage": (b"SSH-2.0-SECRET\r\n\r\n", 502, "http_protocol_error"),
    "bare line feeds": (b"HTTP/1.1 200 OK\n\n", 502, "http_protocol_error"),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", 502, "http_protocol_error"),
    "101": (b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502, "http_protocol_error"),
    "interim without end": (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, 502, "http_protocol_error"),
    "head too large": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 16384 + b"\r\n\r\n", 502, "http_protocol_error"),
    "too many fields": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 65 + b"\r\n", 502, "http_protocol_error"),
}


@pytest.fixture(scope="module")
def odd(lab, binary):
    """A parent that answers CONNECT as the test says, and dived behind it."""
    with parentmodule.Parent() as one:
        with running(lab, binary, {"parent": f"http://127.0.0.1:{one.port}", "connect-timeout": "2s"}) \
                as proxy:
            yield one, proxy


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_is_no_tunnel(odd, lab, what):
    one, proxy = odd
    one.answer, status, error = ANSWERS[what]
    response = proxy.curl(f"https://{HOST}:{lab.ports['https']}/{what.replace(' ', '-')}")
    assert response.exit == 0 and response.status == status, response
    assert f"error={error}" in response.field("proxy-status"), response
    assert f"parent proxy 127.0.0.1:{one.port}" in response.field("proxy-status"), response
    assert b"SECRET" not in response.body, response
    assert f"parent proxy 127.0.0.1:{one.port}" in response.json["detail"], response


def test_interim_answers_are_passed_over(odd, lab, body):
    one, proxy = odd

    def answer(s):
        s.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 8 + b"HTTP/1.1 200 OK\r\nX: " + b"a" * 16000 +
                  b"\r\nContent-Length: 5\r\n\r\n")
        with contextlib.closing(socket.create_connection(("127.0.0.1", lab.ports["https"]))) as origin:
            parentmodule.pump(s, origin)

    one.answer = answer
    released(proxy.curl(lab.url(HOST, GOOD, "https")), body[GOOD])


def test_silence_is_a_504(odd, lab):
    one, proxy = odd
    one.answer = lambda s: s.recv(1)
    response = proxy.curl(f"https://silent.lab.example:{lab.ports['https']}/")
    assert response.status == 504 and "did not answer CONNECT" in response.json["detail"], response


def test_an_answer_byte_by_byte_and_bytes_behind_it(lab, binary):
    """What the origin says at once belongs to the tunnel, in whatever pieces the answer comes."""
    def answer(s):
        for byte in b"HTTP/1.1 200 OK\r\nX: y\r\n\r":
            s.sendall(bytes([byte]))
            time.sleep(0.002)
        s.sendall(b"\nSSH-2.0-banner\r\n")
        s.sendall(s.recv(100).upper())

    with parentmodule.Parent(answer=answer) as one, \
            running(lab, binary, {"parent": f"http://127.0.0.1:{one.port}"}) as proxy:
        s, head = proxy.tunnel("ssh.lab.example", lab.ports["https"])
        with contextlib.closing(s):
            assert b" 200" in head
            s.sendall(b"SSH-2.0-client\r\n")
            assert proxymodule.read_until(s, b"CLIENT\r\n") == b"SSH-2.0-banner\r\nSSH-2.0-CLIENT\r\n"


def test_splice_is_answered_when_the_tunnel_stands(lab, binary):
    with parentmodule.Parent() as one, \
            running(lab, binary, {"parent": f"http://127.0.0.1:{one.port}"},
                    interception={"splice": ["*.lab.example"]}) as proxy:
        with contextlib.closing(proxy.tls("plain.lab.example", lab.ports["https"],
                                          cafile=lab.origin_ca)) as s:
            s.sendall(b"GET /plain HTTP/1.1\r\nHost: plain.lab.example\r\n\r\n")
            assert proxymodule.read_response(s)[0] == 200
        one.answer = ANSWERS["403"][0]
        s, head = proxy.tunnel("plain.lab.example", lab.ports["https"])
        s.close()
        assert head.startswith(b"HTTP/1.1 502 ") and b"http_request_denied" in head, head


def test_a_parent_that_is_not_there(lab, binary):
    port = proxymodule.free_port()
    with running(lab, binary, {"parent": f"http://127.0.0.1:{port}"}) as proxy:
        for scheme in ("http", "https"):
            response = proxy_error(proxy.curl(lab.url("plain.lab.example", "/plain", scheme)))
            assert "connection_refused" in response.field("proxy-status"), response
            assert f"parent proxy 127.0.0.1:{port}" in response.field("proxy-status"), response
        proxy.reload(origins={"parent": f"http://no-such-parent.lab.example:{port}"})
        for _ in range(100):
            response = proxy.curl(lab.url("plain.lab.example", "/plain"))
            if "dns_error" in response.field("proxy-status"):
                break
            time.sleep(0.1)
        assert "parent proxy no-such-parent.lab.example" in response.field("proxy-status"), response


# Who we are to it

def password_file(folder, text, mode=0o600):
    path = os.path.join(str(folder), "parent-password")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


@SCHEMES
def test_basic(lab, binary, body, scheme, tmp_path):
    with parentmodule.Parent("us er", "pass word:ü") as one, \
            running(lab, binary, {"parent": f"http://us%20er@127.0.0.1:{one.port}",
                                  "parent-password-file": password_file(tmp_path, "pass word:ü\n")}) \
            as proxy:
        released(proxy.curl(lab.url(HOST, GOOD, scheme)), body[GOOD])
        origin_saw = proxy.curl(lab.odd("plain.lab.example", "echo", scheme))
        assert b"proxy-authorization" not in origin_saw.body.lower(), origin_saw
        with open(proxy.stderr_path, encoding="utf-8") as f:
            assert "pass word" not in f.read()
        one.password = "changed"
        response = proxy.curl(lab.url("dive00.example", "/00/size-1k", scheme))
        assert response.status == 502 and b"SECRET" not in response.body, response
        assert "proxy_configuration_error" in response.field("proxy-status"), response
        assert response.field("proxy-authenticate") is None, response


@pytest.mark.parametrize("text, wrong", [(None, "can't read"), ("", "no usable password"),
                                         ("one\ntwo\n", "no usable password"),
                                         ("a\tb\n", "no usable password")])
def test_a_password_file_that_is_of_no_use(lab, tmp_path, text, wrong):
    path = password_file(tmp_path, text) if text is not None else str(tmp_path / "absent")
    config = os.path.join(str(tmp_path), "dived.yaml")
    proxymodule.write_config(lab, config, str(tmp_path), 3128,
                             origins={"parent": "http://u@127.0.0.1:1", "parent-password-file": path})
    ran = subprocess.run([proxymodule.dived_path(), "-c", config, "--check"], capture_output=True, text=True,
                         timeout=30, check=False)
    assert ran.returncode == 78 and wrong in ran.stderr, ran


@SCHEMES
def test_tls_towards_the_parent(lab, binary, body, scheme):
    with parentmodule.Parent(certificate=(lab.path("pki", "origins.crt"),
                                          lab.path("pki", "origins.key"))) as one, \
            running(lab, binary, {"parent": f"https://plain.lab.example:{one.port}"}) as proxy:
        released(proxy.curl(lab.url(HOST, GOOD, scheme)), body[GOOD])
        blocked(proxy.curl(lab.url(HOST, FLIPPED, scheme)), "signature-mismatch", body[FLIPPED])
        asked = {r.method for r in one.asked() if HOST in r.target}  # reports go through it too
        assert asked == {"GET" if scheme == "http" else "CONNECT"}
        before = proxy.descriptors()
        for i in range(20):
            assert proxy.curl(f"https://h{i}.lab.example:{lab.ports['https']}/plain").status in (200, 502)
        assert proxy.descriptors() < before + 100


@SCHEMES
@pytest.mark.parametrize("certificate", ["wrongname", "expired", "untrusted"])
def test_tls_of_the_parent_is_verified(lab, binary, scheme, certificate):
    with parentmodule.Parent(certificate=(lab.path("pki", certificate + ".crt"),
                                          lab.path("pki", certificate + ".key"))) as one, \
            running(lab, binary, {"parent": f"https://plain.lab.example:{one.port}"}) as proxy:
        response = proxy_error(proxy.curl(lab.url(HOST, GOOD, scheme)), (502,))
        assert "tls_certificate_error" in response.field("proxy-status"), response
        assert "parent proxy plain.lab.example" in response.field("proxy-status"), response
        assert not one.asked()


# Kerberos

SERVICE = "plain.lab.example"  # what the parent is called


@pytest.fixture(scope="module")
def kdc(tmp_path_factory):
    if kdcmodule.missing():
        pytest.skip(f"KERBEROS IS NOT TESTED: {kdcmodule.missing()} not installed (make deps)")
    one = kdcmodule.Kdc(str(tmp_path_factory.mktemp("kdc")))
    one.service(f"HTTP/{SERVICE}", "parent.keytab")
    one.service("dived", "client.keytab")
    yield one
    one.close()


@pytest.fixture(scope="module")
def keeper_of_the_gate(lab, binary, kdc):
    """A second dived, which lets in who has a ticket, and passes everything on as it is."""
    with running(lab, binary, {"allow-networks": ["127.0.0.0/8"]}, interception={"enabled": False},
                 dive={"mode": "off"}, cache={"max-size": "0", "memory": "0"},
                 environment={k: kdc.env[k] for k in ("KRB5_CONFIG", "KRB5RCACHEDIR")},
                 access={"negotiate": {"keytab": kdc.path("parent.keytab"), "realm": kdcmodule.REALM}}) \
            as one:
        yield one


def ticketed(lab, binary, kdc, port, config=None, **origins):
    """dived behind the parent at this port, with a keytab. It doesn't keep connections for long: a tunnel
    is logged at its end."""
    return running(lab, binary, {"parent": f"http://{SERVICE}:{port}",
                                 "parent-keytab": kdc.path("client.keytab"), **origins},
                   timeouts={"origin-pool-idle": "1s"},
                   environment={"KRB5_CONFIG": config or kdc.env["KRB5_CONFIG"]})


@pytest.fixture(scope="module")
def by_ticket(lab, binary, kdc, keeper_of_the_gate):
    with ticketed(lab, binary, kdc, keeper_of_the_gate.port) as one:
        yield one


def no_ticket(response, says, error="proxy_configuration_error", status=502):
    assert response.exit == 0 and response.status == status, response
    for what in (f"error={error}", f"parent proxy {SERVICE}:", says):
        assert what in response.field("proxy-status"), response
    assert says in response.json["detail"], response


@SCHEMES
def test_a_ticket_opens_the_parent(by_ticket, keeper_of_the_gate, lab, body, scheme):
    mark = keeper_of_the_gate.log_mark()
    released(by_ticket.curl(lab.url(HOST, GOOD, scheme)), body[GOOD])
    blocked(by_ticket.curl(lab.url(HOST, FLIPPED, scheme)), "signature-mismatch", body[FLIPPED])
    for i in range(3):
        assert by_ticket.curl(lab.url("plain.lab.example", f"/plain?{i}", scheme)).status == 200
    entries = eventually(lambda: [e for e in keeper_of_the_gate.log_entries(mark)
                                  if e["method"] == ("GET" if scheme == "http" else "CONNECT")],
                         what="an entry of the parent's")
    assert {e["user"] for e in entries} == {"dived"}, entries
    assert not any(e["status"] == 407 for e in entries), "a replay"


def test_many_at_once_by_ticket(by_ticket, lab):
    """Each connection has a token of its own, though all are asked for at the same time."""
    path = os.path.join(by_ticket.directory, "many")
    with open(path, "w", encoding="utf-8") as f:
        for i in range(40):
            f.write(f"url = {lab.url('plain.lab.example', f'/plain?many={i}', ('http', 'https')[i % 2])}\n"
                    "output = /dev/null\n")
    done = subprocess.run(["curl", "-q", "-sS", "-x", by_ticket.address, "--cacert", by_ticket.ca, "-Z",
                           "--parallel-max", "40", "-w", "%{http_code}\\n", "-K", path],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["200"] * 40, done


@SCHEMES
def test_divectl_has_a_ticket_too(by_ticket, kdc, lab, body, scheme, tmp_path, monkeypatch):
    monkeypatch.setenv("KRB5_CONFIG", kdc.env["KRB5_CONFIG"])
    out = tmp_path / "file"
    ran = by_ticket.divectl("fetch", "-c", by_ticket.config_path, "-o", str(out), lab.url(HOST, GOOD, scheme))
    assert ran.returncode == 0, ran
    assert out.read_bytes() == body[GOOD]


def test_a_token_a_connection_and_none_in_the_logs(lab, binary, kdc):
    with parentmodule.Parent() as one, ticketed(lab, binary, kdc, one.port) as proxy:
        for scheme in ("http", "https"):
            for i in range(2):
                assert proxy.curl(lab.url(f"h{i}.lab.example", f"/plain?{i}", scheme)).status in (200, 502)
        tokens = [r.fields.get("proxy-authorization", "") for r in one.asked()]
        assert len(tokens) >= 4 and all(t.startswith("Negotiate YII") for t in tokens), tokens
        assert len(set(tokens)) == len(tokens), "a token was used twice"
        assert {r.fields.get("connection") for r in one.asked("GET")} == {"close"}
        logged = proxy.stderr() + open(proxy.log_path, encoding="utf-8").read()
        assert not any(t.split(" ")[1][:40] in logged for t in tokens)
        assert b"egotiate" not in proxy.curl(lab.odd("plain.lab.example", "echo")).body
        # An error page's reason, and a parent that takes no ticket.
        one.user, one.password = "u", "p"
        for scheme in ("http", "https"):
            response = proxy.curl(lab.url("dive00.example", "/00/size-1k", scheme))
            no_ticket(response, "refuses our Kerberos ticket")
            assert b"SECRET" not in response.body and response.field("proxy-authenticate") is None


def test_a_user_in_the_url_stays_basic(lab, binary, kdc, tmp_path):
    with parentmodule.Parent("u", "p") as one, \
            ticketed(lab, binary, kdc, one.port, parent=f"http://u@127.0.0.1:{one.port}",
                     **{"parent-password-file": password_file(tmp_path, "p")}) as proxy:
        assert proxy.curl(lab.url("plain.lab.example", "/plain")).status == 200


def krb5_conf(kdc, tmp_path, port):
    """The realm, with its KDC at another port."""
    with open(kdc.path("krb5.conf"), encoding="utf-8") as f:
        text = f.read().replace(f"127.0.0.1:{kdc.port}", f"127.0.0.1:{port}")
    path = tmp_path / "krb5.conf"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_kdc_that_is_down(lab, binary, kdc, keeper_of_the_gate, tmp_path):
    config = krb5_conf(kdc, tmp_path, proxymodule.free_port())
    with ticketed(lab, binary, kdc, keeper_of_the_gate.port, config) as proxy:
        for scheme in ("http", "https"):
            began = time.monotonic()
            no_ticket(proxy.curl(lab.url(HOST, GOOD, scheme)), "Cannot contact any KDC for realm")
            assert time.monotonic() - began < 15
        shutil.copy(kdc.path("krb5.conf"), config)  # it is back
        eventually(lambda: proxy.curl(lab.url(HOST, GOOD)).status == 200, what="a ticket")


def silent_kdc():
    """Sockets that nobody reads, UDP and TCP at one port."""
    for attempt in range(20):
        tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            tcp.bind(("127.0.0.1", 0))
            udp.bind(tcp.getsockname())  # somebody else may have that one
        except OSError:
            tcp.close()
            udp.close()
            continue
        tcp.listen(16)
        return tcp, udp
    raise AssertionError("no port is free")


def test_a_kdc_that_is_silent(lab, binary, kdc, keeper_of_the_gate, tmp_path):
    """Within connect-timeout, and nobody else waits for it: neither other origins nor the end."""
    tcp, udp = silent_kdc()
    with contextlib.closing(tcp), contextlib.closing(udp):
        config = krb5_conf(kdc, tmp_path, udp.getsockname()[1])
        one = proxymodule.Proxy(lab, binary=binary, environment={"KRB5_CONFIG": config},
                                origins={**SHUT, "allow-networks": ["127.0.0.0/8"], "connect-timeout": "2s",
                                         "parent": f"http://{SERVICE}:{keeper_of_the_gate.port}",
                                         "parent-keytab": kdc.path("client.keytab")},
                                rules=[{"host": "plain.lab.example", "parent": "direct"}]).start()
        try:
            for scheme in ("http", "https"):
                began = time.monotonic()
                no_ticket(one.curl(lab.url(HOST, GOOD, scheme)), "no Kerberos ticket", "connection_timeout",
                          504)
                assert time.monotonic() - began < 12
                assert one.curl(lab.url("plain.lab.example", "/plain", scheme)).status == 200
        finally:
            wrong = one.stop()  # the library goes on asking for most of a minute
        assert wrong is None, wrong
        one.remove()


@pytest.mark.parametrize("what", ["key", "client", "service"])
def test_no_ticket_for_another_reason(lab, binary, kdc, keeper_of_the_gate, tmp_path, what):
    origins, says = {}, {"key": "Decrypt integrity check failed", "client": "not found in Kerberos database",
                         "service": "not found in Kerberos database"}[what]
    if what == "service":
        origins["parent"] = f"http://{HOST}:{keeper_of_the_gate.port}"
    else:
        origins["parent-keytab"] = str(tmp_path / "old.keytab")
        shutil.copy(kdc.service(f"gone-{what}", f"gone-{what}.keytab"), origins["parent-keytab"])
        kdc.run("kadmin.local", "-r", kdcmodule.REALM,
                *(("cpw", "-randkey") if what == "key" else ("delprinc", "-force")), f"gone-{what}")
    with ticketed(lab, binary, kdc, keeper_of_the_gate.port, **origins) as proxy:
        for scheme in ("http", "https"):
            response = proxy.curl(lab.url("plain.lab.example", "/plain", scheme))
            assert response.exit == 0 and response.status == 502, response
            assert "error=proxy_configuration_error" in response.field("proxy-status"), response
            assert "no Kerberos ticket for it" in response.json["detail"], response
            assert says in response.json["detail"], response


def test_a_client_keytab_that_is_of_no_use(lab, kdc, tmp_path):
    keytab, config = kdc.path("client.keytab"), os.path.join(str(tmp_path), "dived.yaml")
    empty = tmp_path / "empty"
    empty.write_bytes(b"\5\2")
    # libkrb5 loses some bytes of its own when there is no key: not our leak.
    env = {**os.environ, "KRB5_CONFIG": kdc.env["KRB5_CONFIG"], "ASAN_OPTIONS": "detect_leaks=0"}
    for origins, code, says in (({"parent-keytab": keytab}, 0, ""),
                                ({"parent-keytab": keytab, "parent-principal": "dived"}, 0, ""),
                                ({"parent-keytab": keytab, "parent-principal": "other"}, 78,
                                 "has no key of other"),
                                ({"parent-keytab": str(empty)}, 78, "has no key"),
                                ({"parent-keytab": str(tmp_path / "absent")}, 78, "absent")):
        proxymodule.write_config(lab, config, str(tmp_path), 3128,
                                 origins={"parent": f"http://{SERVICE}:1", **origins})
        ran = subprocess.run([proxymodule.dived_path(), "-c", config, "--check"], capture_output=True,
                             text=True, timeout=30, check=False, env=env)
        assert ran.returncode == code and says in ran.stderr, (origins, ran)


# Rules, and others that go out

def test_rules_choose_the_parent(lab, binary, tmp_path):
    with parentmodule.Parent() as one, parentmodule.Parent("u", "other") as other, \
            running(lab, binary,
                    {"parent": f"http://127.0.0.1:{one.port}", "allow-networks": ["127.0.0.0/8"],
                     "parent-password-file":
                         password_file(tmp_path, f"first\nu@127.0.0.1:{other.port} other\n")},
                    rules=[{"host": "plain.lab.example", "parent": "direct"},
                           {"host": HOST, "parent": f"http://u@127.0.0.1:{other.port}"}]) as proxy:
        for scheme in ("http", "https"):
            assert proxy.curl(lab.url("plain.lab.example", "/plain", scheme)).status == 200
            assert not one.asked() and not other.asked()
        for scheme in ("http", "https"):
            assert proxy.curl(lab.url(HOST, GOOD, scheme)).status == 200
        assert not one.asked() and {r.method for r in other.asked()} == {"GET", "CONNECT"}
        assert proxy.curl(lab.url("dive00.example", "/00/size-1k")).status == 200
        assert [r.method for r in one.asked()] == ["GET"]


def test_reports_go_through_it(through, lab, parent):
    mark, url = lab.reports_mark(), lab.url("reportonly.lab.example", FLIPPED)
    assert through.curl(url).status == 200
    deadline = time.monotonic() + 15
    while not lab.reports(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lab.reports(mark), parent.asked()
    # Perhaps on a connection that stood already.
    assert any(r.target.startswith("collector.example:") for r in parent.asked("CONNECT"))


@SCHEMES
def test_divectl_goes_through_it(through, lab, body, asked, scheme, tmp_path):
    out = tmp_path / "file"
    ran = through.divectl("fetch", "-c", through.config_path, "-o", str(out), lab.url(HOST, GOOD, scheme))
    assert ran.returncode == 0, ran
    assert out.read_bytes() == body[GOOD]
    assert [r.method for r in asked() if HOST in r.target] == ["GET" if scheme == "http" else "CONNECT"]


def test_many_at_once_and_an_end_in_the_middle(lab, binary):
    """Connections under way when the daemon ends leave nothing behind (the fixture looks)."""
    with parentmodule.Parent(certificate=(lab.path("pki", "origins.crt"),
                                          lab.path("pki", "origins.key")),
                             answer=lambda s: s.recv(1)) as one, \
            running(lab, binary, {"parent": f"https://plain.lab.example:{one.port}",
                                  "connect-timeout": "60s"}, timeouts={"drain": "0s"}) as proxy:
        sockets = []
        for i in range(20):
            s, _ = proxy.tunnel(f"h{i}.lab.example", lab.ports["https"])
            sockets.append(s)
        deadline = time.monotonic() + 15
        while len(one.asked()) < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(one.asked()) == 20
    for s in sockets:
        s.close()


