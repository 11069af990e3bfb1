"""What models are called: by clients, which never name a path, and by the library.

The daemon's setting ``model`` may be a folder of weights; clients know it as "auto", or by a name
made of the folder's. Nothing heavy is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath

from clipcrop.errors import CheckpointError, InputError
from clipcrop.weights.checkpoint import (
    Checkpoint,
    find_checkpoint,
    list_checkpoints,
    verify_checkpoint,
)
from clipcrop.weights.registry import ENCODERS, FAMILIES, MODEL_NAMES
from clipcrop_wire.errors import InvalidRequest, Unavailable
from clipcrop_wire.messages import Model, ModelsReply

_MAX_NAME_CHARS = 64  # the wire's, as is the next
_MAX_DESCRIPTION_CHARS = 200


def find_model(name: str, setting: str) -> str:
    """A client's name -> the library's.

    Args:
        name: From a request.
        setting: The daemon's ``model``, which "auto" stands for.

    Raises:
        InvalidRequest: It is none of the names.
    """
    if name in ("auto", wire_name(setting)):
        return _default_model(setting)
    if name in MODEL_NAMES:
        return _without_alias(name)
    choices = ", ".join(dict.fromkeys([*MODEL_NAMES, wire_name(setting)]))
    raise InvalidRequest(f"no such model: {name!r}; choose {choices}")


def check_weights(model: str) -> None:
    """Look whether a model can be loaded, before others make room for it.

    Args:
        model: From `find_model`.

    Raises:
        CheckpointError: The weights are not here, or damaged.
        Unavailable: There is nothing where the setting says.
    """
    try:
        verify_checkpoint(find_checkpoint(model))
    except InputError as exc:  # of what `find_model` gives, only the setting may be no name
        raise Unavailable(f"the daemon's setting 'model' is of no use: {exc}") from exc


def wire_name(model: str) -> str:
    """The library's name -> the clients'; of a folder only its last part shows."""
    if model in MODEL_NAMES:
        return _without_alias(model)
    last_part = re.sub("[^A-Za-z0-9._-]", "-", PurePath(model).name)
    return f"local-{last_part}"[:_MAX_NAME_CHARS]


def list_models(setting: str, loaded: Collection[str]) -> ModelsReply:
    """All models, those without weights here too.

    Args:
        setting: The daemon's ``model``.
        loaded: Their names on the wire.
    """
    default = _default_model(setting)
    checkpoints = list_checkpoints()
    if default not in MODEL_NAMES:
        checkpoints += _find_local(default)
    models = (_describe(checkpoint, loaded) for checkpoint in checkpoints)
    return ModelsReply(tuple(models), wire_name(default))


def _default_model(setting: str) -> str:
    return find_checkpoint("auto").name if setting == "auto" else _without_alias(setting)


def _without_alias(name: str) -> str:
    """The same weights must not be loaded twice."""
    return ENCODERS[name].name if name in ENCODERS else name


def _find_local(path: str) -> list[Checkpoint]:
    """None where the setting is wrong: the other models are there all the same."""
    try:
        return [find_checkpoint(path)]
    except (InputError, CheckpointError):
        return []


def _describe(checkpoint: Checkpoint, loaded: Collection[str]) -> Model:
    name = wire_name(checkpoint.name)
    where = checkpoint.problem or checkpoint.where
    return Model(
        name=name,
        description=f"{FAMILIES[checkpoint.kind].description}; {where}"[:_MAX_DESCRIPTION_CHARS],
        is_available=checkpoint.is_usable,
        is_loaded=name in loaded,
        num_bytes=checkpoint.size_bytes,
    )
