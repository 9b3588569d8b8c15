"""Turn SIGTERM and Ctrl-C into a stop request that the training loop polls between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """`signum` is 0, or the signal that asked the run to stop."""

    signum = 0


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Record SIGTERM and SIGINT while the block runs; a second Ctrl-C acts at once.

    Handlers can be set in the main thread only; in another thread no request ever arrives.
    The previous handlers are restored at the end.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def record(signum: int, frame: FrameType | None) -> None:
        request.signum = signum
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = {s: signal.signal(s, record) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
