"""Weights in the models folder: download, place, verify, remove.

What is being downloaded lies in a hidden folder beside the others until all of it was checked; then
that folder is renamed. So a folder of weights that is there is whole, and an interrupted download
goes on where it was.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..checkpoint import (
    CONFIG_FILE,
    HUB_MODELS,
    TOKENIZER_FILES,
    WEIGHTS_FILE,
    Checkpoint,
    HubModel,
    default_models_folder,
    find_checkpoint,
    list_checkpoints,
    verify_checkpoint,
)
from ..errors import CheckpointError, InputError
from .conversion import convert_pickle
from .files import (
    BY_HAND,
    RECORD_FILE,
    Record,
    check_files,
    hashed,
    read_record,
    what_is_wrong,
    write_record,
)
from .hub import DownloadFailed, Hub, is_full
from .published import (
    PICKLE,
    TOKENIZER_EXTRAS,
    WANTED,
    PublishedFile,
    find_model,
    pinned_files,
)

MARGIN_BYTES = 200_000_000
"""To be left free on the disk."""


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    stage: str
    """downloading, checking or converting."""

    file: str

    done_bytes: int
    """Of all files together."""

    total_bytes: int


PROOFS = {
    "hashes": "as published",
    "record": "as the hub described them when they were downloaded",
    "placed": "as they were when they were placed; no hash of the published ones is known",
    "structure": "whole; no hash of them is known",
}
"""What a check compares with -> what may be said then."""

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Verdict:
    """What became of checking the weights of one name."""

    checkpoint: Checkpoint

    problems: tuple[str, ...]
    """What is wrong, each a sentence; empty: nothing is."""

    proof: str
    """What they were compared with, one of `PROOFS`."""


def download(
    name: str,
    *,
    revision: str | None = None,
    models_folder: Path | None = None,
    hub: Hub | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Path:
    """Have the weights of a name on this machine; does nothing if they are, in any place.

    Args:
        name: One of `HUB_MODELS`.
        revision: The commit, 40 hexadecimal digits; needed where none is pinned.
        models_folder: Instead of the user's own.
        hub: Instead of the usual one.
        on_progress: Called often.

    Returns:
        Their folder.

    Raises:
        InputError: there is no such model; or no commit is pinned or named.
        DownloadFailed: they could not be had; what came is kept, and the next call goes on.
        CheckpointError: what came cannot be used; or there is no room for it.
    """
    folder_name, model = find_model(name)
    if revision is not None:
        model = replace(model, revision=_checked_commit(revision))
    models = models_folder or default_models_folder()
    folder = models / folder_name
    here = find_checkpoint(folder_name, models_folder=models)
    if _is_what_is_wanted(here, revision) and not _verify_one(here, on_progress).problems:
        assert here.path is not None
        return here.path
    if model.revision is None:
        raise InputError(
            f"no commit of {model.repository} is pinned, so nobody could say whether what came "
            "is right; choose one on its page on the hub and name it with --revision, or put "
            f"the files in by hand: `clipcrop models where {folder_name}` says which"
        )
    with _named_disk_trouble(models), _lock(models, folder_name):
        hub = hub or Hub()
        files = list(pinned_files(model)) or hub.list_files(model)
        _refuse_another_story(folder, model, files)
        parts = models / f".{folder_name}.part"
        parts.mkdir(exist_ok=True)
        _remove_other_parts(parts, files)
        _check_room(models, parts, files)
        complete = _fetch_all(hub, model, files, parts, on_progress)
        _finish(model, model.revision, complete, parts, folder, on_progress)
    return folder


def place(
    name: str,
    source: Path,
    *,
    models_folder: Path | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Path:
    """Copy weights that the user has from elsewhere to where they are looked for.

    Args:
        name: One of `HUB_MODELS`.
        source: A folder with ``config.json``, the weights and the tokenizer.
        models_folder: Instead of the user's own.
        on_progress: Called often.

    Returns:
        Their folder.

    Raises:
        InputError: there is no such model or folder; or a file is not in it.
        CheckpointError: they are not those of the model, or damaged; or there is no room for them.
    """
    folder_name, model = find_model(name)
    if not source.is_dir():
        raise InputError(f"no such folder: {str(source)!r}; name the one that has the files")
    models = models_folder or default_models_folder()
    names = [one for one in WANTED if (source / one).is_file()]
    if WEIGHTS_FILE not in names and (source / PICKLE).is_file():
        names.append(PICKLE)
    if missing := _missing_of(names):
        raise InputError(
            f"no {missing} in {source}; `clipcrop models where {name}` says where all of it can be "
            "had"
        )
    pinned = pinned_files(model)
    with _named_disk_trouble(models), _lock(models, folder_name):
        total = sum((source / one).stat().st_size for one in names)
        found = []
        done = 0
        for one in names:
            on_progress(Progress("checking", one, done, total))
            found.append(hashed(source / one))
            done += found[-1].size_bytes
        _refuse_others(found, pinned)
        parts = models / f".{folder_name}.place"
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        try:
            _check_room(models, parts, found)
            for one in names:
                shutil.copyfile(source / one, parts / one)
            revision = str(model.revision) if pinned else BY_HAND
            _finish(model, revision, found, parts, models / folder_name, on_progress)
        finally:
            shutil.rmtree(parts, ignore_errors=True)
    return models / folder_name


def verify(
    names: Sequence[str] = (),
    *,
    models_folder: Path | None = None,
    hub_cache: Path | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> list[Verdict]:
    """Read all bytes of weights, and compare their hashes.

    Args:
        names: As `find_checkpoint` takes them; none: all that are here.
        models_folder: Instead of the user's own.
        hub_cache: Instead of the user's Hugging Face cache.
        on_progress: Called often.

    Raises:
        InputError: there is no such model.
    """
    if names:
        checkpoints = [
            find_checkpoint(name, models_folder=models_folder, hub_cache=hub_cache)
            for name in names
        ]
    else:
        every = list_checkpoints(models_folder=models_folder, hub_cache=hub_cache)
        checkpoints = [one for one in every if one.is_present or one.problem]
    return [_verify_one(one, on_progress) for one in checkpoints]


def remove(name: str, *, models_folder: Path | None = None) -> int:
    """Take away what `download` or `place` put in, and parts of it.

    Returns:
        How many bytes that gave back; 0: there was nothing.

    Raises:
        InputError: there is no such model; or its folder has files that are not of it.
        CheckpointError: it cannot be removed.
    """
    folder_name, _ = find_model(name)
    models = models_folder or default_models_folder()
    if not models.is_dir():
        return 0
    folder = models / folder_name
    with _named_disk_trouble(models), _lock(models, folder_name):
        strange = sorted(
            one.name
            for one in (folder.iterdir() if folder.is_dir() else ())
            if one.name not in {*WANTED, PICKLE, RECORD_FILE, "preprocessor_config.json"}
        )
        if strange:
            raise InputError(
                f"{folder} has files that are not of the model ({', '.join(strange[:3])}); move "
                "them away, or remove the folder yourself"
            )
        num_bytes = 0
        for one in (folder, models / f".{folder_name}.part", models / f".{folder_name}.old"):
            if one.is_dir():
                num_bytes += _size_of(one)
                shutil.rmtree(one)
    return num_bytes


def partial_bytes(name: str, *, models_folder: Path | None = None) -> int:
    """How much of an interrupted download is here."""
    folder_name, _ = find_model(name)
    return _size_of((models_folder or default_models_folder()) / f".{folder_name}.part")


def addresses(name: str) -> list[str]:
    """Where each file of a name can be had with a browser."""
    from huggingface_hub import hf_hub_url

    _, model = find_model(name)
    names = [one.name for one in pinned_files(model)] or ["config.json", "vocab.json", "merges.txt"]
    if WEIGHTS_FILE not in names:
        names += [WEIGHTS_FILE, PICKLE]
    return [hf_hub_url(model.repository, one, revision=model.revision) for one in names]


def _checked_commit(revision: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise InputError(
            f"no commit: {revision[:80]!r}; name all 40 hexadecimal digits of one, as its page on "
            "the hub has them: a branch is another one tomorrow"
        )
    return revision


def _is_what_is_wanted(here: Checkpoint, revision: str | None) -> bool:
    """Whether there are weights, of that commit if one was named."""
    if here.path is None or revision is None:
        return here.path is not None
    record = read_record(here.path)
    return record is not None and record.revision == revision


def _refuse_another_story(folder: Path, model: HubModel, files: Sequence[PublishedFile]) -> None:
    """Refuse to replace damaged weights by what is told to be the same commit, and differs."""
    record = read_record(folder)
    if record is None or record.revision != model.revision:
        return
    recorded = [*record.files, *([record.source] if record.source else [])]
    by_name = {one.name: one for one in recorded}
    for one in files:
        if one.name in by_name and what_is_wrong(by_name[one.name], one):
            raise DownloadFailed(
                f"the hub says now that {one.name} of commit {model.revision} is another file than "
                f"when it was downloaded to {folder}; a commit cannot change, so one of the two is "
                "not right: try another network or mirror, or move that folder away if you trust "
                "what is told now"
            )


def _missing_of(names: Sequence[str]) -> str:
    """What a folder with these files lacks to be a model's; empty if nothing."""
    if CONFIG_FILE not in names:
        return CONFIG_FILE
    if not {WEIGHTS_FILE, PICKLE} & set(names):
        return f"{WEIGHTS_FILE} or {PICKLE}"
    if not any(set(one) <= set(names) for one in TOKENIZER_FILES):
        return " or ".join(" with ".join(one) for one in TOKENIZER_FILES)
    return ""


def _fetch_all(
    hub: Hub,
    model: HubModel,
    files: Sequence[PublishedFile],
    parts: Path,
    on_progress: OnProgress,
) -> list[PublishedFile]:
    """Complete and check every file in ``parts``; each with its SHA-256 then."""
    total = sum(one.size_bytes for one in files)
    done = 0
    complete = []
    for one in files:
        path = parts / one.name
        part = _part_of(parts, one)
        here = part.stat().st_size if part.exists() else 0
        if path.exists():
            here = one.size_bytes

        def on_bytes(count: int, name: str = one.name) -> None:
            nonlocal done
            done += count
            on_progress(Progress("downloading", name, done, total))

        on_bytes(here)
        if not path.exists():
            hub.fetch(model, one, part, on_bytes)
            part.touch()  # an empty file is never asked for
            path = part
        on_progress(Progress("checking", one.name, done, total))
        found = replace(hashed(path), name=one.name)
        if problem := what_is_wrong(found, one):
            path.unlink()
            raise DownloadFailed(
                f"what came is not what was published: {problem}; it was thrown away, so run it "
                "again, or try another network or mirror"
            )
        path.replace(parts / one.name)
        complete.append(found)
    return complete


def _finish(
    model: HubModel,
    revision: str,
    files: list[PublishedFile],
    parts: Path,
    folder: Path,
    on_progress: OnProgress,
) -> None:
    """Checked files -> a folder of weights."""
    source = next((one for one in files if one.name == PICKLE), None)
    if source is not None:
        total = sum(one.size_bytes for one in files)
        on_progress(Progress("converting", PICKLE, total, total))
        convert_pickle(parts / PICKLE, parts / WEIGHTS_FILE)
        files = [one for one in files if one is not source] + [hashed(parts / WEIGHTS_FILE)]
    write_record(parts, Record(model.repository, revision, tuple(files), source))
    candidate = Checkpoint(
        name=folder.name, kind=model.kind, path=parts, size_bytes=0, where="models folder"
    )
    verify_checkpoint(candidate)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    parts.rename(folder)
    (folder / PICKLE).unlink(missing_ok=True)  # not before: who is cut off need not fetch it again
    shutil.rmtree(old, ignore_errors=True)


def _verify_one(checkpoint: Checkpoint, on_progress: OnProgress) -> Verdict:
    if checkpoint.path is None:
        problem = checkpoint.problem or f"the weights of {checkpoint.name} are not on this machine"
        return Verdict(checkpoint, (problem,), "structure")
    try:
        path = verify_checkpoint(checkpoint)
    except CheckpointError as exc:
        return Verdict(checkpoint, (str(exc),), "structure")
    model = HUB_MODELS.get(checkpoint.name)
    record = read_record(path) if path.is_dir() else None
    is_pinned_commit = model and (not record or record.revision in (model.revision, BY_HAND))
    pinned = pinned_files(model) if model and is_pinned_commit else ()
    wanted = _wanted_here(path, pinned, record)
    if not wanted:
        return Verdict(checkpoint, (), "structure")
    total, done = sum(one.size_bytes for one in wanted), 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(Progress("checking", checkpoint.name, done, total))

    problems = check_files(path, wanted, on_bytes)
    advice = f"run `clipcrop models download {checkpoint.name}`"
    sentences = tuple(f"{path}: {problem}; {advice}" for problem in problems)
    if pinned:
        return Verdict(checkpoint, sentences, "hashes")
    is_by_hand = record is not None and record.revision == BY_HAND
    return Verdict(checkpoint, sentences, "placed" if is_by_hand else "record")


def _wanted_here(
    path: Path, pinned: Sequence[PublishedFile], record: Record | None
) -> Sequence[PublishedFile]:
    """What a folder should have: as known beforehand, where that is known."""
    if record is None:
        # Put there by somebody else, who may have left out what not every tokenizer needs.
        return [
            one for one in pinned if one.name not in TOKENIZER_EXTRAS or (path / one.name).is_file()
        ]
    by_name = {one.name: one for one in pinned}
    return [by_name.get(one.name, one) for one in record.files]


def _refuse_others(found: Sequence[PublishedFile], pinned: Sequence[PublishedFile]) -> None:
    """Refuse files that are known to be others than those that were published."""
    by_name = {one.name: one for one in pinned}
    problems = [
        problem
        for one in found
        if one.name in by_name and (problem := what_is_wrong(one, by_name[one.name]))
    ]
    if problems:
        raise CheckpointError(
            f"these are not the published files: {problems[0]}; download them again"
        )


def _part_of(parts: Path, file: PublishedFile) -> Path:
    """Where a file grows; its hash is in the name, so that nothing is mixed with another."""
    return parts / f"{file.name}.{(file.sha256 or file.git_sha1)[:16]}.part"


def _remove_other_parts(parts: Path, files: Sequence[PublishedFile]) -> None:
    """What is there of a commit that is not wanted any more."""
    kept = {_part_of(parts, one).name for one in files} | {one.name for one in files}
    for path in parts.iterdir():
        if path.name not in kept:
            path.unlink()


def _check_room(models: Path, parts: Path, files: Sequence[PublishedFile]) -> None:
    needed = sum(one.size_bytes for one in files) - _size_of(parts)
    needed += sum(one.size_bytes for one in files if one.name == PICKLE)  # it is converted
    free = shutil.disk_usage(models).free
    if free < needed + MARGIN_BYTES:
        raise CheckpointError(
            f"no room for the weights: {free / 1e9:.1f} GB are free in {models}, and they take "
            f"{(needed + MARGIN_BYTES) / 1e9:.1f} GB; free some and run it again"
        )


def _size_of(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.glob("*") if one.is_file())


def _lock_file(models: Path, name: str) -> Path:
    return models / f".{name}.lock"


@contextlib.contextmanager
def _lock(models: Path, name: str) -> Iterator[None]:
    """One at a time."""
    from filelock import FileLock, Timeout

    models.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock_file(models, name))
    try:
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise CheckpointError(
            f"somebody else is at the weights of {name} just now; wait until that is done"
        ) from exc
    try:
        yield
    finally:
        if [one.name for one in models.iterdir()] == [_lock_file(models, name).name]:
            _remove_traces(models, name)
        lock.release()


def _remove_traces(models: Path, name: str) -> None:
    with contextlib.suppress(OSError):  # on Windows while it is held
        _lock_file(models, name).unlink()
        models.rmdir()


@contextlib.contextmanager
def _named_disk_trouble(models: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if is_full(exc):
            raise CheckpointError(
                f"the disk is full: {models}; what came is kept, so free some room and run it again"
            ) from exc
        raise CheckpointError(
            f"cannot write to {models}: {exc.strerror or exc}; check that the folder is yours"
        ) from exc
