"""What is looked at before a training starts, so that none fails in its third hour."""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm

from ..datasets import Example
from ..decoder.network import DecoderVariant
from ..errors import InputError
from ..imaging.images import load_image
from ..prompt.parser import check_prompt

_SMALL_PX = 64  # JPEGs are decoded at an eighth, which reads all of the file in little time


def with_text(examples: Sequence[Example], variant: DecoderVariant) -> list[Example]:
    """Those examples that a decoder of a variant can learn from; ``base`` needs no text."""
    return [
        one
        for one in examples
        if variant == "base" or one.query_image is not None or one.text.strip()
    ]


def check_examples(examples: Sequence[Example], *, show_progress: bool = False) -> None:
    """Read every photo, crop and text once.

    Args:
        examples: What is trained and validated on.
        show_progress: Show a bar on the terminal.

    Raises:
        InputError: The first mistake, with file and line, and how many more there are.
    """
    if not examples:
        raise InputError(
            "no example to train on; name data with a part for training, and --texts where it has "
            "none (only the variant base needs no text)"
        )
    progress = tqdm(examples, desc="reading the data", unit="photo", disable=not show_progress)
    mistakes = [mistake for one in progress if (mistake := _mistake(one))]
    if mistakes:
        more = f"; {len(mistakes) - 1} more examples have mistakes" if len(mistakes) > 1 else ""
        raise InputError(mistakes[0] + more)


def _mistake(example: Example) -> str:
    where = f"{example.source}: " if example.source else ""
    try:
        loaded = load_image(example.photo, _SMALL_PX)
        if example.query_image is not None:
            load_image(example.query_image, _SMALL_PX)
        check_prompt(example.text)
    except InputError as exc:
        return f"{where}{exc}"
    size_px = example.size_px or (loaded.width_px, loaded.height_px)
    crops_xyxy = example.crops_xyxy(size_px)
    if not len(crops_xyxy):
        return f"{where}no crop of {str(example.photo)!r}; every example needs one"
    is_empty = (crops_xyxy[:, 2:] <= crops_xyxy[:, :2]).any(axis=1)
    if is_empty.any():
        crop = example.crops[int(is_empty.argmax())]
        return (
            f"{where}the crop {[round(side, 1) for side in crop.box_xyxy_px]} lies outside of the "
            f"photo, which has {size_px[0]} x {size_px[1]} pixels"
        )
    return ""
