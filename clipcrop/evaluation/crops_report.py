"""Results of `evaluation.crops` as Markdown, JSON, lines of crops, and pages of pictures."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..device import num_threads
from ..errors import InputError
from ..imaging.contact_sheet import PictureRow, cut_picture, marked_picture, write_pictures
from ..imaging.images import load_image, reason_of
from ..imaging.output_files import written_at_once
from .bootstrap import CONFIDENCE, RESAMPLES, Estimate, Spread
from .crops import Case, SetResult
from .metrics import without_nan

PACKAGES = ("onnxruntime", "torch", "transformers", "numpy", "pillow")
"""Whose versions stand in the report, where they are installed."""

MAX_COLUMNS = 5
"""More figures than this are the rows of a table, and methods its columns."""

MAX_ABREAST = 6
"""More pictures of one photo go on in the next line."""

ANNOTATED = (255, 196, 0)
"""Colour of the crops that people drew or rated best."""

GOOD_RATING = 4.0
"""Rated crops from here on are drawn into the pictures; the paper trains on these."""


@dataclass
class CropsReport:
    """What was measured, and how."""

    title: str
    """First line."""

    results: list[SetResult]
    """One for each set."""

    command: str
    """What to type to get the same."""

    seed: int
    """Of the bootstrap; nothing else is random."""

    model: str
    """Name of the encoder."""

    fingerprint: str
    """`Encoder.fingerprint` of it."""

    decoders: dict[str, Path] = field(default_factory=dict)
    """Name of a row -> its checkpoint."""

    figures: tuple[str, ...] = ()
    """What the table shows; everything by default. The JSON always has everything."""

    parts: list[SetResult] = field(default_factory=list)
    """Parts of the sets, with tables of their own."""

    legend: str = ""
    """What the figures are, in words below the title."""

    annotated: str = ""
    """What the annotated boxes are, for the pictures; crops of people by default."""

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON types; a mean of nothing is null."""
        return {
            "title": self.title,
            "command": self.command,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "decoders": {
                name: {"file": str(path), "sha256": sha256_of(path)}
                for name, path in self.decoders.items()
            },
            "versions": {
                "python": platform.python_version(),
                "clipcrop": __version__,
                **_versions(),
            },
            "threads": num_threads(),
            "bootstrap": {"seed": self.seed, "resamples": RESAMPLES, "confidence": CONFIDENCE},
            "sets": [self._set_to_json(result) for result in self.results],
            "parts": [self._set_to_json(part) for part in self.parts],
        }

    def _set_to_json(self, result: SetResult) -> dict[str, Any]:
        return {
            "name": result.name,
            "photos": result.num_photos,
            "examples": len(result.cases),
            "left_out": result.left_out,
            "notes": result.notes,
            "methods": {
                method: {figure: without_nan(one._asdict()) for figure, one in figures.items()}
                for method, figures in result.estimates(self.seed).items()
            },
            "seconds": {method: taken._asdict() for method, taken in result.seconds().items()},
        }

    def to_markdown(self) -> str:
        """The tables, with what they are over."""
        parts = [f"# {self.title}", f"`{self.command}`", *([self.legend] if self.legend else [])]
        for result in [*self.results, *self.parts]:
            parts += [f"## {result.name}", _summary(result), self._table(result)]
            parts += [f"Not measured: {note}." for note in result.notes]
            if result.left_out:
                parts.append("\n".join(f"- left out: {reason}" for reason in result.left_out))
        return "\n\n".join(parts) + "\n"

    def _table(self, result: SetResult) -> str:
        estimates, seconds = result.estimates(self.seed), result.seconds()
        shown = [name for name in result.figure_names() if name in (self.figures or (name,))]
        table = [["method", *shown, *(["seconds"] if seconds else [])]]
        for method, figures in estimates.items():
            cells = [_cell(figures.get(figure)) for figure in shown]
            table.append([method, *cells, *([_time(seconds[method])] if seconds else [])])
        if len(table[0]) > 1 + MAX_COLUMNS:
            table = [list(column) for column in zip(*table, strict=True)]
            table[0][0] = "figure"
        lines = [f"| {' | '.join(row)} |" for row in table]
        lines.insert(1, "|---" * len(table[0]) + "|")
        return "\n".join(lines)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def write_report(report: CropsReport, folder: Path, max_pictures: int) -> list[Path]:
    """Write results.md, results.json, crops.jsonl and pages of pictures.

    Args:
        report: What was measured.
        folder: Made if it is not there; files of these names in it are replaced.
        max_pictures: Examples of each set that are drawn; 0 for none.

    Returns:
        The files.

    Raises:
        InputError: They cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(f"cannot make the folder {str(folder)!r}: {reason_of(exc)}") from exc
    crops = [_crops_line(result, case) for result in report.results for case in result.cases]
    texts = {
        "results.md": report.to_markdown(),
        "results.json": json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n",
        "crops.jsonl": "".join(f"{line}\n" for line in crops),
    }
    for name, text in texts.items():
        with written_at_once(folder / name) as part:
            part.write_text(text, encoding="utf-8")
    paths = [folder / name for name in texts]
    for number, result in enumerate(report.results, start=1):
        target = folder / ("pictures.jpg" if number == 1 else f"pictures-set{number}.jpg")
        shown = _spread(result.cases, max_pictures)
        lines = [(case, line) for case in shown for line in range(_num_lines(case))]
        paths += write_pictures(lines, target, lambda one: _pictures(*one, report.annotated))
    return paths


def _summary(result: SetResult) -> str:
    left_out = f", {len(result.left_out)} left out" if result.left_out else ""
    return (
        f"{result.num_photos} photos, {len(result.cases)} examples{left_out}; means over examples, "
        f"with {CONFIDENCE:.0%} intervals by bootstrap over photos"
    )


def _cell(estimate: Estimate | None) -> str:
    if estimate is None or math.isnan(estimate.mean):
        return "–"  # noqa: RUF001 - there is no such figure
    return f"{estimate.mean:.4f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _time(seconds: Spread) -> str:
    return f"{seconds.median:.3f} ({seconds.low:.3f} to {seconds.high:.3f})"


def _crops_line(result: SetResult, case: Case) -> str:
    crops = {
        method: [[round(side, 4) for side in box] for box in answer.crops_xyxy.tolist()]
        for method, answer in case.answers.items()
    }
    record: dict[str, Any] = {
        "set": result.name,
        "image": str(case.example.photo),
        "text": case.example.text,
        "crops": crops,
    }
    seconds = {method: answer.seconds for method, answer in case.answers.items()}
    if None not in seconds.values():
        record["seconds"] = seconds
    return json.dumps(record, ensure_ascii=False)


def _spread(cases: Sequence[Case], count: int) -> list[Case]:
    """So many cases from all over the set."""
    count = min(count, len(cases))
    return [cases[number * len(cases) // count] for number in range(count)]


def _num_lines(case: Case) -> int:
    """How many lines a photo and its crops take."""
    return math.ceil((1 + len(case.answers)) / MAX_ABREAST)


def _pictures(case: Case, line: int, annotated: str) -> PictureRow:
    """One line of: the photo with what was annotated, then each method's first crop."""
    example = case.example
    photo = load_image(example.photo)
    boxes = example.crops_xyxy((photo.width_px, photo.height_px)).tolist()
    marked = [
        (tuple(box), ANNOTATED)
        for box, crop in zip(boxes, example.crops, strict=True)
        if crop.rating is None or crop.rating >= GOOD_RATING
    ]
    pictures = [(marked_picture(photo.rgb, marked), annotated or f"{len(boxes)} crops of people")]
    for method, answer in case.answers.items():
        first = tuple(answer.crops_xyxy[0].tolist())
        figure, value = next(iter(answer.figures.items()))
        pictures.append((cut_picture(photo.rgb, first), f"{method}: {figure} {value:.2f}"))
    title = "" if line else f"{example.photo.name}: {example.text or 'no text'}"
    abreast = math.ceil(len(pictures) / _num_lines(case))
    return PictureRow(title, pictures[line * abreast : (line + 1) * abreast])


def sha256_of(path: Path) -> str:
    """A file's hash, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
