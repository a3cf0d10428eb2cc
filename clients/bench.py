"""Calls per second of a worker, with 64 in flight: `bench.py [SECONDS]`.

The caller writes frames and counts lines, so that the worker is what limits. A ProcessPoolExecutor
with one process and as many calls in flight is measured in the same run. Its caller takes part in
the time. Measure on a quiet machine.
"""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import socket
import subprocess
import sys
import time

from conformance import ADMISSION, HELLO, Stream

ROOT = os.path.dirname(os.path.abspath(__file__))
IN_FLIGHT = 64


def add(a: int, b: int) -> int:
    return a + b


def worker(name: str, command: list[str], message: str, seconds: float) -> None:
    own, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    channel = f"socket-pair:{status.st_dev:x}-{status.st_ino:x}"
    process = subprocess.Popen(command, stdin=theirs, env={**os.environ, "ISOLATED_WORKERS_CHANNEL": channel})
    theirs.close()
    stream = Stream(own)
    stream.send({**HELLO, **ADMISSION, "token": "t"})
    stream.compare({"isolated-workers": 1, "...": 0}, stream.line())
    sent = answered = 0
    began = end = time.perf_counter()
    while end < began + seconds:
        frames = []
        while sent < answered + IN_FLIGHT:
            sent += 1
            frames.append(b'{"type":"%s","payload":{"a":%d,"b":3},"tx":"%d"}\n' % (message.encode(), sent, sent))
        own.sendall(b"".join(frames))
        answered += own.recv(1 << 18).count(b"\n")
        end = time.perf_counter()
    print(f"{name}, `{message}`: {answered / (end - began):,.0f} calls/s")
    own.close()
    process.wait()


def executor(seconds: float) -> None:
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        pool.submit(add, 1, 2).result()
        answered, pending = 0, set()
        began = end = time.perf_counter()
        while end < began + seconds:
            pending |= {pool.submit(add, answered, 3) for _ in range(IN_FLIGHT - len(pending))}
            done, pending = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
            answered += len(done)
            end = time.perf_counter()
        print(f"ProcessPoolExecutor: {answered / (end - began):,.0f} calls/s")


if __name__ == "__main__":
    limit = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    python = [sys.executable, os.path.join(ROOT, "python", "tests", "peer.py")]
    worker("Python, an async function", python, "add", limit)
    worker("Python, a function on a thread", python, "add_blocking", limit)
    executor(limit)
    node = os.path.join(ROOT, "node", "tests", "peer.mjs")
    if shutil.which("node") and os.path.exists(os.path.join(ROOT, "node", "dist", "index.js")):
        worker("Node.js", ["node", node], "add", limit)
    else:
        print("skipped: Node.js, because there is no `node` in PATH or `clients/node` is not built")
