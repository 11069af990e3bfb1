"""Texts where there are none, by a captioning model (the paper's Appendix C).

The paper trains once more with captions of ClipCap in place of people's texts ("w/o real" in its
Table 5). Any image-to-text model in the transformers library's format does; BLIP base by default,
which is small and permissively licensed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image

from ..device import choose_device, memory_errors_named
from ..errors import CheckpointError, InputError
from ..imaging.images import load_image, reason_of
from ..weights.registry import BLIP
from .records import ErrorHandler, fail
from .texts import read_texts

DEFAULT_MODEL = BLIP.repository
"""On the Hugging Face hub."""

MAX_NEW_TOKENS = 30
NUM_BEAMS = 3

Batches = Callable[[Sequence[list[Path]]], Iterable[list[Path]]]
"""Wraps the batches of photos that are worked through, to show how far it is."""


class PhotoCaptioner(Protocol):
    """What describes images."""

    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        """A text for each RGB image; the same images give the same texts."""


class ImageToText:
    """An image-to-text model in the transformers library's format."""

    def __init__(self, model: Any, processor: Any, device: torch.device) -> None:
        self._model = model.to(device).eval()
        self._processor = processor
        self._device = device

    @classmethod
    def load(
        cls, model: str = DEFAULT_MODEL, device: str = "auto", revision: str | None = None
    ) -> ImageToText:
        """Load a model; none of its own code is run.

        Of the hub's files only what is read is downloaded: safetensors, or PyTorch's file where
        there are none (as for BLIP base), of which tensors only are read.

        Args:
            model: A folder, or a name on the Hugging Face hub.
            device: As for `clipcrop.Predictor.load`.
            revision: Commit on the hub; by default the pinned one of `DEFAULT_MODEL`, the newest of
                others.

        Raises:
            CheckpointError: It cannot be had, or is no image-to-text model.
            DeviceError: There is no such device.
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor  # heavy

        from ..weights.pretrained import load_pretrained

        chosen = choose_device(device)
        if revision is None and model == DEFAULT_MODEL:
            revision = BLIP.revision
        try:
            folder = Path(model) if Path(model).is_dir() else _download(model, revision)
            processor = AutoProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, ImportError) as exc:
            first_line = reason_of(exc).splitlines()[0]
            raise CheckpointError(
                f"no captioning model in {model!r}: {first_line}; check the network, or name a "
                "folder or another model of the Hugging Face hub"
            ) from exc
        loaded = load_pretrained(
            AutoModelForImageTextToText, folder, "a captioning model", allow_pickle=True
        )
        return cls(loaded, processor, chosen)

    @torch.inference_mode()
    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        """See `PhotoCaptioner`; beam search, so nothing is random."""
        with memory_errors_named(self._device):
            inputs = self._processor(images=list(images), return_tensors="pt").to(self._device)
            tokens = self._model.generate(
                **inputs, max_new_tokens=MAX_NEW_TOKENS, num_beams=NUM_BEAMS, do_sample=False
            )
        texts = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


def _download(model: str, revision: str | None) -> Path:
    """The folder of a model of the hub in the cache, with one copy of its weights."""
    from huggingface_hub import snapshot_download

    folder = Path(
        snapshot_download(
            model,
            revision=revision,
            allow_patterns=["*.json", "*.txt", "*.model", "model*.safetensors"],
        )
    )
    if not any(folder.glob("model*.safetensors")):
        snapshot_download(model, revision=revision, allow_patterns=["pytorch_model*.bin"])
    return folder


def caption_photos(
    photos: Sequence[Path],
    output: Path,
    captioner: PhotoCaptioner,
    *,
    batch_size: int = 8,
    progress: Batches = iter,
    on_error: ErrorHandler = fail,
) -> int:
    """Write a text for every photo that has none yet in the file of texts.

    Every batch is on the disk before the next begins: a run that was stopped goes on where it was.

    Args:
        photos: Image files; their names must differ.
        output: JSON lines, ``{"image": name, "text": text}``; added to if it is there.
        captioner: The model.
        batch_size: Photos at a time.
        progress: Wraps the batches.
        on_error: What is done with a photo that cannot be read or described; raised by default.

    Returns:
        How many texts were added.

    Raises:
        InputError: Two photos have one name, or the file cannot be read or written.
    """
    if output.suffix.lower() != ".jsonl":
        raise InputError(
            f"texts are written as JSON lines, not to {output.name!r}; name a .jsonl file"
        )
    names = [photo.name for photo in photos]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two photos are called {twice!r}; texts go by name, so rename one")
    done = _done(output)
    left = [photo for photo in photos if photo.name not in done]
    batches = [left[start : start + batch_size] for start in range(0, len(left), batch_size)]
    added = 0
    try:
        with output.open("a", encoding="utf-8") as file:
            for batch in progress(batches):
                for name, text in _describe(batch, captioner, on_error):
                    record = {"image": name, "text": text}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    added += 1
                file.flush()
    except OSError as exc:
        raise InputError(f"cannot write {output}: {reason_of(exc)}; choose another folder") from exc
    return added


def _done(output: Path) -> set[str]:
    """Names of the photos that have a text; half a last line, of a run cut short, is taken off."""
    if not output.exists():
        return set()
    try:
        whole, end, last = output.read_bytes().rpartition(b"\n")
        if last:
            output.write_bytes(whole + end + (last + b"\n" if _is_json(last) else b""))
    except OSError as exc:
        raise InputError(f"cannot read {output}: {reason_of(exc)}; check the name") from exc
    return set(read_texts(output))


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _describe(
    batch: Sequence[Path], captioner: PhotoCaptioner, on_error: ErrorHandler
) -> Iterable[tuple[str, str]]:
    names, images = [], []
    for photo in batch:
        try:
            images.append(load_image(photo).rgb)
        except InputError as exc:
            on_error(exc)
            continue
        names.append(photo.name)
    if not images:
        return
    for name, text in zip(names, captioner.caption(images), strict=True):
        if text.strip():
            yield name, text
        else:
            on_error(InputError(f"the model has nothing to say about {name}; write a text by hand"))
