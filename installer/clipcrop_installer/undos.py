"""Every kind of item that there is, and what undoes it."""

from __future__ import annotations

from collections.abc import Mapping

from . import undo
from .login import step as login


def undos() -> Mapping[str, undo.Undo]:
    """Kind -> what undoes it."""
    return {**undo.FILES, **login.undos()}
