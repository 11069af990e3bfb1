"""Every kind of item that there is, and what undoes it."""

from __future__ import annotations

from collections.abc import Mapping

from .login.step import login_kinds
from .undo import FILES, Undo


def all_kinds() -> Mapping[str, Undo]:
    """Kind -> what undoes it."""
    return {**FILES, **login_kinds()}
