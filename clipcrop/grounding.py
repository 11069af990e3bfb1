"""Texts and image tokens -> what of the prompt is in the image, and where.

The paper's way: each text selects the token whose class embedding is most similar, and the union
box holds the boxes of all of them. Beyond it, and switchable: a text that is not in the image is
dropped and named, a plural selects several boxes, and what is excluded is found too.

The axis letters are those of `encoders.base`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from .arrays import FloatArray, IntArray, descending
from .boxes import area, as_boxes, clip_to_image, cxcywh_to_xyxy, intersection, iou, union_box
from .choosing import choose
from .encoders.base import Encoder, ImageTokens
from .prompt.parser import IMAGE_QUERY, Prompt, Text
from .suggestions import (
    NOTHING_TO_LEAVE_OUT,
    UNKNOWN,
    UNKNOWN_TO_LEAVE_OUT,
    Detection,
    Dropped,
)

Variant = Literal["main", "key", "both"]
"""Which texts select, in the words of the paper's Table 4: the whole prompt, its keywords, both."""

TOO_WEAK = "nothing in the image is like it"
WEAK_BESIDE_OTHERS = "far less likely here than the rest of the prompt"
IS_EXCLUDED = "what looks like it here is to be left out"


_SMALL = 0.02
"""Share of the image: boxes of smaller things are better in parts of it."""

_PEER_SHARE = 0.7
"""Boxes with at least this share of the best score, and of its confidence, may be meant as well."""


@dataclass(frozen=True, kw_only=True)
class GroundingOptions:
    """How texts select boxes."""

    variant: Variant = "both"
    """Which texts select: "main" the whole prompt, "key" its keywords, "both"."""

    is_strict: bool = False
    """The paper's behaviour: one token for each text, nothing is dropped."""

    min_score: float = 0.1
    """A text whose best token is less sure is dropped; the encoder's own is `Encoder.min_score`."""

    sure_score: float = 0.0
    """What is less sure is "perhaps" there; the encoder's own is `Encoder.sure_score`."""

    min_query_score: float = 0.1
    """The same for an example image, whose scores are others: `Encoder.min_query_score`."""

    min_text_share: float = 0.2
    """A text whose best token is less sure than this share of the best text's is dropped."""

    min_box_share: float = 0.5
    """A plural selects boxes of at least this share of its best score."""

    min_counted_share: float = 0.2
    """The same for a count ("three dogs"): the user knows that there are so many, so the third dog
    may score less than ``min_score``."""

    min_placed_share: float = 0.3
    """The same where the prompt chooses among several ("the dog on the left"): a weaker box is
    taken for something else."""

    max_iou: float = 0.6
    """Boxes that overlap more are the same thing."""

    max_covered: float = 0.85
    """A box that lies in a better one by more than this share is a part of it."""

    max_plural: int = 12
    """Boxes for one text at most, whatever the count."""

    max_growth: float = 1.2
    """The whole prompt joins its keywords if the union box grows by no more than this factor."""

    def __post_init__(self) -> None:
        """Refuse what would select nothing, or anything."""
        if self.variant not in ("main", "key", "both"):
            raise ValueError(f"no such variant: {self.variant!r}; use main, key or both")
        if self.max_iou == 0:
            raise ValueError("max_iou must be above 0, or boxes that only touch are the same thing")
        if self.max_plural < 1:
            raise ValueError(f"max_plural must be at least 1, got {self.max_plural}")
        floors = ("min_score", "sure_score", "min_query_score")
        shares = (
            *floors,
            "min_text_share",
            "min_box_share",
            "min_counted_share",
            "min_placed_share",
            "max_iou",
            "max_covered",
        )
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")

    def floor_of(self, text: Text) -> float:
        """What the best token must score for a text, or an example image, to be there."""
        return self.min_query_score if text is IMAGE_QUERY else self.min_score

    @classmethod
    def of(cls, encoder: Encoder, variant: Variant = "both") -> GroundingOptions:
        """Our own way, with the encoder's thresholds."""
        return cls(
            min_score=encoder.min_score,
            sure_score=encoder.sure_score,
            min_query_score=encoder.min_query_score,
            variant=variant,
        )

    @classmethod
    def paper(cls, variant: Variant = "both") -> GroundingOptions:
        """The paper's section 3.2: argmax for each text, the union of all of them."""
        return cls(variant=variant, is_strict=True)


@dataclass(frozen=True)
class TokenDetection(Detection):
    """A detection, and where in the encoder's answer it comes from."""

    token: int = field(kw_only=True)
    """Index of the image token that it belongs to."""


@dataclass(frozen=True)
class Grounding:
    """What of a prompt is in an image."""

    selected: IntArray
    """[S] int64 indices of the selected tokens, in the order of the texts; one that two texts
    select is there twice, as in the paper's mean."""

    detections: tuple[TokenDetection, ...]
    """What was found, in the order of the texts, best first within each; without doubles."""

    dropped: tuple[Dropped, ...]
    """What was asked for and not found."""

    union_box_xyxy: FloatArray | None
    """[4] round all that was found; None when nothing was, so crops are general ones."""

    excluded: tuple[TokenDetection, ...]
    """What was found of the things to avoid."""

    kept: tuple[str, ...]
    """Of the things to avoid those that are found only where what was asked for is: it stays."""

    unplaced: tuple[str, ...]
    """Texts with their places ("woman (second from the left)") of which too few were found to
    choose among; the surest were taken."""

    best: TokenDetection | None
    """The strongest box for what was asked, also where it was dropped as too weak: for measuring.
    None where the encoder knows none of the texts."""


def ground(
    tokens: ImageTokens,
    text_embeddings: FloatArray,
    prompt: Prompt,
    options: GroundingOptions | None = None,
    confidence: FloatArray | None = None,
    scores: FloatArray | None = None,
) -> Grounding:
    """Find what a prompt asks for.

    The most confident token is the best one for a text; the boxes of a plural are those that score
    enough beside it.

    Args:
        tokens: of one image, B = 1.
        text_embeddings: [W, E] a row for each of ``prompt.all_texts``; zeros for a text that the
            encoder knows nothing about.
        prompt: the texts.
        options: how they select.
        confidence: [W, N] from `Encoder.confidence`; the scores by default.
        scores: [W, N] from `ImageTokens.scores`, where they are known already.
    """
    options = options or GroundingOptions()
    if len(tokens.class_embeddings) != 1:
        raise ValueError(f"tokens of one image at a time, got {len(tokens.class_embeddings)}")
    if len(text_embeddings) != len(prompt.all_texts):
        raise ValueError(
            f"{len(text_embeddings)} embeddings for the {len(prompt.all_texts)} texts of a prompt"
        )
    found = _score(tokens, text_embeddings, prompt, confidence, options.sure_score, scores)
    wanted = _of_variant(found[: len(prompt.texts)], options.variant)
    unwanted = found[len(prompt.texts) :]

    chooser = _Chooser(found, options)
    if options.is_strict:
        selections = [one.select(options) for one in wanted if one.is_known]
        dropped = [one.drop(UNKNOWN) for one in wanted if not one.is_known]
    else:
        chooser.avoid([one for one in unwanted if one.text.places])
        selections, dropped = _select_wanted(wanted, options, chooser)
    excluded: list[TokenDetection] = []
    kept: list[str] = []
    for one in unwanted:
        avoided, is_wanted = _select_unwanted(one, selections, options, chooser)
        excluded += avoided
        if is_wanted:
            kept.append(one.text.text)
        elif not avoided:
            dropped.append(one.drop(NOTHING_TO_LEAVE_OUT if one.is_known else UNKNOWN_TO_LEAVE_OUT))
    if excluded and not options.is_strict:
        selections, lost = _without_excluded(selections, excluded, options)
        dropped += lost
    return _assemble(selections, dropped, excluded, kept, chooser, wanted, options)


def ground_with(
    encoder: Encoder,
    tokens: ImageTokens,
    text_embeddings: FloatArray,
    prompt: Prompt,
    options: GroundingOptions | None = None,
) -> Grounding:
    """Find what a prompt asks for, as sure as the encoder is by its calibration.

    Args:
        encoder: what tokens and embeddings are from.
        tokens: as for `ground`.
        text_embeddings: as for `ground`.
        prompt: as for `ground`.
        options: how texts select; the encoder's own thresholds by default.
    """
    options = options or GroundingOptions.of(encoder)
    if not prompt.all_texts:
        return ground(tokens, text_embeddings, prompt, options)
    confidence, scores = _confidence(encoder, tokens, text_embeddings, prompt)
    return ground(tokens, text_embeddings, prompt, options, confidence, scores)


def ground_closely(
    encoder: Encoder,
    tokens: ImageTokens,
    text_embeddings: FloatArray,
    prompt: Prompt,
    options: GroundingOptions | None = None,
    look_closer: Callable[[], ImageTokens | None] = lambda: None,
) -> tuple[Grounding, ImageTokens]:
    """Find what a prompt asks for; what is small or not surely there, in parts of the image too.

    Args:
        encoder: as for `ground_with`.
        tokens: of the whole image.
        text_embeddings: as for `ground_with`.
        prompt: as for `ground_with`.
        options: as for `ground_with`.
        look_closer: gives the tokens of parts of the image; None without a closer look.

    Returns:
        What was found, and the tokens that it was found in.
    """
    options = options or GroundingOptions.of(encoder)
    found = ground_with(encoder, tokens, text_embeddings, prompt, options)
    is_missing = any(one.was_wanted and not one.is_unknown for one in found.dropped)
    is_doubtful = any(
        not one.is_sure or area(as_boxes(one.box_xyxy))[0] < _SMALL for one in found.detections
    )
    if options.is_strict or not (is_missing or is_doubtful):
        return found, tokens
    parts = look_closer()
    if parts is None:
        return found, tokens
    num_whole = tokens.mask.shape[1]
    tokens = tokens.with_more(parts)
    confidence, scores = _confidence(encoder, tokens, text_embeddings, prompt)
    of_whole = np.where(tokens.mask[0, :num_whole], confidence[:, :num_whole], -1)
    boxes_xyxy = cxcywh_to_xyxy(tokens.initial_boxes_cxcywh[0, of_whole.argmax(axis=1)])
    is_settled = (of_whole.max(axis=1) >= options.sure_score) & (area(boxes_xyxy) >= _SMALL)
    confidence[is_settled, num_whole:] = -1  # else it would be found in pieces, too
    return ground(tokens, text_embeddings, prompt, options, confidence, scores), tokens


def _confidence(
    encoder: Encoder, tokens: ImageTokens, text_embeddings: FloatArray, prompt: Prompt
) -> tuple[FloatArray, FloatArray]:
    """[W, N] how sure the encoder is of the texts of a prompt, W >= 1, and their scores."""
    scores = tokens.scores(text_embeddings)
    confidence: FloatArray = encoder.confidence(tokens, text_embeddings, scores)[0]
    # Calibration is for words: an example's score is its likeness.
    is_example = np.array([text is IMAGE_QUERY for text in prompt.all_texts], np.bool_)
    if is_example.any():
        confidence[is_example] = scores[0, is_example]
    # That a person is there does not say that it is the rider: never sure.
    is_taken = np.array([encoder.taken_for(text) is not None for text in prompt.all_texts])
    confidence[is_taken] *= encoder.sure_score
    return confidence, scores[0]


def texts_of_variant(texts: Sequence[Text], variant: Variant) -> tuple[Text, ...]:
    """The texts of a variant; all of them if there are none of that kind."""
    if variant == "both":
        return tuple(texts)
    chosen = tuple(text for text in texts if text.is_whole_prompt == (variant == "main"))
    return chosen or tuple(texts)


@dataclass(frozen=True)
class _Scored:
    """A text and the score of each token for it."""

    text: Text
    scores: FloatArray  # [N], -1 where masked
    confidence: FloatArray  # [N], likewise
    boxes_xyxy: FloatArray  # [N, 4]
    sure_score: float
    is_known: bool

    @cached_property
    def best(self) -> TokenDetection:
        return self.detection(int(self.confidence.argmax()))

    def drop(self, reason: str) -> Dropped:
        return Dropped(self.text.text, self.best.score if self.is_known else 0.0, reason)

    def detection(self, token: int) -> TokenDetection:
        x0, y0, x1, y1 = self.boxes_xyxy[token].tolist()
        score = float(self.confidence[token])
        return TokenDetection(
            self.text.text, score, (x0, y0, x1, y1), score >= self.sure_score, token=token
        )

    def select(
        self, options: GroundingOptions, others: Sequence[TokenDetection] = ()
    ) -> list[TokenDetection]:
        """The best box, or for a plural the best ones.

        Args:
            options: how texts select.
            others: what else is asked for.
        """
        if options.is_strict:
            return [self.best]
        if self.text.max_count == 1:
            return [self._meant(options, others)]
        if self.text.max_count is not None:
            return self.distinct(options.min_counted_share, 0, options)[: self.text.max_count]
        return self.avoid(options)

    def _meant(self, options: GroundingOptions, others: Sequence[TokenDetection]) -> TokenDetection:
        """Of boxes that are about as likely the one that touches the others, large and central."""
        peers = self.distinct(_PEER_SHARE, _PEER_SHARE * self.best.score, options)
        if len(peers) < 2:
            return self.best
        boxes_xyxy, others_xyxy = _boxes(peers), _boxes(others)
        shared = intersection(boxes_xyxy, others_xyxy)
        is_same = iou(boxes_xyxy, others_xyxy) > options.max_iou
        touches = ((shared > 0) & ~is_same).sum(axis=1)
        centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
        off_centre = np.abs(centres - 0.5).max(axis=1)
        prominence = np.sqrt(area(boxes_xyxy)) * (1 - off_centre)
        values = prominence * np.array([peer.score for peer in peers])
        return peers[int(np.lexsort((values, touches))[-1])]

    def avoid(self, options: GroundingOptions) -> list[TokenDetection]:
        """The best boxes, whatever the count."""
        return self.distinct(options.min_box_share, options.floor_of(self.text), options)

    def distinct(
        self, min_share: float, floor: float, options: GroundingOptions
    ) -> list[TokenDetection]:
        """Boxes that score a share of the best one's score, each another thing; best first.

        Args:
            min_share: of the best box's score.
            floor: how sure each must be.
            options: when two boxes are the same thing, and how many there may be.
        """
        is_strong = self.scores >= self.scores[self.best.token] * min_share
        strong = np.flatnonzero(is_strong & (self.confidence >= floor))
        strong = strong[descending(self.scores[strong])]
        boxes_xyxy = self.boxes_xyxy[strong]
        areas = area(boxes_xyxy)
        is_free = np.ones(len(strong), dtype=bool)
        kept: list[int] = []
        # One box against the rest at a time: few are kept, and comparing all pairs of a thousand
        # boxes takes longer than everything else here.
        while len(kept) < options.max_plural and is_free.any():
            best = int(is_free.argmax())
            kept.append(int(strong[best]))
            shared = intersection(boxes_xyxy[best : best + 1], boxes_xyxy)[0]
            # IoU > t, without a division: shared > t / (1 + t) of both areas together.
            is_free &= shared * (1 + 1 / options.max_iou) <= areas + areas[best]
            is_free &= shared <= options.max_covered * areas
            is_free[best] = False  # an empty box overlaps nothing, not even itself
        return [self.detection(token) for token in kept]


class _Chooser:
    """Selects boxes for the texts of a prompt, by their places where they have some."""

    def __init__(self, found: Sequence[_Scored], options: GroundingOptions) -> None:
        self._options = options
        self._found = {one.text.text: one for one in reversed(found) if self._is_found(one)}
        self._avoided: list[TokenDetection] = []
        self._excluded: dict[Text, list[TokenDetection]] = {}
        self.unplaced: dict[str, None] = {}

    def avoid(self, unwanted: Sequence[_Scored]) -> None:
        """What a place excludes is not what the other texts mean: "the dog, not the left one"."""
        for one in unwanted:
            if self._is_found(one):
                self._excluded[one.text] = self._choose(one)
        self._avoided = [box for boxes in self._excluded.values() for box in boxes]

    def select(self, one: _Scored, others: Sequence[TokenDetection] = ()) -> list[TokenDetection]:
        """The boxes of a text, best first; `others` are those of what else is asked for."""
        if one.text in self._excluded:
            return self._excluded[one.text]
        if not one.text.places and not self._avoided:
            return one.select(self._options, others)
        return self._choose(one)

    def best(self, one: _Scored) -> TokenDetection:
        """The box of a text that is taken for one thing."""
        return self.select(one)[0] if one.text.places else one.best

    def _is_found(self, one: _Scored) -> bool:
        return one.is_known and one.best.score >= self._options.floor_of(one.text)

    def _choose(self, one: _Scored) -> list[TokenDetection]:
        is_plural = one.text.max_count is None
        share = self._options.min_box_share if is_plural else self._options.min_placed_share
        floor = self._options.floor_of(one.text) if is_plural else 0.0
        pool = one.distinct(share, floor, self._options)
        free = [box for box in pool if not self._is_avoided(box)]
        pool = free or pool
        chosen = choose(_boxes(pool), one.text.places, self._anchors(one), one.text.max_count)
        if chosen is None:
            if not one.text.is_whole_prompt:
                self.unplaced[one.text.described] = None
            return pool[: one.text.max_count]
        return [pool[index] for index in chosen]

    def _is_avoided(self, box: TokenDetection) -> bool:
        if not self._avoided:
            return False
        return bool((iou(_boxes([box]), _boxes(self._avoided)) > self._options.max_iou).any())

    def _anchors(self, one: _Scored) -> dict[str, FloatArray]:
        names = {place.anchor for place in one.text.places if place.relation}
        return {
            name: _boxes(self._found[name].select(self._options))
            for name in names
            if name in self._found
        }


def _score(
    tokens: ImageTokens,
    text_embeddings: FloatArray,
    prompt: Prompt,
    confidence: FloatArray | None,
    sure_score: float,
    scores: FloatArray | None,
) -> list[_Scored]:
    """Score every token for every text."""
    if not prompt.all_texts:
        return []
    mask = tokens.mask[0]
    if scores is None:
        scores = tokens.scores(text_embeddings)[0]  # [W, N]
    confidence = scores if confidence is None else confidence
    scores, confidence = (np.where(mask, each, np.float32(-1)) for each in (scores, confidence))
    boxes_xyxy = clip_to_image(cxcywh_to_xyxy(tokens.initial_boxes_cxcywh[0]))
    is_known = (text_embeddings != 0).any(axis=1).tolist()
    is_empty = not mask.any()
    return [
        _Scored(text, of_text, sureness, boxes_xyxy, sure_score, is_known=known and not is_empty)
        for text, of_text, sureness, known in zip(
            prompt.all_texts, scores, confidence, is_known, strict=True
        )
    ]


def _of_variant(found: Sequence[_Scored], variant: Variant) -> list[_Scored]:
    chosen = texts_of_variant([one.text for one in found], variant)
    return [one for one in found if one.text in chosen]


def _select_wanted(
    wanted: Sequence[_Scored], options: GroundingOptions, chooser: _Chooser
) -> tuple[list[list[TokenDetection]], list[Dropped]]:
    """Let the keywords select, and the whole prompt where it agrees with them or stands alone."""
    keywords = [one for one in wanted if not one.text.is_whole_prompt]
    whole = next((one for one in wanted if one.text.is_whole_prompt), None)
    strongest = max((one.best.score for one in keywords if one.is_known), default=0.0)
    selections: list[list[TokenDetection]] = []
    dropped: list[Dropped] = []
    for one in keywords:
        if not one.is_known:
            dropped.append(one.drop(UNKNOWN))
        elif one.best.score < options.floor_of(one.text):
            dropped.append(one.drop(TOO_WEAK))
        elif one.best.score < options.min_text_share * strongest:
            dropped.append(one.drop(WEAK_BESIDE_OTHERS))
        else:
            others = [other.best for other in keywords if other is not one and other.is_known]
            seen = [box for box in others if box.score >= options.min_score]
            selections.append(chooser.select(one, seen))
    if whole is None:
        return selections, dropped
    if not whole.is_known or whole.best.score < options.floor_of(whole.text):
        if not keywords:
            dropped.append(whole.drop(TOO_WEAK if whole.is_known else UNKNOWN))
    elif not selections:
        selections.append(chooser.select(whole))
    elif _growth(selections, chooser.best(whole)) <= options.max_growth:
        selections.insert(0, [chooser.best(whole)])
    return selections, dropped


def _growth(selections: Iterable[Sequence[TokenDetection]], added: TokenDetection) -> float:
    """Factor by which the union box grows when one more box joins it."""
    before_xyxy = _boxes(box for boxes in selections for box in boxes)
    after_xyxy = np.concatenate([before_xyxy, _boxes([added])])
    grown, was = area(union_box(after_xyxy)), area(union_box(before_xyxy))
    return float(grown / np.maximum(was, 1e-12))


def _select_unwanted(
    one: _Scored,
    selections: Sequence[Sequence[TokenDetection]],
    options: GroundingOptions,
    chooser: _Chooser,
) -> tuple[list[TokenDetection], bool]:
    """What to avoid: not what was asked for and is at least as much like that.

    Returns:
        The boxes, and whether there are none because all of them were asked for.
    """
    if not one.is_known or one.best.score < options.floor_of(one.text):
        return [], False
    if one.text.places and not options.is_strict:
        return chooser.select(one), False
    found = one.avoid(options)
    wanted = [box for boxes in selections for box in boxes]
    if found and wanted:
        overlaps = iou(_boxes(found), _boxes(wanted)).tolist()
        found = [
            box
            for box, shared in zip(found, overlaps, strict=True)
            if not any(
                overlap > options.max_iou and other.score >= box.score
                for overlap, other in zip(shared, wanted, strict=True)
            )
        ]
    return found[: one.text.max_count or options.max_plural], not found


def _without_excluded(
    selections: Sequence[Sequence[TokenDetection]],
    excluded: Sequence[TokenDetection],
    options: GroundingOptions,
) -> tuple[list[list[TokenDetection]], list[Dropped]]:
    """Give up selected boxes that are more like what is to be avoided."""
    kept: list[list[TokenDetection]] = []
    dropped: list[Dropped] = []
    for boxes in selections:
        overlaps = iou(_boxes(boxes), _boxes(excluded)).max(axis=1).tolist()
        free = [
            box for box, overlap in zip(boxes, overlaps, strict=True) if overlap <= options.max_iou
        ]
        if free:
            kept.append(free)
        else:
            dropped.append(Dropped(boxes[0].text, boxes[0].score, IS_EXCLUDED))
    return kept, list(dict.fromkeys(dropped))  # the whole prompt may be worded like its keyword


def _assemble(
    selections: Sequence[Sequence[TokenDetection]],
    dropped: Sequence[Dropped],
    excluded: Sequence[TokenDetection],
    kept: Sequence[str],
    chooser: _Chooser,
    wanted: Sequence[_Scored],
    options: GroundingOptions,
) -> Grounding:
    selected = [box for boxes in selections for box in boxes]
    known = [one.best for one in wanted if one.is_known]
    return Grounding(
        selected=np.array([box.token for box in selected], dtype=np.int64),
        detections=tuple(selected if options.is_strict else _without_doubles(selected, wanted)),
        dropped=tuple(dropped),
        union_box_xyxy=union_box(_boxes(selected)) if selected else None,
        excluded=tuple(excluded),
        kept=tuple(kept),
        unplaced=tuple(chooser.unplaced),
        best=max(selected or known, key=lambda box: box.score, default=None),
    )


def _without_doubles(
    selected: Sequence[TokenDetection], wanted: Sequence[_Scored]
) -> Iterable[TokenDetection]:
    """Leave the whole prompt's box out beside its keywords': "a dog" and "dog" are one find."""
    keywords = {one.text.text for one in wanted if not one.text.is_whole_prompt}
    of_keywords = [box for box in selected if box.text in keywords]
    # The whole prompt may be worded like its keyword; then both select the same token.
    return {(box.text, box.token): box for box in of_keywords or selected}.values()


def _boxes(detections: Iterable[Detection]) -> FloatArray:
    """[K, 4] the boxes of detections."""
    return as_boxes([box.box_xyxy for box in detections])
