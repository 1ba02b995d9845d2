# SPDX-License-Identifier: BSD-2-Clause
"""What is measured, and what it is measured against: the origin, dived, nginx and squid.

All get the same number of workers, log every request to a file and verify the origin's certificate.
nginx stays at its defaults but for what makes it comparable: keep-alive to the origin, and no limit on
the requests of one connection. squid's cache is off, as dived doesn't store either.
"""
import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))

import dns      # noqa: E402  the path is set above
import proxy    # noqa: E402
import sign     # noqa: E402

WORKERS = 2
START_SECONDS = 20
CERTGEN = "/usr/lib/squid/security_file_certgen"
SQUID = "/usr/sbin/squid"

# Hosts of the lab; their policies and keys are in tests/lab/zones.py.
UNCOVERED, COVERED, ASKING = "plain.example", "dive01.example", "strict.lab.example"


class Server:
    """A process in a directory of its own that listens on `port`."""

    def __init__(self, directory, port=None):
        os.makedirs(directory)
        self.directory, self.port, self.process = directory, port or proxy.free_port(), None

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def launch(self, *command):
        with open(self.path("output"), "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            cwd=self.directory)
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.closing(socket.socket()) as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        self.stop()
        with open(self.path("output"), encoding="utf-8", errors="replace") as f:
            raise RuntimeError(f"{command[0]} didn't start: {f.read()[-2000:]}")

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def nginx_conf(directory, http):
    temps = "".join(f"  {kind}_temp_path {directory}/tmp;\n"
                    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.geteuid() == 0 else ""
    return f"""{user}daemon off;
worker_processes {WORKERS};
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
{temps}  keepalive_requests 100000000;
  keepalive_timeout 600s;
{http}}}
"""


class Origin(Server):
    """nginx with TLS, and on `plain_port` without, where responses may be stored for a day and requests
    are logged. Files of zeros: sparse, so that 10 GiB take no room."""

    def __init__(self, lab, directory, sizes):
        super().__init__(directory)
        self.plain_port, self.log = proxy.free_port(), self.path("plain.log")
        locations = []
        for name, size in sizes.items():
            file = self.path(name)
            with open(file, "wb") as f:
                f.truncate(size)
            fields = self.sign(lab, size)
            locations.append(f"    location = /{name} {{ types {{}} "
                             "default_type application/octet-stream;\n" +
                             "".join(f"      add_header {n} '{v}';\n" for n, v in fields) + "    }\n")
        tls = (f"    ssl_certificate {lab.path('pki', 'origins.crt')};\n"
               f"    ssl_certificate_key {lab.path('pki', 'origins.key')};\n")
        conf = write(self.path("nginx.conf"), nginx_conf(self.directory, f"""  access_log off;
  server {{
    listen 127.0.0.1:{self.port} ssl backlog=4096;
{tls}    root {self.directory};
{''.join(locations)}  }}
  server {{
    listen 127.0.0.1:{self.plain_port} backlog=4096;
    access_log {self.log};
    sendfile on;
    root {self.directory};
{''.join(locations).replace('    }', "      add_header Cache-Control 'max-age=86400'; }")}  }}
"""))
        self.command = (dns.tool("nginx"), "-p", self.directory, "-c", conf, "-e", "stderr")

    def fetches(self):
        """Requests without TLS that have ended: what a cache in front has not answered."""
        with open(self.log, "rb") as f:
            return sum(1 for _ in f)

    @staticmethod
    def sign(lab, size):
        """One key for both covered hosts; `longcache` may be cached, `ed1` is looked up each time."""
        digest, zeros = hashlib.sha256(), bytes(1 << 20)
        for _ in range(size // len(zeros)):
            digest.update(zeros)
        digest.update(bytes(size % len(zeros)))
        field = f"sha-256=:{sign.b64(digest.digest())}:"
        made = [sign.signature(lab.keys[key], key, field, label=label)
                for key, label in (("longcache", "a"), ("ed1", "b"))]
        return [("Content-Digest", field), ("Signature-Input", ", ".join(m[0] for m in made)),
                ("Signature", ", ".join(m[1] for m in made))]

    def start(self):
        return self.launch(*self.command)


class Dived(Server):
    name, tunnels = "dived", True

    def __init__(self, lab, directory, origin):
        super().__init__(directory)
        self.command = (proxy.dived_path(), "-c", self.path("dived.yaml"))
        proxy.write_config(
            lab, self.path("dived.yaml"), directory, self.port, workers=WORKERS,
            access={"connect-ports": [origin.port]}, log={"level": "warning"},
            limits={"connections-per-client": 15000},
            timeouts={"client-idle": "10m", "drain": "0s"})
        self.ca = self.path("ca.crt")

    def version(self):
        done = subprocess.run([self.command[0], "--version"], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def start(self):
        return self.launch(*self.command)


class Nginx(Server):
    name, tunnels = "nginx", False

    def __init__(self, lab, directory, origin):
        super().__init__(directory)
        self.ca = lab.origin_ca
        conf = write(self.path("nginx.conf"), nginx_conf(self.directory, f"""  access_log {directory}/access.log combined;
  upstream origin {{
    server 127.0.0.1:{origin.port};
    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{self.port} ssl backlog=4096;
    ssl_certificate {lab.path('pki', 'origins.crt')};
    ssl_certificate_key {lab.path('pki', 'origins.key')};
    location / {{
      proxy_pass https://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_ssl_server_name on;
      proxy_ssl_name $host;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {lab.origin_ca};
    }}
  }}
"""))
        self.command = (dns.tool("nginx"), "-p", self.directory, "-c", conf, "-e", "stderr")

    def version(self):
        done = subprocess.run([self.command[0], "-v"], capture_output=True, text=True, check=True)
        return done.stderr.strip().replace("nginx version: ", "")

    def start(self):
        return self.launch(*self.command)


class Squid(Server):
    name, tunnels = "squid", True

    @staticmethod
    def missing():
        """Why squid can't take part, or None."""
        if not os.access(SQUID, os.X_OK):
            return "squid isn't installed (Debian: squid-openssl)"
        if not os.access(CERTGEN, os.X_OK):
            return "this squid has no ssl-bump (Debian: squid-openssl)"
        return None

    def __init__(self, lab, directory, origin):
        super().__init__(directory)
        self.ca = self.path("ca.crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=squid bench",
                        "-addext", "basicConstraints=critical,CA:TRUE",
                        "-addext", "keyUsage=critical,keyCertSign", "-keyout", self.path("ca.key"),
                        "-out", self.ca], check=True, capture_output=True)
        subprocess.run([CERTGEN, "-c", "-s", self.path("certs"), "-M", "4MB"], check=True,
                       capture_output=True)
        write(self.path("hosts"), f"127.0.0.1 {UNCOVERED} {COVERED} {ASKING}\n")
        shutil.copy(lab.origin_ca, self.path("origin-ca.crt"))
        self.conf = write(self.path("squid.conf"), f"""
http_port 127.0.0.1:{self.port} ssl-bump cert={self.ca} key={self.path('ca.key')} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program {CERTGEN} -s {self.path('certs')} -M 4MB
sslcrtd_children 2
acl step1 at_step SslBump1
ssl_bump peek step1
ssl_bump bump all
tls_outgoing_options cafile={self.path('origin-ca.crt')}
http_access allow all
workers {WORKERS}
cache deny all
cache_mem 8 MB
hosts_file {self.path('hosts')}
access_log stdio:{self.path('access.log')}
cache_log {self.path('cache.log')}
pid_filename {self.path('squid.pid')}
coredump_dir {self.directory}
shutdown_lifetime 1 seconds
client_idle_pconn_timeout 10 minutes
max_filedescriptors 16384
""")
        if os.geteuid() == 0:  # squid drops root for this user
            for where, directories, files in os.walk(self.directory):
                for name in [where] + [os.path.join(where, n) for n in directories + files]:
                    shutil.chown(name, "proxy", "proxy")

    def version(self):
        done = subprocess.run([SQUID, "-v"], capture_output=True, text=True, check=True)
        return re.sub("Version ", "", done.stdout.splitlines()[0])

    def start(self):
        # A service name of its own: its shared memory segments are named after it.
        return self.launch(SQUID, "--foreground", "-n", f"bench{os.getpid()}", "-f", self.conf)
