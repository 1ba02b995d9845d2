# SPDX-License-Identifier: BSD-2-Clause
"""A gateway: clients that know of no proxy, nft rules from docs/nft as they stand there, dived between."""
import os
import subprocess
import time

import netns
import proxy as proxymodule
import pytest
from conftest import SHORT
from expect import blocked, eventually, passed, released

NFT = os.path.join(proxymodule.ROOT, "docs", "nft")
WHY_NOT = netns.why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=f"no gateway can be tried: {WHY_NOT}")

GOOD, FORGED = "/01/size-1k", "/01/size-1k-flipped"
# Short, but not so short that a loaded machine can't keep up.
TIMEOUTS = dict(SHORT, **{"client-head": "3s"})
OPEN_NETWORKS = ["203.0.113.0/24", "2001:db8:77::/64"]


class GatewayProxy(proxymodule.Proxy):
    """dived on the gateway. Clients are in a network of their own."""

    def __init__(self, lab, net, transparent=None, **changes):
        self.net = net
        how = transparent or {}
        listeners = [{"address": a, "mode": "transparent", **how} for a in ("0.0.0.0:3129", "[::]:3129")]
        listeners += [{"address": a, "mode": "transparent", "tproxy": True, **how}
                      for a in ("0.0.0.0:3130", "[::]:3130")]
        base = {"origins": {"allow-networks": OPEN_NETWORKS},
                "access": {"clients": ["127.0.0.0/8", "192.168.77.0/24", "fd77::/64"]},
                "timeouts": TIMEOUTS}
        for section, value in changes.items():
            base[section] = {**base.get(section, {}), **value} if isinstance(value, dict) else value
        base["listeners"] = listeners + base.pop("more_listeners", [])
        super().__init__(lab, wrapper=net.gateway.enter, **base)

    def _listens(self):
        self.port = 3129
        with self.net.gateway.entered():
            return super()._listens()

    def get(self, host, path="/plain", *args, scheme="http", to=None, **how):
        """curl on the client's machine, which thinks that `host` has the address `to`."""
        to = to or self.net.ORIGIN4
        where = f"{host}:{443 if scheme == 'https' else 80}:{'[' + to + ']' if ':' in to else to}"
        with self.net.client.entered():
            return self.curl(f"{scheme}://{host}{path}", "--noproxy", "*", "--resolve", where, *args, **how)

    def talk(self, data, to, port=80, timeout=15):
        """Sends bytes from the client's machine; all that comes back."""
        with self.net.client.connect((to, port), timeout=timeout) as s:
            s.sendall(data)
            return proxymodule.read_all(s, timeout)


def nginx(lab, net, directory):
    """The lab's site at the origin's addresses, on the ports that the world uses."""
    pki = lab.path("pki")
    with open(lab.path("nginx", "nginx.conf"), encoding="utf-8") as f:
        user = f.readline() if os.geteuid() == 0 else ""
    listen = lambda port, more="": "".join(f"    listen {a}:{port}{more};\n" for a in
                                           (net.ORIGIN4, f"[{net.ORIGIN6}]", net.HIDDEN4))
    conf = os.path.join(directory, "nginx.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"""{user}daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {directory}/tmp; proxy_temp_path {directory}/tmp; fastcgi_temp_path {directory}/tmp;
  uwsgi_temp_path {directory}/tmp; scgi_temp_path {directory}/tmp;
  log_format lab '$scheme $host "$request" $status $remote_addr';
  access_log {directory}/access.log lab;
  server {{
{listen(80)}    include {lab.path('nginx', 'site.conf')};
  }}
  server {{
{listen(443, " ssl")}    ssl_certificate {pki}/origins.crt;
    ssl_certificate_key {pki}/origins.key;
    include {lab.path('nginx', 'site.conf')};
  }}
}}
""")
    log = open(os.path.join(directory, "nginx.log"), "ab")
    return subprocess.Popen([*net.origin.enter, "nginx", "-p", directory, "-c", conf, "-e", "stderr"],
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            preexec_fn=proxymodule.die_with_parent)


@pytest.fixture(scope="module")
def net(lab, tmp_path_factory):
    """The networks, with DNS on the gateway and a web server at the origin."""
    made = netns.Gateway()
    server = None
    try:
        made.bridge(made.gateway, lab.ports["dns"])
        made.gateway.run("sh", os.path.join(NFT, "tproxy-routes.sh"))
        directory = str(tmp_path_factory.mktemp("origin"))
        server = nginx(lab, made, directory)

        def listening():
            with made.origin.entered():
                import socket
                with socket.socket() as s:
                    return s.connect_ex((made.ORIGIN4, 443)) == 0
        eventually(listening, 15, "nginx")
        yield made
    finally:
        if server is not None:
            server.terminate()
            server.wait(10)
        made.delete()


def load(net, way):
    net.gateway.run("nft", "-f", os.path.join(NFT, f"{way}.nft"))


@pytest.fixture(scope="module")
def running(lab, net, binary):
    one = GatewayProxy(lab, net, binary=binary,
                       interception={"splice": ["bank.lab.example"]},
                       rules=[{"host": "denied.lab.example", "deny": True}])
    yield one.start()
    wrong = one.stop()
    assert wrong is None, f"{wrong}\n(files: {one.directory})"
    one.remove()


@pytest.fixture(scope="module", params=["redirect", "tproxy"])
def gate(request, net, running):
    """The gateway's dived behind one kind of rule set."""
    load(net, request.param)
    running.way = request.param
    return running


@pytest.fixture(params=["v4", "v6"])
def origin(request, net):
    return net.ORIGIN4 if request.param == "v4" else net.ORIGIN6


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_signed_is_released_and_forged_is_blocked(gate, lab, origin, scheme):
    response = gate.get("dive01.example", GOOD, scheme=scheme, to=origin)
    entry = released(response, response.body)
    assert len(response.body) == 1024, response
    assert entry["client"] == (gate.net.CLIENT6 if ":" in origin else gate.net.CLIENT4), entry
    assert entry["url"] == f"{scheme}://dive01.example{GOOD}", entry
    blocked(gate.get("dive01.example", FORGED, scheme=scheme, to=origin), "signature-mismatch")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_is_not_protected_passes(gate, origin, scheme):
    passed(gate.get("plain.lab.example", scheme=scheme, to=origin), b"plain text\n")
