#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The public HTTP caching conformance suite (npm: http-cache-tests), run through dived, and through
squid and nginx in the same run, with the same client and the same origin.

    cache.py SUITE [--only dived,squid,nginx] [--test ID] [--json FILE]

SUITE is the unpacked package. Kinds of tests are the suite's own: required is what RFC 9111 demands,
optimal is what a cache may do and should, check only asks what a cache does ("yes" is no better than
"no"). A test whose setup or dependency failed counts as neither passed nor failed. Exits with 1 when
dived fails a required test that isn't in EXPECTED.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))

import dns       # noqa: E402  the path is set above
import proxy     # noqa: E402
import servers   # noqa: E402

KINDS = ("required", "optimal", "check")
# Required tests that dived fails on purpose, and why.
EXPECTED = {
    "age-parse-prefix": "wants '0,7200' to be taken as 0; the other tests want every list to be stale",
}


class Origin(servers.Server):
    def __init__(self, directory, suite):
        super().__init__(directory)
        self.suite = suite

    def start(self):
        environment = {"npm_config_protocol": "http", "npm_config_port": str(self.port),
                       "npm_config_pidfile": self.path("pid")}
        return self.launch("env", *[f"{k}={v}" for k, v in environment.items()],
                           "node", os.path.join(self.suite, "server", "server.mjs"))


class Dived(servers.Server):
    name = "dived"

    @staticmethod
    def missing():
        return None if os.access(proxy.dived_path(), os.X_OK) else "it isn't built"

    def __init__(self, directory, origin):
        super().__init__(directory)
        for name in ("hold", "objects"):
            os.mkdir(self.path(name), 0o700)
        self.config = servers.write(self.path("dived.yaml"), json.dumps({
            "version": 1,
            "workers": 2,
            "listeners": [{"address": f"127.0.0.1:{self.port}", "mode": "explicit"}],
            "admin": {"socket": self.path("control.sock"), "http": None},
            "interception": {"enabled": False},
            "origins": {"allow-networks": ["127.0.0.0/8"]},
            "hold": {"directory": self.path("hold")},
            "cache": {"directory": self.path("objects")},
            "access": {"clients": ["127.0.0.0/8"]},
            "log": {"access": self.path("access.log"), "level": "info"},
            "timeouts": {"drain": "0s"}}))

    def version(self):
        return subprocess.run([proxy.dived_path(), "--version"], capture_output=True, text=True,
                              check=True).stdout.strip()

    def start(self):
        return self.launch(proxy.dived_path(), "-c", self.config)


class Nginx(servers.Server):
    name = "nginx"

    @staticmethod
    def missing():
        return None if servers.shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") else "it isn't installed (Debian: nginx-light)"

    def __init__(self, directory, origin):
        super().__init__(directory)
        os.makedirs(self.path("cache"))
        self.config = servers.write(self.path("nginx.conf"), servers.nginx_conf(directory, f"""
  access_log off;
  proxy_cache_path {directory}/cache levels=1:2 keys_zone=tests:8m max_size=100m use_temp_path=off;
  server {{
    listen 127.0.0.1:{self.port};
    location / {{
      proxy_pass http://127.0.0.1:{origin.port};
      proxy_cache tests;
      proxy_cache_revalidate on;
    }}
  }}
"""))

    def version(self):
        return subprocess.run([dns.tool("nginx"), "-v"], capture_output=True, text=True,
                              check=True).stderr.strip().replace("nginx version: ", "")

    def start(self):
        return self.launch(dns.tool("nginx"), "-p", self.directory, "-c", self.config, "-e", "stderr")


class Squid(servers.Server):
    name = "squid"

    @staticmethod
    def missing():
        return None if os.access(servers.SQUID, os.X_OK) else "it isn't installed (Debian: squid)"

    def __init__(self, directory, origin):
        super().__init__(directory)
        self.config = servers.write(self.path("squid.conf"), f"""
http_port 127.0.0.1:{self.port}
http_access allow all
cache_mem 64 MB
access_log stdio:{self.path('access.log')}
cache_log {self.path('cache.log')}
pid_filename {self.path('squid.pid')}
coredump_dir {directory}
shutdown_lifetime 1 seconds
connect_retries 3
""")
        if os.geteuid() == 0:  # squid drops root for this user
            for name in (directory, self.config):
                servers.shutil.chown(name, "proxy", "proxy")

    def version(self):
        done = subprocess.run([servers.SQUID, "-v"], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[0].replace("Squid Cache: Version ", "squid/")

    def start(self):
        return self.launch(servers.SQUID, "--foreground", "-n", f"conformance{os.getpid()}",
                           "-f", self.config)


def run(suite, server, origin, test):
    command = ["node", "--no-warnings", os.path.join(HERE, "run.mjs"), suite, str(server.port),
               str(origin.port)] + ([test] if test else [])
    errors = None if test else subprocess.DEVNULL
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=True,
                          timeout=600)
    return json.loads(done.stdout)


def table(results):
    yield f"{'':10}" + "".join(f"{kind:>24}" for kind in KINDS)
    yield f"{'':10}" + "".join(f"{head:>24}" for head in ("pass/fail/other", "pass/not/other",
                                                            "yes/no/other"))
    for name, tests in results.items():
        line = f"{name:10}"
        for kind in KINDS:
            of_kind = [t["result"] for t in tests if t["kind"] == kind]
            passed, failed = of_kind.count("pass"), of_kind.count("fail")
            line += f"{f'{passed}/{failed}/{len(of_kind) - passed - failed} of {len(of_kind)}':>24}"
        yield line


def details(results):
    for name, tests in results.items():
        for kind in ("required", "optimal"):
            wrong = [t for t in tests if t["kind"] == kind and t["result"] != "pass"]
            if kind == "optimal" and name != "dived":
                continue
            yield f"\n{name}: {kind} tests that didn't pass ({len(wrong)})"
            for t in wrong:
                yield f"  {t['result']:10} {t['id']}: {t['detail']}"
                if name == "dived" and t["id"] in EXPECTED:
                    yield f"  {'':10} expected: {EXPECTED[t['id']]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite")
    parser.add_argument("--only", default="dived,squid,nginx")
    parser.add_argument("--test")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    suite = os.path.abspath(arguments.suite)
    results = {}
    with tempfile.TemporaryDirectory(prefix="dived-cache-tests-") as directory:
        os.chmod(directory, 0o755)
        origin = Origin(os.path.join(directory, "origin"), suite).start()
        try:
            for kind in (Dived, Squid, Nginx):
                if kind.name not in arguments.only.split(","):
                    continue
                why = kind.missing()
                if why:
                    print(f"SKIPPED: {kind.name}: {why}", flush=True)
                    continue
                server = kind(os.path.join(directory, kind.name), origin)
                print(f"{server.version()} ...", flush=True)
                server.start()
                try:
                    results[kind.name] = run(suite, server, origin, arguments.test)
                finally:
                    server.stop()
        finally:
            origin.stop()
    print("\n".join(table(results)))
    print("\n".join(details(results)))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as f:
            json.dump(results, f, indent=1)
    failed = [t for t in results.get("dived", ())
              if t["kind"] == "required" and t["result"] == "fail" and t["id"] not in EXPECTED]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
