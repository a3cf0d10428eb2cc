"""Bytes on the wire: the line of the handshake, and JSON values."""

from __future__ import annotations

import base64
import json
import os
import re
from json.encoder import encode_basestring as quoted
from typing import Any, NoReturn

from .errors import CallError

__all__ = ["HELLO_BYTES", "ITEM_BYTES", "MAX_FRAME", "Refused", "as_bytes", "check", "decode", "encode",
           "hello", "quoted"]

MAX_FRAME = 8 << 20  # Bytes of a frame that this side accepts, with its line feed.
ITEM_BYTES = 256 << 10  # Bytes of items that this side takes in each stream.
HELLO_BYTES = 64 << 10  # Bytes of the line of a handshake.


class Refused(CallError):
    """The peer broke the protocol, or does not match. The connection ends."""

    def __init__(self, message: str, code: str = "IW_PROTOCOL") -> None:
        super().__init__(message, code=code)


def hello(transport: str, **more: Any) -> dict[str, Any]:
    """The line that identifies this side. Without `service`, it serves and requires any."""
    return {
        "isolated-workers": 1, "codec": "json", "transport": transport, "pid": os.getpid(),
        "build": "python 0.1.0", "max_frame": MAX_FRAME, **more,
    }


def check(theirs: Any, transport: str) -> dict[str, Any]:
    """Compares the line of the other side with this one."""
    if not isinstance(theirs, dict) or "isolated-workers" not in theirs:
        raise Refused("could not complete the handshake: the peer does not speak the protocol; "
                      "start it with a handshake", "IW_HANDSHAKE")
    own = {"isolated-workers": 1, "codec": "json", "transport": transport}
    for key, value in own.items():
        if theirs.get(key) != value:
            raise Refused(f"could not connect host and worker: the {key} of this side is {value}, that of "
                          f"the other side is {theirs.get(key)}; use the same on both", "IW_HANDSHAKE")
    return theirs


def _reject(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _other(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is not a JSON value")


_decoder = json.JSONDecoder(parse_constant=_reject)
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_other)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def decode(text: bytes) -> Any:
    """Parses JSON. Integers keep all their digits. NaN is refused, and so is UTF-8 that is none."""
    return _decoder.decode(text.decode())


def has_lone_surrogate(line: bytes, value: Any) -> bool:
    """True if `value`, a part of `line`, has half of a character, which no UTF-8 can represent."""
    if b"\\u" not in line or not _SURROGATE.search(line.decode()):
        return False
    try:
        encode(value).encode()
        return False
    except UnicodeEncodeError:
        return True


def encode(value: Any) -> str:
    """Makes JSON. Bytes become base64."""
    return _encoder.encode(value)


def as_bytes(value: Any) -> bytes:
    """Bytes of a payload: base64 with or without padding, or an array of numbers."""
    if isinstance(value, str):
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    return bytes(value)
