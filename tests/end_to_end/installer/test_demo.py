from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image


@pytest.mark.slow
@pytest.mark.usefixtures("real_home")  # pip's cache: else every run downloads everything again
def test_the_readmes_demo_crops_every_sample_photo(checkout: Path, samples: Path):
    started = time.time()

    demo = subprocess.run(
        [sys.executable, "installer", "demo"], cwd=checkout, capture_output=True, text=True
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    for photo in samples.glob("*.jpg"):
        sheet = checkout / "out" / "demo" / f"{photo.stem}.png"
        assert f"contact sheet: {sheet.relative_to(checkout)}" in demo.stdout
        assert sheet.stat().st_mtime >= started - 1
        with Image.open(sheet) as image:
            image.load()
            assert min(image.size) > 100
    # A woman, a cat and a cup are among what any model must know.
    for subject in ("woman", "cat", "cup"):
        assert f"found: {subject}" in demo.stdout
