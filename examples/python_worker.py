# A worker in Python. Run it with a host: `cargo run --example python_worker`.
import os
import sys

# With the client installed (`pip install ./clients/python`), these two lines are not needed.
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "clients", "python", "src"))

from isolated_workers import CallError, Context, Items, Service, serve

service = Service()


@service.method
def greet(name: str) -> str:
    print("Printing is harmless.")
    return f"Good evening, {name}."


@service.method
def squares(below: int):
    for number in range(below):
        yield number * number


@service.method
async def mean(numbers: Items[float]) -> float:
    collected = [number async for number in numbers]
    if not collected:
        raise CallError("there are no numbers", name="EmptyError", code="E_EMPTY")
    return sum(collected) / len(collected)


@service.method
async def train(context: Context, epochs: int) -> str:
    for epoch in range(1, epochs + 1):
        await context.call("progress", {"done": epoch, "of": epochs})
    return "trained"


@service.method
def crash() -> None:
    print("a bug in a C extension", file=sys.stderr, flush=True)
    os.abort()


serve(service)
