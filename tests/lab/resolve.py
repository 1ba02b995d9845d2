#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Asks the lab's DNS through libunbound, as dived does: resolve.py DIR NAME [TYPE]...

Prints secure, insecure, bogus or no-answer, and the data. The lab is checked with the very library
that the daemon embeds."""
import ctypes
import ctypes.util
import json
import os
import sys

TYPES = {"A": 1, "TXT": 16, "AAAA": 28, "DS": 43, "DNSKEY": 48}


class Result(ctypes.Structure):
    _fields_ = [("qname", ctypes.c_char_p), ("qtype", ctypes.c_int), ("qclass", ctypes.c_int),
                ("data", ctypes.POINTER(ctypes.POINTER(ctypes.c_char))),
                ("len", ctypes.POINTER(ctypes.c_int)), ("canonname", ctypes.c_char_p),
                ("rcode", ctypes.c_int), ("answer_packet", ctypes.c_void_p),
                ("answer_len", ctypes.c_int), ("havedata", ctypes.c_int), ("nxdomain", ctypes.c_int),
                ("secure", ctypes.c_int), ("bogus", ctypes.c_int), ("why_bogus", ctypes.c_char_p),
                ("was_ratelimited", ctypes.c_int), ("ttl", ctypes.c_int)]


class Resolver:
    def __init__(self, anchor, address, stub_zones=()):
        self.lib = ctypes.CDLL(ctypes.util.find_library("unbound") or "libunbound.so.8")
        self.lib.ub_ctx_create.restype = ctypes.c_void_p
        self.ctx = ctypes.c_void_p(self.lib.ub_ctx_create())
        self._option("do-not-query-localhost:", "no")
        for zone in stub_zones:
            self._check(self.lib.ub_ctx_set_stub(self.ctx, zone.encode(), address.encode(), 0))
        if not stub_zones:
            self._check(self.lib.ub_ctx_set_fwd(self.ctx, address.encode()))
        self._check(self.lib.ub_ctx_add_ta_file(self.ctx, anchor.encode()))

    def _check(self, code):
        if code != 0:
            self.lib.ub_strerror.restype = ctypes.c_char_p
            raise RuntimeError(self.lib.ub_strerror(code).decode())

    def _option(self, name, value):
        self._check(self.lib.ub_ctx_set_option(self.ctx, name.encode(), value.encode()))

    def ask(self, name, kind="TXT"):
        """(security, [rdata...]); rdata of TXT is its joined strings."""
        result = ctypes.POINTER(Result)()
        self._check(self.lib.ub_resolve(self.ctx, name.encode(), TYPES[kind], 1, ctypes.byref(result)))
        r = result.contents
        data, i = [], 0
        while r.data and r.data[i]:
            raw = ctypes.string_at(r.data[i], r.len[i])
            data.append(_strings(raw) if kind == "TXT" else raw)
            i += 1
        security = ("bogus" if r.bogus else "no-answer" if r.rcode not in (0, 3) else
                    "secure" if r.secure else "insecure")
        self.lib.ub_resolve_free(result)
        return security, data

    def close(self):
        self.lib.ub_ctx_delete(self.ctx)


def _strings(raw):
    out = b""
    while raw:
        out += raw[1:1 + raw[0]]
        raw = raw[1 + raw[0]:]
    return out.decode("latin-1")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(os.path.join(sys.argv[1], "lab.json"), encoding="utf-8") as f:
        lab = json.load(f)
    resolver = Resolver(lab["anchor"], f"127.0.0.1@{lab['ports']['dns']}")
    security, data = resolver.ask(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "TXT")
    print(security, *data, sep="\n  ")


if __name__ == "__main__":
    main()
