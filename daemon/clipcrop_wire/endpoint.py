"""The connection file: where the daemon listens, and the key that proves it.

The daemon writes it after binding, whole or not at all, readable by its user only. A client trusts
it only if no other user can have written or read it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from .errors import BadConnectionFile, DaemonNotRunning, VersionMismatch
from .sealing import KEY_BYTES, PROTOCOL_MINOR, PROTOCOL_VERSION

MAX_FILE_BYTES = 64 * 1024
MAX_IPC_PATH_BYTES = 100
"""The systems allow 107 (Linux) and 103 (macOS)."""

MAX_SOCKET_NAME_BYTES = 24
"""Of the names that the daemon gives to its sockets."""

PATH_VARIABLE = "CLIPCROP_CONNECTION_FILE"
"""Environment variable that names the file instead of `default_path`."""

FILE_NAME = "connection.json"

_ENDPOINT = re.compile(r"ipc:///[^\0\n]+|tcp://127\.0\.0\.1:[1-9][0-9]{0,4}")
_FIELDS = ("protocol", "session", "key", "pid", "started_s", "work", "control")


@dataclass(frozen=True)
class ConnectionFile:
    """What a client must know to reach one run of the daemon."""

    session: str
    """32 hexadecimal digits, new at every start."""

    key: bytes
    """32 random bytes, new at every start."""

    pid: int
    """Of the daemon."""

    started_s: float
    """When it started, seconds since 1970; for people."""

    work: tuple[str, ...]
    """Endpoints of the work socket, best first."""

    control: tuple[str, ...]
    """Endpoints of the control socket, best first."""

    protocol: tuple[int, int] = (PROTOCOL_VERSION, PROTOCOL_MINOR)
    """Major and minor version."""

    def __post_init__(self) -> None:
        """Refuse what cannot be connected to, or should not be."""
        is_number = {type(self.pid), type(self.started_s)} <= {int, float}
        if not is_number or not re.fullmatch("[0-9a-f]{32}", self.session):
            raise BadConnectionFile(_damaged("a field is not what it should be"))
        if type(self.key) is not bytes or len(self.key) != KEY_BYTES:
            raise BadConnectionFile(_damaged(f"the key is not {KEY_BYTES} bytes"))
        for endpoints in (self.work, self.control):
            if not 1 <= len(endpoints) <= 8:
                raise BadConnectionFile(_damaged("there are no endpoints in it, or too many"))
            for endpoint in endpoints:
                _check_endpoint(endpoint)

    def __repr__(self) -> str:
        """Without the key: this ends up in logs."""
        return f"ConnectionFile(session={self.session!r}, pid={self.pid}, work={self.work})"

    def endpoints(self, socket: str) -> tuple[str, ...]:
        """Of the socket named "work" or "control"."""
        return {"work": self.work, "control": self.control}[socket]


def default_path() -> Path:
    """Where the file is; `PATH_VARIABLE` in the environment names another.

    Under the home, since sandboxed editors see that but not the session's runtime folder, and not
    where XDG variables point, since a sandbox changes them.
    """
    if os.environ.get(PATH_VARIABLE):
        return Path(os.environ[PATH_VARIABLE])
    local = os.environ.get("LOCALAPPDATA")
    folder = data_folder(sys.platform, Path.home(), Path(local) if local else None)
    return Path(folder) / FILE_NAME


def data_folder(platform: str, home: PurePath, local: PurePath | None) -> PurePath:
    """ClipCrop's own folder.

    Args:
        platform: As `sys.platform`.
        home: The user's.
        local: What LOCALAPPDATA names, which counts on Windows only.
    """
    if platform == "win32":
        return (local or home / "AppData" / "Local") / "clipcrop"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "clipcrop"
    return home / ".local" / "share" / "clipcrop"


def write_connection_file(path: Path, info: ConnectionFile) -> None:
    """Write the file: whole or not at all, for the user only.

    Raises:
        OSError: the disk is full, or the folder is not ours.
    """
    values = {
        "protocol": list(info.protocol),
        "session": info.session,
        "key": info.key.hex(),
        "pid": info.pid,
        "started_s": info.started_s,
        "work": list(info.work),
        "control": list(info.control),
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def read_connection_file(path: Path) -> ConnectionFile:
    """Read the file if it can be trusted.

    Raises:
        DaemonNotRunning: there is none.
        BadConnectionFile: it is damaged, or others could have written or read it.
        VersionMismatch: the daemon speaks another major version.
    """
    try:
        values = json.loads(_read_own_file(path))
    except FileNotFoundError as exc:
        raise DaemonNotRunning(
            f"no daemon: there is no {path}; start it with `clipcrop-daemon run`"
        ) from exc
    except OSError as exc:
        raise BadConnectionFile(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError) as exc:  # JSONDecodeError and UnicodeDecodeError
        raise BadConnectionFile(f"{path}: {_damaged('it is not JSON')}") from exc
    try:
        return _parse(values)
    except BadConnectionFile as exc:
        raise BadConnectionFile(f"{path}: {exc}") from exc


def stamp_of(path: Path) -> tuple[int, ...]:
    """What changes whenever the file or its rights do, so that it need not be read again.

    Empty where there is no file: no stamp is good then.
    """
    try:
        found = path.lstat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def remove_connection_file(path: Path, session: str) -> None:
    """Remove the file if it is still that of this run of the daemon."""
    try:
        if read_connection_file(path).session == session:
            path.unlink()
    except (DaemonNotRunning, BadConnectionFile, VersionMismatch, OSError):
        return  # another daemon's by now, or gone: not ours to remove


def others_can_write(found: os.stat_result) -> bool:
    """Whether other users can write to a folder; a group of the user alone is none of them."""
    writers = found.st_mode & 0o022
    return bool(writers) and not (writers == 0o020 and _is_private_group(found.st_gid))


def _is_private_group(group_id: int) -> bool:
    """Whether it is the user's own group, as many systems make one, with umask 002."""
    if sys.platform == "win32":
        return False
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(group_id)
    except KeyError:
        return False
    is_own = user.pw_gid == group_id and user.pw_name == group.gr_name
    return is_own and set(group.gr_mem) <= {user.pw_name}


def _read_own_file(path: Path) -> bytes:
    """Check and read the same open file, so that none can be put in its place between."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(str(path), flags | getattr(os, "O_BINARY", 0))
    try:
        _check_own_file(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        raise BadConnectionFile(f"{path}: {_damaged('it is too large')}")
    return content


def _check_own_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadConnectionFile(f"{path} is not a file; remove it and start the daemon again")
    if sys.platform == "win32":
        return
    if found.st_uid != os.geteuid():
        raise BadConnectionFile(f"{path} belongs to user {found.st_uid}, not to you; remove it")
    if found.st_mode & 0o077:
        raise BadConnectionFile(
            f"{path} has mode {stat.S_IMODE(found.st_mode):o}, others have access; "
            "start the daemon again"
        )


def _parse(values: Any) -> ConnectionFile:
    if type(values) is not dict or not set(_FIELDS) <= set(values):
        raise BadConnectionFile(_damaged("fields are missing"))
    major, minor = _version(values)
    if major != PROTOCOL_VERSION:
        raise VersionMismatch(
            f"the daemon speaks version {major} of the protocol, this client version "
            f"{PROTOCOL_VERSION}; update the older one"
        )
    try:
        return ConnectionFile(
            session=values["session"],
            key=bytes.fromhex(values["key"]),
            pid=values["pid"],
            started_s=values["started_s"],
            work=tuple(values["work"]),
            control=tuple(values["control"]),
            protocol=(major, minor),
        )
    except (TypeError, ValueError) as exc:
        raise BadConnectionFile(_damaged("a field is not what it should be")) from exc


def _version(values: dict[str, Any]) -> tuple[int, int]:
    version = values["protocol"]
    if type(version) is not list or [type(part) for part in version] != [int, int]:
        raise BadConnectionFile(_damaged("it names no version"))
    return version[0], version[1]


def _check_endpoint(endpoint: Any) -> None:
    if type(endpoint) is not str or not _ENDPOINT.fullmatch(endpoint):
        raise BadConnectionFile(_damaged("an endpoint is neither ipc nor on this machine"))
    kind, _, rest = endpoint.partition("://")
    if kind == "tcp" and int(rest.rpartition(":")[2]) > 65535:
        raise BadConnectionFile(_damaged("an endpoint's port is above 65535"))
    try:
        length = len(rest.encode("utf-8"))
    except UnicodeEncodeError as exc:
        raise BadConnectionFile(_damaged("an endpoint's path is not text")) from exc
    if kind == "ipc" and length > MAX_IPC_PATH_BYTES:
        raise BadConnectionFile(_damaged(f"a path is longer than {MAX_IPC_PATH_BYTES} bytes"))


def _damaged(what: str) -> str:
    return f"the connection file is damaged, {what}; start the daemon again"
