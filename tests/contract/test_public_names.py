from __future__ import annotations

import clipcrop


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
