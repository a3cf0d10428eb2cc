"""Compares a peer with `cases.json`, frame by frame. Written from `docs/wire.md`, and from no client.

`conformance.py worker COMMAND…` starts a worker and runs the cases of `worker` against it.
`conformance.py replay CASE` is a worker that plays its part of a case of `host`. A host under test
starts it, makes the call of the case, and compares its result.

`clients/README.md` describes the cases.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.json")
SECONDS = 20.0  # Limit of each step.
HELLO = {"isolated-workers": 1, "codec": "json", "transport": "socket-pair", "pid": 1, "build": "cases"}
ADMISSION = {"admission": {"requests": 64, "item_bytes": 262144}}


class Mismatch(Exception):
    pass


class Stream:
    """One end of a connection, and the ids that a case has captured."""

    def __init__(self, end: socket.socket) -> None:
        self.end, self.rest, self.names = end, b"", {}
        end.settimeout(SECONDS)

    def line(self) -> bytes | None:
        """The next line, or `None` at the end of the stream."""
        while b"\n" not in self.rest:
            try:
                data = self.end.recv(1 << 16)
            except ConnectionResetError:
                return None
            except TimeoutError:
                raise Mismatch(f"nothing arrived within {SECONDS:g} s") from None
            if not data:
                return None
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line

    def send(self, what: Any) -> None:
        if isinstance(what, dict) and "hex" in what:
            data = bytes.fromhex(what["hex"])
        else:
            text = what if isinstance(what, str) else json.dumps(what, separators=(",", ":"))
            if isinstance(what, dict) and "repeat" in what:
                text = what["before"] + what["repeat"] * what["times"] + what["after"]
            for name, tx in self.names.items():
                text = text.replace(f'"{name}"', json.dumps(tx))
            data = text.encode(errors="surrogatepass") + b"\n"
        try:
            self.end.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The other side has ended, which a later step compares.

    def step(self, step: dict[str, Any]) -> None:
        if "send" in step:
            self.send(step["send"])
        elif "recv" in step:
            self.compare(step["recv"], self.line())
        elif "any_order" in step:
            lines = [self.line() for _ in step["any_order"]]
            for expected in step["any_order"]:
                found = next((line for line in lines if self.matches(expected, parse(line))), None)
                if found is None:
                    raise Mismatch(f"expected {expected} among {lines}")
                lines.remove(found)
        elif "until" in step:
            while (line := self.line()) is not None and not self.matches(step["until"], parse(line)):
                pass
            self.compare(step["until"], line)
        elif "ends_or" in step:
            line = self.line()
            if line is not None:
                self.compare(step["ends_or"], line)
        elif "ends" in step:
            if (line := self.line()) is not None:
                raise Mismatch(f"expected the end of the stream, found {line!r}")
        elif "items" in step:
            # As many items as fit the credit that this side has announced, and no more.
            self.items(step["items"])
        else:
            raise Mismatch(f"unknown step {step}")

    def items(self, expected: dict[str, Any]) -> None:
        used = count = 0
        while used < expected["credit"]:
            frame = parse(self.line())
            if not self.matches({"kind": "item", "tx": expected["tx"], "from": "*", "payload": "*"}, frame):
                raise Mismatch(f"expected an item, found {frame}")
            used += max(64, len(json.dumps(frame["payload"], separators=(",", ":"), ensure_ascii=False).encode()))
            count += 1
        # Items that wait for credit delay no pong.
        self.send({"kind": "ping"})
        self.compare({"kind": "pong"}, self.line())

    def compare(self, expected: Any, line: bytes | None) -> None:
        if line is None:
            raise Mismatch(f"expected {expected}, found the end of the stream")
        if not self.matches(expected, parse(line)):
            raise Mismatch(f"expected {expected}, found {line[:500]!r}")

    def matches(self, expected: Any, found: Any) -> bool:
        """`*` is any value, `$name` one that is captured, `...` further keys. `null` is a missing key."""
        if expected == "*":
            return True
        if isinstance(expected, str) and expected.startswith("$"):
            return self.names.setdefault(expected, found) == found
        if isinstance(expected, dict) and isinstance(found, dict):
            keys = expected.keys() - {"..."} | (set() if "..." in expected else found.keys())
            return all(self.matches(expected.get(key), found.get(key)) for key in keys)
        if isinstance(expected, list) and isinstance(found, list):
            return len(expected) == len(found) and all(map(self.matches, expected, found))
        return isinstance(expected, bool) == isinstance(found, bool) and bool(expected == found)


def parse(line: bytes | None) -> Any:
    try:
        return None if line is None else json.loads(line)
    except ValueError:
        raise Mismatch(f"expected JSON, found {line!r}") from None


class Peer:
    """A worker under test."""

    def __init__(self, command: list[str], case: dict[str, Any]) -> None:
        own, theirs = socket.socketpair()
        status = os.fstat(theirs.fileno())
        channel = f"socket-pair:{status.st_dev:x}-{status.st_ino:x}"
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, "ISOLATED_WORKERS_CHANNEL": channel, "PEER_STARTUP": "1" if "startup" in case else ""})
        theirs.close()
        self.stream = Stream(own)
        if "hello" not in case:
            self.stream.send({**HELLO, **ADMISSION, "token": "t", "max_frame": 8388608, "features": ["callbacks"]})
            self.stream.compare({"isolated-workers": 1, "codec": "json", "...": 0}, self.stream.line())

    def end(self) -> None:
        self.stream.end.close()
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Mismatch("the worker did not end with its stream") from None


def run_workers(command: list[str], only: str) -> int:
    with open(CASES, encoding="utf-8") as file:
        cases = json.load(file)["worker"]
    peer: Peer | None = None
    failed = count = 0
    for case in cases:
        if only not in case["name"]:
            continue
        count += 1
        try:
            if "hello" in case and peer is not None:
                peer.end()
                peer = None
            peer = peer or Peer(command, case)
            peer.stream.names = {}
            for step in case["steps"]:
                if step == {"signal": "SIGTERM"}:
                    peer.process.send_signal(signal.SIGTERM)
                elif "exits" in step:
                    if (code := peer.process.wait(SECONDS)) != step["exits"]:
                        raise Mismatch(f"expected the exit code {step['exits']}, found {code}")
                else:
                    peer.stream.step(step)
            if case["steps"][-1].keys() & {"ends", "ends_or", "exits"} or "hello" in case:
                peer.end()
                peer = None
        except (Mismatch, subprocess.TimeoutExpired) as mismatch:
            failed += 1
            print(f"FAILED {case['name']}: {mismatch}")
            if peer is not None:
                peer.process.kill()
                stderr = peer.process.stderr.read() if peer.process.stderr else b""
                print("".join(f"  {line}\n" for line in stderr.decode(errors="replace").splitlines()[-5:]), end="")
                peer = None
    if peer is not None:
        peer.end()
    print(f"{count - failed} of {count} cases of a worker passed: {' '.join(command)}")
    return 1 if failed or not count else 0


def attach() -> socket.socket:
    data = os.environ.get("ISOLATED_WORKERS_STARTUP_DATA")
    if data is None:
        return socket.socket(fileno=os.dup(0))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(json.loads(data)["socketPath"])
        listener.listen()
        return listener.accept()[0]


def replay(name: str) -> None:
    with open(CASES, encoding="utf-8") as file:
        case = next(case for case in json.load(file)["host"] if case["name"] == name)
    stream = Stream(attach())
    try:
        stream.compare({"isolated-workers": 1, "codec": "json", "transport": "$transport", "...": 0}, stream.line())
        hello = {**HELLO, **ADMISSION, "pid": os.getpid(), "token": "", "transport": "$transport"}
        hello.update(case.get("hello", {}))
        stream.send(hello)
        for step in case["steps"]:
            if "exit" in step:
                print("the worker's last words", file=sys.stderr, flush=True)
                os._exit(step["exit"])
            if "kill" in step:
                os.kill(os.getpid(), step["kill"])
            stream.step(step)
        # Reads on until the host ends the stream.
        while stream.line() is not None:
            pass
    except Mismatch as mismatch:
        print(f"{name}: {mismatch}", file=sys.stderr, flush=True)
        os._exit(99)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"] and len(sys.argv) > 2:
        sys.exit(run_workers(sys.argv[2:], os.environ.get("CASE", "")))
    elif sys.argv[1:2] == ["replay"] and len(sys.argv) == 3:
        replay(sys.argv[2])
    else:
        sys.exit(__doc__)
