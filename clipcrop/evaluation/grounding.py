"""Measure how well an encoder finds what is asked for, on photos with true boxes.

A file holds one JSON object a line: ``{"image": name, "query": text, "boxes": [[x0, y0, x1, y1],
...]}``, boxes normalised to the photo; all instances of what the query names have a box. A query
therefore selects as a plural does, as many boxes as are clear, even where it is worded "car".

The best box is the one with the highest score, also where grounding would drop the text as too
weak: otherwise a threshold would hide what the encoder knows. How many were dropped has its own
column, "called general".

A line without boxes, ``"boxes": []``, asks for what is not in the photo. It counts in no group; how
often such a query is "found" or "perhaps" there, and how often these words are right, stands below
the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays import FloatArray
from ..boxes import WHOLE_IMAGE_XYXY, area, as_boxes
from ..datasets.records import expect_text, read_records
from ..encoders.base import CloserEncoder
from ..errors import InputError
from ..grounding import GroundingOptions, ground_closely
from ..imaging.images import load_image
from ..prompt.parser import parse_prompt
from .grounding_metrics import Answer, CaseScore, score_case
from .metrics import without_nan

if TYPE_CHECKING:
    from ..encoders.base import Encoder, ImageTokens

PERSON = "person"
"""The query of the row that people have to themselves: to most encoders they are the easiest."""

LARGE_AREA = 0.05
"""Share of the photo from which on the largest true box makes a query one for a large thing."""

GROUPS = (
    PERSON,
    f"other, at least {LARGE_AREA:.0%} of the photo",
    "other, smaller",
    "all",
)

CENTRE_XYXY = (0.25, 0.25, 0.75, 0.75)
"""Half of the width and half of the height."""

BASELINES = {"whole image": WHOLE_IMAGE_XYXY, "centre 50 %": CENTRE_XYXY}
"""Boxes that need no model, and what they are called."""

_UNUSUAL_SIDE = 1e-3  # annotations are rounded, so a box may stick out by this much


@dataclass(frozen=True)
class GroundingCase:
    """One query on one photo."""

    image: str
    """Name of the photo, within the folder of photos."""

    query: str
    """What is asked for."""

    boxes_xyxy: FloatArray
    """[K, 4] all that the query names; K = 0 for what is not in the photo."""

    line: int
    """Where it stands in its file, from 1."""


class Figures(NamedTuple):
    """Means over the queries of one group."""

    n: int
    """Queries."""

    pointing: float
    """Share whose best box has its centre in a true box."""

    mean_iou: float
    """Mean IoU of the best box with the true box that it fits best."""

    share_iou_50: float
    """Share whose best box reaches an IoU of 0.5 with a true box."""

    union_iou: float
    """Mean IoU of the box round all that was selected and the box round all true boxes."""

    wrong_subject: float
    """Share whose best box has its centre in a box of another query of the photo and in none of
    its own."""

    called_general: int
    """Queries that grounding dropped: a user would get general crops, labelled so."""


class Claims(NamedTuple):
    """Queries whose thing is said to be there in one way, "found" or "perhaps"."""

    present: int
    """Those whose thing is there, wherever its best box lies."""

    right: int
    """Those of them with the centre of the best box in a true box."""

    absent: int
    """Those whose thing is not there."""

    def to_text(self, word: str, present: int, absent: int) -> str:
        """One sentence about so many queries for what is there and for what is not."""
        says = f"{word}: {self.present} of {present} that are there"
        if absent:
            says += f", {self.absent} of {absent} that are not"
        share = self.right_share(present, absent)
        return f"{says}; right: {'-' if share is None else f'{share:.3f}'}"

    def right_share(self, present: int, absent: int) -> float | None:
        """How often such a claim is right, if half of all queries ask for what is there."""
        false_claims = self.absent * present / absent if absent else 0.0
        claims = self.present + false_claims
        return self.right / claims if claims else None


class Trust(NamedTuple):
    """Whether what is said to be there is there."""

    present: int
    """Queries for what is in the photo."""

    absent: int
    """Queries for what is not."""

    found: Claims
    """What is said to be found."""

    perhaps: Claims
    """What is said to be perhaps there."""

    def to_text(self) -> str:
        """Two lines; shares are those for present and absent names half and half."""
        return "\n".join(
            claims.to_text(word, self.present, self.absent)
            for word, claims in (("found", self.found), ("perhaps", self.perhaps))
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "present": self.present,
            "absent": self.absent,
            **{
                word: {
                    **claims._asdict(),
                    "right_share": claims.right_share(self.present, self.absent),
                }
                for word, claims in (("found", self.found), ("perhaps", self.perhaps))
            },
        }


@dataclass(frozen=True)
class GroundingReport:
    """What was measured."""

    model: str
    """Name of the encoder."""

    num_images: int
    """Photos with at least one query."""

    figures: dict[str, dict[str, Figures]]
    """By group and then by method: the baselines and the model."""

    trust: Trust
    """Of the model."""

    def to_json(self) -> dict[str, Any]:
        """The report as JSON types; figures of a group without queries are null."""
        return {
            "model": self.model,
            "num_images": self.num_images,
            "trust": self.trust.to_json(),
            "groups": {
                group: {method: without_nan(row._asdict()) for method, row in rows.items()}
                for group, rows in self.figures.items()
            },
        }

    def to_text(self) -> str:
        """The report as people read it."""
        title = f"{self.model} on {self.num_images} photos; means over queries"
        return f"{title}\n\n{self.to_table()}\n\n{self.trust.to_text()}"

    def to_table(self) -> str:
        """The figures as a Markdown table; groups without queries are left out."""
        lines = [
            "| queries | method | n | pointing | IoU | IoU >= .5 | union IoU | wrong subject "
            "| called general |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for group, rows in self.figures.items():
            for method, row in rows.items():
                if row.n:
                    means = " | ".join(f"{value:.3f}" for value in row[1:6])
                    lines.append(f"| {group} | {method} | {row.n} | {means} | {row[6]} |")
        return "\n".join(lines)


Ask = Callable[[Path, Sequence[str]], Sequence[Answer]]
"""A photo and its queries -> an answer for each."""


def evaluate_grounding(
    path: Path, images_dir: Path, encoder: Encoder, options: GroundingOptions | None = None
) -> GroundingReport:
    """Measure an encoder on a file of queries.

    Args:
        path: the queries, JSON lines.
        images_dir: the folder that the names of the photos are relative to.
        encoder: finds boxes for each query.
        options: how texts select; by default with the encoder's own thresholds.

    Raises:
        InputError: the file cannot be read, or a line or a photo of it is wrong.
    """
    cases = read_cases(path, with_absent=True)
    ask = make_ask(encoder, options or GroundingOptions.of(encoder))
    return measure(cases, images_dir, ask, encoder.name, source=path)


def make_ask(encoder: Encoder, options: GroundingOptions) -> Ask:
    """Answer queries as the predictor would, the photo encoded once."""

    def ask(image_path: Path, queries: Sequence[str]) -> list[Answer]:
        image = load_image(image_path).rgb
        tokens = encoder.encode_images([image])

        @cache
        def look_closer() -> ImageTokens | None:
            return encoder.encode_parts(image) if isinstance(encoder, CloserEncoder) else None

        answers = []
        for query in queries:
            prompt = parse_prompt(query)
            texts = tuple(replace(text, max_count=None) for text in prompt.texts)
            prompt = replace(prompt, texts=texts)
            if not prompt.all_texts:
                answers.append(Answer(None, None, is_general=True))
                continue
            embeddings = encoder.encode_texts(prompt.all_texts)
            found, _ = ground_closely(encoder, tokens, embeddings, prompt, options, look_closer)
            best = as_boxes(found.best.box_xyxy)[0] if found.best else None
            union = best if found.union_box_xyxy is None else found.union_box_xyxy
            is_sure = found.best is not None and found.best.is_sure
            answers.append(Answer(best, union, found.union_box_xyxy is None, is_sure))
        return answers

    return ask


def measure(
    cases: Sequence[GroundingCase],
    images_dir: Path,
    ask: Ask,
    model: str,
    source: Path = Path("the queries"),
) -> GroundingReport:
    """Measure a model and the baselines.

    Args:
        cases: the queries.
        images_dir: the folder that the names of the photos are relative to.
        ask: the model.
        model: its name in the report.
        source: the file of the queries, for messages.

    Raises:
        InputError: a photo is not there or cannot be read, or a query is no prompt.
    """
    by_image: dict[str, list[GroundingCase]] = {}
    for case in cases:
        by_image.setdefault(case.image, []).append(case)
    scores: dict[str, list[tuple[str, CaseScore]]] = {name: [] for name in (*BASELINES, model)}
    claims: list[tuple[Answer, CaseScore | None]] = []  # no score: the thing is not there
    for name, of_image in by_image.items():
        try:
            answers = ask(images_dir / name, [case.query for case in of_image])
        except InputError as exc:
            raise InputError(f"{source}, line {of_image[0].line}: {exc}") from exc
        fixed = {title: _fixed_answer(box_xyxy) for title, box_xyxy in BASELINES.items()}
        for index, (case, answer) in enumerate(zip(of_image, answers, strict=True)):
            others_xyxy = as_boxes(
                [box for other in of_image if other.query != case.query for box in other.boxes_xyxy]
            )
            own_xyxy = _own_boxes(of_image, index)
            if not len(own_xyxy):
                claims.append((answer, None))
                continue
            for title, given in {**fixed, model: answer}.items():
                scores[title].append((_group(case), score_case(given, own_xyxy, others_xyxy)))
            claims.append((answer, scores[model][-1][1]))
    return GroundingReport(
        model=model,
        num_images=len(by_image),
        figures={
            group: {
                title: _mean_figures(score for of, score in pairs if group in (of, "all"))
                for title, pairs in scores.items()
            }
            for group in GROUPS
        },
        trust=_trust(claims),
    )


def _trust(claims: Sequence[tuple[Answer, CaseScore | None]]) -> Trust:
    def count(*, is_sure: bool) -> Claims:
        made = [
            score for answer, score in claims if not answer.is_general and answer.is_sure is is_sure
        ]
        present = [score for score in made if score is not None]
        right = sum(score.is_pointing for score in present)
        return Claims(len(present), right, len(made) - len(present))

    present = sum(score is not None for _, score in claims)
    return Trust(present, len(claims) - present, count(is_sure=True), count(is_sure=False))


def read_cases(path: Path, *, with_absent: bool = False) -> list[GroundingCase]:
    """Read a file of queries.

    Args:
        path: JSON lines.
        with_absent: Allow lines without boxes, for what is not in the photo.

    Raises:
        InputError: the file cannot be read, or a line of it is wrong; file and line are named.
    """
    cases = read_records(path, "a grounding query", partial(_case, with_absent=with_absent))
    if not cases:
        raise InputError(f"{path} holds no queries; expected one JSON object a line")
    return cases


def queries_from_boxes(path: Path) -> list[dict[str, Any]]:
    """Annotated boxes -> queries by category name, as records for a file that `read_cases` reads.

    Args:
        path: JSON lines ``{"image": name, "boxes": [[category, x0, y0, x1, y1], ...]}``.

    Raises:
        InputError: the file cannot be read, or a line of it is wrong; file and line are named.
    """
    photos = read_records(path, "an annotated photo", _queries)
    return [query for queries in photos for query in queries]


def _case(record: dict[str, Any], line: int, with_absent: bool) -> GroundingCase:
    is_absent = with_absent and record["boxes"] == []
    return GroundingCase(
        image=expect_text(record, "image"),
        query=expect_text(record, "query"),
        boxes_xyxy=as_boxes([]) if is_absent else _boxes(record["boxes"]),
        line=line,
    )


def _queries(record: dict[str, Any], _line: int) -> list[dict[str, Any]]:
    """The queries of one annotated photo."""
    by_category: dict[str, list[list[float]]] = {}
    for category, *box_xyxy in record["boxes"]:
        by_category.setdefault(str(category), []).append(box_xyxy)
    image = expect_text(record, "image")
    for boxes in by_category.values():
        _boxes(boxes)
    return [
        {"image": image, "query": category, "boxes": boxes}
        for category, boxes in by_category.items()
    ]


def _boxes(rows: object) -> FloatArray:
    """[K, 4] the boxes of a record; ValueError says what is wrong with them."""
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"'boxes' must be a list with a box in it, got {rows!r}")
    for row in rows:
        if not isinstance(row, list) or len(row) != 4:
            raise ValueError(f"a box must be [x0, y0, x1, y1], got {row!r}")
        if not all(isinstance(side, (int, float)) and math.isfinite(side) for side in row):
            raise ValueError(f"a box must be four numbers, got {row!r}")
        x0, y0, x1, y1 = row
        if min(row) < -_UNUSUAL_SIDE or max(row) > 1 + _UNUSUAL_SIDE or x0 >= x1 or y0 >= y1:
            raise ValueError(
                f"a box must lie in 0..1, left to right and top to bottom, got {row!r}"
            )
    return as_boxes(rows)


def _own_boxes(of_image: Sequence[GroundingCase], index: int) -> FloatArray:
    """[K, 4] true boxes of a query; of all lines that ask the same of this photo."""
    query = of_image[index].query
    return np.concatenate([case.boxes_xyxy for case in of_image if case.query == query])


def _group(case: GroundingCase) -> str:
    if case.query.strip().lower() == PERSON:
        return GROUPS[0]
    return GROUPS[1] if float(area(case.boxes_xyxy).max()) >= LARGE_AREA else GROUPS[2]


def _fixed_answer(box_xyxy: Sequence[float]) -> Answer:
    box = as_boxes(box_xyxy)[0]
    return Answer(box, box, is_general=False)


def _mean_figures(scores: Iterable[CaseScore]) -> Figures:
    table = list(scores)
    if not table:
        return Figures(0, math.nan, math.nan, math.nan, math.nan, math.nan, 0)
    columns = np.array(table, np.float64)
    pointing, iou_best, is_half, union, wrong, _ = columns.mean(axis=0).tolist()
    return Figures(
        len(table), pointing, iou_best, is_half, union, wrong, sum(one.is_general for one in table)
    )
