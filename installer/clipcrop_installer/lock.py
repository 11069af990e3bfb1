"""One installer a user at a time. The lock is gone when its process is, however that ended."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import AlreadyAtWork

_BY_ANOTHER = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
"""What systems say of a lock that another process holds."""


class Lock:
    """A lock that is held.

    Args:
        path: Of its file.
        descriptor: Of its file, which is open.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    def remove(self) -> None:
        """Take its file away, and let it go.

        Raises:
            OSError: the file cannot be removed.
        """
        if sys.platform == "win32":  # where a file that is open cannot be removed
            self.release()
        self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let it go; its file stays."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None


@contextmanager
def held(path: Path) -> Iterator[Lock]:
    """Hold the lock of a file, which is made if need be.

    Raises:
        AlreadyAtWork: another process holds it.
        OSError: the file cannot be made or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    lock = Lock(path, descriptor)
    try:
        if not _lock(descriptor) or not _is_at(descriptor, path):
            raise AlreadyAtWork(
                "another installer is at work for you; wait until it is done, and try again"
            )
        yield lock
    finally:
        lock.release()


def _lock(descriptor: int) -> bool:
    """Lock it; whether no other process had."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in _BY_ANOTHER:
            return False
        raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file is still that of the name: who ended just now may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
