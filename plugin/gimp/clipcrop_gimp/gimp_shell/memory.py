"""GIMP's own store for a plug-in's notes: parasites."""

from __future__ import annotations

from gi.repository import Gimp

from clipcrop_plugin.memory import Memory


class Parasites:
    """See `clipcrop_plugin.memory.Notes`."""

    def read(self, name: str) -> str:
        """See `Notes`."""
        parasite = Gimp.get_parasite(name)
        return "" if parasite is None else bytes(parasite.get_data()).decode("ascii", "replace")

    def write(self, name: str, text: str) -> None:
        """See `Notes`."""
        data = list(text.encode("ascii"))
        Gimp.attach_parasite(Gimp.Parasite.new(name, Gimp.PARASITE_PERSISTENT, data))


memory = Memory(Parasites())
