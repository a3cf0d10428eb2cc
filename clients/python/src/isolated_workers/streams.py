"""The two directions of a stream of items."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, AsyncIterator, Callable, Generic, Iterator, TypeVar

from .errors import CallError
from .wire import ITEM_BYTES, Refused, encode, quoted

T = TypeVar("T")
Write = Callable[[str], None]


class Sent:
    """Items that this side sends. They wait for credit."""

    def __init__(self, write: Write, tx: str, role: str, limit: int) -> None:
        self._write, self._limit, self._used, self._closed = write, limit, 0, False
        self._wake = asyncio.Event()
        self._end = '{"kind":"items_end","tx":%s}' % quoted(tx)
        self._head = '{"kind":"item","tx":%s,"from":"%s","payload":' % (quoted(tx), role)

    async def send(self, item: Any) -> bool:
        """Returns false if the call has ended."""
        while self._used >= self._limit and not self._closed:
            self._wake.clear()
            await self._wake.wait()
        if not self._closed:
            payload = encode(item)
            # An item counts its payload as it stands in the frame, and at least 64 bytes.
            self._used += max(64, len(payload.encode()))
            self._write(self._head + payload + "}")
        return not self._closed

    def end(self) -> None:
        """The end of the items of a caller. Those of a callee end with its answer."""
        if not self._closed:
            self._write(self._end)

    def credit(self, size: int) -> None:
        self._used = max(0, self._used - size)
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()


class Items(Generic[T]):
    """Items that this side receives: an async iterator, and an iterator for a plain function.

    It ends with an error if the call is cancelled or its connection is lost.
    """

    def __init__(self, write: Write, tx: str, role: str) -> None:
        self._loop, self._write, self._wake = asyncio.get_running_loop(), write, asyncio.Event()
        self._queue: deque[tuple[Any, int]] = deque()
        self._held, self._finished, self._ended = 0, 0, False
        self._error: BaseException | None = None
        self._credit = '{"kind":"item_credit","tx":%s,"from":"%s","payload":%%d}' % (
            quoted(tx).replace("%", "%%"), role)

    def _push(self, item: Any, line_bytes: int) -> None:
        # The payload is parsed, so the whole line counts. It may be four times what the sender counts.
        if self._ended or self._held >= 4 * ITEM_BYTES:
            raise Refused("could not accept an item: the stream has ended, or has no credit")
        self._held += max(64, line_bytes)
        self._queue.append((item, max(64, line_bytes)))
        self._wake.set()

    def _close(self, error: BaseException | None = None) -> None:
        if not self._ended:
            self._ended, self._error = True, error
            self._wake.set()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while not self._queue:
            if self._ended:
                error, self._error = self._error, None
                raise error or StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        item, size = self._queue.popleft()
        self._held -= size
        self._finished += size
        if self._finished >= ITEM_BYTES // 2 and not self._ended:
            self._write(self._credit % self._finished)
            self._finished = 0
        return item  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                yield asyncio.run_coroutine_threadsafe(self.__anext__(), self._loop).result()
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                raise CallError("the call was cancelled", code="IW_CANCELLED") from None
