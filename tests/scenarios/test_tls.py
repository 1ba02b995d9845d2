# SPDX-License-Identifier: BSD-2-Clause
"""CONNECT and TLS: interception, splicing, tunnels, and origins whose certificate is no good."""
import contextlib
import os
import random
import ssl
import stat
import subprocess
import time

import proxy as proxymodule
import pytest
from expect import blocked, proxy_error, released

HOST, GOOD, FLIPPED = "dive01.example", "/01/size-300k", "/01/size-300k-flipped"


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01")}


def get(s, host, path, more=""):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
    return proxymodule.read_response(s)


def test_minted_certificate_names_the_host_and_verifies(proxy, lab):
    with contextlib.closing(proxy.tls(HOST, lab.ports["https"])) as s:
        cert = s.getpeercert()
        assert ("DNS", HOST) in cert["subjectAltName"], cert
        assert s.version() in ("TLSv1.3", "TLSv1.2")


def test_minted_certificate_passes_strict_openssl_checks(proxy, lab):
    done = subprocess.run(
        ["openssl", "s_client", "-proxy", f"127.0.0.1:{proxy.port}", "-connect",
         f"{HOST}:{lab.ports['https']}", "-servername", HOST, "-verify_hostname", HOST, "-CAfile", proxy.ca,
         "-x509_strict", "-verify_return_error", "-brief"], input=b"", capture_output=True, timeout=15,
        check=False)
    assert done.returncode == 0 and b"Verification: OK" in done.stderr + done.stdout, done


def test_ca_is_constrained_and_its_key_private(proxy):
    shown = subprocess.run(["openssl", "x509", "-in", proxy.ca, "-noout", "-text"], capture_output=True,
                           text=True, timeout=10, check=True).stdout
    assert "CA:TRUE" in shown and "Certificate Sign" in shown
    mode = stat.S_IMODE(os.stat(os.path.join(proxy.directory, "ca.key")).st_mode)
    assert mode & 0o077 == 0, oct(mode)


def test_keep_alive_inside_tls(proxy, lab, body):
    with contextlib.closing(proxy.tls(HOST, lab.ports["https"])) as s:
        name = f"{HOST}:{lab.ports['https']}"
        assert get(s, name, GOOD)[2] == body[GOOD]
        assert get(s, name, FLIPPED)[0] == 403
        assert get(s, name, GOOD)[2] == body[GOOD]


def test_tls_1_2_and_1_3_clients(proxy, lab, body):
    for option in ("--tlsv1.3", "--tls-max"):
        args = [option] if option == "--tlsv1.3" else [option, "1.2"]
        released(proxy.curl(lab.url(HOST, GOOD, "https"), *args), body[GOOD])


def test_old_tls_is_refused(proxy, lab):
    response = proxy.curl(lab.url(HOST, GOOD, "https"), "--tls-max", "1.1", "--ciphers", "ALL@SECLEVEL=0")
    assert response.exit in (35, 56, 59), response


def test_http2_clients_are_answered_in_http_1_1(proxy, lab, body):
    released(proxy.curl(lab.url(HOST, GOOD, "https"), "--http2"), body[GOOD])


def test_client_without_sni(proxy, lab, body):
    """An IP address in the URL: no SNI, no policy, a certificate for the address."""
    s, head = proxy.tunnel(HOST, lab.ports["https"])
    assert b" 200" in head
    context = ssl.create_default_context(cafile=proxy.ca)
    context.check_hostname = False
    with contextlib.closing(context.wrap_socket(s)) as t:
        assert get(t, f"{HOST}:{lab.ports['https']}", FLIPPED)[0] == 403


def test_a_client_that_does_not_trust_the_ca_fails_by_itself(proxy, lab):
    response = proxy.curl(lab.url(HOST, GOOD, "https"), "--cacert", lab.origin_ca)
    assert response.exit == 60, response
    assert proxy.curl(lab.url(HOST, "/plain")).exit == 0


@pytest.mark.parametrize("host", ["wrongname", "expired-cert", "selfsigned", "untrusted"])
def test_untrusted_origin_is_an_error_inside_tls(proxy, lab, host):
    response = proxy.curl(lab.url(f"{host}.lab.example", "/plain", "https"))
    proxy_error(response, (502,))
    assert "tls_certificate_error" in response.field("proxy-status"), response
    assert b"plain text" not in response.body


def test_origin_that_speaks_no_tls_is_an_error_not_a_pass(proxy, lab):
    """Inside TLS where the client speaks it: never answered by what the plain port says."""
    response = proxy.curl(f"https://plain.lab.example:{lab.ports['origin']}/b/good")
    proxy_error(response, (502, 504))


def test_a_client_slower_than_the_origins_failure_is_told_too(proxy, lab):
    """The origin has failed before the ClientHello comes: still an answer inside TLS, no bare reset."""
    s, head = proxy.tunnel("plain.lab.example", lab.ports["closed"])
    with contextlib.closing(s):
        if b" 200" not in head.split(b"\r\n")[0]:
            assert b" 502" in head.split(b"\r\n")[0], head
            return
        time.sleep(0.7)
        context = ssl.create_default_context(cafile=proxy.ca)
        with contextlib.closing(context.wrap_socket(s, server_hostname="plain.lab.example")) as t:
            status, fields, _ = get(t, f"plain.lab.example:{lab.ports['closed']}", "/")
            assert status == 502 and fields["proxy-status"].startswith("dived; error="), fields


def test_spliced_host_is_tunnelled_unseen(dived, lab, body):
    one = dived(interception={"splice": ["bank.lab.example", "*.dive01.example"]})
    for host in ("bank.lab.example", "www.dive01.example"):
        response = one.curl(lab.url(host, FLIPPED, "https"), "--cacert", lab.origin_ca)
        assert response.exit == 0 and response.body == body[FLIPPED], response
        assert response.field("via") is None, response
    blocked(one.curl(lab.url(HOST, FLIPPED, "https")), "signature-mismatch", body[FLIPPED])


def test_splice_is_by_the_connect_name_and_sni_together(dived, lab, body):
    """CONNECT to a spliced name with the SNI of a covered one must not smuggle content past us."""
    one = dived(interception={"splice": ["bank.lab.example"]})
    s, head = one.tunnel("bank.lab.example", lab.ports["https"])
    assert b" 200" in head
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError), contextlib.closing(s):
        t = context.wrap_socket(s, server_hostname=HOST)
        try:
            status, _, content = get(t, HOST, FLIPPED)
            assert status != 200 or content != body[FLIPPED]
        except (AssertionError, OSError):
            pass  # refused: as good


def test_interception_off_tunnels_everything(dived, lab, body):
    one = dived(interception={"enabled": False, "ca-certificate": None, "ca-key": None})
    response = one.curl(lab.url(HOST, FLIPPED, "https"), "--cacert", lab.origin_ca)
    assert response.exit == 0 and response.body == body[FLIPPED], response
    blocked(one.curl(lab.url(HOST, FLIPPED)), "signature-mismatch", body[FLIPPED])


def test_connect_to_something_that_is_not_tls(proxy, lab):
    """A client that speaks first, and not TLS: its bytes go to the origin and back, or it is refused."""
    s, head = proxy.tunnel("plain.lab.example", lab.ports["origin"])
    with contextlib.closing(s):
        assert b" 200" in head, head
        s.sendall(b"GET /b/echo HTTP/1.1\r\nHost: plain.lab.example\r\nConnection: close\r\n\r\n")
        got = proxymodule.read_all(s, 10)
    assert got.how != "timeout", got
    if got.startswith(b"HTTP/1.1 200"):
        assert b"GET /b/echo HTTP/1.1" in got


def test_plain_http_in_a_tunnel_is_no_way_round_a_policy(proxy, lab, body):
    s, head = proxy.tunnel(HOST, lab.ports["http"])
    with contextlib.closing(s):
        s.sendall(f"GET {FLIPPED} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        got = proxymodule.read_all(s, 10)
    assert body[FLIPPED][-64:] not in got and body[FLIPPED][:64] not in got
    assert got.how != "timeout"


def test_host_inside_the_tunnel_must_match(proxy, lab, body):
    with contextlib.closing(proxy.tls("plain.lab.example", lab.ports["https"])) as s:
        status, _, content = get(s, f"dive01.example:{lab.ports['https']}", FLIPPED)
        assert status in (400, 421), status
        assert body[FLIPPED][:64] not in content


def test_sni_that_differs_from_the_connect_name(proxy, lab, body):
    """CONNECT names an uncovered host, SNI and Host a covered one: it may not come through unverified."""
    s, head = proxy.tunnel("plain.lab.example", lab.ports["https"])
    assert b" 200" in head
    context = ssl.create_default_context(cafile=proxy.ca)
    with contextlib.closing(s):
        try:
            t = context.wrap_socket(s, server_hostname=HOST)
            status, _, content = get(t, f"{HOST}:{lab.ports['https']}", FLIPPED)
        except (OSError, AssertionError):
            return
        assert status >= 400 and body[FLIPPED][:64] not in content


def test_absolute_form_inside_the_tunnel(proxy, lab, body):
    with contextlib.closing(proxy.tls(HOST, lab.ports["https"])) as s:
        name = f"{HOST}:{lab.ports['https']}"
        s.sendall(f"GET https://{name}{GOOD} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        status, _, content = proxymodule.read_response(s)
        assert (status == 200 and content == body[GOOD]) or status in (400, 421)
    for target in (f"http://{HOST}:{lab.ports['http']}", "https://plain.lab.example"):
        with contextlib.closing(proxy.tls(HOST, lab.ports["https"])) as s:
            s.sendall(f"GET {target}{FLIPPED} HTTP/1.1\r\nHost: {target.split('/')[2]}\r\n\r\n".encode())
            status, _, content = proxymodule.read_response(s)
            assert status in (400, 421) and body[FLIPPED][:64] not in content


def test_connect_inside_the_tunnel_is_refused(proxy, lab):
    with contextlib.closing(proxy.tls(HOST, lab.ports["https"])) as s:
        s.sendall(b"CONNECT plain.lab.example:443 HTTP/1.1\r\nHost: plain.lab.example:443\r\n\r\n")
        status, _, _ = proxymodule.read_response(s)
        assert status >= 400


def test_websocket_through_connect(proxy, lab):
    port = lab.ports["origin-tls"]
    with contextlib.closing(proxy.tls("plain.lab.example", port)) as s:
        s.sendall((f"GET /b/websocket HTTP/1.1\r\nHost: plain.lab.example:{port}\r\nConnection: Upgrade\r\n"
                   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        status, fields, _ = proxymodule.read_response(s)
        assert status == 101 and fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        for size in (1, 1000, 50_000):
            data = random.randbytes(size)
            s.sendall(data)
            assert proxymodule.read_exactly(s, size) == data


def test_client_that_never_starts_its_handshake(proxy, lab):
    s, head = proxy.tunnel(HOST, lab.ports["https"])
    with contextlib.closing(s):
        assert b" 200" in head
        assert proxymodule.read_all(s, 10).how in ("eof", "reset")


def test_client_that_stops_within_its_client_hello(proxy, lab):
    s, _ = proxy.tunnel(HOST, lab.ports["https"])
    with contextlib.closing(s):
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert proxymodule.read_all(s, 10).how in ("eof", "reset")


@pytest.mark.parametrize("hello", [b"\x16\x03\x01\xff\xff" + b"\x01" * 70000,
                                   b"\x16\x03\x01\x00\x05garba" * 10, b"\x80\x2e\x01\x03\x01" + b"\0" * 60],
                         ids=["oversized", "garbage", "sslv2"])
def test_malformed_client_hello(proxy, lab, hello):
    s, _ = proxy.tunnel(HOST, lab.ports["https"])
    with contextlib.closing(s):
        with contextlib.suppress(OSError):
            s.sendall(hello)
        assert proxymodule.read_all(s, 10).how in ("eof", "reset")


def test_client_hello_in_pieces(proxy, lab, body):
    """A ClientHello that comes byte by byte, as through a slow link."""
    s, _ = proxy.tunnel(HOST, lab.ports["https"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=proxy.ca)
    tls = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
    with contextlib.closing(s):
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    s.sendall(bytes([byte]))
                incoming.write(s.recv(65536))
        tls.write(f"GET /01/size-1k HTTP/1.1\r\nHost: {HOST}:{lab.ports['https']}\r\n"
                  "Connection: close\r\n\r\n".encode())
        s.sendall(outgoing.read())
        got = b""
        while body["/01/size-1k"] not in got:
            data = s.recv(65536)
            assert data, got[-200:]
            incoming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                while piece := tls.read(65536):
                    got += piece
