# SPDX-License-Identifier: BSD-2-Clause
"""The lab's certificate authority and the certificates of its origins, good and bad."""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _write(path, certs, key):
    with open(path + ".crt", "wb") as f:
        for cert in certs:
            f.write(cert.public_bytes(serialization.Encoding.PEM))
    fd = os.open(path + ".key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))


def _issue(subject, issuer_cert, issuer_key, names=(), ca=False, start=-1, end=365):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(name)
               .issuer_name(issuer_cert.subject if issuer_cert else name)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now + start * DAY).not_valid_after(now + end * DAY)
               .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True))
    issuer_public = (issuer_key or key).public_key()
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
    if ca:
        builder = builder.add_extension(x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False), critical=True)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key


def make(directory, names):
    """Writes ca.crt, origins.{crt,key} for `names`, and expired, wrongname, selfsigned, untrusted."""
    os.makedirs(directory, exist_ok=True)
    path = lambda name: os.path.join(directory, name)
    ca, ca_key = _issue("DIVE lab origins", None, None, ca=True)
    _write(path("ca"), [ca], ca_key)
    cert, key = _issue("origins of the DIVE lab", ca, ca_key, names)
    _write(path("origins"), [cert], key)
    cert, key = _issue("expired", ca, ca_key, names, start=-30, end=-2)
    _write(path("expired"), [cert], key)
    cert, key = _issue("somebody else", ca, ca_key, ["somebody-else.example"])
    _write(path("wrongname"), [cert], key)
    cert, key = _issue("selfsigned", None, None, names)
    _write(path("selfsigned"), [cert], key)
    other, other_key = _issue("A CA that nobody trusts", None, None, ca=True)
    cert, key = _issue("untrusted", other, other_key, names)
    _write(path("untrusted"), [cert, other], key)
