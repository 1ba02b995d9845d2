#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long real clients wait while a download is held: docs/clients.md has the table that this prints.

An origin sends each package over 12 seconds; all of it is signed, so the proxy holds it that long. Each
client's own read timeout is set to 5 seconds, where it has one: what it does then is what it does at its
default with a hold that is longer than that. Rows are clients, columns are settings of the proxy. Takes two
minutes, needs no root, and skips clients that aren't installed.

    make && tests/bench/patience.py [--json]
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))

import lab as labmodule     # noqa: E402  the path is set above
import proxy as proxymodule  # noqa: E402
import repos                # noqa: E402
import scripted             # noqa: E402

SECONDS, PATIENCE = 12, 5
PADDING = "".join(random.Random(1).choices("0123456789abcdef", k=400_000))
SLOW = ("good.deb", "lab_good-1.0-py3-none-any.whl", "lab-good-1.0.0.tgz", "v1.0.0.zip", "lab-good.crate", "/files/good")

SETTINGS = {
    "as it comes": {},
    "keepalive: 2s": {"keepalive": "2s"},
    "release: trickle": {"release": "trickle", "trickle-interval": "2s"},
    "release: tail": {"release": "tail"},
}


class SlowSite:
    """As repos.Site, of a scripted origin: packages come slowly."""

    def __init__(self, lab):
        self.lab, self.origin = lab, scripted.Origin()

    def url(self, path=""):
        return self.origin.url(path, repos.HOST)

    def add(self, path, data, forged=False, content_type="application/octet-stream"):
        del forged
        fields = scripted.signed_fields(self.lab, data) + [("Content-Type", content_type)]
        slow = path.endswith(SLOW) or ("/git/" in path and len(data) > 100_000)
        if slow:
            function = lambda request: scripted.Answer(raw=lambda h: drip(h, data, fields))
        else:
            function = lambda request: scripted.Answer(body=data, fields=fields)
        self.origin.at(path, function)
        self.origin.at(path.replace("/apt/", "/apt/./"), function)  # as apt asks for them


def drip(handler, data, fields):
    head = "".join(f"{n}: {v}\r\n" for n, v in fields)
    step = len(data) // SECONDS + 1
    with contextlib.suppress(OSError):
        handler.wfile.write(f"HTTP/1.1 200 OK\r\n{head}Content-Length: {len(data)}\r\n\r\n".encode())
        for at in range(0, len(data), step):
            handler.wfile.write(data[at:at + step])
            handler.wfile.flush()
            time.sleep(SECONDS / (SECONDS + 1))


def apt_config(directory, proxy, site):
    root = os.path.join(directory, "root")
    for folder in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d",
                   "etc/sources.list.d", "etc/trusted.gpg.d", "log"):
        os.makedirs(os.path.join(root, folder))
    for name, text in (("state/status", ""), ("etc/sources.list", f"deb [trusted=yes] {site.url('/apt')} ./\n"),
                       ("apt.conf", f"""
            Dir "{root}"; Dir::Etc "{root}/etc"; Dir::State "{root}/state"; Dir::State::status "{root}/state/status";
            Dir::Cache "{root}/cache"; Dir::Log "{root}/log"; APT::Sandbox::User "root"; Acquire::Languages "none";
            Dir::Bin::methods "/usr/lib/apt/methods"; APT::Architecture "amd64"; Acquire::Retries "0";
            Acquire::http::Proxy "http://127.0.0.1:{proxy.port}"; Acquire::http::Timeout "{PATIENCE}";""")):
        with open(os.path.join(root, name), "w", encoding="ascii") as f:
            f.write(text)
    return {"APT_CONFIG": os.path.join(root, "apt.conf")}


def cargo_project(directory, site):
    os.makedirs(os.path.join(directory, "src"))
    os.makedirs(os.path.join(directory, "home"))
    for name, text in (
            ("src/lib.rs", ""),
            ("Cargo.toml", '[package]\nname = "x"\nversion = "1.0.0"\n[dependencies]\n'
                           'lab-good = {version = "1", registry = "lab"}\n'),
            ("home/config.toml", f'[registries.lab]\nindex = "sparse+{site.url("/cargo/")}"\n[net]\nretry = 0\n'
                                 f"[http]\ntimeout = {PATIENCE}\n[unstable]\nsparse-registry = true\n")):
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write(text)
    return {"CARGO_HOME": os.path.join(directory, "home"),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup"))}


def commands(directory, proxy, site):
    """name -> (commands, environment); the last one's outcome counts."""
    python = "/usr/bin/python3"
    cargo = "/usr/bin/cargo" if os.path.exists("/usr/bin/cargo") else "cargo"
    inside = lambda name: os.path.join(directory, name)
    for name in ("curl", "wget", "apt", "pip", "npm", "go", "cargo", "git"):
        os.makedirs(inside(name))
    file = site.url("/files/good")
    return {
        "curl": ([["curl", "-fsS", "-o", "out", "--speed-limit", "1", "--speed-time", str(PATIENCE), file]], {}),
        "wget": ([["wget", "-nv", "-O", "out", "-t", "1", f"--read-timeout={PATIENCE}", file]], {}),
        "apt": ([["apt-get", "update"], ["apt-get", "download", "lab-good"]],
                apt_config(inside("apt"), proxy, site)),
        "pip": ([[python, "-m", "pip", "--no-cache-dir", "--disable-pip-version-check", "--timeout", str(PATIENCE),
                  "--retries", "0", "download", "--no-deps", "--index-url", site.url("/simple/"), "--trusted-host",
                  repos.HOST, "lab-good"]], {"PIP_CONFIG_FILE": os.devnull}),
        "npm": ([["npm", "pack", "lab-good"]],
                {"npm_config_registry": site.url("/npm/"), "npm_config_cache": inside("npm/cache"),
                 "npm_config_userconfig": inside("npm/none"), "npm_config_globalconfig": inside("npm/none2"),
                 "npm_config_fetch_retries": "0", "npm_config_fetch_timeout": str(PATIENCE * 1000),
                 "npm_config_update_notifier": "false"}),
        "go": ([["go", "mod", "download", "lab.example/good@v1.0.0"]],
               {"GOPROXY": site.url("/go"), "GONOSUMDB": "*", "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local",
                "GOPATH": inside("go/path"), "GOCACHE": inside("go/cache"), "GOENV": "off"}),
        "cargo": ([[cargo, "--config", f"http.timeout={PATIENCE}", "fetch"]], cargo_project(inside("cargo"), site)),
        "git": ([["git", "-c", "http.lowSpeedLimit=1", "-c", f"http.lowSpeedTime={PATIENCE}", "clone",
                  site.url("/git/good.git"), "got"]],
                {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}),
    }


def attempt(proxy, directory, command, environment):
    foreign = ("npm_config_", "pip_", "go", "cargo_", "git_", "curl_", "ssl_", "rustup_toolchain", "apt_")
    env = {k: v for k, v in os.environ.items()
           if not k.lower().endswith("_proxy") and not k.lower().startswith(foreign)}
    env.update(HOME=directory, **environment)
    for words in command:
        began = time.monotonic()
        ran = subprocess.run([proxymodule.divectl_path(), "-c", proxy.config_path, "run", "--", *words], cwd=directory,
                             capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, env=env)
        seconds = time.monotonic() - began
        if ran.returncode != 0:
            break
    said = [line.strip() for line in (ran.stderr + "\n" + ran.stdout).splitlines() if line.strip()]
    wrong = [line for line in said if any(word in line.lower() for word in
                                          ("timed", "timeout", "error", "failed", "err:", "slow", "aborted", "caused"))]
    return {"waits": ran.returncode == 0, "seconds": round(seconds, 1),
            "said": "" if ran.returncode == 0 else "; ".join((wrong or said or ["(nothing)"])[:4])[:400]}


def measure(lab, site, setting):
    one = proxymodule.Proxy(lab, hold=SETTINGS[setting], access={"connect-ports": [443]}).start()
    directory = tempfile.mkdtemp(prefix="dive-patience-")
    try:
        wanted = commands(directory, one, site)
        with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
            found = {name: pool.submit(attempt, one, os.path.join(directory, name), *wanted[name])
                     for name in wanted if shutil.which(wanted[name][0][0][0])}
            return {name: future.result() for name, future in found.items()}
    finally:
        one.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="How long real clients wait while a download is held.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    directory, made = tempfile.mkdtemp(prefix="dive-lab-"), tempfile.mkdtemp(prefix="dive-repos-")
    os.chmod(directory, 0o755)
    lab = labmodule.up(directory, tied=True)
    try:
        site = SlowSite(lab)
        repos.plain(site, 300_000)
        for name in ("pip", "npm", "go", "cargo"):
            getattr(repos, name)(site, PADDING)
        for name in ("apt", "git"):
            os.makedirs(os.path.join(made, name))
            getattr(repos, name)(site, os.path.join(made, name), PADDING)
        results = {setting: measure(lab, site, setting) for setting in SETTINGS}
    finally:
        labmodule.down(directory)
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(made, ignore_errors=True)
    if options.json:
        print(json.dumps(results, indent=1))
        return
    print("| client | " + " | ".join(SETTINGS) + " |\n| --- |" + " --- |" * len(SETTINGS))
    for name in results["as it comes"]:
        cells = [results[setting][name] for setting in SETTINGS]
        print(f"| {name} | " + " | ".join(f"waits ({c['seconds']} s)" if c["waits"] else
                                          f"gives up ({c['seconds']} s)" for c in cells) + " |")
    for setting, found in results.items():
        for name, cell in found.items():
            if not cell["waits"]:
                print(f"\n{name}, {setting}: {cell['said']}")


if __name__ == "__main__":
    main()
