#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A DNS server between the proxy under test and knotd that can be told to misbehave, name by name.

    dnsproxy.py PORT KNOT_PORT DIR

Every question is appended to DIR/queries.log ("time name type"). DIR/faults.json maps names to faults
and is read again whenever it changes; a name with a leading "*." stands for all below it, "*" for
everything. Faults:

    drop            no answer at all
    servfail, refused, nxdomain (without a proof)
    delay:SECONDS   the true answer, so long after the first time that it was asked for: as a resolver that
                    has to find out first, and then answers all who asked again in between
    unsigned        the true answer without its signatures: a lie about a signed zone
    forge:TEXT      a TXT record of that text, unsigned
    garbage         bytes that are no DNS message
    truncate        an empty truncated answer over UDP, and silence over TCP
"""
import asyncio
import json
import os
import struct
import sys
import time

TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 16: "TXT", 28: "AAAA", 43: "DS", 48: "DNSKEY",
         65: "HTTPS"}


def question(message):
    """(name in lower case without the last dot, type, offset past the question)."""
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]])
        at += 1 + message[at]
    kind = struct.unpack_from("!H", message, at + 1)[0]
    return b".".join(labels).decode("latin-1").lower(), kind, at + 5


def answer(message, end, rcode=0, flags=0x8400, txt=None):
    """An unsigned answer to `message` with its question alone, or with one TXT record."""
    request_flags = struct.unpack_from("!H", message, 2)[0]
    head = message[:2] + struct.pack("!HHHHH", flags | (request_flags & 0x0100) | rcode, 1,
                                     1 if txt else 0, 0, 0)
    body = message[12:end]
    if txt:
        raw = txt.encode()
        strings = b"".join(bytes([len(raw[i:i + 255])]) + raw[i:i + 255]
                           for i in range(0, len(raw), 255))
        body += b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, len(strings)) + strings
    return head + body


class Faults:
    def __init__(self, path):
        self.path, self.stamp, self.table = path, None, {}

    def of(self, name):
        try:
            stat = os.stat(self.path)
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self.stamp:
                with open(self.path, encoding="utf-8") as f:
                    self.table, self.stamp = json.load(f), stamp
        except FileNotFoundError:
            self.table, self.stamp = {}, None
        labels = name.split(".")
        candidates = [name] + ["*." + ".".join(labels[i:]) for i in range(1, len(labels))] + ["*"]
        return next((self.table[c] for c in candidates if c in self.table), None)


class Server:
    def __init__(self, upstream, directory):
        self.upstream = upstream
        self.faults = Faults(os.path.join(directory, "faults.json"))
        self.first = {}  # (name, type) -> when a delayed answer was first asked for
        self.log = open(os.path.join(directory, "queries.log"), "a", buffering=1, encoding="utf-8")

    async def ask(self, message):
        """The upstream's answer, over TCP (so that nothing is truncated here)."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            writer.write(struct.pack("!H", len(message)) + message)
            size = struct.unpack("!H", await reader.readexactly(2))[0]
            return await reader.readexactly(size)
        finally:
            writer.close()

    async def handle(self, message, tcp):
        name, kind, end = question(message)
        self.log.write(f"{time.time():.3f} {name or '.'} {TYPES.get(kind, kind)}\n")
        fault = self.faults.of(name)
        if fault and fault.startswith("delay:"):
            now, seconds = time.monotonic(), float(fault[6:])
            first = self.first.get((name, kind), 0)
            if now - first > seconds + 3:
                first = self.first[(name, kind)] = now
            await asyncio.sleep(max(0, first + seconds - now))
            fault = None
        if fault is None:
            return await self.ask(message)
        if fault == "drop" or (fault == "truncate" and tcp):
            return None
        if fault == "truncate":
            return answer(message, end, flags=0x8600)
        if fault in ("servfail", "refused", "nxdomain"):
            return answer(message, end, {"servfail": 2, "refused": 5, "nxdomain": 3}[fault])
        if fault == "unsigned":  # asked without EDNS there is no DO bit, so no signature comes
            return await self.ask(message[:10] + b"\0\0" + message[12:end])
        if fault == "garbage":
            return message[:2] + b"\x84\0garbage, not DNS"
        if fault.startswith("forge:"):
            return answer(message, end, txt=fault[6:])
        raise ValueError(fault)


class Udp(asyncio.DatagramProtocol):
    def __init__(self, server):
        self.server, self.transport = server, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        asyncio.ensure_future(self.reply(data, addr))

    async def reply(self, data, addr):
        try:
            made = await self.server.handle(data, False)
        except (OSError, EOFError, IndexError, struct.error):
            return
        if made is None:
            return
        if len(made) > 4000:
            made = answer(data, question(data)[2], flags=0x8600)
        self.transport.sendto(made, addr)


async def serve_tcp(server, reader, writer):
    try:
        while True:
            size = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), 10))[0]
            made = await server.handle(await reader.readexactly(size), True)
            if made is not None:
                writer.write(struct.pack("!H", len(made)) + made)
                await writer.drain()
    except (OSError, EOFError, asyncio.TimeoutError, IndexError, struct.error):
        pass
    finally:
        writer.close()


async def main():
    port, upstream, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    server = Server(upstream, directory)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Udp(server), ("127.0.0.1", port))
    tcp = await asyncio.start_server(lambda r, w: serve_tcp(server, r, w), "127.0.0.1", port)
    await tcp.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
