"""Calls the plug-in's procedures as a script does, and looks at what they leave in the image."""

from __future__ import annotations

from typing import Any

from driver import Gimp

ASK, REPEAT = "plug-in-clipcrop", "plug-in-clipcrop-repeat"
NEXT, PREVIOUS = "plug-in-clipcrop-next", "plug-in-clipcrop-previous"
APPLY = "plug-in-clipcrop-apply"

Answer = dict[str, Any]

# All that a crop must leave alone, as a text.
STRUCTURE = """
image = image_of(photo)
result = str([
    [layer.get_name(), layer.get_width(), layer.get_height(), layer.get_offsets()[1:],
     layer.get_mask() is not None] for layer in image.get_layers()
] + [one.get_name() for one in image.get_channels() + image.get_selected_layers()]
  + [image.is_dirty()])
"""

# A soft selection, as its bytes.
MASK = """
mask = image_of(photo).get_selection()
whole = Gegl.Rectangle.new(0, 0, mask.get_width(), mask.get_height())
import hashlib
data = mask.get_buffer().get(whole, 1.0, "Y float", Gegl.AbyssPolicy.NONE)
result = hashlib.sha256(bytes(data)).hexdigest()
"""


def call(gimp: Gimp, name: str, photo: int, **choices: object) -> Answer:
    """Call a procedure; its return values, or the error."""
    source = "result = call(name, image_of(photo), **choices)"
    answer = gimp.run(source, name=name, photo=photo, choices=choices)
    assert isinstance(answer, dict)
    return answer


def ask(gimp: Gimp, photo: int, **choices: object) -> Answer:
    answer = call(gimp, ASK, photo, **choices)
    assert answer["status"] == "success", answer
    return answer


def boxes(answer: Answer) -> list[list[int]]:
    return [answer["boxes"][start : start + 4] for start in range(0, len(answer["boxes"]), 4)]


def selection(gimp: Gimp, photo: int) -> list[int] | None:
    found: list[int] | None = gimp.run("result = selection(image_of(photo))", photo=photo)
    return found


def make_soft_selection(gimp: Gimp, photo: int) -> str:
    """Select a feathered ellipse; the mask's hash."""
    source = """
image = image_of(photo)
image.select_ellipse(Gimp.ChannelOps.REPLACE, 100, 60, 200, 300)
Gimp.Selection.feather(image, 20)
"""
    gimp.run(source + MASK, photo=photo)
    return str(gimp.run(MASK, photo=photo))
