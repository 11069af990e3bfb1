"""One daemon a user: the lock, the folder of the sockets, the connection file, what the dead left.

The lock is on a file beside the connection file and is gone when the process is, however that
ended. The file stays: deleting it would let two daemons lock two files of one name. Where one of
these files is deleted nevertheless, the daemon ends (`Instance.check_files`): clients that look for
it start another one.
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
from clipcrop_wire.errors import DaemonNotRunning, WireError
from clipcrop_wire.sealing import KEY_BYTES

from . import folders
from .errors import AlreadyRunning, CannotPublish, FilesRemoved
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
        """Only the user may enter it; a file's name in it has at most
        `endpoint.MAX_SOCKET_NAME_BYTES`."""

        self.key = secrets.token_bytes(KEY_BYTES)
        """New at every start."""

        self.session = secrets.token_hex(_SESSION_BYTES)
        """New at every start."""

        self.started_s = time.time()
        self._lock = lock
        self._identities = {
            one: folders.identity_of(one) for one in (_lock_path(path), socket_folder)
        }
        self._sockets: set[Path] = set()

    def publish(self, work: Sequence[str], control: Sequence[str]) -> ConnectionFile:
        """Let clients know the endpoints, which must be bound by now.

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
        try:
            write_connection_file(self.connection_file, info)
        except OSError as exc:
            raise CannotPublish(
                f"the connection file {self.connection_file} cannot be written: "
                f"{exc.strerror or exc}; make room {folders.ELSEWHERE}"
            ) from exc
        endpoints = (*info.work, *info.control)
        self._sockets = {folders.socket_path(one) for one in endpoints if one.startswith("ipc://")}
        self._identities |= {one: folders.identity_of(one) for one in self._sockets}
        return info

    def check_files(self) -> None:
        """Make sure that clients can find this daemon, and no other one could have begun.

        Raises:
            FilesRemoved: a file or folder was deleted, or another one is in its place.
        """
        for path, identity in self._identities.items():
            if identity is None or folders.identity_of(path) != identity:
                raise FilesRemoved(f"{path} was removed or replaced; the daemon ends")
        try:
            session = read_connection_file(self.connection_file).session
        except DaemonNotRunning:
            raise FilesRemoved(f"{self.connection_file} was removed; the daemon ends") from None
        except WireError as exc:
            raise FilesRemoved(f"{exc}; the daemon ends") from None
        if session != self.session:
            raise FilesRemoved(f"{self.connection_file} is another daemon's; this one ends")

    def close(self) -> None:
        """Leave nothing behind but the lock's file, and let another daemon start."""
        remove_connection_file(self.connection_file, self.session)
        if folders.identity_of(self.socket_folder) == self._identities[self.socket_folder]:
            for path in self._sockets:
                with contextlib.suppress(OSError):  # libzmq has mostly done it
                    path.unlink()
            folders.remove_private(self.socket_folder)
        self._lock.release()

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


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
