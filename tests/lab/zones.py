# SPDX-License-Identifier: BSD-2-Clause
"""What stands in the lab's zones: every host, policy and key, each there for a scenario.

Plain data: dns.py signs and serves it. Every host's address is loopback.
"""
import time

import sign

# Key IDs whose private keys the lab makes. "ghost" is never published.
KEY_IDS = {
    "ed1": "ed25519", "ed2": "ed25519", "g1": "ed448", "ghost": "ed25519", "restricted": "ed25519",
    "emptyhash": "ed25519", "md5hash": "ed25519", "short": "ed25519", "upper": "ed25519",
    "strkey": "ed25519", "twin": "ed25519", "mixed": "ed25519", "rsa": "ed25519", "Case_1": "ed25519",
    "longcache": "ed25519",
}

# zone -> how it is signed: "knot", "nsec3", "unsigned" (no DS), "bogus" (the parent's DS is another
# key's), "expired" (the signatures ended in the past)
ZONES = {
    ".": "knot", "example.": "knot", "dive01.example.": "knot", "dive00.example.": "knot",
    "child.dive01.example.": "knot", "insecure.dive01.example.": "unsigned",
    "nsec3.example.": "nsec3", "unsigned.example.": "unsigned", "bogus.example.": "bogus",
    "expired.example.": "expired", "lab.example.": "nsec3", "collector.example.": "knot",
    "seen.example.": "nsec3",
}


def txt(text):
    """Presentation format of one TXT record's strings, at most 255 bytes each."""
    pieces = [text[i:i + 255] for i in range(0, len(text), 255)] or [""]
    return " ".join('"' + p.replace("\\", "\\\\").replace('"', '\\"') + '"' for p in pieces)


def soa(zone, minimum=60):
    return f"{zone} 60 SOA ns.example. hostmaster.example. 1 3600 600 86400 {minimum}"


class Zone:
    """Lines of one zone file."""

    def __init__(self, name, minimum=60):
        self.name = name
        self.lines = [soa(name, minimum), f"{name} 60 NS ns.example."]

    def fqdn(self, host):
        if host == "@":
            return self.name
        return f"{host}.{self.name}" if self.name != "." else f"{host}."

    def add(self, host, kind, value, ttl=60):
        self.lines.append(f"{self.fqdn(host)} {ttl} {kind} {value}")

    def address(self, *hosts, ip="127.0.0.1"):
        for host in hosts:
            self.add(host, "A", ip)

    def policy(self, host, ttl=60, text=None, **policy):
        self.add("_dive" if host == "@" else f"_dive.{host}", "TXT",
                 txt(sign.policy_record(**policy) if text is None else text), ttl)

    def key(self, keyid, host, text, ttl=60):
        self.add(f"{keyid}._divekey" + ("" if host == "@" else f".{host}"), "TXT", txt(text), ttl)

    def text(self):
        return "\n".join(self.lines) + "\n"


def standard_keys(zone, host, keys):
    """Every published key at `host`: the good ones and each kind of bad one."""
    record = sign.key_record
    for keyid in ("ed1", "ed2", "g1", "Case_1"):
        zone.key(keyid, host, record(keys[keyid]))
    zone.key("longcache", host, record(keys["longcache"], cache=100000), ttl=3600)
    zone.key("restricted", host, record(keys["restricted"], allowed_hash=("sha3-256", "sha384")))
    zone.key("emptyhash", host, record(keys["emptyhash"], allowed_hash=()))
    zone.key("md5hash", host, record(keys["md5hash"], allowed_hash=("sha256", "md5")))
    raw = sign.public_bytes(keys["short"])
    zone.key("short", host, f'sig="ed25519", key=:{sign.b64(raw[:31])}:')
    zone.key("upper", host, record(keys["upper"]).replace("ed25519", "ED25519"))
    raw = sign.public_bytes(keys["strkey"])
    zone.key("strkey", host, f'sig="ed25519", key="{sign.b64(raw)}"')
    zone.key("rsa", host, record(keys["rsa"]).replace("ed25519", "rsa-v1_5-sha256"))
    zone.key("twin", host, record(keys["ghost"]))       # two valid records: each is tried
    zone.key("twin", host, record(keys["twin"]))
    zone.key("mixed", host, "this is no key record")    # what doesn't parse is skipped
    zone.key("mixed", host, record(keys["mixed"]))


# Hosts of lab.example whose policy record is to be taken as "DIVE is not supported here".
BAD_POLICIES = {
    "badpol-syntax": 'v="dive-draft-01", scopes=("strict"',
    "badpol-no-v": 'scopes=("strict")',
    "badpol-unknown-v": 'v="dive-draft-99", scopes=("strict")',
    "badpol-upper-v": 'v="DIVE-DRAFT-01", scopes=("strict")',
    "badpol-token-v": 'v=dive-draft-01, scopes=("strict")',
    "badpol-scopes-type": 'v="dive-draft-01", scopes="strict"',
    "badpol-cache-type": 'v="dive-draft-01", scopes=("strict"), cache="300"',
    "badpol-trailing": 'v="dive-draft-01", scopes=("strict"),',
}


def lab_zone(keys, ports, low_address):
    """lab.example: one host a scenario, each with a policy of its own.

    By NSEC3, so that libunbound doesn't conclude from a denial of yesterday's names that a host made
    a moment ago isn't there (RFC 8198)."""
    zone = Zone("lab.example.", minimum=1)
    report = f"https://collector.example:{ports['collector']}/report"

    def host(name, with_keys=("ed1", "ed2"), ip="127.0.0.1", **policy):
        zone.address(name, ip=ip)
        zone.policy(name, **policy)
        for keyid in with_keys:
            zone.key(keyid, name, sign.key_record(keys[keyid]))

    zone.address("plain", "other", "wrongname", "expired-cert", "selfsigned", "untrusted", "bank")
    host("strict")
    host("strict00", v="dive-draft-00")
    host("report", report_to=report)
    host("reportonly", directives=("report-only",), report_to=report)
    host("reportonly00", v="dive-draft-00", directives=("report-only",), report_to=report)
    host("report-http", report_to=f"http://collector.example:{ports['http']}/report")
    host("report-slow", report_to=f"https://collector.example:{ports['collector']}/slow")
    host("report-error", report_to=f"https://collector.example:{ports['collector']}/error")
    host("https", directives=("https-required",))
    host("upgrade", directives=("https-required",), ip=low_address)
    host("https-report", directives=("https-required", "report-only"))
    host("noscope", scopes=None)
    host("emptyscope", scopes=())
    host("custom", scopes=("x-packages",))
    host("unknown-bits", text='v="dive-draft-01", scopes=("strict" "future"), '
         'directives=("turbo"), colour=blue;x=1, cache=0')
    for name, text in BAD_POLICIES.items():
        host(name, text=text)
    host("two-policies")
    zone.policy("two-policies", text='v="dive-draft-01", scopes=("strict"), cache=1')
    host("two-versions", v="dive-draft-00")
    zone.policy("two-versions")
    host("with-spf")
    zone.policy("with-spf", text="v=spf1 -all")
    zone.policy("wild")                                  # a wildcard TXT below ends the walk
    zone.address("wild", "*.wild", "*.wildpol")
    zone.add("*.wild", "TXT", txt("v=spf1 -all"))
    zone.add("*.wildpol", "TXT", txt(sign.policy_record()))  # a policy by wildcard
    zone.address("split")                                # one record in many strings
    zone.add("_dive.split", "TXT", " ".join(txt(c) for c in sign.policy_record(cache=300)))
    zone.key("ed1", "split", sign.key_record(keys["ed1"]))
    host("cached", cache=300, ttl=300, with_keys=())
    zone.key("ed1", "cached", sign.key_record(keys["ed1"], cache=300), ttl=300)
    host("invalidate-past", with_keys=("ed1",), invalidate=int(time.time()) - 1000)
    host("invalidate-future", with_keys=(), invalidate=int(time.time()) + 86400)
    zone.key("ed1", "invalidate-future", sign.key_record(keys["ed1"], cache=300), ttl=300)
    host("nokeys", with_keys=())
    zone.policy("mail")                                  # deep hosts, the walk upward
    zone.address("a.b.c.mail")
    for keyid in ("ed1", "ed2"):
        zone.key(keyid, "mail", sign.key_record(keys[keyid]))
    # names that lead into places the proxy must not go
    for name, ip in {"meta": "169.254.169.254", "ten": "10.0.0.1", "cgnat": "100.64.0.1",
                     "zero": "0.0.0.0", "multicast": "224.0.0.1", "broadcast": "255.255.255.255",
                     "one92": "192.168.0.1", "one72": "172.16.0.1", "bench": "198.18.0.1"}.items():
        zone.address(f"guard-{name}", ip=ip)
    for name, ip in {"loop6": "::1", "ula": "fc00::1", "link6": "fe80::1", "mapped": "::ffff:10.0.0.1",
                     "nat64": "64:ff9b::a00:1", "six2four": "2002:a00:1::"}.items():
        zone.add(f"guard-{name}", "AAAA", ip)
    zone.address("v6first")                              # AAAA leads nowhere: RFC 8305
    zone.add("v6first", "AAAA", "::1")
    zone.add("alias", "CNAME", "plain.lab.example.")
    zone.add("policy-alias", "A", "127.0.0.1")
    zone.add("_dive.policy-alias", "CNAME", "_dive.strict.lab.example.")
    return zone


def build(keys, ports, low_address):
    """All zones but for the DS records, as {name: Zone}."""
    zones = {name: Zone(name) for name in ZONES}
    zones["."].add("example", "NS", "ns.example.")
    zones["."].add("ns.example", "A", "127.0.0.1")
    zones["example."].address("ns", "plain")
    for name in ZONES:
        if name.endswith("dive01.example.") and name != "dive01.example.":
            zones["dive01.example."].lines.append(f"{name} 60 NS ns.example.")
        elif name not in (".", "example."):
            zones["example."].lines.append(f"{name} 60 NS ns.example.")
    report = f"https://collector.example:{ports['collector']}/report"

    for name, version in (("dive01.example.", "dive-draft-01"), ("dive00.example.", "dive-draft-00")):
        zone = zones[name]
        zone.address("@", "www", "a.b.c", "sub", "override", "badkey")
        zone.policy("@", v=version, cache=300, report_to=report, ttl=300)
        standard_keys(zone, "@", keys)
        zone.policy("sub", v=version, scopes=())         # a level of its own, without scopes
        zone.key("ed1", "override", sign.key_record(keys["ghost"]))   # the closest record counts
        zone.key("ed1", "badkey", 'sig="ed25519", key=:AAAA:')        # and isn't skipped

    zone = zones["child.dive01.example."]
    zone.address("@", "www")
    zone.policy("@")
    zone.key("ed2", "@", sign.key_record(keys["ed2"]))

    zone = zones["insecure.dive01.example."]             # unsigned: nothing here may count
    zone.address("@", "www")
    zone.policy("@", scopes=())
    zone.key("ghost", "@", sign.key_record(keys["ghost"]))

    for name in ("nsec3.example.", "unsigned.example.", "bogus.example.", "expired.example."):
        zone = zones[name]
        zone.address("@", "www", "a.b")
        zone.policy("@")
        for keyid in ("ed1", "ed2", "g1"):
            zone.key(keyid, "@", sign.key_record(keys[keyid]))
    zones["lab.example."] = lab_zone(keys, ports, low_address)
    zones["collector.example."].address("@")
    zones["seen.example."] = Zone("seen.example.", minimum=1)  # for hosts that lose their DNSSEC
    return zones
