"""Weights on disk: what they are called, where they are, and whether they can be trusted to load.

    name (auto, lite, owlvit, owlv2-large-patch14, ...) or path
      -> find_checkpoint -> Checkpoint (present or not)
      -> verify_checkpoint            raises CheckpointError with a sentence
      -> clipcrop.encoders.load_encoder

Nothing here touches the network, and nothing heavy is imported.

Weights are looked for in this order: the models folder (a folder per name, placed there by hand or
by the installer), then the Hugging Face cache. A folder of weights holds ``config.json``,
``model.safetensors`` and the tokenizer: ``tokenizer.json``, or ``vocab.json`` with ``merges.txt``.
Pickled weights (``pytorch_model.bin``) are never read: loading a pickle can run code. What puts
weights in place (`clipcrop.weights`) converts them, once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from .errors import CheckpointError, InputError
from .extras import has_extra

Kind = Literal["lite", "owlvit", "owlv2"]

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"))
"""Either of these sets is a whole tokenizer."""

_ONNX_GRAPH_FIELD, _VARINT, _LENGTH_DELIMITED = 7, 0, 2

EMBEDDED_LITE = Path(__file__).parent / "encoders" / "lite.onnx"


@dataclass(frozen=True)
class HubModel:
    """Where a published OWL model comes from."""

    kind: Kind
    """The family, which decides the preprocessing and the heads."""

    repository: str
    """On the Hugging Face hub."""

    revision: str | None = None
    """The commit to download; None where none is pinned: then who downloads it must name one."""


_OWLVIT_BASE = HubModel(
    "owlvit", "google/owlvit-base-patch32", "cbc355fb364588351c5d51c7f74465e8e7ec6f72"
)
_OWLV2_BASE = HubModel(
    "owlv2", "google/owlv2-base-patch16-ensemble", "cfd3195ba4ea9592eec887ded089f4c08eff231d"
)

HUB_MODELS: dict[str, HubModel] = {
    "owlvit": _OWLVIT_BASE,
    "owlvit-base-patch32": _OWLVIT_BASE,
    "owlvit-base-patch16": HubModel("owlvit", "google/owlvit-base-patch16"),
    "owlvit-large-patch14": HubModel("owlvit", "google/owlvit-large-patch14"),
    "owlv2": _OWLV2_BASE,
    "owlv2-base-patch16-ensemble": _OWLV2_BASE,
    "owlv2-base-patch16": HubModel("owlv2", "google/owlv2-base-patch16"),
    "owlv2-large-patch14-ensemble": HubModel("owlv2", "google/owlv2-large-patch14-ensemble"),
    "owlv2-large-patch14": HubModel("owlv2", "google/owlv2-large-patch14"),
}
"""Our name -> the published model; the two short names are the defaults of their families."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One set of weights that an encoder can be made of, here or not."""

    name: str
    """As users write it after ``--model``: a name of the table, or a path."""

    kind: Kind
    """Which encoder reads it."""

    path: Path | None
    """A file for ``lite``, a folder for the others; None when the weights are not here."""

    size_bytes: int
    """Of the weights file; 0 when it is not here."""

    where: str
    """For people: which place it was found in, or where it can be had from."""

    problem: str = ""
    """For people: what is wrong with a download that is here but cannot be used."""

    @property
    def is_usable(self) -> bool:
        """True when the weights are here, and PyTorch too where they need it."""
        return self.is_present and (self.kind == "lite" or has_extra("owlvit"))

    @property
    def is_present(self) -> bool:
        """True when the weights are on this machine."""
        return self.path is not None


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
            name that `list_checkpoints` gives, a folder of weights, or an ``.onnx`` file of a lite
            encoder.
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
        owlvit = _find_hub_model("owlvit", models_folder, hub_cache)
        return owlvit if owlvit.is_usable else _find_lite()
    if name == "lite":
        return _find_lite()
    if name in HUB_MODELS:
        return _find_hub_model(name, models_folder, hub_cache)
    path = Path(name_or_path)
    if not name or not _exists(path):
        raise InputError(
            f"no such model: {_shortened(name)!r}; choose auto, lite, {', '.join(HUB_MODELS)}, or "
            f"a folder with {CONFIG_FILE} and {WEIGHTS_FILE}"
        )
    return _read_path(path)


def list_checkpoints(
    *, models_folder: Path | None = None, hub_cache: Path | None = None
) -> list[Checkpoint]:
    """Every named checkpoint, present or not, ``lite`` first; one entry per published model."""
    found = [_find_lite()]
    for name, model in HUB_MODELS.items():
        if not any(model is HUB_MODELS.get(other.name) for other in found):
            found.append(_find_hub_model(name, models_folder, hub_cache))
    return found


def verify_checkpoint(checkpoint: Checkpoint) -> Path:
    """Check that the weights are here, whole and of the kind that they are taken for.

    This reads a few kilobytes; whether the tensors are those of the model is checked when it is
    loaded.

    Returns:
        The checkpoint's path.

    Raises:
        CheckpointError: With one sentence that says what to do.
    """
    path = checkpoint.path
    if path is None:
        raise CheckpointError(checkpoint.problem or _how_to_get(checkpoint))
    if checkpoint.kind == "lite":
        _check_onnx(path)
        return path
    kind = _read_kind(path)
    if kind != checkpoint.kind:
        raise CheckpointError(
            f"{path / CONFIG_FILE} describes an {kind} model, but {checkpoint.name} is "
            f"{checkpoint.kind}; put the right files there"
        )
    if missing := _missing_file(path):
        raise CheckpointError(_what_is_missing(path, missing))
    _check_safetensors(path / WEIGHTS_FILE)
    return path


def _find_lite() -> Checkpoint:
    path = EMBEDDED_LITE if EMBEDDED_LITE.is_file() else None
    return Checkpoint(
        name="lite",
        kind="lite",
        path=path,
        size_bytes=_size(path),
        where="inside the package",
    )


def _find_hub_model(name: str, models_folder: Path | None, hub_cache: Path | None) -> Checkpoint:
    model = HUB_MODELS[name]
    problem = ""
    for folder, where in _places(name, models_folder or default_models_folder(), hub_cache):
        missing = _missing_file(folder)
        if missing and folder.is_dir():
            problem = problem or _what_is_missing(folder, missing)
        if not missing:
            return Checkpoint(
                name=name,
                kind=model.kind,
                path=folder,
                size_bytes=_size(folder / WEIGHTS_FILE),
                where=where,
            )
    return Checkpoint(
        name=name,
        kind=model.kind,
        path=None,
        size_bytes=0,
        where=f"{model.repository} on the Hugging Face hub",
        problem=problem,
    )


def _places(name: str, models_folder: Path, hub_cache: Path | None) -> Iterator[tuple[Path, str]]:
    model = HUB_MODELS[name]
    for other, same in HUB_MODELS.items():  # "owlvit" is found under its long name, too
        if same is model:
            yield models_folder / other, "models folder"

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
        weights = path
    else:
        kind = _read_kind(path)
        if missing := _missing_file(path):
            raise CheckpointError(_what_is_missing(path, missing))
        weights = path / WEIGHTS_FILE
    return Checkpoint(name=str(path), kind=kind, path=path, size_bytes=_size(weights), where="path")


def _read_kind(folder: Path) -> Kind:
    config_path = folder / CONFIG_FILE
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise CheckpointError(_what_is_missing(folder, CONFIG_FILE)) from exc
    except (OSError, ValueError) as exc:
        raise CheckpointError(f"cannot read {config_path}; download it again") from exc
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind == "owlvit":
        return "owlvit"
    if kind == "owlv2":
        return "owlv2"
    raise CheckpointError(
        f"{config_path} describes a model of type {kind!r}; an encoder needs owlvit or owlv2"
    )


def _missing_file(folder: Path) -> str | None:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            return name
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZER_FILES):
        return "tokenizer.json (or vocab.json with merges.txt)"
    return None


def _what_is_missing(folder: Path, missing: str) -> str:
    if missing == WEIGHTS_FILE and (folder / "pytorch_model.bin").is_file():
        return (
            f"{folder} has its weights as a pickle (pytorch_model.bin), which is never loaded; "
            f"have them converted to {WEIGHTS_FILE}: `clipcrop models place NAME {folder}`"
        )
    return f"no {missing} in {folder}; download the model again"


def _how_to_get(checkpoint: Checkpoint) -> str:
    if checkpoint.kind == "lite":
        return f"the embedded weights are missing ({EMBEDDED_LITE}); install clipcrop again"
    model = HUB_MODELS[checkpoint.name]
    command = f"clipcrop models download {checkpoint.name}"
    if model.revision is None:
        command += " --revision COMMIT"
    return (
        f"the weights of {checkpoint.name} ({model.repository}) are not on this machine; run "
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


def _check_onnx(path: Path) -> None:
    """Refuse a file that is cut short, or none of the format.

    An ONNX file is one protocol buffer: numbered fields, each with its length. What is in them is
    checked when the weights are loaded.
    """
    damaged = CheckpointError(
        f"damaged weights: {path} is not a whole ONNX file; install clipcrop again, or export the "
        "weights again"
    )
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            fields = list(_protobuf_fields(file, size))
    except (OSError, ValueError) as exc:
        raise damaged from exc
    if _ONNX_GRAPH_FIELD not in fields:
        raise damaged


def _protobuf_fields(file: BinaryIO, size: int) -> Iterator[int]:
    """The number of each field of a message that fills the file; ValueError if it does not."""

    def number() -> int:
        value = shift = 0
        while True:
            byte = file.read(1)
            if not byte or shift > 63:
                raise ValueError("a number is cut short")
            value |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:
                return value
            shift += 7

    while file.tell() < size:
        field, kind = divmod(number(), 8)
        if kind == _VARINT:
            number()
        elif kind == _LENGTH_DELIMITED:
            length = number()
            if file.tell() + length > size:
                raise ValueError("a field is cut short")
            file.seek(length, os.SEEK_CUR)
        else:
            raise ValueError(f"a field of kind {kind}")
        yield field


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long for a path, or with a zero byte in it
        return False


def _size(path: Path | None) -> int:
    return path.stat().st_size if path else 0


def _shortened(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:80]}..."
