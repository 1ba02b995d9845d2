#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""An independent DIVE signer and verifier, written from RFC 9421, RFC 9530 and both drafts.

It shares no code with libdive on purpose: what the lab's origins send was made by other hands than
those that check it. As a command:

    sign.py keygen KEY.pem [--algorithm ed448]        make a private key
    sign.py record KEY.pem [--cache N]                print the key record's text
    sign.py sign FILE --key KEY.pem --keyid ID        print the header fields (--draft 00: DIVE-Sig)
"""
import argparse
import base64
import hashlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

# name in records and DIVE-Sig -> (name in Content-Digest, hashlib's name)
HASHES = {
    "sha256": ("sha-256", "sha256"), "sha384": ("sha-384", "sha384"),
    "sha512": ("sha-512", "sha512"), "sha3-256": ("sha3-256", "sha3_256"),
    "sha3-384": ("sha3-384", "sha3_384"), "sha3-512": ("sha3-512", "sha3_512"),
}
FIELD_HASHES = {field: python for field, python in HASHES.values()}
FOREIGN_HASHES = {"md5": "md5", "sha": "sha1"}  # registered by RFC 9530, prohibited by DIVE


def b64(data):
    return base64.b64encode(data).decode()


# Keys

def generate_key(algorithm="ed25519"):
    module = {"ed25519": ed25519.Ed25519PrivateKey, "ed448": ed448.Ed448PrivateKey}
    return module[algorithm].generate()


def algorithm_of(key):
    return "ed448" if isinstance(key, (ed448.Ed448PrivateKey, ed448.Ed448PublicKey)) else "ed25519"


def public_bytes(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def save_key(key, path):
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    with open(path, "wb") as f:
        f.write(pem)


def load_key(path):
    with open(path, "rb") as f:
        return serialization.load_pem_private_key(f.read(), None)


# DNS records

def strings(words):
    return "(" + " ".join(f'"{word}"' for word in words) + ")"


def policy_record(v="dive-draft-01", scopes=("strict",), directives=(), cache=None,
                  invalidate=None, report_to=None):
    parts = [f'v="{v}"']
    if scopes is not None:
        parts.append("scopes=" + strings(scopes))
    if directives:
        parts.append("directives=" + strings(directives))
    if cache is not None:
        parts.append(f"cache={cache}")
    if invalidate is not None:
        parts.append(f"invalidate-keys-cache={invalidate}")
    if report_to is not None:
        parts.append(f'report-to="{report_to}"')
    return ", ".join(parts)


def key_record(key, allowed_hash=None, cache=None):
    parts = [f'sig="{algorithm_of(key)}"', f"key=:{b64(public_bytes(key))}:"]
    if allowed_hash is not None:
        parts.append("allowed-hash=" + strings(allowed_hash))
    if cache is not None:
        parts.append(f"cache={cache}")
    return ", ".join(parts)


# draft-01: Content-Digest, Signature-Input, Signature

def content_digest(data, hashes=("sha-256",)):
    names = {**FIELD_HASHES, **FOREIGN_HASHES}
    return ", ".join(f"{name}=:{b64(hashlib.new(names[name], data).digest())}:" for name in hashes)


def signature_base(components, params, values):
    """RFC 9421 section 2.5. `components` are serialised ('"@status"'), `values` is keyed by them."""
    lines = [f"{component}: {values[component]}" for component in components]
    lines.append(f'"@signature-params": ({" ".join(components)}){params}')
    return "\n".join(lines).encode()


def signature(key, keyid, digest_field, label="sig1", components=('"content-digest"',), values=None,
              alg=None, extra="", params=None):
    """One entry: (member of Signature-Input, member of Signature). `params` replaces all of them."""
    if params is None:
        params = f';keyid="{keyid}";alg="{alg or algorithm_of(key)}"{extra}'
    known = {'"content-digest"': digest_field, '"@status"': "200"}
    known.update(values or {})
    raw = key.sign(signature_base(components, params, known))
    return f'{label}=({" ".join(components)}){params}', f"{label}=:{b64(raw)}:"


def sign01(key, keyid, data, hashes=("sha-256",), **how):
    """The three header fields of draft-01, as a list of (name, value)."""
    digest = content_digest(data, hashes)
    inputs, sig = signature(key, keyid, digest, **how)
    return [("Content-Digest", digest), ("Signature-Input", inputs), ("Signature", sig)]


def sign01_many(entries, data, hashes=("sha-256",)):
    """`entries`: (key, keyid, label) in order."""
    digest = content_digest(data, hashes)
    made = [signature(key, keyid, digest, label=label) for key, keyid, label in entries]
    return [("Content-Digest", digest), ("Signature-Input", ", ".join(m[0] for m in made)),
            ("Signature", ", ".join(m[1] for m in made))]


# draft-00: DIVE-Sig

def signature00_input(data, name="sha256"):
    return name.encode() + b":" + hashlib.new(HASHES[name][1], data).digest()


def entry00(key, keyid, data, name="sha256", fqdn=None):
    where = keyid + (f"@{fqdn}" if fqdn else "")
    return f"{where}:{name}:{b64(key.sign(signature00_input(data, name)))}"


def sign00(key, keyid, data, name="sha256", fqdn=None):
    return [("DIVE-Sig", entry00(key, keyid, data, name, fqdn))]


# Verification, for the lab's test of itself: only what the lab signs

def verify01(headers, body, keys):
    """The key IDs whose signature over the content verifies. `headers`: lower-case name -> value."""
    digest = headers["content-digest"]
    for name, value in re.findall(r"([a-z0-9-]+)=:([^:]*):", digest):
        if hashlib.new(FIELD_HASHES[name], body).digest() != base64.b64decode(value):
            return []
    good = []
    for label, covered, params in re.findall(r"(\w+)=\(([^)]*)\)([^,]*)", headers["signature-input"]):
        found = re.search(rf"\b{label}=:([^:]*):", headers["signature"])
        keyid = re.search(r'keyid="([^"@]*)', params)
        if not found or not keyid or keyid.group(1) not in keys:
            continue
        base = signature_base(covered.split(" "), params,
                              {'"content-digest"': digest, '"@status"': "200"})
        try:
            keys[keyid.group(1)].public_key().verify(base64.b64decode(found.group(1)), base)
            good.append(keyid.group(1))
        except InvalidSignature:
            pass
    return good


def verify00(header, body, keys):
    good = []
    for entry in header.split(","):
        where, name, value = entry.strip().split(":")
        keyid = where.split("@")[0]
        try:
            keys[keyid].public_key().verify(base64.b64decode(value), signature00_input(body, name))
            good.append(keyid)
        except (InvalidSignature, KeyError):
            pass
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = parser.add_subparsers(dest="command", required=True)
    keygen = sub.add_parser("keygen")
    keygen.add_argument("key")
    keygen.add_argument("--algorithm", choices=("ed25519", "ed448"), default="ed25519")
    record = sub.add_parser("record")
    record.add_argument("key")
    record.add_argument("--cache", type=int)
    sign = sub.add_parser("sign")
    sign.add_argument("file")
    sign.add_argument("--key", required=True)
    sign.add_argument("--keyid", required=True)
    sign.add_argument("--draft", choices=("00", "01"), default="01")
    sign.add_argument("--hash", choices=sorted(HASHES), default="sha256")
    options = parser.parse_args()
    if options.command == "keygen":
        save_key(generate_key(options.algorithm), options.key)
        return 0
    if options.command == "record":
        print(key_record(load_key(options.key), cache=options.cache))
        return 0
    with open(options.file, "rb") as f:
        data = f.read()
    key = load_key(options.key)
    if options.draft == "00":
        fields = sign00(key, options.keyid, data, options.hash)
    else:
        fields = sign01(key, options.keyid, data, (HASHES[options.hash][0],))
    for name, value in fields:
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
