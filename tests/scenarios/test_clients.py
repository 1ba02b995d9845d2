# SPDX-License-Identifier: BSD-2-Clause
"""The real clients, in the environment of `divectl run`: each gets a signed package over https, a forged
one is blocked, and its own output says why, as far as it prints what it is told (docs/clients.md)."""
import os
import re
import shutil
import subprocess
import tempfile
import time

import proxy as proxymodule
import pytest
import repos
import web
from expect import eventually
from test_env import clean

REASON = "Blocked by DIVE: signature-mismatch"


@pytest.fixture(scope="module")
def site(lab, tmp_path_factory):
    directory = tempfile.mkdtemp(prefix="dive-site-")
    os.chmod(directory, 0o755)  # nginx's workers aren't root
    one = repos.Site(lab, directory)
    made = tmp_path_factory.mktemp("repos")
    repos.plain(one)
    repos.pip(one)
    repos.npm(one)
    repos.go(one)
    repos.cargo(one)
    if shutil.which("dpkg-deb"):
        repos.apt(one, str(made / "apt"))
    if shutil.which("git"):
        os.makedirs(made / "git")
        repos.git(one, str(made / "git"))
    one.start()
    yield one
    one.stop()
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def through(lab, site, binary):
    """Starts dived; gives a function that runs a client through it."""
    one = proxymodule.Proxy(lab, binary=binary, access={"connect-ports": [443, site.https]}).start()
    # What this machine tells clients (mirrors, proxies) isn't the lab's business.
    foreign = re.compile(r"(npm_config_|PIP_|GO|CARGO_|GIT_|UV_|APT_|CURL_|SSL_|RUSTUP_TOOLCHAIN)", re.I)
    env = {k: v for k, v in clean().items() if not foreign.match(k)}

    def run(*command, cwd, **more):
        ran = subprocess.run([proxymodule.divectl_path(), "-c", one.config_path, "run", "--", *command], cwd=cwd,
                             capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                             env={**env, "HOME": str(cwd), **more})
        ran.said = ran.stdout + ran.stderr
        return ran

    run.proxy = one
    yield run
    assert one.stop() is None
    one.remove()


def need(program, *args):
    """The program, if it is there and runs: some are stand-ins that need more."""
    path = shutil.which(program)
    if path is None or subprocess.run([path, *(args or ("--version",))], capture_output=True,
                                      timeout=60, stdin=subprocess.DEVNULL).returncode != 0:
        pytest.skip(f"{program} is not installed")
    return path


def blocked_reasons(through, match):
    return [e["reason"] for e in through.proxy.log_entries() if match in (e["url"] or "") and e["action"] == "blocked"]


def was_blocked(through, match, times):
    """So many times, for its signature. The log is written a moment after the client has its response."""
    eventually(lambda: len(blocked_reasons(through, match)) >= times, what=f"{times} blocked of {match}")
    time.sleep(0.1)  # none comes behind
    assert blocked_reasons(through, match) == ["signature-mismatch"] * times


def was_verified(through, match):
    assert through.proxy.log_entry(0, match)["verdict"] == "verified"


def test_curl(through, site, tmp_path):
    need("curl")
    assert through("curl", "-fsS", "-o", "out", site.url("/files/good"), cwd=tmp_path).returncode == 0
    assert (tmp_path / "out").read_bytes() == web.content(50_000, "good")
    was_verified(through, "/files/good")
    ran = through("curl", "-fsS", "-o", "bad", site.url("/files/forged"), cwd=tmp_path)
    assert ran.returncode == 22 and "403" in ran.stderr and not (tmp_path / "bad").exists()
    ran = through("curl", "-sS", "-i", site.url("/files/forged"), cwd=tmp_path)
    assert REASON in ran.stdout
    was_blocked(through, "/files/forged", 2)


def test_wget(through, site, tmp_path):
    need("wget")
    assert through("wget", "-q", "-O", "out", site.url("/files/good"), cwd=tmp_path).returncode == 0
    assert (tmp_path / "out").read_bytes() == web.content(50_000, "good")
    was_verified(through, "/files/good")
    before = len(through.proxy.log_entries())
    ran = through("wget", "-O", "bad", site.url("/files/forged"), cwd=tmp_path)
    assert ran.returncode == 8 and f"ERROR 403: {REASON}" in ran.said
    assert not (tmp_path / "bad").read_bytes() and len(through.proxy.log_entries()) <= before + 2  # with its CONNECT


def test_apt(through, site, tmp_path):
    need("apt-get")
    need("dpkg-deb")
    for folder in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d",
                   "etc/sources.list.d", "etc/trusted.gpg.d", "log"):
        os.makedirs(tmp_path / "root" / folder)
    (tmp_path / "root" / "state" / "status").touch()
    (tmp_path / "root" / "etc" / "sources.list").write_text(f"deb [trusted=yes] {site.url('/apt')} ./\n")
    bundle = os.path.join(through.proxy.directory, "ca-bundle.crt")
    (tmp_path / "apt.conf").write_text(f"""
        Dir "{tmp_path}/root"; Dir::Etc "{tmp_path}/root/etc"; Dir::State "{tmp_path}/root/state";
        Dir::State::status "{tmp_path}/root/state/status"; Dir::Cache "{tmp_path}/root/cache";
        Dir::Log "{tmp_path}/root/log"; APT::Sandbox::User "root"; Acquire::Languages "none";
        Dir::Bin::methods "/usr/lib/apt/methods"; APT::Architecture "amd64"; Acquire::Retries "0";
        Acquire::http::Proxy "{{}}"; Acquire::https::Proxy "{{}}"; Acquire::https::CAInfo "{bundle}";
        """.replace("{}", f"http://127.0.0.1:{through.proxy.port}"))
    conf = {"APT_CONFIG": str(tmp_path / "apt.conf")}
    ran = through("apt-get", "update", cwd=tmp_path, **conf)
    assert ran.returncode == 0 and "Err" not in ran.said and "W:" not in ran.said, ran.said
    ran = through("apt-get", "download", "lab-good", cwd=tmp_path, **conf)
    assert ran.returncode == 0 and list(tmp_path.glob("lab-good*.deb")), ran.said
    was_verified(through, "good.deb")
    ran = through("apt-get", "download", "lab-forged", cwd=tmp_path, **conf)
    assert ran.returncode == 100 and f"403  {REASON}" in ran.said and not list(tmp_path.glob("lab-forged*")), ran.said
    was_blocked(through, "forged.deb", 1)


def test_pip(through, site, tmp_path):
    python = "/usr/bin/python3"
    need(python, "-m", "pip", "--version")
    pip = (python, "-m", "pip", "--no-cache-dir", "--disable-pip-version-check", "download", "--no-deps", "-d", "got",
           "--index-url", site.url("/simple/"))
    ran = through(*pip, "lab-good", cwd=tmp_path, PIP_CONFIG_FILE=os.devnull)
    assert ran.returncode == 0 and os.listdir(tmp_path / "got") == ["lab_good-1.0-py3-none-any.whl"], ran.said
    was_verified(through, "lab_good-1.0")
    ran = through(*pip, "lab-forged", cwd=tmp_path, PIP_CONFIG_FILE=os.devnull)
    assert ran.returncode == 1 and f"403 Client Error: {REASON}" in ran.said, ran.said
    assert len(os.listdir(tmp_path / "got")) == 1
    was_blocked(through, "lab_forged-1.0", 1)


def test_npm(through, site, tmp_path):
    need("npm")
    settings = {"npm_config_registry": site.url("/npm/"), "npm_config_cache": str(tmp_path / "cache"),
                "npm_config_userconfig": str(tmp_path / "none"), "npm_config_update_notifier": "false",
                "npm_config_fetch_retries": "0"}
    ran = through("npm", "pack", "lab-good", cwd=tmp_path, **settings)
    assert ran.returncode == 0 and (tmp_path / "lab-good-1.0.0.tgz").exists(), ran.said
    was_verified(through, "lab-good-1.0.0.tgz")
    ran = through("npm", "pack", "lab-forged", cwd=tmp_path, **settings)
    assert ran.returncode != 0 and f"403 {REASON}" in ran.said, ran.said
    assert not (tmp_path / "lab-forged-1.0.0.tgz").exists()
    was_blocked(through, "lab-forged-1.0.0.tgz", 1)


def test_go(through, site, tmp_path):
    need("go", "version")
    settings = {"GOPROXY": site.url("/go"), "GONOSUMDB": "*", "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local",
                "GOPATH": str(tmp_path / "go"), "GOCACHE": str(tmp_path / "cache"), "GOENV": "off"}
    ran = through("go", "mod", "download", "-json", "lab.example/good@v1.0.0", cwd=tmp_path, **settings)
    assert ran.returncode == 0 and '"Zip":' in ran.stdout, ran.said
    was_verified(through, "good/@v/v1.0.0.zip")
    ran = through("go", "mod", "download", "lab.example/forged@v1.0.0", cwd=tmp_path, **settings)
    assert ran.returncode == 1 and f"403 {REASON}" in ran.said, ran.said
    assert not list(tmp_path.glob("go/pkg/mod/cache/download/lab.example/forged/@v/*.zip"))
    was_blocked(through, "forged/@v/v1.0.0.zip", 1)


def test_cargo(through, site, tmp_path):
    # rustup's cargo looks for its toolchains in the home that it was installed for.
    rustup = {"RUSTUP_HOME": os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup"))}
    cargo = next((c for c in ("/usr/bin/cargo", shutil.which("cargo")) if c and os.path.exists(c)), "cargo")
    need(cargo)
    settings = {"CARGO_HOME": str(tmp_path / "home"), "CARGO_NET_RETRY": "0", **rustup}
    for name in ("good", "forged"):
        os.makedirs(tmp_path / name / "src")
        (tmp_path / name / "src" / "lib.rs").touch()
        (tmp_path / name / "Cargo.toml").write_text(
            f'[package]\nname = "x"\nversion = "1.0.0"\n[dependencies]\nlab-{name} = {{version = "1", registry = "lab"}}\n')
    os.makedirs(tmp_path / "home")
    (tmp_path / "home" / "config.toml").write_text(
        f'[registries.lab]\nindex = "sparse+{site.url("/cargo/")}"\n[unstable]\nsparse-registry = true\n')
    ran = through(cargo, "fetch", cwd=tmp_path / "good", **settings)
    if "sparse" in ran.said and ran.returncode != 0:
        pytest.skip("this cargo knows no sparse registries")
    assert ran.returncode == 0 and list((tmp_path / "home").glob("registry/cache/*/lab-good-1.0.0.crate")), ran.said
    was_verified(through, "lab-good.crate")
    ran = through(cargo, "fetch", cwd=tmp_path / "forged", **settings)
    assert ran.returncode == 101 and "403" in ran.said, ran.said  # cargo prints the number only
    was_blocked(through, "lab-forged.crate", 1)
    assert not list((tmp_path / "home").glob("registry/cache/*/lab-forged*"))


def test_git(through, site, tmp_path):
    need("git")
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    ran = through("git", "clone", site.url("/git/good.git"), "got", cwd=tmp_path, **settings)
    assert ran.returncode == 0 and (tmp_path / "got" / "file").read_text() == "good", ran.said
    was_verified(through, "/git/good.git/info/refs")
    ran = through("git", "clone", site.url("/git/forged.git"), "bad", cwd=tmp_path, **settings)
    assert ran.returncode != 0 and "403" in ran.said, ran.said  # git prints the number only
    assert not (tmp_path / "bad").exists()
    eventually(lambda: "signature-mismatch" in blocked_reasons(through, "/git/forged.git/objects"), what="a block")
