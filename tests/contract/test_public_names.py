from __future__ import annotations

import re
from pathlib import Path

import clipcrop
import clipcrop_daemon


def test_the_public_names_are_what_we_say():
    assert clipcrop.__all__ == [
        "ClipCropError",
        "Constraints",
        "EncodedImage",
        "GroundingOptions",
        "InputError",
        "Predictor",
        "Suggestion",
        "Suggestions",
    ]
    assert {getattr(clipcrop, name).__name__ for name in clipcrop.__all__} == set(clipcrop.__all__)
    assert set(clipcrop.__all__) <= set(dir(clipcrop))


def test_there_is_one_version(checkout: Path):
    project = (checkout / "pyproject.toml").read_text(encoding="utf-8")

    (version,) = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)

    assert (clipcrop.__version__, clipcrop_daemon.__version__) == (version, version)
