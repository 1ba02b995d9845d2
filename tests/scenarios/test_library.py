# SPDX-License-Identifier: BSD-2-Clause
"""libdive as another program meets it: `make install`, headers, pkg-config, manual pages, the example."""
import os
import re
import shlex
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))

import sign as signer  # noqa: E402  the path is set above

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CC = shlex.split(os.environ.get("CC", "gcc"))
SAN_FLAGS = shlex.split(os.environ.get("SAN_FLAGS", ""))
HOST = "files.dive.example"
CONTENT = b"hello, world\n" * 5000


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def make(*arguments):
    return run("make", "-C", ROOT, *arguments)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def files(directory):
    return {os.path.relpath(os.path.join(d, name), directory)
            for d, _, names in os.walk(directory) for name in names}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    path = tmp_path_factory.mktemp("prefix")
    make("install", f"prefix={path}", f"sysconfdir={path}/etc")
    return str(path)


@pytest.fixture(scope="module")
def pkg_config(prefix):
    env = {**os.environ, "PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
    return lambda *arguments: shlex.split(run("pkg-config", *arguments, "libdive", env=env))


def exported(prefix):
    lines = run("nm", "-D", "--defined-only", f"{prefix}/lib/libdive.so").splitlines()
    symbols = [line.split()[-1] for line in lines if " A " not in line]
    assert all(s.endswith("@@LIBDIVE_0") for s in symbols), "a symbol without its version"
    return sorted(s.split("@@")[0] for s in symbols)


def declared(prefix):
    text = run(*CC, "-std=c11", "-E", "-P", f"-I{prefix}/include", f"{prefix}/include/dive/dive.h")
    text = re.sub(r"\btypedef\b[^;{}]*;", "", text[text.index("enum dive_error"):])
    return sorted(set(re.findall(r"\b(dive_\w+)\([^;{}]*\)(?:\s*__attribute__\s*\(\([^;{}]*\)\))?;",
                                 re.sub(r"\{[^{}]*\}", "{}", text))))


def documented():
    """function -> pages whose synopsis has it"""
    pages = {}
    for name in sorted(os.listdir(f"{ROOT}/docs")):
        if name.endswith(".3"):
            for function in re.findall(r"^\.F[on] (dive_\w+)", read(ROOT, "docs", name).split(
                    ".Sh DESCRIPTION")[0], re.M):
                pages.setdefault(function, []).append(name)
    return pages


def test_exports_what_the_public_headers_declare_and_no_more(prefix):
    assert len(exported(prefix)) > 70
    assert exported(prefix) == declared(prefix)
    assert "SONAME" in run("readelf", "-d", f"{prefix}/lib/libdive.so")
    assert "[libdive.so.0]" in run("readelf", "-d", f"{prefix}/lib/libdive.so")


def test_the_archive_shows_the_same_names(prefix):
    lines = run("nm", "-g", "--defined-only", f"{prefix}/lib/libdive.a").splitlines()
    names = [line.split()[2] for line in lines if len(line.split()) == 3]
    own = [n for n in names if "asan" not in n and "ubsan" not in n and "DW.ref" not in n]
    assert sorted(own) == exported(prefix)


@pytest.mark.skipif(bool(SAN_FLAGS), reason="sanitizers bring variables of their own")
def test_it_has_no_variables(prefix):
    sections = run("size", "-A", f"{prefix}/lib/libdive.a")
    sizes = dict(re.findall(r"^(\.(?:data|bss|tdata|tbss))\s+(\d+)", sections, re.M))
    assert sizes and set(sizes.values()) == {"0"}, "libdive has no global state"


def test_every_public_call_is_in_one_manual_page_and_in_the_test_of_allocations(prefix):
    pages = documented()
    assert sorted(pages) == exported(prefix)
    assert [f for f, where in pages.items() if len(where) != 1] == []
    source = read(ROOT, "tests", "lib", "test_memory.c")
    table = source[source.index("static const struct row"):]
    rows = set(re.findall(r"\bdive_\w+", " ".join(
        strings.rsplit('"', 2)[1] for strings in re.findall(r"\{.*\"\},", table))))
    assert sorted(rows) == exported(prefix)
    calls = source[:source.index("static const struct row")]
    assert [f for f in rows if not re.search(rf"\b{f}\(", calls)] == [], "named, but not called"


def test_manual_pages_are_well_formed_and_found_by_each_name(prefix):
    pages = sorted(f"{ROOT}/docs/{n}" for n in os.listdir(f"{ROOT}/docs") if n.endswith(".3"))
    run("mandoc", "-T", "lint", "-W", "warning", *pages)
    man3 = f"{prefix}/share/man/man3"
    for function, (page,) in documented().items():
        path = f"{man3}/{function}.3"
        text = read(path)
        if f"{function}.3" != page:
            assert text == f".so man3/{page}\n"
        assert os.path.exists(f"{man3}/{page}")
    for page in pages:
        for name in re.findall(r"^\.Xr (dive_\w+) 3", read(page), re.M):
            assert os.path.exists(f"{man3}/{name}.3"), f"{page}: {name}"


def test_headers_stand_alone_in_c_and_in_cxx(prefix, tmp_path):
    names = sorted(os.listdir(f"{prefix}/include/dive"))
    umbrella = read(prefix, "include", "dive", "dive.h")
    cxx = ["clang++"] if "clang" in CC[0] else ["g++"]
    for name in names:
        assert name == "dive.h" or f'#include "{name}"' in umbrella
        text = f"#include <dive/{name}>\n#include <dive/{name}>\nint main() {{ return 0; }}\n"
        for compiler, language, standard in [(CC, "c", "c11"), (cxx, "c++", "c++11")]:
            run(*compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic",
                "-Werror", "-fsyntax-only", f"-I{prefix}/include", "-", input=text)
    source = tmp_path / "name.cpp"
    source.write_text('#include <dive/dive.h>\n'
                      'int main() { return dive_domain_covers("a.b", "x.a.b") ? 0 : 1; }\n')
    run(*cxx, *SAN_FLAGS, str(source), f"-I{prefix}/include", f"-L{prefix}/lib",
        f"-Wl,-rpath,{prefix}/lib", "-ldive", "-o", str(tmp_path / "name"))
    run(str(tmp_path / "name"))


@pytest.fixture(scope="module", params=["shared", "static"])
def example(request, prefix, pkg_config, tmp_path_factory):
    path = tmp_path_factory.mktemp("example") / request.param
    if request.param == "shared":
        libraries = [*pkg_config("--libs"), f"-Wl,-rpath,{prefix}/lib"]
    else:
        libraries = [f if f != "-ldive" else "-l:libdive.a" for f in pkg_config("--static", "--libs")]
    run(*CC, *SAN_FLAGS, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
        f"{ROOT}/docs/example.c", *pkg_config("--cflags"), *libraries, "-o", str(path))
    needed = run("readelf", "-d", str(path))
    assert ("[libdive.so.0]" in needed) == (request.param == "shared")
    return str(path)


@pytest.fixture
def given(tmp_path):
    """What the example is to be given, made by other hands: CONTENT and its fields in two drafts."""
    class Given:
        key = signer.generate_key()
        published = key
        policy = "dive-draft-01"
        host, content = HOST, CONTENT

        def command(self, example):
            (tmp_path / "file").write_bytes(self.content)
            (tmp_path / "headers").write_text("".join(f"{n}: {v}\n" for n, v in self.fields))
            (tmp_path / "records").write_text(
                f'_dive.dive.example v="{self.policy}", scopes=("strict")\n'
                f"k1._divekey.dive.example {signer.key_record(self.published)}\n")
            return [example, self.host, *(str(tmp_path / n) for n in ("file", "headers", "records"))]

        def run(self, example):
            done = subprocess.run(self.command(example), capture_output=True, text=True, timeout=20)
            return done.returncode, done.stdout + done.stderr

    given = Given()
    given.fields = fields_01(given.key)
    return given


def fields_01(key):
    return signer.sign01(key, "k1", CONTENT)


def fields_00(key):
    return signer.sign00(key, "k1", CONTENT)


@pytest.mark.parametrize("draft", ["dive-draft-00", "dive-draft-01"])
def test_example_accepts_what_was_signed(example, given, draft):
    given.policy = draft
    given.fields = (fields_00 if draft.endswith("00") else fields_01)(given.key)
    assert given.run(example) == (0, "verified: nothing failed\n")


def test_example_refuses_tampered_content(example, given):
    given.content = CONTENT[:-1] + b"!"
    status, text = given.run(example)
    assert (status, text) == (1, "failed: the content is not what was signed\n")


def test_example_refuses_another_key(example, given):
    given.published = signer.generate_key()
    assert given.run(example) == (1, "failed: the content is not what was signed\n")


def test_example_refuses_without_fields_or_policy(example, given):
    fields, given.fields = given.fields, []
    assert given.run(example)[0] == 1
    given.fields, given.host = fields, "elsewhere.example"
    assert given.run(example) == (1, "not-supported: nothing failed\n")


def test_example_says_what_is_unusable(example, given, tmp_path):
    command = given.command(example)
    for broken in [command[:4], [*command[:2], str(tmp_path / "absent"), *command[3:]],
                   [*command[:3], str(tmp_path), command[4]],
                   [command[0], "not a host", *command[2:]]]:
        done = subprocess.run(broken, capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and done.stdout == "" and "example" in done.stderr
    (tmp_path / "headers").write_text("no colon here\n")
    assert subprocess.run(command, capture_output=True, timeout=20).returncode == 2
    (tmp_path / "headers").write_text("A: b\n" * 20000)
    assert subprocess.run(command, capture_output=True, timeout=20).returncode == 2


def test_the_guide_has_the_example_as_it_is():
    assert f"```c\n{read(ROOT, 'docs', 'example.c')}```\n" in read(ROOT, "docs", "library.md")


def test_install_stays_in_destdir_and_uninstall_leaves_the_configuration(tmp_path):
    places = [f"DESTDIR={tmp_path}", "prefix=/usr", "libdir=/usr/lib/there", "mandir=/usr/man"]
    make("install", *places)
    installed = files(tmp_path)
    assert {"usr/sbin/dived", "usr/bin/divectl", "etc/dived/dived.yaml", "usr/lib/there/libdive.so.0",
            "usr/lib/there/libdive.a", "usr/lib/there/pkgconfig/libdive.pc", "usr/man/man8/dived.8",
            "usr/include/dive/dive.h", "usr/man/man3/dive_verifier_new.3", "usr/man/man1/divectl.1",
            "usr/lib/systemd/system/dived.service", "usr/man/man5/dived.yaml.5",
            "usr/man/man3/dive_sign_00.3", "usr/share/bash-completion/completions/divectl",
            "usr/share/zsh/site-functions/_divectl"} <= installed
    unit = read(tmp_path, "usr/lib/systemd/system/dived.service")
    assert "/usr/sbin/dived -c /etc/dived/dived.yaml" in unit and "/usr/local" not in unit
    pc = read(tmp_path, "usr/lib/there/pkgconfig/libdive.pc")
    assert "libdir=/usr/lib/there" in pc and str(tmp_path) not in pc
    (tmp_path / "etc/dived/dived.yaml").write_text("version: 1\n")
    make("install", *places)
    assert read(tmp_path, "etc/dived/dived.yaml") == "version: 1\n", "an administrator's file is kept"
    make("uninstall", *places)
    assert files(tmp_path) == {"etc/dived/dived.yaml"}
