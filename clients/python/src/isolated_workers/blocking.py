"""The host for a program without asyncio: a loop on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Coroutine, Iterable, Iterator, TypeVar

from .errors import CallError
from .host import Worker

T = TypeVar("T")


class BlockingWorker:
    """A worker that any thread may call. The arguments are those of `Worker.spawn`."""

    def __init__(self, *command: str, **options: Any) -> None:
        self._loop, self._is_closed = asyncio.new_event_loop(), False
        threading.Thread(target=self._loop.run_forever, daemon=True, name="isolated-workers").start()
        try:
            self.worker: Worker = self._run(Worker.spawn(*command, **options))
        except BaseException:
            self._loop.call_soon_threadsafe(self._loop.stop)
            raise

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._is_closed:
            coroutine.close()
            raise CallError("could not call the worker: it was closed", code="IW_CLOSED")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def call(self, name: str, payload: Any = None, *, items: Iterable[Any] | None = None, **options: Any) -> Any:
        """Calls a message, and waits for its answer."""
        return self._run(self.worker.call(name, payload, items=_iterate(items), **options))

    def stream(self, name: str, payload: Any = None, *, items: Iterable[Any] | None = None, **options: Any) -> Iterator[Any]:
        """Calls a message that answers with items. Closing the iterator cancels the call."""
        received: Any = self.worker.stream(name, payload, items=_iterate(items), **options)
        try:
            while (item := self._run(_next(received))) is not _END:
                yield item
        finally:
            self._run(received.aclose())

    def send(self, name: str, payload: Any = None) -> None:
        self._run(self.worker.send(name, payload))

    def close(self) -> None:
        """Ends the worker. Does nothing the second time."""
        if not self._is_closed:
            try:
                self._run(self.worker.close())
            finally:
                self._is_closed = True
                self._loop.call_soon_threadsafe(self._loop.stop)

    def __enter__(self) -> BlockingWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_END = object()


async def _next(items: Any) -> Any:
    return await anext(items, _END)


def _iterate(items: Iterable[Any] | None) -> Any:
    """Takes the items on a thread, so that one that waits holds up no other call."""
    if items is None:
        return None
    iterator = iter(items)

    async def iterate() -> Any:
        while (item := await asyncio.to_thread(next, iterator, _END)) is not _END:
            yield item

    return iterate()
