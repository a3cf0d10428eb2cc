"""Errors of calls, on the wire and in Python."""

from __future__ import annotations

import json
import traceback
from typing import Any


class CallError(Exception):
    """A call failed. Raise it in a handler to choose the `name`, `code` and `data` of the error.

    Codes that begin with `IW_` belong to the protocol: `IW_TIMEOUT`, `IW_CRASHED`, `IW_CANCELLED`.
    """

    def __init__(
        self, message: str, *, code: str | None = None, name: str = "Error", stack: str | None = None,
        chain: list[str] | None = None, data: Any = None,
    ) -> None:
        super().__init__(message)
        self.message, self.name, self.code, self.stack = message, name, code, stack
        self.chain, self.data = chain or [], data


class Crashed(CallError):
    """The process of the worker ended during the call. `output` is the end of what it printed."""

    def __init__(self, message: str, exit_code: int | None, signal: int | None, output: str) -> None:
        super().__init__(message, code="IW_CRASHED", name="Crashed")
        self.exit_code, self.signal, self.output = exit_code, signal, output


def from_payload(payload: Any) -> CallError:
    """Reads the payload of an error frame. One that is not an object is the message."""
    if not isinstance(payload, dict):
        return CallError("the peer gave no reason" if payload is None else _text(payload), name="")
    code, chain = payload.get("code"), payload.get("chain")
    return CallError(
        _text(payload.get("message") or ""), name=_text(payload.get("name") or ""),
        code=None if code is None else _text(code), stack=payload.get("stack"),
        chain=[_text(cause) for cause in chain] if isinstance(chain, list) else None,
        data=payload.get("data"),
    )


def to_payload(error: BaseException) -> dict[str, Any]:
    """Makes the payload of an error frame of any exception."""
    is_call_error = isinstance(error, CallError)
    code = getattr(error, "code", None)
    # This code says that nothing was run, which is wrong for an error of another call.
    is_passed_on = code == "IW_UNKNOWN_MESSAGE" and error.__traceback__ is not None
    payload: dict[str, Any] = {
        "message": str(error),
        "name": getattr(error, "name", None) if is_call_error else type(error).__name__,
        "stack": "".join(traceback.format_tb(error.__traceback__)) or None,
        "code": _text(code) if isinstance(code, (str, int)) and not is_passed_on else None,
        "chain": getattr(error, "chain", None) if is_call_error else None,
        "data": getattr(error, "data", None),
    }
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < 256:
        causes.append(f"{type(cause).__name__}: {cause}")
        cause = cause.__cause__ or cause.__context__
    payload["chain"] = payload["chain"] or causes
    return {key: value for key, value in payload.items() if value not in (None, [])}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
