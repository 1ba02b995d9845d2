# SPDX-License-Identifier: BSD-2-Clause
"""divectl keygen and sign: from an empty directory to a file that the proxy releases."""
import json
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import pytest
from expect import blocked, released

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))

import proxy as proxymodule       # noqa: E402  the path is set above
import sign as oracle             # noqa: E402

HASHES = ("sha-256", "sha-384", "sha-512", "sha3-256", "sha3-384", "sha3-512")
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


def divectl(*args, stdin=None, env=None, cwd=None, code=0):
    done = subprocess.run([proxymodule.divectl_path(), *map(str, args)], input=stdin, env=env, cwd=cwd,
                          capture_output=True, timeout=60, check=False, start_new_session=True)
    assert done.returncode == code, done
    return done


def out(*args, **how):
    return divectl(*args, **how).stdout.decode()


def refused(*args, code, says, **how):
    """One clear line on standard error, the documented exit code, nothing on standard output."""
    done = divectl(*args, code=code, **how)
    lines = done.stderr.decode().splitlines()
    assert done.stdout == b"" and len(lines) == 1 and says in lines[0], done


@pytest.fixture
def folder():
    """One that Apache's own user can reach, too."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="dive-sign-"))
    os.chmod(path, 0o755)
    (path / "www").mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def key(folder):
    path = folder / "key.pem"
    out("keygen", path, "--keyid", "k@lab.example")
    return path


def publish(lab, lines):
    """Zone-file lines, as printed, into the running DNS server."""
    for line in lines.splitlines():
        owner, ttl, kind_class, kind, value = line.split(" ", 4)
        assert kind_class == "IN"
        with lab.dns.transaction(lab.dns.zone_of(owner)) as change:
            change("set", owner, ttl, kind, value)


def wait_port(port, process):
    for _ in range(100):
        assert process.poll() is None, "the web server ended"
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the web server doesn't listen")


class Server:
    """nginx or Apache with one produced snippet, checked by the server's own syntax check first."""

    def __init__(self, kind, folder, snippet):
        self.port = proxymodule.free_port()
        (folder / "snippet.conf").write_text(snippet, encoding="utf-8")
        conf = folder / f"{kind}.conf"
        conf.write_text(getattr(self, kind)(folder), encoding="utf-8")
        program = shutil.which("nginx" if kind == "nginx" else "apache2",
                               path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        assert program, f"{kind} is not installed: make deps"
        command = [program, "-c" if kind == "nginx" else "-f", str(conf)]
        check = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert check.returncode == 0, check
        if kind == "apache":
            command.append("-DFOREGROUND")
        self.process = subprocess.Popen(command, preexec_fn=proxymodule.die_with_parent,
                                        stderr=subprocess.DEVNULL, start_new_session=True)

    def nginx(self, folder):
        user = "user root;\n" if os.geteuid() == 0 else ""
        temps = "".join(f"{kind}_temp_path {folder}/tmp;\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return (f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
                f"http {{\n{temps}access_log off;\ngzip on; gzip_types *; gzip_min_length 1;\n"
                f"server {{ listen 127.0.0.1:{self.port}; root {folder}/www;\n"
                f"include {folder}/snippet.conf;\n}} }}\n")

    def apache(self, folder):
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                          for name in ("mpm_event", "authz_core", "headers"))
        user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        return (f"{modules}{user}ServerName localhost\nServerRoot {folder}\nPidFile {folder}/httpd.pid\n"
                f"Listen 127.0.0.1:{self.port}\nErrorLog {folder}/error.log\nDocumentRoot {folder}/www\n"
                f"<Directory />\nAllowOverride None\n</Directory>\n<Directory {folder}/www>\nRequire all granted\n</Directory>\n"
                f"Include {folder}/snippet.conf\n")

    def __enter__(self):
        wait_port(self.port, self.process)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.mark.parametrize("server", ("nginx", "apache"))
@pytest.mark.parametrize("draft", ("00", "01"))
@pytest.mark.parametrize("algorithm", ("ed25519", "ed448"))
def test_from_an_empty_directory_to_a_released_file(proxy, lab, folder, server, draft, algorithm):
    """As docs/signing.md tells it; every record is what divectl printed."""
    host = lab.new_host(keyids=())
    lab.dns.remove_policy(host)
    config = folder / "dived.yaml"
    proxymodule.write_config(lab, str(config), str(folder / "state"), 3128, interception={"enabled": False})
    publish(lab, out("keygen", folder / "k.pem", "--keyid", f"new@{host}", "--ttl", 1, "--algorithm",
                     algorithm))
    names = ["plain.txt", "with space (1)+'\"\\ü.txt"]
    bodies = {}
    for name in names:
        bodies[name] = os.urandom(3000) + name.encode()
        (folder / "www" / name).write_bytes(bodies[name])
        os.chmod(folder / "www" / name, 0o644)
    snippet = out("sign", *(folder / "www" / name for name in names), "--root", folder / "www", "--key",
                  folder / "k.pem", "--keyid", "new", "--draft", draft, "--format", server)
    with Server(server, folder, snippet) as web:
        publish(lab, out("records", "--make", host, "--policy", draft, "--scopes", "strict", "--ttl", 1))
        for name in names:
            url = f"http://{host}:{web.port}/{urllib.parse.quote(name)}"
            released(proxy.curl(url, "-H", "Accept-Encoding: gzip"), bodies[name])
            account = json.loads(out("verify", "-c", config, "--require", "--json", url))
            assert (account["verdict"], account["key-id"]) == ("verified", "new")
        (folder / "www" / "plain.txt").write_bytes(b"something else")
        reply = proxy.curl(f"http://{host}:{web.port}/plain.txt")
        blocked(reply, "signature-mismatch", b"something else")
        told = divectl("verify", "-c", config, f"http://{host}:{web.port}/plain.txt", code=1)
        assert b"signature-mismatch" in told.stdout + told.stderr


def test_rotation_with_two_keys(proxy, lab, folder):
    """Signed by the old and the new key: verifies with either record alone."""
    host = lab.new_host(keyids=())
    old = out("keygen", folder / "old.pem", "--keyid", f"old@{host}", "--ttl", 1)
    new = out("keygen", folder / "new.pem", "--keyid", f"new@{host}", "--ttl", 1, "--algorithm", "ed448")
    (folder / "www" / "f").write_bytes(b"content")
    snippet = out("sign", "f", "--key", folder / "old.pem", "--keyid", f"old@{host}", "--key",
                  folder / "new.pem", "--keyid", f"new@{host}", "--format", "nginx", "--created", "now",
                  "--expires", "+600", "--component", "@status", cwd=folder / "www")
    publish(lab, old)
    with Server("nginx", folder, snippet) as web:
        url = f"http://{host}:{web.port}/f"
        assert released(proxy.curl(url), b"content")["key_id"] == "old"
        publish(lab, new)
        lab.dns.revoke_key(host, "old")
        time.sleep(2.1)
        assert released(proxy.curl(url), b"content")["key_id"] == "new"


@pytest.mark.parametrize("algorithm", ("ed25519", "ed448"))
@pytest.mark.parametrize("name", HASHES)
def test_the_same_signature_as_an_independent_signer(folder, algorithm, name):
    out("keygen", folder / "k", "--keyid", "k@d.example", "--algorithm", algorithm)
    private, data = oracle.load_key(folder / "k"), os.urandom(100)
    (folder / "f").write_bytes(data)
    common = ("sign", folder / "f", "--key", folder / "k", "--keyid", "k@d.example", "--hash", name)
    lines = [f"{field}: {value}" for field, value in
             oracle.sign01(private, "k@d.example", data, (name,), extra=";created=5;expires=4000000000",
                           components=('"content-digest"', '"@status"'))]
    assert out(*common, "--created", 5, "--expires", 4000000000, "--component", "@status").splitlines() == lines
    record_name = {field: record for record, (field, _) in oracle.HASHES.items()}[name]
    assert out(*common, "--draft", "00").strip() == \
        "DIVE-Sig: " + oracle.sign00(private, "k", data, record_name, "d.example")[0][1]


def test_key_files(folder):
    mask = os.umask(0)
    try:
        line = out("keygen", folder / "k", "--keyid", "k@d.example", "--cache", 60)
    finally:
        os.umask(mask)
    assert os.stat(folder / "k").st_mode & 0o7777 == 0o600
    assert oracle.key_record(oracle.load_key(folder / "k"), cache=60).replace('"', '\\"') in line
    before = (folder / "k").read_bytes()
    refused("keygen", folder / "k", "--keyid", "k@d.example", code=2, says="exists already")
    assert (folder / "k").read_bytes() == before
    (folder / "dangling").symlink_to(folder / "nowhere")
    refused("keygen", folder / "dangling", "--keyid", "k@d.example", code=2, says="exists already")
    refused("keygen", folder / "x", "--keyid", "k", code=2, says="--keyid")
    refused("keygen", folder / "x", "--keyid", "k@d.example", "--algorithm", "rsa", code=2, says="rsa")
    assert not (folder / "x").exists()
    assert out("keygen", folder / "k", "--existing", "--keyid", "k@d.example", "--cache", 60) == line


def test_raw_and_encrypted_keys(folder):
    (folder / "f").write_bytes(b"x")
    (folder / "pass").write_text("secret\nnot this\n", encoding="ascii")
    os.chmod(folder / "pass", 0o600)
    for algorithm in ("ed25519", "ed448"):
        raw, enc = folder / f"{algorithm}.raw", folder / f"{algorithm}.enc"
        out("keygen", raw, "--raw", "--keyid", "k@d.example", "--algorithm", algorithm)
        out("keygen", enc, "--keyid", "k@d.example", "--algorithm", algorithm, "--passphrase-file",
            folder / "pass")
        assert b"ENCRYPTED" in enc.read_bytes() and len(raw.read_bytes().splitlines()) == 1
        made = out("sign", folder / "f", "--key", raw, "--keyid", "k")
        assert made == out("sign", folder / "f", "--key", "-", "--keyid", "k", stdin=raw.read_bytes())
        out("sign", folder / "f", "--key", enc, "--keyid", "k", "--passphrase-file", folder / "pass")
        (folder / "wrong").write_text("guess", encoding="ascii")
        os.chmod(folder / "wrong", 0o600)
        refused("sign", folder / "f", "--key", enc, "--keyid", "k", "--passphrase-file",
                folder / "wrong", code=65, says="passphrase")
        refused("sign", folder / "f", "--key", enc, "--keyid", "k", code=66, says="terminal")


def at_terminal(*args, says, answers):
    """Runs divectl with a terminal of its own; what the terminal showed, and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(proxymodule.divectl_path(), ["divectl", *map(str, args)])
    shown = b""
    try:
        for answer in answers:
            until = shown.count(says) + 1
            while shown.count(says) < until:
                shown += os.read(terminal, 1000)
            os.write(terminal, answer)
        while True:
            shown += os.read(terminal, 1000)
    except OSError:
        pass  # EIO: the other side has closed
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_passphrase_at_the_terminal(folder):
    (folder / "f").write_bytes(b"x")
    prompt = b"Passphrase or PIN of "
    _, code = at_terminal("keygen", folder / "k", "--encrypt", "--keyid", "k@d.example", says=prompt,
                          answers=[b"secret\n", b"secret\n"])
    assert code == 0 and b"ENCRYPTED" in (folder / "k").read_bytes()
    sign = ("sign", folder / "f", "--key", folder / "k", "--keyid", "k")
    shown, code = at_terminal(*sign, says=prompt, answers=[b"secret\n"])
    assert code == 0 and "Signature: " in shown and "secret" not in shown
    shown, code = at_terminal(*sign, says=prompt, answers=[b"wrong\n"])
    assert code == 65 and shown.count("Passphrase") == 1 and "Signature" not in shown
    shown, code = at_terminal(*sign, says=prompt, answers=[b"\x03"])
    assert code == 66 and "no passphrase" in shown
    _, code = at_terminal("keygen", folder / "x", "--encrypt", "--keyid", "k@d.example", says=prompt,
                          answers=[b"one\n", b"other\n"])
    assert code == 2 and not (folder / "x").exists()


@pytest.mark.parametrize("text, says", [
    (b"", "base64"), (b"AAAA", "3 bytes"), (b"A" * 44, "33 bytes"), (b"A" * 40, "30 bytes"),
    (b"?" * 44, "base64"), (b"-----BEGIN PRIVATE KEY-----\n", "no private key"),
    (b"x" * 20000, "longer"),
])
def test_bad_key_files(folder, text, says):
    (folder / "f").write_bytes(b"x")
    (folder / "k").write_bytes(text)
    os.chmod(folder / "k", 0o600)
    refused("sign", folder / "f", "--key", folder / "k", "--keyid", "k", code=65, says=says)


def test_keys_that_are_not_for_this(folder, key):
    (folder / "f").write_bytes(b"x")
    both = folder / "both"
    both.write_bytes(key.read_bytes() * 2)
    rsa = folder / "rsa"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", rsa],
                   check=True, capture_output=True)
    for path in (both, rsa):
        os.chmod(path, 0o600)
    refused("sign", folder / "f", "--key", both, "--keyid", "k", code=65, says="follows")
    refused("sign", folder / "f", "--key", rsa, "--keyid", "k", code=65, says="ed25519 and ed448 only")
    refused("sign", folder / "f", "--key", folder / "none", "--keyid", "k", code=66, says="No such file")
    for mode in (0o640, 0o604, 0o620):
        os.chmod(key, mode)
        refused("sign", folder / "f", "--key", key, "--keyid", "k", code=77, says="chmod 600")
    assert out("sign", folder / "f", "--key", key, "--keyid", "k", "--insecure-key-permissions")


@pytest.mark.parametrize("args, says", [
    (("--keyid", "a-b"), "--keyid"), (("--keyid", "k@"), "--keyid"), (("--keyid", "k" * 64), "--keyid"),
    (("--keyid", "k", "--hash", "md5"), "--hash"), (("--keyid", "k", "--draft", "02"), "--draft"),
    (("--keyid", "k", "--format", "iis"), "--format"), (("--keyid", "k", "--jobs", "0"), "--jobs"),
    (("--keyid", "k", "--jobs", "257"), "--jobs"), (("--keyid", "k", "--expires", "5"), "past"),
    (("--keyid", "k", "--created", "now", "--expires", "now"), "--expires"), ((), "--key"),
    (("--keyid", "k", "--draft", "00", "--hash", "all"), "one hash"),
    (("--keyid", "k", "--site", "ftp://x"), "--site"), (("--keyid", "k", "--created", "x"), "--created"),
])
def test_bad_options(folder, key, args, says):
    (folder / "f").write_bytes(b"x")
    refused("sign", folder / "f", "--key", key, *args, code=2, says=says)


@pytest.mark.parametrize("args, says", [
    (("--component", "@nonsense"), "component"), (("--component", "etag"), "absent"),
    (("--component", "content-digest"), "component"), (("--component", "@path;req"), "component"),
    (("--label", "Upper"), "label"),
])
def test_bad_components(folder, key, args, says):
    (folder / "f").write_bytes(b"x")
    refused("sign", folder / "f", "--key", key, "--keyid", "k", *args, code=1, says=says)


def wait_until_open(process, path):
    """Until `process` has `path` open. What it opens and closes meanwhile may go between two looks at it."""
    folder = f"/proc/{process.pid}/fd"
    while process.poll() is None:
        for fd in os.listdir(folder):
            try:
                if os.readlink(f"{folder}/{fd}") == str(path):
                    return
            except FileNotFoundError:
                pass
    raise AssertionError(f"it ended ({process.returncode}) before it had {path} open")


def test_a_file_that_changes_while_it_is_signed(folder, key):
    big = folder / "big"
    with open(big, "wb") as f:
        f.truncate(300 << 20)
    stop = threading.Event()

    def change():
        with open(big, "r+b") as f:
            while not stop.is_set():
                f.seek(0)
                f.write(os.urandom(8))
                f.flush()
                time.sleep(0.005)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        refused("sign", big, "--key", key, "--keyid", "k", code=1, says="changed")
    finally:
        stop.set()
        thread.join()
    replaced = folder / "replaced"
    out("sign", big, "--key", key, "--keyid", "k")  # left alone, it is signed
    process = subprocess.Popen([proxymodule.divectl_path(), "sign", str(big), "--key", str(key), "--keyid", "k",
                                "--hash", "all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until_open(process, big)
    replaced.write_bytes(b"new")
    os.replace(replaced, big)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, b"") and b"changed" in stderr


def test_one_bad_file_among_many(folder, key):
    for name in "abc":
        (folder / "www" / name).write_bytes(name.encode())
    os.mkfifo(folder / "www" / "fifo")
    common = ("--key", key, "--keyid", "k")
    done = divectl("sign", "a", "fifo", "b", *common, code=66, cwd=folder / "www")
    assert b"fifo: not a regular file" in done.stderr
    assert [line for line in done.stdout.decode().splitlines() if line.startswith("#")] == ["# /a", "# /b"]
    divectl("sign", "a", "none", *common, "--output", folder / "o", code=66, cwd=folder / "www")
    assert not (folder / "o").exists()
    out("sign", "a", "b", *common, "--output", folder / "o", cwd=folder / "www")
    before = (folder / "o").read_bytes()
    refused("sign", "c", *common, "--output", folder / "o", code=2, says="exists", cwd=folder / "www")
    assert (folder / "o").read_bytes() == before
    out("sign", "c", *common, "--output", folder / "o", "--force", cwd=folder / "www")
    assert (folder / "o").read_bytes() != before
    assert sorted(os.listdir(folder)) == ["key.pem", "o", "www"]


def test_headers_files(folder, key):
    www = folder / "www"
    for name in "ab":
        (www / name).write_bytes(name.encode())
    common = ("sign", "a", "b", "--key", key, "--keyid", "k", "--format", "headers")
    assert out(*common, cwd=www) == ""
    assert (www / "a.headers").read_text(encoding="ascii") == \
        out("sign", "a", "--key", key, "--keyid", "k", cwd=www)
    os.unlink(www / "a.headers")
    divectl(*common, cwd=www, code=2)  # b.headers is there; a.headers isn't
    assert sorted(os.listdir(www)) == ["a", "a.headers", "b", "b.headers"]
    out(*common, "--force", cwd=www)
    (folder / "out").mkdir()
    out(*common, "--output-dir", folder / "out", "--prefix", "/x/y", cwd=www)
    assert sorted(os.listdir(folder / "out" / "x" / "y")) == ["a.headers", "b.headers"]


def test_names_and_manifests(folder, key):
    www = folder / "www"
    names = [f"file {i}\n" for i in range(200)]
    for name in names:
        (www / name).write_bytes(name.encode())
    common = ("--key", key, "--keyid", "k", "--format", "json")
    listed = out("sign", "--files-from", "-", "--null", *common, cwd=www,
                 stdin="\0".join(names).encode() + b"\0")
    objects = [json.loads(line) for line in listed.splitlines()]
    assert [o["file"] for o in objects] == names  # in order, whatever the workers do
    assert objects[0]["path"] == "/file%200%0A"
    assert out("sign", "--manifest", "-", *common, cwd=www, stdin=listed.encode()) == listed
    line = {"file": names[0], "path": "/a%20b", "hash": ["sha-512", "sha3-256"], "created": 5,
            "expires": 4000000000, "component": ['"@status"', '"@path";req']}
    made = json.loads(out("sign", "--manifest", "-", *common, "--site", "https://d.example", cwd=www,
                          stdin=json.dumps(line).encode()))
    assert made["path"] == "/a%20b"
    data = names[0].encode()
    want = oracle.sign01(oracle.load_key(key), "k", data, ("sha-512", "sha3-256"),
                         components=('"content-digest"', '"@status"', '"@path";req'),
                         values={'"@path";req': "/a%20b"}, extra=";created=5;expires=4000000000")
    assert list(made["fields"].items()) == want
    for bad, says in (({"path": "/x"}, '"file"'), ({"file": 1}, "file"), ({"file": "a", "hsah": 1}, "unknown"),
                      ({"file": "a", "hash": "md5"}, "hash"), ({"file": "a", "path": "/../b"}, "path"),
                      ({"file": "a", "path": "/b?c"}, "path"), ([], "object")):
        refused("sign", "--manifest", "-", *common, code=65, says=says, stdin=json.dumps(bad).encode())


@pytest.fixture
def token(folder):
    """A SoftHSM token with an imported key of each algorithm; (environment, folder)."""
    if not os.path.exists(SOFTHSM):
        pytest.fail("SoftHSM is not installed: make deps")
    (folder / "tokens").mkdir()
    conf = folder / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n", encoding="utf-8")
    env = {**os.environ, "SOFTHSM2_CONF": str(conf)}
    tool = lambda *args: subprocess.run(["softhsm2-util", *args], env=env, check=True, capture_output=True)
    tool("--init-token", "--free", "--label", "dive token", "--pin", "1234", "--so-pin", "5678")
    for i, algorithm in enumerate(("ed25519", "ed448")):
        pem = folder / f"{algorithm}.pem"
        out("keygen", pem, "--keyid", "k@d.example", "--algorithm", algorithm)
        tool("--import", str(pem), "--token", "dive token", "--label", algorithm, "--id", f"0{i + 1}", "--pin",
             "1234")
    (folder / "pin").write_text("1234\n", encoding="ascii")
    os.chmod(folder / "pin", 0o600)
    return env


@pytest.mark.parametrize("algorithm", ("ed25519", "ed448"))
def test_keys_on_a_token(folder, token, algorithm):
    for i in range(20):
        (folder / "www" / str(i)).write_bytes(os.urandom(10))
    files = sorted((folder / "www").iterdir())
    uri = f"pkcs11:token=dive%20token;object={algorithm}"
    from_file = out("sign", *files, "--key", folder / f"{algorithm}.pem", "--keyid", "k")
    for how in ((uri, "--pin-file", folder / "pin"), (f"{uri}?pin-source=file:{folder}/pin",),
                (f"{uri}?module-path={SOFTHSM}&pin-source={folder}/pin",)):
        assert out("sign", *files, "--key", *how, "--keyid", "k", "--jobs", 4, env=token) == from_file
    assert out("keygen", "--existing", uri, "--pin-file", folder / "pin", "--keyid", "k@d.example", env=token) == \
        out("keygen", "--existing", folder / f"{algorithm}.pem", "--keyid", "k@d.example")


def test_two_keys_on_one_token(folder, token):
    (folder / "f").write_bytes(b"x")
    uri = "pkcs11:token=dive%20token;object="
    assert out("sign", folder / "f", "--key", uri + "ed25519", "--keyid", "a", "--key", uri + "ed448", "--keyid", "b",
               "--pin-file", folder / "pin", env=token) == \
        out("sign", folder / "f", "--key", folder / "ed25519.pem", "--keyid", "a", "--key", folder / "ed448.pem",
            "--keyid", "b")


def test_bad_tokens(folder, token):
    (folder / "f").write_bytes(b"x")
    (folder / "wrong").write_text("9999", encoding="ascii")
    os.chmod(folder / "wrong", 0o600)
    for uri, pin, code, says in (
            ("pkcs11:token=dive%20token;object=ed25519?pin-value=1234", "pin", 2, "command line"),
            ("pkcs11:token=dive%20token;object=ed25519", "wrong", 77, "login"),
            ("pkcs11:token=dive%20token;object=none", "pin", 66, "no such private key"),
            ("pkcs11:token=dive%20token", "pin", 2, "more than one"),
            ("pkcs11:token=none;object=ed25519", "pin", 69, "no such token"),
            ("pkcs11:token=dive%20token;nonsense", "pin", 2, "URI"),
            ("pkcs11:object=ed25519?module-path=/none.so", "pin", 69, "/none.so")):
        refused("sign", folder / "f", "--key", uri, "--pin-file", folder / pin, "--keyid", "k", code=code,
                says=says, env=token)
    refused("sign", folder / "f", "--key", "pkcs11:token=dive%20token;object=ed25519", "--keyid", "k", code=66,
            says="terminal", env=token)
