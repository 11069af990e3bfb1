#!/usr/bin/env python3
"""Crops by description, in GIMP 3: the program that GIMP starts.

One process, as long as GIMP runs: it keeps the way to the daemon, the suggestions of each image,
and the panels. It imports little before GIMP has gone on; the rest comes with the first call.
"""

from __future__ import annotations

import sys
from typing import Any

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")
from gi.repository import Gimp, GLib  # noqa: E402 - versions come first
from gimp_shell import procedures  # noqa: E402

STAYS = "clipcrop-stays"


class ClipCrop(Gimp.PlugIn):
    """Declares one procedure, which GIMP calls when it starts and which declares the others."""

    def do_query_procedures(self) -> list[str]:
        """Its name."""
        return [STAYS]

    def do_set_i18n(self, name: str) -> bool:
        """Translations are our own."""
        return False

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        """Say what it is."""
        procedure = Gimp.Procedure.new(self, name, Gimp.PDBProcType.PERSISTENT, self.stay, None)
        procedure.set_documentation("Keeps ClipCrop ready", None, name)
        procedure.set_attribution("ClipCrop contributors", "ClipCrop contributors", "2026")
        return procedure

    def stay(self, procedure: Gimp.Procedure, config: Any, data: Any) -> Gimp.ValueArray:
        """Declare the others, and live."""
        procedures.declare(self)
        procedure.persistent_ready()
        self.persistent_enable()
        GLib.MainLoop().run()
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


Gimp.main(ClipCrop.__gtype__, sys.argv)
