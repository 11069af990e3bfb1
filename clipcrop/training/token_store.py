"""Samples on disk: what a frozen encoder says of a view is the same every time, so it is kept.

A file a sample; tokens are float16, which is finer than what an encoder's own noise is.
"""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..imaging.output_files import written_at_once
from .samples import Sample


class TokenStore:
    """A folder of samples by example and view."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, index: int, number: int | str) -> Sample | None:
        """A sample that was written before; None where there is none, or it is damaged."""
        try:
            return Sample(**load_file(self._path(index, number)))
        except (FileNotFoundError, SafetensorError, TypeError):
            return None

    def write(self, index: int, number: int | str, sample: Sample) -> None:
        """Keep a sample; several processes may write the same one.

        Raises:
            InputError: The disk is full.
        """
        path = self._path(index, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value.detach().cpu().contiguous() for name, value in sample._asdict().items()}
        kept["tokens"] = kept["tokens"].half()
        ours = path.with_suffix(f".{os.getpid()}")  # another run may be writing the same sample
        with written_at_once(ours) as part:
            save_file(kept, part)
        ours.replace(path)

    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self._folder.rglob("*.safetensors"))

    def bytes_for(self, sample: Sample) -> int:
        """About what a sample like this takes."""
        sizes = (2 if value is sample.tokens else 4 for value in sample)
        return sum(value.numel() * size for value, size in zip(sample, sizes, strict=True)) + 1024

    def _path(self, index: int, number: int | str) -> Path:
        return self._folder / f"{index // 1000:03}" / f"{index}-{number}.safetensors"


def rounded(sample: Sample) -> Sample:
    """The sample as it will be read back."""
    return sample._replace(tokens=sample.tokens.half().float())
