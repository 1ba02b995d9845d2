# SPDX-License-Identifier: BSD-2-Clause
"""A request to the proxy itself: the page, the CA, the PAC file, and who gets them."""
import base64
import contextlib
import hashlib
import html.parser
import os
import re
import shutil
import subprocess
import tempfile

import proxy as proxymodule
import pytest


def ask(proxy, target="/", host=None, method="GET", fields="", to=None):
    """(status, fields, content) of one request to the proxy itself."""
    host = host or f"127.0.0.1:{proxy.port}"
    with contextlib.closing(proxy.connect()) as s:
        s.sendall(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n".encode())
        return proxymodule.read_response(s, head_only=method == "HEAD")


def der_of(pem):
    return base64.b64decode("".join(pem.decode().split("-----")[2].split()))


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.style, self.links = [], [], "", "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attrs = dict(attrs)
        assert not any(a.startswith("on") or a == "style" for a in attrs), attrs
        self.links += [attrs[a] for a in ("href", "src") if a in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data


def test_page_says_what_to_do_and_needs_nothing_else(proxy):
    status, fields, content = ask(proxy)
    assert status == 200 and fields["content-type"] == "text/html; charset=utf-8"
    page = Page(content.decode())
    assert not page.open and "script" not in page.tags and "link" not in page.tags
    assert all(link.startswith("/") for link in page.links), page.links
    with open(proxy.ca, "rb") as f:
        der = der_of(f.read())
    fingerprint = hashlib.sha256(der).hexdigest().upper()
    assert ":".join(re.findall("..", fingerprint)) in page.text
    assert f"http_proxy=http://127.0.0.1:{proxy.port}" in page.text
    assert f"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={proxy.port}" in page.text
    for tool in ("curl", "wget", "git", "pip", "conda", "npm", "yarn", "cargo", "go", "Java", "apt", "docker"):
        assert tool in page.text, tool
    policy = fields["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy and policy.startswith("default-src 'none'; ")
    assert fields["x-content-type-options"] == "nosniff" and fields["cache-control"] == "no-store"
    assert "set-cookie" not in fields and len(content) < 16384


def test_ca_certificate_in_both_encodings(proxy):
    with open(proxy.ca, "rb") as f:
        stored = der_of(f.read())
    for path, data in (("/ca.crt", lambda c: der_of(c)), ("/ca.der", lambda c: c)):
        status, fields, content = ask(proxy, path)
        assert status == 200 and data(content) == stored
        assert fields["content-type"] == "application/x-x509-ca-cert"
        assert fields["content-disposition"].startswith("attachment; filename=")
        assert b"PRIVATE" not in content
        status, fields, content = ask(proxy, path, method="HEAD")
        assert status == 200 and content == b"" and int(fields["content-length"]) > 300


PAC_CASES = {"https://example.com/": "PROXY", "http://deb.example.org/": "PROXY", "http://1.2.3.4/": "PROXY",
             "http://172.32.0.1/": "PROXY", "http://10.example.com/": "PROXY", "http://fc.example/": "PROXY",
             "http://localhost/": "DIRECT", "http://LOCALHOST/": "DIRECT", "http://printer/": "DIRECT",
             "http://127.0.0.1:80/": "DIRECT", "http://10.1.2.3/": "DIRECT", "http://192.168.0.9/": "DIRECT",
             "http://172.16.0.1/": "DIRECT", "http://[::1]/": "DIRECT", "http://[fd00::1]/": "DIRECT",
             "ws://example.com/": "DIRECT"}

PAC_HARNESS = """
const isPlainHostName = h => !h.includes("."), dnsDomainIs = (h, d) => h.endsWith(d);
const shExpMatch = (s, p) => new RegExp("^" + p.replace(/[.]/g, "\\\\.").replace(/[*]/g, ".*") + "$").test(s);
eval(require("fs").readFileSync(process.argv[1], "utf8") + ";globalThis.f = FindProxyForURL");
for (const u of process.argv.slice(2)) console.log(f(u, u.split("/")[2].replace(/:\\d+$/, "")));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed (make deps)")
def test_pac_file_names_the_proxy_as_the_client_did(proxy):
    status, fields, content = ask(proxy, "/proxy.pac", host=f"localhost:{proxy.port}")
    assert status == 200 and fields["content-type"] == "application/x-ns-proxy-autoconfig"
    with tempfile.NamedTemporaryFile(suffix=".pac") as f:
        f.write(content)
        f.flush()
        said = subprocess.run(["node", "-e", PAC_HARNESS, f.name, *PAC_CASES], capture_output=True, text=True,
                              timeout=30, check=True).stdout.splitlines()
    for url, got in zip(PAC_CASES, said):
        assert got == (f"PROXY localhost:{proxy.port}" if PAC_CASES[url] == "PROXY" else "DIRECT"), url


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.2", "localhost.evil.example", "127.0.0.1.evil.example",
                                  "[::1]", "0.0.0.0"])
@pytest.mark.parametrize("target", ["/", "/ca.crt", "/proxy.pac"])
def test_another_name_gets_nothing(proxy, host, target):
    status, _, content = ask(proxy, target, host=f"{host}:{proxy.port}")
    assert status == 421 and b"BEGIN" not in content and b"FindProxy" not in content


def test_configured_names_are_ours(dived):
    one = dived(welcome={"names": ["proxy.corp.example"]})
    status, _, content = ask(one, host="Proxy.Corp.Example:3128")
    assert status == 200 and b"http_proxy=http://proxy.corp.example:3128" in content
    assert ask(one, host="corp.example")[0] == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(proxy, method):
    assert ask(proxy, method=method)[0] in (405, 501)


def test_other_paths_are_absent_and_not_looked_up_anywhere(proxy):
    for target in ("/etc/passwd", "/../ca.key", "/ca.key", "//ca.crt", "/CA.CRT", "/ca.crt/"):
        status, _, content = ask(proxy, target)
        assert status == 404 and b"BEGIN" not in content, target
    assert ask(proxy, "/ca.crt?x=1")[0] == 200


def test_through_the_proxy_by_its_own_address(proxy):
    """A program that is told to use the proxy and asks for the proxy."""
    response = proxy.curl(f"http://127.0.0.1:{proxy.port}/ca.crt")
    assert response.status == 200 and b"BEGIN CERTIFICATE" in response.body
    assert proxy.curl(f"http://localhost.evil.example:{proxy.port}/ca.crt").status in (502, 403, 504)


def test_switched_off(dived):
    one = dived(welcome={"enabled": False})
    status, _, content = ask(one)
    assert status == 400 and b"whole URL" in content


def test_only_for_clients(dived):
    one = dived(access={"clients": ["192.0.2.0/24"]})
    for target in ("/", "/ca.crt"):
        assert ask(one, target)[0] == 403


def test_without_interception_there_is_no_ca(dived):
    one = dived(interception={"enabled": False})
    assert ask(one, "/ca.crt")[0] == 404
    status, _, content = ask(one)
    assert status == 200 and b"/ca.crt" not in content and b"No certificate is needed" in content


def test_the_log_has_it_and_the_connection_lives_on(proxy):
    mark = proxy.log_mark()
    with contextlib.closing(proxy.connect()) as s:
        for target in ("/", "/ca.crt", "/nothing", "/"):
            s.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert proxymodule.read_response(s)[0] == (404 if target == "/nothing" else 200)
    entry = proxy.log_entry(mark, "/ca.crt")
    assert entry["status"] == 200 and entry["verdict"] is None and entry["bytes"] > 300


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
@pytest.mark.parametrize("size", ["1200,1500", "390,1500"])
def test_page_in_a_browser(proxy, size):
    """It is shown with its style: the policy's hash fits. SCREENSHOTS=DIR keeps the pictures."""
    with tempfile.TemporaryDirectory() as directory:
        picture = os.path.join(os.environ.get("SCREENSHOTS", directory), f"welcome-{size.split(',')[0]}.png")
        ran = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", "--enable-logging=stderr", "--hide-scrollbars", "--no-proxy-server",
             f"--user-data-dir={directory}", f"--window-size={size}", f"--screenshot={picture}",
             f"http://127.0.0.1:{proxy.port}/"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        assert os.path.getsize(picture) > 5000, ran.stderr[-2000:]
        assert "Content Security Policy" not in ran.stderr and "CONSOLE" not in ran.stderr, ran.stderr[-2000:]
