"""The harness itself: what it says of Krita is so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from editor import FailedInEditor, wait_for
from krita_driver import Krita

pytestmark = pytest.mark.krita


def test_python_runs_inside_krita_and_its_failures_come_out(
    start_krita: Callable[..., Krita], krita_roots: list[Path]
):
    for root in krita_roots:
        krita = start_krita(root=root)

        assert krita.run("result = app.version()").startswith("5.")
        with pytest.raises(FailedInEditor, match="ZeroDivisionError"):
            krita.run("1 / 0")
        krita.quit()


def test_keys_reach_kritas_window(
    start_krita: Callable[..., Krita], astronaut_path: Path, tmp_path: Path
):
    krita = start_krita(astronaut_path)
    krita.focus_window()

    krita.key("ctrl+a")

    wait_for("the selection", lambda: krita.run("result = selection()") == [0, 0, 512, 512])
    assert krita.screenshot(tmp_path / "screen.png").stat().st_size > 10_000
