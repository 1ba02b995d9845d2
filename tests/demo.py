#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make demo`: dived against the lab, one table of what a user would see. Exit 0: all came out right.

Builds nothing; DIVED names another binary. Everything it starts is stopped, everything it writes is
in one temporary directory that goes with it.
"""
import json
import os
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab"))

import lab as labmodule     # noqa: E402  the path is set above
import proxy as proxymodule  # noqa: E402

TTL = 2.1  # the demo's hosts have a TTL of a second, and libunbound counts whole ones


class Demo:
    def __init__(self, lab, proxy):
        self.lab, self.proxy, self.wrong = lab, proxy, 0
        self.bodies = {r.path: r.body for d in ("01", "00") for r in lab.catalogue(d)
                       if "64m" not in r.path}

    def row(self, what, url, status, verdict, action, path=None, reason=None):
        """Fetches and prints one line: the client's view, the log's view, right or wrong."""
        response = self.proxy.curl(url, "-f")  # as scripts use it: an error status is an exit code
        client = f"exit {response.exit}"
        if response.status:
            client += f", {response.status} {response.reason}"
        try:
            entry = response.log()
        except AssertionError:
            entry = {}
        said = f"{entry.get('verdict')}/{entry.get('action')}"
        good = (response.status == status and (entry.get("verdict"), entry.get("action")) ==
                (verdict, action))
        good = good and response.exit == (0 if status == 200 else 22)
        if status == 200:
            good = good and response.body == self.bodies[path]
        else:
            good = good and response.body == b"" and (reason or "") in response.reason
        self.say(what, client, said, good)

    def say(self, what, client, said, good):
        self.wrong += not good
        print(f"{what:<46} {client:<52} {said:<24} {'OK' if good else 'WRONG'}", flush=True)

    def report(self, mark, host):
        """Has the collector got a report about that host?"""
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            for report in self.lab.reports(mark):
                body = json.loads(report["body"])
                if body["policy"]["fqdn"] == host:
                    validation = body["validation"]
                    good = validation["final-decision"] == "allowed-report-only"
                    self.say("  and the collector was told", "POST " + report["path"],
                             validation["failure-reason"], good)
                    return
            time.sleep(0.05)
        self.say("  and the collector was told", "nothing came", "", False)

    def run(self):
        url, lab = self.lab.url, self.lab
        good, bad, two = "/01/size-1k", "/01/size-1k-flipped", "/01/rotation-new-first"
        print(f"{'what':<46} {'what curl -f sees':<52} {'verdict/action':<24}\n" + "-" * 128)
        ok, no = ("verified", "released"), ("failed", "blocked")
        mismatch, unknown = "signature-mismatch", "key-not-found"
        self.row("signed, over http", url("dive01.example", good), 200, *ok, good)
        self.row("signed, over https", url("dive01.example", good, "https"), 200, *ok, good)
        self.row("signed, by Ed448",
                 url("dive01.example", "/01/ed448", "https"), 200, *ok, "/01/ed448")
        self.row("signed, 5 MiB", url("dive01.example", "/01/size-5m", "https"), 200, *ok, "/01/size-5m")
        self.row("signed as draft-00 says", url("dive00.example", "/00/size-1k", "https"), 200, *ok,
                 "/00/size-1k")
        self.row("tampered with, over http", url("dive01.example", bad), 403, *no, reason=mismatch)
        self.row("tampered with, over https", url("dive01.example", bad, "https"), 403, *no, reason=mismatch)
        self.row("tampered with, draft-00", url("dive00.example", "/00/size-1k-flipped"), 403, *no,
                 reason=mismatch)
        self.row("signed by a key that DNS doesn't know", url("dive01.example", "/01/unknown-key", "https"),
                 403, *no, reason=unknown)
        self.row("not signed at all", url("dive01.example", "/01/no-fields", "https"), 403, *no,
                 reason="missing-headers")
        self.row("a zone without DNSSEC: not DIVE's business", url("unsigned.example", bad, "https"), 200,
                 "not-supported", "streamed", bad)
        lab.faults({"_dive.strict.lab.example": "unsigned"})
        self.row("a policy whose DNSSEC proof is broken", url("strict.lab.example", good, "https"), 403, *no,
                 reason="dnssec-unavailable")
        lab.faults({})
        mark = lab.reports_mark()
        self.row("tampered with, policy says report-only", url("reportonly.lab.example", bad, "https"), 200,
                 "failed", "reported", bad)
        self.report(mark, "reportonly.lab.example")

        host = lab.new_host(keyids=("ed1",))
        self.row("rotation: the old key signs", url(host, good), 200, *ok, good)
        lab.dns.publish_key(host, "ed2")
        self.row("rotation: both sign, both are published", url(host, two), 200, *ok, two)
        lab.dns.revoke_key(host, "ed1")
        time.sleep(TTL)
        self.row("rotation: both sign, the old key is gone", url(host, two), 200, *ok, two)
        self.row("rotation: the old key alone is no good now", url(host, good), 403, *no, reason=unknown)

        host = lab.new_host(keyids=("ed1",), key_ttl=3600, key_cache=3600)
        self.row("revocation: the key may be cached an hour", url(host, good), 200, *ok, good)
        lab.dns.revoke_key(host, "ed1")
        time.sleep(TTL)
        self.row("revocation: record removed, still cached", url(host, good), 200, *ok, good)
        lab.dns.set_policy(host, invalidate=int(time.time()))
        time.sleep(TTL)
        self.row("revocation: after invalidate-keys-cache", url(host, good), 403, *no, reason=unknown)


def main():
    binary = proxymodule.dived_path()
    if not os.access(binary, os.X_OK):
        sys.exit(f"{binary} is not there: run make first")
    directory = tempfile.mkdtemp(prefix="dive-demo-")
    lab = proxy = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        started = time.monotonic()
        lab = labmodule.up(os.path.join(directory, "lab"), tied=True)
        proxy = proxymodule.Proxy(lab, os.path.join(directory, "dived"), dns={
            "forward": [f"127.0.0.1@{lab.ports['dnsproxy']}"]})
        os.makedirs(proxy.directory)
        proxy.start()
        print(f"A signed DNS hierarchy, origins and dived are up after {time.monotonic() - started:.1f} s.\n")
        demo = Demo(lab, proxy)
        demo.run()
        ended = proxy.stop()
        if ended:
            print(ended)
        wrong = demo.wrong + bool(ended)
    finally:
        if proxy:
            proxy.stop()
        if lab:
            labmodule.down(lab.directory)
        shutil.rmtree(directory, ignore_errors=True)
    if wrong:
        print(f"\n{wrong} of it came out WRONG.")
        return 1
    print("\nAll came out right. To put the proxy in front of your own tools: make run\n"
          "To play with the lab itself: tests/lab/lab.py up DIR (docs/lab.md)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
