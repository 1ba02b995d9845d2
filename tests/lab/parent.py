# SPDX-License-Identifier: BSD-2-Clause
"""A parent proxy that a test scripts: CONNECT and absolute-form, and a record of what it was asked.

It takes every host for 127.0.0.1, as everything in the lab is.
"""
import base64
import contextlib
import select
import socket
import ssl
import threading
import types


def read_head(s):
    """Bytes up to and with the empty line, nothing beyond it; b"" at an early end."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        try:
            piece = s.recv(1)
        except OSError:
            return b""
        if not piece or len(got) > 1 << 20:
            return b""
        got += piece
    return got


def pump(a, b):
    """Both ways until both have ended."""
    sides = {a: b, b: a}
    with contextlib.suppress(OSError, ValueError):
        while sides:
            ready = [s for s in sides if isinstance(s, ssl.SSLSocket) and s.pending()]
            for s in ready or select.select(list(sides), [], [], 30)[0]:
                piece = s.recv(1 << 16)
                if piece:
                    sides_of = b if s is a else a
                    sides_of.sendall(piece)
                else:
                    del sides[s]
                    with contextlib.suppress(OSError):
                        (b if s is a else a).shutdown(socket.SHUT_WR)


class Parent:
    """`user` and `password`: asked for. `certificate`: (chain, key), and it speaks TLS. `answer`: bytes
    that answer every CONNECT instead of a tunnel, or a function of the socket. `via`: adds this name."""

    def __init__(self, user=None, password=None, certificate=None, answer=None, via=None, forward=None):
        self.user, self.password, self.answer, self.via = user, password, answer, via
        self.forward = forward
        self.requests, self.lock = [], threading.Lock()
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.closing = False
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while not self.closing:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve_safely, args=(s,), daemon=True).start()

    def serve_safely(self, s):
        with contextlib.suppress(OSError, ssl.SSLError), contextlib.closing(s):
            s.settimeout(60)
            if self.context:
                s = self.context.wrap_socket(s, server_side=True)
            with contextlib.closing(s):
                self.serve(s)

    def asked(self, method=None):
        with self.lock:
            return [r for r in self.requests if method in (None, r.method)]

    def allowed(self, fields):
        if self.user is None:
            return True
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return fields.get("proxy-authorization") == f"Basic {wanted}"

    def serve(self, s):
        while head := read_head(s):
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ")
            fields = {k.lower(): v.strip() for k, v in
                      (line.split(":", 1) for line in lines[1:] if ":" in line)}
            with self.lock:
                self.requests.append(types.SimpleNamespace(method=method, target=target,
                                                           fields=fields, head=head))
            if not self.allowed(fields):
                s.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                          b"Proxy-Authenticate: Basic realm=\"parent\"\r\nContent-Length: 6\r\n\r\nSECRET")
                continue
            if method == "CONNECT":
                self.connect(s, target, fields)
                return
            self.pass_on(s, method, target, fields, head)

    def open(self, port):
        if self.forward:
            return socket.create_connection(("127.0.0.1", self.forward), timeout=30)
        return socket.create_connection(("127.0.0.1", port), timeout=30)

    def connect(self, s, target, fields):
        if callable(self.answer):
            self.answer(s)
            return
        if self.answer is not None:
            s.sendall(self.answer)
            return
        try:
            origin = self.open(int(target.rpartition(":")[2]))
        except OSError:
            s.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\nSECRET")
            return
        with contextlib.closing(origin):
            if self.forward:  # another proxy behind this one
                via = ", ".join(filter(None, [fields.get("via"), f"1.1 {self.via}"]))
                origin.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n".encode() +
                               (f"Via: {via}\r\n".encode() if self.via else b"") + b"\r\n")
                answer = read_head(origin)
                s.sendall(answer)
                if b" 200" not in answer.split(b"\r\n")[0]:
                    return
            else:
                s.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            pump(s, origin)

    def pass_on(self, s, method, target, fields, head):
        rest = target.partition("://")[2]
        authority, slash, path = rest.partition("/")
        port = int(authority.rpartition(":")[2]) if ":" in authority else 80
        with contextlib.closing(self.open(port)) as origin:
            if not self.forward:
                lines = head.split(b"\r\n")
                head = b"\r\n".join([f"{method} {slash}{path} HTTP/1.1".encode()] +
                                    [line for line in lines[1:-2]
                                     if not line.lower().startswith((b"proxy-", b"connection:"))] +
                                    [b"Connection: close", b"", b""])
            origin.sendall(head)
            length = int(fields.get("content-length", 0))
            while length > 0:
                piece = s.recv(min(length, 1 << 16))
                length -= len(piece)
                origin.sendall(piece)
            while piece := origin.recv(1 << 16):
                s.sendall(piece)
        s.close()
