"""A fake daemon as a program of its own: ``python fake_daemon_program.py FOLDER``.

What a plug-in starts in tests. It lives until it is killed, or for a minute.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

# A plug-in takes PYTHONPATH out of the environment of what it starts.
sys.path[:0] = [str(Path(__file__).parents[2] / "daemon")]

from fake_daemon import FakeDaemon  # noqa: E402 - see above

if __name__ == "__main__":
    running = FakeDaemon(Path(sys.argv[1]))
    time.sleep(60)
    running.stop()
