# SPDX-License-Identifier: BSD-2-Clause
"""divectl records, rotate and explain in the lab's real zones; completions and manual page."""
import json
import os
import re
import shutil
import subprocess
import time

import dns
import proxy as proxymodule
import pytest
import sign

ROOT = proxymodule.ROOT
COMPLETIONS = os.path.join(ROOT, "conf", "completions")


@pytest.fixture(scope="module")
def config(lab, tmp_path_factory):
    directory = tmp_path_factory.mktemp("records")
    path = directory / "dived.yaml"
    proxymodule.write_config(lab, str(path), str(directory), proxymodule.free_port())
    return path


@pytest.fixture(scope="module")
def faulty_config(lab, tmp_path_factory):
    directory = tmp_path_factory.mktemp("faulty")
    path = directory / "dived.yaml"
    proxymodule.write_config(lab, str(path), str(directory), proxymodule.free_port(),
                             dns={"forward": [f"127.0.0.1@{lab.ports['dnsproxy']}"],
                                  "timeout": "1s"})
    return path


def divectl(*args, config=None, stdin=None):
    more = ["-c", str(config)] if config else []
    done = subprocess.run([proxymodule.divectl_path(), *args, *more], capture_output=True, text=True,
                          timeout=30, check=False, input=stdin)
    assert not proxymodule.SANITIZER.search(done.stderr), done.stderr
    return done


def records(config, *args):
    done = divectl("records", *args, "--json", config=config)
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1), done
    assert report["ok"] == (report["errors"] == 0)
    text = divectl("records", *args, config=config)
    assert text.returncode == done.returncode
    for problem in report["problems"]:
        assert problem["severity"] + ": " in text.stdout
    return report


def told(report, severity, part):
    """Is there a problem, or a fault of a record, of that severity with that text?"""
    findings = report["problems"] + [fault for name in report["names"] for record in name["records"]
                                     for fault in record.get("faults", [])]
    return any(f["severity"] == severity and part in f["text"] for f in findings)


def name_of(report, name):
    return next(n for n in report["names"] if n["name"] == name)


# records

def test_a_good_domain(config):
    report = records(config, "www.dive01.example", "ed1", "g1", "ed1@dive01.example")
    assert report["ok"] and report["state"] == "found" and report["security"] == "secure"
    assert report["policy-domain"] == "dive01.example"
    record = name_of(report, "_dive.dive01.example")["records"][0]
    assert record["lifetime"] == 300 and record["cap"] == 3600 and record["cache"] == 300
    assert name_of(report, "ed1._divekey.dive01.example")["decides"]


def test_cache_and_ttl(config):
    report = records(config, "dive01.example", "longcache")
    record = name_of(report, "longcache._divekey.dive01.example")["records"][0]
    assert (record["lifetime"], record["lifetime-bound"]) == (3600, "ttl")
    assert told(report, "warning", "more than the draft allows")


@pytest.mark.parametrize("host, part", [
    ("badpol-syntax", "ends too early"), ("badpol-no-v", "absent"), ("badpol-unknown-v", "no version"),
    ("badpol-upper-v", "no version"), ("badpol-token-v", "bare word"),
    ("badpol-scopes-type", "must be a list"), ("badpol-cache-type", "must be an integer"),
    ("badpol-trailing", "ends too early"), ("two-policies", "two records of the same version"),
])
def test_records_that_are_no_policy(config, host, part):
    report = records(config, f"{host}.lab.example")
    assert not report["ok"] and report["state"] == "absent"
    assert report["policy-domain"] == f"{host}.lab.example"
    assert told(report, "error", part), report


@pytest.mark.parametrize("key, part", [
    ("short", "31 bytes"), ("upper", "neither"), ("strkey", "byte sequence"), ("rsa", "neither"),
    ("md5hash", "not permitted"), ("nosuch", "not found"), ("ed1@example", "not found"),
    ("ed1@other.example", "neither"),
])
def test_keys_that_are_none(config, key, part):
    report = records(config, "dive01.example", key)
    assert not report["ok"] and told(report, "error", part), report


def test_keys_with_warnings(config):
    report = records(config, "dive01.example", "emptyhash", "mixed", "twin")
    assert report["ok"]
    assert told(report, "warning", "no hash is permitted")
    assert told(report, "warning", "no structured field dictionary")
    assert told(report, "note", "2 valid keys")


def test_the_closest_key_counts(config):
    report = records(config, "badkey.dive01.example", "ed1")
    assert told(report, "error", "no level above is looked at")
    assert told(report, "warning", "stands at a closer level too")


def test_small_order_key(lab, config):
    host = lab.new_host()
    lab.dns.set_txt(f"weak._divekey.{host}", f'sig="ed25519", key=:{sign.b64(bytes(32))}:')
    report = records(config, host, "weak")
    assert told(report, "error", "small order")


def test_wildcard_that_ends_the_walk(config):
    report = records(config, "x.wild.lab.example")
    assert report["state"] == "absent"
    assert told(report, "error", "*.wild.lab.example and ends the walk: it shadows the policy of "
                                 "wild.lab.example")


def test_wildcard_below_a_policy(config):
    report = records(config, "wild.lab.example")
    assert report["ok"] and told(report, "warning", "the wildcard *.wild.lab.example has TXT")


def test_policy_made_by_a_wildcard(config):
    report = records(config, "x.wildpol.lab.example")
    assert report["ok"] and told(report, "warning", "made by the wildcard *.wildpol.lab.example")


def test_no_wildcard_no_word_of_one(config):
    assert not records(config, "strict.lab.example")["probes"]


def test_insecure_below_secure(config):
    report = records(config, "www.insecure.dive01.example")
    assert report["ok"] and report["policy-domain"] == "dive01.example"
    assert told(report, "warning", "not signed with DNSSEC")


def test_insecure_zone(config):
    report = records(config, "unsigned.example", "ed1")
    assert report["state"] == "absent" and told(report, "error", "no policy record")


@pytest.mark.parametrize("zone", ["bogus", "expired"])
def test_bogus(config, zone):
    report = records(config, f"{zone}.example")
    assert report["state"] == "failed" and report["security"] == "bogus"
    assert name_of(report, f"_dive.{zone}.example")["why"]


def test_no_answer(lab, faulty_config):
    lab.faults({"_dive.strict.lab.example": "drop"})
    try:
        report = records(faulty_config, "strict.lab.example")
    finally:
        lab.faults({})
    assert report["state"] == "failed" and report["security"] == "no-answer"


def test_control_characters_do_not_reach_the_terminal(lab, config):
    host = lab.new_host()
    lab.dns.replace(f"_dive.{host}", "TXT", [r'"v=1\027[31m\155"'])
    done = divectl("records", host, config=config)
    assert done.returncode == 1 and "\x1b" not in done.stdout and "\\x1b[31m" in done.stdout


@pytest.mark.parametrize("args", [
    ["127.0.0.1"], ["a..b"], ["x.example", "no-key"], ["x.example", "--cache", "1"], [],
    ["x.example", "--make", "k"],
])
def test_wrong_usage(config, args):
    assert divectl("records", *args, config=config).returncode == 2


# --make

def test_what_is_made_comes_back_through_a_real_zone(lab, config, tmp_path):
    host = lab.new_host()
    long_url = "https://r.example/" + "x" * 400
    sign.save_key(lab.keys["g1"], tmp_path / "k.pem")
    public = sign.b64(sign.public_bytes(lab.keys["ed2"]))
    done = divectl("records", "--make", host, "--policy", "01", "--scopes", "strict,x-pkg",
                   "--https-required", "--report-only", "--cache", "300", "--report-to", long_url,
                   "--invalidate-keys-cache", "1700000000", "--ttl", "77",
                   "--key", f"pem={tmp_path}/k.pem", "--key", f"raw={public}",
                   "--allowed-hash", "sha256,sha3-512", "--key-cache", "600", "--json")
    made = json.loads(done.stdout)
    assert done.returncode == 0 and len(made) == 3
    assert made[0]["value"] == (
        'v="dive-draft-01", scopes=("strict" "x-pkg"), directives=("https-required" "report-only"), '
        f'cache=300, invalidate-keys-cache=1700000000, report-to="{long_url}"')
    zone = tmp_path / "made.zone"
    zone.write_text(f"{host}. 60 SOA ns.example. h.example. 1 3600 600 86400 60\n"
                    f"{host}. 60 NS ns.example.\n" + "".join(m["line"] + "\n" for m in made))
    loaded = subprocess.run([dns.tool("ldns-read-zone"), str(zone)], capture_output=True, text=True,
                            timeout=20, check=False)
    assert loaded.returncode == 0, loaded
    for m in made:
        lab.dns.replace(m["owner"], "TXT", [m["line"].split(" IN TXT ", 1)[1]], ttl=m["ttl"])
    report = records(config, host, "pem", "raw")
    assert report["ok"], report
    for m in made:
        name = name_of(report, m["owner"])
        assert [r["text"] for r in name["records"]] == [m["value"]] and name["ttl"] == m["ttl"]


@pytest.mark.parametrize("args, code", [
    (["--cache", "3601"], 2), (["--cache", "x"], 2), (["--policy", "02"], 2),
    (["--report-to", "a\"b"], 2), (["--scopes", "a,,b"], 2), (["--key", "a-b=x"], 2),
    (["--key", "a=/no/such/file"], 66), (["--key", "a=" + "A" * 43 + "="], 65),
    (["--allowed-hash", "sha256"], 2), (["--key", "a=" + "Q" * 42 + "Q=", "--allowed-hash", "md5"], 65),
])
def test_make_refuses(args, code):
    done = divectl("records", "--make", "x.example", *args)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr


# rotate

def head(lab, tmp_path, keyids, name="head"):
    fields = sign.sign01_many([(lab.keys[k], k, "s" + k) for k in keyids], b"x")
    path = tmp_path / name
    path.write_text("HTTP/1.1 200 OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields) + "\r\n")
    return str(path)


def rotate(config, host, *args):
    done = divectl("rotate", host, *args, "--json", config=config)
    out = json.loads(done.stdout)
    assert done.returncode == (0 if out["ok"] else 1), done
    assert out["phase"] in divectl("rotate", host, *args, config=config).stdout
    return out


def test_a_rotation_from_start_to_end(lab, config, tmp_path):
    host = lab.new_host(keyids=("ed1",), key_ttl=5)
    old, both, new = (head(lab, tmp_path, k, "-".join(k)) for k in (["ed1"], ["ed2", "ed1"], ["ed2"]))
    assert rotate(config, host, "--headers", old)["phase"] == "steady"
    assert rotate(config, host)["phase"] in ("unknown", "not-deployed")
    assert rotate(config, host, "--headers", new)["phase"] == "broken"
    lab.dns.publish_key(host, "ed2", ttl=5)
    waiting = rotate(config, host, "--headers", old, "--new", "ed2")
    assert waiting["phase"] == "published"
    assert 0 < waiting["steps"][0]["not-before"] - time.time() <= 6
    assert rotate(config, host, "--headers", old, "--key-id", "ed2")["phase"] == "spare-key"
    assert rotate(config, host, "--headers", old, "--headers", both)["phase"] == "rolling"
    assert rotate(config, host, "--headers", both)["phase"] == "both-sign"
    assert rotate(config, host, "--headers", new, "--key-id", "ed1", "--new", "ed2")["phase"] == \
        "old-unused"


def test_a_compromise(lab, config, tmp_path):
    host = lab.new_host(keyids=("ed1", "ed2"))
    headers = head(lab, tmp_path, ["ed2", "ed1"])
    since = str(int(time.time()) - 50)
    out = rotate(config, host, "--headers", headers, "--compromised", "ed1", "--since", since)
    assert out["phase"] == "compromised" and not out["ok"]
    lab.dns.revoke_key(host, "ed1")
    lab.dns.set_policy(host, invalidate=int(time.time()))
    out = rotate(config, host, "--headers", head(lab, tmp_path, ["ed2"]), "--compromised", "ed1",
                 "--since", since)
    assert out["phase"] == "compromised" and out["ok"] and len(out["steps"]) == 1


def test_rotate_looks_at_live_responses(lab, config):
    good, missing = (lab.url("dive01.example", p) for p in ("/01/size-1k", "/nothing-here"))
    out = rotate(config, "dive01.example", "--url", good, "--url", missing)
    assert out["phase"] == "steady" and out["responses"] == 1
    assert [(k["key-id"], k["record"], k["responses"]) for k in out["keys"]] == [("ed1", "valid", 1)]
    assert divectl("rotate", "dive01.example", "--url", "http://dive01.example:1/",
                   config=config).returncode > 2


def test_rotate_refuses_what_is_no_head(config, tmp_path):
    (tmp_path / "x").write_text("hello\n")
    assert divectl("rotate", "a.example", "--headers", str(tmp_path / "x"),
                   config=config).returncode == 65
    assert divectl("rotate", "a.example", "--headers", "/no/such", config=config).returncode == 66
    assert divectl("rotate", "a.example", "--since", "x", config=config).returncode == 2


# explain

REPORT = {"report-version": "0.1", "timestamp": 1, "client": {"user-agent": "c"},
          "policy": {"domain": "e.example", "fqdn": "w.e.example", "dnssec-validated": True},
          "resource": {"url": "https://w.e.example/f\u001b[31m", "method": "GET", "status-code": 200,
                       "scope": "strict"},
          "headers-received": {"signature": None}, "key-resolution": [
              {"key-id": "k", "fqdn-queried": "k._divekey.w.e.example", "found": False,
               "dnssec-validated": False, "sig-algorithm": None}],
          "validation": {"hash-algorithm": None, "hash-computed": None, "signature-valid": False,
                         "failure-reason": "key-not-found", "final-decision": "blocked"}}


def test_explain_a_report():
    done = divectl("explain", stdin=json.dumps(REPORT))
    assert done.returncode == 0 and "The key k was not found" in done.stdout.replace("\n  ", "")
    assert "What to do" in done.stdout and "\x1b" not in done.stdout
    assert json.loads(divectl("explain", "-", "--json", stdin=json.dumps(REPORT)).stdout)["remedy"]


@pytest.mark.parametrize("reason", ["missing-headers", "key-not-found", "key-invalid", "no-valid-key",
                                    "dnssec-unavailable", "hash-algorithm-not-allowed",
                                    "signature-mismatch"])
def test_explain_every_reason(reason):
    report = {**REPORT, "validation": {**REPORT["validation"], "failure-reason": reason}}
    out = json.loads(divectl("explain", "--json", stdin=json.dumps(report)).stdout)
    assert out["reason"] == reason and len(out["cause"]) > 80 and len(out["remedy"]) > 80


def test_explain_a_trace_of_the_daemon(proxy, lab):
    got = proxy.curl(lab.url("dive01.example", "/01/size-1k-flipped"))
    entry = got.log()
    trace = proxy.divectl("trace", entry["exchange"], "--json", "--socket",
                          os.path.join(proxy.directory, "control.sock")).stdout
    done = divectl("explain", stdin=trace)
    assert done.returncode == 0 and "signature-mismatch" in done.stdout, done
    assert "NOT the one that the response lists" in done.stdout.replace("\n  ", "")


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "{}", '{"report-version": "0.1"}',
                                  '{"trace-version": "1"}', '{"a": 1, "a": 2}', "\x00"])
def test_explain_refuses_what_is_neither(text):
    done = divectl("explain", stdin=text)
    assert done.returncode == 65 and done.stdout == "" and done.stderr.count("\n") == 1


# completions and manual page

def commands():
    return re.findall(r"^  ([a-z][a-z-]*) ", divectl("--help").stdout, re.M)


def options(command):
    done = divectl(command, "--help")
    assert done.returncode == 0, done
    return re.findall(r"^ +(?:-[a-z], )?--([a-z][a-z-]*)", done.stdout, re.M)


def complete_bash(*words):
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _divectl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return subprocess.run(["bash", "-c", script, "bash", os.path.join(COMPLETIONS, "divectl"),
                           proxymodule.divectl_path(), *words], capture_output=True, text=True,
                          timeout=20, check=True).stdout.split()


ZSH = ('_call_program() { shift; "$@" }; _arguments() { print -l -- "$@" }; compdef() { : }; '
       '_describe() { print -l -- $commands }; f=$1; shift; source $f; words=("$@"); CURRENT=$#; '
       '_divectl')


def complete_zsh(*words):
    return subprocess.run(["zsh", "-fc", ZSH, "zsh", os.path.join(COMPLETIONS, "_divectl"),
                           proxymodule.divectl_path(), *words], capture_output=True, text=True,
                          timeout=20, check=True).stdout.splitlines()


def test_bash_completes_every_command_and_option():
    assert complete_bash("") == commands() and len(commands()) >= 7
    assert complete_bash("rec") == ["records"]
    for command in commands():
        assert [w for w in complete_bash(command, "--")] == ["--" + o for o in options(command)]
    assert complete_bash("records", "--policy", "") == ["00", "01"]
    assert complete_bash("ca", "s") == ["show"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed (make deps)")
def test_zsh_completes_every_command_and_option():
    assert [line.split(":")[0] for line in complete_zsh("")] == commands()
    for command in commands():
        offered = [re.sub(r":.*", "", w).lstrip("*") for w in complete_zsh(command, "--")]
        assert [w for w in offered if w.startswith("--")] == ["--" + o for o in options(command)]


def test_the_manual_page_has_every_command_and_option():
    with open(os.path.join(ROOT, "docs", "divectl.1"), encoding="utf-8") as f:
        page = f.read()
    for command in commands():
        assert re.search(rf"^\.(Cm|It Cm) {command}\b", page, re.M), command
        for option in options(command):
            assert re.search(rf"Fl -{option}( |$)", page, re.M), f"{command} --{option}"


def test_the_manual_page_is_clean():
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", os.path.join(ROOT, "docs", "divectl.1")],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stdout
