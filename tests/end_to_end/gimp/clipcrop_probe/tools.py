"""What a test's Python inside GIMP has at hand: all of these names."""

from __future__ import annotations

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")
from gi.repository import Gegl, Gimp, Gio, GLib, GObject  # noqa: E402, F401 - versions come first

RGB, GRAY, INDEXED = Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY, Gimp.ImageBaseType.INDEXED


def load(path):
    """Open a file, without a window."""
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(path)))


def image_of(number):
    """An open image by its number."""
    return Gimp.Image.get_by_id(number)


def selection(image):
    """x, y, width, height; None with nothing selected."""
    _, is_some, x1, y1, x2, y2 = Gimp.Selection.bounds(image)
    return [x1, y1, x2 - x1, y2 - y1] if is_some else None


def guides(image):
    """[orientation, position] of each guide."""
    found, guide = [], image.find_next_guide(0)
    while guide:
        found.append(
            [image.get_guide_orientation(guide).value_nick, image.get_guide_position(guide)]
        )
        guide = image.find_next_guide(guide)
    return sorted(found)


def call(name, image, is_last=False, **values):
    """Call a procedure of ours; its return values, or the error's sentence."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    assert procedure is not None, f"no procedure {name}"
    config = procedure.create_config()
    mode = Gimp.RunMode.WITH_LAST_VALS if is_last else Gimp.RunMode.NONINTERACTIVE
    config.set_property("run-mode", mode)
    config.set_property("image", image)
    for key, value in values.items():
        config.set_property(key.replace("_", "-"), value)
    got = procedure.run(config)
    status = got.index(0)
    if status != Gimp.PDBStatusType.SUCCESS:
        return {"status": status.value_nick, "error": Gimp.get_pdb().get_last_error()}
    specs = procedure.get_return_values()
    values = {
        spec.get_name(): plain(spec.value_type, got.index(index))
        for index, spec in enumerate(specs, 1)
    }
    return {"status": status.value_nick, **values}


def plain(kind, value):
    """What JSON can hold."""
    if kind == Gimp.Image.__gtype__:
        return None if value is None else value.get_id()
    if kind == Gimp.Int32Array.__gtype__:
        return Gimp.value_get_int32_array(GObject.Value(kind, value))
    if kind == Gimp.DoubleArray.__gtype__:
        return Gimp.value_get_double_array(GObject.Value(kind, value))
    return value
