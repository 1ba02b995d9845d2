# SPDX-License-Identifier: BSD-2-Clause
"""The CA's private key: in a process of its own, on a token, from systemd; and what happens when that process dies."""
import contextlib
import datetime
import os
import re
import shutil
import signal
import subprocess
import threading

import proxy as proxymodule
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from expect import eventually, released
from test_sandbox import SANITIZED, children, needs_root, status

GOOD, HOST = "/01/size-1k", "dive01.example"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01")}


def memory(pid):
    """All that the process has in memory and that can be read."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            begin, end = (int(n, 16) for n in line.split()[0].split("-"))
            if line.split()[1].startswith("r"):
                try:
                    mem.seek(begin)
                    yield mem.read(end - begin)
                except (OSError, ValueError, OverflowError):
                    continue


def holds(pid, secrets):
    return any(secret in piece for piece in memory(pid) for secret in secrets)


def forms(directory):
    """The private number as it may lie in memory, and the PEM text that it comes from."""
    with open(os.path.join(directory, "ca.key"), "rb") as f:
        text = f.read()
    number = serialization.load_pem_private_key(text, None).private_numbers().private_value
    return [number.to_bytes(32, "big"), number.to_bytes(32, "little"), text.splitlines()[1]]


@needs_root
@pytest.mark.skipif(SANITIZED, reason="a sanitizer's shadow is larger than any memory")
def test_only_the_signer_has_the_key(dived, lab, body):
    one = dived()
    released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
    secrets = forms(one.directory)
    below = children(one.process.pid)
    assert holds(below["dived-signer"], secrets[1:2]), "the test wouldn't find it anywhere"
    assert not holds(one.process.pid, secrets)
    assert not holds(below["dived-keeper"], secrets)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer build has no sandbox")
def test_the_signer_is_confined(proxy):
    now = status(children(proxy.process.pid)["dived-signer"])
    assert now["Seccomp"] == "2" and now["NoNewPrivs"] == "1" and int(now["CapEff"], 16) == 0, now
    assert len(os.listdir(f"/proc/{children(proxy.process.pid)['dived-signer']}/fd")) == 4


def mint(proxy, lab, name, patience=30):
    """Does a handshake for this name succeed? TLS ends at the proxy, the origin comes later."""
    command = ["openssl", "s_client", "-proxy", f"127.0.0.1:{proxy.port}", "-connect", f"{HOST}:{lab.ports['https']}",
               "-servername", name, "-CAfile", proxy.ca, "-verify_return_error", "-verify_hostname", name]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=patience,
                          check=False)
    return f"Verified peername: {name}" in done.stdout and "Verify return code: 0" in done.stdout


def test_a_signer_that_is_killed_is_replaced_under_load(dived, lab, body):
    one = dived()
    failed, done, stop = [], [], threading.Event()

    def load(worker):
        n = 0
        while not stop.is_set():
            n += 1
            (done if mint(one, lab, f"n{worker}x{n}.dive01.example") else failed).append(n)

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(done) > 10, what="some certificates")
        os.kill(children(one.process.pid)["dived-signer"], signal.SIGKILL)
        before = len(done)
        eventually(lambda: len(done) > before + 20, what="certificates after it")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed, (failed, one.stderr()[-2000:])
    assert one.stderr().count("another one has taken over") == 1
    released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])


def test_without_a_signer_nothing_is_passed_on(dived, lab, body):
    """The keeper can't start one any more: its clients get no TLS, and no content in another way."""
    one = dived()
    released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
    below = children(one.process.pid)
    os.kill(below["dived-keeper"], signal.SIGSTOP)
    os.kill(below["dived-signer"], signal.SIGKILL)
    try:
        assert not mint(one, lab, "other.dive01.example")
        # What was made already is still good.
        released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
    finally:
        os.kill(below["dived-keeper"], signal.SIGCONT)


def test_without_its_keeper_the_daemon_ends(dived, lab):
    one = dived()
    os.kill(children(one.process.pid)["dived-keeper"], signal.SIGKILL)
    assert one.process.wait(30) == 70, one.stderr()
    assert "keeps the CA's key has ended" in one.stderr()
    one.process = None


def test_nothing_outlives_a_daemon_that_is_killed(dived):
    one = dived()
    below = children(one.process.pid)
    assert {"dived-keeper", "dived-signer"} <= set(below)
    one.process.kill()
    one.process.wait()
    one.process = None
    for name in ("dived-keeper", "dived-signer"):
        eventually(lambda: not alive(below[name], name), what=f"the end of {name}")


def alive(pid, name):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            words = f.read()
        return f"({name})" in words and words.rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def make_ca(directory, key, name="a CA of ours"):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=300))
                   .add_extension(x509.BasicConstraints(True, 0), critical=True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                   .sign(key, hashes.SHA256()))
    with open(os.path.join(directory, "ca.crt"), "wb") as f:
        f.write(certificate.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    with open(os.open(os.path.join(directory, "ca.key"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(pem)


def test_new_files_in_the_old_places_are_taken_at_a_reload(dived, lab, body):
    one = dived()
    released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
    make_ca(one.directory, ec.generate_private_key(ec.SECP256R1()))
    one.reload(trace={"entries": 3})
    eventually(lambda: " loaded" in one.stderr(), what="the reload")
    eventually(lambda: one.curl(lab.url(HOST, GOOD, "https")).status == 200, what="the new CA")
    assert mint(one, lab, "fresh.dive01.example")
    # The old one's signer goes when nobody needs it any more.
    eventually(lambda: sum(name == "dived-signer" for name in names(one.process.pid)) == 1, what="one signer")


def names(pid):
    found = []
    for child in children(pid).values():
        try:
            with open(f"/proc/{child}/task/{child}/children", encoding="ascii") as f:
                below = f.read().split()
            for one in below:
                with open(f"/proc/{one}/comm", encoding="ascii") as f:
                    found.append(f.read().strip())
        except OSError:
            continue
    return found


def test_another_place_takes_a_restart(dived, lab, body):
    one = dived()
    other = os.path.join(one.directory, "other")
    os.mkdir(other)
    make_ca(other, ec.generate_private_key(ec.SECP256R1()))
    one.reload(interception={"ca-certificate": os.path.join(other, "ca.crt"), "ca-key": os.path.join(other, "ca.key")})
    eventually(lambda: "is not applied" in one.stderr(), what="the refusal")
    assert re.search(r"ca-certificate or ca-key takes a restart", one.stderr())
    released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])


# systemd's credentials

def test_a_credential(lab, binary, body, tmp_path):
    one = proxymodule.Proxy(lab, binary=binary, interception={"ca-key": "credential:ca.key"})
    make_ca(one.directory, ec.generate_private_key(ec.SECP256R1()))
    os.rename(os.path.join(one.directory, "ca.key"), tmp_path / "ca.key")
    os.chmod(tmp_path / "ca.key", 0o440)  # as systemd's ACL looks
    try:
        with pytest.raises(RuntimeError, match="LoadCredential"):
            one.start()
        one.process = None
        done = subprocess.run([binary, "-c", one.config_path, "--check"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        one.environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
        one.start()
        released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
        assert one.stop() is None
        os.chmod(tmp_path / "ca.key", 0o444)
        with pytest.raises(RuntimeError, match="group or others"):
            one.start()
        one.process = None
    finally:
        if one.process is not None:
            one.process.kill()
        one.remove()


@pytest.mark.parametrize("name", ["credential:", "credential:../x", "credential:.hidden"])
def test_what_is_no_credential(lab, binary, tmp_path, name):
    path = str(tmp_path / "dived.yaml")
    proxymodule.write_config(lab, path, str(tmp_path), proxymodule.free_port(), interception={"ca-key": name})
    done = subprocess.run([binary, "-c", path, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 78 and "credential" in done.stderr, done


# Tokens

KEYS = {"ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048)}


def token_proxy(lab, binary, kind):
    """A dived whose CA key is on a SoftHSM token and nowhere else."""
    if not os.path.exists(SOFTHSM):
        pytest.skip("SoftHSM is not installed: make deps")
    one = proxymodule.Proxy(lab, binary=binary)
    os.mkdir(os.path.join(one.directory, "tokens"))
    conf = os.path.join(one.directory, "softhsm2.conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write(f"directories.tokendir = {one.directory}/tokens\nlog.level = ERROR\n")
    one.environment["SOFTHSM2_CONF"] = conf
    env = {**os.environ, **one.environment}
    tool = lambda *args: subprocess.run(["softhsm2-util", *args], env=env, check=True, capture_output=True)
    tool("--init-token", "--free", "--label", "proxy", "--pin", "4321", "--so-pin", "8765")
    make_ca(one.directory, KEYS[kind]())
    tool("--import", os.path.join(one.directory, "ca.key"), "--token", "proxy", "--label", "ca", "--id", "01", "--pin",
         "4321")
    shutil.move(os.path.join(one.directory, "ca.key"), os.path.join(one.directory, "elsewhere.key"))
    with open(os.open(os.path.join(one.directory, "pin"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write("4321\n")
    one.changes["interception"] = {"ca-key": f"pkcs11:token=proxy;object=ca?pin-source=file:{one.directory}/pin"}
    return one


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_on_a_token(lab, binary, body, kind):
    one = token_proxy(lab, binary, kind)
    try:
        one.start()
        released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
        for n in range(5):
            assert mint(one, lab, f"t{n}.dive01.example")
        os.kill(children(one.process.pid)["dived-signer"], signal.SIGKILL)
        assert mint(one, lab, "after.dive01.example")
        assert one.stop() is None
    finally:
        if one.process is not None:
            one.process.kill()
        one.remove()


def stop(one):
    if one.process is not None:
        one.process.kill()
    one.remove()


def test_a_token_that_was_out_and_is_back(lab, binary):
    """What the signer had of it is gone for good, so another signer asks it anew."""
    one = token_proxy(lab, binary, "ec")
    try:
        one.start()
        assert mint(one, lab, "before.dive01.example")
        first = children(one.process.pid)["dived-signer"]
        tokens, away = (os.path.join(one.directory, name) for name in ("tokens", "away"))
        os.rename(tokens, away)
        assert not mint(one, lab, "out.dive01.example")
        eventually(lambda: not alive(first, "dived-signer"), what="its end")
        os.rename(away, tokens)
        eventually(lambda: mint(one, lab, "back.dive01.example"), what="a certificate")
        assert one.stderr().count("can't be replaced") <= 10
        assert one.stop() is None
    finally:
        stop(one)


# SoftHSM, but whoever signs waits as long as there is a file $TOKEN_HANGS.
HANGING = r"""
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <unistd.h>

static CK_FUNCTION_LIST list, *real;

static CK_RV hang(CK_SESSION_HANDLE s, CK_BYTE_PTR data, CK_ULONG n, CK_BYTE_PTR out, CK_ULONG_PTR size)
{
    while (access(getenv("TOKEN_HANGS"), F_OK) == 0)
        usleep(20000);
    return real->C_Sign(s, data, n, out, size);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out)
{
    void *module = dlopen("%s", RTLD_NOW);
    CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
    CK_RV rv = get(&real);

    list = *real;
    list.C_Sign = hang;
    *out = &list;
    return rv;
}
"""


def hanging_proxy(lab, binary):
    one = token_proxy(lab, binary, "ec")
    source, module = (os.path.join(one.directory, name) for name in ("module.c", "module.so"))
    with open(source, "w", encoding="ascii") as f:
        f.write(HANGING % SOFTHSM)
    flags = subprocess.run(["pkg-config", "--cflags", "p11-kit-1"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["cc", "-shared", "-fPIC", *flags.split(), "-o", module, source, "-ldl"], check=True)
    one.environment["TOKEN_HANGS"] = os.path.join(one.directory, "hangs")
    key = one.changes["interception"]["ca-key"]
    one.changes["interception"] = {"ca-key": f"{key}&module-path={module}"}
    return one


def test_a_token_that_hangs_keeps_one_worker_waiting_at_most(lab, binary, body):
    one = hanging_proxy(lab, binary)
    try:
        one.start()
        released(one.curl(lab.url(HOST, GOOD, "https")), body[GOOD])
        hung = children(one.process.pid)["dived-signer"]
        with open(one.environment["TOKEN_HANGS"], "w", encoding="ascii"):
            pass
        assert not mint(one, lab, "first.dive01.example")
        assert "didn't answer within 5 seconds" in one.stderr()
        eventually(lambda: not alive(hung, "dived-signer"), what="the end of the one that hangs")
        # The next one hangs too. Who waits for it doesn't keep the others.
        started = lambda: [name for name in names(one.process.pid) if name == "dived-signer"]
        tries, quick, done = [], [], threading.Event()

        def insist():
            while not done.is_set():
                tries.append(mint(one, lab, f"n{len(tries)}.dive01.example"))

        def try_once(n):
            with contextlib.suppress(subprocess.TimeoutExpired):
                quick.append(mint(one, lab, f"q{n}.dive01.example", 6))

        insistent = threading.Thread(target=insist)
        insistent.start()
        try:
            eventually(started, what="another signer")
            # The kernel spreads them over both workers: those of one wait, the others' don't.
            once = [threading.Thread(target=try_once, args=(n,)) for n in range(16)]
            for thread in once:
                thread.start()
            for thread in once:
                thread.join()
            assert quick and not any(quick + tries), (quick, tries)
            assert len(started()) == 1
            os.unlink(one.environment["TOKEN_HANGS"])
            eventually(lambda: any(tries), what="a certificate")
        finally:
            done.set()
            insistent.join()
        assert mint(one, lab, "last.dive01.example")
        assert one.stop() is None
    finally:
        stop(one)


@pytest.mark.parametrize("uri, says", [
    ("pkcs11:token=proxy;object=none?pin-source=file:{}/pin", "no such private key"),
    ("pkcs11:token=none;object=ca?pin-source=file:{}/pin", "no such token"),
    ("pkcs11:token=proxy;object=ca?pin-value=4321", "PIN in a URI"),
    ("pkcs11:token=proxy;object=ca", "pin-source"),
    ("pkcs11:token=proxy;object=ca?pin-source=file:{}/wrong", "login"),
    ("pkcs11:token=proxy;object=ca?pin-source=file:{}/open", "chmod"),
    ("pkcs11:token=proxy;object=other?pin-source=file:{}/pin", "isn't that of the certificate"),
])
def test_tokens_that_are_refused(lab, binary, uri, says):
    one = token_proxy(lab, binary, "ec")
    try:
        for name, mode, pin in (("wrong", 0o600, "9999"), ("open", 0o644, "4321")):
            path = os.path.join(one.directory, name)
            with open(path, "w", encoding="ascii") as f:
                f.write(pin)
            os.chmod(path, mode)
        if "object=other" in uri:
            other = os.path.join(one.directory, "other")
            os.mkdir(other)
            make_ca(other, KEYS["ec"]())
            subprocess.run(["softhsm2-util", "--import", os.path.join(other, "ca.key"), "--token", "proxy", "--label",
                            "other", "--id", "02", "--pin", "4321"], env={**os.environ, **one.environment}, check=True,
                           capture_output=True)
        one.changes["interception"] = {"ca-key": uri.format(one.directory)}
        with pytest.raises(RuntimeError, match=re.escape(says)):
            one.start()
    finally:
        one.process = None
        one.remove()
