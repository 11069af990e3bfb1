"""Suggestions as programs and people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .suggestions import Detection, Suggestions

_DIGITS = 4


def as_record(
    image: str,
    suggestions: Suggestions,
    seconds: Mapping[str, float],
    crop_files: Sequence[Path] = (),
) -> dict[str, Any]:
    """One image's answer as JSON takes it; boxes are left, top, right, bottom.

    Args:
        image: Its name, as it was given.
        suggestions: The answer.
        seconds: What each stage took.
        crop_files: Where each suggestion was written, if it was.
    """
    files = [{"file": str(path)} for path in crop_files] or [{} for _ in suggestions.crops]
    return {
        "image": image,
        "model": suggestions.model,
        "kind": suggestions.kind,
        "well_framed": suggestions.is_well_framed,
        "matched": [_detection(found) for found in suggestions.matched],
        "dropped": [
            {
                "text": one.text,
                "score": round(one.score, _DIGITS),
                "reason": one.reason,
                "unknown": one.is_unknown,
            }
            for one in suggestions.dropped
        ],
        "excluded": [_detection(found) for found in suggestions.excluded],
        "suggestions": [
            {
                "box": [round(side, _DIGITS + 2) for side in crop.crop_xyxy],
                "box_px": list(crop.crop_px),
                "quality": round(crop.quality, _DIGITS),
                **({"width": crop.width} if crop.width else {}),
                **({"source": "decoder"} if crop.source == "decoder" else {}),
                **file,
            }
            for crop, file in zip(suggestions.crops, files, strict=True)
        ],
        "understood": {
            "line": str(suggestions.understood),
            **{
                name: list(value) if isinstance(value, tuple) else value
                for name, value in vars(suggestions.understood).items()
            },
        },
        "notes": list(suggestions.notes),
        "seconds": {stage: round(took, 3) for stage, took in seconds.items()},
    }


def as_text(image: str, suggestions: Suggestions, crop_files: Sequence[Path] = ()) -> str:
    """One image's answer in a few lines for people."""
    lines = [f"{printable(image)} ({suggestions.model}): {_verdict(suggestions)}"]
    if understood := str(suggestions.understood):
        lines.append(f"  {printable(understood)}")
    if suggestions.is_well_framed:
        lines.append("  by its layout the whole image is as good as any crop of it")
    lines += [
        f"  {'unknown' if one.is_unknown else 'not found'}: {one.text} ({one.reason})"
        if one.was_wanted
        else f"  {one.text}: {one.reason}"
        for one in suggestions.dropped
    ]
    if suggestions.excluded:
        names = dict.fromkeys(found.text for found in suggestions.excluded)
        lines.append(f"  left out where possible: {', '.join(names)}")
    lines += [f"  {note}" for note in suggestions.notes]
    has_widths = any(crop.width for crop in suggestions.crops)
    for number, crop in enumerate(suggestions.crops, start=1):
        x0, y0, x1, y1 = crop.crop_px
        size = f"{x1 - x0} x {y1 - y0}"
        width = f"{crop.width or '':<6}  " if has_widths else ""
        source = "  from the decoder" if crop.source == "decoder" else ""
        place = f"{size:>13} px at ({x0}, {y0})"
        file = f"  in {printable(str(crop_files[number - 1]))}" if crop_files else ""
        lines.append(f"  {number}. {width}quality {crop.quality:.2f}  {place}{source}{file}")
    return "\n".join(lines)


def printable(text: str) -> str:
    """The text with control characters, and bytes of names that are no text, as escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _verdict(suggestions: Suggestions) -> str:
    if suggestions.kind == "general":
        wanted = [one for one in suggestions.dropped if one.was_wanted]
        if wanted and all(one.is_unknown for one in wanted):
            return "the model does not know that; these are general crops"
        if wanted:
            return "nothing like that here; these are general crops"
        return "general crops, since nothing was named to look for"
    if not suggestions.matched:
        return "crops that show it best"
    found = _names(one for one in suggestions.matched if one.is_sure)
    perhaps = _names(suggestions.perhaps)
    if not found:
        return f"perhaps {perhaps}; not sure, so check the crops"
    return f"found {found}{f'; perhaps {perhaps}' if perhaps else ''}"


def _names(detections: Iterable[Detection]) -> str:
    """Each text once, with the best score and how many boxes it has."""
    scores: dict[str, list[float]] = {}
    for one in detections:
        scores.setdefault(one.text, []).append(one.score)
    return ", ".join(
        f"{text}{f' x {len(of_text)}' if len(of_text) > 1 else ''} ({max(of_text):.2f})"
        for text, of_text in scores.items()
    )


def _detection(found: Detection) -> dict[str, Any]:
    return {
        "text": found.text,
        "score": round(found.score, _DIGITS),
        "box": [round(side, _DIGITS + 2) for side in found.box_xyxy],
        "sure": found.is_sure,
    }
