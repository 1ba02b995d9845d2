# SPDX-License-Identifier: BSD-2-Clause
"""A dived under test: its configuration for a lab, its process, its logs, and curl through it."""
import contextlib
import ctypes
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
START_SECONDS = float(os.environ.get("DIVED_START_SECONDS", "15"))
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer"
                       r"|runtime error:|UndefinedBehaviorSanitizer")


LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """For Popen's preexec_fn: a test run that is killed leaves nothing running."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def dived_path():
    return os.path.abspath(os.environ.get("DIVED", os.path.join(ROOT, "build", "dived")))


def divectl_path():
    return os.path.abspath(os.environ.get("DIVECTL", os.path.join(ROOT, "build", "divectl")))


def settings(lab, directory, port):
    """What dived needs to live in the lab, as nested dictionaries."""
    where = lambda *names: os.path.join(directory, *names)
    return {
        "version": 1,
        "workers": 2,
        "listeners": [{"address": f"127.0.0.1:{port}", "mode": "explicit"}],
        "admin": {"socket": where("control.sock"), "http": None},
        "interception": {"enabled": True, "ca-certificate": where("ca.crt"),
                         "ca-key": where("ca.key")},
        "origins": {"ca-file": lab.origin_ca, "connect-timeout": "5s",
                    "allow-networks": ["127.0.0.0/8", "::1/128"]},
        "dns": {"trust-anchor-file": lab.anchor,
                "forward": [f"127.0.0.1@{lab.ports['dns']}"],
                "unbound": {"do-not-query-localhost": False}},
        "dive": {"mode": "enforce"},
        "hold": {"directory": where("hold")},
        # Scenarios look at what an origin does to one request; those of the cache switch it on.
        "cache": {"directory": where("objects"), "memory": 0, "max-size": 0},
        "state": {"directory": where("state")},
        "access": {"clients": ["127.0.0.0/8"],
                   "connect-ports": [443] + [lab.ports[name] for name in
                                             ("https", "origin-tls", "origin", "http", "collector",
                                              "closed", "reset", "stall", "dns")]},
        "log": {"access": where("access.log"), "level": "debug"},
    }


def merged(base, changes):
    """`changes` over `base`, by section; a value of None takes the key out, use "null" for null."""
    out = dict(base)
    for key, value in changes.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out[key] = None if value == "null" else value
    return out


def yaml(config):
    """One section a line; flow style is JSON."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items())


def write_config(lab, path, directory, port, **changes):
    """Writes a configuration that keeps its files in `directory`, and makes that. A change may be a
    function of the port."""
    changes = {key: value(port) if callable(value) else value for key, value in changes.items()}
    for sub in ("hold", "objects"):
        os.makedirs(os.path.join(directory, sub), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(yaml(merged(settings(lab, directory, port), changes)))


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Response:
    """What a client got: curl's exit code and message, the head, the body."""

    def __init__(self, proxy, mark, code, stderr, heads, body, body_path):
        self.proxy, self.mark, self.exit, self.stderr = proxy, mark, code, stderr
        self.heads, self.body_path = heads, body_path
        self.body = body
        last = heads[-1] if heads else ""
        lines = last.split("\r\n")
        words = lines[0].split(" ", 2) if lines[0] else []
        self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        self.reason = words[2] if len(words) > 2 else ""
        self.fields = [(k.lower(), v.strip()) for k, v in
                       (line.split(":", 1) for line in lines[1:] if ":" in line)]

    def field(self, name):
        """All lines of the field, joined; None when it is absent."""
        values = [v for k, v in self.fields if k == name.lower()]
        return ", ".join(values) if values else None

    def log(self, match=""):
        """The access log's entry of this exchange."""
        return self.proxy.log_entry(self.mark, match)

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        shown = self.body[:300] if len(self.body) < 5000 else f"{len(self.body)} bytes"
        return (f"<curl exit {self.exit} {self.stderr.strip()!r}; {self.status} {self.reason!r}; "
                f"{self.fields}; body {shown!r}>")


class Proxy:
    """Starts dived; `changes` go over the lab's settings, section by section."""

    def __init__(self, lab, directory=None, binary=None, wrapper=(), config_text=None, environment=None,
                 **changes):
        self.lab = lab
        self.directory = directory or tempfile.mkdtemp(prefix="dived-")
        self.config_path = os.path.join(self.directory, "dived.yaml")
        self.binary = binary or dived_path()
        self.wrapper, self.environment = list(wrapper), environment or {}
        self.changes, self.config_text = changes, config_text
        self.process = None
        self.port = 0
        self.ended = None

    def start(self):
        for attempt in range(3):
            self.port = free_port()
            write_config(self.lab, self.config_path, self.directory, self.port, **self.changes)
            if self.config_text is not None:
                with open(self.config_path, "w", encoding="utf-8") as f:
                    f.write(self.config_text)
            self.stderr_path = os.path.join(self.directory, "stderr")
            self.said = len(self.stderr()) if os.path.exists(self.stderr_path) else 0
            with open(self.stderr_path, "ab") as err, \
                    open(os.path.join(self.directory, "stdout"), "ab") as out:
                env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
                env.update(self.environment)
                self.process = subprocess.Popen(
                    [*self.wrapper, self.binary, "-c", self.config_path], stdin=subprocess.DEVNULL,
                    stdout=out, stderr=err, cwd=self.directory, env=env, preexec_fn=die_with_parent)
            if self._listens():
                return self
            self.process.wait(5)
            if "in use" not in self.stderr() or attempt == 2:
                raise RuntimeError(f"dived didn't start (exit {self.process.returncode}):\n"
                                   + self.stderr())
        raise AssertionError

    def _listens(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            with contextlib.closing(socket.socket()) as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0 and self._says_so():
                    return True
            time.sleep(0.02)
        self.process.kill()
        return False

    def _says_so(self):
        """The socket is bound before all that needs threads: what comes first is done when it is logged."""
        log = merged(settings(self.lab, self.directory, self.port), self.changes)["log"]
        if self.config_text is not None or log.get("error", "-") != "-" or log["level"] not in ("info", "debug"):
            return True
        return " info main: dived " in self.stderr()[self.said:]

    def flush_logs(self):
        """The daemon's logs are written by a thread a moment later: `status` comes when they are."""
        with contextlib.suppress(OSError), contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            s.settimeout(3)
            s.connect(os.path.join(self.directory, "control.sock"))
            s.sendall(b'{"command":"status"}\n')
            while b"\n" not in (s.recv(65536) or b"\n"):
                pass

    def stderr(self):
        self.flush_logs()
        with open(self.stderr_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self, seconds=15):
        """SIGTERM. Returns what is wrong with how it ended, or None."""
        if self.process is None:
            return None
        early = self.process.poll() is not None
        if not early:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return f"dived didn't end within {seconds} s of SIGTERM\n" + self.stderr()[-4000:]
        code, self.process = self.process.returncode, None
        wrong = None
        if early:
            wrong = f"dived had ended by itself with {code}"
        elif code != 0:
            wrong = f"dived ended with {code}"
        if SANITIZER.search(self.stderr()):
            wrong = (wrong or "") + "\na sanitizer found something"
        return wrong and wrong + "\n" + self.stderr()[-8000:]

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def ca(self):
        return os.path.join(self.directory, "ca.crt")

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    # Logs

    @property
    def log_path(self):
        return os.path.join(self.directory, "access.log")

    def log_mark(self):
        self.flush_logs()
        with contextlib.suppress(OSError):
            return os.path.getsize(self.log_path)
        return 0

    def log_entries(self, mark=0):
        self.flush_logs()
        try:
            with open(self.log_path, encoding="utf-8") as f:
                f.seek(mark)
                whole = f.read()  # at once: a line that is being written would come in two pieces
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in whole[:whole.rfind("\n") + 1].splitlines()]

    def log_entry(self, mark, match="", seconds=20):
        """The first entry from `mark` on whose URL holds `match`; CONNECT's own are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            entries = self.log_entries(mark)
            for entry in entries:
                if entry.get("method") != "CONNECT" and match in (entry.get("url") or ""):
                    return entry
            if time.monotonic() > deadline:
                raise AssertionError(f"no entry with {match!r} in the access log, only {entries}")
            time.sleep(0.02)

    # Clients

    def curl(self, url, *args, timeout=20, proxy=None, keep_body=True):
        """curl through the proxy; never raises for what the transfer does."""
        mark = self.log_mark()
        work = tempfile.mkdtemp(prefix="curl-", dir=self.directory)
        head, body = os.path.join(work, "head"), os.path.join(work, "body")
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        command = ["curl", "-q", "-sS", "--max-time", str(timeout), "-x", proxy or self.address,
                   "--suppress-connect-headers", "--cacert", self.ca, "-D", head, *args, url]
        if "-o" not in args:
            command += ["-o", body]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env,
                                  timeout=timeout + 10, check=False)
            heads, content = [], b""
            if os.path.exists(head):
                with open(head, encoding="latin-1", newline="") as f:
                    heads = [h for h in re.split(r"\r?\n\r?\n", f.read()) if h.strip()]
            if keep_body and os.path.exists(body):
                with open(body, "rb") as f:
                    content = f.read()
            return Response(self, mark, done.returncode, done.stderr, heads, content, body)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def connect(self, timeout=15):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def raw(self, data, timeout=15, half_close=False):
        """Sends bytes and returns all that comes until the proxy closes (or `timeout` is over)."""
        with contextlib.closing(self.connect(timeout)) as s:
            with contextlib.suppress(OSError):
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
            return read_all(s, timeout)

    def tunnel(self, host, port, timeout=15):
        """A socket after CONNECT, and the head of the proxy's answer."""
        s = self.connect(timeout)
        s.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = s.recv(1)
            if not piece:
                break
            head += piece
        return s, head

    def tls(self, host, port, timeout=15, cafile=None):
        """A TLS socket through CONNECT, trusting the proxy's CA."""
        s, head = self.tunnel(host, port, timeout)
        if b" 200" not in head.split(b"\r\n")[0]:
            s.close()
            raise AssertionError(head)
        context = ssl.create_default_context(cafile=cafile or self.ca)
        context.set_alpn_protocols(["http/1.1"])
        return context.wrap_socket(s, server_hostname=host)

    def divectl(self, *args, timeout=20):
        return subprocess.run([divectl_path(), *args], capture_output=True, text=True, timeout=timeout,
                              check=False, cwd=self.directory)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def reload(self, **changes):
        """Writes a changed configuration and sends SIGHUP."""
        self.changes = merged(self.changes, changes)
        write_config(self.lab, self.config_path, self.directory, self.port, **self.changes)
        self.signal(signal.SIGHUP)


class Ending(bytes):
    """Bytes that were read, and how it ended: "eof", "reset", "timeout"."""

    how = ""


def read_all(s, timeout=15):
    got, how = b"", "timeout"
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if not (isinstance(s, ssl.SSLSocket) and s.pending()) and not select.select([s], [], [], left)[0]:
            break
        try:
            piece = s.recv(1 << 16)
        except (ConnectionError, ssl.SSLError):
            how = "reset"
            break
        if not piece:
            how = "eof"
            break
        got += piece
    out = Ending(got)
    out.how = how
    return out


def read_until(s, marker, timeout=15):
    """Bytes up to and with `marker`, nothing beyond it."""
    s.settimeout(timeout)
    got = b""
    while not got.endswith(marker):
        piece = s.recv(1)
        if not piece:
            break
        got += piece
    return got


def read_exactly(s, n):
    got = b""
    while len(got) < n:
        piece = s.recv(min(n - len(got), 1 << 16))
        if not piece:
            raise AssertionError("the connection was closed within the body")
        got += piece
    return got


def read_response(s, timeout=15, head_only=False):
    """(status, fields, body) of one response with a Content-Length or chunked body."""
    head = read_until(s, b"\r\n\r\n", timeout).decode("latin-1")
    if not head:
        raise AssertionError("the connection was closed instead of an answer")
    lines = head.split("\r\n")
    fields = {k.lower(): v.strip() for k, v in
              (line.split(":", 1) for line in lines[1:] if ":" in line)}
    status = int(lines[0].split(" ")[1])
    body = b""
    if head_only or status in (204, 304) or 100 <= status < 200:
        return status, fields, body
    if fields.get("transfer-encoding", "").lower() == "chunked":
        while True:
            size = int(read_until(s, b"\r\n", timeout).split(b";")[0], 16)
            body += read_exactly(s, size)
            if read_until(s, b"\r\n", timeout) != b"\r\n":  # we send no trailers in tests
                raise AssertionError("a chunk without its end")
            if size == 0:
                return status, fields, body
    return status, fields, read_exactly(s, int(fields.get("content-length", "0")))
