# SPDX-License-Identifier: BSD-2-Clause
"""knotd with the lab's signed hierarchy: its configuration, its keys, and changes at run time."""
import contextlib
import fcntl
import glob
import os
import re
import shutil
import subprocess
import tempfile

import sign
import zones as zonedata

SOCKET_MAX = 100  # sun_path holds 108


def run(*args, cwd=None):
    done = subprocess.run(args, capture_output=True, text=True, timeout=20, cwd=cwd, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise RuntimeError(f"{name} is not installed (Debian: knot knot-dnsutils ldnsutils)")
    return found


def config_text(directory, socket, port):
    lines = [
        "server:", f'    rundir: "{directory}"', f"    listen: 127.0.0.1@{port}",
        "    udp-workers: 1", "    tcp-workers: 1", "    background-workers: 2",
        "    tcp-idle-timeout: 5s", "control:", f'    listen: "{socket}"',
        "log:", "  - target: stderr", "    any: warning",
        "database:", f'    storage: "{directory}/db"',
        "    kasp-db-max-size: 20M", "    journal-db-max-size: 50M", "    timer-db-max-size: 5M",
        "policy:",
    ]
    for name, nsec3 in (("knot", "off"), ("nsec3", "on")):
        lines += [f"  - id: {name}", "    algorithm: ecdsap256sha256", "    manual: on",
                  "    single-type-signing: on", f"    nsec3: {nsec3}"]
    lines += ["template:", "  - id: default", f'    storage: "{directory}"', "    zonefile-sync: -1",
              "zone:"]
    for name, how in zonedata.ZONES.items():
        lines += [f"  - domain: {name}", f'    file: "{file_name(name)}"']
        if how in ("knot", "nsec3", "bogus"):
            policy = "nsec3" if how == "nsec3" else "knot"
            lines += ["    dnssec-signing: on", f"    dnssec-policy: {policy}"]
    return "\n".join(lines) + "\n"


def file_name(zone):
    return "root.zone" if zone == "." else zone + "zone"


def ds_of(conf, zone):
    lines = run(tool("keymgr"), "-c", conf, zone, "ds").splitlines()
    return next(line for line in lines if re.search(r" DS \d+ \d+ 2 ", line))


def sign_in_the_past(directory, zone):
    """ldns signs with signatures that ended in 2021; returns the DS record."""
    options = ["-a", "ECDSAP256SHA256"]
    ksk, zsk = (run(tool("ldns-keygen"), *options, *more, "-r", "/dev/urandom", zone,
                    cwd=directory).strip() for more in (["-k"], []))
    path = file_name(zone)
    run(tool("ldns-signzone"), "-i", "20210101000000", "-e", "20210201000000", "-f", path + ".signed",
        path, ksk, zsk, cwd=directory)
    os.replace(os.path.join(directory, path + ".signed"), os.path.join(directory, path))
    with open(glob.glob(os.path.join(directory, ksk + ".ds"))[0], encoding="ascii") as f:
        fields = f.read().split()
    return f"{zone} DS " + " ".join(fields[fields.index("DS") + 1:])


def prepare(directory, port, keys, ports, low_address):
    """Writes everything that knotd needs. Returns (its config file, control socket, trust anchor)."""
    os.makedirs(os.path.join(directory, "db"), exist_ok=True)
    socket = os.path.join(directory, "knot.sock")
    if len(socket) > SOCKET_MAX:
        socket = os.path.join(tempfile.mkdtemp(prefix="dive-lab-"), "knot.sock")
    conf = os.path.join(directory, "knot.conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write(config_text(directory, socket, port))

    data = zonedata.build(keys, ports, low_address)
    for name, how in zonedata.ZONES.items():
        if how in ("knot", "nsec3", "bogus"):
            run(tool("keymgr"), "-c", conf, name, "generate", "algorithm=ecdsap256sha256", "ksk=yes",
                "zsk=yes")
    # Leaves first: a parent's file needs its children's DS records.
    for name in sorted(zonedata.ZONES, key=lambda z: -z.rstrip(".").count(".")):
        how = zonedata.ZONES[name]
        with open(os.path.join(directory, file_name(name)), "w", encoding="ascii") as f:
            f.write(data[name].text())
        if name == "." or how == "unsigned":
            continue
        record = sign_in_the_past(directory, name) if how == "expired" else ds_of(conf, name)
        if how == "bogus":
            record = record[:-8] + "deadbeef"
        parent = name.split(".", 1)[1] or "."
        data[parent].lines.append(re.sub(" DS ", " 60 DS ", record, count=1))
    with open(os.path.join(directory, file_name(".")), "w", encoding="ascii") as f:
        f.write(data["."].text())
    anchor = os.path.join(os.path.dirname(directory), "root.key")
    with open(anchor, "w", encoding="ascii") as f:
        f.write(re.sub("^\\. DS ", ". 172800 IN DS ", ds_of(conf, ".")) + "\n")
    return conf, socket, anchor


class Dns:
    """Changes to a running knotd. Each method returns when the change is served."""

    def __init__(self, directory, socket, keys):
        self.directory, self.socket, self.keys = directory, socket, keys

    def _knotc(self, *args):
        return run(tool("knotc"), "-s", self.socket, *args)

    @contextlib.contextmanager
    def transaction(self, zone):
        """Yields a function that takes zone-set/zone-unset arguments; one at a time per zone."""
        with open(os.path.join(self.directory, zone + "lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._knotc("zone-begin", zone)
            try:
                yield lambda verb, *args: self._knotc(f"zone-{verb}", zone, *args)
            except BaseException:
                self._knotc("zone-abort", zone)
                raise
            self._knotc("zone-commit", zone)

    @staticmethod
    def zone_of(name):
        """The deepest zone that holds `name` (a domain without its trailing dot)."""
        labels = (name.rstrip(".") + ".").split(".")
        for i in range(len(labels) - 1):
            zone = ".".join(labels[i:])
            if zone in zonedata.ZONES:
                return zone
        return "."

    def replace(self, name, kind, values, ttl=1):
        """The record set at `name` becomes `values` (presentation format); none: it goes."""
        with self.transaction(self.zone_of(name)) as change:
            with contextlib.suppress(RuntimeError):
                change("unset", name + ".", kind)
            for value in values:
                change("set", name + ".", str(ttl), kind, value)

    def set_txt(self, name, *texts, ttl=1):
        self.replace(name, "TXT", [zonedata.txt(text) for text in texts], ttl)

    def set_policy(self, host, ttl=1, **policy):
        """set_policy("h.lab.example", directives=("report-only",)); None as text: no policy."""
        self.set_txt(f"_dive.{host}", sign.policy_record(**policy), ttl=ttl)

    def remove_policy(self, host):
        self.set_txt(f"_dive.{host}")

    def publish_key(self, host, keyid, key=None, ttl=1, **record):
        self.set_txt(f"{keyid}._divekey.{host}",
                     sign.key_record(key or self.keys[keyid], **record), ttl=ttl)

    def revoke_key(self, host, keyid):
        self.set_txt(f"{keyid}._divekey.{host}")

    @contextlib.contextmanager
    def without_ds(self, zone):
        """The zone's parent no longer vouches for it: provably insecure, while this is open."""
        parent = zone.split(".", 1)[1] or "."
        served = self._knotc("zone-read", parent, zone, "DS").split()
        ttl, value = served[served.index("DS") - 1], " ".join(served[served.index("DS") + 1:])
        with self.transaction(parent) as change:
            change("unset", zone, "DS")
        try:
            yield
        finally:
            with self.transaction(parent) as change:
                change("set", zone, ttl, "DS", value)

    def new_host(self, host, keyids=("ed1",), key_ttl=1, key_cache=None, policy_ttl=1, address="127.0.0.1",
                 **policy):
        """A host with its own policy and keys, in one transaction."""
        with self.transaction(self.zone_of(host)) as change:
            change("set", host + ".", "60", "A", address)
            change("set", f"_dive.{host}.", str(policy_ttl), "TXT",
                   zonedata.txt(sign.policy_record(**policy)))
            for keyid in keyids:
                change("set", f"{keyid}._divekey.{host}.", str(key_ttl), "TXT",
                       zonedata.txt(sign.key_record(self.keys[keyid], cache=key_cache)))
        return host
