"""``python3 tests/end_to_end/krita/setup.py``: Kritas to test with, ready to be used.

Root gets Krita 5.2 in a tree of Debian trixie and Krita 5.1 in one of bookworm: a few minutes the
first time, then nothing, and nothing is installed on the machine itself. Who is not root tests with
the machine's own Krita, if it has one and all that is needed beside it. The trees are in the folder
that CLIPCROP_TEST_KRITA names, by default ``clipcrop-tests/krita`` in the user's cache; delete it
to be rid of them.

Lines of its output that begin with "root " name the root of each tree, or ``/``; the newest Krita
comes first. Where there can be none the last line is the reason, and the exit code is 3.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "editors"))

import debian_tree

FOLDER_VARIABLE = "CLIPCROP_TEST_KRITA"
CANNOT = 3
SUITES = ("trixie", "bookworm")
NEEDED = ("krita", "Xvfb", "openbox", "xdotool", "xwininfo", "import")
PACKAGES = (
    *("krita", "python3-pyqt5", "python3-pyqt6"),  # the latter as Krita 6 has it
    *("xvfb", "openbox", "xdotool", "x11-utils", "imagemagick"),  # a screen, hands, and eyes
    *("fonts-dejavu-core", "locales"),
)
LOCALES = ("de_DE", "he_IL")


def main() -> int:
    """Print where Krita is, or why there is none."""
    reason = debian_tree.why_not()
    if reason is None:
        try:
            for suite in SUITES:
                root = debian_tree.make(folder() / suite, suite, PACKAGES, LOCALES)
                say(f"root {root}")
            return 0
        except (debian_tree.CannotMakeTree, OSError) as exc:
            reason = str(exc)
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if not missing:
        say("root /")
        return 0
    say(f"no Krita here ({', '.join(missing)} not found), and {reason}")
    return CANNOT


def say(line: str) -> None:
    """Show a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def folder() -> Path:
    """Of the trees and what belongs to them."""
    named = os.environ.get(FOLDER_VARIABLE)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named).absolute() if named else Path(cache) / "clipcrop-tests" / "krita"


if __name__ == "__main__":
    sys.exit(main())
