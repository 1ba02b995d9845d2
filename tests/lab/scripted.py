# SPDX-License-Identifier: BSD-2-Clause
"""An origin that a test scripts: a function a path, and a record of what it was asked."""
import contextlib
import http.server
import socket
import ssl
import threading
import types

import sign


class Answer:
    """What a path's function returns: status, fields (a list of pairs), body; or a function that
    writes to the connection itself (raw)."""

    def __init__(self, status=200, body=b"", fields=(), raw=None):
        self.status, self.body, self.fields, self.raw = status, body, list(fields), raw


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        origin = self.server.origin
        length = int(self.headers.get("Content-Length", 0))
        self.content = self.rfile.read(length) if length else b""
        path = self.path.split("?")[0]
        with origin.lock:
            origin.requests.append(types.SimpleNamespace(  # the handler lives as long as the connection
                path=self.path, command=self.command, headers=self.headers, content=self.content))
            function = origin.paths.get(path)
        if function is None:
            reply = Answer(404, b"no such path", [("Cache-Control", "no-store")])
        else:
            reply = function(self)
        if reply.raw is not None:
            reply.raw(self)
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        names = {name.lower() for name, _ in reply.fields}
        for name, value in reply.fields:
            self.send_header(name, value)
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        bodyless = self.command == "HEAD" or reply.status in (204, 304) or reply.status < 200
        if "content-length" not in names and "transfer-encoding" not in names and \
                not (reply.status in (204, 304)):
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if not bodyless:
            with contextlib.suppress(OSError):
                self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 2048

    def handle_error(self, request, client_address):
        pass


class Origin:
    def __init__(self, tls=None):
        self.lock, self.paths, self.requests = threading.Lock(), {}, []
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.origin = self
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def url(self, path, host="plain.example"):
        return f"http://{host}:{self.port}{path}"

    def at(self, path, function=None, **answer):
        """Answers `path` by the function, or always with the same."""
        self.paths[path] = function or (lambda request: Answer(**answer))

    def count(self, path):
        with self.lock:
            return sum(1 for r in self.requests if r.path.split("?")[0] == path)

    def last(self, path):
        with self.lock:
            return [r for r in self.requests if r.path.split("?")[0] == path][-1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def signed_fields(lab, body, keyid="ed1"):
    """The header fields of both drafts for `body`."""
    key = lab.keys[keyid]
    return [(n, v) for n, v in sign.sign01(key, keyid, body) + sign.sign00(key, keyid, body)]
