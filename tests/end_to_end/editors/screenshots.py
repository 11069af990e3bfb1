"""Pictures for the READMEs, made by the tests."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

FOLDER_VARIABLE = "CLIPCROP_SCREENSHOTS"
"""Environment variable with the folder to put them in."""


def keep(path: Path) -> None:
    """Keep a screenshot, small and without the empty desktop, if anybody wants it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    with Image.open(path) as shot:
        picture = shot.convert("RGB")
    Path(folder).mkdir(parents=True, exist_ok=True)
    small = picture.crop(picture.getbbox()).quantize(256)
    small.save(Path(folder) / path.name, optimize=True)
