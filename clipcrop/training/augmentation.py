"""One photo, looked at differently: mirrored, in other light.

What must not change is what was asked for and how good a crop is. So nothing is turned upside down
(heads belong up), and no photo is mirrored whose text says left or right.
"""

from __future__ import annotations

import random
import re

from PIL import Image, ImageEnhance
from torch import Tensor

_SIDES = re.compile(r"\b(left|right)", re.IGNORECASE)
_LIGHT = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def may_mirror(text: str) -> bool:
    """Whether a text is as true of the mirrored photo.

    Words are not exchanged instead: "right behind" has nothing to do with sides.
    """
    return _SIDES.search(text) is None


def mirror(image: Image.Image) -> Image.Image:
    """Left becomes right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def mirror_boxes(boxes_xyxy: Tensor) -> Tensor:
    """[..., 4] -> [..., 4] the same boxes in the mirrored image."""
    x0, y0, x1, y1 = boxes_xyxy.unbind(-1)
    mirrored = boxes_xyxy.clone()
    mirrored[..., 0], mirrored[..., 2] = 1 - x1, 1 - x0
    mirrored[..., 1], mirrored[..., 3] = y0, y1
    return mirrored


def jitter_colours(image: Image.Image, amount: float, draw: random.Random) -> Image.Image:
    """Change brightness, contrast and saturation by up to a share, in any order."""
    if not amount:
        return image
    for enhance in draw.sample(_LIGHT, k=len(_LIGHT)):
        image = enhance(image).enhance(1 + amount * draw.uniform(-1, 1))
    return image
