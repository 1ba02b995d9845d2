#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Where the lab's failure reports go: collector.py PORT PKI_DIR DIR

Takes POST over TLS and appends one JSON object a request to DIR/reports.jsonl: time, path, headers,
body (text). /slow never answers, /error answers 500, /redirect sends elsewhere; all are recorded.
"""
import asyncio
import json
import os
import ssl
import sys
import time


async def serve(reader, writer, path_of_log):
    try:
        while True:
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode("latin-1")
            lines = head.split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            headers = {k.lower(): v.strip() for k, v in
                       (line.split(":", 1) for line in lines[1:] if ":" in line)}
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await read_body(reader, headers)
            entry = {"time": time.time(), "method": method, "path": path, "headers": headers,
                     "body": body.decode("utf-8", "replace")}
            with open(path_of_log, "a", encoding="utf-8") as f:
                f.write(json.dumps(entry) + "\n")
            if path == "/slow":
                await asyncio.sleep(600)
            status = {"/error": "500 Broken", "/redirect": "302 Elsewhere"}.get(path, "204 No Content")
            where = "Location: /report\r\n" if path == "/redirect" else ""
            length = "" if status.startswith("204") else "Content-Length: 0\r\n"
            writer.write(f"HTTP/1.1 {status}\r\n{where}{length}\r\n".encode())
            await writer.drain()
    except (OSError, EOFError, ValueError, asyncio.TimeoutError):
        pass
    finally:
        writer.close()


async def read_body(reader, headers):
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        body += await reader.readexactly(size)
        await reader.readline()
        if size == 0:
            return body


async def main():
    port, pki, directory = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{pki}/origins.crt", f"{pki}/origins.key")
    log = os.path.join(directory, "reports.jsonl")
    server = await asyncio.start_server(lambda r, w: serve(r, w, log), "127.0.0.1", port, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
