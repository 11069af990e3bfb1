"""Images and prompts in, suggestions out: the only border between pixels and arrays.

predictor = Predictor.load()
encoded = predictor.encode(Image.open("photo.jpg"))      # once an image
suggestions = predictor.suggest(encoded, "the woman and her dogs")
squares = predictor.suggest(encoded, "her dogs", constraints=Constraints(aspect=1.0))
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .arrays import FloatArray, largest
from .boxes import area, as_boxes, clip_to_image, cxcywh_to_xyxy, non_maximum_suppression
from .composing.composition import CompositionScorer
from .composing.prompted_constraints import at_least, obey, with_room
from .composing.ranking import NO_SURROUNDINGS, Proposals, Ranking, Surroundings, rank
from .constraints import Constraints
from .device import choose_device, memory_errors_named
from .encoders import load_encoder
from .encoders.base import CloserEncoder, Encoder, ImageTokens
from .extras import has_extra, require_extra
from .grounding import Grounding, GroundingOptions, Variant, ground_closely
from .imaging.images import LoadedImage, prepare_image
from .prompt.instructions import Side
from .prompt.paper import paper_prompt
from .prompt.parser import IMAGE_QUERY, Prompt, Text, parse_prompt
from .suggestions import Detection, Suggestion, Suggestions, Understood
from .weights.decoders import find_decoder

if TYPE_CHECKING:
    from .decoder.network import Decoder

logger = logging.getLogger(__name__)

DEFAULT_COUNT = 8
"""Suggestions for a prompt unless told otherwise."""

MAX_OBJECTS = 10
"""Objects of the image that the composition score looks at, as many as it was trained with."""

MIN_SHARE = 0.1
"""Crops that leave out what is excluded take this share of the photo at least, by default."""

_OBJECT_POOL = 200  # best tokens, among which the objects are looked for
_OBJECT_MAX_IOU = 0.5
_MIN_OBJECTNESS = 0.1

_FACE = Text("face", head="face")
_BYSTANDERS = (Text("person", head="person"), Text("animal", head="animal"))
_MIN_SURROUNDING_SCORE = 0.3
_MAX_SURROUNDINGS = 12  # of each kind


@dataclass(frozen=True)
class EncodedImage:
    """An image as the encoder sees it: what costs time, done once."""

    tokens: ImageTokens
    """Of this one image, B = 1."""

    objects_xyxy: FloatArray
    """[K, 4] the most certain objects of whatever kind, best first; K is at most 10."""

    width_px: int
    """Of the original image, upright."""

    height_px: int
    """Of the original image, upright."""

    seconds: float
    """What encoding took."""

    surroundings: Surroundings = NO_SURROUNDINGS
    """Faces, people and animals, whatever is asked for."""

    image: Image.Image | None = None
    """RGB, for a closer look at parts; without it there is none."""


class Predictor:
    """An encoder and a composition score, and a trained decoder where there is one."""

    def __init__(
        self, encoder: Encoder, scorer: CompositionScorer, decoder: Decoder | None = None
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self._scorer = scorer
        self._surrounding_embeddings: FloatArray | None = None

    @classmethod
    def load(
        cls,
        model: str | Path = "auto",
        device: str = "auto",
        decoder: str | Path = "auto",
        *,
        threads: int | None = None,
    ) -> Predictor:
        """Load the weights.

        Args:
            model: "auto" (OWL-ViT where its weights and PyTorch are on this machine, else lite),
                "lite", "owlvit", "owlv2", another name that ``clipcrop models`` lists, or a folder.
            device: "auto", "cpu", "cuda", "cuda:1", "mps"; lite runs on the processor only.
            decoder: "auto" (the one in the models folder that is named after the encoder, if there
                is one and PyTorch is installed), "none", or a file.
            threads: For one image on the processor; by default ``OMP_NUM_THREADS``, or a thread
                for each core.

        Raises:
            InputError: There is no such model or decoder.
            NotInstalled: PyTorch, which it needs, is missing.
            CheckpointError: Weights are missing or damaged, or the decoder is another encoder's.
            DeviceError: There is no such device.
            OutOfMemory: There is not enough memory on it.
        """
        if str(decoder) not in ("auto", "none"):
            require_extra("owlvit", "a decoder")
        encoder = load_encoder(model, device, threads)
        path = find_decoder(decoder, encoder.name)
        loaded = None
        if path is not None and not has_extra("owlvit"):
            logger.warning("decoder.ignored path=%s reason='PyTorch is not installed'", path)
        elif path is not None:
            from .decoder.checkpoint import load_decoder

            loaded = load_decoder(path, encoder, choose_device(device))
        with memory_errors_named("cpu"):
            return cls(encoder, CompositionScorer.load(), loaded)

    def encode(self, image: Image.Image | LoadedImage) -> EncodedImage:
        """Look at an image, of any mode and size; the slow half.

        Raises:
            InvalidImage: It has no pixels, too many, or they cannot be decoded.
            OutOfMemory: The encoder's device has no room for it.
        """
        started = time.perf_counter()
        loaded = image if isinstance(image, LoadedImage) else prepare_image(image)
        tokens = self.encoder.encode_images([loaded.rgb])
        with memory_errors_named("cpu"):
            objects_xyxy = _find_objects(tokens)
            surroundings = self._find_surroundings(tokens)
        return EncodedImage(
            tokens=tokens,
            objects_xyxy=objects_xyxy,
            width_px=loaded.width_px,
            height_px=loaded.height_px,
            seconds=time.perf_counter() - started,
            surroundings=surroundings,
            image=loaded.rgb if isinstance(self.encoder, CloserEncoder) else None,
        )

    def suggest(
        self,
        encoded: EncodedImage,
        prompt: str | Prompt = "",
        *,
        exclude: Sequence[str] = (),
        image_query: Image.Image | LoadedImage | None = None,
        constraints: Constraints | None = None,
        count: int = DEFAULT_COUNT,
        grounding: GroundingOptions | None = None,
        on_closer_look: Callable[[], None] | None = None,
        min_share: float = MIN_SHARE,
    ) -> Suggestions:
        """Find the best crops for a prompt; the fast half.

        Args:
            encoded: From `encode`.
            prompt: What to keep, in English; blank, without an image query, for a good crop of
                anything. For many images, the result of `clipcrop.prompt.parser.parse_prompt`.
            exclude: What to leave out, besides what the prompt itself excludes.
            image_query: An example of what to keep.
            constraints: Aspect ratio and minimum size; free by default.
            count: Suggestions at most.
            grounding: How texts select boxes; ``GroundingOptions.paper()`` for the paper's way,
                which reads a prompt that is a string by `clipcrop.prompt.paper`, too; by default
                `grounding_options`.
            on_closer_look: Called before the encoder looks at parts of the image, since something
                was not surely found in the whole.
            min_share: Of the photo's area; crops that leave out what is excluded are not smaller
                than that, unless what is kept is.

        Raises:
            EmptyPrompt: The prompt has something in it, but no word.
            InputError: The prompt is too long, or the constraints don't fit the image.
            LanguageModelMissing: spaCy's English pipeline is not installed.
            OutOfMemory: The encoder's device has no room for it.
        """
        started = time.perf_counter()
        if isinstance(prompt, str):
            read = paper_prompt if grounding is not None and grounding.is_strict else parse_prompt
            prompt = read(prompt, exclude)
        parsed, rows, whole_only = self._encode_prompt(prompt, image_query)
        # "the background" is a prompt, but nothing in it can be searched: no rows.
        size = encoded.tokens.class_embeddings.shape[2]
        embeddings = np.stack(rows) if rows else np.zeros((0, size), np.float32)
        options = grounding or self.grounding_options()
        size_px = (encoded.width_px, encoded.height_px)
        said = parsed.instructions
        framing = obey(said, constraints or Constraints(), *size_px)
        notes = [f"I only know the whole {whole}: {part}" for part, whole in whole_only]
        with memory_errors_named("cpu"):
            found, tokens = ground_closely(
                self.encoder,
                encoded.tokens,
                embeddings,
                parsed,
                options,
                lambda: self._look_closer(encoded, on_closer_look),
            )
            kept_box_xyxy, space = found.union_box_xyxy, said.space
            if kept_box_xyxy is not None:
                kept_box_xyxy, space = with_room(kept_box_xyxy, said.space)
                notes += [
                    f"the photo has no more space: {side}"
                    for side in said.space
                    if side not in space
                ]
            else:
                space = ()
                notes += [f"not used: space {side}" for side in said.space]
            proposals = self._propose(tokens, found)

            def rank_within(limits: Constraints) -> Ranking:
                return rank(
                    kept_box_xyxy,
                    _boxes_of(found.detections),
                    encoded.objects_xyxy,
                    _boxes_of(found.excluded),
                    limits,
                    *size_px,
                    self._scorer,
                    count,
                    proposals,
                    surroundings=encoded.surroundings,
                    width=parsed.width,
                )

            ranking = rank_within(framing.constraints)
            if found.excluded and _is_scrap(ranking, kept_box_xyxy, min_share):
                larger = at_least(min_share, framing.constraints, *size_px)
                if larger is not None:
                    ranking = rank_within(larger)
                    names = dict.fromkeys(one.text for one in found.excluded)
                    notes.append(
                        f"leaving out {', '.join(names)} would leave a scrap of the photo; these "
                        "crops show as little of it as possible"
                    )
        widths = ranking.widths or (None,) * len(ranking.frames_px)
        width = parsed.width if parsed.width and parsed.width in widths[:1] else ""
        if parsed.width and not width:
            notes.append(f"not used: {parsed.width}, since no such crop is as good")
        crops = zip(
            ranking.frames_xyxy.tolist(),
            ranking.frames_px.tolist(),
            ranking.quality.tolist(),
            ranking.is_proposed.tolist(),
            widths,
            strict=True,
        )
        return Suggestions(
            model=self.encoder.name,
            kind="general" if found.union_box_xyxy is None else "match",
            is_well_framed=ranking.is_well_framed,
            matched=found.detections,
            dropped=found.dropped,
            excluded=found.excluded,
            crops=tuple(
                Suggestion(
                    tuple(xyxy), tuple(px), quality, "decoder" if is_proposed else "frame", of_width
                )
                for xyxy, px, quality, is_proposed, of_width in crops
            ),
            seconds=time.perf_counter() - started,
            notes=(
                *(f"asked for and excluded, so it is kept: {text}" for text in parsed.contradicted),
                *(
                    f"not left out, since it is like what is asked for: {text}"
                    for text in found.kept
                ),
                *(f"too few found to tell which, not used: {text}" for text in found.unplaced),
                *notes,
                *framing.notes,
                *(f"not used: {instruction}" for instruction in parsed.unused),
                *self._taken_for(parsed, found, tokens),
                *_cut_note(ranking, found.detections),
            ),
            understood=_understood(parsed, found, framing.aspect, width, space),
        )

    def _find_surroundings(self, tokens: ImageTokens) -> Surroundings:
        """Faces, people and animals in an image."""
        if self._surrounding_embeddings is None:
            self._surrounding_embeddings = self.encoder.encode_texts([_FACE, *_BYSTANDERS])
        scores = tokens.scores(self._surrounding_embeddings)[0]  # [3, N]
        boxes_xyxy = clip_to_image(cxcywh_to_xyxy(tokens.initial_boxes_cxcywh[0]))
        found = []
        for of_kind in (scores[0], scores[1:].max(axis=0)):
            likely = np.flatnonzero(of_kind >= _MIN_SURROUNDING_SCORE)
            kept = non_maximum_suppression(
                boxes_xyxy[likely], of_kind[likely], _OBJECT_MAX_IOU, _MAX_SURROUNDINGS
            )
            found.append(boxes_xyxy[likely[kept]])
        return Surroundings(*found)

    def _look_closer(
        self, encoded: EncodedImage, on_closer_look: Callable[[], None] | None
    ) -> ImageTokens | None:
        """Tokens of the image's parts; None from an encoder for which they have no more to show."""
        encoder = self.encoder
        if encoded.image is None or not isinstance(encoder, CloserEncoder):
            return None
        if on_closer_look is not None:
            on_closer_look()
        return encoder.encode_parts(encoded.image)

    def _taken_for(self, prompt: Prompt, found: Grounding, tokens: ImageTokens) -> list[str]:
        """A note on each text that was found by less than it says."""
        first = {one.text: one for one in reversed(found.detections)}
        notes = {}
        for text in prompt.texts:
            if text.text not in first:
                continue
            embedding = tokens.class_embeddings[0, first[text.text].token]
            other = self.encoder.taken_for(text, embedding)
            if other is not None:
                notes[text.head or text.text] = f"taken for {other}: {text.head or text.text}"
        return list(notes.values())

    def _propose(self, tokens: ImageTokens, found: Grounding) -> Proposals | None:
        """The decoder's crops; none where it needs a subject and nothing was found."""
        if self.decoder is None:
            return None
        from .decoder.conditioning import propose

        return propose(self.decoder, tokens, found)

    def grounding_options(self) -> GroundingOptions:
        """Our own way: the encoder's thresholds, and the texts that the decoder was trained for."""
        return GroundingOptions.of(self.encoder, self._variant())

    def _variant(self) -> Variant:
        """Which texts select: those that the decoder was trained for."""
        if self.decoder is None:
            return "both"
        from .decoder.conditioning import grounding_variant

        return grounding_variant(self.decoder.config.variant)

    def _encode_prompt(
        self,
        parsed: Prompt,
        image_query: Image.Image | LoadedImage | None,
    ) -> tuple[Prompt, list[FloatArray], list[tuple[str, str]]]:
        """What is searched for.

        Returns:
            The prompt; an embedding, [E], for each of its texts; and the parts of bodies that the
            encoder does not know, each with the whole that is searched for in its place.
        """
        parsed, rows, whole_only = self._without_unknown_parts(parsed)
        if image_query is not None:
            parsed = parsed.with_image_query()
        if image_query is not None:
            loaded = (
                prepare_image(image_query) if isinstance(image_query, Image.Image) else image_query
            )
            example = self.encoder.encode_image_query(loaded.rgb)[0]
            rows.insert(parsed.all_texts.index(IMAGE_QUERY), example)
        return parsed, rows, whole_only

    def _without_unknown_parts(
        self, parsed: Prompt
    ) -> tuple[Prompt, list[FloatArray], list[tuple[str, str]]]:
        """Put the whole in the place of parts that the encoder cannot tell from it."""
        words = parsed.all_texts
        parts = [text for text in words if text.part_of]
        owned = [_with_owner(text) for text in parts]
        wholes = [Text(text.part_of, text.part_of) for text in parts]
        rows = list(self.encoder.encode_texts([*words, *owned, *wholes])) if words else []
        of_parts = zip(parts, rows[len(words) :], rows[len(words) + len(parts) :], strict=False)
        replaced: dict[Text, tuple[Text, FloatArray]] = {
            text: (_whole_of(text), whole)
            for text, row, whole in of_parts
            if not row.any() or np.array_equal(row, whole)
        }
        if not replaced:
            return parsed, rows[: len(words)], []
        kept = {text.head for text in parsed.keywords if text not in replaced}
        texts: list[Text] = []
        exclusions: list[Text] = []
        new_rows: list[FloatArray] = []
        for number, text in enumerate(parsed.all_texts):
            is_wanted = number < len(parsed.texts)
            if text in replaced and is_wanted and text.part_of in kept:
                continue  # it is kept as a whole
            searched, row = replaced.get(text, (text, rows[number]))
            (texts if is_wanted else exclusions).append(searched)
            new_rows.append(row)
        whole_only = dict.fromkeys((text.text, text.part_of) for text in replaced)
        whole_prompts = {text.text for text in replaced if text.is_whole_prompt}
        return (
            replace(parsed, texts=tuple(texts), exclusions=tuple(exclusions)),
            new_rows,
            [pair for pair in whole_only if pair[0] not in whole_prompts] or list(whole_only),
        )


def _cut_note(ranking: Ranking, detections: Sequence[Detection]) -> list[str]:
    """What of what was asked for the first crop cannot hold as a whole."""
    texts = Counter(found.text for found in detections)
    cut = Counter(
        found.text for found, is_cut in zip(detections, ranking.is_cut, strict=True) if is_cut
    )
    names = [
        text if texts[text] == 1 else f"{text} ({number} of {texts[text]})"
        for text, number in cut.items()
    ]
    return [f"does not fit this ratio, so a part is cut: {', '.join(names)}"] if names else []


def _find_objects(tokens: ImageTokens) -> FloatArray:
    """[K, 4] what stands out in the image, best first; K is at most 10, and may be 0."""
    objectness = tokens.objectness[0] * tokens.mask[0]
    likely = largest(objectness, _OBJECT_POOL)
    likely = likely[objectness[likely] >= _MIN_OBJECTNESS]
    boxes_xyxy = clip_to_image(cxcywh_to_xyxy(tokens.initial_boxes_cxcywh[0, likely]))
    kept = non_maximum_suppression(boxes_xyxy, objectness[likely], _OBJECT_MAX_IOU, MAX_OBJECTS)
    return boxes_xyxy[kept]


def _with_owner(text: Text) -> Text:
    """A part of a body with the name of what it belongs to: "feet" as "woman's feet"."""
    if not text.part_of or text.is_whole_prompt or text.part_of in text.text:
        return text
    return replace(text, text=f"{text.part_of}'s {text.text}")


def _whole_of(text: Text) -> Text:
    """What is searched for where the encoder does not know the part."""
    count = 1 if text.part_of in text.text else text.max_count
    return replace(text, text=text.part_of, head=text.part_of, modifiers=(), max_count=count)


def _is_scrap(ranking: Ranking, kept_box_xyxy: FloatArray | None, min_share: float) -> bool:
    """Whether the best crop is small, and not because what is kept is small."""
    if kept_box_xyxy is not None or not len(ranking.frames_xyxy):
        return False
    return float(area(ranking.frames_xyxy[0])) < min_share


def _understood(
    parsed: Prompt, found: Grounding, aspect: str, width: str, space: tuple[Side, ...]
) -> Understood:
    """What was found and done, in the words of the prompt."""
    matched = {one.text for one in found.detections}
    avoided = {one.text for one in found.excluded}
    texts = parsed.keywords or parsed.texts
    here = [text for text in texts if text.text in matched]

    def name(text: Text) -> str:
        return text.text if text.described in found.unplaced else text.described

    return Understood(
        kept=tuple(dict.fromkeys(name(text) for text in here if not text.is_demanded)),
        whole=tuple(dict.fromkeys(name(text) for text in here if text.is_demanded)),
        left_out=tuple(
            dict.fromkeys(text.described for text in parsed.exclusions if text.text in avoided)
        ),
        aspect=aspect,
        width=width,
        space=space,
        corrected=parsed.corrections,
    )


def _boxes_of(detections: Sequence[Detection]) -> FloatArray:
    """[S, 4] the boxes of detections."""
    return as_boxes([found.box_xyxy for found in detections])


class CachedEncoder:
    """An encoder that runs once for consecutive requests about one photo.

    Args:
        predictor: The encoder, and what finds objects in what it sees.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._last: tuple[LoadedImage, EncodedImage] | None = None

    def __call__(self, photo: LoadedImage) -> EncodedImage:
        """The photo as the encoder sees it."""
        if self._last is None or self._last[0] is not photo:
            self._last = (photo, self.predictor.encode(photo))
        return self._last[1]
