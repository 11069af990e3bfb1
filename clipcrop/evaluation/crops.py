"""Methods side by side on sets of crops: the one loop behind the paper's tables.

What is measured follows from the set: `crop_metrics.score_rated` where people rated crops (GAICD),
`crop_metrics.score_drawn` where they drew them (the other sets). Another measure gives
an `AnswerOne` of their own, as `evaluation.subjects` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ..arrays import FloatArray
from ..datasets import Example
from ..errors import InputError
from ..imaging.images import LoadedImage, load_image
from .bootstrap import Estimate, Spread, estimate, spread
from .crop_metrics import score_drawn, score_judged, score_rated
from .methods import Judge, Method

KEPT_CROPS = 10
"""Crops of each method that are kept for pictures and files."""

WrapPhotos = Callable[[Sequence[list[Example]]], Iterable[list[Example]]]
"""Wraps the photos, each with its examples, to show how far it is."""


@dataclass(frozen=True)
class Answer:
    """One method on one example."""

    crops_xyxy: FloatArray
    """[R, 4] its first crops, R <= 10."""

    figures: dict[str, float]
    """By name; NaN where there is no such figure."""

    seconds: float | None = None
    """What it took, looking at the photo included; None where that was not measured."""


AnswerOne = Callable[[Method, LoadedImage, Example], Answer]
"""Asks a method for crops and measures them. Raises InputError where it cannot crop this photo."""


@dataclass(frozen=True)
class Case:
    """One example and what all methods made of it."""

    example: Example
    answers: dict[str, Answer]
    """By the method's name."""


@dataclass
class SetResult:
    """One set."""

    name: str
    """In the report."""

    methods: tuple[str, ...]
    """Rows, in order."""

    cases: list[Case] = field(default_factory=list)
    """Examples that were measured."""

    left_out: list[str] = field(default_factory=list)
    """Examples that were not, each with the reason: no method was measured on them."""

    notes: list[str] = field(default_factory=list)
    """Methods that were not used, and why."""

    @property
    def num_photos(self) -> int:
        """Photos that were measured."""
        return len({case.example.photo for case in self.cases})

    def figure_names(self) -> list[str]:
        """All that was measured, in the order of the metrics."""
        answers = self.cases[0].answers.values() if self.cases else ()
        return list(dict.fromkeys(name for answer in answers for name in answer.figures))

    def estimates(self, seed: int) -> dict[str, dict[str, Estimate]]:
        """Method -> figure -> mean and interval; every method on the same draws of photos."""
        return {
            method: {
                figure: self._estimate(method, figure, seed)
                for figure in self.figure_names()
                if any(figure in case.answers[method].figures for case in self.cases)
            }
            for method in self.methods
        }

    def seconds(self) -> dict[str, Spread]:
        """Method -> what an example took; empty where that was not measured."""
        taken = {
            method: [case.answers[method].seconds for case in self.cases] for method in self.methods
        }
        known = {method: [one for one in of if one is not None] for method, of in taken.items()}
        return {method: spread(of) for method, of in known.items() if of}

    def _estimate(self, method: str, figure: str, seed: int) -> Estimate:
        found = [
            (case.answers[method].figures.get(figure, math.nan), str(case.example.photo))
            for case in self.cases
        ]
        known = [(value, photo) for value, photo in found if not math.isnan(value)]
        return estimate([value for value, _ in known], [photo for _, photo in known], seed)


def evaluate_crops(
    examples: Sequence[Example],
    methods: Sequence[Method],
    name: str,
    *,
    progress: WrapPhotos = iter,
    must_all_run: bool = False,
    answer: AnswerOne | None = None,
) -> SetResult:
    """Run methods on a set.

    An example that a method cannot crop, or whose photo cannot be read, is left out for all methods
    and listed: every row of a table is over the same examples.

    Args:
        examples: The set; either all rated or all drawn.
        methods: Rows of the table.
        name: Of the set, for the report.
        progress: Wraps the photos.
        must_all_run: Refuse a set for which a method cannot be used; by default it is noted.
        answer: What is measured; by default as people's crops are there for.

    Raises:
        InputError: No method can be used, or no example is left.
    """
    ask = answer or _answer
    result = SetResult(name, ())
    usable = _usable(examples, methods, result, must_all_run)
    result.methods = tuple(method.name for method in usable)
    measured = _measurable(examples, usable, result)
    for of_photo in progress(_by_photo(measured)):
        try:
            photo = load_image(of_photo[0].photo)
        except InputError as exc:
            result.left_out += [f"{example.source}: {exc}" for example in of_photo]
            continue
        for example in of_photo:
            try:
                answers = {method.name: ask(method, photo, example) for method in usable}
            except InputError as exc:
                result.left_out.append(f"{example.source}: {exc}")
                continue
            result.cases.append(Case(example, answers))
    if not result.cases:
        first = result.left_out[0] if result.left_out else "it holds no example"
        raise InputError(f"nothing of {name} could be measured; the first reason: {first}")
    return result


def _usable(
    examples: Sequence[Example], methods: Sequence[Method], result: SetResult, must_all_run: bool
) -> list[Method]:
    lacking = sum(not example.text.strip() for example in examples)
    if lacking < len(examples):
        return list(methods)  # those without a text are left out instead
    usable = [method for method in methods if not (lacking and method.needs_text)]
    for method in methods:
        if lacking and method.needs_text:
            reason = (
                f"{method.name!r} needs texts, and {result.name} has none; give --texts "
                "(`clipcrop data caption` makes some)"
            )
            if must_all_run:
                raise InputError(reason)
            result.notes.append(reason)
    if not usable:
        raise InputError(result.notes[0] if result.notes else "no method to measure; name one")
    return usable


def _measurable(
    examples: Sequence[Example], methods: Sequence[Method], result: SetResult
) -> Sequence[Example]:
    """The examples that every method can be asked about; the others are counted in a note."""
    if not any(method.needs_text for method in methods):
        return examples
    with_text = [example for example in examples if example.text.strip()]
    if lacking := len(examples) - len(with_text):
        result.notes.append(f"{lacking} of the {len(examples)} examples, which have no text")
    return with_text


def _by_photo(examples: Sequence[Example]) -> list[list[Example]]:
    """Examples of one photo together, photos in the order in which they come first."""
    order = {photo: number for number, photo in enumerate(dict.fromkeys(e.photo for e in examples))}
    ordered = sorted(examples, key=lambda example: order[example.photo])
    return [list(same) for _, same in groupby(ordered, key=lambda example: example.photo)]


def _answer(method: Method, photo: LoadedImage, example: Example) -> Answer:
    crops = method.crops(photo, example.text)
    annotated = example.crops_xyxy((photo.width_px, photo.height_px))
    if any(crop.rating is None for crop in example.crops):
        return Answer(crops[:KEPT_CROPS], score_drawn(crops, annotated))
    mos = example.ratings()
    figures = score_rated(crops, annotated, mos)
    if isinstance(method, Judge):
        figures |= score_judged(method.judge(photo, example.text, annotated), mos)
    return Answer(crops[:KEPT_CROPS], figures)
