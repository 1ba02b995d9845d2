# SPDX-License-Identifier: BSD-2-Clause
"""The catalogue of signed, tampered and badly signed files, and nginx that serves them.

Every file is served by every host over http and https: the host decides which policy applies. In the
catalogue stands what a host with a strict policy of that draft must make of each: released, or blocked
for one of the given reasons.
"""
import functools
import gzip
import hashlib
import os
import random
import re

import sign

SIZES = {"0": 0, "1": 1, "1k": 1024, "300k": 300 * 1024, "5m": 5 << 20, "64m": 64 << 20}
REASONS = ("missing-headers", "key-not-found", "key-invalid", "dnssec-unavailable",
           "hash-algorithm-not-allowed", "signature-mismatch", "no-valid-key")
ANY = REASONS  # where the drafts leave the reason open


@functools.lru_cache(maxsize=None)
def content(size, seed="dive"):
    return random.Random(f"{seed}/{size}").randbytes(size)


class Resource:
    """One file: where, what, with which header fields, and what must become of it."""

    def __init__(self, path, body, headers, blocked=None, extra=()):
        self.path, self.body, self.headers, self.extra = path, body, list(headers), extra
        if isinstance(blocked, str):
            blocked = (blocked,)
        self.blocked = blocked  # None: released; else the reasons that are right

    def __repr__(self):
        return self.path


@functools.lru_cache(maxsize=None)
def flipped(body):
    return body[:-1] + bytes([body[-1] ^ 1])


def catalogue(keys, draft, now):
    """`now`: when the lab was made, in Unix seconds; signatures are dated by it."""
    return catalogue01(keys, now) if draft == "01" else catalogue00(keys)


def catalogue01(keys, now):
    body = content(1024)
    ed1 = keys["ed1"]
    made = []

    def add(name, headers, blocked=None, served=body, extra=()):
        made.append(Resource(f"/01/{name}", served, headers, blocked, extra))

    def good(data=body, keyid="ed1", **how):
        return sign.sign01(keys[keyid.split("@")[0]], keyid, data, **how)

    def without(headers, *names):
        return [h for h in headers if h[0] not in names]

    def changed(headers, name, function):
        return [(n, function(v) if n == name else v) for n, v in headers]

    for name, size in SIZES.items():
        data = content(size)
        add(f"size-{name}", good(data), served=data, extra=("Cache-Control: no-store",))
        if size:
            add(f"size-{name}-flipped", good(data), "signature-mismatch", flipped(data))
    add("first-byte-flipped", good(), "signature-mismatch", bytes([body[0] ^ 1]) + body[1:])
    add("truncated", good(), "signature-mismatch", body[:-1])
    add("longer", good(), "signature-mismatch", body + b"\n")
    add("emptied", good(), "signature-mismatch", b"")
    add("other-file", good(), "signature-mismatch", content(1024, "other"))

    for record, (field, _) in sign.HASHES.items():
        add(f"digest-{field}", good(hashes=(field,)))
    add("digest-two", good(hashes=("sha-256", "sha3-512")))
    wrong = sign.content_digest(flipped(body), ("sha-512",))
    both = sign.content_digest(body) + ", " + wrong
    add("digest-two-one-wrong", [("Content-Digest", both), *zip(
        ("Signature-Input", "Signature"), sign.signature(ed1, "ed1", both))], "signature-mismatch")
    add("digest-md5", good(hashes=("md5",)), ANY)
    add("digest-sha1", good(hashes=("sha",)), ANY)
    add("digest-sha256-and-md5", good(hashes=("sha-256", "md5")), ANY)
    add("digest-garbage", changed(good(), "Content-Digest", lambda v: "sha-256=garbage"), ANY)
    add("digest-wrong-length", changed(good(), "Content-Digest", lambda v: "sha-256=:AAAA:"), ANY)
    add("digest-upper-case", changed(good(), "Content-Digest", str.upper), ANY)
    add("digest-of-other-recomputed",  # the attacker fixes the digest but can't sign it
        changed(good(), "Content-Digest", lambda v: sign.content_digest(flipped(body))),
        "signature-mismatch", flipped(body))

    add("ed448", good(keyid="g1"))
    add("case-sensitive-keyid", good(keyid="Case_1"))
    add("unknown-key", good(keyid="ghost"), "key-not-found")
    add("wrong-key", sign.sign01(keys["ghost"], "ed1", body), "signature-mismatch")
    add("key-restricted-refused", good(keyid="restricted"), "hash-algorithm-not-allowed")
    add("key-restricted-permitted", good(keyid="restricted", hashes=("sha3-256",)))
    add("key-restricted-one-of-two", good(keyid="restricted", hashes=("sha-256", "sha-384")))
    add("key-emptyhash", good(keyid="emptyhash"), "hash-algorithm-not-allowed")
    for keyid in ("md5hash", "short", "upper", "strkey", "rsa"):
        add(f"key-{keyid}", good(keyid=keyid), "key-invalid")
    add("key-twin", good(keyid="twin"))
    add("key-mixed", good(keyid="mixed"))
    add("key-longcache", good(keyid="longcache"))

    old, new, ghost = (ed1, "ed1", "old"), (keys["ed2"], "ed2", "new"), (keys["ghost"], "ghost", "g")
    add("rotation-new-first", sign.sign01_many([new, old], body))
    add("rotation-old-first", sign.sign01_many([old, new], body))
    add("rotation-first-unknown", sign.sign01_many([ghost, old], body))
    add("rotation-last-unknown", sign.sign01_many([old, ghost], body))
    add("rotation-first-forged", sign.sign01_many([(keys["ghost"], "ed2", "new"), old], body))
    add("rotation-all-forged", sign.sign01_many(
        [(keys["ghost"], "ed2", "new"), (keys["ghost"], "ed1", "old")], body), "signature-mismatch")
    add("rotation-mixed-failures", sign.sign01_many(
        [ghost, (keys["ghost"], "ed1", "old")], body), "no-valid-key")
    add("entries-eighth-good", sign.sign01_many(
        [(keys["ghost"], f"no{i}", f"s{i}") for i in range(7)] + [old], body))
    add("entries-ninth-good", sign.sign01_many(
        [(keys["ghost"], f"no{i}", f"s{i}") for i in range(8)] + [old], body), ANY)
    two = sign.sign01_many([(keys["ghost"], "ed1", "a"), (ed1, "ed1", "b")], body)
    add("one-keyid-twice", two)
    split = [two[0]] + [(n, v.strip()) for n, both_ in two[1:] for v in re.split(r", (?=b=)", both_)]
    add("fields-in-two-lines", split)

    add("fqdn-own", good(keyid="ed1@dive01.example"))
    add("fqdn-upper-case", good(keyid="ed1@DIVE01.Example"))
    add("fqdn-foreign", good(keyid="ed1@dive00.example"), "key-invalid")
    add("fqdn-below", good(keyid="ed1@sub.dive01.example"), "key-invalid")
    add("fqdn-label-suffix", good(keyid="ed1@ive01.example"), "key-invalid")
    add("fqdn-parent-without-key", good(keyid="ed1@example"), "key-not-found")
    add("fqdn-empty", good(keyid="ed1@"), ANY)
    add("keyid-with-dot", sign.sign01(ed1, "ed1.x", body), ANY)
    add("keyid-with-hyphen", sign.sign01(ed1, "ed-1", body), ANY)

    add("no-fields", [], "missing-headers")
    for name in ("Content-Digest", "Signature-Input", "Signature"):
        add(f"without-{name.lower()}", without(good(), name), "missing-headers")
        add(f"garbage-{name.lower()}", changed(good(), name, lambda v: "=;garbage,,"), ANY)
        add(f"empty-{name.lower()}", changed(good(), name, lambda v: '""'), ANY)
    add("only-content-digest", without(good(), "Signature-Input", "Signature"), "missing-headers")
    add("dive-sig-instead", sign.sign00(ed1, "ed1", body), "missing-headers")
    add("labels-differ", changed(good(), "Signature", lambda v: v.replace("sig1", "sig2")), ANY)
    add("label-upper-case", good(label="sigABC"))
    add("foreign-label-beside", [(n, v + (', x=("@status");alg="hmac-sha256";keyid="shared"'
                                          if n == "Signature-Input" else ", x=:AAAA:"
                                          if n == "Signature" else "")) for n, v in good()])
    add("expired", good(extra=f";created={now - 100};expires={now - 50}"), ANY)
    add("not-yet-expired", good(extra=f";created={now - 100};expires={now + 86400}"))
    add("created-in-the-future", good(extra=f";created={now + 86400}"), ANY)
    add("created", good(extra=f";created={now - 5}"))
    add("nonce-and-tag", good(extra=';nonce="n1";tag="dive"'))
    add("params-in-other-order", good(params=f';created={now - 5};alg="ed25519";keyid="ed1"'))
    add("alg-missing", good(params=';keyid="ed1"'), ANY)
    add("alg-other", good(alg="ed448"), ANY)
    add("alg-foreign", good(alg="rsa-pss-sha512"), ANY)
    add("alg-token", good(params=';keyid="ed1";alg=ed25519'), ANY)
    add("keyid-missing", good(params=';alg="ed25519"'), ANY)
    add("keyid-empty", good(params=';keyid="";alg="ed25519"'), ANY)
    status = ('"content-digest"', '"@status"')
    add("covers-status", good(components=status))
    add("covers-status-first", good(components=status[::-1]))
    add("covers-status-lie", good(components=status, values={'"@status"': "404"}), "signature-mismatch")
    add("covers-not-the-digest", good(components=('"@status"',)), ANY)
    add("covers-nothing", good(components=()), ANY)
    add("covers-unknown-derived", good(components=('"content-digest"', '"@nonsense"'),
                                       values={'"@nonsense"': "x"}), ANY)
    add("covers-absent-field", good(components=('"content-digest"', '"x-absent"'),
                                    values={'"x-absent"': ""}), ANY)
    add("covers-twice", good(components=('"content-digest"', '"content-digest"')), ANY)
    typed = ('"content-digest"', '"content-type"')
    add("covers-content-type", good(components=typed, values={typed[1]: "application/octet-stream"}))
    method = ('"content-digest"', '"@method";req')
    add("covers-request-method", good(components=method, values={method[1]: "GET"}))
    path = ('"content-digest"', '"@path";req')
    add("covers-request-path", good(components=path, values={path[1]: "/01/covers-request-path"}))
    add("covers-other-path", good(components=path, values={path[1]: "/01/elsewhere"}),
        "signature-mismatch")
    coded = gzip.compress(b"compress me " * 500, mtime=0)
    add("gzip-coded", good(coded), served=coded, extra=("Content-Encoding: gzip",))
    raw = sign.b64(b"\0" * 64)
    add("signature-zero", changed(good(), "Signature", lambda v: f"sig1=:{raw}:"), "signature-mismatch")
    add("signature-short", changed(good(), "Signature", lambda v: "sig1=:AAAA:"), ANY)
    add("signature-trailing-garbage", changed(good(), "Signature", lambda v: v + " x"), ANY)
    add("cacheable", good(), extra=("Cache-Control: max-age=600",))
    add("cacheable-flipped", good(), "signature-mismatch", flipped(body),
        ("Cache-Control: max-age=600",))
    add("no-store", good(), extra=("Cache-Control: no-store",))
    return made


def catalogue00(keys):
    body = content(1024)
    ed1, ghost = keys["ed1"], keys["ghost"]
    made = []

    def add(name, value, blocked=None, served=body, extra=()):
        lines = value if isinstance(value, list) else [value] if value is not None else []
        made.append(Resource(f"/00/{name}", served, [("DIVE-Sig", v) for v in lines], blocked, extra))

    def good(data=body, keyid="ed1", name="sha256", fqdn=None):
        return sign.entry00(keys[keyid], keyid, data, name, fqdn)

    for name, size in SIZES.items():
        data = content(size)
        add(f"size-{name}", good(data), served=data, extra=("Cache-Control: no-store",))
        if size:
            add(f"size-{name}-flipped", good(data), "signature-mismatch", flipped(data))
    add("truncated", good(), "signature-mismatch", body[:-1])
    add("longer", good(), "signature-mismatch", body + b"\n")
    for name in sign.HASHES:
        add(f"digest-{name}", good(name=name))
    add("ed448", good(keyid="g1"))
    add("unknown-key", good(keyid="ghost"), "key-not-found")
    add("wrong-key", sign.entry00(ghost, "ed1", body), "signature-mismatch")
    add("key-restricted-refused", good(keyid="restricted"), "hash-algorithm-not-allowed")
    add("key-restricted-permitted", good(keyid="restricted", name="sha3-256"))
    add("key-emptyhash", good(keyid="emptyhash"), "hash-algorithm-not-allowed")
    for keyid in ("md5hash", "short", "upper", "strkey", "rsa"):
        add(f"key-{keyid}", good(keyid=keyid), "key-invalid")
    add("key-twin", good(keyid="twin"))
    add("rotation", good(keyid="ed2") + ", " + good())
    add("rotation-first-unknown", good(keyid="ghost") + "," + good())
    add("rotation-two-lines", [good(keyid="ghost"), good()])
    add("rotation-mixed-failures", good(keyid="ghost") + "," + sign.entry00(ghost, "ed1", body),
        "no-valid-key")
    add("one-keyid-twice-first-counts", sign.entry00(ghost, "ed1", body) + "," + good(),
        "signature-mismatch")
    add("fqdn-own", good(fqdn="dive00.example"))
    add("fqdn-foreign", good(fqdn="dive01.example"), "key-invalid")
    add("fqdn-below", good(fqdn="sub.dive00.example"), "key-invalid")
    add("no-fields", None, "missing-headers")
    add("empty", "", "missing-headers")
    add("garbage", "garbage", "missing-headers")
    add("one-entry-malformed", good() + ",garbage", "missing-headers")
    add("hash-prohibited", good().replace(":sha256:", ":md5:"), ANY)
    add("hash-prohibited-beside-a-good-one", good() + "," + good(keyid="ed2").replace("sha256", "sha1"),
        ANY)
    add("hash-upper-case", good().replace("sha256", "SHA256"), ANY)
    add("signature-not-base64", "ed1:sha256:!!!!", "missing-headers")
    add("draft-01-fields-instead", None, "missing-headers")
    made[-1].headers = sign.sign01(ed1, "ed1", body)
    add("cacheable", good(), extra=("Cache-Control: max-age=600",))
    return made


def quote(value):
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def location(resource, file):
    lines = [f"location = {resource.path} {{", f"  alias {file};", "  types {}",
             "  default_type application/octet-stream;"]
    for name, value in resource.headers + [tuple(e.split(": ", 1)) for e in resource.extra]:
        lines.append(f"  add_header {name} {quote(value)};")
    return "\n".join(lines + ["}"])


EXTRA_LOCATIONS = """
location = /plain { default_type text/plain; return 200 "plain text\\n"; }
location = /redirect { return 302 /01/size-1k; }
location = /redirect-other { return 302 http://plain.lab.example:%(http)d/01/size-1k-flipped; }
location = /redirect-covered { return 302 http://dive01.example:%(http)d/01/size-1k-flipped; }
location = /redirect-https { return 302 https://dive01.example:%(https)d/01/size-1k; }
location = /status/204 { return 204; }
location = /status/301 { return 301 /01/size-1k; }
location = /status/400 { return 400 "an error body"; }
location = /status/401 { add_header WWW-Authenticate 'Basic realm="lab"' always; return 401 "who?"; }
location = /status/404 { return 404 "not here"; }
location = /status/500 { return 500 "broken"; }
location = /status/503 { add_header Retry-After 1 always; return 503 "later"; }
location = /health { access_log off; return 200 "ok"; }
"""


def write(directory, keys, now, ports, low_address, low_ports, pki):
    """Writes the files and nginx.conf; returns its path."""
    www = os.path.join(directory, "www")
    os.makedirs(www, exist_ok=True)
    os.makedirs(os.path.join(directory, "tmp"), exist_ok=True)
    written, locations = {}, []
    for resource in catalogue01(keys, now) + catalogue00(keys):
        name = hashlib.sha256(resource.body).hexdigest()[:24]
        if name not in written:
            written[name] = os.path.join(www, name)
            with open(written[name], "wb") as f:
                f.write(resource.body)
            os.utime(written[name], (1700000000, 1700000000))
        locations.append(location(resource, written[name]))
    with open(os.path.join(directory, "site.conf"), "w", encoding="utf-8") as f:
        f.write("\n".join(locations) + EXTRA_LOCATIONS % ports)
    low80 = f"    listen {low_address}:80 default_server;\n" if low_ports else ""
    low443 = f"    listen {low_address}:443 ssl default_server;\n" if low_ports else ""
    servers = [f"""
  server {{
    listen 127.0.0.1:{ports['http']} default_server;
{low80}    include {directory}/site.conf;
  }}
  server {{
    listen 127.0.0.1:{ports['https']} ssl default_server;
{low443}    ssl_certificate {pki}/origins.crt;
    ssl_certificate_key {pki}/origins.key;
    include {directory}/site.conf;
  }}"""]
    for name, cert in (("wrongname", "wrongname"), ("expired-cert", "expired"),
                       ("selfsigned", "selfsigned"), ("untrusted", "untrusted")):
        servers.append(f"""
  server {{
    listen 127.0.0.1:{ports['https']} ssl;
    server_name {name}.lab.example;
    ssl_certificate {pki}/{cert}.crt;
    ssl_certificate_key {pki}/{cert}.key;
    include {directory}/site.conf;
  }}""")
    temps = "".join(f"  {kind}_temp_path {directory}/tmp;\n" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.geteuid() == 0 else ""
    conf = os.path.join(directory, "nginx.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"""{user}daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
{temps}  log_format lab '$scheme $host "$request" $status $body_bytes_sent "$http_range" $connection';
  access_log {directory}/access.log lab;
  sendfile on;
  server_tokens off;
  gzip off;
  keepalive_timeout 30s;
  client_max_body_size 0;
  {"".join(servers)}
}}
""")
    return conf
