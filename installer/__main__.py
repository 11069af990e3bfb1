"""``python3 installer COMMAND``, on a Python with nothing installed.

Python puts this folder first on the path, so ``clipcrop_installer`` is found beside this file, and
``clipcrop_wire`` in the daemon's folder.
"""

import sys
from pathlib import Path

from clipcrop_installer.old_python import refuse_old_python

refuse_old_python()

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "daemon"))

from clipcrop_installer.cli import main  # noqa: E402 - its syntax needs the Python checked above

sys.exit(main())
