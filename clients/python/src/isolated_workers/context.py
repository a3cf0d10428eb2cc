"""What a handler can know about its call, and do within it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, AsyncIterable, AsyncIterator

from .errors import CallError
from .streams import Items, Sent

if TYPE_CHECKING:
    from .connection import Connection


class Context:
    """A request that this side answers. An argument annotated with `Context` gets it."""

    def __init__(self, connection: Connection, tx: str, name: str, metadata: dict[str, str], deadline: float | None) -> None:
        self.id, self.name, self.metadata = tx, name, metadata
        self.deadline = deadline  # In the time of `time.monotonic`.
        self.is_cancelled = False
        self.items: Items[Any] | None = None  # Items of the caller.
        self.sent: Sent | None = None  # Items to the caller.
        self._connection = connection
        self._task: asyncio.Task[Any] | None = None
        self._callbacks: set[asyncio.Task[Any]] = set()

    def remaining(self) -> float | None:
        """Seconds until the caller stops waiting, or `None` if it waits without a limit."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def check(self) -> None:
        """Raises an error if the call was cancelled. Call it now and then in a plain function."""
        if self.is_cancelled:
            raise CallError("the call was cancelled", code="IW_CANCELLED")

    async def call(self, name: str, payload: Any = None, *, timeout: float | None = None) -> Any:
        """Calls the other side within this call: a callback. It ends with this call at the latest."""
        return await self._own(self._connection.call(name, payload, **self._options(timeout)))

    async def stream(
        self, name: str, payload: Any = None, *, items: AsyncIterable[Any] | None = None, timeout: float | None = None,
    ) -> AsyncIterator[Any]:
        """A callback that answers with items."""
        received = self._connection.stream(name, payload, items=items, **self._options(timeout))
        async for item in received:
            self.check()
            yield item

    def call_blocking(self, name: str, payload: Any = None, *, timeout: float | None = None) -> Any:
        """The same as `call`, for a plain function, which runs on a thread of its own."""
        callback = self.call(name, payload, timeout=timeout)
        return asyncio.run_coroutine_threadsafe(callback, self._connection.loop).result()

    def _options(self, timeout: float | None) -> dict[str, Any]:
        self.check()
        if not self._connection.may_call:
            raise CallError("could not call the host back: it serves nothing; pass `serve` to it", code="IW_CONFIG")
        metadata = {"iw-parent": self.id}
        if "iw-chain" in self.metadata:
            metadata["iw-chain"] = self.metadata["iw-chain"]
        limits = [limit for limit in (timeout, self.remaining()) if limit is not None]
        return {"metadata": metadata, "timeout": min(limits, default=None)}

    async def _own(self, callback: Any) -> Any:
        task = asyncio.ensure_future(callback)
        self._callbacks.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            if not self.is_cancelled:
                raise
            raise CallError("the call of this callback was cancelled", code="IW_CANCELLED") from None
        finally:
            self._callbacks.discard(task)

    def _cancel(self) -> None:
        """Cancels the handler, its streams and its callbacks."""
        self.is_cancelled = True
        self._close(CallError("the call was cancelled", code="IW_CANCELLED"))
        if self._task is not None:
            # Later, because a task that has not begun would end without an answer.
            self._connection.loop.call_soon(self._task.cancel)

    def _close(self, error: BaseException | None = None) -> None:
        for callback in self._callbacks:
            callback.cancel()
        if self.items is not None:
            self.items._close(error)
        if self.sent is not None:
            self.sent.close()
