"""``python3 tests/end_to_end/gimp/setup.py``: a GIMP 3 to test with, ready to be used.

The machine's own GIMP 3 is taken if it has one, and all that the tests need beside it. Else root
gets one in a tree of Debian trixie: one to two minutes the first time, then nothing. The tree is in
the folder that CLIPCROP_TEST_GIMP names, by default ``clipcrop-tests/gimp`` in the user's cache;
delete it to be rid of it.

The last line of its output is the root of the tree, or ``/``. Where there can be none it is the
reason, and the exit code is 3.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "editors"))

import debian_tree

FOLDER_VARIABLE = "CLIPCROP_TEST_GIMP"
CANNOT = 3
NEEDED = ("gimp", "gimp-console", "Xvfb", "openbox", "xdotool", "xwininfo", "import")
PACKAGES = (
    *("gimp", "python3-gi", "gir1.2-gimp-3.0"),
    *("xvfb", "openbox", "xdotool", "x11-utils", "imagemagick"),  # a screen, hands, and eyes
    *("fonts-dejavu-core", "adwaita-icon-theme", "librsvg2-common", "locales"),
)
LOCALES = ("de_DE", "he_IL", "ar_EG", "fa_IR")


def main() -> int:
    """Print where GIMP is, or why there is none."""
    if has_its_own():
        say("/")
        return 0
    reason = debian_tree.why_not()
    if reason is None:
        try:
            say(str(debian_tree.make(folder(), "trixie", PACKAGES, LOCALES)))
            return 0
        except (debian_tree.CannotMakeTree, OSError) as exc:
            reason = str(exc)
    say(f"no GIMP 3 here ({', '.join(missing())} not found), and {reason}")
    return CANNOT


def say(line: str) -> None:
    """Show a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def folder() -> Path:
    """Of the tree and what belongs to it."""
    named = os.environ.get(FOLDER_VARIABLE)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named).absolute() if named else Path(cache) / "clipcrop-tests" / "gimp"


def missing() -> list[str]:
    """Programs that this machine would need to do without a tree."""
    return [name for name in NEEDED if shutil.which(name) is None]


def has_its_own() -> bool:
    """Whether the machine's GIMP is version 3, and can be driven."""
    if missing():
        return False
    version = subprocess.run(["gimp-console", "--version"], capture_output=True, text=True).stdout
    return version.split()[-1:] != [] and version.split()[-1].startswith("3.")


if __name__ == "__main__":
    sys.exit(main())
