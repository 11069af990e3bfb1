"""Methods side by side on annotated boxes: whose crop shows what was asked for, and how fast.

The queries are those of `evaluation.grounding`, the loop is that of `evaluation.crops`. All methods
get the same text: the query, as "every car" where it is singular and several boxes are annotated,
since all of them count.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..datasets import Example, RatedCrop
from ..device import num_threads
from ..errors import InputError
from ..imaging.images import LoadedImage, load_image
from ..predictor import CachedEncoder, EncodedImage
from ..prompt.parser import parse_prompt
from .crop_metrics import score_asked
from .crops import KEPT_CROPS, Answer, SetResult, WrapPhotos, evaluate_crops
from .crops_report import sha256_of
from .grounding import LARGE_AREA, read_cases
from .journal import Journal
from .methods import Method, MethodFactory

LEGEND = """Each method's first crop, for what is asked for in a photo and annotated with boxes.

- IoU: of the crop and the smallest box round all boxes asked for. It rewards tight boxes, not good
  crops: to be read as how much else is in the crop.
- pointing: share of crops whose centre lies in one of these boxes.
- inside: share of a box's area that lies in the crop, mean over the boxes; the whole photo has 1.
- size: share of the photo's area that the crop takes.
- seconds: for a photo that is in memory and one text: looking at the photo, where the method does,
  and cropping; without loading a model. Median and quartiles."""
"""What the figures are."""

ANNOTATED = "what was asked for"
"""What is drawn into the photos."""

JOURNAL_FILE = "answers.jsonl"
"""Answers so far, in the folder of the results; gone when these are written."""

_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)


class TimedEncoder(CachedEncoder):
    """A cached_encoder of which one can tell whether it was made use of."""

    was_used = False

    def __call__(self, photo: LoadedImage) -> EncodedImage:
        """The photo as the encoder sees it."""
        self.was_used = True
        return super().__call__(photo)


class MethodRunner:
    """Asks methods, with a watch; what the journal knows is not asked again.

    Args:
        cached_encoder: Of the methods. The time of its one call for a photo is counted for each
            method that makes use of it.
        journal: Answers of this run so far.
    """

    def __init__(self, cached_encoder: TimedEncoder, journal: Journal) -> None:
        self._cached_encoder = cached_encoder
        self._journal = journal

    def __call__(self, method: Method, photo: LoadedImage, example: Example) -> Answer:
        """See `crops.AnswerOne`."""
        key = (str(example.photo), example.text, method.name)
        known = self._journal.recall(key)
        if known is None:
            known = self._ask(method, photo, example.text)
            self._journal.keep(key, *known)
        rows, seconds = known
        crops_xyxy = np.array(rows, np.float32)
        asked_xyxy = example.crops_xyxy((photo.width_px, photo.height_px))
        return Answer(crops_xyxy, score_asked(crops_xyxy, asked_xyxy), seconds)

    def _ask(
        self, method: Method, photo: LoadedImage, text: str
    ) -> tuple[list[list[float]], float]:
        """A method's first crops, and what they took."""
        seen = self._cached_encoder(photo)
        self._cached_encoder.was_used = False
        started = time.perf_counter()
        crops_xyxy = method.crops(photo, text)
        seconds = time.perf_counter() - started
        if self._cached_encoder.was_used:
            seconds += seen.seconds
        return crops_xyxy[:KEPT_CROPS].tolist(), seconds


def compare(
    examples: Sequence[Example],
    methods: Sequence[Method],
    cached_encoder: TimedEncoder,
    journal: Journal,
    name: str,
    *,
    progress: WrapPhotos = iter,
) -> SetResult:
    """Ask all methods about all examples, as `evaluate_crops` does.

    Args:
        examples: From `read_subjects`.
        methods: Rows of the table.
        cached_encoder: What they look with.
        journal: Keeps what they answer.
        name: Of the set, for the report.
        progress: Wraps the photos.

    Raises:
        InputError: No example is left, or answers cannot be kept.
    """
    _warm_up(examples[0], methods)
    ask = MethodRunner(cached_encoder, journal)
    return evaluate_crops(examples, methods, name, progress=progress, must_all_run=True, answer=ask)


def parts_of(result: SetResult) -> list[SetResult]:
    """The queries for large things, and those for small ones: many methods do well at the first."""
    is_large = [
        any(_size(crop) >= LARGE_AREA for crop in case.example.crops) for case in result.cases
    ]
    kinds = {"at least": True, "less than": False}
    parts = [
        SetResult(
            f"{result.name}: the largest box takes {kind} {LARGE_AREA:.0%} of the photo",
            result.methods,
            [case for case, large in zip(result.cases, is_large, strict=True) if large is wanted],
        )
        for kind, wanted in kinds.items()
    ]
    return [part for part in parts if part.cases]


def identity_of(
    path: Path, images_dir: Path, methods: Sequence[Method], factory: MethodFactory
) -> dict[str, Any]:
    """What a run's answers and times follow from; for `Journal`."""
    return {
        "queries": sha256_of(path),
        "images": str(images_dir.resolve()),
        "methods": [method.name for method in methods],
        "tower": factory.cached_encoder.predictor.encoder.fingerprint(),
        "decoders": {name: sha256_of(file) for name, file in factory.decoders.items()},
        "device": factory.device,
        "threads": num_threads(),
        "version": __version__,
    }


def read_subjects(path: Path, images_dir: Path) -> list[Example]:
    """Queries with the boxes of what they name, as examples.

    Args:
        path: JSON lines, see `evaluation.grounding`.
        images_dir: The folder that the names of the photos are relative to.

    Returns:
        An example for each query; its "crops" are the boxes, normalised.

    Raises:
        InputError: The file cannot be read, or a line of it is wrong.
    """
    return [
        Example(
            photo=images_dir / case.image,
            crops=tuple(RatedCrop(box_xyxy_px=tuple(box)) for box in case.boxes_xyxy.tolist()),
            text=plural_where_several(case.query, len(case.boxes_xyxy)),
            size_px=(1, 1),
            source=f"{path}, line {case.line}",
        )
        for case in read_cases(path)
    ]


def _size(crop: RatedCrop) -> float:
    x0, y0, x1, y1 = crop.box_xyxy_px
    return (x1 - x0) * (y1 - y0)


def _warm_up(example: Example, methods: Sequence[Method]) -> None:
    """Let everything be loaded and set up before it is timed."""
    with contextlib.suppress(InputError):  # will be told when it is the example's turn
        photo = load_image(example.photo)
        for method in methods:
            method.crops(photo, example.text)


def plural_where_several(query: str, num_boxes: int) -> str:
    """The query; "every car" for "the car" where there are several."""
    texts = parse_prompt(query).texts
    if num_boxes == 1 or not texts or any(text.max_count is None for text in texts):
        return query
    return f"every {_ARTICLE.sub('', query.strip())}"
