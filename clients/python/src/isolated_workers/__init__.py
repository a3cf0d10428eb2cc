"""Workers and hosts of isolated-workers. The protocol is specified in `docs/wire.md`."""

import sys

if sys.version_info < (3, 10):
    raise ImportError(f"isolated_workers needs Python 3.10 or later, and this is {sys.version.split()[0]}")

from .blocking import BlockingWorker
from .context import Context
from .errors import CallError, Crashed
from .host import Worker
from .methods import Service
from .pool import Pool
from .streams import Items
from .wire import as_bytes
from .worker import is_worker, serve, serve_async

__all__ = [
    "BlockingWorker", "CallError", "Context", "Crashed", "Items", "Pool", "Service", "Worker",
    "as_bytes", "is_worker", "serve", "serve_async",
]
