"""Weights on this machine: where they are, and whether they can be trusted to load.

    name (auto, lite, owlvit, owlv2-large-patch14, ...) or path
      -> find_checkpoint -> Checkpoint (present or not)
      -> verify_checkpoint            raises CheckpointError with a sentence
      -> clipcrop.encoders.load_encoder

Nothing here touches the network, and nothing heavy is imported.

Weights are looked for in this order: the models folder (a folder per name, placed there by hand or
by the installer), then the Hugging Face cache. A folder of weights holds ``config.json``,
``model.safetensors`` and the tokenizer: ``tokenizer.json``, or ``vocab.json`` with ``merges.txt``.
Pickled weights (``pytorch_model.bin``) are never read: loading a pickle can run code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, InputError
from ..extras import has_extra
from .registry import (
    CONFIG_FILE,
    EMBEDDED,
    ENCODERS,
    FAMILIES,
    MODEL_NAMES,
    PICKLE,
    TOKENIZER_FILES,
    WEIGHTS_FILE,
    Kind,
    PublishedModel,
)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One set of weights that an encoder can be made of, here or not."""

    name: str
    """An embedded encoder's, the first of a published one's, or a path."""

    kind: Kind
    """Which encoder reads it."""

    path: Path | None
    """A file (embedded, ``lite``) or a folder; None when the weights are not here."""

    where: str
    """For people: which place it was found in, or where it can be had from."""

    problem: str = ""
    """For people: what is wrong with a download that is here but cannot be used."""

    @property
    def is_present(self) -> bool:
        """True when the weights are on this machine."""
        return self.path is not None

    @property
    def needs_torch(self) -> bool:
        """As `registry.Family.needs_torch` says it of the kind."""
        return FAMILIES[self.kind].needs_torch

    @property
    def is_usable(self) -> bool:
        """True when the weights are here, and PyTorch too where they need it."""
        return self.is_present and (not self.needs_torch or has_extra("owlvit"))

    @property
    def size_bytes(self) -> int:
        """Of the weights file; 0 when it is not here."""
        if self.path is None:
            return 0
        return (self.path if self.path.is_file() else self.path / WEIGHTS_FILE).stat().st_size


def default_models_folder() -> Path:
    """The folder for weights placed by hand: one folder per name in it."""
    import platformdirs

    return platformdirs.user_data_path("clipcrop") / "models"


def find_checkpoint(
    name_or_path: str | Path = "auto",
    *,
    models_folder: Path | None = None,
    hub_cache: Path | None = None,
) -> Checkpoint:
    """Say where the weights for a name or a path are, without loading them.

    Args:
        name_or_path: ``auto`` (``owlvit`` where its weights and PyTorch are here, else ``lite``), a
            name of `EMBEDDED`, a name or alias of `ENCODERS`, a folder of weights, or an ``.onnx``
            file of a lite encoder.
        models_folder: Instead of `default_models_folder`.
        hub_cache: Instead of the Hugging Face cache of this user.

    Returns:
        The checkpoint; for a known name also when its weights are not here.

    Raises:
        InputError: Neither a known name nor a path that exists.
        CheckpointError: The path is not a folder of weights.
    """
    name = str(name_or_path)
    if name == "auto":
        owlvit = _find_encoder(ENCODERS["owlvit"], models_folder, hub_cache)
        return owlvit if owlvit.is_usable else _find_embedded("lite")
    if name in EMBEDDED:
        return _find_embedded(name)
    if name in ENCODERS:
        return _find_encoder(ENCODERS[name], models_folder, hub_cache)
    path = Path(name_or_path)
    if not name or not _exists(path):
        shown = name if len(name) <= 80 else f"{name[:80]}..."
        raise InputError(
            f"no such model: {shown!r}; choose {', '.join(MODEL_NAMES)}, or "
            f"a folder with {CONFIG_FILE} and {WEIGHTS_FILE}"
        )
    return _read_path(path)


def list_checkpoints(
    *, models_folder: Path | None = None, hub_cache: Path | None = None
) -> list[Checkpoint]:
    """Every named checkpoint, present or not, embedded first; one entry per published model."""
    models = dict.fromkeys(ENCODERS.values())
    return [
        *map(_find_embedded, EMBEDDED),
        *(_find_encoder(one, models_folder, hub_cache) for one in models),
    ]


def verify_checkpoint(checkpoint: Checkpoint) -> Path:
    """Check that the weights are here, whole and of the kind that they are taken for.

    This reads a few kilobytes; whether the tensors are those of the model is checked when it is
    loaded, as is all that is in the file of a lite encoder.

    Returns:
        The checkpoint's path.

    Raises:
        CheckpointError: With one sentence that says what to do.
    """
    path = checkpoint.path
    if path is None:
        raise CheckpointError(checkpoint.problem or _how_to_get(checkpoint))
    if path.is_file():
        return path
    kind = _read_kind(path)
    if kind != checkpoint.kind:
        raise CheckpointError(
            f"{path / CONFIG_FILE} describes an {kind} model, but {checkpoint.name} is "
            f"{checkpoint.kind}; put the right files there"
        )
    if missing := missing_file(path):
        raise CheckpointError(_what_is_missing(path, missing))
    _check_safetensors(path / WEIGHTS_FILE)
    return path


def find_published(model: PublishedModel) -> Path | None:
    """The folder of a model that is no encoder; None where it is not on this machine."""
    return next(
        (folder for folder, _ in _places(model) if (folder / CONFIG_FILE).is_file()),
        None,
    )


def read_settings(path: Path) -> dict[str, Any]:
    """A file of settings as published models have them, such as config.json.

    Raises:
        CheckpointError: It is missing, or no such file.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise CheckpointError(_what_is_missing(path.parent, path.name)) from exc
    except (OSError, ValueError) as exc:
        raise CheckpointError(f"cannot read {path}; download it again") from exc
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} holds no settings; download it again")
    return settings


def missing_file(folder: Path, weights: tuple[str, ...] = (WEIGHTS_FILE,)) -> str:
    """What a folder lacks to hold an encoder; empty if nothing.

    Args:
        folder: The folder.
        weights: Names of which one has to be there.
    """

    def has(*names: str) -> bool:
        return all((folder / name).is_file() for name in names)

    if not has(CONFIG_FILE):
        return CONFIG_FILE
    if not any(has(name) for name in weights):
        return " or ".join(weights)
    if not any(has(*names) for names in TOKENIZER_FILES):
        return " or ".join(" with ".join(names) for names in TOKENIZER_FILES)
    return ""


def _find_embedded(name: str) -> Checkpoint:
    kind = EMBEDDED[name]
    path = FAMILIES[kind].embedded
    is_present = path is not None and path.is_file()
    where = "inside the package"
    return Checkpoint(name=name, kind=kind, path=path if is_present else None, where=where)


def _find_encoder(
    model: PublishedModel, models_folder: Path | None, hub_cache: Path | None
) -> Checkpoint:
    problem = ""
    for folder, where in _places(model, models_folder, hub_cache):
        missing = missing_file(folder)
        if not missing:
            return Checkpoint(name=model.name, kind=model.kind, path=folder, where=where)
        if folder.is_dir():
            problem = problem or _what_is_missing(folder, missing)
    where = f"{model.repository} on the Hugging Face hub"
    return Checkpoint(name=model.name, kind=model.kind, path=None, where=where, problem=problem)


def _places(
    model: PublishedModel, models_folder: Path | None = None, hub_cache: Path | None = None
) -> Iterator[tuple[Path, str]]:
    """Where a model may be, whether or not it is there; each with a word for people."""
    for name in model.names:
        yield (models_folder or default_models_folder()) / name, "models folder"

    if not has_extra("owlvit"):  # nothing here could load what is in the cache, or look into it
        return
    from huggingface_hub import try_to_load_from_cache  # a tenth of a second to import

    for revision in (model.revision, "main"):
        cached = try_to_load_from_cache(
            model.repository, CONFIG_FILE, cache_dir=hub_cache, revision=revision
        )
        if isinstance(cached, str):
            yield Path(cached).parent, "Hugging Face cache"


def _read_path(path: Path) -> Checkpoint:
    if path.is_file():
        if path.suffix != ".onnx":
            raise CheckpointError(
                f"not weights: {path}; a model is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, "
                "or the .onnx file of a lite encoder"
            )
        kind: Kind = "lite"
    else:
        kind = _read_kind(path)
        if missing := missing_file(path):
            raise CheckpointError(_what_is_missing(path, missing))
    return Checkpoint(name=str(path), kind=kind, path=path, where="path")


def _read_kind(folder: Path) -> Kind:
    kind = read_settings(folder / CONFIG_FILE).get("model_type")
    if kind == "owlvit":
        return "owlvit"
    if kind == "owlv2":
        return "owlv2"
    raise CheckpointError(
        f"{folder / CONFIG_FILE} describes a model of type {kind!r}; an encoder needs owlvit or "
        "owlv2"
    )


def _what_is_missing(folder: Path, missing: str) -> str:
    if missing == WEIGHTS_FILE and (folder / PICKLE).is_file():
        return (
            f"{folder} has its weights as a pickle ({PICKLE}), which is never loaded; have them "
            f"converted to {WEIGHTS_FILE}: `clipcrop models place NAME {folder}`"
        )
    return f"no {missing} in {folder}; download the model again"


def _how_to_get(checkpoint: Checkpoint) -> str:
    if checkpoint.name in EMBEDDED:
        path = FAMILIES[checkpoint.kind].embedded
        return f"the embedded weights are missing ({path}); install clipcrop again"
    model = ENCODERS[checkpoint.name]
    command = f"clipcrop models download {model.name}"
    if model.revision is None:
        command += " --revision COMMIT"
    return (
        f"the weights of {model.name} ({model.repository}) are not on this machine; run "
        f"`{command}`, or choose lite"
    )


def _check_safetensors(path: Path) -> None:
    """Refuse a file that is cut short, or none of the format."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as exc:
        raise CheckpointError(
            f"damaged weights: {path} is not a whole safetensors file; download it again"
        ) from exc


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long for a path, or with a zero byte in it
        return False
