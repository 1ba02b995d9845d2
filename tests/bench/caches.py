# SPDX-License-Identifier: BSD-2-Clause
"""The caches that are measured: dived, nginx, squid and varnish, without TLS on either side.

dived and squid are forward proxies (absolute-form targets), nginx and varnish reverse ones. Each has room
for all that is asked for, memory for small objects and a directory for large ones, and writes an access
log (varnish to its log in shared memory alone). What isn't said here is at its default.
"""
import os
import re
import shutil
import subprocess

import servers
import dns      # noqa: E402  servers has set the path
import proxy    # noqa: E402

MEMORY_MIB, DISK_MIB, SMALL_MAX = 64, 4096, 128 << 10
VARNISH = "/usr/sbin/varnishd"


class Cache(servers.Server):
    ca, tunnels, forward = None, False, False

    @staticmethod
    def missing():
        """Why it can't take part, or None."""
        return None

    def start(self):
        return self.launch(*self.command)


class Dived(Cache):
    name, forward = "dived", True

    def __init__(self, lab, directory, origin):
        super().__init__(directory)
        self.command = (proxy.dived_path(), "-c", self.path("dived.yaml"))
        proxy.write_config(
            lab, self.path("dived.yaml"), directory, self.port, workers=servers.WORKERS,
            log={"level": "warning"}, limits={"connections-per-client": 5000},
            cache={"memory": f"{MEMORY_MIB}MiB", "max-size": f"{DISK_MIB}MiB"},
            timeouts={"client-idle": "10m", "drain": "0s"})

    def version(self):
        done = subprocess.run([self.command[0], "--version"], capture_output=True, text=True, check=True)
        return done.stdout.strip()


class Nginx(Cache):
    name = "nginx"

    def __init__(self, lab, directory, origin):
        super().__init__(directory)
        conf = servers.write(self.path("nginx.conf"), servers.nginx_conf(self.directory, f"""  access_log {directory}/access.log combined;
  sendfile on;
  proxy_cache_path {directory}/objects levels=2 keys_zone=objects:16m max_size={DISK_MIB}m
                   use_temp_path=off inactive=1d;
  upstream origin {{
    server 127.0.0.1:{origin.plain_port};
    keepalive 64;
  }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_cache objects;
      proxy_cache_key $http_host$request_uri;
      proxy_cache_lock on;
      proxy_cache_lock_age 10m;
      proxy_cache_lock_timeout 10m;
    }}
  }}
"""))
        self.command = (dns.tool("nginx"), "-p", self.directory, "-c", conf, "-e", "stderr")

    def version(self):
        done = subprocess.run([self.command[0], "-v"], capture_output=True, text=True, check=True)
        return done.stderr.strip().replace("nginx version: ", "")


class Squid(Cache):
    name, forward = "squid", True

    @staticmethod
    def missing():
        return None if os.access(servers.SQUID, os.X_OK) else "it isn't installed (Debian: squid-openssl)"

    def __init__(self, lab, directory, origin):
        super().__init__(directory)
        servers.write(self.path("hosts"), f"127.0.0.1 {servers.UNCOVERED} {servers.COVERED}\n")
        self.conf = servers.write(self.path("squid.conf"), f"""
http_port 127.0.0.1:{self.port}
http_access allow all
cache_mem {MEMORY_MIB} MB
maximum_object_size_in_memory {SMALL_MAX >> 10} KB
maximum_object_size 1 GB
cache_dir aufs {self.path('objects')} {DISK_MIB} 16 256
collapsed_forwarding on
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
            for name in (self.directory, self.conf, self.path("hosts")):
                shutil.chown(name, "proxy", "proxy")
        subprocess.run([servers.SQUID, *self.service(), "--foreground", "-z", "-f", self.conf], check=True,
                       capture_output=True, cwd=self.directory)
        self.command = (servers.SQUID, "--foreground", *self.service(), "-f", self.conf)

    @staticmethod
    def service():
        """A name of its own: its shared memory segments are named after it."""
        return "-n", f"cachebench{os.getpid()}"

    def version(self):
        done = subprocess.run([servers.SQUID, "-v"], capture_output=True, text=True, check=True)
        return re.sub("Version ", "", done.stdout.splitlines()[0]) + " (one worker: aufs isn't shared)"


class Varnish(Cache):
    name = "varnish"

    @staticmethod
    def missing():
        return None if os.access(VARNISH, os.X_OK) else "it isn't installed (Debian: varnish)"

    def __init__(self, lab, directory, origin):
        super().__init__(directory)
        vcl = servers.write(self.path("cache.vcl"), f"""vcl 4.1;
import std;
backend origin {{ .host = "127.0.0.1"; .port = "{origin.plain_port}"; }}
sub vcl_backend_response {{
  if (std.integer(beresp.http.Content-Length, 0) > {SMALL_MAX}) {{ set beresp.storage = storage.large; }}
  else {{ set beresp.storage = storage.small; }}
}}
""")
        self.command = (VARNISH, "-F", "-j", "none", "-n", self.path("state"), "-f", vcl,
                        "-a", f"127.0.0.1:{self.port}", "-T", "none", "-p", "listen_depth=4096",
                        "-p", "timeout_idle=600", "-p", "thread_pool_max=2000",
                        "-s", f"small=malloc,{MEMORY_MIB}m",
                        "-s", f"large=file,{self.path('objects')},{DISK_MIB}m")

    def version(self):
        done = subprocess.run([VARNISH, "-V"], capture_output=True, text=True, check=True)
        return done.stderr.splitlines()[0].split(" (")[1].split(" ")[0]


ALL = (Dived, Nginx, Squid, Varnish)
