"""What a training of the decoder is told: the paper's numbers, and ours where it gives none.

Each field's metadata has the sentence that documents it and that the command line shows. "App. B"
and "3.3" are places in the paper; what is marked "ours" it leaves open.
"""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal, get_args

from ..errors import InputError
from ..imaging.images import REDUCED_SIDE_PX

Precision = Literal["float32", "bfloat16", "float16"]
TileFilter = Literal["inside", "literal", "none"]
FilterStage = Literal["selected", "tokens"]

_CHOICES = {
    "precision": get_args(Precision),
    "tile_filter": get_args(TileFilter),
    "filter_stage": get_args(FilterStage),
}


def _means(sentence: str, least: float = 0.0, most: float = math.inf) -> dict[str, Any]:
    return {"sentence": sentence, "least": least, "most": most}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training; two with equal values and data give equal weights."""

    epochs: int = field(
        default=180, metadata=_means("passes over the photos (App. B: 180)", 1, 1_000_000)
    )
    batch_size: int = field(
        default=32,
        metadata=_means("photos a step, over all processes (App. B: 32)", 1, 65_536),
    )
    lr: float = field(
        default=1e-4, metadata=_means("learning rate at the start (App. B: 1e-4)", 0, 1)
    )
    final_lr: float = field(
        default=1e-6,
        metadata=_means("and at the end, along a cosine (App. B: 1e-6)", 0, 1),
    )
    warmup_steps: int = field(
        default=0,
        metadata=_means("steps in which it rises from nothing (ours: the paper names none)", 0),
    )
    tower_lr: float = field(
        default=0.0,
        metadata=_means(
            "starting learning rate of the encoder, falling along with the other; 0: the encoder "
            "is frozen (ours: the paper does not say; GAIC has few photos; Jia et al.: 1e-5)",
            0,
            1,
        ),
    )
    weight_decay: float = field(
        default=1e-4,
        metadata=_means("decay of weights with two axes or more, AdamW (ours: DETR's)", 0, 1),
    )
    max_grad_norm: float = field(
        default=0.1,
        metadata=_means("longer gradients are cut to this length; 0: never (ours: DETR's)", 0),
    )
    accumulate: int = field(
        default=1,
        metadata=_means(
            "parts that each process works through its share of a batch in, to save memory", 1, 4096
        ),
    )
    precision: Precision = field(
        default="float32",
        metadata=_means(
            "what the networks compute in, the encoder too: float32, bfloat16, or (CUDA only) "
            "float16; weights and losses stay float32"
        ),
    )
    mosaic_sides: tuple[int, ...] = field(
        default=(1, 2, 3),
        metadata=_means(
            "tiles along a side of a mosaic, each as likely as the others (3.3: 1,2,3; without "
            "mosaics: 1, as always for the variant base, which is not told which photo is meant)",
            1,
            8,
        ),
    )
    tile_filter: TileFilter = field(
        default="inside",
        metadata=_means(
            "initial boxes that a mosaic drops (3.3): those whose centre or half of whose area "
            "lies outside the best crop (inside), those that hold less than half of the best crop "
            "(literal: nearly all objects are smaller), or none"
        ),
    )
    filter_stage: FilterStage = field(
        default="selected",
        metadata=_means(
            "when they are dropped: after each text selected its token (3.3), so that one that "
            "selects another tile says nothing (selected), or before (tokens)"
        ),
    )
    jitter: float = field(
        default=0.3,
        metadata=_means(
            "brightness, contrast and saturation of each photo change by up to this share; hue "
            "stays, since texts name colours (App. B: colour jittering; amount ours)",
            0,
            0.9,
        ),
    )
    flip: float = field(
        default=0.5,
        metadata=_means(
            "share of photos that are mirrored, but none whose text says left or right (App. B: "
            "flipping; share ours)",
            0,
            1,
        ),
    )
    side_px: int = field(
        default=REDUCED_SIDE_PX,
        metadata=_means(
            "longer side of photos and mosaics (ours: that of photos in evaluation, no less than "
            "any encoder takes)",
            32,
            8192,
        ),
    )
    views: int = field(
        default=0,
        metadata=_means(
            "different augmented views of each photo, whose tokens are kept on disk and used again "
            "and again; 0: a new view every time, nothing kept. Needs a frozen encoder",
            0,
            100_000,
        ),
    )
    seed: int = field(default=0, metadata=_means("of everything that is random", 0, 2**31 - 1))

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with.

        Raises:
            InputError: Which field, its value, and what it may be.
        """
        for one in fields(self):
            _check(one, getattr(self, one.name))
        if self.final_lr > self.lr:
            raise InputError(
                f"the final learning rate, {self.final_lr:g}, must not be above the first, "
                f"{self.lr:g}"
            )
        if self.views and self.tower_lr:
            raise InputError(
                f"tokens cannot be kept (views {self.views}) of an encoder that is trained "
                f"(tower_lr {self.tower_lr:g}); set one of the two to 0"
            )

    def num_steps(self, num_examples: int) -> int:
        """Steps of the whole training; the last one may begin another pass."""
        return -(-num_examples * self.epochs // self.batch_size)

    def steps_per_epoch(self, num_examples: int) -> int:
        """Steps between two validations, a pass over the photos or just above."""
        return -(-num_examples // self.batch_size)

    def lr_share(self, step: int, num_steps: int) -> float:
        """Learning rate of a step, from 0 on, in units of the first one."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        progress = (step - self.warmup_steps) / max(1, num_steps - 1 - self.warmup_steps)
        lowest = self.final_lr / self.lr if self.lr else 0.0
        return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def sentence_of(one: Field[Any]) -> str:
    """What a field means."""
    sentence: str = one.metadata["sentence"]
    return sentence


def choices_of(one: Field[Any]) -> tuple[str, ...] | None:
    """The words that a field may be; None for a number."""
    return _CHOICES.get(one.name)


def _check(one: Field[Any], value: Any) -> None:
    choices = choices_of(one)
    if choices is not None:
        if value not in choices:
            raise InputError(f"no such {one.name}: {value!r}; choose {', '.join(choices)}")
        return
    least, most = one.metadata["least"], one.metadata["most"]
    numbers = value if isinstance(value, tuple) else (value,)
    if not numbers or not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{one.name} must be a finite number, got {value!r}")
    for number in numbers:
        if not least <= number <= most:
            upper = "" if math.isinf(most) else f" to {most:g}"
            raise InputError(f"{one.name} must be {least:g}{upper or ' or more'}, got {number!r}")
