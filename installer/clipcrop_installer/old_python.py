"""A sentence instead of a syntax error on a Python that is too old.

Nothing here may need more than Python 3.6.
"""

import sys

OLDEST = (3, 10)
EXIT_CODE = 7  # as errors.PythonUnsuitable, which an old Python could not import


def refuse_old_python(version: tuple = sys.version_info) -> None:  # type: ignore[type-arg]
    """Leave the program where this Python is older than what the project supports."""
    if tuple(version[:2]) < OLDEST:
        sys.stderr.write(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and this is Python "
            f"{version[0]}.{version[1]}; run the same command with a newer one, "
            "such as python3.12\n"
        )
        sys.exit(EXIT_CODE)
