"""Waiting for what no event tells of."""

from __future__ import annotations

import time

PATIENCE_S = 120.0
"""Only a test that fails waits so long; a busy machine takes many times what an idle one does."""

_STEP_S = 0.01


def wait_until(is_so, patience_s=PATIENCE_S):
    """Call ``is_so`` until it returns something true, which is returned; fail after a time."""
    deadline = time.monotonic() + patience_s
    while True:
        found = is_so()
        if found:
            return found
        assert time.monotonic() < deadline, f"it did not happen in {patience_s:g} s"
        time.sleep(_STEP_S)
