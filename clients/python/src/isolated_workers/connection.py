"""One connection. Either side may call the other: calls out, calls in, and their streams."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import Any, AsyncIterable, AsyncIterator, Callable

from .context import Context
from .errors import CallError, from_payload, to_payload
from .methods import Method, Threads
from .streams import Items, Sent
from .wire import HELLO_BYTES, MAX_FRAME, Refused, decode, encode, has_lone_surrogate, quoted

MAX_REQUESTS = 1 << 16
UNLIMITED = 1 << 62


class Call:
    """A request of this side that has no answer yet."""

    def __init__(self, tx: str, name: str, size: int, answer: asyncio.Future[Any]) -> None:
        self.tx, self.name, self.size, self.answer = tx, name, size, answer
        self.is_cancelled = False
        self.sent: Sent | None = None
        self.items: Items[Any] | None = None

    def end(self, error: BaseException | None, payload: Any = None) -> None:
        if self.sent is not None:
            self.sent.close()
        if self.items is not None:
            self.items._close(error)
        if not self.answer.done():
            if error is None or self.items is not None:  # The stream reports the error.
                self.answer.set_result(payload)
            else:
                self.answer.set_exception(error)


class Connection(asyncio.Protocol):
    """State of one side. `on_hello` gets the first line, and returns the size of the startup data."""

    def __init__(self, methods: dict[str, Method], on_hello: Callable[[bytes], int] | None) -> None:
        self.loop, self.methods, self._on_hello = asyncio.get_running_loop(), methods, on_hello
        self.startup: asyncio.Future[bytes] = self.loop.create_future()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.on_go_away: Callable[[Any], None] = lambda payload: None
        self.error: CallError | None = None  # Why this side has ended the connection.
        self.takes_requests = MAX_REQUESTS  # Requests of the other side at once.
        self.may_call = False  # The other side answers requests.
        self.is_closed = False  # No further call of this side starts.
        self.refuses = False  # No further request of the other side is run.
        self.is_stopping = False  # A signal stops this worker, and its host has not answered yet.
        self.is_draining = False  # The stream ends after the last answer.
        self.peer: dict[str, Any] = {}  # Line of the other side.
        self.item_bytes, self._max_frame, self._max_requests = 0, UNLIMITED, MAX_REQUESTS
        self._request_bytes = self._oneway_bytes = UNLIMITED
        self._writer: asyncio.WriteTransport | None = None
        self._has_gone = False  # Nothing is read any more.
        self._out: list[bytes] = []
        self._chunks: list[bytes] = []
        self._buffered = self._startup_bytes = self._last_id = 0
        self._calls: dict[str, Call] = {}
        self._serving: dict[str, Context] = {}
        self._oneways: deque[Callable[[], None]] = deque()
        self._used_request_bytes = self._used_oneway_bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._threads: Threads | None = None

    # Bytes.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._writer = transport

    def greet(self, peer: dict[str, Any]) -> None:
        """Notes what the other side takes at once, from its line."""
        admission = peer.get("admission") or {}
        self.peer, self._max_frame = peer, peer.get("max_frame") or UNLIMITED
        self._max_requests = max(1, admission.get("requests", MAX_REQUESTS))
        self._request_bytes = max(1, admission.get("request_bytes", UNLIMITED))
        self._oneway_bytes = max(1, admission.get("oneway_bytes", UNLIMITED))
        self.item_bytes = admission.get("item_bytes", 0)

    def data_received(self, data: bytes) -> None:
        try:
            self._chunks.append(data)
            self._buffered += len(data)
            limit = MAX_FRAME if self._on_hello is None else HELLO_BYTES
            if b"\n" in data or self._startup_bytes:
                self._lines(b"".join(self._chunks))
            elif self._buffered > limit:
                raise Refused(f"could not read a frame: it has more than {limit} bytes")
        except CallError as error:
            self.fail(error)
        except Exception as error:
            self.fail(Refused(f"could not read a frame: {error}"))

    def _lines(self, data: bytes) -> None:
        if self._on_hello is not None:
            line, _, data = data.partition(b"\n")
            on_hello, self._on_hello = self._on_hello, None
            self._startup_bytes = on_hello(line)
        if 0 < self._startup_bytes <= len(data):
            self.startup.set_result(data[: self._startup_bytes])
            data, self._startup_bytes = data[self._startup_bytes :], 0
        lines = [data] if self._startup_bytes else data.split(b"\n")
        self._chunks, self._buffered = [lines[-1]], len(lines[-1])
        for line in lines[:-1]:
            if len(line) >= MAX_FRAME:
                raise Refused(f"could not read a frame: it has more than {MAX_FRAME} bytes")
            if not self._has_gone and line and not line.isspace():
                self._frame(decode(line), line)

    def write(self, frame: str) -> None:
        """Queues a frame. Frames of one turn of the loop are written together."""
        data = frame.encode()
        if len(data) >= self._max_frame:
            raise CallError(f"a frame of {len(data)} bytes exceeds the {self._max_frame} that the other side "
                            "accepts; send less at once", code="IW_TOO_LARGE")
        if not self._out:
            self.loop.call_soon(self.flush)
        self._out.append(data)

    def flush(self, first: bytes = b"") -> None:
        if self._writer is not None:
            self._writer.write(first + b"".join(frame + b"\n" for frame in self._out))
        self._out = []

    # Frames.

    def _frame(self, frame: Any, line: bytes) -> None:
        if not isinstance(frame, dict):
            raise Refused("could not read a frame: it is no object")
        kind, tx, name = frame.get("kind"), frame.get("tx"), frame.get("type") or ""
        payload, is_caller = frame.get("payload"), frame.get("from") != "caller"
        if kind is None:
            # To a side that serves nothing, it may be an answer. Its name may also be that of a request.
            is_answer = name.endswith(("Result", "Error")) and not self.methods
            kind = "request" if not is_answer else "error" if name.endswith("Error") else "reply"
        if kind == "ping":
            return self.write('{"kind":"pong"}')
        if kind == "pong":
            return None
        if kind == "credit":
            self._used_oneway_bytes = max(0, self._used_oneway_bytes - _count(payload))
            return self._admit()
        if kind == "go_away":
            return self.on_go_away(payload)
        if not isinstance(tx, str):
            raise Refused("could not read a frame: it has no `tx`")
        if kind in ("request", "oneway"):
            return self._requested(frame, tx, name, line, kind == "oneway")
        if kind in ("reply", "error"):
            return self._answered(tx, payload, kind == "error", line)
        if kind == "cancel":
            return self._serving[tx]._cancel() if tx in self._serving else None
        # The rest is about the streams of a call of either direction, and passed over after its end.
        if kind not in ("item", "items_end", "item_credit"):
            raise Refused(f"could not read a frame: it has the unknown kind `{kind}`")
        if kind != "items_end" and frame.get("from") not in (None, "caller", "callee"):
            raise Refused(f"could not read a frame: its `from` is {frame['from']!r}")
        credit = _count(payload) if kind == "item_credit" else 0
        call = (self._calls if is_caller and kind != "items_end" else self._serving).get(tx)
        if call is None or call.is_cancelled:
            return None
        if kind == "item_credit":
            return call.sent.credit(credit) if call.sent is not None else None
        if call.items is None:
            raise Refused(f"could not accept an item of the call {tx}: the call has no such stream")
        return call.items._push(payload, len(line)) if kind == "item" else call.items._close()

    # Calls in.

    def _requested(self, frame: dict[str, Any], tx: str, name: str, line: bytes, is_oneway: bool) -> None:
        meta, items, payload = frame.get("meta", {}), frame.get("items"), frame.get("payload")
        is_meta = isinstance(meta, dict) and len(meta) <= 256 and all(isinstance(v, str) for v in meta.values())
        if not name or not is_meta or has_lone_surrogate(line, [name, tx, meta]):
            raise Refused("could not read a request: it has no `type`, or its `meta` is not up to 256 texts")
        if items not in (None, "caller", "callee", "both") or items and (is_oneway or not self.item_bytes):
            raise Refused(f"could not accept `{name}`: this side or the other one takes no items")
        if not is_oneway and (tx in self._serving or len(self._serving) >= self.takes_requests):
            raise Refused(f"could not accept `{name}`: the id {tx} is in use, or too many requests are")
        timeout = frame.get("timeout") or 0
        deadline = time.monotonic() + timeout / 1e3 if 0 < timeout < 1e15 else None
        context = Context(self, tx, name, meta, deadline)
        if items in ("caller", "both"):
            context.items = Items(self.write, tx, "callee")
        if items in ("callee", "both"):
            context.sent = Sent(self.write, tx, "callee", self.item_bytes)
        if not is_oneway:
            self._serving[tx] = context
        method, refusal = self.methods.get(name), None
        if self.refuses:
            refusal = CallError("the worker is ending", code="IW_CLOSED")
        elif method is None or "iw-service" in meta:
            refusal = CallError(f"there is no message `{name}`", code="IW_UNKNOWN_MESSAGE")
        elif method.is_stream and context.sent is None:
            refusal = CallError(f"`{name}` answers with items, which its caller does not take", code="IW_DECODE")
        elif has_lone_surrogate(line, payload):
            refusal = CallError(f"could not decode `{name}`: it has half of a character", code="IW_DECODE")
        if method is not None and method.takes_items and context.items is None:
            context.items = Items(self.write, tx, "callee")  # The caller sends none.
            context.items._close()
        if method is None or refusal is not None:
            if not is_oneway:
                self._finish(context, self._error(context, refusal or CallError("")))
        elif is_oneway:
            # One after the other, in order of arrival.
            self._oneways.append(lambda: self._start(context, method, payload, True))
            if len(self._oneways) == 1:
                self._oneways[0]()
        else:
            self._start(context, method, payload, False)

    def _start(self, context: Context, method: Method, payload: Any, is_oneway: bool) -> None:
        if not method.is_async:
            self._threads = self._threads or Threads()
            self._threads.run(lambda: self._handle_blocking(context, method, payload),
                              lambda answer: self._finish(context, answer, is_oneway))
        elif sys.version_info >= (3, 12):
            handler = self._handle(context, method, payload, is_oneway)
            context._task = asyncio.Task(handler, loop=self.loop, eager_start=True)
        else:
            context._task = self.loop.create_task(self._handle(context, method, payload, is_oneway))

    async def _handle(self, context: Context, method: Method, payload: Any, is_oneway: bool) -> None:
        try:
            result = method.function(**method.bind(payload, context))
            if context.sent is None:
                result = await result
            else:
                async for item in result:
                    if not await context.sent.send(item):
                        await result.aclose()
                result = None
            answer = self._reply(context, method, result)
        except BaseException as error:
            answer = self._error(context, error)
        self._finish(context, answer, is_oneway)

    def _handle_blocking(self, context: Context, method: Method, payload: Any) -> str:
        try:
            result = method.function(**method.bind(payload, context))
            if context.sent is not None:
                for item in result:
                    if not asyncio.run_coroutine_threadsafe(context.sent.send(item), self.loop).result():
                        result.close()
                result = None
            return self._reply(context, method, result)
        except BaseException as error:
            return self._error(context, error)

    def _reply(self, context: Context, method: Method, result: Any) -> str:
        context.check()
        try:
            payload = "" if result is None else ',"payload":' + encode(result)
            payload.encode()
        except (TypeError, ValueError, RecursionError) as error:
            text = f"could not encode the reply of `{context.name}`: {error}"
            raise CallError(text, code="IW_ENCODE") from None
        return f'{{"tx":{quoted(context.id)},"type":{method.reply_type},"kind":"reply"{payload}}}'

    def _error(self, context: Context, error: BaseException) -> str:
        if context.is_cancelled or isinstance(error, asyncio.CancelledError):
            error = CallError("the call was cancelled", code="IW_CANCELLED")
        try:
            payload = encode(to_payload(error))
            payload.encode()
        except Exception:  # Its data is no JSON, or its text no UTF-8.
            text = str(error).encode(errors="replace").decode()
            payload = encode({"message": text, "name": type(error).__name__})
        return f'{{"tx":{quoted(context.id)},"type":{quoted(context.name + "Error")},"kind":"error","payload":{payload}}}'

    def _finish(self, context: Context, answer: str, is_oneway: bool = False) -> None:
        if is_oneway:
            self._oneways.popleft()
            if self._oneways:
                self.loop.call_soon(self._oneways[0])
        elif self._serving.pop(context.id, None) is not None:
            context._close()
            try:
                self.write(answer)
            except CallError as error:
                try:
                    self.write(self._error(context, error))
                except CallError as refused:
                    # Not even an error fits: its peer would wait forever.
                    self.fail(refused)
        self.end_if_drained()

    # Calls out.

    async def call(self, name: str, payload: Any = None, **options: Any) -> Any:
        """Sends a request, with a stream of `items` if there is one, and returns its answer."""
        async with self._request(name, payload, False, **options) as call:
            return await call.answer

    async def stream(self, name: str, payload: Any = None, **options: Any) -> AsyncIterator[Any]:
        """Sends a request that is answered with items. Leaving the loop over them cancels it."""
        async with self._request(name, payload, True, **options) as call:
            assert call.items is not None
            async for item in call.items:
                yield item

    async def send(self, name: str, payload: Any = None, metadata: dict[str, str] | None = None) -> None:
        """Sends a oneway message, which gets no answer."""
        text = None if payload is None else encode(payload)
        await self._wait(name, metadata, lambda: self._used_oneway_bytes >= self._oneway_bytes)
        self._last_id += 1
        self.write(_request(str(self._last_id), name, text, metadata, kind="oneway"))
        self._used_oneway_bytes += max(4096, _size(name, text, metadata))

    @asynccontextmanager
    async def _request(
        self, name: str, payload: Any, is_stream: bool, *, items: AsyncIterable[Any] | None = None,
        metadata: dict[str, str] | None = None, timeout: float | None = None, own_timeout: bool = True,
    ) -> AsyncIterator[Call]:
        direction = "both" if items and is_stream else "callee" if is_stream else "caller" if items else None
        if direction and not self.item_bytes:
            text = f"could not call `{name}`: the peer has not announced that it takes items"
            raise CallError(text, code="IW_UNSUPPORTED")
        body = None if payload is None else encode(payload)
        await self._wait(name, metadata, lambda: len(self._calls) >= self._max_requests
                         or self._used_request_bytes >= self._request_bytes)
        self._last_id += 1
        tx = str(self._last_id)
        # A name that looks like an answer needs its kind.
        kind = "request" if name.endswith(("Result", "Error")) else None
        self.write(_request(tx, name, body, metadata, timeout if own_timeout else None, direction, kind))
        call = self._calls[tx] = Call(tx, name, _size(name, body, metadata), self.loop.create_future())
        self._used_request_bytes += call.size
        if is_stream:
            call.items = Items(self.write, tx, "caller")
        sender = expiry = None
        if items is not None:
            call.sent = Sent(self.write, tx, "caller", self.item_bytes)
            sender = asyncio.ensure_future(self._send_items(call, call.sent, items))
        if timeout:
            text = f"could not complete `{name}`: it was not answered within {timeout:g} s; raise the timeout"
            expiry = self.loop.call_later(timeout, self._cancel, call, CallError(text, code="IW_TIMEOUT"))
        try:
            yield call
        finally:
            self._cancel(call, CallError("the call was cancelled", code="IW_CANCELLED"))
            if expiry is not None:
                expiry.cancel()
            if sender is not None:
                sender.cancel()

    async def _send_items(self, call: Call, sent: Sent, items: AsyncIterable[Any]) -> None:
        try:
            async for item in items:
                if not await sent.send(item):
                    return
            sent.end()
        except Exception as error:
            self._cancel(call, error)  # An end would make the items before look like all of them.

    def _cancel(self, call: Call, error: BaseException) -> None:
        """Ends a call here. Unless it was answered, it counts until its answer has arrived."""
        if self._calls.get(call.tx) is call and not call.is_cancelled:
            call.is_cancelled = True
            call.end(error)
            self.write('{"kind":"cancel","tx":"%s"}' % call.tx)

    def _answered(self, tx: str, payload: Any, is_error: bool, line: bytes) -> None:
        call = self._calls.pop(tx, None)
        if call is None:
            return
        self._used_request_bytes -= call.size
        error = from_payload(payload) if is_error else None
        if error is None and has_lone_surrogate(line, payload):
            error = CallError(f"could not decode the reply of `{call.name}`", code="IW_DECODE")
        call.end(error, payload)
        self._admit()

    async def _wait(self, name: str, metadata: dict[str, str] | None, is_full: Callable[[], bool]) -> None:
        """Waits until the other side takes more."""
        while not self.is_closed and is_full():
            if metadata and "iw-chain" in metadata:
                raise CallError(f"could not call `{name}`: the peer takes no further call until one has "
                                "ended, and that may wait for this one", code="IW_WOULD_DEADLOCK")
            self._waiting.append(self.loop.create_future())
            await self._waiting[-1]
        if self.is_closed:
            raise CallError(f"could not call `{name}`: the connection is closed or closing", code="IW_CLOSED")

    def _admit(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter.set_result(None)

    # The end.

    def go_away(self, payload: str | None = None) -> None:
        self.write('{"kind":"go_away"%s}' % (f',"payload":"{payload}"' if payload else ""))

    def close(self) -> None:
        """Starts no further calls."""
        self.is_closed = True
        while self._waiting:
            self._admit()

    def end_if_drained(self) -> None:
        if self.is_draining and not self._serving and not self._oneways:
            self.end()

    def end(self) -> None:
        """Sends what is queued, and ends the stream."""
        self.close()
        self.flush()
        if self._writer is not None:
            self._writer.close()

    def fail(self, error: CallError) -> None:
        self.error, self._has_gone = self.error or error, True
        self.end()

    @property
    def is_idle(self) -> bool:
        return not self._serving and not self._oneways

    def connection_lost(self, error: Exception | None) -> None:
        self._has_gone = True
        self.close()
        stream = self._writer.get_extra_info("socket") if self._writer is not None else None
        if stream is not None:
            try:
                stream.shutdown(socket.SHUT_RDWR)  # Ends it, even if another thread still watches it.
            except OSError:
                pass  # The other side was first.
        for context in list(self._serving.values()):
            context._cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def fail_calls(self, make_error: Callable[[str], BaseException]) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.end(make_error(call.name))


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise Refused("could not read a frame: its `payload` is no number of bytes")
    return value


def _size(name: str, payload: str | None, metadata: dict[str, str] | None) -> int:
    """Bytes of a message for admission. The ids of this side are short and count nothing."""
    texts = [name, payload or "", *(text for pair in (metadata or {}).items() for text in pair)]
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def _request(
    tx: str, name: str, payload: str | None, metadata: dict[str, str] | None,
    timeout: float | None = None, items: str | None = None, kind: str | None = None,
) -> str:
    return "".join([
        f'{{"type":{quoted(name)},"tx":"{tx}"',
        f',"kind":"{kind}"' if kind else "",
        f',"timeout":{max(1, round(timeout * 1e3))}' if timeout else "",
        f',"items":"{items}"' if items else "",
        f',"meta":{encode(metadata)}' if metadata else "",
        f',"payload":{payload}' if payload is not None else "",
        "}",
    ])
