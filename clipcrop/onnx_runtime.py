"""ONNX Runtime, imported when a network is opened, and without its telemetry."""

from __future__ import annotations

import os
from typing import Any


def import_onnxruntime() -> Any:
    """The module `onnxruntime`.

    Raises:
        ImportError: It is not installed.
    """
    # Newer versions keep an id of the machine in the user's cache, and report their use.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # noqa: TID251 - the one place

    return onnxruntime
