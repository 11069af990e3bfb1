"""Look through a data set and say what is missing or odd, each with its file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError, InvalidImage
from ..imaging.images import upright_size
from .examples import Example
from .sets import find_layout
from .texts import Texts, read_texts

MAX_OUTSIDE_PX = 1.0
"""Annotations are rounded, so a crop may stick out of its photo by this much."""

FEW_CROPS = 10
"""Fewer rated crops of a photo than this cannot fill the best ten of Acc K/10."""

PUBLISHED_SIZES: dict[str, tuple[dict[str, int], ...]] = {
    "gaicd": ({"train": 2636, "val": 200, "test": 500}, {"train": 1036, "test": 200}),
    "flms": ({"test": 500},),
    "fcdb": ({"train": 1395, "test": 348},),
}
"""Photos in each split of each version of a set."""


@dataclass
class Findings:
    """What a set holds, and what is wrong with it."""

    kind: str
    """Its layout."""

    num_photos: dict[str, int] = field(default_factory=dict)
    """By split."""

    num_examples: int = 0
    """Photos with a text each; a photo with two texts counts twice."""

    num_crops: int = 0
    """Of all examples."""

    num_texts: int = 0
    """Examples that have a text."""

    wrong: list[str] = field(default_factory=list)
    """What must be mended before the set is used."""

    odd: list[str] = field(default_factory=list)
    """What can be so, and should be looked at."""

    def to_text(self) -> str:
        """The findings as people read them."""
        splits = ", ".join(f"{name} {count}" for name, count in self.num_photos.items())
        lines = [
            f"{self.kind}: photos {splits or 'none'}; {self.num_examples} examples, "
            f"{self.num_texts} with a text, {self.num_crops} crops"
        ]
        lines += [f"wrong: {one}" for one in self.wrong]
        lines += [f"odd: {one}" for one in self.odd]
        if not self.wrong and not self.odd:
            lines.append("nothing wrong, nothing odd")
        return "\n".join(lines)


def check_set(
    path: Path,
    *,
    name: str | None = None,
    texts: Path | None = None,
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> Findings:
    """Look through a data set.

    Args:
        path: Its file or folder.
        name: Its layout; found out by default.
        texts: A file or folder of texts, for a set that has none of its own.
        progress: Wraps the photos that are opened, to show how far it is.

    Raises:
        InputError: There is no such data set.
    """
    kind = find_layout(path, name)
    findings = Findings(kind.name)

    def on_error(problem: InputError) -> None:
        findings.wrong.append(str(problem))

    found_texts = read_texts(texts, on_error=on_error) if texts else {}
    examples = kind.read(path, found_texts, on_error)
    _count(examples, findings)
    _check_photos(examples, findings, progress)
    findings.odd += _odd_crops(examples)
    findings.odd += _odd_texts(examples, found_texts, texts)
    findings.odd += _odd_counts(findings)
    return findings


def _count(examples: Sequence[Example], findings: Findings) -> None:
    findings.num_examples = len(examples)
    findings.num_crops = sum(len(example.crops) for example in examples)
    findings.num_texts = sum(bool(example.text) for example in examples)
    photos = {(example.split, example.photo) for example in examples}
    findings.num_photos = dict(Counter(split for split, _ in sorted(photos)))
    names = Counter(photo.name for _, photo in photos)
    findings.odd += [
        f"{name}: a photo of this name is in {count} places"
        for name, count in names.items()
        if count > 1
    ]


def _check_photos(
    examples: Sequence[Example],
    findings: Findings,
    progress: Callable[[Sequence[Path]], Iterable[Path]],
) -> None:
    """Open every photo, and compare its size with the crops."""
    of_photo: dict[Path, list[Example]] = {}
    for example in examples:
        of_photo.setdefault(example.photo, []).append(example)
        if example.query_image is not None:
            of_photo.setdefault(example.query_image, [])
    for photo in progress(list(of_photo)):
        source = of_photo[photo][0].source if of_photo[photo] else "a query image"
        try:
            size_px = upright_size(photo)
        except InvalidImage as exc:
            findings.wrong.append(f"{source}: {exc}")
            continue
        for example in of_photo[photo]:
            findings.odd += _odd_sizes(example, size_px)


def _odd_sizes(example: Example, photo_size_px: tuple[int, int]) -> Iterator[str]:
    if example.size_px and example.size_px != photo_size_px:
        yield (
            f"{example.source}: annotated at {example.size_px[0]} x {example.size_px[1]}, but "
            f"{example.photo.name} is {photo_size_px[0]} x {photo_size_px[1]}"
        )
    width, height = example.size_px or photo_size_px
    for crop in example.crops:
        x0, y0, x1, y1 = crop.box_xyxy_px
        if max(-x0, -y0, x1 - width, y1 - height) > MAX_OUTSIDE_PX:
            yield (
                f"{example.source}: crop {list(crop.box_xyxy_px)} leaves its photo of "
                f"{width} x {height}"
            )


def _odd_crops(examples: Sequence[Example]) -> Iterator[str]:
    usual = Counter(len(example.crops) for example in examples)
    most = usual.most_common(1)[0][0] if usual else 0
    for example in examples:
        is_rated = any(crop.rating is not None for crop in example.crops)
        count = len(example.crops)
        if is_rated and count < FEW_CROPS:
            yield f"{example.source}: {count} rated crops, fewer than {FEW_CROPS}"
        if not is_rated and count < most:
            yield f"{example.source}: crops of {count} people where {most} are usual"
        boxes = Counter(crop.box_xyxy_px for crop in example.crops if is_rated)
        for box, times in boxes.items():
            if times > 1:
                yield f"{example.source}: crop {list(box)} is there {times} times"


def _odd_texts(examples: Sequence[Example], texts: Texts, path: Path | None) -> Iterator[str]:
    lacking = [example for example in examples if not example.text and not example.query_image]
    if lacking and len(lacking) < len(examples):
        for example in lacking:
            yield f"{example.source}: {example.photo.name} has no text"
    elif lacking:
        yield "no photo has a text; `clipcrop data caption` makes some"
    names = {example.photo.name for example in examples}
    for name in sorted(set(texts) - names):
        yield f"{path}: a text of {name!r}, which is no photo of this set"


def _odd_counts(findings: Findings) -> Iterator[str]:
    published = PUBLISHED_SIZES.get(findings.kind, ())
    if published and findings.num_photos not in published:
        versions = " or ".join(
            ", ".join(f"{split} {count}" for split, count in one.items()) for one in published
        )
        yield f"the published set has {versions} photos"
