"""The log: one rotating file, and standard error where it is read.

The daemon works on when its log cannot be written: it says so once on standard error.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import stat
import sys
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from .settings import Settings

MAX_FILE_BYTES = 1_000_000
NUM_OLD_FILES = 2

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class Log:
    """The program's log; what is logged before `open` is held back until then.

    with Log() as log:
        settings = resolve(...)
        log.open(settings)
    """

    def __init__(self) -> None:
        self._held_back = _HeldBack()
        self._handlers: list[logging.Handler] = []
        self._level_before = logging.root.level
        self.path: Path | None = None
        """Of the file, once it is known."""

    def open(self, settings: Settings) -> None:
        """Write to where the settings say, what was held back first."""
        self.path = settings.log_file or default_log_file()
        self._add(LogFile(self.path))
        if _is_read(sys.stderr):
            self._add(logging.StreamHandler(sys.stderr))
        logging.root.setLevel(settings.log_level)
        self._release()

    def __enter__(self) -> Log:
        logging.root.addHandler(self._held_back)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._handlers and sys.stderr is not None:  # `open` was never reached
            self._add(logging.StreamHandler(sys.stderr))
            self._release()
        for handler in self._handlers:
            logging.root.removeHandler(handler)
            handler.close()
        logging.root.removeHandler(self._held_back)
        logging.root.setLevel(self._level_before)

    def _add(self, handler: logging.Handler) -> None:
        handler.setFormatter(logging.Formatter(_FORMAT))
        logging.root.addHandler(handler)
        self._handlers.append(handler)

    def _release(self) -> None:
        logging.root.removeHandler(self._held_back)
        for record in self._held_back.records:
            for handler in self._handlers:
                if record.levelno >= logging.root.level:
                    handler.handle(record)
        self._held_back.records.clear()


class LogFile(RotatingFileHandler):
    """A log file that only the user can read."""

    def __init__(self, path: Path) -> None:
        """Does not open it yet: with nothing to say there is no file."""
        super().__init__(
            path,
            maxBytes=MAX_FILE_BYTES,
            backupCount=NUM_OLD_FILES,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        self._has_complained = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Do without the line; the first time, tell why."""
        exc = sys.exc_info()[1]
        if not isinstance(exc, OSError):
            super().handleError(record)
        elif not self._has_complained and sys.stderr is not None:
            self._has_complained = True
            reason = exc.strerror or exc
            sys.stderr.write(f"warning: the log {self.baseFilename} cannot be written: {reason}\n")

    def close(self) -> None:
        """Close it; a full disk is no reason not to."""
        with contextlib.suppress(OSError):
            super().close()

    def _open(self) -> io.TextIOWrapper:
        """Open it for appending: no link, and no file or pipe that another user has put there."""
        Path(self.baseFilename).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        for name in ("O_NOFOLLOW", "O_NONBLOCK"):  # not on Windows
            flags |= getattr(os, name, 0)
        descriptor = os.open(self.baseFilename, flags, 0o600)
        try:
            if sys.platform != "win32":
                _make_private(descriptor)
            return open(descriptor, "a", encoding=self.encoding, errors=self.errors)  # noqa: PTH123
        except BaseException:
            os.close(descriptor)
            raise


def _make_private(descriptor: int) -> None:
    """Close a log that is ours to others; OSError for what is another user's, or a pipe."""
    found = os.fstat(descriptor)
    if stat.S_ISCHR(found.st_mode):  # such as /dev/null, if the user says so
        return
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it is not a file of yours; remove it")
    os.fchmod(descriptor, 0o600)


class _HeldBack(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def log_bug(logger: logging.Logger, event: str, request_id: str, exc: Exception) -> None:
    """Say where a bug is and of what kind; its message may quote the user, so only at DEBUG."""
    frames = "".join(traceback.format_tb(exc.__traceback__)).rstrip()
    logger.error("%s id=%s error=%s\n%s", event, request_id, type(exc).__name__, frames)
    logger.debug("%s id=%s message=%s", event, request_id, exc)


def default_log_file() -> Path:
    """Where the log is unless the settings name another file."""
    import platformdirs  # slow to import, and not needed where a file is named

    return platformdirs.user_log_path("clipcrop", appauthor=False) / "daemon.log"


def _is_read(stream: TextIO | None) -> bool:
    """Whether it is a terminal, or the journal of systemd, which says so in a variable."""
    try:
        if stream is None or stream.isatty():
            return stream is not None
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # not a file, or closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
