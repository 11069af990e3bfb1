"""What all our windows need before the first of them."""

from __future__ import annotations

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")

from gi.repository import Gdk, GimpUi, Gtk  # noqa: E402

from clipcrop_plugin.texts import is_right_to_left  # noqa: E402

# The chosen suggestion, which GIMP's themes tell from the others by a shade only.
_STYLE = b"""
#clipcrop-list row:selected { box-shadow: inset 4px 0 0 rgb(53, 132, 228); }
#clipcrop-list row:dir(rtl):selected { box-shadow: inset -4px 0 0 rgb(53, 132, 228); }
"""


def open_windows() -> None:
    """Have GIMP's own look, and the direction of our language."""
    GimpUi.init("clipcrop")
    style = Gtk.CssProvider()
    style.load_from_data(_STYLE)
    priority = Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION
    Gtk.StyleContext.add_provider_for_screen(Gdk.Screen.get_default(), style, priority)
    if is_right_to_left():
        Gtk.Widget.set_default_direction(Gtk.TextDirection.RTL)
