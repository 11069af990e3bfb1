"""Parts of the project that may be missing here, and how a user gets them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from .errors import NotInstalled

DISTRIBUTION = "clipcrop-desktop"
"""What `pip install` knows the project by."""

_ENVIRONMENTS = "environments"
"""The folder in which the installer makes private environments, to which it adds extras."""

_MODULES = {
    "owlvit": ("torch", "transformers", "huggingface_hub"),
    "raw": ("rawpy",),
    "train": ("torch", "transformers", "huggingface_hub", "scipy"),
    "train-lite": ("torch", "onnx", "onnxruntime"),
}

_NAMES = {
    "torch": "PyTorch",
    "transformers": "Transformers",
    "huggingface_hub": "Hugging Face Hub",
    "scipy": "SciPy",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
}
"""What users know modules by."""


def install_command(extra: str) -> str:
    """What a user runs to get an extra."""
    if extra == "owlvit" and Path(sys.prefix).parent.name == _ENVIRONMENTS:
        return "python3 installer upgrade --engine owlvit"
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def has_extra(extra: str) -> bool:
    """Whether the modules of an extra are installed; imports none of them."""
    return not _missing(extra)


def require_extra(extra: str, what: str) -> None:
    """Refuse what cannot run in this installation.

    Args:
        extra: "owlvit", "raw", "train" or "train-lite".
        what: What needs it, as the subject of a sentence: "the model owlvit".

    Raises:
        NotInstalled: Modules are missing; the message names the first, and how to get them all.
    """
    if missing := _missing(extra):
        name = _NAMES.get(missing[0], missing[0])
        raise NotInstalled(
            f"{what} needs {name}, which is not installed here; run `{install_command(extra)}`"
        )


def require_checkout(module: str, what: str) -> None:
    """Refuse what is in the repository and not in the wheel.

    Args:
        module: Of this package: "evaluation".
        what: What needs it, as the subject of a sentence: "`clipcrop evaluate`".

    Raises:
        NotInstalled: The module is not there; the message says how to get it.
    """
    if not _is_installed(f"{__package__}.{module}"):
        raise NotInstalled(
            f"{what} is not in the installed package; get the repository, and install it from "
            f'there: pip install -e ".[train]"'
        )


def _missing(extra: str) -> list[str]:
    return [name for name in _MODULES[extra] if not _is_installed(name)]


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a module that was made unavailable in this process
        return False
