#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A DNSSEC-signed internet in one directory, for trying dived out: loopback, high ports, no root.

    lab.py up DIR [--base-port N]   start it (knotd, nginx, a misbehaving origin, a report collector,
                                    a misbehaving DNS server); everything lives under DIR
    lab.py down DIR                 stop what was started, by pid; the files stay
    lab.py env DIR                  print its ports and paths as shell variables
    lab.py config DIR               print a configuration for dived that trusts it

Several labs can run at once. See docs/lab.md.
"""
import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import dns          # noqa: E402  the path is set above
import pki          # noqa: E402
import proxy        # noqa: E402
import sign         # noqa: E402
import web          # noqa: E402
import zones        # noqa: E402

PORTS = ("dns", "dnsproxy", "http", "https", "origin", "origin-tls", "collector", "reset", "stall",
         "closed")
START_SECONDS = 15


def bindable(port, kind, address="127.0.0.1"):
    with contextlib.closing(socket.socket(socket.AF_INET, kind)) as s:
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, port))
        except OSError:
            return False
        return True


def free_ports(base=None):
    """{name: port}, below the range that outgoing connections take theirs from."""
    if base is None:
        base = random.SystemRandom().randrange(12000, 31000)
    found, port = {}, base
    for name in PORTS:
        while not (bindable(port, socket.SOCK_STREAM) and bindable(port, socket.SOCK_DGRAM)):
            port += 1
            if port > base + 1000:
                raise RuntimeError(f"no free ports from {base} on")
        found[name] = port
        port += 1
    return found


def start_time(pid):
    """A process's start time in ticks, or None: with the pid it names a process for good."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


class Lab:
    """A lab that is up: where everything is, and how to change it."""

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        with open(os.path.join(self.directory, "lab.json"), encoding="utf-8") as f:
            self.state = json.load(f)
        self.ports = self.state["ports"]
        self.anchor = self.state["anchor"]
        self.low_address = self.state["low-address"]
        self.low_ports = self.state["low-ports"]
        self.keys = {name: sign.load_key(self.path("keys", name + ".pem")) for name in zones.KEY_IDS}
        self.dns = dns.Dns(self.path("dns"), self.state["knot-socket"], self.keys)
        self.hosts = 0

    def path(self, *names):
        return os.path.join(self.directory, *names)

    @property
    def origin_ca(self):
        return self.path("pki", "ca.crt")

    def url(self, host, path, scheme="http"):
        return f"{scheme}://{host}:{self.ports[scheme]}{path}"

    def odd(self, host, behaviour, scheme="http"):
        """URL of the misbehaving origin."""
        port = self.ports["origin" if scheme == "http" else "origin-tls"]
        return f"{scheme}://{host}:{port}/b/{behaviour}"

    def catalogue(self, draft):
        return web.catalogue(self.keys, draft, self.state["made"])

    def new_host(self, zone="lab.example", **how):
        """A fresh host in `zone` with a policy and keys of its own (Dns.new_host())."""
        self.hosts += 1
        name = f"t{os.getpid()}x{self.hosts}x{random.randrange(1 << 24):x}.{zone}"
        return self.dns.new_host(name, **how)

    # The misbehaving DNS server

    def faults(self, table):
        temporary = self.path("dns", f"faults.{os.getpid()}")
        with open(temporary, "w", encoding="utf-8") as f:
            json.dump(table, f)
        os.replace(temporary, self.path("dns", "faults.json"))

    def queries(self, since=0):
        """(name, type) asked through the misbehaving DNS server, from byte `since` of its log on."""
        try:
            with open(self.path("dns", "queries.log"), encoding="utf-8") as f:
                f.seek(since)
                return [tuple(line.split()[1:]) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def queries_mark(self):
        with contextlib.suppress(OSError):
            return os.path.getsize(self.path("dns", "queries.log"))
        return 0

    # The report collector

    def reports(self, since=0):
        try:
            with open(self.path("reports.jsonl"), encoding="utf-8") as f:
                f.seek(since)
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def reports_mark(self):
        with contextlib.suppress(OSError):
            return os.path.getsize(self.path("reports.jsonl"))
        return 0

    def origin_open(self):
        """How many connections the misbehaving origin has open."""
        with open(self.path("origin.log"), encoding="utf-8") as f:
            words = [line.split()[0] for line in f]
        return words.count("open") - words.count("close")


def certificate_names():
    names = []
    for zone in zones.ZONES:
        if zone not in (".", "example."):
            names += [zone[:-1], "*." + zone[:-1]]
    return names + ["plain.example", "a.b.c.dive01.example", "host.wild.lab.example",
                    "host.wildpol.lab.example", "a.b.c.mail.lab.example"]


def spawn(directory, tied, name, *args):
    log = open(os.path.join(directory, "log", name + ".log"), "ab")
    return subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory,
                            start_new_session=True,
                            preexec_fn=proxy.die_with_parent if tied else None)


def wait_ports(ports, children, names):
    deadline = time.monotonic() + START_SECONDS
    for name in names:
        while True:
            for child in children.values():
                if child.poll() is not None:
                    raise RuntimeError(f"{child.args[0]} ended with {child.returncode}")
            with contextlib.closing(socket.socket()) as s:
                if s.connect_ex(("127.0.0.1", ports[name])) == 0:
                    break
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing listens on {name} ({ports[name]})")
            time.sleep(0.02)


def wait_signed(knot_socket):
    """knotd signs as it loads: all zones must be there."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(RuntimeError):
            status = dns.run(dns.tool("knotc"), "-s", knot_socket, "zone-status")
            loaded = [line for line in status.splitlines() if "serial:" in line]
            if len(loaded) == len(zones.ZONES) and all("serial: none" not in line and
                                                       "serial: -" not in line for line in loaded):
                return
        if time.monotonic() > deadline:
            raise RuntimeError("knotd didn't load its zones")
        time.sleep(0.05)


def start(directory, base_port, tied):
    ports, made = free_ports(base_port), int(time.time())
    rng = random.SystemRandom()
    low_address = f"127.{rng.randrange(16, 250)}.{rng.randrange(1, 250)}.{rng.randrange(1, 250)}"
    low_ports = all(bindable(p, socket.SOCK_STREAM, low_address) for p in (80, 443))
    for sub in ("log", "keys", "dns", "pki", "nginx"):
        os.makedirs(os.path.join(directory, sub), exist_ok=True)
    where = lambda *names: os.path.join(directory, *names)
    keys = {}
    for name, algorithm in zones.KEY_IDS.items():
        keys[name] = sign.generate_key(algorithm)
        sign.save_key(keys[name], where("keys", name + ".pem"))
    pki.make(where("pki"), certificate_names())
    conf, knot_socket, anchor = dns.prepare(where("dns"), ports["dns"], keys, ports, low_address)
    children = {"knotd": spawn(directory, tied, "knotd", dns.tool("knotd"), "-c", conf)}
    try:
        script = lambda name: [sys.executable, os.path.join(HERE, name)]
        children["origin"] = spawn(
            directory, tied, "origin", *script("origin.py"), str(ports["origin"]), str(ports["origin-tls"]),
            str(ports["reset"]), str(ports["stall"]), where("pki"), where("keys"), directory)
        children["collector"] = spawn(directory, tied, "collector", *script("collector.py"),
                                      str(ports["collector"]), where("pki"), directory)
        children["dnsproxy"] = spawn(directory, tied, "dnsproxy", *script("dnsproxy.py"),
                                     str(ports["dnsproxy"]), str(ports["dns"]), where("dns"))
        nginx_conf = web.write(where("nginx"), keys, made, ports, low_address, low_ports,
                               where("pki"))
        children["nginx"] = spawn(directory, tied, "nginx", dns.tool("nginx"), "-p", where("nginx"), "-c",
                                  nginx_conf, "-e", "stderr")
        wait_ports(ports, children, ("dns", "dnsproxy", "http", "https", "origin", "origin-tls",
                                     "collector", "reset"))
        wait_signed(knot_socket)
    except BaseException:
        for child in children.values():
            child.terminate()
        for child in children.values():
            child.wait(5)
        raise
    state = {"made": made, "ports": ports, "anchor": anchor, "low-address": low_address, "low-ports": low_ports,
             "knot-socket": knot_socket,
             "processes": {name: [child.pid, start_time(child.pid)] for name, child in children.items()}}
    with open(where("lab.json.new"), "w", encoding="utf-8") as f:
        json.dump(state, f, indent=1)
    os.replace(where("lab.json.new"), where("lab.json"))
    proxy.write_config(Lab(directory), where("dived.yaml"), where("dived"), 3128)


def up(directory, base_port=None, tied=False):
    """Brings a lab up in `directory` and returns it. `tied`: it ends with this process at the latest."""
    directory = os.path.abspath(directory)
    if os.path.exists(os.path.join(directory, "lab.json")):
        down(directory)
    os.makedirs(directory, exist_ok=True)
    for left in ("dns", "nginx", "keys"):
        shutil.rmtree(os.path.join(directory, left), ignore_errors=True)
    for left in ("reports.jsonl", "origin.log"):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(directory, left))
    for attempt in range(3):  # another lab may have taken a port in between
        try:
            start(directory, base_port, tied)
            return Lab(directory)
        except RuntimeError:
            if attempt == 2 or base_port is not None:
                raise
            shutil.rmtree(os.path.join(directory, "dns"))
    raise AssertionError


def down(directory):
    """Stops what `up` started. A pid that another process has by now is left alone."""
    path = os.path.join(os.path.abspath(directory), "lab.json")
    with open(path, encoding="utf-8") as f:
        state = json.load(f)
    alive = [(pid, began) for pid, began in state["processes"].values() if start_time(pid) == began]
    for signal_number, seconds in ((signal.SIGTERM, 4), (signal.SIGKILL, 2)):
        for pid, _ in alive:
            with contextlib.suppress(OSError):
                os.kill(pid, signal_number)
        deadline = time.monotonic() + seconds
        while alive and time.monotonic() < deadline:
            for pid, _ in alive:
                with contextlib.suppress(OSError):
                    os.waitpid(pid, os.WNOHANG)
            alive = [(pid, began) for pid, began in alive if start_time(pid) == began]
            time.sleep(0.02)
    if not state["knot-socket"].startswith(os.path.dirname(path)):
        shutil.rmtree(os.path.dirname(state["knot-socket"]), ignore_errors=True)
    os.unlink(path)


def env(lab):
    lines = {"LAB_DIR": lab.directory, "LAB_ORIGIN_CA": lab.origin_ca, "LAB_TRUST_ANCHOR": lab.anchor,
             "LAB_KNOT_SOCKET": lab.state["knot-socket"], "LAB_CONFIG": lab.path("dived.yaml")}
    for name, port in lab.ports.items():
        lines[f"LAB_{name.upper().replace('-', '_')}_PORT"] = port
    for name, value in lines.items():
        print(f"export {name}='{value}'")


def main():
    parser = argparse.ArgumentParser(description="The DIVE lab.", epilog="See docs/lab.md.")
    sub = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down", "env", "config"):
        command = sub.add_parser(name)
        command.add_argument("dir")
        if name == "up":
            command.add_argument("--base-port", type=int)
    options = parser.parse_args()
    if options.command == "up":
        lab = up(options.dir, options.base_port)
        print(f"The lab is up in {lab.directory}; its ports: {json.dumps(lab.ports)}")
    elif options.command == "down":
        down(options.dir)
    elif options.command == "env":
        env(Lab(options.dir))
    else:
        with open(Lab(options.dir).path("dived.yaml"), encoding="utf-8") as f:
            print(f.read(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
