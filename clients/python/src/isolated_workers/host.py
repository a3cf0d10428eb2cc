"""A host: starts a worker process, and calls it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import uuid
from typing import Any, AsyncIterable, AsyncIterator, Callable, Mapping

from .connection import Connection
from .errors import CallError, Crashed
from .methods import Function, methods
from .wire import ITEM_BYTES, check, decode, encode, hello
from .worker import CHANNEL, STARTUP_DATA, _identity

OUTPUT_BYTES = 4096  # Kept of what a worker prints.
CALLBACKS = 64  # Taken from a worker at once.
NOTHING: Any = object()


class Worker:
    """A worker process. Start it with `await Worker.spawn(program, *arguments)`.

    It prints to its host, which keeps the end for the error of a crash, and passes it to `on_output`.
    """

    def __init__(self, process: asyncio.subprocess.Process, connection: Connection, timeout: float) -> None:
        self.process, self.pid, self.timeout = process, process.pid, timeout
        self._connection, self._is_closing, self._output = connection, False, b""
        self._tasks: list[asyncio.Future[None]] = []

    @classmethod
    async def spawn(
        cls, program: str, *arguments: str, startup: Any = NOTHING, serve: Mapping[str, Function] | None = None,
        timeout: float = 300.0, start_timeout: float = 10.0, env: Mapping[str, str] | None = None,
        cwd: str | None = None, on_output: Callable[[bytes], None] | None = None,
    ) -> Worker:
        """Starts a process and waits until it is ready. `startup`: data for it. `serve`: what it may
        call. `timeout`: that of its calls, in seconds, 0 for none. `env`: added to the environment.
        """
        own, theirs = socket.socketpair()
        environment = {**os.environ, **(env or {}), CHANNEL: f"socket-pair:{_identity(theirs.fileno())}"}
        environment.pop(STARTUP_DATA, None)
        try:
            process = await asyncio.create_subprocess_exec(
                program, *arguments, stdin=theirs.fileno(), stdout=asyncio.subprocess.PIPE, env=environment, cwd=cwd,
                stderr=asyncio.subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            own.close()
            text = f"could not start the worker {program}: {error.strerror}; check the path"
            raise CallError(text, code="IW_SPAWN") from error
        finally:
            theirs.close()
        greeted: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def on_hello(line: bytes) -> int:
            greeted.set_result(check(decode(line), "socket-pair"))
            connection.greet(greeted.result())
            return 0

        connection = Connection(methods(serve or {}), on_hello)
        connection.takes_requests = CALLBACKS
        self = cls(process, connection, timeout)
        self._watch(on_output)
        await connection.loop.create_connection(lambda: connection, sock=own)
        data = b"" if startup is NOTHING else encode(startup).encode()
        line = hello("socket-pair", token=str(uuid.uuid4()), features=["callbacks"] if serve else [],
                     admission={"requests": CALLBACKS, "item_bytes": ITEM_BYTES})
        if data:
            line["startup"] = len(data)
        connection.flush(encode(line).encode() + b"\n" + data)
        try:
            steps: list[asyncio.Future[Any]] = [greeted, connection.ended]
            await asyncio.wait(steps, timeout=start_timeout, return_when=asyncio.FIRST_COMPLETED)
            if not greeted.done():
                if not connection.ended.done():
                    raise self._start_error(f"was not ready within {start_timeout:g} s and was killed")
                raise connection.error or self._start_error(f"{await self._exit()} before it was ready")
            if greeted.result().get("declined"):
                raise self._start_error(f"declined to start: {greeted.result()['declined']}")
        except BaseException:
            self.kill()
            raise
        connection.on_go_away = self._on_go_away
        return self

    async def call(
        self, name: str, payload: Any = None, *, timeout: float | None = None,
        metadata: dict[str, str] | None = None, items: AsyncIterable[Any] | None = None,
    ) -> Any:
        """Calls a message, with a stream of items if there is one. Cancelling it cancels the call."""
        return await self._connection.call(name, payload, metadata=metadata, items=items, **self._limit(timeout))

    def stream(
        self, name: str, payload: Any = None, *, timeout: float | None = None,
        metadata: dict[str, str] | None = None, items: AsyncIterable[Any] | None = None,
    ) -> AsyncIterator[Any]:
        """Calls a message that answers with items: `async for item in worker.stream(...)`."""
        return self._connection.stream(name, payload, metadata=metadata, items=items, **self._limit(timeout))

    async def send(self, name: str, payload: Any = None, *, metadata: dict[str, str] | None = None) -> None:
        """Sends a oneway message."""
        await self._connection.send(name, payload, metadata)

    def _limit(self, timeout: float | None) -> dict[str, Any]:
        return {"timeout": self.timeout if timeout is None else timeout, "own_timeout": timeout is not None}

    @property
    def is_active(self) -> bool:
        return not self._connection.is_closed

    async def drain(self, timeout: float = 30.0) -> None:
        """Lets the worker finish its calls, and closes it."""
        self._connection.close()
        self._connection.go_away("drain")
        await asyncio.wait([self._connection.ended], timeout=timeout)
        await self.close()

    async def close(self, timeout: float = 5.0) -> None:
        """Asks the worker to end, then sends SIGTERM, then SIGKILL. Calls in flight fail."""
        self._is_closing = True
        if not self._connection.ended.done():
            self._connection.go_away()
            self._connection.end()
        for step in (None, signal.SIGTERM, signal.SIGKILL):
            if step is not None:
                self._signal(step)
            try:
                await asyncio.wait_for(asyncio.shield(self.process.wait()), timeout)
                break
            except asyncio.TimeoutError:
                continue
        await asyncio.wait(self._tasks, timeout=1)

    def kill(self) -> None:
        """Kills the worker and what it has started."""
        self._signal(signal.SIGKILL)

    async def closed(self) -> str:
        """Waits for the end of the process. Returns its reason."""
        return await self._exit()

    async def __aenter__(self) -> Worker:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def output(self) -> str:
        return self._output.decode(errors="replace").strip()

    def _signal(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass

    def _on_go_away(self, _: Any) -> None:
        if not self._connection.is_closed:  # The worker ends. No request is on its way.
            self._connection.close()
            self._connection.go_away()

    def _watch(self, on_output: Callable[[bytes], None] | None) -> None:
        self._tasks = [asyncio.ensure_future(task) for task in (self._read_output(on_output), self._supervise())]

    async def _read_output(self, on_output: Callable[[bytes], None] | None) -> None:
        while self.process.stdout is not None and (data := await self.process.stdout.read(1 << 16)):
            self._output = (self._output + data)[-OUTPUT_BYTES:]
            if on_output is not None:
                on_output(data)

    async def _supervise(self) -> None:
        """Waits for the end of the connection, and explains it to the calls in flight."""
        await self._connection.ended
        if not self._is_closing:
            try:
                await asyncio.wait_for(asyncio.shield(self.process.wait()), 1)
            except asyncio.TimeoutError:
                self.kill()
        if self._is_closing:
            return self._connection.fail_calls(
                lambda name: CallError(f"the worker was closed while `{name}` was in flight", code="IW_CLOSED"))
        reason, code = await self._exit(), self.process.returncode or 0
        cause = self._connection.error
        words = f"; its last output: {self.output}" if self.output else ""
        self._connection.fail_calls(lambda name: cause or Crashed(
            f"the worker (pid {self.pid}) {reason} while `{name}` was in flight{words}",
            code if code >= 0 else None, -code if code < 0 else None, self.output))

    async def _exit(self) -> str:
        code = await self.process.wait()
        await asyncio.wait(self._tasks[:1], timeout=0.5)
        if code >= 0:
            return f"exited with code {code}"
        return f"was killed by signal {-code} ({signal.Signals(-code).name})"

    def _start_error(self, cause: str) -> CallError:
        words = f"; its last output: {self.output}" if self.output else ""
        return CallError(f"the worker (pid {self.pid}) {cause}{words}", code="IW_STARTUP")
