"""All checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import InstallError
from .connection import check_connection
from .daemon import check_daemon, check_log
from .device import check_device
from .editors import check_editors
from .environment import check_completeness, check_environment
from .finding import INSTALL, Check, Context, Finding
from .login import check_login
from .room import check_room
from .weights import check_weights

CHECKS: Sequence[tuple[str, Check]] = (
    ("environment", check_environment),
    ("installation", check_completeness),
    ("engine", check_device),
    ("weights", check_weights),
    ("editors", check_editors),
    ("connection", check_connection),
    ("daemon", check_daemon),
    ("start at login", check_login),
    ("disk", check_room),
    ("log", check_log),
)
"""What each is about, in the order in which they are shown."""


BEFORE_INSTALLATION = ("environment", "disk")
"""What can be looked at where nothing is installed."""


def checks_for(context: Context) -> list[tuple[str, Check]]:
    """Those that make sense."""
    if context.manifest.version:
        return list(CHECKS)
    return [(about, check) for about, check in CHECKS if about in BEFORE_INSTALLATION]


def run_checks(context: Context, checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    """Everything that is found; what cannot be looked at is a problem of its own."""
    for about, check in checks:
        try:
            yield from check(context)
        except (OSError, InstallError) as exc:
            yield Finding("problem", about, f"cannot be looked at: {exc}")
        except (ValueError, LookupError, TypeError) as exc:
            text = f"a program or a file said what is not understood: {exc!r}"
            yield Finding("problem", about, text, INSTALL)
