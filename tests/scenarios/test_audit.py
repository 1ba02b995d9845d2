# SPDX-License-Identifier: BSD-2-Clause
"""The audit store: what gets into it, that tampering shows, that no failure of its stops the service, and
what divectl audit makes of it."""
import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess

import proxy as proxymodule
import pytest
from expect import blocked, eventually, released

GOOD, FLIPPED, HOST = "/01/size-1k", "/01/size-1k-flipped", "dive01.example"


@pytest.fixture(scope="module")
def body(lab):
    return {r.path: r.body for r in lab.catalogue("01")}


@pytest.fixture
def audited(dived, tmp_path):
    """A factory: dived with an audit store; .audit_file is its path."""
    def start(**how):
        path = str(tmp_path / "audit.db")
        how.setdefault("audit", {}).setdefault("file", path)
        one = dived(**how)
        one.audit_file = how["audit"]["file"]
        return one

    return start


def audit(one, *words, code=0):
    done = one.divectl("audit", *words, "-c", one.config_path)
    assert done.returncode == code, done
    return done.stdout


def rows(one, *words):
    return [json.loads(line) for line in audit(one, "list", "--json", *words).splitlines()]


def some_rows(one, n, *words):
    """Waits until there are `n` rows: they are written off the data path."""
    return eventually(lambda: (lambda got: got if len(got) >= n else None)(rows(one, *words)), 30,
                      f"{n} rows")


def change(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def fail(one, lab, times):
    for i in range(times):
        one.curl(lab.url(HOST, f"{FLIPPED}?n={i}"))


# What is in it

def test_a_block_is_recorded_with_its_proof_and_a_verified_one_only_counted(audited, lab, body):
    one = audited()
    released(one.curl(lab.url(HOST, GOOD)), body[GOOD])
    entry = blocked(one.curl(lab.url(HOST, FLIPPED + "?token=secret")), "signature-mismatch", body[FLIPPED])
    row, = some_rows(one, 1)
    assert row["exchange"] == entry["exchange"] and row["kind"] == "failed"
    assert row["reason"] == "signature-mismatch" and row["action"] == "blocked"
    assert row["mode"] == "enforce" and row["host"] == HOST and row["method"] == "GET"
    assert "secret" not in json.dumps(row), "the query is redacted as in the log"
    assert row["policy_domain"] == HOST and row["draft"] == "dive-draft-01" and row["dnssec"] == "secure"
    assert row["key_ids"] and row["digests"].startswith("sha256=")
    assert row["port"] == lab.ports["http"] if "http" in lab.ports else row["port"] > 0
    assert row["listener"] == f"127.0.0.1:{one.port}" and row["would_block"] is False
    names = {name.lower() for name, _ in row["proof"]["fields"]}
    assert {"signature", "signature-input", "content-digest"} <= names
    trace = row["proof"]["trace"]
    assert trace["verdict"] == "failed" and row["proof"]["status"] == 200
    assert any(l["name"] == f"_dive.{HOST}" and l["security"] == "secure" and l["records"]
               for l in trace["lookups"])

    shown = audit(one, "show", row["exchange"])
    assert "signature-mismatch" in shown and "content-digest" in shown.lower() and "_dive." in shown
    assert json.loads(audit(one, "show", str(row["number"]), "--json"))["hash"] == row["hash"]
    audit(one, "show", "nothing-of-that-name", code=1)

    assert one.stop() is None, "the end writes the counts"
    report = json.loads(audit(one, "report", "--json"))
    domain, = report["domains"]
    assert (domain["domain"], domain["verified"], domain["failed"], domain["blocked"]) == (HOST, 1, 1, 1)
    assert report["blocked"][0]["rule"] == f'- {{host: "{HOST}", mode: report-only}}'
    assert report["would_block"] == []


def test_report_only_says_what_enforce_would_have_blocked_and_its_rule_exempts(audited, lab, body):
    one = audited(dive={"mode": "report-only"})
    fail(one, lab, 3)
    got = some_rows(one, 3)
    assert all(r["would_block"] and r["action"] == "reported" and r["mode"] == "report-only" for r in got)
    report = json.loads(audit(one, "report", "--json"))
    host, = report["would_block"]
    assert host["host"] == HOST and host["n"] == 3 and host["reasons"] == "signature-mismatch"
    rule = host["rule"]
    assert rule in audit(one, "report")

    # The rule, pasted: enforce lets it through, and still reports.
    proxymodule.write_config(lab, one.config_path, one.directory, one.port, audit={"file": one.audit_file})
    with open(one.config_path, "a", encoding="utf-8") as f:
        f.write("rules:\n  " + rule + "\n")
    assert one.divectl("reload", "-c", one.config_path).returncode == 0
    again = one.curl(lab.url(HOST, FLIPPED))
    assert again.status == 200 and again.body == body[FLIPPED] and again.log()["action"] == "reported"


def test_a_rule_that_denies_is_recorded_for_plain_and_connect(audited, lab):
    one = audited(rules=[{"host": "denied.example", "deny": True}])
    one.curl("http://denied.example/x")
    one.curl("https://denied.example/x")
    got = some_rows(one, 2, "--reason", "denied")
    assert {r["method"] for r in got} == {"GET", "CONNECT"}
    assert all(r["kind"] == "denied" and r["action"] == "denied" and r["rule"].startswith("dived.yaml:")
               and r["host"] == "denied.example" for r in got), got


def test_bogus_and_unanswered_policies_have_their_own_kinds(faulty_dns, lab, tmp_path):
    path = str(tmp_path / "audit.db")
    one = faulty_dns(audit={"file": path})
    one.audit_file = path
    lab.faults({"_dive.dive01.example": "servfail"})
    one.curl(lab.url(HOST, GOOD))
    row, = some_rows(one, 1)
    assert row["kind"] in ("no-answer", "bogus") and row["reason"] == "dnssec-unavailable", row
    assert row["dnssec"] in ("no-answer", "bogus") and row["action"] == "blocked"


def test_filters(audited, lab):
    one = audited(rules=[{"host": "denied.example", "deny": True}])
    one.curl("http://denied.example/x")
    fail(one, lab, 2)
    some_rows(one, 3)
    assert len(rows(one, "--host", "denied.example")) == 1
    assert len(rows(one, "--host", "*.example")) == 3
    assert len(rows(one, "--client", "127.0.0.1")) == 3 and rows(one, "--client", "10.0.0.1") == []
    assert len(rows(one, "--reason", "signature-mismatch")) == 2
    assert len(rows(one, "--limit", "1")) == 1
    assert len(rows(one, "--since", "1h")) == 3 and rows(one, "--until", "1h") == []
    audit(one, "list", "--since", "soon", code=2)
    audit(one, "dance", code=2)


# Tampering

class Chain:
    """What a daemon has left: five rows. Each tampering has a copy."""

    def __init__(self, path, head, log):
        self.path, self.head, self.log = path, head, log

    def divectl(self, *words, file=None, code=0):
        done = subprocess.run([proxymodule.divectl_path(), "audit", *words, "--file", file or self.path],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == code, done
        return done.stdout


@pytest.fixture(scope="module")
def chain(lab, binary, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("chain") / "audit.db")
    one = proxymodule.Proxy(lab, binary=binary, audit={"file": path}).start()
    fail(one, lab, 5)
    some_rows(one, 5)
    assert one.stop() is None
    made = Chain(path, audit(one, "head").strip(), one.stderr())
    one.remove()
    return made


def test_a_chain_that_nobody_touched(chain):
    assert f"head {chain.head}" in chain.log, "the log has the head too"
    assert "5 rows" in chain.divectl("verify")
    assert "none was altered" in chain.divectl("verify", "--head", chain.head)


COPY = ("INSERT INTO event SELECT 4, before, hash, " +
        "time_ms, exchange, kind, client, user, method, url, host, port, listener, mode, browser, verdict, "
        "reason, action, would_block, status, policy_domain, dnssec, draft, key_ids, digests, rule, error, "
        "proof FROM event WHERE number = 3")


@pytest.mark.parametrize("row, word, statements", [
    (3, "altered", ["UPDATE event SET client = '10.9.9.9' WHERE number = 3"]),
    (3, "altered", ["UPDATE event SET proof = NULL WHERE number = 3"]),
    (3, "altered", ["UPDATE event SET hash = zeroblob(32) WHERE number = 3"]),
    (1, "altered", ["UPDATE event SET time_ms = time_ms + 1 WHERE number = 1"]),
    (5, "altered", ["UPDATE event SET status = 200 WHERE number = 5"]),
    (3, "removed", ["DELETE FROM event WHERE number = 3"]),
    (1, "removed", ["DELETE FROM event WHERE number < 3"]),
    (5, "cut", ["DELETE FROM event WHERE number = 5"]),
    (4, "inserted", ["UPDATE event SET number = 6 WHERE number = 5", "UPDATE event SET number = 5 WHERE number = 4",
                     COPY]),
], ids=lambda v: v if isinstance(v, str) else None)
def test_tampering_is_found_and_its_row_named(chain, tmp_path, row, word, statements):
    file = shutil.copy(chain.path, tmp_path / "audit.db")
    change(file, *statements)
    said = json.loads(chain.divectl("verify", "--json", file=file, code=1))
    assert (said["row"], said["fault"]) == (row, word), said
    assert f"row {said['row']}: {said['fault']}" in chain.divectl("verify", file=file, code=1)


def test_a_chain_that_was_rewritten_whole_does_not_go_through_the_logged_head(chain, audited, lab):
    other = audited()
    fail(other, lab, 5)
    some_rows(other, 5)
    assert other.stop() is None
    assert "none was altered" in audit(other, "verify")
    assert json.loads(audit(other, "verify", "--json", "--head", chain.head, code=1))["fault"] == "head"
    audit(other, "verify", "--head", "nonsense", code=2)


# Bounds and failures

def test_two_daemons_on_one_file_are_refused(audited, lab, binary):
    one = audited()
    fail(one, lab, 1)
    port = proxymodule.free_port()
    path = os.path.join(one.directory, "second.yaml")
    proxymodule.write_config(lab, path, os.path.join(one.directory, "second"), port,
                             audit={"file": one.audit_file})
    done = subprocess.run([binary, "-c", path], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode not in (0, -6, -11), done
    assert "another daemon" in done.stderr and str(one.process.pid) in done.stderr, done.stderr
    some_rows(one, 1)


def test_a_file_that_is_something_else_is_left_alone(binary, lab, tmp_path):
    foreign = tmp_path / "audit.db"
    with contextlib.closing(sqlite3.connect(foreign)) as db, db:
        db.execute("CREATE TABLE precious(x)")
    before = foreign.read_bytes()
    path = tmp_path / "dived.yaml"
    proxymodule.write_config(lab, str(path), str(tmp_path), proxymodule.free_port(),
                             audit={"file": str(foreign)})
    done = subprocess.run([binary, "-c", path], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and "no audit store" in done.stderr, done
    assert foreign.read_bytes() == before


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(audited, lab, tmp_path):
    (tmp_path / "audit.db").write_bytes(b"this was a database once\n" * 1000)
    one = audited()
    fail(one, lab, 2)
    some_rows(one, 2)
    assert (tmp_path / "audit.db.damaged-1").exists() and "was damaged" in one.stderr()
    assert "2 rows" in audit(one, "verify")


def test_a_file_damaged_or_removed_while_it_is_written(audited, lab, tmp_path):
    one = audited()
    fail(one, lab, 2)
    some_rows(one, 2)
    os.unlink(one.audit_file)
    fail(one, lab, 1)
    eventually(lambda: one.divectl("audit", "show", "3", "-c", one.config_path).returncode == 0, 30, "row 3")
    assert len(rows(one)) == 1, "the chain goes on where it was"
    assert "removed or replaced" in one.stderr()
    assert "1 rows, from 3" in audit(one, "verify")


def test_a_store_locked_by_another_loses_nothing_when_it_is_let_go(audited, lab, body):
    one = audited()
    fail(one, lab, 1)
    some_rows(one, 1)
    with contextlib.closing(sqlite3.connect(one.audit_file, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        fail(one, lab, 3)
        released(one.curl(lab.url(HOST, GOOD)), body[GOOD])
        eventually(lambda: "events wait in memory" in one.stderr(), 30, "the log of it")
        db.execute("ROLLBACK")
    some_rows(one, 4)
    assert one.stderr().count("events wait in memory") == 1
    assert "4 rows" in audit(one, "verify")


def fill(disk):
    with contextlib.suppress(OSError), open(disk / "filler", "wb") as f:
        while True:
            f.write(b"x" * 4096)
            f.flush()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None,
                    reason="needs root, for a small file system")
def test_a_full_disk_stops_nothing_and_is_said_once(audited, lab, body, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", disk], check=False,
                             capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr!r}")
    try:
        one = audited(audit={"file": str(disk / "audit.db"), "queue": 16})
        fail(one, lab, 1)
        some_rows(one, 1)  # the store is made
        fill(disk)
        fail(one, lab, 40)
        released(one.curl(lab.url(HOST, GOOD)), body[GOOD])
        eventually(lambda: "events wait in memory" in one.stderr(), 30, "the log of it")
        os.unlink(disk / "filler")
        eventually(lambda: "is written again" in one.stderr(), 30, "writing again")
        assert "events were lost" in one.stderr(), "the queue of 16 was full"
        assert one.stderr().count("events wait in memory") == 1
        assert "none was altered" in audit(one, "verify")
        assert one.stop() is None
        # Nor does it stop a start.
        fill(disk)
        one.start()
        eventually(lambda: one.stderr().count("events wait in memory") == 2, 30, "the log of it")
        released(one.curl(lab.url(HOST, GOOD)), body[GOOD])
        os.unlink(disk / "filler")
        eventually(lambda: one.stderr().count("is written again") == 2, 30, "writing again")
        assert "none was altered" in audit(one, "verify")
        assert one.stop() is None
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


# The report as a page

def test_the_html_report_is_one_page_and_escapes_everything(audited, lab, tmp_path):
    one = audited()
    fail(one, lab, 1)
    some_rows(one, 1)
    assert one.stop() is None
    evil = "<script>alert(1)</script>\x1b[31m\"'&"
    with contextlib.closing(sqlite3.connect(one.audit_file)) as db, db:
        db.execute("UPDATE event SET host = ?, client = ?, reason = ?, url = ?", (evil,) * 4)
        db.execute("UPDATE day_count SET domain = ?", (evil,))
    page = tmp_path / "report.html"
    audit(one, "report", "--html", "-o", str(page))
    text = page.read_text()
    assert "<script" not in text and "&lt;script&gt;" in text and "\x1b" not in text
    assert re.search(r"(src|href)=", text) is None and "@import" not in text and "url(" not in text
    assert "default-src 'none'" in text and text.count("<svg") == 2
    for words in (["list"], ["report"], ["show", "1"]):
        assert "\x1b" not in audit(one, *words), words
    assert not [n for n in os.listdir(tmp_path) if n.startswith("report.html.")]


def test_a_copy_can_be_read_without_a_daemon_and_where_nothing_can_be_written(chain, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(chain.path, copy / "audit.db")
    os.chmod(copy, 0o555)
    assert "5 rows" in chain.divectl("verify", file=str(copy / "audit.db"))
    chain.divectl("list", file=str(copy / "absent.db"), code=66)
