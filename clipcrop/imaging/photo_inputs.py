"""What ``clipcrop suggest`` is given -> the photos to look at, each with the name of its crops."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import EmptyPrompt, InputError
from ..extras import has_extra
from .deep_images import RAW_SUFFIXES
from .output_files import shortened


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(names.split())


READABLE_SUFFIXES = _suffixes(
    ".avif .bmp .gif .heic .heif .hif .j2k .jfif .jp2 .jpe .jpeg .jpg .jxl .mpo .pbm "
    ".pgm .png .pnm .ppm .psd .tga .tif .tiff .webp"
)
"""Names of photos in a folder; what a file really is decides only when it is opened."""

_OTHER_PHOTO_SUFFIXES = frozenset([".exr", ".hdr", ".jxr", ".kra", ".psb", ".xcf"])


@dataclass(frozen=True)
class Photo:
    """A file to look at."""

    path: Path

    crop_stem: str
    """Name of its crops before ``_crop1``: no other photo of the same run has it."""


@dataclass(frozen=True)
class Inputs:
    """What a run looks at."""

    photos: Sequence[Photo]

    left_out: Sequence[Path]
    """Photos in the folders that cannot be read because of their kind."""

    prompt: str


def split_inputs(
    inputs: Sequence[str], query_image: Path | None, *, recursive: bool = False
) -> Inputs:
    """Images and folders -> image files, and the prompt that comes after them.

    Raises:
        InputError: No image, no prompt, or a folder without images.
    """
    names, prompt = _names_and_prompt(inputs, query_image)
    paths: list[Path] = []
    left_out: list[Path] = []
    for name in names:
        path = Path(name)
        if not _is_there(path) or not path.is_dir():
            paths.append(path)
            continue
        found, passed = _photos_in(path, recursive=recursive)
        paths += found
        left_out += passed
    return Inputs(_named(paths), left_out, prompt)


def _names_and_prompt(inputs: Sequence[str], query_image: Path | None) -> tuple[Sequence[str], str]:
    if query_image is not None:
        last = Path(inputs[-1])
        is_image = last.suffix.lower() in READABLE_SUFFIXES | RAW_SUFFIXES or _is_there(last)
        return (inputs, "") if len(inputs) == 1 or is_image else (inputs[:-1], inputs[-1])
    names, prompt = inputs[:-1], inputs[-1]
    if prompt.strip() and _is_there(Path(prompt)):
        raise EmptyPrompt(
            f"no prompt after the images ({prompt!r} is a file); say last, in quotes, what to "
            'keep: "the dog", or "" for a good crop of anything'
        )
    if not names:
        raise InputError(
            f"no image before the prompt {prompt[:60]!r}; write: clipcrop suggest photo.jpg "
            '"the dog"'
        )
    return names, prompt


def _photos_in(folder: Path, *, recursive: bool) -> tuple[list[Path], list[Path]]:
    """Photos of a folder in order of name, without crops of them; and what cannot be read."""
    try:
        files = sorted(_files_in(folder, recursive=recursive))
    except OSError as exc:
        raise InputError(f"cannot read the folder {str(folder)!r}: {exc.strerror}") from exc
    unreadable = _OTHER_PHOTO_SUFFIXES if has_extra("raw") else _OTHER_PHOTO_SUFFIXES | RAW_SUFFIXES
    readable = (READABLE_SUFFIXES | RAW_SUFFIXES) - unreadable
    found = [path for path in files if path.suffix.lower() in readable]
    left_out = [path for path in files if path.suffix.lower() in unreadable]
    stems = {crop_stem(path) for path in found}
    found = [path for path in found if not _is_crop(path, stems)]
    if not found and not left_out:
        raise InputError(f"no images in the folder {str(folder)!r}; name one that has some")
    return found, left_out


def _files_in(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """Everything but folders and hidden files (``._*`` are notes of macOS about other files)."""
    subfolders = []
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if Path(entry.path).is_dir():  # entry.is_dir() raises for a link to itself
            if recursive and not entry.is_symlink():  # a link may lead back up
                subfolders.append(Path(entry.path))
        else:
            yield Path(entry.path)
    for subfolder in subfolders:
        yield from _files_in(subfolder, recursive=True)


def crop_stem(path: Path) -> str:
    """How the names of a photo's crops begin.

    It has the whole name of the photo, so that crops of a.jpg and a.png differ.
    """
    return shortened(path.name.replace(".", "_"))


def _named(paths: Iterable[Path]) -> list[Photo]:
    """Each photo with a stem of its own: -2, -3, ... where names clash.

    Compared without case, as on the file systems of Windows and macOS.
    """
    photos: list[Photo] = []
    taken: set[str] = set()
    for path in paths:
        first = stem = crop_stem(path)
        number = 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{first}-{number}"
        taken.add(stem.casefold())
        photos.append(Photo(path, stem))
    return photos


def _is_crop(path: Path, stems: set[str]) -> bool:
    """Whether it is named like a crop of one of the photos, by an earlier run."""
    named = re.fullmatch(r"(.+?)(-\d+)?_crop\d+(-\d+)?", path.stem, re.DOTALL)
    return named is not None and (named[1] in stems or f"{named[1]}{named[2] or ''}" in stems)


def _is_there(path: Path) -> bool:
    """Whether there is such a file or folder; what is too long for a name is not there."""
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False
