"""The metrics of a run as a picture: losses above, validation below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ..imaging.output_files import written_at_once

Series = Mapping[str, Sequence[tuple[float, float]]]
"""Name -> points (step, value), steps rising."""

WIDTH_PX, HEIGHT_PX = 960, 300
MAX_POINTS = 200
"""More points than this are averaged in groups: noise hides what happens."""

_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_TOP, _MARGIN_BOTTOM = 64, 160, 34, 30
_PAPER, _INK, _FAINT = (255, 255, 255), (40, 40, 44), (222, 222, 226)
_COLOURS = (
    (31, 119, 180),
    (214, 89, 28),
    (44, 140, 70),
    (148, 80, 180),
    (120, 120, 125),
    (190, 150, 20),
    (20, 150, 160),
    (200, 60, 110),
)


def write_curve(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the metrics of a run.

    Args:
        records: Lines of ``metrics.jsonl``; a value that starts with ``val_`` is a validation's.
        path: The picture, replaced at once.
    """
    losses = series_of(records, lambda name: name.startswith("loss"))
    validation = series_of(records, lambda name: name.startswith("val_"))
    charts = [("losses", losses), ("validation", validation)]
    draw_charts([(title, lines) for title, lines in charts if lines], path)


def series_of(
    records: Sequence[Mapping[str, Any]], wanted: Any
) -> dict[str, list[tuple[float, float]]]:
    """The values of wanted names over the steps."""
    found: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        for name, value in record.items():
            if wanted(name):
                found.setdefault(name, []).append((record["step"], value))
    return found


def draw_charts(charts: Sequence[tuple[str, Series]], path: Path) -> None:
    """Draw line charts below each other, each with a title, axes and a legend.

    Args:
        charts: Title and lines of each.
        path: The picture, replaced at once; nothing is written without a chart.
    """
    if not charts:
        return
    sheet = Image.new("RGB", (WIDTH_PX, HEIGHT_PX * len(charts)), _PAPER)
    for number, (title, lines) in enumerate(charts):
        sheet.paste(_chart(title, lines), (0, number * HEIGHT_PX))
    with written_at_once(path) as part:
        sheet.save(part, "PNG")


def _chart(title: str, lines: Series) -> Image.Image:
    chart = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), _PAPER)
    draw = ImageDraw.Draw(chart)
    font, small = ImageFont.load_default(16), ImageFont.load_default(12)
    draw.text((_MARGIN_LEFT, 8), title, _INK, font)
    smooth = {name: _averaged(points) for name, points in lines.items()}
    xs = [x for points in smooth.values() for x, _ in points]
    ys = [y for points in smooth.values() for _, y in points]
    right, bottom = WIDTH_PX - _MARGIN_RIGHT, HEIGHT_PX - _MARGIN_BOTTOM
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1)
    y_low, y_high = min(0.0, min(ys)), max(max(ys), min(ys) + 1e-6)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_low) / (y_high - y_low)
        return (
            _MARGIN_LEFT + across * (right - _MARGIN_LEFT),
            bottom - up * (bottom - _MARGIN_TOP),
        )

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = y_low + share * (y_high - y_low)
        left, y = place(x_low, value)
        draw.line([(left, y), (right, y)], _FAINT)
        draw.text((6, y - 7), f"{value:.3g}", _INK, small)
    for step in (x_low, (x_low + x_high) / 2, x_high):
        draw.text((place(step, y_low)[0] - 10, bottom + 8), f"{step:.0f}", _INK, small)
    for number, (name, points) in enumerate(smooth.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [place(x, y) for x, y in points]
        if len(places) > 1:
            draw.line(places, colour, width=2)
        x, y = places[-1]
        draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
        draw.text((right + 10, _MARGIN_TOP + 18 * number), name, colour, small)
    return chart


def _averaged(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    size = -(-len(points) // MAX_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]
