"""A fake clock on the wall: with this folder in ``PYTHONPATH`` a test can set it.

The file that ``CLIPCROP_FAKE_CLOCK`` names holds how many seconds it is ahead. What does not follow
it, the steady clock, is left alone, as it is when the real clock is set.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_real_time, _real_time_ns = time.time, time.time_ns
_offset = Path(os.environ["CLIPCROP_FAKE_CLOCK"])


def _offset_s() -> float:
    return float(_offset.read_text(encoding="ascii") or "0")


time.time = lambda: _real_time() + _offset_s()
time.time_ns = lambda: _real_time_ns() + int(1e9 * _offset_s())
