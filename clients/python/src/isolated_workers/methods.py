"""Functions that answer messages, and the threads for those that are not `async`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from queue import SimpleQueue
from typing import Any, Callable, Mapping, TypeVar, get_origin

from .context import Context
from .errors import CallError
from .streams import Items
from .wire import as_bytes, quoted

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class Service(dict[str, Function]):
    """Functions by the names of their messages. `@service.method` adds a function."""

    def method(self, function: F) -> F:
        self[function.__name__] = function
        return function


class Method:
    """A function, and which arguments it takes.

    An argument annotated with `Context` gets the call, one with `Items` the stream of the caller,
    one with `bytes` the bytes of a base64 text. All others are in the payload by their names.
    """

    def __init__(self, name: str, function: Function) -> None:
        self.function = function
        self.is_stream = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
        self.is_async = inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(function)
        self.reply_type = quoted(name + "Result")
        self._context = self._items = ""
        self._bytes: list[str] = []
        self._names: list[str] = []
        self._required: set[str] = set()
        self._takes_all = False
        for parameter in inspect.signature(function).parameters.values():
            annotation = parameter.annotation
            text = annotation if isinstance(annotation, str) else ""
            if annotation is Context or text.split(".")[-1] == "Context":
                self._context = parameter.name
            elif get_origin(annotation) is Items or annotation is Items or "Items[" in text:
                self._items = parameter.name
            elif parameter.kind is parameter.VAR_KEYWORD:
                self._takes_all = True
            else:
                self._names.append(parameter.name)
                if annotation is bytes or text == "bytes":
                    self._bytes.append(parameter.name)
                if parameter.default is parameter.empty:
                    self._required.add(parameter.name)

    @property
    def takes_items(self) -> bool:
        return bool(self._items)

    def bind(self, payload: Any, context: Context) -> dict[str, Any]:
        """Returns the arguments. Unknown keys are ignored."""
        if payload is None:
            payload = {}
        elif not isinstance(payload, dict):
            # A payload that is no object is the only argument.
            payload = {self._names[0]: payload} if len(self._names) == 1 else {"": payload}
        if payload.keys() >= self._required:
            known = self._takes_all or len(payload) == len(self._required) == len(self._names)
            bound = dict(payload) if known else {key: payload[key] for key in self._names if key in payload}
            for name in self._bytes:
                if name in bound:
                    bound[name] = _bytes(bound[name], context.name)
            if self._context:
                bound[self._context] = context
            if self._items:
                bound[self._items] = context.items
            return bound
        missing = ", ".join(sorted(self._required - payload.keys()))
        raise CallError(f"could not decode `{context.name}`: the argument {missing} is missing", code="IW_DECODE")


def _bytes(value: Any, name: str) -> bytes:
    try:
        return as_bytes(value)
    except (TypeError, ValueError) as error:
        raise CallError(f"could not decode `{name}`: {error}", code="IW_DECODE") from None


def methods(functions: Mapping[str, Function]) -> dict[str, Method]:
    return {name: Method(name, function) for name, function in functions.items()}


class Threads:
    """Daemon threads. Unlike those of an executor, they never keep a process from ending."""

    def __init__(self, maximum: int = 32) -> None:
        self._loop, self._maximum, self._count, self._pending = asyncio.get_running_loop(), maximum, 0, 0
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]]] = SimpleQueue()
        self._done: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._is_scheduled = False

    def run(self, job: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Runs `job`, which raises nothing, in a thread, and `done` with its result in the loop."""
        self._pending += 1
        if self._pending > self._count < self._maximum:
            self._count += 1
            threading.Thread(target=self._work, daemon=True, name=f"handler-{self._count}").start()
        self._jobs.put((job, done))

    def _work(self) -> None:
        while True:
            job, done = self._jobs.get()
            self._done.append((done, job()))
            if not self._is_scheduled:
                self._is_scheduled = True
                try:
                    self._loop.call_soon_threadsafe(self._collect)
                except RuntimeError:
                    return  # The loop has ended, and nobody takes the result.

    def _collect(self) -> None:
        self._is_scheduled = False
        while self._done:
            done, result = self._done.popleft()
            self._pending -= 1
            done(result)
