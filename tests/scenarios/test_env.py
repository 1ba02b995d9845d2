# SPDX-License-Identifier: BSD-2-Clause
"""divectl env, run and ca trust: what makes programs use the proxy and trust its CA."""
import json
import os
import re
import shutil
import signal
import subprocess

import proxy as proxymodule
import pytest

BOTH = ("http_proxy", "https_proxy", "no_proxy")
BUNDLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CONDA_SSL_VERIFY",
           "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "npm_config_cafile", "YARN_HTTPS_CA_FILE_PATH")


def clean(**more):
    """This environment without what the commands set."""
    names = {*BUNDLES, "NODE_EXTRA_CA_CERTS", "JAVA_TOOL_OPTIONS", "WGETRC", "PIP_DEFAULT_TIMEOUT", "CARGO_HTTP_TIMEOUT",
             "npm_config_fetch_timeout", "YARN_HTTP_TIMEOUT"}
    env = {k: v for k, v in os.environ.items() if k not in names and not k.lower().endswith("_proxy")}
    return {**env, **more}


def ctl(proxy, *args, env=None, **how):
    return subprocess.run([proxymodule.divectl_path(), "-c", proxy.config_path, *args], capture_output=True,
                          text=True, timeout=60, env=env or clean(), **how)


def through_shell(text, shell=("sh", "-c")):
    """The environment after a shell has read `text`."""
    script = text + "\nenv -0"
    out = subprocess.run([*shell, script], capture_output=True, env={"PATH": os.environ["PATH"]}, timeout=20,
                         check=True).stdout
    return dict(line.split("=", 1) for line in out.decode().split("\0") if "=" in line)


def test_env_for_a_shell(proxy):
    ran = ctl(proxy, "env")
    assert ran.returncode == 0 and ran.stderr == ""
    env = through_shell(ran.stdout)
    for name in BOTH:
        assert env[name] == env[name.upper()]
    assert env["http_proxy"] == f"http://127.0.0.1:{proxy.port}" and "localhost" in env["no_proxy"]
    with open(proxy.ca, encoding="ascii") as f:
        own = f.read()
    with open(proxy.lab.origin_ca, encoding="ascii") as f:
        public = f.read()
    for name in BUNDLES:
        with open(env[name], encoding="ascii") as f:
            bundle = f.read()
        assert own.strip() in bundle and public.strip() in bundle, name
    assert env["NODE_EXTRA_CA_CERTS"] == os.path.realpath(proxy.ca)
    assert ctl(proxy, "ca", "env").stdout == ran.stdout  # its name before
    for comment in ("# apt", "Acquire::https::Proxy", "# docker", "daemon.json", "ca trust"):
        assert comment in ran.stdout
    assert json.loads(ctl(proxy, "env", "--json").stdout).items() <= env.items()


def test_clients_are_made_patient_but_not_against_their_user(proxy):
    """A covered download is silent while it is held: longer than some clients wait as they come."""
    env = json.loads(ctl(proxy, "env", "--json", env=clean(CARGO_HTTP_TIMEOUT="7")).stdout)
    assert int(env["PIP_DEFAULT_TIMEOUT"]) == int(env["npm_config_fetch_timeout"]) / 1000 == 3600
    assert "CARGO_HTTP_TIMEOUT" not in env
    assert ctl(proxy, "run", "sh", "-c", "echo $CARGO_HTTP_TIMEOUT", env=clean(CARGO_HTTP_TIMEOUT="7")).stdout == "7\n"
    if "WGETRC" in env:
        with open(env["WGETRC"], encoding="ascii") as f:
            assert "read_timeout = 3600" in f.read()


def test_env_quotes_for_each_shell(proxy, tmp_path):
    """A path with everything in it that a shell could take for something else."""
    odd = tmp_path / "a'b\"c $(touch no) `touch no` \\ d \u2018\u2019\u201a\u201b\u201c \u00e2"
    odd.mkdir()
    certificate = shutil.copy(proxy.ca, odd / "ca.crt")
    args = ("env", "--certificate", str(certificate))
    env = through_shell(ctl(proxy, *args).stdout)
    assert env["NODE_EXTRA_CA_CERTS"] == str(certificate) and not os.path.exists("no")
    fish = ctl(proxy, *args, "--shell", "fish").stdout
    escaped = str(certificate).replace("\\", "\\\\").replace("'", "\\'")
    assert f"set -gx NODE_EXTRA_CA_CERTS '{escaped}'\n" in fish
    if shutil.which("fish"):
        assert through_shell(fish, ("fish", "-c"))["NODE_EXTRA_CA_CERTS"] == str(certificate)
    powershell = ctl(proxy, *args, "--shell", "powershell").stdout
    escaped = re.sub("['\u2018-\u201b]", r"\g<0>\g<0>", str(certificate))
    assert f"$env:NODE_EXTRA_CA_CERTS = '{escaped}'\n" in powershell
    assert ctl(proxy, "env", "--shell", "csh").returncode == 2


def test_env_for_a_proxy_elsewhere(proxy):
    ran = ctl(proxy, "env", "--proxy", "http://proxy.corp.example", "--certificate", proxy.ca)
    assert through_shell(ran.stdout)["https_proxy"] == "http://proxy.corp.example:80"
    assert ctl(proxy, "env", "--proxy", "nonsense").returncode == 2


def test_env_without_interception_names_no_ca(dived):
    one = dived(interception={"enabled": False})
    env = through_shell(ctl(one, "env").stdout)
    assert env["https_proxy"] and not set(BUNDLES) & set(env) and "NODE_EXTRA_CA_CERTS" not in env


def test_java_options_keep_what_was_there_and_do_not_grow(proxy):
    own = "-Xmx64m -Dx=y"
    once = json.loads(ctl(proxy, "env", "--json", env=clean(JAVA_TOOL_OPTIONS=own)).stdout)["JAVA_TOOL_OPTIONS"]
    assert once.startswith(own + " -Dhttp.proxyHost=127.0.0.1 ") and "trustStoreType=PKCS12" in once
    again = json.loads(ctl(proxy, "env", "--json", env=clean(JAVA_TOOL_OPTIONS=once)).stdout)
    assert again["JAVA_TOOL_OPTIONS"] == once
    mine = "-Djavax.net.ssl.trustStore=/mine"
    theirs = json.loads(ctl(proxy, "env", "--json", env=clean(JAVA_TOOL_OPTIONS=mine)).stdout)
    assert theirs["JAVA_TOOL_OPTIONS"].count("trustStore=") == 1


def store_of(proxy):
    options = json.loads(ctl(proxy, "env", "--json").stdout)["JAVA_TOOL_OPTIONS"]
    return options.split("-Djavax.net.ssl.trustStore=")[1].split()[0]


def test_java_store_has_trusted_certificates(proxy):
    text = subprocess.run(["openssl", "pkcs12", "-in", store_of(proxy), "-passin", "pass:changeit", "-nokeys"],
                          capture_output=True, text=True, timeout=20, check=True).stdout
    with open(proxy.ca, encoding="ascii") as f:
        assert f.read().strip() in text
    assert text.count("2.16.840.1.113894.746875.1.1") == text.count("BEGIN CERTIFICATE") >= 2


@pytest.mark.skipif(not shutil.which("keytool"), reason="keytool (a JRE) is not installed")
def test_java_reads_its_store(proxy):
    ran = subprocess.run(["keytool", "-list", "-keystore", store_of(proxy), "-storepass", "changeit"],
                         capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and ran.stdout.count("trustedCertEntry") >= 2, ran.stdout + ran.stderr


# ---- run ----

def test_run_is_the_command(proxy, lab):
    url = lab.url("dive01.example", "/01/size-1k", "https")
    ran = subprocess.run([proxymodule.divectl_path(), "-c", proxy.config_path, "run", "--", "curl", "-sS", "-o",
                          "/dev/null", "-w", "%{http_code}", "--noproxy", "", url], capture_output=True, text=True,
                         timeout=60, env=clean())
    assert (ran.returncode, ran.stdout) == (0, "200"), ran.stderr
    assert ctl(proxy, "run", "sh", "-c", "exit 42").returncode == 42
    assert ctl(proxy, "run", "sh", "-c", "echo $0 $* $https_proxy", "-c", "--json", "--help").stdout.split() == \
        ["-c", "--json", "--help", f"http://127.0.0.1:{proxy.port}"]  # the command's own options
    assert ctl(proxy, "run", "/no/such/program").returncode == 127
    assert ctl(proxy, "run", "/etc/passwd").returncode == 126
    assert ctl(proxy, "run").returncode == 2 and ctl(proxy, "run", "--").returncode == 2
    assert ctl(proxy, "run", "--help").returncode == 0
    assert ctl(proxy, "run", "cat", input="through\n").stdout == "through\n"


def test_run_dies_by_the_signal(proxy):
    with subprocess.Popen([proxymodule.divectl_path(), "-c", proxy.config_path, "run", "sh", "-c",
                           "echo $$; exec sleep 60"], stdout=subprocess.PIPE, text=True, env=clean()) as process:
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM


# ---- ca trust ----

# A mount namespace in which changes below these folders go to a file system of its own that ends with
# it: nothing on the machine changes.
NAMESPACE = """
set -e
mount --make-rprivate /
mount -t tmpfs none "%(scratch)s"
for folder in /etc /usr/local /usr/bin /usr/sbin; do
    upper="%(scratch)s/upper$folder"; work="%(scratch)s/work$folder"
    mkdir -p "$upper" "$work"
    mount -t overlay -o "lowerdir=$folder,upperdir=$upper,workdir=$work" overlay "$folder"
done
%(script)s
"""


def in_namespace(tmp_path, script, **names):
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a mount namespace takes root and unshare(1)")
    ran = subprocess.run(["unshare", "-m", "sh", "-c", NAMESPACE % {"script": script % names, "scratch": tmp_path}],
                         capture_output=True, text=True, timeout=300)
    if "unshare failed" in ran.stderr or "mount: " in ran.stderr:
        pytest.skip("no mount namespace with overlays can be made here: " + ran.stderr.strip())
    return ran


def machine_store():
    found = {}
    for folder in ("/etc/ssl/certs", "/usr/local/share/ca-certificates"):
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                found[path] = os.path.getmtime(path)
    return found


@pytest.mark.skipif(not os.path.exists("/usr/sbin/update-ca-certificates"),
                    reason="no update-ca-certificates on this machine")
def test_trust_and_remove_on_debian(proxy, tmp_path):
    before = machine_store()
    # Few certificates and no hooks (Java's takes a minute): it is our file that this is about.
    ran = in_namespace(tmp_path, """
    rm -f /etc/ca-certificates/update.d/*
    echo "mozilla/$(ls /usr/share/ca-certificates/mozilla | head -n 1)" > /etc/ca-certificates.conf
    ctl="%(ctl)s -c %(config)s"
    $ctl ca trust
    openssl verify -no-CApath -CAfile /etc/ssl/certs/ca-certificates.crt %(ca)s
    $ctl ca trust --remove
    openssl verify -no-CApath -CAfile /etc/ssl/certs/ca-certificates.crt %(ca)s || echo gone
    $ctl ca trust --remove --json
    """, ctl=proxymodule.divectl_path(), config=proxy.config_path, ca=proxy.ca)
    out = ran.stdout
    assert ran.returncode == 0, out + ran.stderr
    assert "trusted: /usr/local/share/ca-certificates/dived.crt" in out and "Firefox" in out
    assert f"{proxy.ca}: OK" in out.split("no longer")[0]
    assert "no longer trusted: " in out and "gone" in out and '"absent":' in out
    assert machine_store() == before


def test_trust_on_fedora(proxy, tmp_path):
    """With a stand-in for update-ca-trust that tells how it was called."""
    ran = in_namespace(tmp_path, """
    rm -f /usr/sbin/update-ca-certificates
    mkdir -p /etc/pki/ca-trust/source/anchors
    printf '#!/bin/sh\\necho "ran $@"; ls /etc/pki/ca-trust/source/anchors\\n' > /usr/bin/update-ca-trust
    chmod 755 /usr/bin/update-ca-trust
    %(ctl)s -c %(config)s ca trust --json
    %(ctl)s -c %(config)s ca trust --remove
    """, ctl=proxymodule.divectl_path(), config=proxy.config_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout.split("}")[0] + "}") == {"trusted": "/etc/pki/ca-trust/source/anchors/dived.crt"}
    assert ran.stderr == "ran extract\ndived.crt\nran extract\n" and "no longer trusted" in ran.stdout
    assert not os.path.exists("/usr/bin/update-ca-trust")


def test_trust_without_root_prints_what_root_would_do(proxy):
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed (make deps)")
    other = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    os.chmod(proxy.directory, 0o755)
    for remove in ((), ("--remove",)):
        ran = subprocess.run([*other, proxymodule.divectl_path(), "-c", proxy.config_path, "ca", "trust", *remove],
                             capture_output=True, text=True, timeout=20)
        assert ran.returncode == 77
        assert "update-ca-certificates" in ran.stderr and "update-ca-trust" in ran.stderr
        assert ("sudo rm" if remove else "sudo install") in ran.stderr
    assert ctl(proxy, "ca", "show", "--remove").returncode == 2
