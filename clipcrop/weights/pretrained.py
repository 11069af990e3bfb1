"""Loading published models through transformers: from local files only, and with plain sentences.

Nothing is downloaded and no code of a model's repository is ever run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..device import memory_errors_named
from ..errors import CheckpointError, OutOfMemory
from .checkpoint import read_settings
from .registry import CONFIG_FILE

_BUILT_IN_ATTENTION = (None, "eager", "sdpa")
_CODE_KEYS: dict[str, tuple[str | None, ...]] = {
    "attn_implementation": _BUILT_IN_ATTENTION,
    "_attn_implementation": _BUILT_IN_ATTENTION,
    "experts_implementation": (None,),
    "kernel_config": (None,),
    "quantization_config": (None,),
    "use_kernels": (None,),
}
"""Keys of config.json -> the values for which no other package and no kernel is loaded."""


def load_pretrained(
    model_class: Any, folder: Path, what: str, *, allow_pickle: bool = False, **settings: Any
) -> Any:
    """Load a model in float32 on the CPU, in evaluation mode.

    Args:
        model_class: Of transformers.
        folder: With config.json and weights.
        what: For messages, with its article: "an owlvit model".
        allow_pickle: Read ``pytorch_model.bin`` where there is no ``model.safetensors``, tensors
            only: nothing in it is run.
        settings: Passed on to ``from_pretrained``.

    Raises:
        CheckpointError: The files are damaged, or another model's.
        OutOfMemory: There is no room for them.
    """
    _refuse_named_code(folder)
    with (
        damage_named(f"cannot load {folder} as {what}"),
        memory_errors_named("cpu"),  # whatever the device, they are read there
        quiet_transformers(),
    ):
        model, info = model_class.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=None if allow_pickle else True,
            weights_only=True,
            dtype="float32",
            output_loading_info=True,
            **settings,
        )
    if info["missing_keys"]:  # the library fills them with random numbers
        raise CheckpointError(
            f"the weights in {folder} are not those of {what}: {len(info['missing_keys'])}"
            " tensors are missing; download the model again"
        )
    return model.eval()


def _refuse_named_code(folder: Path) -> None:
    """Look for what transformers would load code for: kernels of the hub, quantizers.

    Raises:
        CheckpointError: config.json names some.
    """
    maps: list[Any] = [read_settings(folder / CONFIG_FILE)]
    while maps:
        settings = maps.pop()
        maps += [value for value in settings.values() if isinstance(value, dict)]
        for key, allowed in _CODE_KEYS.items():
            if settings.get(key) not in allowed:
                raise CheckpointError(
                    f"{folder / CONFIG_FILE} names code to be loaded ({key}: {settings[key]!r}); "
                    "remove that line, or use another model"
                )


def load_tokenizer(tokenizer_class: Any, folder: Path, vocab_size: int) -> Any:
    """Load a tokenizer and check that it is the model's.

    Args:
        tokenizer_class: Of transformers.
        folder: With the tokenizer's files.
        vocab_size: The model's.

    Raises:
        CheckpointError: The files are damaged, or the model has fewer tokens.
    """
    with damage_named(f"cannot read the tokenizer files in {folder}"):
        tokenizer = tokenizer_class.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    if len(tokenizer) > vocab_size:
        raise CheckpointError(
            f"the tokenizer in {folder} is not the model's: {len(tokenizer)} tokens instead of "
            f"{vocab_size}; download the model again"
        )
    return tokenizer


def read_model_type(folder: Path) -> str:
    """The family of the model in a folder, as its config.json names it.

    Raises:
        CheckpointError: There is no readable config.json.
    """
    return str(read_settings(folder / CONFIG_FILE).get("model_type"))


@contextmanager
def damage_named(message: str) -> Iterator[None]:
    """Translate whatever transformers raises about bad files.

    This is a broad ``except``, as the library's parsers raise anything down to a bare Exception.
    """
    try:
        yield
    except OutOfMemory:  # no damage
        raise
    except Exception as exc:
        reason = " ".join(str(exc).split())[:200].rstrip(".")
        raise CheckpointError(
            f"{message} ({type(exc).__name__}: {reason}); download the model again"
        ) from exc


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the library's loading bar and report off the terminal: we say what is wrong."""
    from transformers.utils import logging

    control: Any = logging  # its functions have no types
    verbosity = control.get_verbosity()
    had_progress_bar = control.is_progress_bar_enabled()
    control.set_verbosity_error()
    control.disable_progress_bar()
    try:
        yield
    finally:
        control.set_verbosity(verbosity)
        if had_progress_bar:
            control.enable_progress_bar()
