# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces for the scenarios of a gateway: client - gateway - origin, by veth pairs.

    client (eth0) ---- (lan0) gateway (wan0) ---- (eth0) origin

Everything that runs in one of them is started by this process and stopped by pid; sockets can be made
in any of them without a process of their own. Needs root.
"""
import contextlib
import ctypes
import os
import select
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
COUNT = 0


def run(*args, check=True):
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: {done.stdout}{done.stderr}")
    return done


def why_not():
    """A reason why namespaces and nft can't be had here, or None."""
    if os.geteuid() != 0:
        return "it needs root"
    for tool in ("ip", "nft", "nsenter"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, check=False).returncode:
            return f"{tool} is not installed"
    name = f"dvt{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
    except RuntimeError as error:
        return f"no network namespaces: {error}"
    try:
        done = subprocess.run(["nsenter", f"--net=/var/run/netns/{name}", "nft", "-f", "-"], text=True,
                              input="table inet t {\n chain c {\n  type nat hook prerouting priority dstnat;\n"
                                    "  tcp dport 80 redirect to :81\n }\n}\n", capture_output=True, check=False)
        return f"nft doesn't work here: {done.stderr}" if done.returncode else None
    finally:
        run("ip", "netns", "delete", name, check=False)


class Namespace:
    def __init__(self, name):
        self.name = name
        self.path = f"/var/run/netns/{name}"
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def enter(self):
        """What a command line begins with to run here; the process is the command's own."""
        return ["nsenter", f"--net={self.path}"]

    def run(self, *args, check=True):
        return run(*self.enter, *args, check=check)

    @contextlib.contextmanager
    def entered(self):
        """Sockets that this thread makes, and processes that it starts, are in the namespace."""
        home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        there = os.open(self.path, os.O_RDONLY)
        try:
            if LIBC.setns(there, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {self.name}")
            try:
                yield self
            finally:
                if LIBC.setns(home, CLONE_NEWNET) != 0:
                    os._exit(70)  # nothing may go on in the wrong network
        finally:
            os.close(home)
            os.close(there)

    def connect(self, address, timeout=15, source=None):
        with self.entered():
            return socket.create_connection(address, timeout=timeout, source_address=source)

    def listen(self, address, port):
        with self.entered():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            s = socket.socket(family, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
            s.listen(64)
            return s

    def delete(self):
        run("ip", "netns", "delete", self.name, check=False)


class Gateway:
    """The three of them, connected, with addresses and routes of both families."""

    CLIENT4, CLIENT6 = "192.168.77.2", "fd77::2"
    ORIGIN4, ORIGIN6 = "203.0.113.10", "2001:db8:77::10"     # both open in the tests' guard
    OTHER4 = "203.0.113.11"                                  # the same machine, another address
    HIDDEN4 = "198.51.100.10"                                # the guard's: no hole for it
    LAN4, WAN4 = "192.168.77.1", "203.0.113.1"
    LAN6, WAN6 = "fd77::1", "2001:db8:77::1"

    def __init__(self):
        global COUNT
        COUNT += 1
        base = f"dv{os.getpid()}n{COUNT}"
        self.made, self.threads, self.ending = [], [], threading.Event()
        try:
            for role in ("client", "gateway", "origin"):
                setattr(self, role, Namespace(base + role[0]))
                self.made.append(getattr(self, role))
            self._cable(self.client, "eth0", self.gateway, "lan0")
            self._cable(self.origin, "eth0", self.gateway, "wan0")
            self._address(self.client, "eth0", self.CLIENT4 + "/24", self.CLIENT6 + "/64")
            self._address(self.gateway, "lan0", self.LAN4 + "/24", self.LAN6 + "/64")
            self._address(self.gateway, "wan0", self.WAN4 + "/24", self.WAN6 + "/64")
            self._address(self.origin, "eth0", self.ORIGIN4 + "/24", self.OTHER4 + "/24", self.ORIGIN6 + "/64",
                          "203.0.113.12/24", "203.0.113.13/24", "203.0.113.14/24", "2001:db8:77::12/64",
                          self.HIDDEN4 + "/32")
            for family, near, far in (("-4", self.LAN4, self.WAN4), ("-6", self.LAN6, self.WAN6)):
                self.client.run("ip", family, "route", "add", "default", "via", near)
                self.origin.run("ip", family, "route", "add", "default", "via", far)
            self.gateway.run("ip", "route", "add", self.HIDDEN4, "dev", "wan0")
            # /proc/sys/net shows the namespace of whoever reads it.
            self.gateway.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward && "
                                         "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        except BaseException:
            self.delete()
            raise

    @staticmethod
    def _cable(a, a_name, b, b_name):
        run("ip", "-n", a.name, "link", "add", a_name, "type", "veth", "peer", "name", b_name, "netns",
            b.name)
        run("ip", "-n", a.name, "link", "set", a_name, "up")
        run("ip", "-n", b.name, "link", "set", b_name, "up")

    @staticmethod
    def _address(namespace, device, *addresses):
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            namespace.run("ip", "address", "add", address, "dev", device, *nodad)

    def bridge(self, namespace, port):
        """127.0.0.1:`port` of the namespace, UDP and TCP, is that of this process's own network: for DNS."""
        def udp():
            with namespace.entered():
                inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                inside.bind(("127.0.0.1", port))
            waiting = {}  # a socket towards the server -> who asked
            while not self.ending.is_set():
                for s in select.select([inside, *waiting], [], [], 0.2)[0]:
                    with contextlib.suppress(OSError):
                        if s is inside:
                            data, who = inside.recvfrom(65536)
                            out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                            out.connect(("127.0.0.1", port))
                            out.send(data)
                            waiting[out] = who
                        else:
                            who = waiting.pop(s)
                            inside.sendto(s.recv(65536), who)
                            s.close()
            for s in [inside, *waiting]:
                s.close()

        def tcp(listening):
            pairs = {}
            while not self.ending.is_set():
                for s in select.select([listening, *pairs], [], [], 0.2)[0]:
                    if s is listening:
                        a, _ = listening.accept()
                        b = socket.create_connection(("127.0.0.1", port))
                        pairs[a], pairs[b] = b, a
                        continue
                    if s not in pairs:
                        continue
                    data = b""
                    with contextlib.suppress(OSError):
                        data = s.recv(65536)
                        pairs[s].sendall(data)
                    if not data:
                        other = pairs.pop(s)
                        pairs.pop(other, None)
                        s.close()
                        other.close()
            for s in [listening, *pairs]:
                s.close()

        listening = namespace.listen("127.0.0.1", port)
        self.serve(udp)
        self.serve(tcp, listening)

    def serve(self, function, *args):
        """`function` in a thread that ends when `self.ending` is set."""
        thread = threading.Thread(target=function, args=args, daemon=True)
        thread.start()
        self.threads.append(thread)

    def delete(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(5)
        for namespace in self.made:
            namespace.delete()
        self.made = []
