#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""An origin that misbehaves on request: origin.py PORT TLS_PORT RESET_PORT STALL_PORT PKI KEYS DIR

The path selects what it does (/b/NAME, see BEHAVIOURS). What it sends is signed rightly for both drafts
unless the behaviour is about that, so on a covered host too a wrong ending is all that is wrong.
RESET_PORT resets each connection as it is accepted; STALL_PORT never completes the TCP handshake.
Connections are noted in DIR/origin.log: "open N", "close N", so that tests can see what stays open.
"""
import asyncio
import base64
import hashlib
import json
import os
import random
import socket
import ssl
import struct
import sys

import sign

BODY = random.Random("misbehave").randbytes(100_000)
BIG = random.Random("big").randbytes(4 << 20)
WS_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SIGNED = {}


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.sock = writer.get_extra_info("socket")

    async def send(self, *parts):
        for part in parts:
            self.writer.write(part if isinstance(part, bytes) else part.encode("latin-1"))
        await self.writer.drain()

    async def reset(self):
        """An RST, not a FIN."""
        await asyncio.sleep(0.1)  # what was sent must be on its way
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def stall(self):
        """Says nothing until the peer goes away."""
        while await self.reader.read(65536):
            pass


class Request:
    def __init__(self, head):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = (lines[0].split(" ") + ["", ""])[:3]
        self.headers = [(k.lower(), v.strip()) for k, v in
                        (line.split(":", 1) for line in lines[1:] if ":" in line)]
        self.path = self.target.split("?")[0]
        self.query = self.target.partition("?")[2]

    def get(self, name, default=""):
        return next((v for k, v in self.headers if k == name), default)


def signed(body, keyid="ed1"):
    """The fields of both drafts, as header lines."""
    key = KEYS[keyid]
    found = SIGNED.get((body, keyid))
    if found is None:
        fields = sign.sign01(key, keyid, body) + sign.sign00(key, keyid, body)
        found = SIGNED[(body, keyid)] = "".join(f"{n}: {v}\r\n" for n, v in fields)
    return found


def head(status="200 OK", body=BODY, extra="", length=True, version="HTTP/1.1", sign_it=True):
    lines = f"{version} {status}\r\nContent-Type: application/octet-stream\r\n"
    if length:
        lines += f"Content-Length: {len(body)}\r\n"
    return lines + (signed(body) if sign_it else "") + extra + "\r\n"


CHUNKED = "Transfer-Encoding: chunked\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


BEHAVIOURS = {}


def behaviour(function):
    """Registers /b/the-name-with-hyphens. Returning True keeps the connection."""
    BEHAVIOURS[function.__name__.replace("_", "-").strip("-")] = function
    return function


# Before the head

@behaviour
async def empty(c, r):
    pass


@behaviour
async def reset_before_head(c, r):
    await c.reset()


@behaviour
async def stall_before_head(c, r):
    await c.stall()


@behaviour
async def garbage(c, r):
    await c.send(bytes(range(256)) * 8)


@behaviour
async def tls_alert_in_plain(c, r):
    await c.send(b"\x15\x03\x01\x00\x02\x02\x46")


@behaviour
async def ssh_banner(c, r):
    await c.send("SSH-2.0-OpenSSH_9.2\r\n")


# In the head

@behaviour
async def close_in_head(c, r):
    await c.send("HTTP/1.1 200 OK\r\nContent-Le")


@behaviour
async def reset_in_head(c, r):
    await c.send("HTTP/1.1 200 OK\r\nContent-Le")
    await c.reset()


@behaviour
async def stall_in_head(c, r):
    await c.send("HTTP/1.1 200 OK\r\nContent-Le")
    await c.stall()


@behaviour
async def huge_head(c, r):
    await c.send(head(extra="X-Huge: " + "a" * (2 << 20) + "\r\n"), BODY)


@behaviour
async def endless_head(c, r):
    await c.send("HTTP/1.1 200 OK\r\n")
    for i in range(200_000):
        await c.send(f"X-{i}: endless, endless, endless, endless\r\n")


@behaviour
async def many_fields(c, r):
    await c.send(head(extra="".join(f"X-{i}: {i}\r\n" for i in range(20_000))), BODY)


@behaviour
async def bare_lf_head(c, r):
    await c.send(head().replace("\r\n", "\n"), BODY)


@behaviour
async def bare_cr_in_field(c, r):
    await c.send(head(extra="X-A: b\rX-Injected: c\r\n"), BODY)


@behaviour
async def folded_field(c, r):
    await c.send(head(extra="X-Folded: one\r\n two\r\n"), BODY)


@behaviour
async def nul_in_field(c, r):
    await c.send(head(extra="X-Nul: a\0b\r\n"), BODY)


@behaviour
async def space_before_colon(c, r):
    await c.send(head(extra="X-Space : a\r\n"), BODY)


@behaviour
async def field_without_name(c, r):
    await c.send(head(extra=": a\r\n"), BODY)


@behaviour
async def status_garbage(c, r):
    await c.send(head(status="abc OK"), BODY)


@behaviour
async def status_too_big(c, r):
    await c.send(head(status="2000 OK"), BODY)


@behaviour
async def version_two(c, r):
    await c.send(head(version="HTTP/2.0"), BODY)


@behaviour
async def version_icy(c, r):
    await c.send(head(version="ICY"), BODY)


# Framing

@behaviour
async def length_garbage(c, r):
    await c.send(head(length=False, extra="Content-Length: 10x\r\n"), BODY)


@behaviour
async def length_negative(c, r):
    await c.send(head(length=False, extra="Content-Length: -1\r\n"), BODY)


@behaviour
async def length_overflow(c, r):
    await c.send(head(length=False, extra="Content-Length: 99999999999999999999999\r\n"), BODY)


@behaviour
async def length_twice_differing(c, r):
    await c.send(head(extra=f"Content-Length: {len(BODY) - 10}\r\n"), BODY)


@behaviour
async def length_list_differing(c, r):
    await c.send(head(length=False, extra=f"Content-Length: {len(BODY)}, {len(BODY) - 1}\r\n"), BODY)


@behaviour
async def length_and_chunked(c, r):
    await c.send(head(extra=CHUNKED), chunk(BODY), b"0\r\n\r\n")


@behaviour
async def coding_unknown(c, r):
    await c.send(head(length=False, extra="Transfer-Encoding: xyzzy\r\n"), BODY)


@behaviour
async def coding_chunked_not_last(c, r):
    await c.send(head(length=False, extra="Transfer-Encoding: chunked, gzip\r\n"), chunk(BODY),
                 b"0\r\n\r\n")


@behaviour
async def coding_chunked_twice(c, r):
    await c.send(head(length=False, extra="Transfer-Encoding: chunked, chunked\r\n"), chunk(BODY),
                 b"0\r\n\r\n")


@behaviour
async def chunk_size_garbage(c, r):
    await c.send(head(length=False, extra=CHUNKED), chunk(BODY[:50_000]), b"zz\r\n", BODY[50_000:])


@behaviour
async def chunk_size_overflow(c, r):
    await c.send(head(length=False, extra=CHUNKED), b"ffffffffffffffffff\r\n", BODY)


@behaviour
async def chunk_size_negative(c, r):
    await c.send(head(length=False, extra=CHUNKED), b"-5\r\n", BODY)


@behaviour
async def chunk_without_crlf(c, r):
    await c.send(head(length=False, extra=CHUNKED), b"%x\r\n%s" % (50_000, BODY[:50_000]),
                 chunk(BODY[50_000:]), b"0\r\n\r\n")


@behaviour
async def chunk_extension_endless(c, r):
    await c.send(head(length=False, extra=CHUNKED), b"5;" + b"a" * (4 << 20))
    await c.stall()


@behaviour
async def trailers_endless(c, r):
    await c.send(head(length=False, extra=CHUNKED), chunk(BODY), b"0\r\n")
    for i in range(100_000):
        await c.send(f"X-{i}: trailing, trailing, trailing\r\n")


# In the body

@behaviour
async def truncated_length(c, r):
    await c.send(head(), BODY[:60_000])


@behaviour
async def truncated_before_body(c, r):
    await c.send(head())


@behaviour
async def truncated_by_one(c, r):
    await c.send(head(), BODY[:-1])


@behaviour
async def reset_in_body(c, r):
    await c.send(head(), BODY[:60_000])
    await c.reset()


@behaviour
async def stall_in_body(c, r):
    await c.send(head(), BODY[:60_000])
    await c.stall()


@behaviour
async def chunk_cut(c, r):
    await c.send(head(length=False, extra=CHUNKED), b"%x\r\n" % len(BODY), BODY[:60_000])


@behaviour
async def chunk_without_last(c, r):
    await c.send(head(length=False, extra=CHUNKED), chunk(BODY))


@behaviour
async def chunk_last_without_crlf(c, r):
    await c.send(head(length=False, extra=CHUNKED), chunk(BODY), b"0\r\n")


@behaviour
async def close_delimited_reset(c, r):
    await c.send(head(length=False, extra="Connection: close\r\n"), BODY[:60_000])
    await c.reset()


@behaviour
async def close_delimited_truncated_tls(c, r):
    """Ends without close_notify: over TLS that is a truncation (RFC 9112 section 9.8)."""
    await c.send(head(length=False, extra="Connection: close\r\n"), BODY[:60_000])
    await asyncio.sleep(0.1)
    c.sock.shutdown(socket.SHUT_WR) if not c.writer.get_extra_info("ssl_object") else None
    c.writer.transport.abort()


@behaviour
async def excess_bytes(c, r):
    await c.send(head(), BODY, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
    return True


# Odd, but allowed

@behaviour
async def good(c, r):
    await c.send(head(), BODY)
    return True


@behaviour
async def good_close(c, r):
    await c.send(head(extra="Connection: close\r\n"), BODY)


@behaviour
async def good_chunked(c, r):
    await c.send(head(length=False, extra=CHUNKED))
    for at in range(0, len(BODY), 7001):
        await c.send(chunk(BODY[at:at + 7001]))
    await c.send(b"0\r\n\r\n")
    return True


@behaviour
async def good_chunked_extensions(c, r):
    await c.send(head(length=False, extra=CHUNKED), b"%x;a=b;c=\"d\"\r\n%s\r\n" % (len(BODY), BODY),
                 b"0;last\r\nX-Trailer: yes\r\n\r\n")
    return True


@behaviour
async def good_close_delimited(c, r):
    await c.send(head(length=False, extra="Connection: close\r\n"), BODY)


@behaviour
async def good_http10(c, r):
    await c.send(head(version="HTTP/1.0"), BODY)


@behaviour
async def good_http10_close_delimited(c, r):
    await c.send(head(version="HTTP/1.0", length=False), BODY)


@behaviour
async def good_length_twice(c, r):
    await c.send(head(extra=f"Content-Length: {len(BODY)}\r\n"), BODY)


@behaviour
async def good_drip(c, r):
    await c.send(head())
    for at in range(0, len(BODY), 20_000):
        await asyncio.sleep(0.3)
        await c.send(BODY[at:at + 20_000])
    return True


@behaviour
async def good_bytewise_head(c, r):
    for byte in head().encode("latin-1"):
        await c.send(bytes([byte]))
        await asyncio.sleep(0.001)
    await c.send(BODY)
    return True


@behaviour
async def good_no_reason(c, r):
    await c.send(head(status="200 "), BODY)
    return True


@behaviour
async def good_interim(c, r):
    for _ in range(3):
        await c.send("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
    await c.send("HTTP/1.1 100 Continue\r\n\r\n", head(), BODY)
    return True


@behaviour
async def good_fields_in_lines(c, r):
    """Content-Digest and its signature fields with odd spacing."""
    await c.send(head().replace("Content-Digest: ", "CONTENT-digest:\t ")
                 .replace("Signature: ", "signature:"), BODY)
    return True


@behaviour
async def interim_storm(c, r):
    for _ in range(50_000):
        await c.send("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
    await c.send(head(), BODY)


@behaviour
async def switching_unasked(c, r):
    await c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\n",
                 BODY)


@behaviour
async def partial_unasked(c, r):
    half = BODY[:50_000]
    await c.send(head(status="206 Partial Content", body=half,
                      extra=f"Content-Range: bytes 0-49999/{len(BODY)}\r\n"), half)


@behaviour
async def status_203(c, r):
    await c.send(head(status="203 Non-Authoritative Information"), BODY)
    return True


@behaviour
async def status_201(c, r):
    await c.send(head(status="201 Created", sign_it=False), BODY)
    return True


@behaviour
async def status_299(c, r):
    await c.send(head(status="299 Whatever", sign_it=False), BODY)
    return True


@behaviour
async def status_204(c, r):
    await c.send("HTTP/1.1 204 No Content\r\n\r\n")
    return True


@behaviour
async def early_response(c, r):
    """Answers 413 before the request's body has come, and closes."""
    await c.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 6\r\nConnection: close\r\n\r\nlarge\n")
    await asyncio.sleep(0.5)


@behaviour
async def fields_repeated(c, r):
    await c.send(head(extra=signed(BODY) * 3), BODY)
    return True


@behaviour
async def fields_huge(c, r):
    await c.send(head(sign_it=False, extra="Signature-Input: " + "s=(\"content-digest\"), " * 3000 +
                      "s1=()\r\n" + signed(BODY)), BODY)


@behaviour
async def fields_forged(c, r):
    await c.send(head(sign_it=False, extra=signed(BODY[:-1])), BODY)
    return True


@behaviour
async def fields_in_trailers(c, r):
    await c.send(head(length=False, sign_it=False, extra=CHUNKED + "Trailer: Content-Digest\r\n"),
                 chunk(BODY), b"0\r\n", signed(BODY), b"\r\n")
    return True


@behaviour
async def big_slow(c, r):
    """4 MiB in a second or two: for what happens while a transfer runs."""
    await c.send(head(body=BIG))
    for at in range(0, len(BIG), 1 << 18):
        await c.send(BIG[at:at + (1 << 18)])
        await asyncio.sleep(0.1)
    return True


@behaviour
async def hop_by_hop(c, r):
    await c.send(head(extra="Connection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=9\r\n"
                      "Proxy-Authenticate: Basic\r\nProxy-Connection: keep-alive\r\n"
                      "X-Kept: yes\r\n"), BODY)
    return True


@behaviour
async def drop_after_idle(c, r):
    """A keep-alive connection that the origin closes right after the response: the pool's race."""
    await c.send(head(), BODY)


@behaviour
async def count(c, r):
    c.served = getattr(c, "served", 0) + 1
    body = b"%d" % c.served
    await c.send(head(body=body), body)
    return True


# Requests

@behaviour
async def echo(c, r):
    """The request's head as it came: what left the proxy."""
    await c.send(head(body=r.head), r.head)
    return True


async def read_body(c, r):
    """(length, SHA-256) of the request's body; None where its framing is broken."""
    digest, n = hashlib.sha256(), 0
    if r.get("transfer-encoding").lower() == "chunked":
        while True:
            size = int((await c.reader.readline()).split(b";")[0], 16)
            digest.update(await c.reader.readexactly(size))
            n += size
            await c.reader.readline()
            if size == 0:
                return n, digest.hexdigest()
    left = int(r.get("content-length", "0"))
    while left:
        data = await c.reader.read(min(left, 1 << 18))
        if not data:
            return None
        digest.update(data)
        n += len(data)
        left -= len(data)
    return n, digest.hexdigest()


@behaviour
async def upload(c, r):
    if r.get("expect").lower() == "100-continue":
        await c.send("HTTP/1.1 100 Continue\r\n\r\n")
    got = await read_body(c, r)
    if got is None:
        return
    body = json.dumps({"bytes": got[0], "sha256": got[1], "head": r.head.decode("latin-1")}).encode()
    await c.send(head(body=body), body)
    return True


@behaviour
async def upload_unsigned(c, r):
    await read_body(c, r)
    await c.send(head(body=b"thanks", sign_it=False), b"thanks")
    return True


@behaviour
async def expect_refused(c, r):
    await c.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@behaviour
async def websocket(c, r):
    if r.get("upgrade").lower() != "websocket":
        await c.send("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n")
        return True
    accept = base64.b64encode(hashlib.sha1((r.get("sec-websocket-key") + WS_GUID).encode()).digest())
    await c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"Sec-WebSocket-Accept: {accept.decode()}\r\n\r\n")
    while data := await c.reader.read(65536):  # echoes bytes, whatever frames they are
        await c.send(data)


class Origin:
    def __init__(self, directory):
        self.log = open(os.path.join(directory, "origin.log"), "a", buffering=1, encoding="utf-8")
        self.n = 0

    async def serve(self, reader, writer):
        self.n += 1
        number = self.n
        self.log.write(f"open {number}\n")
        connection = Connection(reader, writer)
        try:
            while True:
                request = Request(await reader.readuntil(b"\r\n\r\n"))
                self.log.write(f"request {number} {request.method} {request.target}\n")
                act = BEHAVIOURS.get(request.path.rpartition("/b/")[2])
                if act is None:
                    await connection.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                elif not await act(connection, request):
                    break
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass
        finally:
            self.log.write(f"close {number}\n")
            writer.close()


def stalling_socket(port):
    """Its backlog is full, so that a further SYN is never answered."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    held = [listener]
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        held.append(filler)
    return held


async def reset_at_once(reader, writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main():
    port, tls_port, reset_port, stall_port = map(int, sys.argv[1:5])
    pki, keys, directory = sys.argv[5:8]
    for name in os.listdir(keys):
        KEYS[name[:-4]] = sign.load_key(os.path.join(keys, name))
    origin = Origin(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{pki}/origins.crt", f"{pki}/origins.key")
    held = stalling_socket(stall_port)
    limit = 1 << 20
    servers = [await asyncio.start_server(origin.serve, "127.0.0.1", port, limit=limit),
               await asyncio.start_server(origin.serve, "127.0.0.1", tls_port, limit=limit, ssl=context),
               await asyncio.start_server(reset_at_once, "127.0.0.1", reset_port)]
    await asyncio.gather(*(s.serve_forever() for s in servers))
    del held


KEYS = {}

if __name__ == "__main__":
    asyncio.run(main())
