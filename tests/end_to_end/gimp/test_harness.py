"""The harness itself: what it says of GIMP is so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from driver import FailedInGimp, Gimp

pytestmark = pytest.mark.gimp


def test_python_runs_inside_gimp_and_its_failures_come_out(gimp: Gimp):
    assert gimp.run("result = Gimp.version()").startswith("3.")
    with pytest.raises(FailedInGimp, match="ZeroDivisionError"):
        gimp.run("1 / 0")


def test_keys_reach_gimps_window(
    start_gimp: Callable[..., Gimp], astronaut_path: Path, tmp_path: Path
):
    gimp = start_gimp(astronaut_path, has_window=True)
    window = gimp.window("astronaut")

    gimp.activate(window)
    gimp.key("ctrl+a")

    assert gimp.run("result = selection(Gimp.get_images()[0])") == [0, 0, 512, 512]
    assert gimp.screenshot(tmp_path / "screen.png").stat().st_size > 10_000
