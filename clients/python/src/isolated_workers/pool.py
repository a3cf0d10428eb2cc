"""A pool: some workers of one program, which are replaced when they end."""

from __future__ import annotations

import asyncio
from typing import Any

from .errors import CallError
from .host import Worker

MAX_BACKOFF = 30.0  # Seconds between two starts that fail.


class Pool:
    """Up to `size` workers, with one call at a time each. `options` are those of `Worker.spawn`.

    A worker that crashes is replaced. One whose call timed out is killed and replaced, because a
    function that computes does not end by itself.
    """

    def __init__(self, *command: str, size: int = 4, **options: Any) -> None:
        self._command, self._options, self._failures = command, options, 0
        self._idle: list[Worker] = []
        self._workers: set[Worker] = set()
        self._permits, self._is_closed = asyncio.Semaphore(size), False

    async def call(self, name: str, payload: Any = None, **options: Any) -> Any:
        """Calls a free worker. Waits until there is one."""
        async with self._permits:
            worker = await self._take()
            try:
                answer = await worker.call(name, payload, **options)
            except BaseException as error:
                is_timeout = isinstance(error, CallError) and error.code == "IW_TIMEOUT"
                if is_timeout or isinstance(error, asyncio.CancelledError):
                    worker.kill()
                    await asyncio.shield(worker.closed())
                    self._workers.discard(worker)
                else:
                    self._give_back(worker)
                raise
            self._give_back(worker)
            return answer

    async def _take(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_active:
                return worker
            self._workers.discard(worker)
        if self._is_closed:
            raise CallError("could not call a worker: its pool is closed", code="IW_CLOSED")
        if self._failures:
            await asyncio.sleep(min(MAX_BACKOFF, 0.05 * 2 ** self._failures))
        try:
            worker = await Worker.spawn(*self._command, **self._options)
        except CallError:
            self._failures += 1
            raise
        self._failures = 0
        self._workers.add(worker)
        return worker

    def _give_back(self, worker: Worker) -> None:
        if worker.is_active:
            self._idle.append(worker)
        else:
            self._workers.discard(worker)

    async def close(self) -> None:
        """Closes all workers. Calls in flight fail."""
        self._is_closed = True
        await asyncio.gather(*(worker.close() for worker in list(self._workers)))

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
