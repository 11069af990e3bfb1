"""The one layer that touches the disk; tests break it at any point.

A file is written to a sibling of a fixed name and renamed: a run that is killed leaves the old file
or the new one, and at most that sibling, which `leftover` names.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path


def sha256_of(content: bytes) -> str:
    """As the manifest has it: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def leftover(path: Path) -> Path:
    """What writing ``path`` leaves behind when it is cut off."""
    return path.with_name(f".{path.name}.clipcrop-new")


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(
        (Path(where) / name).lstat().st_size
        for where, _, names in os.walk(folder)
        for name in names
    )


class Disk:
    """Reads and writes. Every method raises OSError where it cannot, and says nothing else."""

    def names_in(self, folder: Path) -> list[str]:
        """Sorted; none if it is not there, is no folder, or may not be looked into."""
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
        except OSError:
            return []

    def kind_of(self, path: Path) -> str:
        """What is there: file, folder, link or other; empty: nothing. Follows no link."""
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return ""
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
        return kinds.get(stat.S_IFMT(mode), "other")

    def read(self, path: Path) -> bytes | None:
        """A whole file; None if there is none."""
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def read_own(self, path: Path) -> bytes | None:
        """As `read`, of a file that only this user can have written.

        Raises:
            PermissionError: it is a link, another user's, or others may write to it.
        """
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            if exc.errno == errno.ELOOP:
                raise PermissionError(errno.EPERM, "it is a link", str(path)) from exc
            raise
        with os.fdopen(descriptor, "rb") as file:
            if hasattr(os, "geteuid"):
                found = os.fstat(file.fileno())
                if found.st_uid != os.geteuid():
                    raise PermissionError(errno.EPERM, "it is another user's", str(path))
                if found.st_mode & 0o022:
                    raise PermissionError(errno.EPERM, "others may write to it", str(path))
            return file.read()

    def write(self, path: Path, content: bytes, mode: int = 0o644) -> None:
        """Write a file, whole or not at all; what was there is replaced."""
        new = leftover(path)
        self.remove_file(new)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(new, flags, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                self._fill(file.fileno(), content)
                self._sync(file.fileno())
            new.chmod(mode)  # whatever the umask
            new.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise

    def make_folder(self, path: Path, mode: int = 0o755) -> None:
        """Make one folder; its parent must be there. Does nothing if it is there."""
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if not path.is_dir():
                raise
        else:
            path.chmod(mode)  # whatever the umask

    def rename(self, old: Path, new: Path) -> None:
        """Give it another name; nothing may be there."""
        if self.kind_of(new):
            raise FileExistsError(17, "something is there already", str(new))
        old.rename(new)

    def link(self, path: Path, to: Path) -> None:
        """Make a link; one that is there is replaced, whole or not at all."""
        new = leftover(path)
        self.remove_file(new)
        new.symlink_to(to)
        new.replace(path)

    def remove_file(self, path: Path) -> None:
        """Remove a file or a link, if it is there."""
        path.unlink(missing_ok=True)

    def remove_folder(self, path: Path) -> bool:
        """Remove a folder if it is empty; whether it is gone."""
        if self.kind_of(path) != "folder":
            return not self.kind_of(path)
        if self.names_in(path):
            return False
        path.rmdir()
        return True

    def remove_tree(self, path: Path) -> None:
        """Remove a folder with all that is in it, if it is there; follows no link."""
        if self.kind_of(path) == "folder":
            shutil.rmtree(path)

    def _fill(self, descriptor: int, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]

    def _sync(self, descriptor: int) -> None:
        os.fsync(descriptor)
