# SPDX-License-Identifier: BSD-2-Clause
"""What a client and the access log must show for each outcome."""
import time

LOG_FIELDS = ("ts exchange client user method url host status bytes duration_ms cache tls verdict reason "
              "action policy_domain key_id dnssec").split()


def released(response, body, verdict="verified", action=None, match=""):
    """The origin's content, whole and unchanged. `match`: in the URL of the log's entry."""
    assert response.exit == 0, response
    assert response.status == 200, response
    assert response.body == body, response
    assert "error=" not in (response.field("proxy-status") or ""), response
    entry = response.log(match)
    assert entry["verdict"] == verdict, entry
    assert entry["action"] == (action or ("released" if verdict == "verified" else "streamed")), entry
    return entry


def passed(response, body, verdict="not-supported"):
    """Not DIVE's business: streamed as it came."""
    return released(response, body, verdict, "streamed")


def blocked(response, reasons, content=b""):
    """403 with the reason everywhere where a client looks for it, and nothing of the content."""
    reasons = (reasons,) if isinstance(reasons, str) else reasons
    assert response.exit == 0 and response.status == 403, response
    prefix = "Blocked by DIVE: "
    assert response.reason.startswith(prefix), response
    reason = response.reason[len(prefix):]
    assert reason in reasons, response
    status = response.field("proxy-status") or ""
    assert status.startswith("dived;") and "error=dive_verification_failed" in status, response
    assert f'details="{reason}"' in status, response
    assert "no-store" in (response.field("cache-control") or ""), response
    assert response.field("content-type").startswith("application/problem+json"), response
    problem = response.json
    assert problem["reason"] == reason and problem["error"], response
    assert problem["host"] and problem["exchange"], response
    for name in ("content-digest", "signature", "dive-sig", "etag", "last-modified"):
        assert response.field(name) is None, response
    if len(content) >= 16:
        assert content[:16] not in response.body and content[-16:] not in response.body
    entry = response.log()
    assert entry["verdict"] == "failed" and entry["action"] == "blocked", entry
    assert entry["reason"] == reason and entry["status"] == 403, entry
    assert entry["exchange"] == problem["exchange"], entry
    return entry


def proxy_error(response, statuses=(502, 504)):
    """An error of the proxy's own, with a Proxy-Status that says which."""
    assert response.exit == 0 and response.status in statuses, response
    assert (response.field("proxy-status") or "").startswith("dived; error="), response
    return response


def never_whole(response, *bodies):
    """The transfer failed and the client can tell: an error status, or an aborted transfer."""
    if response.exit != 0:
        return
    assert response.status >= 400, response
    assert (response.field("proxy-status") or "").startswith("dived; error="), response
    for body in bodies:
        assert body[:16] not in response.body, response


def eventually(check, seconds=20, what="it"):
    """Waits until `check` returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        got = check()
        if got:
            return got
        assert time.monotonic() < deadline, f"{what} didn't happen within {seconds} s"
        time.sleep(0.03)
