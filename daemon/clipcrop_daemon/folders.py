"""The folders that the daemon uses: safe, and rid of what dead daemons left in them.

A folder that others can write to, or that belongs to another user, is refused: what lies in it
already may be theirs, and a narrower mode does not change that.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from clipcrop_wire.endpoint import (
    FILE_NAME,
    MAX_IPC_PATH_BYTES,
    MAX_SOCKET_NAME_BYTES,
    others_can_write,
)

from .errors import CannotPublish, UnsafeFolder

logger = logging.getLogger(__name__)

ELSEWHERE = "or name another connection file"

_PRIVATE_PREFIX = "clipcrop-"


def prepare(connection_file: Path) -> Path:
    """Find or make the folder of the sockets, without sockets; only with the lock.

    Raises:
        UnsafeFolder: others could reach the sockets.
        CannotPublish: nothing can be written.
    """
    name = connection_file.name  # another one than usual: perhaps there are two in that folder
    folder = connection_file.with_name("sockets" if name == FILE_NAME else f"{name}.sockets")
    if not _is_short_enough(folder):
        _remove_leftovers(connection_file, ())
        return _make_private_folder()
    _make_socket_folder(folder)
    _remove_leftovers(connection_file, _sockets_in(folder))
    return folder


def make_folder(folder: Path) -> None:
    """For the connection file. It may hold other things, which others may read.

    Raises:
        UnsafeFolder: others can write to it.
        CannotPublish: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as exc:
        raise CannotPublish(
            f"the folder {folder} cannot be made: {exc.strerror or exc}; make room {ELSEWHERE}"
        ) from exc
    if sys.platform == "win32":
        return
    _check_owner(folder, found)
    if others_can_write(found):
        raise UnsafeFolder(
            f"others can write to {folder}, it has mode {stat.S_IMODE(found.st_mode):o}; "
            f"look what is in it and run `chmod go-w` on it, {ELSEWHERE}"
        )


def identity_of(path: Path) -> tuple[int, int] | None:
    """Tells a file or folder from another one put in its place; None: there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_socket_folder(folder: Path) -> None:
    """For the user alone. One that others could write to, or look into, is made anew if empty."""
    try:
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if not _is_private(folder):
                folder.rmdir()  # fails if anything is in it
                folder.mkdir(mode=0o700)
    except OSError as exc:
        if folder.is_dir():
            raise UnsafeFolder(
                f"others could put files into {folder}, and it is not empty; remove it"
            ) from exc
        raise CannotPublish(f"the folder {folder} cannot be made: {exc.strerror or exc}") from exc


def _is_private(folder: Path) -> bool:
    """Whether only the user can write to the folder.

    Raises:
        UnsafeFolder: it is not a folder, or another user's.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeFolder(f"{folder} is not a folder, or a link to one; remove it")
    if sys.platform == "win32":
        return True
    _check_owner(folder, found)
    return not found.st_mode & 0o077


def _check_owner(folder: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise UnsafeFolder(
            f"{folder} belongs to user {found.st_uid}, not to you; remove it {ELSEWHERE}"
        )


def _is_short_enough(folder: Path) -> bool:
    """Whether a socket can be in it, and an endpoint can name that."""
    if sys.platform == "win32":
        return True  # there are none
    try:
        length = len(str(folder).encode("utf-8"))
    except UnicodeEncodeError:
        return False
    return "\n" not in str(folder) and length + 1 + MAX_SOCKET_NAME_BYTES <= MAX_IPC_PATH_BYTES


def _make_private_folder() -> Path:
    """With a random name in a short place; removed at the end."""
    for place in (tempfile.gettempdir(), "/tmp"):
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix=_PRIVATE_PREFIX, dir=place))
            if _is_short_enough(folder):
                return folder
            folder.rmdir()
    raise CannotPublish(
        f"no folder for sockets: {tempfile.gettempdir()} is too long or cannot be written; "
        "set TMPDIR to a shorter one"
    )


def _remove_leftovers(connection_file: Path, sockets: Sequence[Path]) -> None:
    """What dead daemons left and nothing else; follows no link."""
    half_written = re.compile(re.escape(f".{connection_file.name}.") + "[0-9a-f]{16}")
    beside: list[Path] = []
    with contextlib.suppress(OSError):  # we may write to the folder, and not list it
        beside += [
            one for one in connection_file.parent.iterdir() if half_written.fullmatch(one.name)
        ]
    num_removed = 0
    for one in (connection_file, *beside, *sockets):
        with contextlib.suppress(OSError):  # not there; or a folder, which `publish` will tell of
            one.unlink()
            num_removed += 1
    if num_removed:
        logger.info("leftovers.removed count=%d", num_removed)


def remove_private(folder: Path) -> None:
    """Remove a folder that was made for one daemon, if it is empty; leaves others alone."""
    if folder.name.startswith(_PRIVATE_PREFIX):
        with contextlib.suppress(OSError):
            folder.rmdir()


def socket_path(endpoint: str) -> Path:
    """Of an ipc endpoint."""
    return Path(endpoint.partition("://")[2])


def _sockets_in(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if stat.S_ISSOCK(one.lstat().st_mode)]
    except OSError:
        return []
