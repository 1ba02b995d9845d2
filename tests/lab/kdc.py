# SPDX-License-Identifier: BSD-2-Clause
"""A Kerberos realm of the test's own on loopback: MIT's KDC, users, keytabs, tickets."""
import contextlib
import os
import shutil
import socket
import subprocess
import time

import proxy as proxymodule

REALM = "LAB.EXAMPLE"
TOOLS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
PATHS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def missing():
    """What isn't installed, or ""."""
    return " ".join(tool for tool in TOOLS if not shutil.which(tool, path=PATHS))


class Kdc:
    """`directory` must be there; close() ends the KDC."""

    def __init__(self, directory):
        self.directory = directory
        self.port = proxymodule.free_port()
        self.env = {**os.environ, "PATH": PATHS, "KRB5_CONFIG": self.path("krb5.conf"),
                    "KRB5_KDC_PROFILE": self.path("kdc.conf"), "KRB5CCNAME": self.path("ccache"),
                    "KRB5RCACHEDIR": directory}
        with open(self.path("krb5.conf"), "w", encoding="utf-8") as f:
            f.write(f"""[libdefaults]
 default_realm = {REALM}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 clockskew = 5
[realms]
 {REALM} = {{
  kdc = 127.0.0.1:{self.port}
 }}
[domain_realm]
 localhost = {REALM}
""")
        with open(self.path("kdc.conf"), "w", encoding="utf-8") as f:
            f.write(f"""[realms]
 {REALM} = {{
  database_name = {self.path("principal")}
  key_stash_file = {self.path("stash")}
  kdc_listen = 127.0.0.1:{self.port}
  kdc_tcp_listen = 127.0.0.1:{self.port}
 }}
[logging]
 kdc = FILE:{self.path("kdc.log")}
""")
        self.run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        self.process = subprocess.Popen(["krb5kdc", "-n", "-r", REALM], env=self.env,
                                        preexec_fn=proxymodule.die_with_parent,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait()

    def path(self, name):
        return os.path.join(self.directory, name)

    def run(self, *command, password=None):
        done = subprocess.run(command, env=self.env, input=password, text=True, capture_output=True,
                              timeout=60, check=False)
        assert done.returncode == 0, done
        return done.stdout

    def wait(self):
        deadline = time.monotonic() + 20
        while True:
            with contextlib.closing(socket.socket()) as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None and time.monotonic() < deadline, "no KDC"
            time.sleep(0.05)

    def user(self, name, password):
        self.run("kadmin.local", "-r", REALM, "addprinc", "-pw", password, name)

    def service(self, principal, keytab):
        """A service and a keytab with its new key; the path."""
        self.run("kadmin.local", "-r", REALM, "addprinc", "-randkey", principal)
        self.run("kadmin.local", "-r", REALM, "ktadd", "-k", self.path(keytab), principal)
        return self.path(keytab)

    def login(self, name, password, *options):
        self.run("kinit", *options, name, password=password + "\n")

    def close(self):
        self.process.terminate()
        self.process.wait(10)
