# SPDX-License-Identifier: BSD-2-Clause
"""What hostile clients could do at the proxy's edge: ways to leave, what stays behind them, floods."""
import contextlib
import os
import socket
import struct
import time

import pytest
from expect import eventually

COVERED, PLAIN = "dive01.example", "plain.lab.example"


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def cpu_seconds(one):
    with open(f"/proc/{one.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idles(one, seconds=1.0):
    before = cpu_seconds(one)
    time.sleep(seconds)
    used = cpu_seconds(one) - before
    assert used < 0.4 * seconds, f"{used:.2f} s of CPU in {seconds} s of waiting"


@pytest.mark.parametrize("behaviour", ["stall-before-head", "stall-in-body"])
def test_reset_of_a_client_whose_next_bytes_nobody_reads(dived, lab, behaviour):
    """With unread bytes in the way, only an error on the socket tells that the client has gone."""
    one = dived(workers=1, timeouts={"origin-head": "60s", "origin-idle": "60s", "client-head": "60s"})
    upstream = lab.origin_open()
    name = f"{PLAIN}:{lab.ports['origin']}"
    s = one.connect()
    s.sendall(f"GET http://{name}/b/{behaviour} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    eventually(lambda: lab.origin_open() > upstream, 10, "the origin's connection")
    s.sendall(b"GET http://")
    time.sleep(0.3)
    idles(one)
    reset(s)
    time.sleep(0.2)
    idles(one)
    eventually(lambda: lab.origin_open() <= upstream, 10, "the closing of the origin's connection")
