# SPDX-License-Identifier: BSD-2-Clause
"""divectl doctor: each thing that makes a client fail is found, with what to do, and nothing else is."""
import json
import os
import shutil
import subprocess

import proxy as proxymodule
import pytest
from test_env import clean


@pytest.fixture
def one(dived):
    return dived()


def environment(proxy):
    """What divectl env would set."""
    ran = subprocess.run([proxymodule.divectl_path(), "-c", proxy.config_path, "env", "--json"],
                         capture_output=True, text=True, timeout=30, env=clean(), check=True)
    return json.loads(ran.stdout)


class Diagnosis:
    def __init__(self, proxy, *args, config=None, **changes):
        env = clean(**environment(proxy))
        for name, value in changes.items():
            env.pop(name, None)
            if value is not None:
                env[name] = value
        ran = subprocess.run([proxymodule.divectl_path(), "-c", config or proxy.config_path, "doctor", "--json",
                              *args], capture_output=True, text=True, timeout=120, env=env)
        assert ran.returncode in (0, 1) and ran.stderr == "", ran
        self.exit, self.answer = ran.returncode, json.loads(ran.stdout)
        assert self.answer["healthy"] == (self.exit == 0)
        self.findings = self.answer["findings"]

    def state(self, check):
        worst = [f["state"] for f in self.findings if f["check"] == check]
        return next((s for s in ("error", "warning", "note", "ok") if s in worst), None)

    def text(self, check):
        return " ".join(f["text"] for f in self.findings if f["check"] == check)

    def errors(self):
        return {f["check"] for f in self.findings if f["state"] == "error"}


def test_nothing_is_wrong(one, lab):
    found = Diagnosis(one, lab.url("dive01.example", "/01/size-1k", "https"))
    assert found.exit == 0 and found.errors() == set(), found.findings
    for check in ("daemon", "listener", "ca", "http_proxy", "https_proxy", "SSL_CERT_FILE", "PIP_CERT", "dns",
                  "hold", "request"):
        assert found.state(check) == "ok", (check, found.findings)


def test_a_block_is_told_from_a_failure(one, lab):
    found = Diagnosis(one, lab.url("dive01.example", "/01/size-1k-flipped", "https"))
    assert found.errors() == {"request"} and "Blocked by DIVE: signature-mismatch" in found.text("request")
    found = Diagnosis(one, "https://dive01.example:1/")
    assert found.errors() == {"request"} and "access.connect-ports" in found.text("request")
    found = Diagnosis(one, f"http://dive01.example:{lab.ports['closed']}/")
    assert found.errors() == {"request"} and "502" in found.text("request")


ENVIRONMENTS = {
    "no proxy": ({"http_proxy": None, "HTTP_PROXY": None}, "http_proxy", "warning", "neither"),
    "upper case only": ({"http_proxy": None}, "http_proxy", "warning", "nor does curl"),
    "contradiction": ({"HTTPS_PROXY": "http://192.0.2.1:8080"}, "https_proxy", "error", "depends on the program"),
    "another proxy": ({"https_proxy": "http://192.0.2.1:8080", "HTTPS_PROXY": "http://192.0.2.1:8080"},
                      "https_proxy", "error", "and the proxy is"),
    "all_proxy": ({"ALL_PROXY": "socks5://192.0.2.1"}, "all_proxy", "warning", "another proxy"),
    "no_proxy names the host": ({"no_proxy": "localhost, .dive01.example", "NO_PROXY": None}, "no_proxy", "error",
                                "past the proxy"),
    "no_proxy names a parent": ({"no_proxy": "example", "NO_PROXY": "example"}, "no_proxy", "error", "past the"),
    "no_proxy is all": ({"NO_PROXY": "*"}, "no_proxy", "error", "every program"),
    "no_proxy contradicts": ({"NO_PROXY": "localhost"}, "no_proxy", "warning", "depends on the program"),
    "absent file": ({"PIP_CERT": "/no/such/file"}, "PIP_CERT", "error", "No such file"),
    "foreign bundle": ({"GIT_SSL_CAINFO": "LAB"}, "GIT_SSL_CAINFO", "error", "isn't in"),
    "ours alone": ({"CURL_CA_BUNDLE": "CA"}, "CURL_CA_BUNDLE", "warning", "nothing but"),
    "extra needs ours alone": ({"NODE_EXTRA_CA_CERTS": "CA"}, "NODE_EXTRA_CA_CERTS", "ok", "is in"),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_environment(proxy, lab, case):
    changes, check, state, text = ENVIRONMENTS[case]
    files = {"LAB": lab.origin_ca, "CA": proxy.ca}
    found = Diagnosis(proxy, lab.url("dive01.example", "/01/size-1k"),
                      **{name: files.get(value, value) for name, value in changes.items()})
    assert found.state(check) == state and text in found.text(check), found.findings
    assert found.errors() <= {check}, found.findings
    if state != "ok":
        assert next(f["advice"] for f in found.findings if f["check"] == check and f["state"] == state)


def test_same_proxy_in_other_words_is_no_finding(proxy):
    found = Diagnosis(proxy, http_proxy=f"localhost:{proxy.port}/", HTTP_PROXY=f"localhost:{proxy.port}/",
                      https_proxy=f"http://127.0.0.1:{proxy.port}/", HTTPS_PROXY=None)
    assert not found.errors() and found.state("http_proxy") == "ok" and found.state("https_proxy") == "ok"


def test_nothing_trusts_the_ca(proxy):
    bare = {name: None for name in environment(proxy) if "proxy" not in name.lower()}
    found = Diagnosis(proxy, **bare)
    assert found.errors() == {"store"} and "ca trust" in json.dumps(found.findings)


def test_daemon_is_down(one):
    environment(one)
    one.stop()
    found = Diagnosis(one)
    assert found.errors() == {"daemon", "listener"}, found.findings
    assert "refused" in found.text("listener")


def test_ca_was_made_anew_behind_the_daemons_back(one):
    stale = os.path.join(one.directory, "stale.crt")
    environment(one)
    shutil.copy(environment(one)["SSL_CERT_FILE"], stale)
    for name in ("ca.crt", "ca.key"):
        os.unlink(os.path.join(one.directory, name))
    assert subprocess.run([proxymodule.divectl_path(), "-c", one.config_path, "ca", "init"], capture_output=True,
                          timeout=30).returncode == 0
    found = Diagnosis(one, SSL_CERT_FILE=stale)
    assert found.errors() == {"ca", "SSL_CERT_FILE"}, found.findings
    assert "another CA" in found.text("ca") and "an older CA" in found.text("SSL_CERT_FILE")


def config_with(proxy, **changes):
    path = os.path.join(proxy.directory, "other.yaml")
    proxymodule.write_config(proxy.lab, path, proxy.directory, proxy.port, **changes)
    return path


def test_dns_that_cannot_be_validated(proxy, lab):
    path = config_with(proxy, dns={"forward": [f"127.0.0.1@{lab.ports['closed']}"], "timeout": "2s"})
    found = Diagnosis(proxy, config=path)
    assert found.errors() == {"dns"} and "no answer" in found.text("dns"), found.findings
    wrong = os.path.join(proxy.directory, "wrong.key")
    with open(wrong, "w", encoding="ascii") as f:
        f.write(". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
    found = Diagnosis(proxy, config=config_with(proxy, dns={"trust-anchor-file": wrong}))
    assert found.errors() == {"dns"} and "trust-anchor-file" in json.dumps(found.findings)


def test_hold_directory(proxy):
    path = config_with(proxy)
    with open(path, encoding="utf-8") as f:
        text = f.read().replace(os.path.join(proxy.directory, "hold"), "/no/such/folder")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    found = Diagnosis(proxy, config=path)
    assert found.errors() == {"hold"} and "No such file" in found.text("hold")


def test_a_proxy_elsewhere_is_asked_for_its_ca(proxy, lab, tmp_path):
    """From a machine that has no configuration, only the certificate."""
    found = Diagnosis(proxy, "--proxy", f"http://127.0.0.1:{proxy.port}", "--certificate", lab.origin_ca)
    assert "ca" in found.errors() and "another CA" in found.text("ca")
    assert found.state("dns") is None and found.state("hold") is None
    found = Diagnosis(proxy, "--proxy", f"http://127.0.0.1:{lab.ports['closed']}", "--certificate", proxy.ca)
    assert "listener" in found.errors()


def test_for_people_and_wrong_usage(proxy):
    ctl = [proxymodule.divectl_path(), "-c", proxy.config_path, "doctor"]
    ran = subprocess.run(ctl, capture_output=True, text=True, timeout=60, env=clean(https_proxy="http://1.2.3.4:5"))
    assert ran.returncode == 1 and "ERROR    https_proxy" in ran.stdout and "-> eval" in ran.stdout
    for args in (["ftp://x/"], ["http://a/", "http://b/"], ["--proxy", "x y"]):
        assert subprocess.run(ctl + args, capture_output=True, timeout=60).returncode == 2, args


def test_advice_can_be_copied(proxy, lab):
    """It names the configuration that this run was given, as there is none where divectl looks by itself."""
    found = Diagnosis(proxy, lab.url("dive01.example", "/01/size-1k"), https_proxy=None, HTTPS_PROXY=None)
    advice = next(f["advice"] for f in found.findings if f["check"] == "https_proxy")
    assert f"divectl -c {proxy.config_path} env" in advice, advice
    printed = subprocess.run([proxymodule.divectl_path(), "-c", proxy.config_path, "env"],
                             capture_output=True, text=True, timeout=30, env=clean(), check=True).stdout
    assert printed.startswith(f'# eval "$(divectl -c {proxy.config_path} env)"'), printed
