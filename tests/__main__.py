"""``python3 tests [PYTEST ARGUMENTS]``: every check that can run on this machine, on a bare Python.

Python puts this folder first on the path, so ``checks`` is found beside this file.
"""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "installer"), str(CHECKOUT / "daemon")]

from clipcrop_installer.old_python import refuse_old_python  # noqa: E402 - on the path just added

refuse_old_python()

from checks import main  # noqa: E402 - its syntax needs the Python checked above

sys.exit(main(CHECKOUT, sys.argv[1:]))
