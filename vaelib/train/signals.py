"""SIGTERM and Ctrl-C as a wish that the loop asks for between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Wish:
    """`signum` is 0, or the signal that asked the run to end."""

    signum = 0


@contextmanager
def listening() -> Iterator[Wish]:
    """Take SIGTERM and SIGINT as a wish while the block runs; a second Ctrl-C acts at once.

    Only the main thread may listen; elsewhere the wish stays 0. Handlers come back at the end.
    """
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def note(signum: int, frame: FrameType | None) -> None:
        wish.signum = signum
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {s: signal.signal(s, note) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield wish
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
