"""The worker of the tests of all languages. `clients/README.md` describes its messages."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any, AsyncIterator, Iterator

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src"))

from isolated_workers import CallError, Context, Items, Service, serve  # noqa: E402

service = Service()
notes: list[str] = []
gathered: list[asyncio.Future[None]] = []
was_cancelled = asyncio.Event()


@service.method
async def add(a: int, b: int) -> int:
    return a + b


@service.method
def add_blocking(a: int, b: int) -> int:
    return a + b


@service.method
def echo(text: str) -> str:
    return text


@service.method
async def value(value: Any = None) -> Any:
    return value


@service.method
def invert(content: bytes) -> bytes:
    return bytes(255 - byte for byte in content)


@service.method
def nothing() -> None:
    print("This is printed, and harmless.", flush=True)


@service.method
def note(line: str) -> None:
    notes.append(line)


service["notes"] = lambda: notes
service["clear"] = notes.clear


@service.method
async def wait_for_note(line: str) -> list[str]:
    while line not in notes:
        await asyncio.sleep(0)
    return notes


@service.method
async def gather(calls: int, number: int) -> int:
    """Returns as soon as `calls` calls are in flight, the last one first."""
    gathered.append(asyncio.get_running_loop().create_future())
    if len(gathered) == calls:
        for call in reversed(gathered):
            call.set_result(None)
        gathered.clear()
    else:
        await gathered[-1]
    return number


@service.method
def boom() -> None:
    try:
        raise ValueError("the cause")
    except ValueError as cause:
        error = CallError("a boom of size 3", name="Boom", code="E_BOOM", data={"size": 3})
        raise error from cause


service["getResult"] = lambda: "getResult"
service["fooError"] = lambda: "fooError"


@service.method
def exit(code: int) -> None:
    print("requested by the test", file=sys.stderr, flush=True)
    os._exit(code)


@service.method
async def texts(count: int, size: int, fails: bool) -> AsyncIterator[str]:
    for _ in range(count):
        yield "ü" * size
    if fails:
        raise CallError(f"a boom of size {count}", name="Boom", data={"size": count})


@service.method
def countdown(start: int) -> Iterator[int]:
    yield from range(start, 0, -1)


@service.method
async def total(numbers: Items[int]) -> int:
    total = 0
    try:
        async for number in numbers:
            total += number
    except CallError:
        was_cancelled.set()
        raise
    except asyncio.CancelledError:
        was_cancelled.set()
        raise
    return total


@service.method
def total_blocking(numbers: Items[int]) -> int:
    return sum(numbers)


@service.method
async def double(numbers: Items[int]) -> AsyncIterator[int]:
    async for number in numbers:
        yield 2 * number


@service.method
async def endless() -> AsyncIterator[int]:
    number = 0
    try:
        while True:
            yield number
            number += 1
    finally:
        was_cancelled.set()


@service.method
async def wait_for_cancel() -> None:
    await was_cancelled.wait()


@service.method
async def hang() -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        was_cancelled.set()


@service.method
async def hang_with_items(items: Items[Any]) -> None:
    await asyncio.get_running_loop().create_future()


@service.method
async def first(items: Items[Any]) -> Any:
    return await anext(items)


@service.method
async def count_items(items: Items[Any]) -> int:
    return len([item async for item in items])


@service.method
async def long(size: int) -> str:
    return "x" * size


@service.method
async def unsendable() -> Any:
    return float("nan")


@service.method
async def wait(ms: float) -> str:
    await asyncio.sleep(ms / 1e3)
    return "waited"


@service.method
def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@service.method
async def about(context: Context) -> dict[str, Any]:
    remaining = context.remaining()
    metadata = {key: text for key, text in context.metadata.items() if not key.startswith("iw-")}
    return {"metadata": metadata, "has_deadline": remaining is not None, "is_short": (remaining or 1e9) < 60}


@service.method
async def ask(context: Context, parts: int) -> int:
    """Calls its host for each part."""
    total = 0
    for part in range(1, parts + 1):
        total += await context.call("step", {"done": part, "of": parts})
    return total


@service.method
def ask_blocking(context: Context, parts: int) -> int:
    return sum(context.call_blocking("step", {"done": part, "of": parts}) for part in range(1, parts + 1))


@service.method
async def ask_stream(context: Context, count: int) -> int:
    return sum([number async for number in context.stream("numbers", {"count": count})])


@service.method
async def ask_forever(context: Context) -> None:
    try:
        await context.call("never")
    except CallError as error:
        notes.append(error.code or "")
        raise


@service.method
def run(id: int) -> int:
    """Notes that it was run, outside of this process."""
    with open(os.environ["JOURNAL"], "ab", 0) as journal:
        journal.write(b"%d\n" % id)
    return id


@service.method
def started() -> Any:
    return startup_data


startup_data: Any = None


def make(startup: Any) -> Service:
    global startup_data
    startup_data = startup
    if startup == "refuse":
        raise ValueError("this key is refused")
    return service


if __name__ == "__main__":
    serve(make)
