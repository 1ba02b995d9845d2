# SPDX-License-Identifier: BSD-2-Clause
"""What other implementations of RFC 9421 sign, the proxy releases. tests/interop has the many cases; this is
the way through the whole of it. `make interop` installs the packages."""
import base64
import json
import os
import subprocess
import time

import pytest
import scripted
from cryptography.hazmat.primitives import serialization
from expect import blocked, released

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
INSTALLED = os.path.join(os.path.dirname(os.environ.get("DIVED") or os.path.join(ROOT, "build", "dived")), "interop")
CONTENT = b"signed by somebody else\n" * 100
FIELDS = [("Content-Type", "text/plain"), ("Cache-Control", "no-store")]
COMPONENTS = ['"@status"', '"content-digest"', '"content-type"', '"@path";req', '"@authority";req']


@pytest.fixture(scope="module")
def origin():
    one = scripted.Origin()
    yield one
    one.close()


@pytest.fixture(scope="module", autouse=True)
def installed():
    if not os.path.isfile(os.path.join(INSTALLED, "installed")) or not os.path.isfile(os.path.join(INSTALLED, "sign.mjs")):
        pytest.skip(f"SKIPPED: {INSTALLED} has no packages: run make interop where the package registry can be reached")


def signed(lab, library, keyid, algorithm, url):
    pem = lab.keys[keyid].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                        serialization.NoEncryption()).decode()
    now = int(time.time())
    asked = {"implementation": library, "keyid": keyid, "algorithm": algorithm, "key": pem, "components": COMPONENTS,
             "params": [["created", now], ["keyid", keyid], ["nonce", "a b"], ["alg", algorithm], ["expires", now + 600]],
             "status": 200, "fields": FIELDS, "body": base64.b64encode(CONTENT).decode(), "url": url}
    done = subprocess.run(["node", os.path.join(INSTALLED, "sign.mjs")], input=json.dumps(asked), text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done
    return [tuple(field) for field in json.loads(done.stdout)]


@pytest.mark.parametrize("keyid, algorithm", (("ed1", "ed25519"), ("g1", "ed448")))
@pytest.mark.parametrize("library", ("http-message-signatures", "http-message-sig"))
def test_what_others_sign_is_released(proxy, lab, origin, library, keyid, algorithm):
    host = lab.new_host(keyids=(keyid,))
    url = f"http://{host}:{origin.port}/{library}/{algorithm}"
    path = f"/{library}/{algorithm}"
    fields = signed(lab, library, keyid, algorithm, url)
    origin.at(path, body=CONTENT, fields=FIELDS + fields)
    assert released(proxy.curl(url), CONTENT)["key_id"] == keyid

    # The signature covers the path: the same response elsewhere, and another content here.
    origin.at(path + "x", body=CONTENT, fields=FIELDS + fields)
    blocked(proxy.curl(url + "x"), "signature-mismatch", CONTENT)
    origin.at(path, body=CONTENT + b"x", fields=FIELDS + fields)
    blocked(proxy.curl(url), "signature-mismatch", CONTENT)
