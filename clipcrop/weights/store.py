"""Weights in the models folder: download, place, verify, remove.

What is being downloaded lies in a hidden folder beside the others until all of it was checked; then
that folder is renamed. So a folder of weights that is there is whole, and an interrupted download
goes on where it was.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CheckpointError, InputError
from ..onnx_runtime import import_onnxruntime
from .checkpoint import (
    Checkpoint,
    default_models_folder,
    find_checkpoint,
    list_checkpoints,
    missing_file,
    verify_checkpoint,
)
from .files import (
    BY_HAND,
    RECORD_FILE,
    Record,
    convert_pickle,
    difference,
    hashed,
    read_record,
    write_record,
)
from .hub import DownloadFailed, Hub, is_full
from .registry import (
    CONFIG_FILE,
    ENCODERS,
    PICKLE,
    TOKENIZER_EXTRAS,
    WANTED,
    WEIGHTS_FILE,
    PublishedFile,
    PublishedModel,
    find_encoder,
)

logger = logging.getLogger(__name__)

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
        name: A name or alias of `ENCODERS`.
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
    model = find_encoder(name)
    if revision is not None and revision != model.revision:
        model = replace(model, revision=_checked_commit(revision), files=())
    models = models_folder or default_models_folder()
    folder = models / model.name
    here = find_checkpoint(model.name, models_folder=models)
    if _is_what_is_wanted(here, revision) and not _verify_one(here, on_progress).problems:
        assert here.path is not None
        return here.path
    if model.revision is None:
        raise InputError(
            f"no commit of {model.repository} is pinned, so what came could not be checked; choose "
            "one on its page on the hub and name it with --revision, or put the files in by hand: "
            f"`clipcrop models where {model.name}` says which"
        )
    with _named_disk_trouble(models), _lock(models, model.name):
        hub = hub or Hub()
        files = _files_to_fetch(model, hub)
        parts = models / f".{model.name}.part"
        _make_folder(parts)
        _remove_other_parts(parts, files)
        _check_room(models, parts, files)
        complete = _fetch_all(hub, model, files, parts, on_progress)
        _check_published(complete, model)
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
        name: A name or alias of `ENCODERS`.
        source: A folder with ``config.json``, the weights and the tokenizer.
        models_folder: Instead of the user's own.
        on_progress: Called often.

    Returns:
        Their folder.

    Raises:
        InputError: there is no such model or folder; or a file is not in it.
        CheckpointError: they are not those of the model, or damaged; or there is no room for them.
    """
    model = find_encoder(name)
    if not source.is_dir():
        raise InputError(f"no such folder: {str(source)!r}; name the one that has the files")
    models = models_folder or default_models_folder()
    # A pickle is taken only where it is not known that there are safetensors.
    weights = (WEIGHTS_FILE,) if model.files else (WEIGHTS_FILE, PICKLE)
    if missing := missing_file(source, weights):
        raise InputError(
            f"no {missing} in {source}; `clipcrop models where {name}` says where all of it can be "
            "had"
        )
    names = [one for one in WANTED if (source / one).is_file()]
    if WEIGHTS_FILE not in names:
        names.append(PICKLE)
    with _named_disk_trouble(models), _lock(models, model.name):
        total = sum((source / one).stat().st_size for one in names)
        found = []
        done = 0
        for one in names:
            on_progress(Progress("checking", one, done, total))
            found.append(hashed(source / one))
            done += found[-1].size_bytes
        _check_published(found, model)
        parts = models / f".{model.name}.place"
        shutil.rmtree(parts, ignore_errors=True)
        _make_folder(parts)
        try:
            _check_room(models, parts, found)
            for one in names:
                shutil.copyfile(source / one, parts / one)
            revision = str(model.revision) if model.files else BY_HAND
            _finish(model, revision, found, parts, models / model.name, on_progress)
        finally:
            shutil.rmtree(parts, ignore_errors=True)
    return models / model.name


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
    model = find_encoder(name)
    models = models_folder or default_models_folder()
    if not models.is_dir():
        return 0
    folder = models / model.name
    with _named_disk_trouble(models), _lock(models, model.name):
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
        for one in (folder, models / f".{model.name}.part", models / f".{model.name}.old"):
            if one.is_dir():
                num_bytes += _size_of(one)
                shutil.rmtree(one)
    return num_bytes


def partial_bytes(name: str, *, models_folder: Path | None = None) -> int:
    """How much of an interrupted download is here."""
    models = models_folder or default_models_folder()
    return _size_of(models / f".{find_encoder(name).name}.part")


def addresses(name: str) -> list[str]:
    """Where each file that is needed of a name can be had with a browser.

    Of a model whose files are not known, those that it needs where it has safetensors.
    """
    from huggingface_hub import hf_hub_url

    model = find_encoder(name)
    names = [one.name for one in model.files] or [
        CONFIG_FILE,
        "vocab.json",
        "merges.txt",
        WEIGHTS_FILE,
    ]
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


def _files_to_fetch(model: PublishedModel, hub: Hub) -> list[PublishedFile]:
    """As known beforehand; the hub is asked about what is not, or not for certain."""
    if model.files and not model.unconfirmed:
        return list(model.files)
    known = {one.name: one for one in model.files}
    told = [one for one in hub.list_files(model) if not known or one.name in known]
    return [one if one.name in model.unconfirmed else known.get(one.name, one) for one in told]


def _check_published(found: Sequence[PublishedFile], model: PublishedModel) -> None:
    """Compare with what is known beforehand.

    Raises:
        CheckpointError: A file is another one than was published.
    """
    known = {one.name: one for one in model.files}
    for one in found:
        problem = difference(one, known[one.name]) if one.name in known else ""
        if problem and one.name in model.unconfirmed:
            _warn(model.name, problem)
        elif problem:
            raise CheckpointError(
                f"these are not the published files: {problem}; download them again"
            )


def _warn(name: str, problem: str) -> None:
    logger.warning("%s: %s; that hash is not certain, so the file is used as it is", name, problem)


def _fetch_all(
    hub: Hub,
    model: PublishedModel,
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
        if problem := difference(found, one):
            path.unlink()
            raise DownloadFailed(
                f"what came is not what was published: {problem}; it was thrown away, so run it "
                "again, or try another network or mirror"
            )
        path.replace(parts / one.name)
        complete.append(found)
    return complete


def _finish(
    model: PublishedModel,
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
    candidate = Checkpoint(name=model.name, kind=model.kind, path=parts, where="models folder")
    verify_checkpoint(candidate)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    parts.rename(folder)
    (folder / PICKLE).unlink(
        missing_ok=True
    )  # last, so that an interrupted conversion need not fetch it again
    shutil.rmtree(old, ignore_errors=True)


def _verify_one(checkpoint: Checkpoint, on_progress: OnProgress) -> Verdict:
    if checkpoint.path is None:
        problem = checkpoint.problem or f"the weights of {checkpoint.name} are not on this machine"
        return Verdict(checkpoint, (problem,), "structure")
    try:
        path = verify_checkpoint(checkpoint)
        if path.suffix == ".onnx":
            _check_onnx(path)
    except CheckpointError as exc:
        return Verdict(checkpoint, (str(exc),), "structure")
    model = ENCODERS.get(checkpoint.name)
    record = read_record(path) if path.is_dir() else None
    if model and not _is_of_pinned_commit(record, model):
        model = None
    wanted = _wanted_here(path, model, record)
    if not wanted:
        return Verdict(checkpoint, (), "structure")
    total, done = sum(one.size_bytes for one in wanted), 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(Progress("checking", checkpoint.name, done, total))

    problems = []
    for one in wanted:
        problem = _problem_with(path / one.name, one, on_bytes)
        if problem and record is None and model and one.name in model.unconfirmed:
            _warn(model.name, problem)
        elif problem:
            advice = f"run `clipcrop models download {checkpoint.name}`"
            problems.append(f"{path}: {problem}; {advice}")
    if model and model.files:
        return Verdict(checkpoint, tuple(problems), "hashes")
    is_by_hand = record is not None and record.revision == BY_HAND
    return Verdict(checkpoint, tuple(problems), "placed" if is_by_hand else "record")


def _is_of_pinned_commit(record: Record | None, model: PublishedModel) -> bool:
    """Whether weights should be those of the pinned commit; converted ones have other bytes."""
    return record is None or (
        record.source is None and record.revision in (model.revision, BY_HAND)
    )


def _wanted_here(
    path: Path, model: PublishedModel | None, record: Record | None
) -> list[PublishedFile]:
    """What a folder should have: as known beforehand, else as recorded."""
    published = model.files if model else ()
    if record is None:
        # From elsewhere, perhaps without the files that not every tokenizer needs.
        return [
            one
            for one in published
            if one.name not in TOKENIZER_EXTRAS or (path / one.name).is_file()
        ]
    unconfirmed = model.unconfirmed if model else ()
    certain = {one.name: one for one in published if one.name not in unconfirmed}
    return [certain.get(one.name, one) for one in record.files]


def _problem_with(path: Path, wanted: PublishedFile, on_bytes: Callable[[int], None]) -> str:
    """What is wrong with a file, in a few words; empty if nothing is."""
    try:
        return difference(hashed(path, on_bytes), wanted)
    except FileNotFoundError:
        return f"{wanted.name} is missing"
    except OSError as exc:
        return f"{wanted.name} cannot be read ({exc.strerror or exc})"


def _check_onnx(path: Path) -> None:
    """Refuse a file that is no network of ONNX Runtime's.

    Raises:
        CheckpointError: It is damaged.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised as well
    try:
        onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # ONNX Runtime's errors have no base class of their own
        raise CheckpointError(f"damaged weights: {path}; install clipcrop again") from exc


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


def _make_folder(folder: Path) -> None:
    """Make it, and those that it is in: for the user alone to write, whatever the umask.

    The daemon's key is beside the models folder, and it refuses a folder that others can write to.
    """
    for one in (*reversed(folder.parents), folder):
        if not one.is_dir():
            one.mkdir(mode=0o755, exist_ok=True)


@contextlib.contextmanager
def _lock(models: Path, name: str) -> Iterator[None]:
    """One at a time."""
    from filelock import FileLock, Timeout

    _make_folder(models)
    lock = FileLock(_lock_file(models, name))
    try:
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise CheckpointError(
            f"another process is changing the weights of {name}; try again when it has finished"
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
