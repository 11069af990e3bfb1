"""The command that is started at login."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InstallError


def checked(command: Sequence[str]) -> tuple[str, ...]:
    """The command, if every format can hold it.

    Raises:
        InstallError: a part has a line break, another control character, or bytes that are no text.
    """
    for part in command:
        if not part.isprintable():  # as are control characters, and bytes that could not be decoded
            raise InstallError(
                f"no start at login with {part!r}: there are characters in it that cannot be "
                "written down; install into a folder with a plainer name"
            )
    return tuple(command)
