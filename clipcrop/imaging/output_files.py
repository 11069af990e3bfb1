"""Writing files whole or not at all, and never over a file of the user's by accident."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import hashlib
import os
import platform
import re
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path

from ..errors import InputError
from .images import BROKEN_FILE_ERRORS, reason_of

FileId = tuple[int, int]
"""Device and inode: the same for two names of one file."""

_MAX_STEM_BYTES = 200  # of the 255 that file systems allow; the rest is for numbers and suffix
_TEMPORARY = re.compile(r"\.clipcrop-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{16}\.part")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_cleared: set[Path] = set()


@contextlib.contextmanager
def written_at_once(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A temporary file that becomes ``target`` when the block ends without an error.

    Raises:
        InputError: The file cannot be written, or it is there and ``overwrite`` is false.
    """
    with temporary_beside(target) as temporary:
        yield temporary
        if overwrite:
            temporary.replace(target)
        elif not _moved_to_new(temporary, target):
            raise InputError(already_there(target))


@contextlib.contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """A new, empty file in the folder of ``target``; gone after the block unless it was moved.

    Raises:
        InputError: The block or the file system failed.
    """
    folder = target.parent
    temporary = folder / f".clipcrop-{_host()}-{os.getpid()}-{secrets.token_hex(8)}.part"
    try:
        _clear_leftovers(folder)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
    except BROKEN_FILE_ERRORS as exc:
        if isinstance(exc, InputError):
            raise
        raise InputError(
            f"cannot write {str(target)!r}: {reason_of(exc)}; choose another folder"
        ) from exc
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def keep_as(
    temporary: Path, target: Path, *, overwrite: bool = False, inputs: Collection[FileId] = ()
) -> Path:
    """Move a finished file to ``target``, or to the first free name with -2, -3, ... at its stem.

    Args:
        temporary: From `temporary_beside`.
        target: The name it should get.
        overwrite: Whether a file of that name is replaced.
        inputs: Files that are never replaced.

    Returns:
        Its name: ``target``, a numbered one, or one that was there with the same content.
    """
    number = 1
    while True:
        name = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
        if overwrite and not name.is_dir() and file_id(name) not in inputs:
            temporary.replace(name)
            return name
        if _moved_to_new(temporary, name) or (
            name.is_file()
            and file_id(name) not in inputs
            and filecmp.cmp(temporary, name, shallow=False)
        ):
            return name
        number += 1


def check_new(target: Path, *, overwrite: bool, inputs: Collection[FileId]) -> None:
    """Refuse an output that would replace a file, before any work is done.

    Raises:
        InputError: It is one of the inputs, or there and ``overwrite`` is false.
    """
    identity = file_id(target)
    if identity is not None and identity in inputs:
        raise InputError(
            f"{str(target)!r} is one of the photos; choose another name for the output"
        )
    if not overwrite and os.path.lexists(target):
        raise InputError(already_there(target))


def check_folder(folder: Path) -> None:
    """Refuse a folder in which no file can be made.

    Raises:
        InputError: No file can be made there.
    """
    with temporary_beside(folder / "crops"):
        pass


def already_there(target: Path) -> str:
    """The sentence for an output whose name is taken."""
    return f"{str(target)!r} is already there; choose another name, or add --overwrite"


def file_id(path: Path) -> FileId | None:
    """What two names of one file have in common; None where there is no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def shortened(stem: str) -> str:
    """A stem to which a number and a suffix can be added; long ones end in a hash of the whole."""
    encoded = os.fsencode(stem)
    if len(encoded) <= _MAX_STEM_BYTES:
        return stem
    while len(os.fsencode(stem)) > _MAX_STEM_BYTES - 9:
        stem = stem[:-1]
    return f"{stem}~{hashlib.sha256(encoded).hexdigest()[:8]}"


def _moved_to_new(temporary: Path, target: Path) -> bool:
    """Move without replacing: false where the name is taken."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except (OSError, NotImplementedError) as exc:
        if isinstance(exc, OSError) and exc.errno not in _NO_LINKS:
            raise
        # FAT and some network file systems have no hard links.
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return False
        temporary.replace(target)
        return True
    temporary.unlink()
    return True


def _clear_leftovers(folder: Path) -> None:
    """Remove temporary files of runs on this machine that were killed; once for each folder."""
    if folder in _cleared:
        return
    _cleared.add(folder)
    for entry in os.scandir(folder):
        found = _TEMPORARY.fullmatch(entry.name)
        if found is None or found["host"] != _host():
            continue
        import psutil  # few folders have any

        if not psutil.pid_exists(int(found["pid"])):
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
