"""Locks between processes that the kernel releases however their holder dies (flock)."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

PAUSE = 0.005  # seconds between two tries


class LockFile:
    """A lock on a file; the file itself stays empty and is never removed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    @property
    def descriptor(self) -> int:
        """The open file that carries the lock: a process that inherits it holds the lock as well."""
        assert self._descriptor is not None
        return self._descriptor

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock if that is possible at once; whether it is held now."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def wait(self, seconds: float, *, shared: bool = False) -> bool:
        """Take the lock, waiting for it; whether it is held now."""
        deadline = time.monotonic() + seconds
        while not self.take(shared=shared):
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE)
        return True

    def release(self) -> None:
        """Let go; safe when not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_free(path: Path, *, shared: bool = False) -> bool:
    """Whether the lock could be taken now; by default whether nobody holds it exclusively or shared."""
    lock = LockFile(path)
    try:
        return lock.take(shared=shared)
    finally:
        lock.release()
