# SPDX-License-Identifier: BSD-2-Clause
"""A gateway: clients that know of no proxy, nft rules from docs/nft as they stand there, dived between."""
import contextlib
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

import netns
import proxy as proxymodule
import pytest
from conftest import SHORT
from expect import blocked, eventually, passed, released
from parent import Parent

NFT = os.path.join(proxymodule.ROOT, "docs", "nft")
WHY_NOT = netns.why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=f"no gateway can be tried: {WHY_NOT}")

GOOD, FORGED = "/01/size-1k", "/01/size-1k-flipped"
# Short, but not so short that a loaded machine can't keep up.
TIMEOUTS = dict(SHORT, **{"client-head": "4s", "tls-handshake": "10s", "origin-head": "10s", "origin-idle": "10s"})
OPEN_NETWORKS = ["203.0.113.0/24", "2001:db8:77::/64"]


class GatewayProxy(proxymodule.Proxy):
    """dived on the gateway. Clients are in a network of their own."""

    def __init__(self, lab, net, transparent=None, **changes):
        self.net = net
        how = transparent or {}
        listeners = [{"address": a, "mode": "transparent", **how} for a in ("0.0.0.0:3129", "[::]:3129")]
        listeners += [{"address": a, "mode": "transparent", "tproxy": True, **how}
                      for a in ("0.0.0.0:3130", "[::]:3130")]
        base = {"origins": {"allow-networks": OPEN_NETWORKS},
                "access": {"clients": ["127.0.0.0/8", "192.168.77.0/24", "fd77::/64"]},
                "timeouts": TIMEOUTS}
        for section, value in changes.items():
            base[section] = {**base.get(section, {}), **value} if isinstance(value, dict) else value
        base["listeners"] = listeners + base.pop("more_listeners", [])
        super().__init__(lab, wrapper=net.gateway.enter, **base)

    def _listens(self):
        self.port = 3130  # no rule set keeps anybody off this one
        with self.net.gateway.entered():
            return super()._listens()

    def start(self):
        """The connection that tried whether it listens is in the log before a test looks at that."""
        super().start()
        eventually(lambda: self.log_entries() or "closed: not in" in self.stderr(), 10, "the first entry")
        return self

    def get(self, host, path="/plain", *args, scheme="http", to=None, **how):
        """curl on the client's machine, which thinks that `host` has the address `to`."""
        to = to or self.net.ORIGIN4
        where = f"{host}:{443 if scheme == 'https' else 80}:{'[' + to + ']' if ':' in to else to}"
        with self.net.client.entered():
            response = self.curl(f"{scheme}://{host}{path}", "--noproxy", "*", "--resolve", where, *args, **how)
        # Of this request: entries of earlier ones may come late.
        response.log = lambda match="": self.log_entry(response.mark, match or f"//{host}{path}")
        return response

    def talk(self, data, to, port=80, timeout=15):
        """Sends bytes from the client's machine; all that comes back. A reset may be faster than we are."""
        try:
            with self.net.client.connect((to, port), timeout=timeout) as s:
                s.sendall(data)
                return proxymodule.read_all(s, timeout)
        except ConnectionError:
            return proxymodule.Ending(b"")


def nginx(lab, net, directory):
    """The lab's site at the origin's addresses, on the ports that the world uses."""
    pki = lab.path("pki")
    with open(lab.path("nginx", "nginx.conf"), encoding="utf-8") as f:
        user = f.readline() if os.geteuid() == 0 else ""
    listen = lambda port, more="": "".join(f"    listen {a}:{port}{more};\n" for a in
                                           (net.ORIGIN4, f"[{net.ORIGIN6}]", net.HIDDEN4))
    conf = os.path.join(directory, "nginx.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"""{user}daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {directory}/tmp; proxy_temp_path {directory}/tmp; fastcgi_temp_path {directory}/tmp;
  uwsgi_temp_path {directory}/tmp; scgi_temp_path {directory}/tmp;
  log_format lab '$scheme $host "$request" $status $remote_addr';
  access_log {directory}/access.log lab;
  server {{
{listen(80)}    include {lab.path('nginx', 'site.conf')};
  }}
  server {{
{listen(443, " ssl")}    ssl_certificate {pki}/origins.crt;
    ssl_certificate_key {pki}/origins.key;
    include {lab.path('nginx', 'site.conf')};
  }}
}}
""")
    log = open(os.path.join(directory, "nginx.log"), "ab")
    return subprocess.Popen([*net.origin.enter, "nginx", "-p", directory, "-c", conf, "-e", "stderr"],
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            preexec_fn=proxymodule.die_with_parent)


@pytest.fixture(scope="module")
def net(lab, tmp_path_factory):
    """The networks, with DNS on the gateway and a web server at the origin."""
    made = netns.Gateway()
    server = None
    try:
        made.bridge(made.gateway, lab.ports["dns"])
        made.gateway.run("sh", os.path.join(NFT, "tproxy-routes.sh"))
        directory = str(tmp_path_factory.mktemp("origin"))
        server = nginx(lab, made, directory)

        def listening():
            with made.origin.entered():
                with socket.socket() as s:
                    return s.connect_ex((made.ORIGIN4, 443)) == 0
        eventually(listening, 15, "nginx")
        yield made
    finally:
        if server is not None:
            server.terminate()
            server.wait(10)
        made.delete()


def load(net, way):
    net.gateway.run("nft", "-f", os.path.join(NFT, f"{way}.nft"))


class OnGateway:
    """One dived at a time has the gateway's ports; another configuration takes a restart."""

    def __init__(self, lab, net, binary):
        self.lab, self.net, self.binary, self.one, self.changes = lab, net, binary, None, None

    def stop(self):
        one, self.one = self.one, None
        if one is not None:
            wrong = one.stop()
            assert wrong is None, f"{wrong}\n(files: {one.directory})"
            one.remove()

    def get(self, **changes):
        if self.one is None or not self.one.alive() or self.changes != changes:
            self.stop()
            self.changes = changes
            self.one = GatewayProxy(self.lab, self.net, binary=self.binary, **changes).start()
        return self.one


@pytest.fixture(scope="module")
def on_gateway(lab, net, binary):
    holder = OnGateway(lab, net, binary)
    yield holder
    holder.stop()


STANDARD = {"interception": {"splice": ["bank.lab.example", "203.0.113.14"]},
            "rules": [{"host": "denied.lab.example", "deny": True}, {"destination": "203.0.113.13/32", "deny": True},
                   {"host": "ruled.lab.example", "splice": True}]}


@pytest.fixture(scope="module", params=["redirect", "tproxy"])
def way(request):
    return request.param


@pytest.fixture
def gate(way, net, on_gateway):
    """The gateway's dived behind one kind of rule set."""
    load(net, way)
    return on_gateway.get(**STANDARD)


@pytest.fixture
def other(net, on_gateway):
    """The same with another configuration, behind REDIRECT: other(**changes)."""
    load(net, "redirect")
    return on_gateway.get


@pytest.fixture(params=["v4", "v6"])
def origin(request, net):
    return net.ORIGIN4 if request.param == "v4" else net.ORIGIN6


class Server:
    """A server of a few lines at an address of the origin: `handle(socket)` a connection, in threads."""

    def __init__(self, net, address, port, handle, tls=None):
        self.listening, self.handle, self.tls = net.origin.listen(address, port), handle, tls
        self.accepted, self.ending = 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending.is_set():
            if select.select([self.listening], [], [], 0.1)[0]:
                s, _ = self.listening.accept()
                self.accepted += 1
                threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        s.settimeout(20)
        with contextlib.suppress(OSError, ssl.SSLError):
            if self.tls:
                s = self.tls.wrap_socket(s, server_side=True)
            self.handle(s)
        s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join(5)
        self.listening.close()


def http(body, fields=""):
    """A handler that answers every request on a connection with `body`."""
    def handle(s):
        while proxymodule.read_until(s, b"\r\n\r\n"):
            s.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body)
    return handle


def origin_tls(lab, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(lab.path("pki", certificate + ".crt"), lab.path("pki", certificate + ".key"))
    return context


def asked(net_origin_log, text):
    with open(net_origin_log, encoding="utf-8") as f:
        return sum(text in line for line in f)


def stderr_mark(one):
    return len(one.stderr())


def says(one, mark, text):
    eventually(lambda: text in one.stderr()[mark:], 5, f"a log line with {text!r}")


# ---- what a download becomes ----

@pytest.mark.parametrize("scheme", ["http", "https"])
def test_signed_is_released_and_forged_is_blocked(gate, net, origin, scheme):
    response = gate.get("dive01.example", GOOD, scheme=scheme, to=origin)
    entry = released(response, response.body)
    assert len(response.body) == 1024, response
    assert entry["client"] == (net.CLIENT6 if ":" in origin else net.CLIENT4), entry
    assert entry["url"] == f"{scheme}://dive01.example{GOOD}" and entry["method"] == "GET", entry
    blocked(gate.get("dive01.example", FORGED, scheme=scheme, to=origin), "signature-mismatch")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_is_not_protected_passes(gate, origin, scheme):
    passed(gate.get("plain.lab.example", scheme=scheme, to=origin), b"plain text\n")


def test_a_name_in_the_splice_list_keeps_its_own_certificate(gate, lab, origin):
    mark = gate.log_mark()
    response = gate.get("bank.lab.example", FORGED, "--cacert", lab.origin_ca, scheme="https", to=origin)
    assert response.exit == 0 and response.status == 200, response
    entry = gate.log_entry(mark, "bank.lab.example:443")
    assert entry["verdict"] == "exempt" and entry["action"] == "streamed" and entry["method"] == "", entry
    response = gate.get("plain.lab.example", "/plain", "--cacert", lab.origin_ca, scheme="https", to=origin)
    assert response.exit == 60, response


def test_a_rule_splices(gate, net):
    assert server_certificate(net, client_hello("ruled.lab.example"), net.ORIGIN4) == LAB_CA


def test_an_address_in_the_splice_list(gate, lab, net):
    with Server(net, "203.0.113.14", 443, http(b"unseen"), origin_tls(lab, "origins")):
        response = gate.get("plain.lab.example", "/", "--cacert", lab.origin_ca, scheme="https",
                            to="203.0.113.14")
    assert response.body == b"unseen", response


@pytest.mark.parametrize("host,to", [("denied.lab.example", None), ("plain.lab.example", "203.0.113.13")])
def test_rules_deny_by_name_and_by_address(gate, net, host, to):
    mark = stderr_mark(gate)
    response = gate.get(host, to=to)
    assert response.status == 403, response
    response = gate.get(host, scheme="https", to=to)
    assert response.exit in (35, 56), response
    says(gate, mark, "denied by the rule in ")


def test_a_policy_that_requires_https_is_kept(gate, net):
    """Upgraded, at the address that the client chose."""
    response = gate.get("https.lab.example", GOOD)
    assert response.status == 200 and len(response.body) == 1024, response


def test_the_trace_has_the_original_destination(gate, origin):
    entry = gate.get("dive01.example", GOOD, to=origin).log()
    done = gate.divectl("trace", entry["exchange"], "--json", "--socket",
                        os.path.join(gate.directory, "control.sock"))
    trace = json.loads(done.stdout)
    assert trace.get("destination") == (f"[{origin}]:80" if ":" in origin else f"{origin}:80"), done.stdout


def test_one_connection_for_several_hosts(gate, net):
    """Unlike CONNECT: nobody has named a host for the connection."""
    with net.client.connect((net.ORIGIN4, 80)) as s:
        for host in ("plain.lab.example", "other.lab.example", "dive01.example"):
            s.sendall(f"GET {GOOD} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            status, _, body = proxymodule.read_response(s)
            assert status == 200 and len(body) == 1024, host


# ---- what isn't meant for a proxy ----

@pytest.mark.parametrize("target,method", [("http://plain.lab.example/plain", "GET"),
                                           ("plain.lab.example:443", "CONNECT")])
def test_what_one_says_to_a_proxy_is_refused(gate, net, target, method):
    host = "plain.lab.example:443" if method == "CONNECT" else "plain.lab.example"
    got = gate.talk(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(),
                    net.ORIGIN4)
    assert got.startswith(b"HTTP/1.1 400 ") and b"plain text" not in got, got


def test_purge_is_the_origins(gate, net):
    got = gate.talk(b"PURGE /plain HTTP/1.1\r\nHost: plain.lab.example\r\nConnection: close\r\n\r\n",
                    net.ORIGIN4)
    assert b"nothing is stored" not in got and b"no cache" not in got, got


def test_a_host_with_another_port_is_misdirected(gate, net):
    got = gate.talk(b"GET /plain HTTP/1.1\r\nHost: plain.lab.example:8080\r\nConnection: close\r\n\r\n",
                    net.ORIGIN4)
    assert got.startswith(b"HTTP/1.1 421 "), got


def test_http_1_0_without_a_host_goes_to_the_address(gate, origin):
    got = gate.talk(b"GET /plain HTTP/1.0\r\n\r\n", origin)
    assert got.endswith(b"plain text\n"), got


# ---- other protocols ----

def ssh_like(s):
    s.sendall(b"SSH-2.0-lab\r\n")
    line = proxymodule.read_until(s, b"\n")
    s.sendall(b"you said " + line)


@pytest.mark.parametrize("address", ["203.0.113.12", "2001:db8:77::12"])
def test_a_protocol_whose_server_speaks_first_passes(gate, net, address):
    with Server(net, address, 443, ssh_like):
        with net.client.connect((address, 443)) as s:
            assert proxymodule.read_until(s, b"\n") == b"SSH-2.0-lab\r\n"
            s.sendall(b"SSH-2.0-client\r\n")
            assert proxymodule.read_all(s) == b"you said SSH-2.0-client\r\n"


@pytest.mark.parametrize("hello", [b"EHLO me\r\n", b"\x00\x01\x02\x03", b"\x80\x2e\x01\x00\x02"])
def test_a_protocol_whose_client_speaks_first_passes(gate, net, hello):
    with Server(net, "203.0.113.12", 80, lambda s: s.sendall(b"got " + s.recv(100))):
        assert gate.talk(hello, "203.0.113.12") == b"got " + hello


def test_a_server_that_only_speaks_is_heard_to_its_end(gate, net):
    words = b"0123456789abcdef" * 20000
    with Server(net, "203.0.113.12", 80, lambda s: s.sendall(words)):
        with net.client.connect(("203.0.113.12", 80)) as s:
            got = proxymodule.read_all(s)
    assert got == words and got.how == "eof", (len(got), got.how)


def test_an_origin_cannot_talk_its_way_past(gate, net):
    """It greets like another protocol, and then the client speaks TLS or HTTP."""
    for words in (b"GET / HTTP/1.1\r\nHost: dive01.example\r\n\r\n", client_hello("dive01.example")):
        with Server(net, "203.0.113.12", 80, ssh_like):
            with net.client.connect(("203.0.113.12", 80)) as s:
                assert proxymodule.read_until(s, b"\n") == b"SSH-2.0-lab\r\n"
                s.sendall(words)
                assert proxymodule.read_all(s) == b""


def test_other_protocols_can_be_closed(other, net):
    one = other(transparent={"other": "close"})
    with Server(net, "203.0.113.12", 80, ssh_like) as server:
        mark = stderr_mark(one)
        assert one.talk(b"EHLO me\r\n", "203.0.113.12") == b""
        says(one, mark, "other: close")
        with net.client.connect(("203.0.113.12", 80)) as s:  # silence, until time is up
            got = proxymodule.read_all(s, 15)
        assert got == b"" and got.how != "timeout"
        assert server.accepted == 0, "the origin was connected to for nothing"


# ---- behind a parent proxy ----

REFUSES = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def upstream(net):
    """A parent proxy on the gateway that refuses whatever it is asked for."""
    with net.gateway.entered():
        one = Parent(answer=REFUSES)
    with one:
        yield one


def test_other_protocols_go_by_the_parent_too(other, net, upstream):
    one = other(origins={"parent": f"http://127.0.0.1:{upstream.port}"})
    with Server(net, "203.0.113.12", 80, ssh_like) as server:
        assert one.talk(b"EHLO me\r\n", "203.0.113.12") == b""
        assert [r.target for r in upstream.asked("CONNECT")] == ["203.0.113.12:80"]
        assert server.accepted == 0


@pytest.mark.parametrize("patience", [0, 0.6])
def test_a_rule_for_a_name_has_its_parent_however_late_the_name_comes(other, net, upstream, patience):
    """The address alone goes straight: a connection may stand already when the name comes."""
    one = other(rules=[{"host": "plain.lab.example", "parent": f"http://127.0.0.1:{upstream.port}"}])
    with net.client.connect((net.ORIGIN4, 443)) as raw:
        time.sleep(patience)
        context = ssl.create_default_context(cafile=one.ca)
        with context.wrap_socket(raw, server_hostname="plain.lab.example") as s:
            s.sendall(b"GET /plain HTTP/1.1\r\nHost: plain.lab.example\r\nConnection: close\r\n\r\n")
            got = proxymodule.read_all(s, 15)
    assert b" 502 " in got.split(b"\r\n")[0] and b"plain text" not in got, got[:300]
    targets = {r.target.rpartition(":")[0] for r in upstream.asked("CONNECT")}
    assert targets and targets <= {net.ORIGIN4, "plain.lab.example"}, targets


# ---- TLS ----

def extension(kind, data):
    return struct.pack("!HH", kind, len(data)) + data


def client_hello(name, *more, versions=(0x0303,)):
    """The bytes of a ClientHello of TLS 1.2, so that the server's certificate can be read."""
    def vector(data, n):
        return len(data).to_bytes(n, "big") + data
    extensions = b"".join(more)
    if name:
        extensions += extension(0, vector(b"\0" + vector(name.encode(), 2), 2))
    extensions += extension(10, vector(struct.pack("!HHH", 29, 23, 24), 2))
    extensions += extension(11, vector(b"\0", 1))
    extensions += extension(13, vector(struct.pack("!6H", 0x0403, 0x0503, 0x0804, 0x0401, 0x0805, 0x0501), 2))
    extensions += extension(43, vector(b"".join(struct.pack("!H", v) for v in versions), 1))
    body = (b"\x03\x03" + os.urandom(32) + vector(os.urandom(32), 1) +
            vector(struct.pack("!4H", 0xc02b, 0xc02f, 0xc02c, 0xc030), 2) + b"\x01\x00" + vector(extensions, 2))
    message = b"\x01" + vector(body, 3)
    return b"\x16\x03\x01" + vector(message, 2)


# What a browser sends as a decoy (draft-ietf-tls-esni section 6.2): outer, KDF, AEAD, id, enc, payload.
GREASE_ECH = extension(0xfe0d, b"\x00" + struct.pack("!HHB", 1, 1, 7) + struct.pack("!H", 32) + bytes(range(32)) +
                       struct.pack("!H", 144) + bytes(144))


def server_certificate(net, hello, to):
    """The issuer's name in what the server answers, or how the connection ended."""
    from cryptography import x509
    with net.client.connect((to, 443)) as s:
        s.sendall(hello)
        got, deadline = b"", time.monotonic() + 15
        while b"\x0e\x00\x00\x00" not in got and time.monotonic() < deadline:
            try:
                piece = s.recv(65536)
            except ConnectionError:
                return "reset"
            if not piece:
                return "closed"
            got += piece
    messages, at = b"", 0
    while at + 5 <= len(got) and got[at] == 22:
        length = int.from_bytes(got[at + 3:at + 5], "big")
        messages += got[at + 5:at + 5 + length]
        at += 5 + length
    at = 0
    while messages[at] != 11:
        at += 4 + int.from_bytes(messages[at + 1:at + 4], "big")
    length = int.from_bytes(messages[at + 7:at + 10], "big")
    certificate = x509.load_der_x509_certificate(messages[at + 10:at + 10 + length])
    return certificate.issuer.rfc4514_string()


LAB_CA = "CN=DIVE lab origins"


def is_ours(issuer):
    return "dived" in issuer.lower()


def test_a_decoy_of_encrypted_client_hello_is_intercepted(gate, net, origin):
    assert is_ours(server_certificate(net, client_hello("dive01.example"), origin))
    assert is_ours(server_certificate(net, client_hello("dive01.example", GREASE_ECH), origin))


@pytest.mark.parametrize("policy,issuer", [("splice", LAB_CA), ("close", "reset")])
def test_encrypted_client_hello_can_be_spliced_or_closed(other, net, policy, issuer):
    one = other(transparent={"ech": policy})
    assert server_certificate(net, client_hello("dive01.example", GREASE_ECH), net.ORIGIN4) == issuer
    assert is_ours(server_certificate(net, client_hello("dive01.example"), net.ORIGIN4))
    assert one.alive()


def test_tls_without_a_name_is_closed_where_dive_is_enforced(gate, net, origin):
    mark = stderr_mark(gate)
    assert server_certificate(net, client_hello(None), origin) == "reset"
    says(gate, mark, "no-sni: close")
    assert server_certificate(net, client_hello(origin), origin) == "reset"  # an address is no name


@pytest.mark.parametrize("changes", [{"transparent": {"no-sni": "splice"}}, {"dive": {"mode": "report-only"}}])
def test_tls_without_a_name_can_be_spliced(other, net, changes):
    other(**changes)
    assert server_certificate(net, client_hello(None), net.ORIGIN4) == LAB_CA


@pytest.mark.parametrize("how", ["bytes", "records"])
def test_a_client_hello_in_pieces(gate, net, how):
    """One byte a segment, or a few bytes a record: the name is found, and the handshake is completed."""
    context = ssl.create_default_context(cafile=gate.ca)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="plain.lab.example")
    with net.client.connect((net.ORIGIN4, 443)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        hello = outgoing.read()
        if how == "bytes":
            for i in range(0, len(hello)):
                s.sendall(hello[i:i + 1])
        else:
            for i in range(5, len(hello), 50):
                piece = hello[i:i + 50]
                s.sendall(hello[:3] + struct.pack("!H", len(piece)) + piece)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                s.sendall(outgoing.read())
                incoming.write(s.recv(65536))
        tls.write(b"GET /plain HTTP/1.1\r\nHost: plain.lab.example\r\nConnection: close\r\n\r\n")
        s.sendall(outgoing.read())
        got = b""
        while b"plain text" not in got:
            try:
                got += tls.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(s.recv(65536))


def test_what_begins_like_tls_and_is_not_is_closed(gate, net):
    assert gate.talk(b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", net.ORIGIN4, 443) == b""


# ---- who lies about the name ----

def test_a_spoofed_server_name_is_not_vouched_for(gate, lab, net):
    """The address is somebody else's: its certificate isn't for the name, so its content isn't shown."""
    with Server(net, "203.0.113.12", 443, http(b"evil"), origin_tls(lab, "wrongname")):
        response = gate.get("plain.lab.example", "/", scheme="https", to="203.0.113.12")
    assert response.status == 502 and b"evil" not in response.body, response
    assert "tls_certificate_error" in (response.field("proxy-status") or ""), response


def test_another_host_inside_of_tls_is_misdirected(gate):
    response = gate.get("plain.lab.example", "/plain", "-H", "Host: dive01.example", scheme="https")
    assert response.status == 421, response


CACHE = {"cache": {"memory": "16MiB"}}
FRESH = "Cache-Control: max-age=600\r\n"


def test_a_spoofed_host_is_neither_stored_nor_answered_from_the_cache(other, lab, net):
    one = other(**CACHE)
    host = f"spoofed{os.getpid()}.lab.example"
    lab.dns.replace(host, "A", ["203.0.113.12"], ttl=60)
    with Server(net, "203.0.113.12", 80, http(b"genuine", FRESH)) as genuine, \
            Server(net, net.OTHER4, 80, http(b"spoofed", FRESH)) as spoof:
        for _ in range(2):
            response = one.get(host, "/a", to=net.OTHER4)
            assert response.body == b"spoofed", response
            assert response.log()["cache"] in ("bypass", "miss"), response
        assert spoof.accepted > 0
        assert one.get(host, "/a", to="203.0.113.12").body == b"genuine"

        def stored():
            response = one.get(host, "/a", to="203.0.113.12")
            assert response.body == b"genuine", response
            return response.log()["cache"] == "hit"
        eventually(stored, 10, "a hit")
        assert genuine.accepted > 0
        # The stored one is not for who goes elsewhere, and what is fetched there does not replace it.
        assert one.get(host, "/a", to=net.OTHER4).body == b"spoofed"
        response = one.get(host, "/a", to="203.0.113.12")
        assert response.body == b"genuine" and response.log()["cache"] == "hit", response
        # Nor does a request that would make it obsolete. Its entry in the log may come after its answer.
        mark = one.log_mark()
        one.talk(f"POST /a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode(),
                 net.OTHER4)
        eventually(lambda: any(e["method"] == "POST" for e in one.log_entries(mark)), 10, "the POST's entry")
        assert one.get(host, "/a", to="203.0.113.12").log()["cache"] == "hit"


def test_tls_proves_the_name_wherever_it_leads(other, lab, net):
    """The zone says 127.0.0.1; the certificate is what counts."""
    one = other(**CACHE)
    path = "/01/cacheable"
    first = one.get("dive01.example", path, scheme="https")
    assert first.status == 200, first
    eventually(lambda: one.get("dive01.example", path, scheme="https").log()["cache"] == "hit", 10, "a hit")
    # In the clear it isn't proven: 127.0.0.1 is not where the client went.
    first = one.get("dive01.example", path)
    assert first.status == 200 and one.get("dive01.example", path).log()["cache"] != "hit"


def test_an_address_as_host_is_its_own_proof(other, net):
    one = other(**CACHE)
    with Server(net, "203.0.113.12", 80, http(b"by address", FRESH)):
        ask = lambda: one.get("203.0.113.12", "/b", to="203.0.113.12")
        assert ask().body == b"by address"
        eventually(lambda: ask().log()["cache"] == "hit", 10, "a hit")


# ---- loops, guard, floods ----

@pytest.mark.parametrize("address", ["192.168.77.1", "fd77::1"])
def test_who_connects_to_the_listener_itself_is_told_of_a_loop(gate, net, way, address):
    if way == "redirect":
        net.gateway.run("nft", "delete", "table", "inet", "dived")  # its input chain refuses them itself
    mark = stderr_mark(gate)
    started = gate.descriptors()
    got = gate.talk(b"GET /plain HTTP/1.1\r\nHost: plain.lab.example\r\n\r\n", address,
                    3129 if way == "redirect" else 3130)
    assert got == b"", got
    says(gate, mark, "a loop: the client connected to this transparent listener itself")
    eventually(lambda: gate.descriptors() <= started + 2, 5, "the end of it")


def test_the_rules_keep_clients_off_the_listener(net, gate, way):
    if way == "redirect":
        with pytest.raises(ConnectionRefusedError):
            net.client.connect((net.LAN4, 3129))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_guard_is_on_the_original_destination(gate, lab, net, scheme):
    """A server is there, on an address that isn't global and has no hole in the guard."""
    response = gate.get("plain.lab.example", scheme=scheme, to=net.HIDDEN4)
    assert response.status == 502, response
    assert "destination_ip_prohibited" in response.field("proxy-status"), response
    assert gate.talk(b"EHLO me\r\n", net.HIDDEN4) == b""


def test_what_the_rules_except_is_reached_directly(gate, net):
    """Private networks: the gateway routes, dived sees nothing of it."""
    mark = gate.log_mark()
    net.origin.run("ip", "address", "add", "10.9.9.9/32", "dev", "eth0")
    net.gateway.run("ip", "route", "add", "10.9.9.9", "dev", "wan0")
    try:
        with Server(net, "10.9.9.9", 80, http(b"direct")):
            response = gate.get("plain.lab.example", "/", to="10.9.9.9")
            assert response.body == b"direct" and not response.field("via"), response
        assert gate.log_entries(mark) == []
    finally:
        net.gateway.run("ip", "route", "delete", "10.9.9.9")
        net.origin.run("ip", "address", "delete", "10.9.9.9/32", "dev", "eth0")


def test_a_thousand_clients_that_never_speak(gate, net):
    """They are given timeouts.client-head and no more, and others are served meanwhile."""
    before = gate.descriptors()
    silent = []
    try:
        for i in range(1000):
            silent.append(net.client.connect((net.ORIGIN4, 443 if i % 2 else 80)))
        for s in silent[::3]:
            s.sendall(b"\x16\x03\x01")  # these begin, and stop
        response = gate.get("plain.lab.example")
        assert response.body == b"plain text\n", response
        started = time.monotonic()
        for s in silent:
            s.settimeout(20)
            with contextlib.suppress(ConnectionError):
                assert s.recv(1) == b""
        assert time.monotonic() - started < 20
    finally:
        for s in silent:
            s.close()
    eventually(lambda: gate.descriptors() <= before + 10, 10, "the end of all of them")


def test_clients_outside_of_the_list(other, net):
    one = other(access={"clients": ["127.0.0.0/8"]})
    assert one.get("plain.lab.example").status == 403
    response = one.get("plain.lab.example", scheme="https")
    assert response.exit in (35, 56), response
    with Server(net, "203.0.113.12", 80, ssh_like) as server:
        assert one.talk(b"EHLO me\r\n", "203.0.113.12") == b""
        assert server.accepted == 0


def test_silent_connections_do_not_hold_up_the_end(other, net):
    one = other(timeouts={"client-head": "60s", "drain": "60s"})
    with net.client.connect((net.ORIGIN4, 80)) as s:
        eventually(lambda: "connected to " + net.ORIGIN4 in one.stderr(), 5, "the connection")
        started = time.monotonic()
        assert one.stop(30) is None
        assert time.monotonic() - started < 20
        assert proxymodule.read_all(s, 5) == b""


# ---- a load balancer in front ----

def test_a_proxy_header_names_client_and_destination(other, net):
    """Its client is who is asked about, its destination where the connection goes."""
    one = other(transparent={"proxy-protocol": ["192.168.77.0/24"]},
                access={"clients": ["198.18.0.0/15"]})
    net.gateway.run("nft", "delete", "table", "inet", "dived")
    request = b"GET /plain HTTP/1.1\r\nHost: plain.lab.example\r\nConnection: close\r\n\r\n"
    header = f"PROXY TCP4 198.18.0.9 {net.ORIGIN4} 4711 80\r\n".encode()
    mark = one.log_mark()
    got = one.talk(header + request, net.LAN4, 3129)
    assert got.endswith(b"plain text\n"), got
    assert one.log_entry(mark)["client"] == "198.18.0.9"
    got = one.talk(header.replace(b"198.18.0.9", b"198.51.100.9") + request, net.LAN4, 3129)
    assert got.startswith(b"HTTP/1.1 403 "), got
    mark = stderr_mark(one)
    assert one.talk(b"PROXY UNKNOWN\r\n" + request, net.LAN4, 3129) == b""  # then there is no destination
    says(one, mark, "a loop")
