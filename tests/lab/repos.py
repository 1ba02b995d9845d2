# SPDX-License-Identifier: BSD-2-Clause
"""Package repositories of real clients, signed for DIVE and served by an nginx of their own.

Each has two packages: `good`, and `forged`, whose file isn't what was signed (its last byte differs, the
client's own checksums are of the genuine one). Everything else, indexes included, is signed and genuine.
A `site` has add(path, data, forged, content_type) and url(path); `padding` makes the packages larger.
"""
import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
import zipfile

import dns
import proxy
import sign
import web

HOST = "dive01.example"


class Site:
    """Files of one host over http and https; add() them, then start()."""

    def __init__(self, lab, directory):
        self.lab, self.directory, self.files = lab, directory, {}
        self.http, self.https = proxy.free_port(), proxy.free_port()
        self.process = None
        os.makedirs(os.path.join(directory, "www"))

    def url(self, path="", scheme="https"):
        return f"{scheme}://{HOST}:{self.https if scheme == 'https' else self.http}{path}"

    def add(self, path, data, forged=False, content_type="application/octet-stream"):
        name = hashlib.sha256(path.encode()).hexdigest()[:32]
        with open(os.path.join(self.directory, "www", name), "wb") as f:
            f.write(web.flipped(data) if forged else data)
        # try_files, since alias of a path that ends in a slash would look for an index in it.
        lines = [f"location = {web.quote(path)} {{", f"  try_files /{name} =404;", "  types {}",
                 f"  default_type {content_type};"]
        lines += [f"  add_header {n} {web.quote(v)};" for n, v in sign.sign01(self.lab.keys["ed1"], "ed1", data)]
        self.files[path] = "\n".join(lines + ["}"])

    def start(self):
        conf = os.path.join(self.directory, "nginx.conf")
        pki = self.lab.path("pki")
        server = f"""
  server {{
    listen 127.0.0.1:{self.http};
    listen 127.0.0.1:{self.https} ssl;
    root {self.directory}/www;
    ssl_certificate {pki}/origins.crt;
    ssl_certificate_key {pki}/origins.key;
    {chr(10).join(self.files.values())}
  }}"""
        temp = "".join(f"  {name}_temp_path {self.directory}/{name};\n" for name in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(conf, "w", encoding="utf-8") as f:
            f.write(f"daemon off;\npid {self.directory}/pid;\nworker_processes 1;\nerror_log stderr;\n"
                    f"events {{}}\nhttp {{\n  access_log off;\n{temp}{server}\n}}\n")
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [dns.tool("nginx"), "-p", self.directory, "-c", conf, "-e", "stderr"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=proxy.die_with_parent)
        deadline = time.monotonic() + 15
        while subprocess.run(["curl", "-s", "-o", os.devnull, "--noproxy", "*",
                              f"http://127.0.0.1:{self.http}/"], check=False).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"nginx didn't start: see {self.directory}/log")
            time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


def tar_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def zip_of(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def plain(site, size=50_000):
    for name in ("good", "forged"):
        site.add(f"/files/{name}", web.content(size, name), name == "forged")


def apt(site, directory, padding=""):
    """A flat repository, its packages made by dpkg-deb."""
    packages = ""
    for name in ("good", "forged"):
        root = os.path.join(directory, name)
        os.makedirs(os.path.join(root, "DEBIAN"))
        control = (f"Package: lab-{name}\nVersion: 1.0\nArchitecture: all\nMaintainer: The Lab <lab@lab.example>\n"
                   f"Description: nothing\n")
        with open(os.path.join(root, "DEBIAN", "control"), "w", encoding="ascii") as f:
            f.write(control)
        with open(os.path.join(root, f"padding-{name}"), "w", encoding="ascii") as f:
            f.write(padding)
        deb = os.path.join(directory, f"{name}.deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, deb], check=True, capture_output=True)
        with open(deb, "rb") as f:
            data = f.read()
        packages += (control + f"Filename: ./{name}.deb\nSize: {len(data)}\n"
                     f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n")
        site.add(f"/apt/{name}.deb", data, name == "forged")
    packages = packages.encode()
    release = "Origin: lab\nDate: " + time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime()) + "\nSHA256:\n"
    for name, data in (("Packages", packages), ("Packages.gz", gzip.compress(packages, mtime=0))):
        site.add(f"/apt/{name}", data)
        release += f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n"
    site.add("/apt/Release", release.encode())


def pip(site, padding=""):
    for name in ("good", "forged"):
        info, wheel = f"lab_{name}-1.0.dist-info", f"lab_{name}-1.0-py3-none-any.whl"
        data = zip_of({
            f"lab_{name}.py": "#" + padding, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: lab-{name}\nVersion: 1.0\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": f"lab_{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"})
        page = (f'<!doctype html><title>lab</title><a href="/simple/{wheel}#sha256={hashlib.sha256(data).hexdigest()}">'
                f"{wheel}</a>")
        site.add(f"/simple/lab-{name}/", page.encode(), content_type="text/html")
        site.add(f"/simple/{wheel}", data, name == "forged")


def npm(site, padding=""):
    for name in ("good", "forged"):
        data = tar_of({"package/package.json": json.dumps({"name": f"lab-{name}", "version": "1.0.0"}),
                       "package/padding": padding})
        tarball = f"/npm/lab-{name}/-/lab-{name}-1.0.0.tgz"
        version = {"name": f"lab-{name}", "version": "1.0.0", "dist": {
            "tarball": site.url(tarball), "shasum": hashlib.sha1(data).hexdigest(),
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()}}
        about = {"name": f"lab-{name}", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        site.add(f"/npm/lab-{name}", json.dumps(about).encode(), content_type="application/json")
        site.add(tarball, data, name == "forged")


def go(site, padding=""):
    for name in ("good", "forged"):
        module, base = f"lab.example/{name}", f"/go/lab.example/{name}/@v/"
        mod = f"module {module}\n\ngo 1.19\n"
        site.add(base + "list", b"v1.0.0\n")
        site.add(base + "v1.0.0.info", json.dumps({"Version": "v1.0.0", "Time": "2026-01-01T00:00:00Z"}).encode())
        site.add(base + "v1.0.0.mod", mod.encode())
        site.add(base + "v1.0.0.zip", zip_of({f"{module}@v1.0.0/go.mod": mod,
                                              f"{module}@v1.0.0/x.go": f"package {name}\n",
                                              f"{module}@v1.0.0/padding": padding}), name == "forged")


def cargo(site, padding=""):
    """A sparse registry."""
    site.add("/cargo/config.json", json.dumps({"dl": site.url("/cargo/dl/{crate}.crate")}).encode())
    for name in ("good", "forged"):
        crate = f"lab-{name}"
        data = tar_of({f"{crate}-1.0.0/Cargo.toml": f'[package]\nname = "{crate}"\nversion = "1.0.0"\n',
                       f"{crate}-1.0.0/src/lib.rs": "", f"{crate}-1.0.0/padding": padding})
        line = {"name": crate, "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
                "cksum": hashlib.sha256(data).hexdigest()}
        site.add(f"/cargo/la/b-/{crate}", json.dumps(line).encode() + b"\n")
        site.add(f"/cargo/dl/{crate}.crate", data, name == "forged")


def git(site, directory, padding=""):
    """Repositories for the dumb protocol: files. Of `forged` one object isn't what was signed."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_AUTHOR_NAME": "lab",
           "GIT_AUTHOR_EMAIL": "lab@lab.example", "GIT_COMMITTER_NAME": "lab", "GIT_COMMITTER_EMAIL": "lab@lab.example"}

    def run(where, *args):
        subprocess.run(["git", "-C", where, *args], check=True, capture_output=True, env=env)

    for name in ("good", "forged"):
        work, bare = os.path.join(directory, name), os.path.join(directory, name + ".git")
        os.makedirs(work)
        run(directory, "init", "-q", "-b", "main", name)
        with open(os.path.join(work, "file"), "w", encoding="ascii") as f:
            f.write(name + padding)
        run(work, "add", "file")
        run(work, "commit", "-q", "-m", name)
        run(directory, "clone", "-q", "--bare", work, bare)
        run(bare, "update-server-info")
        blob = subprocess.run(["git", "-C", bare, "rev-parse", "HEAD:file"], check=True, capture_output=True,
                              text=True).stdout.strip()
        for folder, _, files in os.walk(bare):
            for file in files:
                path = os.path.join(folder, file)
                if "/hooks/" in path:
                    continue
                with open(path, "rb") as f:
                    site.add(f"/git/{name}.git" + path[len(bare):], f.read(),
                             name == "forged" and path.endswith(blob[:2] + "/" + blob[2:]))
        shutil.rmtree(work)
