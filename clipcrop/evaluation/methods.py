"""Methods that crop, side by side behind one small interface.

To add one, write a class with the attributes of `Method` and give it a line in `MAKERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..arrays import FloatArray, descending
from ..boxes import WHOLE_IMAGE_XYXY, area, as_boxes, clip_to_image, coverage
from ..composing.composition import CompositionScorer
from ..device import choose_device
from ..errors import InputError
from ..extras import has_extra, install_command
from ..grounding import GroundingOptions, ground
from ..imaging.images import LoadedImage
from ..predictor import CachedEncoder
from ..prompt.paper import paper_prompt
from ..prompt.parser import Text
from .crop_metrics import grid_frames
from .smart_crop import SmartCropped, is_installed

if TYPE_CHECKING:
    from ..cagic.cropper import Cagic
    from ..decoder.network import Decoder

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

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """[R, 4] crops, normalised xyxy, best first, R >= 1.

        Raises:
            InputError: It cannot crop this photo, or cannot for this text.
        """


@runtime_checkable
class Judge(Protocol):
    """A method that can also say how good given crops are (SRCC, PCC, Acc K/N as in GAICD)."""

    def judge(self, photo: LoadedImage, text: str, crops_xyxy: FloatArray) -> FloatArray:
        """[C, 4] crops -> [C] their quality."""


@dataclass
class WholeImage:
    """No crop at all."""

    name: str = "whole image"
    needs_text: bool = False

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        return as_boxes(WHOLE_IMAGE_XYXY)


@dataclass
class CentreCrop:
    """A fixed share of the photo, in its middle."""

    name: str = f"centre {CENTRE_SIDE:.0%}"
    needs_text: bool = False

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        margin = (1 - CENTRE_SIDE) / 2
        return as_boxes([margin, margin, 1 - margin, 1 - margin])


@dataclass
class EncoderBox:
    """The box of the token that is most like the whole text: the paper's OWL-ViT row.

    The whole image for a text that the encoder knows nothing of, as for ClipCrop's union box.
    """

    cached_encoder: CachedEncoder
    needs_text: bool = True
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Named after the encoder."""
        self.name = f"{self.cached_encoder.predictor.encoder.name} box"

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        encoder, prompt = self.cached_encoder.predictor.encoder, paper_prompt(text)
        if not prompt.texts:
            return as_boxes(WHOLE_IMAGE_XYXY)
        embeddings = encoder.encode_texts(prompt.all_texts)
        found = ground(
            self.cached_encoder(photo).tokens, embeddings, prompt, GroundingOptions.paper("main")
        )
        box_xyxy = WHOLE_IMAGE_XYXY if found.best is None else found.best.box_xyxy
        return _with_area(as_boxes(box_xyxy))


@dataclass
class Composition:
    """The grid frame with the best composition score, whatever the text.

    A general cropper, as the paper's row GAIC is.
    """

    cached_encoder: CachedEncoder
    scorer: CompositionScorer
    name: str = "composition"
    needs_text: bool = False

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        frames = grid_frames(photo.width_px / photo.height_px)
        if not len(frames):
            raise InputError(
                f"no frame of GAICD's grid fits a photo of {photo.width_px} x {photo.height_px}"
            )
        quality = self.judge(photo, text, frames)
        return frames[descending(quality)]

    def judge(self, photo: LoadedImage, text: str, crops_xyxy: FloatArray) -> FloatArray:
        """See `Judge`."""
        objects = self.cached_encoder(photo).objects_xyxy
        return self.scorer.score(crops_xyxy, objects, 0, photo.width_px / photo.height_px)


@dataclass
class Cascade:
    """Of the grid frames that cover the encoder's box, the one with the best composition score.

    The paper's row GAIC + TransVG. Where none covers all of the box, those that cover the most.
    """

    encoder_box: EncoderBox
    composition: Composition
    name: str = "cascade"
    needs_text: bool = True

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        frames = self.composition.crops(photo, text)
        share = coverage(self.encoder_box.crops(photo, text), frames)[0]  # [F]
        result: FloatArray = frames[share >= min(COVERS, float(share.max()))]
        return result


@dataclass
class Suggested:
    """What a user gets: `Predictor.suggest` as it is."""

    cached_encoder: CachedEncoder
    name: str = "clipcrop suggest"
    needs_text: bool = False

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        found = self.cached_encoder.predictor.suggest(self.cached_encoder(photo), text, count=10)
        return as_boxes([crop.crop_xyxy for crop in found.crops])


@dataclass
class GradientDescent:
    """CAGIC, as the poster has it; its name says where networks are stood in for."""

    cagic: Cagic
    needs_text: bool = True
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Named after its networks."""
        self.name = self.cagic.name

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        return _with_area(self.cagic.crops(photo, text))


@dataclass
class ClipCrop:
    """A trained decoder's crops by their quality, as in the paper: no constraints, no ranking."""

    cached_encoder: CachedEncoder
    decoder: Decoder
    name: str = "ClipCrop"
    needs_text: bool = field(init=False)

    def __post_init__(self) -> None:
        """The variant ``base`` knows no text."""
        self.needs_text = self.decoder.config.is_conditioned

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        from ..decoder.conditioning import paper_crops

        return _with_area(
            paper_crops(self.decoder, self.cached_encoder(photo).tokens, self._embed(text))
        )

    def _embed(self, text: str) -> FloatArray:
        """[W, E] the texts that the decoder's variant selects with; zeros select nothing."""
        from ..decoder.conditioning import texts_for

        encoder = self.cached_encoder.predictor.encoder
        texts: tuple[Text, ...] = ()
        if self.needs_text:
            texts = texts_for(paper_prompt(text), self.decoder.config.variant)
        return encoder.encode_texts(texts or [NOTHING]) * bool(texts)


@dataclass
class MethodFactory:
    """What methods are made of."""

    cached_encoder: CachedEncoder
    scorer: CompositionScorer
    decoders: dict[str, Path]
    """Name of a row -> its checkpoint."""

    device: str
    """Where decoders compute, as `clipcrop.device.choose_device` takes it."""

    def encoder_box(self) -> EncoderBox:
        """The encoder's own box."""
        return EncoderBox(self.cached_encoder)

    def composition(self) -> Composition:
        """The composition score over the grid."""
        return Composition(self.cached_encoder, self.scorer)

    def cagic(self) -> GradientDescent:
        """CAGIC with the networks that are here."""
        from ..cagic.cropper import Cagic
        from ..cagic.weights import load_networks

        networks = load_networks(cached_encoder=self.cached_encoder, device=self.device)
        return GradientDescent(Cagic(*networks))

    def clipcrops(self) -> list[Method]:
        """A method for each checkpoint."""
        if not self.decoders:
            return []
        from ..decoder.checkpoint import load_decoder

        encoder, device = self.cached_encoder.predictor.encoder, choose_device(self.device)
        return [
            ClipCrop(self.cached_encoder, load_decoder(path, encoder, device), name)
            for name, path in self.decoders.items()
        ]


MAKERS: dict[str, Callable[[MethodFactory], Sequence[Method]]] = {
    "whole": lambda _: [WholeImage()],
    "centre": lambda _: [CentreCrop()],
    "smartcrop": lambda _: [SmartCropped(), SmartCropped(is_square=True)],
    "tower": lambda factory: [factory.encoder_box()],
    "composition": lambda factory: [factory.composition()],
    "cascade": lambda factory: [Cascade(factory.encoder_box(), factory.composition())],
    "cagic": lambda factory: [factory.cagic()],
    "suggest": lambda factory: [Suggested(factory.cached_encoder)],
    "clipcrop": lambda factory: factory.clipcrops(),
}
"""Name after ``--methods`` -> the methods that it stands for, in the order of tables."""


def missing_requirements(names: Sequence[str], factory: MethodFactory) -> dict[str, str]:
    """Name of each method that cannot be made here -> the reason and what to do, as a sentence."""
    reasons = {}
    if not factory.decoders:
        reasons["clipcrop"] = "'clipcrop' needs a trained decoder; give --decoder FILE"
    if not is_installed():
        reasons["smartcrop"] = (
            "'smartcrop' needs a package that is not installed; run `pip install smartcrop`"
        )
    if not has_extra("owlvit"):
        for name in ("cagic", "clipcrop"):
            reasons[name] = (
                f"{name!r} needs PyTorch, which is not installed; run `{install_command('owlvit')}`"
            )
    return {name: reasons[name] for name in names if name in reasons}


def make_methods(names: Sequence[str], factory: MethodFactory) -> list[Method]:
    """The methods that are asked for.

    Raises:
        InputError: There is no such method, or two rows would have one name.
        CheckpointError: A decoder's file is damaged, or it was trained for another encoder.
    """
    for name in names:
        if name not in MAKERS:
            raise InputError(f"no such method: {name!r}; known are {', '.join(MAKERS)}")
    methods = [method for name in dict.fromkeys(names) for method in MAKERS[name](factory)]
    rows = [method.name for method in methods]
    if len(set(rows)) < len(rows):
        twice = next(row for row in rows if rows.count(row) > 1)
        raise InputError(f"two methods are called {twice!r}; name a decoder as NAME=FILE")
    return methods


def _with_area(boxes_xyxy: FloatArray) -> FloatArray:
    """The boxes that have an area; the whole image where none has."""
    boxes_xyxy = clip_to_image(boxes_xyxy)
    kept = boxes_xyxy[area(boxes_xyxy) > 0]
    return kept if len(kept) else as_boxes(WHOLE_IMAGE_XYXY)
