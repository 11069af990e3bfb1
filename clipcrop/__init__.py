"""Text-conditioned image cropping: the model as a library.

predictor     images and prompts in, suggestions out
prompt        a prompt -> texts to look for
encoders      images -> tokens with boxes, texts -> embeddings
grounding     texts x tokens -> what was found, and its union box
composing     a union box -> ranked crops
decoder       the paper's crop decoder, which adds crops of its own
suggestions   the answer as plain values; reports: as text and JSON
constraints   aspect ratio, smallest size
imaging       photos in; crops of the original file and contact sheets out
cagic         another method: crops by gradient descent through a captioner
remote        suggestions through the running daemon, the one module that knows the wire
cli           the command line; start, workers: its program, its processes for many photos
weights       what is published and on disk; device, extras, onnx_runtime: what it runs on
boxes, arrays                   arithmetic
datasets, training, evaluation  crops by people; how the weights were made; how good they are
samples, licenses               photos to try it on; the terms of what is not ours

Importing this package is cheap: PyTorch, transformers and spaCy are loaded when first needed.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .constraints import Constraints
    from .errors import ClipCropError, InputError
    from .grounding import GroundingOptions
    from .predictor import EncodedImage, Predictor
    from .suggestions import Suggestion, Suggestions

__version__ = "0.1.0"

__all__ = [
    "ClipCropError",
    "Constraints",
    "EncodedImage",
    "GroundingOptions",
    "InputError",
    "Predictor",
    "Suggestion",
    "Suggestions",
]

_HOMES = {
    "ClipCropError": "errors",
    "Constraints": "constraints",
    "EncodedImage": "predictor",
    "GroundingOptions": "grounding",
    "InputError": "errors",
    "Predictor": "predictor",
    "Suggestion": "suggestions",
    "Suggestions": "suggestions",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    start = import_module(".start", __name__)
    if sentence := start.namesake_sentence(Path(__file__).parents[1]):
        raise ImportError(sentence)
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
