"""What a check has found, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..manifest import Manifest
from ..places import Places
from ..plan import Context
from ..programs import Environment

Verdict = Literal["ok", "warning", "problem"]

INSTALL = "run install again"
"""What puts most things right."""


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis."""

    verdict: Verdict

    about: str
    """Such as "environment"."""

    text: str
    """What is so, in a sentence."""

    advice: str = ""
    """What to do; empty where nothing need be done."""

    details: tuple[str, ...] = ()
    """For the report only, such as lines of a log."""


@dataclass(frozen=True)
class Inspected:
    """What is looked at."""

    context: Context
    places: Places
    manifest: Manifest

    environment: Environment | None
    """None: there is none, or its Python is gone."""


Check = Callable[[Inspected], list[Finding]]
"""Looks at one thing. It may raise OSError or InstallError, which becomes a finding."""
