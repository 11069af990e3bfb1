"""Krita's own store for a plug-in's notes: its settings."""

from __future__ import annotations

from clipcrop_plugin.memory import Memory
from krita import Krita

GROUP = "clipcrop"


class Settings:
    """See `clipcrop_plugin.memory.Notes`."""

    def read(self, name: str) -> str:
        """See `Notes`."""
        return str(Krita.instance().readSetting(GROUP, name, "") or "")

    def write(self, name: str, text: str) -> None:
        """See `Notes`."""
        Krita.instance().writeSetting(GROUP, name, text)


memory = Memory(Settings())
