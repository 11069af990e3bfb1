"""One daemon a user: the lock, the folder of the sockets, the connection file, what the dead left.

The lock is on a file beside the connection file and is gone when the process is, however that
ended. The file stays: deleting it would let two daemons lock two files of one name. If someone else
deletes it, a second daemon can take the new lock; it knocks at the sockets that are there, finds
the first one alive, and gives way (`claim`). Where those were deleted too, nobody can reach the
first one any more; it sees that another has taken its place and ends (`Instance.hold`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from clipcrop_wire.endpoint import (
    ConnectionFile,
    read_connection_file,
    remove_connection_file,
    write_connection_file,
)
from clipcrop_wire.errors import WireError
from clipcrop_wire.sealing import KEY_BYTES

from . import folders
from .errors import AlreadyRunning, CannotPublish, StartError
from .settings import Settings

logger = logging.getLogger(__name__)

_SESSION_BYTES = 16


def claim(settings: Settings) -> Instance:
    """Become the user's one daemon, until `Instance.close`; clean up after those that died.

    Raises:
        AlreadyRunning: another one lives.
        UnsafeFolder: others could write where the key and the sockets would be.
        CannotPublish: nothing can be written there.
    """
    path = settings.connection_file
    folders.make_folder(path.parent)
    lock = _acquire(path)
    try:
        return Instance(path, lock, folders.prepare(path))
    except BaseException:
        lock.release()
        raise


def is_claimed(connection_file: Path) -> bool:
    """Whether a daemon holds the lock. Asking takes it for a moment: ask only at the end of one."""
    if not _lock_path(connection_file).exists():
        return False
    try:
        _acquire(connection_file).release()
    except AlreadyRunning:
        return True
    return False


class Instance:
    """What makes this process the user's one daemon. Made by `claim`."""

    def __init__(self, path: Path, lock: FileLock, socket_folder: Path) -> None:
        self.connection_file = path
        self.socket_folder = socket_folder
        """For nobody but the user; a file's name in it has at most
        `folders.MAX_SOCKET_NAME_BYTES`."""

        self.key = secrets.token_bytes(KEY_BYTES)
        """New at every start, and by `renew_key`."""

        self.session = secrets.token_hex(_SESSION_BYTES)
        """New at every start."""

        self.started_s = time.time()
        self._lock = lock
        self._locked = _identity(_lock_path(path))
        self._published: ConnectionFile | None = None
        self._sockets: set[Path] = set()
        self._unkept = ""  # what `hold` could not do the last time

    def publish(self, work: Sequence[str], control: Sequence[str]) -> ConnectionFile:
        """Let clients know the endpoints, which must be bound by now. Anew after a rebind.

        Raises:
            CannotPublish: disk full, read-only, folder gone.
        """
        info = ConnectionFile(
            session=self.session,
            key=self.key,
            pid=os.getpid(),
            started_s=self.started_s,
            work=tuple(work),
            control=tuple(control),
        )
        self._published = info  # also if that fails: `hold` tries again
        try:
            write_connection_file(self.connection_file, info)
        except OSError as exc:
            raise CannotPublish(
                f"the connection file {self.connection_file} cannot be written: "
                f"{exc.strerror or exc}; make room {folders.ELSEWHERE}"
            ) from exc
        endpoints = (*info.work, *info.control)
        self._sockets |= {folders.socket_path(one) for one in endpoints if one.startswith("ipc://")}
        return info

    def renew_key(self) -> None:
        """To be called before a rebind, and published after it.

        The old port may be a stranger's by then, who could else pass on to us what a client that
        knows only the old one says there, and read along.
        """
        self.key = secrets.token_bytes(KEY_BYTES)

    def hold(self) -> bool:
        """Look after what makes us the one daemon; to be called every few seconds.

        Puts back the lock file, the folder of the sockets or the connection file if someone
        deleted it. Sockets are not looked after.

        Returns:
            False if another daemon has taken our place, and this one must end.
        """
        try:
            identity = _identity(_lock_path(self.connection_file))
            if identity is None or identity != self._locked:
                return self._lock_again()
            folders.make_socket_folder(self.socket_folder)
            if self._published is not None and self._read() != self._published:
                self.publish(self._published.work, self._published.control)
                logger.warning("connection_file.restored")
        except (StartError, OSError) as exc:  # the next time, perhaps
            if str(exc) != self._unkept:
                logger.warning("instance.unkept reason=%s", exc)
            self._unkept = str(exc)
        else:
            self._unkept = ""
        return True

    def close(self) -> None:
        """Leave nothing behind but the lock's file, and let another daemon start."""
        remove_connection_file(self.connection_file, self.session)
        for path in self._sockets:
            with contextlib.suppress(OSError):  # libzmq has mostly done it
                path.unlink()
        folders.remove_private(self.socket_folder)
        self._lock.release()

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _lock_again(self) -> bool:
        """Someone deleted the lock's file, or put another in its place."""
        folders.make_folder(self.connection_file.parent)
        try:
            lock = _acquire(self.connection_file)
        except AlreadyRunning:
            other = self._read()
            if other is not None and other.session != self.session:
                logger.error("instance.superseded pid=%d", other.pid)
                return False
            return True  # it has just started, and will find us alive and give way
        self._lock.release()
        self._lock, self._locked = lock, _identity(_lock_path(self.connection_file))
        logger.warning("lock.restored")
        return self.hold()

    def _read(self) -> ConnectionFile | None:
        try:
            return read_connection_file(self.connection_file)
        except WireError:
            return None


def _lock_path(connection_file: Path) -> Path:
    return connection_file.with_name(connection_file.name + ".lock")


def _acquire(connection_file: Path) -> FileLock:
    path = _lock_path(connection_file)
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout as exc:
        raise AlreadyRunning(f"another daemon holds {path}") from exc
    except (OSError, NotImplementedError) as exc:  # the latter: a file system without locks
        reason = getattr(exc, "strerror", None) or exc
        raise CannotPublish(
            f"{path} cannot be locked: {reason}; make room {folders.ELSEWHERE}"
        ) from exc
    return lock


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a file from another one that was put in its place; None: there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
