"""Colours: the one a text asks for, and how much of each a box holds.

Rules on hue, saturation and value, nothing learned. Eleven names, the basic colour terms of
English (Berlin and Kay, 1969).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..prompt.parser import Text

COLOURS = (
    *("black", "white", "grey", "red", "orange", "yellow"),
    *("green", "blue", "purple", "pink", "brown"),
)
"""In the order of `colour_shares`."""

COLOUR_WORDS = {colour: colour for colour in COLOURS} | {
    **dict.fromkeys(("gray", "silver", "silvery", "ash", "charcoal", "slate"), "grey"),
    **dict.fromkeys(("ivory", "snowy", "snow-white", "pale-skinned", "cream"), "white"),
    **dict.fromkeys(("ebony", "jet-black", "blackish", "pitch-black"), "black"),
    **dict.fromkeys(("crimson", "scarlet", "ruby", "maroon", "burgundy", "reddish"), "red"),
    **dict.fromkeys(("ginger", "tangerine", "amber", "peach", "apricot"), "orange"),
    **dict.fromkeys(("golden", "gold", "blond", "blonde", "lemon", "mustard"), "yellow"),
    **dict.fromkeys(("lime", "olive", "emerald", "khaki", "greenish", "mint"), "green"),
    **dict.fromkeys(("navy", "azure", "cyan", "turquoise", "teal", "indigo", "bluish"), "blue"),
    **dict.fromkeys(("violet", "lilac", "lavender", "mauve", "plum"), "purple"),
    **dict.fromkeys(("magenta", "fuchsia", "rosy", "salmon", "pinkish"), "pink"),
    **dict.fromkeys(("tan", "beige", "bronze", "chestnut", "hazel", "brunette"), "brown"),
}
"""Word -> its basic colour."""

ONLY_BY_NAME = frozenset({"white wine", "red wine", "black coffee", "white bread", "brown bread"})
"""Said of the kind of thing; the thing itself looks otherwise."""

CENTRE_SHARE = 0.6
"""Of a box's width and height: its corners show what is behind the thing."""

GRID = 16
"""Pixels looked at along each side of that part."""

BLACK_VALUE, DARK_VALUE = 0.18, 0.30
"""Darker than the first is black whatever the hue; than the second, if it has little colour."""

GREY_SATURATION, WHITE_VALUE = 0.16, 0.78
"""Below that saturation a pixel is white if at least that bright, else grey (or black)."""

BROWN_VALUE, VIVID_SATURATION = 0.70, 0.60
"""Between red and yellow: brown below that value, or below that saturation; else orange."""

PINK_SATURATION, PINK_VALUE = 0.55, 0.60
"""A red paler than that saturation and at least that bright is pink."""

HUES_DEG = {"red": 12, "orange": 42, "yellow": 70, "green": 165, "blue": 258, "purple": 298}
"""Where each hue ends, going up from red at 0; above purple lies pink, from 345 on red again."""

SECOND_RED_DEG = 345

MAX_WORDS_WITHOUT_GRAMMAR = 4
"""A longer text without a known head says too much else for its colour to be trusted."""

NEIGHBOURS = {
    "white": ("grey",),
    "grey": ("white", "black"),
    "orange": ("brown",),
    "brown": ("orange",),
    "yellow": ("orange", "brown"),
    "purple": ("blue", "pink"),
    "pink": ("purple", "red"),
    "red": ("pink", "orange"),
}
"""What people also call by that name: a ginger cat in the shade measures brown."""

NEIGHBOUR_WEIGHT = 0.5


def colour_of(text: Text) -> str | None:
    """The basic colour that a text gives its head; None without one, or with several.

    "The dog on the red couch" asks for no colour of the dog.
    """
    words = re.findall(r"[a-z]+(?:-[a-z]+)*", text.text.lower())
    if any(name in " ".join(words) for name in ONLY_BY_NAME):
        return None
    said = text.modifiers
    if not text.head:  # without the grammar: the words before the last one
        said = tuple(words[:-1]) if len(words) <= MAX_WORDS_WITHOUT_GRAMMAR else ()
    found: set[str] = set()
    for word in map(str.lower, said):
        parts = word.split("-")
        if word in COLOUR_WORDS:
            found.add(COLOUR_WORDS[word])
        elif parts[-1] in COLOUR_WORDS:  # "dark-red" is a colour, "red-haired" is none
            found.update(COLOUR_WORDS[part] for part in parts if part in COLOUR_WORDS)
    return found.pop() if len(found) == 1 else None


def name_colours(rgb: NDArray[np.uint8]) -> IntArray:
    """The colour of each pixel.

    Args:
        rgb: [..., 3] uint8.

    Returns:
        [...] int64, indexes into COLOURS.
    """
    pixels = np.ascontiguousarray(np.moveaxis(rgb, -1, 0), np.float32) / 255
    red, green, blue = pixels
    value = np.maximum(np.maximum(red, green), blue)  # much faster than a maximum over three
    chroma = value - np.minimum(np.minimum(red, green), blue)
    saturation = chroma / np.maximum(value, 1e-6)
    safe = np.maximum(chroma, 1e-6)
    hue = np.where(
        value == red,
        (green - blue) / safe % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    names = (*HUES_DEG, "pink", "red")
    by_hue = np.array([COLOURS.index(name) for name in names])
    ends = np.array([*HUES_DEG.values(), SECOND_RED_DEG], np.float32)
    colours: IntArray = by_hue[np.searchsorted(ends, hue * 60, side="right")]

    def paint(where: NDArray[np.bool_], name: str) -> None:
        colours[where] = COLOURS.index(name)

    is_red, is_orange = colours == COLOURS.index("red"), colours == COLOURS.index("orange")
    paint(is_orange & ((value < BROWN_VALUE) | (saturation < VIVID_SATURATION)), "brown")
    paint(is_red & (saturation < PINK_SATURATION) & (value >= PINK_VALUE), "pink")
    paint(is_red & (saturation < PINK_SATURATION) & (value < PINK_VALUE), "brown")
    pale = saturation < GREY_SATURATION
    paint(pale, "grey")
    paint(pale & (value >= WHITE_VALUE), "white")
    paint(value < BLACK_VALUE, "black")
    paint((value < DARK_VALUE) & (saturation < 2 * GREY_SATURATION), "black")
    return colours


def colour_shares(rgb: NDArray[np.uint8], boxes_xyxy: FloatArray) -> FloatArray:
    """How much of each box's central part has each colour.

    Args:
        rgb: [H, W, 3] uint8.
        boxes_xyxy: [K, 4] normalised; what lies outside the image counts as its edge.

    Returns:
        [K, 11] shares in the order of COLOURS; each row sums to 1.
    """
    height, width, _ = rgb.shape
    steps = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
    along = (1 - CENTRE_SHARE) / 2 + CENTRE_SHARE * steps  # [G] in 0..1 of the box
    x = boxes_xyxy[:, 0:1] + (boxes_xyxy[:, 2:3] - boxes_xyxy[:, 0:1]) * along  # [K, G]
    y = boxes_xyxy[:, 1:2] + (boxes_xyxy[:, 3:4] - boxes_xyxy[:, 1:2]) * along
    column = np.clip((x * width).astype(np.int64), 0, width - 1)
    row = np.clip((y * height).astype(np.int64), 0, height - 1)
    # The whole picture is smaller than all points of all boxes.
    colours = name_colours(rgb)[row[:, :, None], column[:, None, :]]  # [K, G, G]
    bins = colours + len(COLOURS) * np.arange(len(boxes_xyxy))[:, None, None]
    counts = np.bincount(bins.ravel(), minlength=len(boxes_xyxy) * len(COLOURS))
    return (counts.reshape(-1, len(COLOURS)) / GRID**2).astype(np.float32)


def colour_match(shares: FloatArray, colour: str) -> FloatArray:
    """How well boxes fit a colour.

    Args:
        shares: [K, 11] from `colour_shares`.
        colour: one of COLOURS, as `colour_of` returns it.

    Returns:
        [K] 0 to 1: the share of that colour, and half the share of those that are taken for it.
    """
    match = shares[:, COLOURS.index(colour)].copy()
    for neighbour in NEIGHBOURS.get(colour, ()):
        match += np.float32(NEIGHBOUR_WEIGHT) * shares[:, COLOURS.index(neighbour)]
    result: FloatArray = match
    return result
