# SPDX-License-Identifier: BSD-2-Clause
"""make deb: the packages, what lintian says of them, and an installation into a folder."""
import os
import shutil
import subprocess

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DEB = os.path.join(ROOT, "build", "deb")
PACKAGES = ("dived", "libdive0", "libdive-dev")


def run(*args, **how):
    return subprocess.run(args, capture_output=True, text=True, timeout=1200, check=False, **how)


@pytest.fixture(scope="module")
def packages():
    """{name: path}, made anew."""
    for tool in ("dpkg-buildpackage", "dh", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here: make deps")
    if "sanitizer" in os.environ.get("DIVED", ""):
        pytest.skip("packages are of the plain build")
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = run("make", "deb", cwd=ROOT, env=env)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    version = run("make", "-s", "-f", "Makefile", "--eval", "print-version: ; @echo $(VERSION)", "print-version",
                  cwd=ROOT, env=env).stdout.strip()
    found = {name: next(os.path.join(DEB, f) for f in os.listdir(DEB) if f.startswith(f"{name}_{version}_"))
             for name in PACKAGES}
    return found


def files(path):
    return [line.split()[5] for line in run("dpkg-deb", "-c", path).stdout.splitlines()]


def test_what_a_build_needs_is_named():
    """A package builder has nothing but Build-Depends: what `make deps` installs to build with must be in it."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    deps = run("make", "-s", "-f", "Makefile", "--eval", "print-deps: ; @echo $(DEPS)", "print-deps", cwd=ROOT,
               env=env).stdout.split()
    with open(os.path.join(ROOT, "conf", "debian", "control"), encoding="ascii") as f:
        fields = f.read().split("\nStandards-Version:", 1)[0].split("Build-Depends:", 1)[1]
    named = {word.split()[0] for word in fields.split(",")}
    wanted = {name for name in deps if name.endswith("-dev")} | {"node-llhttp", "pkg-config"}
    assert len(wanted) > 10 and wanted <= named, wanted - named


def test_lintian_has_nothing_to_say(packages):
    if shutil.which("lintian") is None:
        pytest.skip("no lintian here: make deps")
    changes = next(os.path.join(DEB, f) for f in os.listdir(DEB) if f.endswith(".changes"))
    done = run("lintian", "--fail-on", "error,warning", *(["--allow-root"] if os.geteuid() == 0 else []), changes)
    assert done.returncode == 0, done.stdout + done.stderr
    assert packages


def test_what_is_in_which_package(packages):
    daemon, library, development = (files(packages[name]) for name in PACKAGES)
    for name in ("./usr/sbin/dived", "./usr/bin/divectl", "./etc/dived/dived.yaml", "./etc/logrotate.d/dived",
                 "./lib/systemd/system/dived.service", "./usr/lib/sysusers.d/dived.conf",
                 "./usr/share/man/man8/dived.8.gz", "./usr/share/man/man5/dived.yaml.5.gz",
                 "./usr/share/doc/dived/nft/redirect.nft", "./usr/share/doc/dived/nft/tproxy.nft",
                 "./usr/share/doc/dived/nft/tproxy-routes.sh", "./usr/share/man/man1/divectl.1.gz", "./usr/share/bash-completion/completions/divectl"):
        assert name in daemon, name
    assert any(name.endswith("/libdive.so.0") for name in library)
    assert "./usr/include/dive/verifier.h" in development
    assert not any(name.startswith("./usr/local") for name in daemon + library + development)


def test_an_installation_passes_its_check_and_keeps_its_configuration(packages, tmp_path):
    """With dpkg itself, into a folder; without the dependencies, which this machine has."""
    if os.geteuid() != 0:
        pytest.skip("dpkg --root needs root")
    root = tmp_path / "root"
    for folder in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "var/log", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    command = ["dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless", "--unpack"]
    done = run(*command, *packages.values())
    assert done.returncode == 0, done.stderr
    etc = root / "etc/dived/dived.yaml.dpkg-new"  # a conffile gets its name when the package is configured
    with open(etc, encoding="utf-8") as f:
        text = f.read()
    assert '"127.0.0.1:3128"' in text and "127.0.0.0/8" in text, "it serves nobody but this machine"
    conffiles = run("dpkg-deb", "-f", packages["dived"], "Conffiles").stdout
    control = run("dpkg-deb", "-I", packages["dived"], "conffiles").stdout
    assert "/etc/dived/dived.yaml" in control + conffiles
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace("/var/lib/dived", str(tmp_path)).replace("/run/dived", str(tmp_path))
                    .replace("/var/cache/dived", str(tmp_path)))
    done = run(str(root / "usr/sbin/dived"), "-c", str(mine), "--check")
    assert done.returncode == 0, done.stderr
    scripts = run("dpkg-deb", "-I", packages["dived"], "postinst").stdout
    assert "systemd-sysusers" in scripts and "dived.conf" in scripts, "nobody makes the service's user"
    assert scripts.count("deb-systemd-helper enable") <= scripts.count("if deb-systemd-helper --quiet was-enabled"), \
        "it is enabled without its administrator"
    assert "systemctl start" not in scripts and "deb-systemd-invoke start" not in scripts, scripts
    removal = run("dpkg-deb", "-I", packages["dived"], "prerm").stdout
    assert 'if [ "$1" = remove ]' in removal and "deb-systemd-invoke stop" in removal, \
        "a removed package's daemon would go on"
