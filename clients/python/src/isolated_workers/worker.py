"""A worker: finds its host in the environment, and serves it until the stream ends."""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import json
import os
import select
import signal
import socket
import threading
from typing import Any, Callable, Mapping

from .connection import MAX_REQUESTS, Connection
from .errors import CallError
from .methods import Function, methods
from .wire import ITEM_BYTES, MAX_FRAME, Refused, check, decode, encode, hello

Handlers = Mapping[str, Function]
CHANNEL, STARTUP_DATA = "ISOLATED_WORKERS_CHANNEL", "ISOLATED_WORKERS_STARTUP_DATA"
ORPHAN_SECONDS = 3.0  # Time for handlers to end after the host is gone.


def is_worker() -> bool:
    """True if a host has started this process, and `serve` was not called yet."""
    return _own_channel() is not None or STARTUP_DATA in os.environ


def serve(handlers: Handlers | Callable[[Any], Any]) -> None:
    """Answers the host until it ends. `handlers`: functions by the names of their messages, or a
    function that makes them from the startup data. Raises the reason if host and worker do not match.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(serve_async(handlers))


async def serve_async(handlers: Handlers | Callable[[Any], Any]) -> None:
    """The same as `serve`, in a loop that runs already."""
    transport, has_handshake, reader, writer = _attach()
    loop, greeted = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def on_hello(line: bytes) -> int:
        own = hello(transport, token="", admission={"requests": MAX_REQUESTS, "item_bytes": ITEM_BYTES})
        theirs = decode(line)
        try:
            check(theirs, transport)
        except Refused:
            if isinstance(theirs, dict) and "isolated-workers" in theirs:
                connection.flush(encode(own).encode() + b"\n")  # The host can report the difference, too.
            raise
        connection.greet(theirs)
        connection.may_call = "callbacks" in theirs.get("features", [])
        greeted.set_result(own)
        if theirs.get("startup") is None:
            connection.startup.set_result(b"")
        elif theirs["startup"] == 0 or theirs["startup"] > MAX_FRAME:
            raise Refused("could not accept the startup data: its size is invalid", "IW_STARTUP")
        return theirs.get("startup") or 0

    connection = Connection({}, on_hello if has_handshake else None)
    connection.on_go_away = lambda payload: _on_go_away(connection, payload)
    ended = _watch_for_orphan(reader.fileno())
    if writer is None:
        await loop.create_connection(lambda: connection, sock=reader)
    else:
        await loop.connect_read_pipe(lambda: connection, reader)
        await loop.connect_write_pipe(lambda: connection, writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        if threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(number, _stop, connection, has_handshake)
    if has_handshake:
        for step in (greeted, connection.startup):
            steps: list[asyncio.Future[Any]] = [step, connection.ended]
            await asyncio.wait(steps, return_when=asyncio.FIRST_COMPLETED)
    if not connection.ended.done():
        own, reason = greeted.result() if has_handshake else {}, None
        try:
            startup = connection.startup.result() if has_handshake else b""
            made = handlers if isinstance(handlers, Mapping) else handlers(decode(startup) if startup else None)
            connection.methods.update(methods(await made if inspect.isawaitable(made) else made))
        except Exception as error:
            own["declined"], reason = f"{type(error).__name__}: {error}", error
        if has_handshake:
            connection.flush(encode(own).encode() + b"\n")
        if reason is not None:
            connection.end()
            raise reason
    await connection.ended
    if connection.is_idle:
        ended.set()
    if connection.error is not None:
        raise connection.error


def _on_go_away(connection: Connection, payload: Any) -> None:
    if payload in ("prepare_detach", "detach"):
        return  # This worker cannot leave its host.
    if payload == "drain" and not connection.is_draining:
        connection.go_away()
    if payload == "drain" or connection.is_stopping:
        connection.is_stopping, connection.is_draining = False, True
        connection.end_if_drained()
    else:
        connection.end()


def _stop(connection: Connection, has_handshake: bool) -> None:
    """A signal: the host answers the go-away when no request is on its way."""
    if has_handshake and not connection.methods:
        connection.end()  # It is not ready, and the host expects its line first.
    elif has_handshake:
        connection.is_stopping = True
        connection.go_away()
    else:
        connection.refuses = connection.is_draining = True
        connection.end_if_drained()


def _watch_for_orphan(descriptor: int) -> threading.Event:
    """Ends the process soon after its host, even if a handler blocks the loop."""
    ended, poll = threading.Event(), select.poll()
    poll.register(descriptor, 0)  # Reports that the other end is closed, and nothing else.

    def watch() -> None:
        poll.poll()
        if not ended.wait(ORPHAN_SECONDS):
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name="orphan-guard").start()
    return ended


def _identity(descriptor: int) -> str:
    status = os.fstat(descriptor)
    return f"{status.st_dev:x}-{status.st_ino:x}"


def _own_channel() -> tuple[str, str] | None:
    """Transport and address, if they are those of this process: a child inherits the variable, too."""
    transport, _, address = os.environ.get(CHANNEL, "").partition(":")
    if not transport:
        return None
    own = {
        "unix-socket": "pair:" + _identity(0), "socket-pair": _identity(0),
        "stdio": f"{_identity(0)},{_identity(1)}", "named-pipe": _identity(0),
    }.get(transport)
    if (transport, address) == ("stdio", "remote"):
        own = address  # A program such as ssh has connected the streams of this process.
    if transport == "unix-socket" and not address.startswith("pair:"):
        with socket.socket(fileno=os.dup(0)) as listener:
            own = listener.getsockname() if listener.family == socket.AF_UNIX else None
    found = address.partition(":")[0] if transport == "named-pipe" else address
    return (transport, address) if own is not None and own == found else None


def _attach() -> tuple[str, bool, Any, Any]:
    """Takes the stream of the host. Returns transport, if there is a handshake, reader and writer."""
    channel, data = _own_channel(), os.environ.pop(STARTUP_DATA, None)
    os.environ.pop(CHANNEL, None)
    if channel is None:
        if data is None:
            raise CallError("this program is a worker and was not started by a host; start it by a host",
                            code="IW_STARTUP")
        return _listen(json.loads(data))
    transport, address = channel
    # Descriptors that no child inherits. What is printed, or read, does not touch the channel.
    own, null = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3), os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    if transport == "stdio":
        writer = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3)
        os.dup2(2, 1)
        return transport, True, os.fdopen(own, "rb", 0), os.fdopen(writer, "wb", 0)
    if transport == "named-pipe":
        pipe = open(address.partition(":")[2], "wb", 0)
        pipe.write(b"o")
        return transport, True, os.fdopen(own, "rb", 0), pipe
    stream = socket.socket(fileno=own)
    if transport == "unix-socket" and address.startswith("pair:"):
        # A byte comes first, and with it a socket for later hosts, which this worker has not.
        for descriptor in socket.recv_fds(stream, 1, 1)[1]:
            os.close(descriptor)
    elif transport == "unix-socket":
        with stream as listener:
            stream = listener.accept()[0]
    return transport, True, stream, None


def _listen(data: dict[str, Any]) -> tuple[str, bool, Any, Any]:
    """Listens where a host in Node.js connects."""
    if data.get("serializer", "JsonSerializer") not in ("JsonSerializer", "json"):
        raise CallError(f"the codec of this worker is json, that of the host is {data['serializer']}",
                        code="IW_HANDSHAKE")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(data["socketPath"])
        try:
            listener.listen(1)
            limit = data.get("serverConnectTimeout") or 0
            listener.settimeout(limit / 1e3 if limit > 0 else None)
            stream = listener.accept()[0]
        finally:
            os.unlink(data["socketPath"])
    return "worker-socket", bool(data.get("handshake")), stream, None
