"""Heartbeats of the ranks: one without heartbeat is named and killed.

Every rank sends a heartbeat once a second from a thread of its own, also while it writes a long
checkpoint; a process that is stopped, or swaps endlessly, sends none. torchrun notices a rank
that has died, but waits for one that hangs until a collective times out.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress

import torch.distributed as dist

BEAT = 1.0  # seconds
MISSED = 15  # beats in a row, as many as the watcher itself took


class Watch:
    """The heartbeats of this rank and of the others, in a store that all share."""

    def __init__(self, store: dist.Store, rank: int, size: int):
        self.store, self.rank = store, rank
        self.heard = {peer: b"" for peer in range(size) if peer != rank}
        self.missed = dict.fromkeys(self.heard, 0)
        self.beats = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def look(self) -> list[int]:
        """Send one heartbeat, read all others, kill the ranks without; returns which they are."""
        self.beats += 1
        self.store.set(f"beat-{self.rank}", f"{socket.gethostname()} {os.getpid()} {self.beats}")
        for peer, before in self.heard.items():
            now = self.store.get(f"beat-{peer}") if self.store.check([f"beat-{peer}"]) else b""
            quiet = now == before and now not in (b"", b"left")
            self.missed[peer] = self.missed[peer] + 1 if quiet else 0
            self.heard[peer] = now
        silent = [peer for peer, n in self.missed.items() if n == MISSED]
        for peer in silent:
            self._end(peer)
        return silent

    def leave(self) -> None:
        """Stop the heartbeats, and mark this as no failure."""
        self.over.set()
        if self.thread.is_alive():
            self.thread.join()
        with suppress(RuntimeError):  # torchrun has ended, nobody reads them
            self.store.set(f"beat-{self.rank}", "left")

    def _run(self) -> None:
        with suppress(RuntimeError):  # as in `leave`
            while not self.over.wait(BEAT):
                self.look()

    def _end(self, peer: int) -> None:
        host, pid, _ = self.heard[peer].decode().split()
        print(
            f"rank {peer} (process {pid} on {host}) has given no sign of life "
            f"for {MISSED * BEAT:g} s: it is ended.",
            file=sys.stderr,
            flush=True,
        )
        if host == socket.gethostname():
            with suppress(ProcessLookupError):  # another rank was faster
                os.kill(int(pid), getattr(signal, "SIGKILL", signal.SIGTERM))
