# SPDX-License-Identifier: BSD-2-Clause
"""Who may use the proxy: passwords, Kerberos, client certificates; and what an attacker gets of it."""
import base64
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import kdc as kdcmodule
import pki
import proxy as proxymodule
import pytest
from cryptography import x509
from expect import eventually, released

HOST, GOOD = "dive01.example", "/01/size-1k"
ALICE, BOB = "alice:wonder:land", "j\u00f6rg:schl\u00fcssel"
NAMES = {"user-cn": ([], "Carol CN"), "user-email": ([x509.UniformResourceIdentifier("urn:x"),
                                                     x509.RFC822Name("dave@users.example")], "Dave"),
         "user-uri": ([x509.UniformResourceIdentifier("urn:user:erin")], "Erin"),
         "user-bad": ([x509.RFC822Name("tab\there@users.example")], "Fine")}


def htpasswd(path, *users, cost=4):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    for user in users:
        name, password = user.split(":", 1)
        line = subprocess.run(["htpasswd", "-niB", "-C", str(cost), name], input=password + "\n",
                              capture_output=True, text=True, check=True).stdout.strip()
        with open(path, "a", encoding="utf-8") as f:
            f.write(line + "\n")
    return path


def issue_user(directory, name, names, subject, issuer, issuer_key, **times):
    from cryptography.hazmat.primitives import hashes
    cert, key = pki._issue(subject, issuer, issuer_key, **times)
    builder = (x509.CertificateBuilder().subject_name(cert.subject).issuer_name(cert.issuer)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(cert.not_valid_before).not_valid_after(cert.not_valid_after))
    for extension in cert.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pki._write(os.path.join(directory, name), [builder.sign(issuer_key, hashes.SHA256())], key)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """ca, proxy (for localhost and 127.0.0.1), users, one of another CA, one that has expired."""
    directory = str(tmp_path_factory.mktemp("access-pki"))
    ca, key = pki._issue("Users of the lab", None, None, ca=True)
    pki._write(os.path.join(directory, "ca"), [ca], key)
    cert, own = pki._issue("proxy", ca, key, ["localhost"])
    pki._write(os.path.join(directory, "proxy"), [cert], own)
    for name, (names, subject) in NAMES.items():
        issue_user(directory, name, names, subject, ca, key)
    issue_user(directory, "user-expired", [], "Old", ca, key, start=-30, end=-2)
    other, other_key = pki._issue("Somebody else's CA", None, None, ca=True)
    issue_user(directory, "user-other", [], "Mallory", other, other_key)
    return lambda name: os.path.join(directory, name)


@pytest.fixture(scope="module")
def kdc(tmp_path_factory):
    if kdcmodule.missing():
        pytest.skip(f"KERBEROS IS NOT TESTED: {kdcmodule.missing()} not installed (make deps)")
    one = kdcmodule.Kdc(str(tmp_path_factory.mktemp("kdc")))
    one.user("alice", "wonder")
    one.service("HTTP/localhost", "http.keytab")
    yield one
    one.close()


class Gate(proxymodule.Proxy):
    """dived that asks; `tls` takes certificates too, `strict` only those."""

    tls = strict = 0

    def curl(self, url, *args, proxy=None, **how):
        return super().curl(url, *args, proxy=proxy or f"http://localhost:{self.port}", **how)

    def secure(self, certificates, url, *args, port=None, user=None):
        if user:
            args += ("--proxy-cert", certificates(user + ".crt"), "--proxy-key", certificates(user + ".key"))
        return self.curl(url, "--proxy-cacert", certificates("ca.crt"), *args,
                         proxy=f"https://localhost:{port or self.tls}")

    def entries(self, mark=0):
        return self.log_entries(mark)


def listeners(certificates, gate):
    tls = {"certificate": certificates("proxy.crt"), "key": certificates("proxy.key"),
           "client-ca": certificates("ca.crt")}
    return lambda port: [
        {"address": f"127.0.0.1:{port}"},
        {"address": f"127.0.0.1:{gate.tls}", "tls": {**tls, "client-certificate": "optional"}},
        {"address": f"127.0.0.1:{gate.strict}", "tls": tls}]


@pytest.fixture(scope="module")
def gate(lab, binary, certificates, tmp_path_factory):
    users = htpasswd(str(tmp_path_factory.mktemp("users") / "users"), ALICE, BOB)
    one = Gate(lab, binary=binary)
    one.tls, one.strict = proxymodule.free_port(), proxymodule.free_port()
    one.changes = {"listeners": listeners(certificates, one),
                   "access": {"htpasswd": users, "realm": "the lab", "failed-attempts": 100000}}
    one.users = users
    one.start()
    yield one
    secrets = ("wonder:land", base64.b64encode(ALICE.encode()).decode(), "schl\u00fcssel", "Zm9vOmJhcg==")
    logged = one.stderr() + open(one.log_path, encoding="utf-8").read()
    wrong = one.stop()
    assert wrong is None, wrong
    assert not [secret for secret in secrets if secret in logged]
    one.remove()


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01")}


@pytest.fixture(scope="module")
def kerberos(lab, binary, kdc, tmp_path_factory):
    """dived that takes tickets and passwords."""
    one = Gate(lab, binary=binary, environment={k: kdc.env[k] for k in ("KRB5_CONFIG", "KRB5RCACHEDIR")})
    one.changes = {"access": {"htpasswd": htpasswd(str(tmp_path_factory.mktemp("users") / "u"), ALICE),
                              "negotiate": {"keytab": kdc.path("http.keytab"), "realm": kdcmodule.REALM}}}
    one.start()
    yield one
    wrong = one.stop()
    assert wrong is None, wrong
    one.remove()


def basic(user):
    return "Basic " + base64.b64encode(user.encode() if isinstance(user, str) else user).decode()


def request(lab, authorization=None, method="GET", more=""):
    url = lab.url(HOST, GOOD)
    if authorization is not None:
        more += f"Proxy-Authorization: {authorization}\r\n"
    return f"{method} {url} HTTP/1.1\r\nHost: {HOST}:{lab.ports['http']}\r\n{more}\r\n".encode()


def ask(gate, s, lab, authorization=None, method="GET", more=""):
    s.sendall(request(lab, authorization, method, more))
    return proxymodule.read_response(s, head_only=method == "HEAD")


# Basic

@pytest.mark.parametrize("user", [ALICE, BOB], ids=["colons", "utf-8"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_has_the_password_gets_in(gate, lab, body, user, scheme):
    entry = released(gate.curl(lab.url(HOST, GOOD, scheme), "-U", user), body[GOOD])
    assert entry["user"] == user.split(":")[0].encode().decode("latin-1") or \
        entry["user"] == user.split(":")[0], entry


def test_who_does_not_say_is_asked(gate, lab):
    response = gate.curl(lab.url(HOST, GOOD))
    assert response.status == 407 and response.exit == 0, response
    assert response.field("proxy-authenticate") == 'Basic realm="the lab", charset="UTF-8"', response
    assert "error=http_request_denied" in response.field("proxy-status"), response
    assert response.field("content-type") == "application/problem+json", response
    entry = eventually(lambda: [e for e in gate.log_entries(response.mark) if e["status"] == 407])[0]
    assert entry["user"] is None and entry["url"] == lab.url(HOST, GOOD), entry
    assert gate.curl(lab.url(HOST, GOOD, "https")).exit != 0


def test_curl_finds_the_scheme_itself(gate, lab, body):
    for scheme in ("http", "https"):
        response = gate.curl(lab.url(HOST, GOOD, scheme), "-U", ALICE, "--proxy-anyauth")
        assert response.exit == 0 and response.status == 200 and response.body == body[GOOD], response


@pytest.mark.parametrize("user", ["alice:wrong", "alice:", "nobody:wonder:land", "Alice:wonder:land",
                                  "alice:wonder", "alice:wonder:land "])
def test_who_has_it_wrong_does_not(gate, lab, user):
    response = gate.curl(lab.url(HOST, GOOD), "-U", user)
    assert response.status == 407, response
    assert response.field("proxy-authenticate").startswith("Basic "), response


@pytest.mark.parametrize("value", [
    "Basic", "Basic ", "Basic !!!!", "Basic YWxpY2U6d29uZGVyOmxhbmQ", "Basic YWxpY2U6d29uZGVyOmxhbmR=",
    "Basic " + base64.b64encode(b"alice\0:wonder:land").decode(),
    "Basic " + base64.b64encode(b"alice:wonder:land\0").decode(),
    "Basic " + base64.b64encode(b"alice").decode(), "Basic " + base64.b64encode(b":wonder:land").decode(),
    "Basic " + base64.b64encode(b"j\xf6rg:schl\xfcssel").decode(),
    "Basic " + base64.b64encode(b"a" * 300 + b":x").decode(), "Digest username=\"alice\"", "Negotiate",
    "Negotiate YWJj", "Bearer x", "alice", basic(ALICE) + ", " + basic(ALICE)],
    ids=lambda v: v[:24])
def test_what_is_not_well_formed_is_407_and_the_connection_goes_on(gate, lab, body, value):
    with contextlib.closing(gate.connect()) as s:
        status, fields, _ = ask(gate, s, lab, value)
        assert status == 407 and fields["proxy-authenticate"].startswith("Basic realm"), fields
        status, _, content = ask(gate, s, lab, basic(ALICE))
        assert status == 200 and content == body[GOOD]


def test_two_fields_are_refused(gate, lab):
    for more in (basic(ALICE), basic("alice:wrong")):
        answer = gate.raw(request(lab, basic(ALICE), more=f"Proxy-Authorization: {more}\r\n"))
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.how == "eof", answer


def test_each_request_says_who_it_is(gate, lab):
    """A password counts for its request, not for those that somebody else sends behind it."""
    with contextlib.closing(gate.connect()) as s:
        assert [ask(gate, s, lab, who)[0] for who in (basic(ALICE), None, basic("alice:x"), basic(BOB))] == \
            [200, 407, 407, 200]


def test_407_to_connect_keeps_the_connection(gate, lab, body):
    target = f"{HOST}:{lab.ports['http']}"
    with contextlib.closing(gate.connect()) as s:
        for value in (None, "alice:wrong"):
            more = f"Proxy-Authorization: {basic(value)}\r\n" if value else ""
            s.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{more}\r\n".encode())
            status, fields, _ = proxymodule.read_response(s)
            assert status == 407 and "close" not in fields.get("connection", ""), fields
        s.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
                  f"Proxy-Authorization: {basic(ALICE)}\r\n\r\n".encode())
        assert proxymodule.read_until(s, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        s.sendall(f"GET {GOOD} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        status, _, content = proxymodule.read_response(s)
        assert status == 200 and content == body[GOOD]


def test_what_follows_a_refused_connect_is_not_read_as_requests(gate, lab):
    target = f"{HOST}:{lab.ports['http']}"
    answer = gate.raw(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
                      + request(lab, basic(ALICE)))
    assert answer.startswith(b"HTTP/1.1 407 ") and answer.count(b"HTTP/1.1 ") == 1, answer
    assert answer.how == "eof", answer


def test_head_and_content_after_407(gate, lab):
    with contextlib.closing(gate.connect()) as s:
        assert ask(gate, s, lab, method="HEAD")[0] == 407
        assert ask(gate, s, lab, basic(ALICE), method="HEAD")[0] == 200
        assert ask(gate, s, lab, method="POST", more="Content-Length: 0\r\n")[0] == 407
        status, fields, _ = ask(gate, s, lab, method="POST", more="Content-Length: 3\r\n")
        assert status == 407 and fields["connection"] == "close"


def test_pipelined_requests_are_answered_in_order(gate, lab):
    with contextlib.closing(gate.connect()) as s:
        s.sendall(b"".join(request(lab, who) for who in (None, basic(ALICE), basic("a:b"), basic(BOB))))
        assert [proxymodule.read_response(s)[0] for _ in range(4)] == [407, 200, 407, 200]


def test_credentials_never_reach_the_origin(gate, lab):
    token = base64.b64encode(ALICE.encode())
    for scheme in ("http", "https"):
        seen = gate.curl(lab.odd("plain.lab.example", "echo", scheme), "-U", ALICE, "-H", "X-Seen: yes")
        assert seen.status == 200 and b"x-seen" in seen.body.lower(), seen
        assert b"proxy-authorization" not in seen.body.lower() and token not in seen.body, seen


def test_networks_count_before_passwords(dived, lab, tmp_path):
    users = htpasswd(str(tmp_path / "users"), ALICE)
    one = dived(access={"htpasswd": users, "clients": ["192.0.2.0/24"]})
    for args in ((), ("-U", ALICE), ("-U", "alice:wrong")):
        assert one.curl(lab.url(HOST, GOOD), *args).status == 403


def test_who_leaves_while_the_password_is_checked(dived, lab, tmp_path):
    one = dived(access={"htpasswd": htpasswd(str(tmp_path / "users"), ALICE, cost=11)})
    for _ in range(10):
        s = one.connect()
        s.sendall(request(lab, basic("alice:nope")))
        s.close()
    assert one.curl(lab.url(HOST, GOOD), "-U", ALICE).status == 200
    eventually(lambda: one.alive())


def test_optional_passwords(dived, lab, tmp_path):
    one = dived(access={"htpasswd": htpasswd(str(tmp_path / "users"), ALICE), "require": "none"})
    assert one.curl(lab.url(HOST, GOOD)).log()["user"] is None
    assert one.curl(lab.url(HOST, GOOD), "-U", ALICE).log()["user"] == "alice"
    assert one.curl(lab.url(HOST, GOOD), "-U", "alice:wrong").status == 407


def test_rules_and_traces_know_the_user(dived, lab, body, tmp_path):
    one = dived(access={"htpasswd": htpasswd(str(tmp_path / "users"), ALICE, BOB)},
                rules=[{"user": BOB.split(":", 1)[0], "deny": True}])
    for scheme in ("http", "https"):
        entry = released(one.curl(lab.url(HOST, GOOD, scheme), "-U", ALICE), body[GOOD])
        trace = one.divectl("trace", "--socket", os.path.join(one.directory, "control.sock"), "--json",
                            entry["exchange"])
        assert '"alice"' in trace.stdout and "wonder" not in trace.stdout, trace
    assert one.curl(lab.url(HOST, GOOD), "-U", BOB).status == 403
    assert one.curl(lab.url(HOST, GOOD, "https"), "-U", BOB).exit != 0


def test_the_page_of_the_proxy_asks_for_nothing(gate, lab):
    """And is no way around: what is asked for by origin-form goes nowhere."""
    answer = gate.raw(f"GET {GOOD} HTTP/1.1\r\nHost: {HOST}:{lab.ports['http']}\r\n"
                      "Connection: close\r\n\r\n".encode())
    assert answer.split()[1] in (b"400", b"421"), answer[:200]


# Bad passwords at speed

def test_bad_passwords_at_speed_disturb_nobody(dived, lab, body, tmp_path):
    """Hundreds of wrong ones from one address; somebody from another downloads meanwhile."""
    users = htpasswd(str(tmp_path / "users"), ALICE, cost=10)
    one = dived(access={"htpasswd": users, "failed-attempts": 30, "clients": ["127.0.0.0/8"]})
    statuses, lock = [], threading.Lock()

    def attack(n):
        for i in range(40):
            with contextlib.closing(socket.create_connection(("127.0.0.1", one.port), 30)) as s:
                status = ask(one, s, lab, basic(f"{'alice' if i % 2 else 'who' + str(n)}:{n}-{i}"))[0]
            with lock:
                statuses.append(status)

    threads = [threading.Thread(target=attack, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    slowest = 0
    for _ in range(30):
        with contextlib.closing(socket.create_connection(("127.0.0.1", one.port), 30,
                                                         ("127.0.0.2", 0))) as s:
            began = time.monotonic()
            status, _, content = ask(one, s, lab, basic(ALICE))
            slowest = max(slowest, time.monotonic() - began)
            assert status == 200 and content == body[GOOD]
    for thread in threads:
        thread.join(120)
    assert slowest < 10, slowest
    assert len(statuses) == 400 and set(statuses) == {407, 429}, set(statuses)
    minutes = 2  # a slow machine: what comes back meanwhile
    assert 30 <= statuses.count(407) <= 30 * (1 + minutes), statuses.count(407)
    with contextlib.closing(one.connect()) as s:
        status, fields, _ = ask(one, s, lab, basic("alice:again"))
    assert status in (407, 429)
    if status == 429:
        assert fields["retry-after"] == "2" and "proxy-authenticate" not in fields, fields


# Reload

def reload(gate, lab, done, what):
    gate.reload()
    eventually(done, 15, what)


def test_reload_of_the_password_file(dived, lab, body, tmp_path):
    users = htpasswd(str(tmp_path / "users"), ALICE, BOB)
    one = dived(access={"htpasswd": users})
    url = lab.url(HOST, GOOD)
    target = f"{HOST}:{lab.ports['http']}"

    def connect():
        s = one.connect()
        s.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
                  f"Proxy-Authorization: {basic(ALICE)}\r\n\r\n".encode())
        assert proxymodule.read_until(s, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        return s

    def get(s):
        s.sendall(f"GET {GOOD} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        return proxymodule.read_response(s)[0]

    tunnel = connect()
    assert get(tunnel) == 200
    # A bad file: nothing changes, and it is said where.
    with open(users, "a", encoding="utf-8") as f:
        f.write("mallory:$1$abcd$Oy8OD9LGKv7H9yIMreLNV1\n")
    reload(one, lab, lambda: f"{users}:3:" in one.stderr(), "the complaint")
    assert one.curl(url, "-U", ALICE).status == 200 and get(tunnel) == 200
    assert "Oy8OD9" not in one.stderr()
    # Another password: the old one is forgotten although it was right a moment ago.
    htpasswd(users, "alice:new", BOB)
    reload(one, lab, lambda: one.curl(url, "-U", "alice:new").status == 200, "the new password")
    assert one.curl(url, "-U", ALICE).status == 407
    assert get(tunnel) == 200  # she is still a user
    # She is gone: no new request, in open tunnels neither; others go on.
    htpasswd(users, BOB)
    reload(one, lab, lambda: one.curl(url, "-U", "alice:new").status == 407, "the removal")
    assert get(tunnel) == 403
    tunnel.close()
    assert one.curl(url, "-U", BOB).status == 200
    check = subprocess.run([one.binary, "-c", one.config_path, "--check"], capture_output=True, text=True,
                           timeout=20, check=False)
    assert check.returncode == 0, check
    os.unlink(users)
    check = subprocess.run([one.binary, "-c", one.config_path, "--check"], capture_output=True, text=True,
                           timeout=20, check=False)
    assert check.returncode == 78 and users in check.stderr, check


# TLS listeners

@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_to_the_proxy_with_a_password(gate, lab, body, certificates, scheme):
    """Within https, TLS within TLS."""
    entry = released(gate.secure(certificates, lab.url(HOST, GOOD, scheme), "-U", ALICE), body[GOOD])
    assert entry["user"] == "alice" and entry["tls"] in ("TLSv1.3", "TLSv1.2"), entry
    if scheme == "http":
        assert gate.secure(certificates, lab.url(HOST, GOOD)).status == 407


@pytest.mark.parametrize("path", ["/01/size-64m", "/01/size-300k"])
def test_tls_in_tls_carries_much(gate, lab, certificates, path):
    wanted = {r.path: r.body for r in lab.catalogue("01")}[path]
    released(gate.secure(certificates, lab.url(HOST, path, "https"), "-U", ALICE), wanted)


def test_tls_in_tls_sent_byte_by_byte_and_upwards(gate, lab, certificates):
    """A large upload through both layers, with small records."""
    url = lab.odd("plain.lab.example", "echo", "https")
    data = os.path.join(gate.directory, "upload")
    with open(data, "wb") as f:
        f.write(os.urandom(3_000_000))
    response = gate.secure(certificates, url, "-U", ALICE, "--data-binary", f"@{data}", "-H", "Expect:")
    assert response.exit == 0 and response.status == 200, response


@pytest.mark.parametrize("user, name", [("user-cn", "Carol CN"), ("user-email", "dave@users.example"),
                                        ("user-uri", "urn:user:erin")])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_certificate_names_the_user(gate, lab, body, certificates, user, name, scheme):
    for port in (gate.tls, gate.strict):
        entry = released(gate.secure(certificates, lab.url(HOST, GOOD, scheme), port=port, user=user),
                         body[GOOD])
        assert entry["user"] == name, entry


def test_certificates_that_are_no_good(gate, lab, certificates):
    url = lab.url(HOST, GOOD)
    for user in ("user-other", "user-expired"):
        for port in (gate.tls, gate.strict):
            assert gate.secure(certificates, url, port=port, user=user).exit != 0, user
    assert gate.secure(certificates, url, port=gate.strict).exit != 0, "none at all"
    assert gate.secure(certificates, url, "-U", ALICE, port=gate.strict).exit != 0, "a password is not one"
    assert gate.secure(certificates, url, port=gate.strict, user="user-bad").status == 407, "no name in it"


def test_plain_bytes_to_a_tls_listener_and_silence(gate, lab):
    with contextlib.closing(socket.create_connection(("127.0.0.1", gate.tls), 10)) as s:
        s.sendall(request(lab, basic(ALICE)))
        answer = proxymodule.read_all(s, 10)
        assert b"HTTP/1.1 200" not in answer and answer.how != "timeout", answer


def test_tls_behind_a_proxy_header(dived, lab, certificates, body):
    """A load balancer's header comes in the clear, before TLS."""
    port = proxymodule.free_port()
    one = dived(listeners=lambda plain: [
        {"address": f"127.0.0.1:{plain}"},
        {"address": f"127.0.0.1:{port}", "proxy-protocol": ["127.0.0.0/8"],
         "tls": {"certificate": certificates("proxy.crt"), "key": certificates("proxy.key"),
                 "client-ca": certificates("ca.crt")}}])
    context = ssl.create_default_context(cafile=certificates("ca.crt"))
    context.load_cert_chain(certificates("user-cn.crt"), certificates("user-cn.key"))
    raw = socket.create_connection(("127.0.0.1", port), 10)
    raw.sendall(b"PROXY TCP4 127.0.0.9 127.0.0.1 1000 2000\r\n")
    mark = one.log_mark()
    with contextlib.closing(context.wrap_socket(raw, server_hostname="localhost")) as s:
        status, _, content = ask(one, s, lab)
        assert status == 200 and content == body[GOOD]
    entry = one.log_entry(mark)
    assert entry["client"] == "127.0.0.9" and entry["user"] == "Carol CN", entry


def test_alpn_is_http_1_1(gate, certificates):
    context = ssl.create_default_context(cafile=certificates("ca.crt"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with contextlib.closing(context.wrap_socket(socket.create_connection(("127.0.0.1", gate.tls), 10),
                                                server_hostname="localhost")) as s:
        assert s.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(socket.create_connection(("127.0.0.1", gate.tls), 10),
                            server_hostname="localhost")


def test_an_opaque_tunnel_through_tls(dived, lab, certificates, body, tmp_path):
    """Spliced: the origin's own certificate is seen through the proxy's TLS."""
    port = proxymodule.free_port()
    one = dived(interception={"splice": [HOST]},
                listeners=lambda plain: [
                    {"address": f"127.0.0.1:{plain}"},
                    {"address": f"127.0.0.1:{port}", "tls": {"certificate": certificates("proxy.crt"),
                                                             "key": certificates("proxy.key")}}])
    response = one.curl(lab.url(HOST, "/01/size-300k", "https"), "--proxy-cacert", certificates("ca.crt"),
                        "--cacert", lab.origin_ca, proxy=f"https://localhost:{port}")
    assert response.status == 200 and response.body == body["/01/size-300k"], response


def test_reload_of_the_certificate(dived, lab, certificates, tmp_path):
    port = proxymodule.free_port()
    for name in ("proxy.crt", "proxy.key"):
        shutil.copy(certificates(name), tmp_path / name)
    tls = {"certificate": str(tmp_path / "proxy.crt"), "key": str(tmp_path / "proxy.key")}
    one = dived(listeners=lambda plain: [{"address": f"127.0.0.1:{plain}"},
                                         {"address": f"127.0.0.1:{port}", "tls": tls}])

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)

    first = shown()
    (tmp_path / "proxy.crt").write_text("nonsense", encoding="utf-8")
    reload(one, lab, lambda: "proxy.crt can't be used" in one.stderr(), "the complaint")
    assert shown() == first
    for end in (".crt", ".key"):
        shutil.copy(certificates("user-cn" + end), tmp_path / ("proxy" + end))
    reload(one, lab, lambda: shown() != first, "the new certificate")


def test_a_key_that_does_not_fit(lab, binary, certificates, tmp_path):
    path = str(tmp_path / "dived.yaml")
    proxymodule.write_config(lab, path, str(tmp_path), 1, listeners=[
        {"address": "127.0.0.1:1", "tls": {"certificate": certificates("proxy.crt"),
                                           "key": certificates("user-cn.key")}}])
    done = subprocess.run([binary, "-c", path, "--check"], capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == 78 and "user-cn.key can't be used" in done.stderr, done


# Kerberos

def negotiate(kdc, gate, url, *args):
    """curl with the ticket that is there."""
    old = dict(os.environ)
    os.environ.update({k: kdc.env[k] for k in ("KRB5_CONFIG", "KRB5CCNAME")})
    try:
        return gate.curl(url, "--proxy-negotiate", "-U", ":", *args)
    finally:
        os.environ.clear()
        os.environ.update(old)


def capture_token(kdc):
    """What curl would send to a proxy on localhost: the value of Proxy-Authorization."""
    with contextlib.closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        env = {**kdc.env}
        curl = subprocess.Popen(["curl", "-q", "-s", "--max-time", "20", "-x",
                                 f"http://localhost:{listening.getsockname()[1]}", "--proxy-negotiate",
                                 "-U", ":", "http://x.example/"], env=env, stdout=subprocess.DEVNULL)
        listening.settimeout(20)
        s, _ = listening.accept()
        head = proxymodule.read_until(s, b"\r\n\r\n", 20).decode()
        s.close()
        curl.wait(20)
    return [line.split(":", 1)[1].strip() for line in head.split("\r\n")
            if line.lower().startswith("proxy-authorization:")][0]


@pytest.fixture
def ticket(kdc):
    kdc.login("alice", "wonder")
    return kdc


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_ticket_is_enough(kerberos, ticket, lab, body, scheme):
    entry = released(negotiate(ticket, kerberos, lab.url(HOST, GOOD, scheme)), body[GOOD])
    assert entry["user"] == "alice", entry


def test_both_schemes_are_offered(kerberos, lab, body):
    response = kerberos.curl(lab.url(HOST, GOOD))
    assert response.status == 407
    assert [v for k, v in response.fields if k == "proxy-authenticate"] == \
        ["Negotiate", 'Basic realm="dived", charset="UTF-8"'], response
    assert released(kerberos.curl(lab.url(HOST, GOOD), "-U", ALICE), body[GOOD])["user"] == "alice"


def test_a_ticket_counts_for_the_connection_and_once(kerberos, ticket, lab):
    token = capture_token(ticket)
    assert token.startswith("Negotiate ")
    with contextlib.closing(kerberos.connect()) as s:
        assert ask(kerberos, s, lab, token)[0] == 200
        assert ask(kerberos, s, lab)[0] == 200, "the same connection"
        assert ask(kerberos, s, lab, basic("alice:wrong"))[0] == 407, "but what is said counts"
        assert ask(kerberos, s, lab)[0] == 407
    with contextlib.closing(kerberos.connect()) as s:
        assert ask(kerberos, s, lab, token)[0] == 407, "a replay"
        assert ask(kerberos, s, lab)[0] == 407


@pytest.mark.parametrize("token", ["Negotiate YWJj", "Negotiate " + "A" * 40000,
                                   "Negotiate " + base64.b64encode(b"NTLMSSP\0\1\0\0\0").decode()],
                         ids=["short", "large", "ntlm"])
def test_tokens_that_are_none(kerberos, lab, token):
    with contextlib.closing(kerberos.connect()) as s:
        for _ in range(3):
            status, fields, _ = ask(kerberos, s, lab, token)
            assert status == 407 and "proxy-authenticate" in fields
        assert ask(kerberos, s, lab, basic(ALICE))[0] == 200


def test_a_token_larger_than_a_head(kerberos, lab):
    answer = kerberos.raw(request(lab, "Negotiate " + "A" * 70000))
    assert answer.startswith(b"HTTP/1.1 431 "), answer[:100]


def test_a_ticket_that_has_expired(kerberos, kdc, lab):
    kdc.login("alice", "wonder", "-l", "3s")
    token = capture_token(kdc)
    time.sleep(3 + 5 + 1.5)  # its life, and the clock skew of the lab's krb5.conf
    with contextlib.closing(kerberos.connect()) as s:
        assert ask(kerberos, s, lab, token)[0] == 407
    assert "Negotiate failed" in kerberos.stderr()


def test_another_realm_and_another_key(dived, ticket, lab, tmp_path):
    environment = {k: ticket.env[k] for k in ("KRB5_CONFIG", "KRB5RCACHEDIR")}
    url = lab.url(HOST, GOOD)

    def get(**settings):
        one = dived(environment=environment, access={"negotiate": settings})
        return negotiate(ticket, one, url, "-x", f"http://localhost:{one.port}")

    keytab = ticket.path("http.keytab")
    assert get(keytab=keytab, realm="OTHER.EXAMPLE").status == 407
    assert get(keytab=keytab).log()["user"] == "alice@" + kdcmodule.REALM
    stale = str(tmp_path / "stale.keytab")
    ticket.service("HTTP/elsewhere", "elsewhere.keytab")
    shutil.copy(ticket.path("elsewhere.keytab"), stale)
    assert get(keytab=stale).status == 407, "no key of HTTP/localhost"


def test_a_keytab_that_is_none(lab, binary, kdc, tmp_path):
    path = str(tmp_path / "dived.yaml")
    for keytab in (str(tmp_path / "absent"), kdc.service("host/localhost", "host.keytab")):
        proxymodule.write_config(lab, path, str(tmp_path), 1, access={"negotiate": {"keytab": keytab}})
        done = subprocess.run([binary, "-c", path, "--check"], capture_output=True, text=True, timeout=20,
                              check=False, env={**os.environ, "KRB5_CONFIG": kdc.env["KRB5_CONFIG"]})
        assert done.returncode == 78 and keytab in done.stderr, done
