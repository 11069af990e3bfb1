#!/usr/bin/env python3
"""Crops by description, in GIMP 3: the program that GIMP starts for a call.

GIMP knows the procedures from its own cache, so its start costs nothing. The first call that opens
a panel stays, and serves the menu's later ones; see `gimp_shell.resident`.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")
from gi.repository import Gimp  # noqa: E402 - versions come first
from gimp_shell import procedures, resident  # noqa: E402


class ClipCrop(Gimp.PlugIn):
    """Declares the procedures."""

    def do_query_procedures(self) -> list[str]:
        """Their names."""
        return list(procedures.NAMES)

    def do_set_i18n(self, name: str) -> bool:
        """Translations are our own."""
        return False

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        """Say what one of them is."""
        return procedures.new(self, name, resident.entry(self, name))


Gimp.main(ClipCrop.__gtype__, sys.argv)
