"""What pip says -> what a person wants to know: how far it is, or why it failed."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import DiskFull, InstallError, PackageMissing, PythonUnsuitable, RegistryUnreachable

_DOWNLOADING = re.compile(r"^\s*Downloading (?:\S*/)?([A-Za-z0-9_.]+?)-[^ ]* \(([\d.]+) (\w+)\)")
_INSTALLING = re.compile(r"^Installing collected packages: (.*)$")
_NO_BUILD = re.compile(
    r"No matching distribution found for (\S+)"
    # How it ends where a version of constraints.txt is not there.
    r"|The user requested \(constraint\) (\S+)\n(?!\s*The user requested \(constraint\))"
)
_NO_ROOM = re.compile(r"No space left on device|Errno 28|disk quota exceeded", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError"
    r"|Max retries exceeded|Connection (?:refused|reset|timed out|broken)|connection broken"
    r"|Network is unreachable|No route to host|Temporary failure in name resolution"
    r"|SSLError",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLCertVerificationError"
    r"|invalid peer certificate"
)
_WORTH_A_LINE_BYTES = 10_000_000
_UNITS = {"bytes": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


class Progress:
    """Tells a person what pip is doing: on a terminal in one line, else in a few.

    Args:
        say: called with each line that stays.
        is_live: whether a line on the terminal may be written over.
    """

    def __init__(self, say: Callable[[str], None], *, is_live: bool) -> None:
        self._report_progress = say
        self._is_live = is_live
        self._title = ""
        self._started = 0.0

    def begin(self, title: str) -> None:
        """A step begins."""
        self._title, self._started = title, time.monotonic()
        self._write_over(f"  {title} ...")

    def show(self, line: str) -> None:
        """Pip said a line."""
        if found := _DOWNLOADING.match(line):
            name, amount, unit = found.groups()
            news = f"    downloading {name} ({amount} {unit})"
            is_large = float(amount) * _UNITS.get(unit, 1) >= _WORTH_A_LINE_BYTES
        elif found := _INSTALLING.match(line):
            num_packages = len(found[1].split(","))
            news = f"    unpacking {num_packages} packages"
            is_large = num_packages > 1
        else:
            return
        if self._is_live:
            self._write_over(news)
        elif is_large:
            self._report_progress(news)

    def end(self) -> None:
        """The step has ended, with success or without."""
        self._write_over("")
        self._report_progress(f"  {self._title}: {time.monotonic() - self._started:.0f} s")

    def _write_over(self, text: str) -> None:
        if self._is_live:
            sys.stderr.write(f"\r{text[:79]:<79}\r{text[:79]}")
            sys.stderr.flush()


def explain(lines: Sequence[str], code: int, *, where: str, log: Path) -> InstallError:
    """Why a step failed, as the one sentence that helps.

    Args:
        lines: everything the step said.
        code: its exit code.
        where: the Python and machine, for packages that are not built for them.
        log: the file that has the lines.
    """
    text = "\n".join(lines)
    if _NO_ROOM.search(text):
        return DiskFull(
            "the disk is full; free some gigabytes (or set PIP_NO_CACHE_DIR=1) and try again"
        )
    if _CERTIFICATE.search(text):
        return RegistryUnreachable(
            "the certificate of the package registry is not trusted by this Python; check the "
            "clock, or, where a network inspects connections, name its certificate in PIP_CERT, "
            f"and try again (details: {log})"
        )
    # Also when a package was then "not found": that is how pip ends without a network.
    if _NO_NETWORK.search(text):
        return RegistryUnreachable(
            "the package registry cannot be reached; connect to the internet, "
            f"or tell pip about your proxy or mirror, and try again (details: {log})"
        )
    if found := _NO_BUILD.search(text):
        return PackageMissing(
            f"the registry has no {found[1] or found[2]} for {where}; use Python 3.10 to 3.13 on "
            f"64-bit Linux, macOS or Windows (details: {log})"
        )
    if "ensurepip" in text:
        return PythonUnsuitable(
            "this Python cannot make virtual environments with pip in them; "
            "install its venv package (Debian and Ubuntu: apt install python3-venv) and try again"
        )
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.startswith("ERROR")]
    last = (errors or said or ["it printed nothing"])[-1]
    return InstallError(f"a step ended with exit code {code}: {last} (details: {log})")
