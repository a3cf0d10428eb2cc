"""Tests of the host. `host.py cases` plays the cases of `clients/cases.json`.

`host.py worker COMMAND…` calls a worker of any language through all that the client can do.
`host.py kill COMMAND…` kills workers while they work, and compares the answers with their journal.
`host.py orphan MESSAGES COMMAND…` kills hosts whose worker handles one of these messages.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, AsyncIterator, Awaitable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python" / "src"))

from isolated_workers import BlockingWorker, CallError, Crashed, Pool, Worker  # noqa: E402
from isolated_workers.methods import Service  # noqa: E402

CASES = ROOT / "cases.json"
host = Service()
never_was_cancelled = asyncio.Event()


@host.method
async def step(done: int, of: int) -> int:
    return done


@host.method
async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@host.method
async def never() -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        never_was_cancelled.set()


async def each(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


async def fails(call: Awaitable[Any], code: str | None, *texts: str) -> CallError:
    try:
        await call
    except CallError as error:
        assert error.code == code, (error, error.code)
        for text in texts:
            assert text in str(error), (error, text)
        return error
    raise AssertionError(f"no error, expected {code}")


async def play(case: dict[str, Any]) -> dict[str, Any]:
    """Makes the call of a case. Returns its result in the form of the case."""
    call, result, items = case["call"], case["result"], []
    command = (sys.executable, str(ROOT / "conformance.py"), "replay", case["name"])
    try:
        worker = await Worker.spawn(*command, serve=host if "serve" in case else None)
    except CallError as error:
        return {"start": error.code}
    options: dict[str, Any] = {"timeout": call["timeout"] / 1e3} if "timeout" in call else {}
    if "items" in call:
        options["items"] = each(call["items"])
    found: dict[str, Any] = {}
    try:
        if "stream" in call:
            async for item in worker.stream(call["name"], call.get("payload"), **options):
                items.append(item)
        else:
            found["value"] = await worker.call(call["name"], call.get("payload"), **options)
    except CallError as error:
        found["error"] = {key: getattr(error, key) for key in result.get("error", {"message": 0})}
    if "stream" in call:
        found["count" if "count" in result else "items"] = len(items) if "count" in result else items
    await worker.close()
    # The replay ends with the code 99 if a frame of this host was not the expected one.
    if worker.process.returncode == 99:
        raise AssertionError(worker.output)
    return found


async def run_cases() -> None:
    cases, failed = json.loads(CASES.read_text("utf-8"))["host"], 0
    for case in cases:
        try:
            found = await asyncio.wait_for(play(case), 30)
            assert found == case["result"], f"expected {case['result']}, found {found}"
        except (AssertionError, asyncio.TimeoutError) as error:
            failed += 1
            print(f"FAILED {case['name']}: {error!r}")
    print(f"{len(cases) - failed} of {len(cases)} cases of a host passed: Python")
    assert not failed
    # The stream ends with `serve`, although the process goes on.
    goes_on = "import isolated_workers, threading; isolated_workers.serve({}); threading.Event().wait()"
    worker = await Worker.spawn(sys.executable, "-c", goes_on, env={"PYTHONPATH": str(ROOT / "python" / "src")})
    worker._connection.go_away("drain")
    await asyncio.wait_for(asyncio.shield(worker._connection.ended), 20)
    assert worker.process.returncode is None


async def run_worker(*command: str) -> None:
    async with await Worker.spawn(*command, serve=host) as worker:
        assert await worker.call("add", {"a": 2**61, "b": 1}) == 2**61 + 1
        assert await worker.call("add_blocking", {"a": -5, "b": 3}) == -2
        assert await worker.call("echo", {"text": "a € and a 😀"}) == "a € and a 😀"
        assert await worker.call("value", {"value": [2**63 - 1, -(2**63), 1.5, None]}) == [2**63 - 1, -(2**63), 1.5, None]
        assert await worker.call("invert", {"content": b"abc"}) == "np2c"
        large = "ü" * (1 << 19)
        assert await asyncio.gather(*(worker.call("echo", {"text": large}) for _ in range(3))) == [large] * 3
        calls = [worker.call("gather", {"calls": 200, "number": number}) for number in range(200)]
        assert await asyncio.gather(*calls) == list(range(200))
        await worker.call("nothing")
        await worker.send("note", {"line": "one"})
        await worker.send("note", {"line": "two"})
        assert await worker.call("wait_for_note", {"line": "two"}) == ["one", "two"]
        # Errors.
        boom = await fails(worker.call("boom"), (await error_of(worker)).code, "a boom of size 3")
        assert boom.data == {"size": 3}
        await fails(worker.call("nope"), "IW_UNKNOWN_MESSAGE")
        await fails(worker.call("add", {"a": 1}), "IW_DECODE")
        # Context, timeouts and cancellation.
        about = await worker.call("about", timeout=30, metadata={"tenant": "blue"})
        assert about == {"metadata": {"tenant": "blue"}, "has_deadline": True, "is_short": True}, about
        await fails(worker.call("hang", timeout=0.1), "IW_TIMEOUT", "was not answered within 0.1 s")
        await worker.call("wait_for_cancel")
        hanging = asyncio.ensure_future(worker.call("hang"))
        await worker.call("nothing")
        hanging.cancel()
        await asyncio.wait([hanging])
        assert hanging.cancelled() and await worker.call("add", {"a": 2, "b": 3}) == 5
        # Streams.
        for count, size in ((0, 0), (1, 1), (10_000, 1), (20, 100_000), (3, 1 << 20)):
            texts = await collect(worker.stream("texts", {"count": count, "size": size, "fails": False}))
            assert texts == ["ü" * size] * count
        failing = worker.stream("texts", {"count": 2, "size": 1, "fails": True})
        assert [await anext(failing), await anext(failing)] == ["ü", "ü"]
        assert (await fails(anext(failing), (await error_of(worker, 1)).code, "a boom of size 2")).data == {"size": 2}
        for end in (0, 1, 10_000):
            assert await worker.call("total", items=each(list(range(end)))) == sum(range(end))
            doubled = worker.stream("double", items=each(list(range(end))))
            assert await collect(doubled) == list(range(0, 2 * end, 2))
        assert await worker.call("total_blocking", items=each([1, 2, 3])) == 6
        assert await collect(worker.stream("countdown", {"start": 3})) == [3, 2, 1]
        endless = worker.stream("endless")
        assert [await anext(endless) for _ in range(5000)] == list(range(5000))
        # Nobody takes items. Other calls go on.
        assert await worker.call("add", {"a": 2, "b": 3}) == 5
        await endless.aclose()  # type: ignore[attr-defined]
        # Callbacks.
        assert await worker.call("ask", {"parts": 3}) == 6
        assert await worker.call("ask_blocking", {"parts": 3}) == 6
        assert await worker.call("ask_stream", {"count": 1000}) == sum(range(1000))
        await fails(worker.call("ask_forever", timeout=0.2), "IW_TIMEOUT")
        await asyncio.wait_for(never_was_cancelled.wait(), 10)
        assert "This is printed, and harmless." in worker.output
    assert worker.process.returncode == 0, worker.process.returncode
    await run_ends(*command)
    print(f"a host in Python passed with {' '.join(command)}")


async def error_of(worker: Worker, count: int = 0) -> CallError:
    """The code of an error is up to the language of the worker."""
    try:
        if count:
            await collect(worker.stream("texts", {"count": count, "size": 1, "fails": True}))
        else:
            await worker.call("boom")
    except CallError as error:
        return error
    raise AssertionError("no error")


async def run_ends(*command: str) -> None:
    """Crashes, and the ways to end a worker."""
    worker = await Worker.spawn(*command)
    crash = await fails(worker.call("exit", {"code": 7}), "IW_CRASHED", "exited with code 7 while `exit` was in flight",
                        "requested by the test")
    assert isinstance(crash, Crashed) and (crash.exit_code, crash.signal) == (7, None)
    await fails(worker.call("nothing"), "IW_CLOSED")
    worker = await Worker.spawn(*command)
    hanging = asyncio.ensure_future(worker.call("hang"))
    await worker.call("nothing")
    worker.kill()
    crash = await fails(hanging, "IW_CRASHED", "was killed by signal 9 (SIGKILL)")
    assert isinstance(crash, Crashed) and (crash.exit_code, crash.signal) == (None, 9)
    # A callback fails if the host serves nothing.
    worker = await Worker.spawn(*command)
    await fails(worker.call("ask", {"parts": 1}), (await ask_code(worker)))
    waiting = asyncio.ensure_future(worker.call("wait", {"ms": 100}))
    await worker.call("nothing")
    await worker.drain()
    assert await waiting == "waited" and await worker.closed() == "exited with code 0"
    worker = await Worker.spawn(*command)
    waiting = asyncio.ensure_future(worker.call("wait", {"ms": 100}))
    await worker.call("nothing")
    worker.process.send_signal(signal.SIGTERM)
    assert await waiting == "waited" and await worker.closed() == "exited with code 0"
    # A worker that does not react to the end is killed.
    worker = await Worker.spawn(*command)
    os.kill(worker.pid, signal.SIGSTOP)
    await worker.close(timeout=0.2)
    assert await worker.closed() == "was killed by signal 9 (SIGKILL)"
    worker = await Worker.spawn(*command, startup={"key": 1}, env={"PEER_STARTUP": "1"})
    assert await worker.call("started") == {"key": 1}
    await worker.close()
    await fails(Worker.spawn(*command, startup="refuse", env={"PEER_STARTUP": "1"}), "IW_STARTUP", "this key is refused")
    await fails(Worker.spawn("/no/such/program"), "IW_SPAWN", "No such file")
    await fails(Worker.spawn(sys.executable, "-c", "import sys; sys.exit('no luck today')"), "IW_STARTUP",
                "exited with code 1 before it was ready", "no luck today")
    await fails(Worker.spawn("sleep", "60", start_timeout=0.2), "IW_STARTUP", "was not ready within 0.2 s")
    async with Pool(*command, size=2) as pool:
        assert await asyncio.gather(*(pool.call("add", {"a": n, "b": 1}) for n in range(20))) == list(range(1, 21))
        await fails(pool.call("exit", {"code": 3}), "IW_CRASHED")
        await fails(pool.call("hang", timeout=0.1), "IW_TIMEOUT")
        assert await asyncio.gather(*(pool.call("add", {"a": n, "b": 1}) for n in range(20))) == list(range(1, 21))
    await asyncio.to_thread(run_blocking, *command)


async def ask_code(worker: Worker) -> str | None:
    try:
        await worker.call("ask", {"parts": 1})
    except CallError as error:
        return error.code
    raise AssertionError("no error")


def run_blocking(*command: str) -> None:
    with BlockingWorker(*command) as worker:
        assert worker.call("add", {"a": 2, "b": 3}) == 5
        assert list(worker.stream("double", items=[1, 2, 3])) == [2, 4, 6]
        assert worker.call("total", items=range(100)) == sum(range(100))


async def run_kill(*command: str, rounds: int = int(os.environ.get("KILLS", "20"))) -> None:
    """Each answer belongs to its call, and each call that was answered has run exactly once."""
    with tempfile.NamedTemporaryFile() as journal:
        answered: set[int] = set()
        crashed: set[int] = set()
        pool = Pool(*command, size=3, env={"JOURNAL": journal.name})
        is_over = False
        ids = iter(range(1 << 40))

        async def call() -> None:
            while not is_over:
                id = next(ids)
                try:
                    assert await pool.call("run", {"id": id}) == id
                    answered.add(id)
                except CallError as error:
                    assert error.code in ("IW_CRASHED", "IW_STARTUP"), error
                    crashed.add(id)

        callers = [asyncio.ensure_future(call()) for _ in range(6)]
        for _ in range(rounds):
            before = len(answered)
            while len(answered) < before + 50:
                await asyncio.sleep(0.001)
            workers = list(pool._workers)
            if workers:
                random.choice(workers).kill()
        is_over = True
        await asyncio.gather(*callers)
        await pool.close()
        ran = [int(line) for line in Path(journal.name).read_text().splitlines()]
    assert len(ran) == len(set(ran)), "a call has run twice"
    assert answered <= set(ran) <= answered | crashed, "an answered call has not run, or an unknown one has"
    assert crashed, "no call was hit"
    print(f"{rounds} kills of {' '.join(command)}: {len(answered)} answers, {len(crashed)} crashes, none lost or swapped")


async def run_orphan(messages: str, *command: str) -> None:
    """No worker outlives its host."""
    for message in messages.split(","):
        doomed = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "doomed", message, *command, stdout=asyncio.subprocess.PIPE)
        assert doomed.stdout is not None
        worker = os.pidfd_open(int(await doomed.stdout.readline()))
        doomed.kill()
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(worker, ended.set)
        await asyncio.wait_for(ended.wait(), 20)
        asyncio.get_running_loop().remove_reader(worker)
        os.close(worker)
        await doomed.wait()
    print(f"no orphan remains of {' '.join(command)}")


async def doom(message: str, *command: str) -> None:
    worker = await Worker.spawn(*command)
    call = asyncio.ensure_future(worker.call(message, {"seconds": 60} if message == "spin" else None))
    await worker.call("add", {"a": 1, "b": 2})
    print(worker.pid, flush=True)
    await call
    await worker.closed()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["cases"]:
            asyncio.run(run_cases())
        case ["worker", *command] if command:
            asyncio.run(asyncio.wait_for(run_worker(*command), 120))
        case ["kill", *command] if command:
            asyncio.run(asyncio.wait_for(run_kill(*command), 120))
        case ["orphan", messages, *command] if command:
            asyncio.run(run_orphan(messages, *command))
        case ["doomed", message, *command] if command:
            asyncio.run(doom(message, *command))
        case _:
            sys.exit(__doc__)
