"""What all our windows need before the first of them."""

from __future__ import annotations

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
gi.require_version("PangoCairo", "1.0")

from clipcrop_plugin.texts import is_right_to_left  # noqa: E402
from gi.repository import GimpUi, Gtk  # noqa: E402


def open_windows() -> None:
    """Have GIMP's own look, and the direction of our language."""
    GimpUi.init("clipcrop")
    if is_right_to_left():
        Gtk.Widget.set_default_direction(Gtk.TextDirection.RTL)
