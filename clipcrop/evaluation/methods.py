"""Methods that crop, side by side behind one small interface.

To add one, write a class with the attributes of `Method` and give it a line in `MAKERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..boxes import WHOLE_IMAGE_XYXY, area, covered, cxcywh_to_xyxy
from ..cagic.cropper import Cagic
from ..cagic.weights import load_networks
from ..composition import CompositionScorer
from ..conditioning import condition, decode, stack_texts, texts_for
from ..decoder import Decoder
from ..decoder_checkpoint import load_decoder
from ..errors import InputError
from ..grounding import GroundingOptions, ground
from ..images import LoadedImage
from ..prompt import Text, parse_prompt
from ..sight import Sight
from .crop_metrics import grid_frames
from .smart_crop import SmartCropped, is_installed

CENTRE_SIDE = 0.8
"""Sides of the centre crop, in units of the photo's; the crops that people rated best in GAICD are
.81 wide and .78 high on average."""

NOTHING = Text("nothing")
"""Stands where there is no text, so that embeddings have their width."""

COVERS = 0.999
"""A frame covers a box of which it holds this share."""


class Method(Protocol):
    """What makes crops of a photo for a text."""

    name: str
    """In tables."""

    needs_text: bool
    """Whether it can do nothing for a photo without a text."""

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """[R, 4] crops, normalised xyxy, best first, R >= 1.

        Raises:
            InputError: It cannot crop this photo, or cannot for this text.
        """


@runtime_checkable
class Judge(Protocol):
    """A method that can also say how good given crops are (SRCC, PCC, Acc K/N as in GAICD)."""

    def judge(self, photo: LoadedImage, text: str, crops_xyxy: Tensor) -> Tensor:
        """[C, 4] crops -> [C] their quality."""


@dataclass
class WholeImage:
    """No crop at all."""

    name: str = "whole image"
    needs_text: bool = False

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """See `Method`."""
        return torch.tensor([WHOLE_IMAGE_XYXY])


@dataclass
class CentreCrop:
    """A fixed share of the photo, in its middle."""

    name: str = f"centre {CENTRE_SIDE:.0%}"
    needs_text: bool = False

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """See `Method`."""
        margin = (1 - CENTRE_SIDE) / 2
        return torch.tensor([[margin, margin, 1 - margin, 1 - margin]])


@dataclass
class TowerBox:
    """The box of the token that is most like the whole text: the paper's OWL-ViT row.

    The whole image for a text that the tower knows nothing of, as for ClipCrop's union box.
    """

    sight: Sight
    needs_text: bool = True
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Named after the tower."""
        self.name = f"{self.sight.predictor.encoder.name} box"

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """See `Method`."""
        encoder, prompt = self.sight.predictor.encoder, parse_prompt(text)
        if not prompt.texts:
            return torch.tensor([WHOLE_IMAGE_XYXY])
        with torch.inference_mode():
            embeddings = encoder.encode_texts(prompt.all_texts)
            found = ground(
                self.sight(photo).tokens, embeddings, prompt, GroundingOptions.paper("main")
            )
        box_xyxy = WHOLE_IMAGE_XYXY if found.best is None else found.best.box_xyxy
        return _with_area(torch.tensor([box_xyxy]))


@dataclass
class Composition:
    """The grid frame with the best composition score, whatever the text.

    A general cropper, as the paper's row GAIC is.
    """

    sight: Sight
    scorer: CompositionScorer
    name: str = "composition"
    needs_text: bool = False

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """See `Method`."""
        frames = grid_frames(photo.width_px / photo.height_px)
        if not len(frames):
            raise InputError(
                f"no frame of GAICD's grid fits a photo of {photo.width_px} x {photo.height_px}"
            )
        quality = self.judge(photo, text, frames)
        return frames[quality.argsort(descending=True, stable=True)]

    def judge(self, photo: LoadedImage, text: str, crops_xyxy: Tensor) -> Tensor:
        """See `Judge`."""
        objects = self.sight(photo).objects_xyxy
        with torch.inference_mode():
            return self.scorer.score(crops_xyxy, objects, 0, photo.width_px / photo.height_px)


@dataclass
class Cascade:
    """Of the grid frames that cover the tower's box, the one with the best composition score.

    The paper's row GAIC + TransVG. Where none covers all of the box, those that cover the most.
    """

    tower: TowerBox
    composition: Composition
    name: str = "cascade"
    needs_text: bool = True

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """See `Method`."""
        frames = self.composition.crops(photo, text)
        share = covered(self.tower.crops(photo, text), frames)[0]  # [F]
        return frames[share >= min(COVERS, float(share.max()))]


@dataclass
class Suggested:
    """What a user gets: `Predictor.suggest` as it is."""

    sight: Sight
    name: str = "clipcrop suggest"
    needs_text: bool = False

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """See `Method`."""
        found = self.sight.predictor.suggest(self.sight(photo), text, count=10)
        return torch.tensor([crop.crop_xyxy for crop in found.crops])


@dataclass
class GradientDescent:
    """CAGIC, as the poster has it; its name says where networks are stood in for."""

    cagic: Cagic
    needs_text: bool = True
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Named after its networks."""
        self.name = self.cagic.name

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """See `Method`."""
        return _with_area(self.cagic.crops(photo, text))


@dataclass
class ClipCrop:
    """A trained decoder's crops by their quality, as in the paper: no constraints, no ranking."""

    sight: Sight
    decoder: Decoder
    name: str = "ClipCrop"
    needs_text: bool = field(init=False)

    def __post_init__(self) -> None:
        """The variant ``base`` knows no text."""
        self.needs_text = self.decoder.config.is_conditioned

    def crops(self, photo: LoadedImage, text: str) -> Tensor:
        """See `Method`."""
        tokens = self.sight(photo).tokens
        with torch.inference_mode():
            embeddings = stack_texts([self._embed(text)]).to(tokens.tokens.device)
            output = decode(self.decoder, tokens, condition(tokens, embeddings))
        order = output.scores[0].argsort(descending=True, stable=True)
        return _with_area(cxcywh_to_xyxy(output.boxes_cxcywh[0, order]).clamp(0, 1).cpu())

    def _embed(self, text: str) -> Tensor:
        """[W, E] the texts that the decoder's variant selects with; zeros select nothing."""
        encoder = self.sight.predictor.encoder
        texts: tuple[Text, ...] = ()
        if self.needs_text:
            texts = texts_for(parse_prompt(text), self.decoder.config.variant)
        return encoder.encode_texts(texts or [NOTHING]) * bool(texts)


@dataclass
class Workshop:
    """What methods are made of."""

    sight: Sight
    scorer: CompositionScorer
    decoders: dict[str, Path]
    """Name of a row -> its checkpoint."""

    device: torch.device
    """Where decoders compute: the tower's."""

    def tower(self) -> TowerBox:
        """The tower's own box."""
        return TowerBox(self.sight)

    def composition(self) -> Composition:
        """The composition score over the grid."""
        return Composition(self.sight, self.scorer)

    def cagic(self) -> GradientDescent:
        """CAGIC with the networks that are here."""
        networks = load_networks(sight=self.sight, device=str(self.device))
        return GradientDescent(Cagic(*networks))

    def clipcrops(self) -> list[Method]:
        """A method for each checkpoint."""
        encoder = self.sight.predictor.encoder
        return [
            ClipCrop(self.sight, load_decoder(path, encoder, self.device), name)
            for name, path in self.decoders.items()
        ]


MAKERS: dict[str, Callable[[Workshop], Sequence[Method]]] = {
    "whole": lambda _: [WholeImage()],
    "centre": lambda _: [CentreCrop()],
    "smartcrop": lambda _: [SmartCropped(), SmartCropped(is_square=True)],
    "tower": lambda workshop: [workshop.tower()],
    "composition": lambda workshop: [workshop.composition()],
    "cascade": lambda workshop: [Cascade(workshop.tower(), workshop.composition())],
    "cagic": lambda workshop: [workshop.cagic()],
    "suggest": lambda workshop: [Suggested(workshop.sight)],
    "clipcrop": lambda workshop: workshop.clipcrops(),
}
"""Name after ``--methods`` -> the methods that it stands for, in the order of tables."""


def what_is_lacking(names: Sequence[str], workshop: Workshop) -> dict[str, str]:
    """Name of each method that cannot be made here -> the reason and what to do, as a sentence."""
    reasons = {}
    if not workshop.decoders:
        reasons["clipcrop"] = "'clipcrop' needs a trained decoder; give --decoder FILE"
    if not is_installed():
        reasons["smartcrop"] = (
            "'smartcrop' needs a package that is not installed; run `pip install smartcrop`"
        )
    return {name: reasons[name] for name in names if name in reasons}


def make_methods(names: Sequence[str], workshop: Workshop) -> list[Method]:
    """The methods that are asked for.

    Raises:
        InputError: There is no such method, or two rows would have one name.
        CheckpointError: A decoder's file is damaged, or it was trained for another tower.
    """
    for name in names:
        if name not in MAKERS:
            raise InputError(f"no such method: {name!r}; known are {', '.join(MAKERS)}")
    methods = [method for name in dict.fromkeys(names) for method in MAKERS[name](workshop)]
    rows = [method.name for method in methods]
    if len(set(rows)) < len(rows):
        twice = next(row for row in rows if rows.count(row) > 1)
        raise InputError(f"two methods are called {twice!r}; name a decoder as NAME=FILE")
    return methods


def _with_area(boxes_xyxy: Tensor) -> Tensor:
    """The boxes that have an area; the whole image where none has."""
    boxes_xyxy = boxes_xyxy.clamp(0, 1)
    kept = boxes_xyxy[area(boxes_xyxy) > 0]
    return kept if len(kept) else torch.tensor([WHOLE_IMAGE_XYXY])
