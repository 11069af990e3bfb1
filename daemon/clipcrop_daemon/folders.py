"""The folders that the daemon uses: made safe, and rid of what dead daemons left in them."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import stat
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from clipcrop_wire.endpoint import MAX_IPC_PATH_BYTES, read_connection_file
from clipcrop_wire.errors import WireError

from .errors import AlreadyRunning, CannotPublish, UnsafeFolder

logger = logging.getLogger(__name__)

MAX_SOCKET_NAME_BYTES = 24
"""Of a socket's file; what the path of its folder leaves room for."""

ELSEWHERE = "or name another connection file"

_KNOCK_TIMEOUT_S = 0.5
_PRIVATE_PREFIX = "clipcrop-"
_USUAL_NAME = "connection.json"


def prepare(connection_file: Path) -> Path:
    """Find or make the folder of the sockets, empty; for who holds the lock.

    Raises:
        AlreadyRunning: another daemon lives there all the same.
        UnsafeFolder: others could reach the sockets.
        CannotPublish: nothing can be written.
    """
    name = connection_file.name  # another one than usual: perhaps there are two in that folder
    folder = connection_file.with_name("sockets" if name == _USUAL_NAME else f"{name}.sockets")
    in_use = _private_folders_of_the_dead(connection_file)
    if _is_short_enough(folder):
        make_socket_folder(folder)
        in_use.append(folder)
    sockets = [path for one in in_use for path in _sockets_in(one)]
    for path in sockets:
        if _is_listened_at(path):
            raise AlreadyRunning(f"a daemon whose lock file was deleted listens at {path}")
    _remove_leftovers(connection_file, sockets)
    for one in in_use:
        remove_private(one)
    return folder if _is_short_enough(folder) else _make_private_folder()


def make_folder(folder: Path) -> None:
    """For the connection file. It may hold other things, which others may read."""
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
    if not found.st_mode & 0o022:
        return
    if folder.name != "clipcrop":  # perhaps others shall write there
        raise UnsafeFolder(
            f"others can write to {folder}, it has mode {stat.S_IMODE(found.st_mode):o}; "
            f"run chmod go-w on it {ELSEWHERE}"
        )
    # Some part of ClipCrop made it under a generous umask.
    with contextlib.suppress(OSError):  # read-only: the lock will tell
        folder.chmod(stat.S_IMODE(found.st_mode) & ~0o022)
    logger.info("folder.tightened path=%s", folder)


def make_socket_folder(folder: Path) -> None:
    """Ours by its name and for nothing else, so a wider mode is narrowed without asking.

    What others put there before can do no harm: names are random, and the dead are cleaned up.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as exc:
        raise UnsafeFolder(f"{folder} is not a folder; remove it") from exc
    except OSError as exc:
        raise CannotPublish(f"the folder {folder} cannot be made: {exc.strerror or exc}") from exc
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as exc:
        raise UnsafeFolder(f"{folder} is a link, or cannot be opened; remove it") from exc
    try:
        found = os.fstat(descriptor)
        _check_owner(folder, found)
        if found.st_mode & 0o077:
            os.fchmod(descriptor, 0o700)
            logger.info("folder.tightened path=%s", folder)
    except OSError as exc:
        raise UnsafeFolder(f"others can reach {folder}, and {exc.strerror}; remove it") from exc
    finally:
        os.close(descriptor)


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


def _private_folders_of_the_dead(connection_file: Path) -> list[Path]:
    """Those that a connection file names which nobody but us can have written."""
    try:
        info = read_connection_file(connection_file)
    except WireError:
        return []
    endpoints = (*info.work, *info.control)
    folders = {socket_path(one).parent for one in endpoints if one.startswith("ipc://")}
    return [one for one in folders if one.name.startswith(_PRIVATE_PREFIX) and _is_private(one)]


def _is_private(folder: Path) -> bool:
    """It may be long gone, and another user's by now."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_ours = sys.platform != "win32" and found.st_uid == os.geteuid()
    return is_ours and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077


def _is_listened_at(path: Path) -> bool:
    if sys.platform == "win32":
        return False  # there a lock's file cannot be deleted
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.settimeout(_KNOCK_TIMEOUT_S)
        try:
            visitor.connect(str(path))
        except (BlockingIOError, TimeoutError):  # so many knock that it lets nobody in
            return True
        except OSError:
            return False
    return True


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
    """Remove a folder that was made for one daemon, with its sockets; leaves others alone."""
    if not folder.name.startswith(_PRIVATE_PREFIX):
        return
    for path in _sockets_in(folder):
        with contextlib.suppress(OSError):
            path.unlink()
    with contextlib.suppress(OSError):  # something else is in it
        folder.rmdir()


def socket_path(endpoint: str) -> Path:
    """Of an ipc endpoint."""
    return Path(endpoint.partition("://")[2])


def _sockets_in(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if stat.S_ISSOCK(one.lstat().st_mode)]
    except OSError:
        return []
