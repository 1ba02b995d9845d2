# SPDX-License-Identifier: BSD-2-Clause
"""Another process takes over, sockets are handed in, a service manager is told: nobody notices."""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import ssl
import sys
import threading
import time

import proxy as proxymodule
import pytest
import scripted
from expect import eventually
from test_cache import COVERED, FRESH, is_hit, origin, path  # noqa: F401  (a fixture among them)

GOOD, HOST, PLAIN = "/01/size-1k", "dive01.example", "plain.lab.example"
LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


def is_alive(pid):
    """A process that runs; one that only waits to be reaped has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def open_files(pid):
    with contextlib.suppress(OSError):
        return [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
    return []


class Service:
    """dived by its current process: the first is the fixture's child, its successors are nobody's."""

    def __init__(self, one):
        self.one, self.pids = one, [one.process.pid]

    @property
    def pid(self):
        return self.pids[-1]

    def control(self, *args):
        return self.one.divectl(*args, "--socket", os.path.join(self.one.directory, "control.sock"), timeout=90)

    def upgrade(self):
        done = self.control("upgrade", "--json")
        assert done.returncode == 0, done.stdout + done.stderr + self.one.stderr()[-2000:]
        self.pids.append(json.loads(done.stdout)["pid"])
        assert is_alive(self.pid)
        return self.pid

    def first_ends(self, seconds=30):
        if self.one.process is not None:
            assert self.one.process.wait(seconds) == 0, self.one.stderr()[-3000:]
            self.one.process = None

    def end(self):
        """The current one ends in order, the others have; as the fixture's stop()."""
        if self.pids[1:] and is_alive(self.pid):
            os.kill(self.pid, signal.SIGTERM)
        for pid in self.pids[1:]:
            eventually(lambda p=pid: not is_alive(p), 20, "the end of a successor")
        if self.pids[1:]:
            self.first_ends()
        assert not proxymodule.SANITIZER.search(self.one.stderr()), self.one.stderr()[-8000:]

    def kill(self):
        for pid in self.pids[1:]:
            with contextlib.suppress(OSError):
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def service(dived):
    """A factory: service(section={...}) is a Service; nothing that it started stays."""
    made = []

    def start(**how):
        made.append(Service(dived(**how)))
        return made[-1]

    yield start
    try:
        for one in made:
            one.end()
    finally:
        for one in made:
            one.kill()


# Under load

class Load:
    """Clients of several kinds until the end; `failed` has what any of them saw go wrong."""

    def __init__(self, one, lab, body, echo):
        self.one, self.lab, self.body, self.echo = one, lab, body, echo
        self.stop, self.failed, self.count = threading.Event(), [], 0
        kinds = (self.anew, self.anew, self.kept, self.idle, self.intercepted, self.relayed, self.long, self.long_tls)
        self.threads = [threading.Thread(target=self.run, args=(kind,)) for kind in kinds]

    def run(self, kind):
        while not self.stop.is_set():
            try:
                kind()
            except Exception as error:  # pylint: disable=broad-except  whatever it is, the client saw it
                self.failed.append(f"{kind.__name__}: {type(error).__name__}: {error}")

    def ask(self, s, scheme_port, host, path, want, close=False):
        """One request; True: the connection stays."""
        target = f"http://{host}:{scheme_port}{path}" if not isinstance(s, ssl.SSLSocket) else path
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}:{scheme_port}\r\n"
                  f"{'Connection: close' if close else 'X-Kept: yes'}\r\n\r\n".encode())
        status, fields, body = proxymodule.read_response(s)
        if status != 200 or body != want:
            raise AssertionError(f"{status}, {len(body)} bytes")
        self.count += 1
        return fields.get("connection", "").lower() != "close"

    def anew(self):
        with contextlib.closing(self.one.connect()) as s:
            self.ask(s, self.lab.ports["http"], HOST, GOOD, self.body, close=True)

    def kept(self, pause=0.0):
        with contextlib.closing(self.one.connect()) as s:
            while self.ask(s, self.lab.ports["http"], PLAIN, "/plain", b"plain text\n"):
                if self.stop.wait(pause):
                    return

    def idle(self):
        self.kept(1.5)

    def intercepted(self):
        port = self.lab.ports["https"]
        with contextlib.closing(self.one.tls("www." + HOST, port)) as s:
            while self.ask(s, port, "www." + HOST, GOOD, self.body):
                if self.stop.wait(0.2):
                    return

    def relayed(self):
        """What is neither TLS nor HTTP, through everything that happens."""
        s, head = self.one.tunnel("127.0.0.1", self.echo)
        with contextlib.closing(s):
            if b" 200" not in head:
                raise AssertionError(head)
            n = 0
            while not self.stop.wait(0.1):
                n += 1
                s.sendall(b"\x01ping %06d\n" % n)
                if proxymodule.read_exactly(s, 13) != b"\x01ping %06d\n" % n:
                    raise AssertionError("another echo")
                self.count += 1

    def long(self, scheme="http"):
        got = self.one.curl(self.lab.odd(PLAIN, "big-slow", scheme), timeout=60)
        if got.exit != 0 or got.status != 200 or len(got.body) != 4 << 20:
            raise AssertionError(repr(got))
        self.count += 1

    def long_tls(self):
        self.long("https")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(90)


@contextlib.contextmanager
def echo_server():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(s):
        with contextlib.closing(s), contextlib.suppress(OSError):
            while piece := s.recv(4096):
                s.sendall(piece)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        # It must have left accept() before its descriptor's number belongs to another test's server.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()


@pytest.fixture(scope="module")
def body(lab):
    return next(r.body for r in lab.catalogue("01") if r.path == GOOD)


def test_reloads_and_upgrades_under_load_fail_no_request(service, lab, body):
    with echo_server() as echo:
        ports = [443, lab.ports["https"], lab.ports["origin-tls"], echo]
        running = service(access={"connect-ports": ports})
        one = running.one
        with Load(one, lab, body, echo) as load:
            for step in "rurrurru":
                time.sleep(0.7)
                before = load.count
                if step == "u":
                    running.upgrade()
                else:
                    assert running.control("reload").returncode == 0
                eventually(lambda b=before: load.count > b + 20, 30, "requests after it")
        assert not load.failed, load.failed
        assert load.count > 200
        running.first_ends()


# What is handed over

STORED = {"max-size": "100MiB", "memory": "1MiB"}


def store(one, lab, origin, size, host):  # noqa: F811
    """One more response of that size, fetched once; what must be a hit from now on."""
    p, body = path(), os.urandom(size)
    origin.at(p, body=body, fields=[FRESH] + scripted.signed_fields(lab, body))
    response = one.curl(origin.url(p, host=host))
    assert response.body == body, response
    return origin.url(p, host=host), body


def all_hits(one, stored):
    for url, body in stored:
        response = one.curl(url)
        assert response.body == body and is_hit(response), response


def test_the_successor_has_sockets_store_state_and_control(service, lab, origin):  # noqa: F811
    """Nothing that was stored is lost, and nothing of it is torn."""
    port = proxymodule.free_port()
    running = service(admin={"http": f"127.0.0.1:{port}"}, workers=3, cache=STORED)
    one = running.one
    stored = [store(one, lab, origin, size, host) for size in (64, 65568, 3 << 20)
              for host in ("plain.example", COVERED)]
    one.reload(workers=2)  # takes a restart, which an upgrade is
    running.upgrade()
    all_hits(one, stored)
    stored += [store(one, lab, origin, 65568, COVERED)]
    running.first_ends()
    all_hits(one, stored)
    status = json.loads(running.control("status", "--json").stdout)
    assert status["pid"] == running.pid and status["workers"] == 2
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), 5)) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 200 " in proxymodule.read_all(s)
    assert HOST in running.control("policies", "list").stdout
    running.upgrade()
    all_hits(one, stored)
    assert os.path.exists(os.path.join(one.directory, "control.sock"))


def test_the_binary_that_is_installed_now_is_started(service, lab, binary, tmp_path):
    mine = str(tmp_path / "dived")
    shutil.copy(binary, mine)
    running = service(wrapper=["env", f"DIVED={mine}", "sh", "-c", 'shift; exec "$DIVED" "$@"', "sh"])
    before = os.stat(f"/proc/{running.pid}/exe").st_ino
    shutil.copy(binary, mine + ".new")
    os.rename(mine + ".new", mine)
    running.upgrade()
    assert os.stat(f"/proc/{running.pid}/exe").st_ino == os.stat(mine).st_ino != before
    running.first_ends()
    # What can't be executed leaves the running one alone, and is said.
    with open(mine + ".new", "w", encoding="ascii") as f:
        f.write("no program")
    os.chmod(mine + ".new", 0o755)
    os.rename(mine + ".new", mine)
    done = running.control("upgrade")
    assert done.returncode == 1 and "goes on" in done.stderr, done
    assert running.one.curl(lab.url(HOST, GOOD)).status == 200


def test_a_successor_that_cannot_start_changes_nothing(service, lab, origin):  # noqa: F811
    running = service(cache=STORED)
    one = running.one
    stored = [store(one, lab, origin, size, COVERED) for size in (64, 1 << 20)]
    with open(one.config_path, encoding="utf-8") as f:
        good = f.read()
    with open(one.config_path, "a", encoding="utf-8") as f:
        f.write("nonsense: 1\n")
    done = running.control("upgrade")
    assert done.returncode == 1 and "nonsense" in done.stderr, done
    os.kill(running.pid, signal.SIGUSR2)
    eventually(lambda: one.stderr().count("this process goes on") >= 2, 20, "the complaint")
    # Fails later: after the store was let go.
    with open(one.config_path, "w", encoding="utf-8") as f:
        f.write(good.replace('"http": null', '"http": "192.0.2.1:1"'))
    done = running.control("upgrade")
    assert done.returncode == 1 and "192.0.2.1" in done.stderr, done
    with open(one.config_path, "w", encoding="utf-8") as f:
        f.write(good)
    all_hits(one, stored)
    stored += [store(one, lab, origin, 65568, COVERED)]
    assert running.control("status").returncode == 0
    running.upgrade()
    all_hits(one, stored)


def test_a_removed_listener_is_closed_for_good(service, lab):
    """Neither the launcher nor the process keeps a socket that nobody accepts from."""
    other = proxymodule.free_port()
    running = service()
    one = running.one
    both = [{"address": f"127.0.0.1:{p}", "mode": "explicit"} for p in (one.port, other)]
    one.reload(listeners=both)
    eventually(lambda: socket.socket().connect_ex(("127.0.0.1", other)) == 0, 5, "the second listener")
    running.upgrade()
    proxymodule.write_config(lab, one.config_path, one.directory, one.port)
    assert running.control("reload").returncode == 0
    running.first_ends()
    eventually(lambda: socket.socket().connect_ex(("127.0.0.1", other)) != 0, 5, "the end of the second listener")


def test_sigterm_hurries_one_that_has_a_successor(service, lab):
    running = service(timeouts={"drain": "1s"})
    results = []
    thread = threading.Thread(target=lambda: results.append(
        running.one.curl(lab.odd(PLAIN, "stall-in-body"), timeout=30)))
    thread.start()
    time.sleep(0.5)
    running.upgrade()
    time.sleep(1.5)
    assert is_alive(running.pids[0]), "it waits for its transfer"
    os.kill(running.pids[0], signal.SIGTERM)
    running.first_ends(10)
    thread.join(30)
    assert results[0].exit != 0
    assert running.one.curl(lab.url(HOST, GOOD)).status == 200


# A service manager

@pytest.fixture
def manager(tmp_path):
    """The socket of a service manager; manager(match) waits for a datagram that has it."""
    path = str(tmp_path / "notify")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as s:
        s.bind(path)
        s.settimeout(0.2)
        got = []

        def wait(match, seconds=15):
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    got.append(s.recv(4096).decode())
                    if match in got[-1]:
                        return got[-1]
            return None

        wait.path, wait.got = path, got
        yield wait


def test_a_service_manager_is_told(service, manager):
    running = service(environment={"NOTIFY_SOCKET": manager.path})
    assert manager("READY=1")
    running.one.reload(limits={"header-count": 100})
    reloading = manager("RELOADING=1")
    assert int(reloading.split("MONOTONIC_USEC=")[1]) <= time.monotonic_ns() // 1000
    assert manager("READY=1")
    running.upgrade()
    assert manager(f"MAINPID={running.pid}")
    assert "READY=1" not in manager.got[-2], "the successor is silent until it is the main process"
    assert manager("READY=1")
    running.first_ends()
    os.kill(running.pid, signal.SIGTERM)
    assert manager("STOPPING=1")
    assert not any("STOPPING" in text for text in manager.got[:-1]), "one that was replaced doesn't stop"


def worker_threads(pid):
    names = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as f:
            names[f.read().strip()] = int(task)
    return names


def test_a_stuck_worker_stops_the_watchdog(service, manager):
    running = service(environment={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "4000000"})
    assert manager("WATCHDOG=1") and manager("WATCHDOG=1")
    worker = worker_threads(running.pid)["dived-1"]
    if LIBC.ptrace(PTRACE_SEIZE, worker, None, None) != 0:
        pytest.skip("threads can't be stopped here: no ptrace")
    try:
        assert LIBC.ptrace(PTRACE_INTERRUPT, worker, None, None) == 0
        os.waitpid(worker, 0x40000000)  # __WALL
        time.sleep(3.5)
        while manager("", 0.3):
            pass
        assert not manager("WATCHDOG=1", 5), "one worker hangs, so nothing is well"
        eventually(lambda: "worker 1 hasn't turned" in running.one.stderr(), 10, "the log's line")
    finally:
        LIBC.ptrace(PTRACE_DETACH, worker, None, None)
    assert manager("WATCHDOG=1", 10)


# Socket activation

ACTIVATE = """
import json, os, socket, sys
names, config = sys.argv[1].split(","), sys.argv[-1]
line = next(l for l in open(config) if l.startswith("listeners:"))
host, _, port = json.loads(line[10:])[0]["address"].rpartition(":")
made = []
for name in names:
    if name == "control":
        s = socket.socket(socket.AF_UNIX); s.bind(os.path.join(os.path.dirname(config), "control.sock"))
    elif name == "datagram":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0))
    else:
        s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, int(port) if name == "proxy" else 0))
    if name != "datagram":
        s.listen(64)
    made.append(s)
high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(made)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(made), 256)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(made)), LISTEN_FDNAMES=":".join(names))
os.execv(sys.argv[2], sys.argv[2:])
"""


def activated(*names):
    return [sys.executable, "-c", ACTIVATE, ",".join(names)]


def test_an_inherited_socket_is_used_by_all_workers(service, lab, body):
    running = service(wrapper=activated("proxy", "control"))
    one = running.one
    assert one.curl(lab.url(HOST, GOOD)).body == body
    sockets = {s for s in open_files(running.pid) if s.startswith("socket:")}
    with open("/proc/net/tcp", encoding="ascii") as f:
        listening = [line.split() for line in f if line.split()[1] == f"0100007F:{one.port:04X}" and
                     line.split()[3] == "0A"]
    assert len(listening) == 1 and f"socket:[{listening[0][9]}]" in sockets, "one, and none beside it"
    assert running.control("status").returncode == 0
    running.upgrade()
    running.first_ends()
    assert one.curl(lab.url(HOST, GOOD)).body == body
    running.end()
    assert os.path.exists(os.path.join(one.directory, "control.sock")), "that is the service manager's"


@pytest.mark.parametrize("names, said", [(("proxy", "other"), "none of the addresses"),
                                         (("proxy", "datagram"), "no listening")])
def test_an_inherited_socket_that_is_not_configured_is_an_error(lab, names, said):
    one = proxymodule.Proxy(lab, wrapper=activated(*names))
    with contextlib.suppress(RuntimeError):
        one.start()
    assert one.process.wait(15) == 78, one.stderr()
    assert said in one.stderr() and names[1] in one.stderr(), one.stderr()
    one.remove()


def test_sockets_for_another_process_are_left_alone(dived, lab):
    one = dived(environment={"LISTEN_PID": "1", "LISTEN_FDS": "5"})
    assert one.curl(lab.url(HOST, GOOD)).status == 200
