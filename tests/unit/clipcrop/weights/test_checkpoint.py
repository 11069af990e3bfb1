from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from clipcrop.encoders import load_encoder
from clipcrop.errors import CheckpointError, InputError
from clipcrop.weights.checkpoint import (
    Checkpoint,
    find_checkpoint,
    list_checkpoints,
    verify_checkpoint,
)
from clipcrop.weights.registry import (
    EMBEDDED,
    EMBEDDED_LITE,
    ENCODERS,
    FAMILIES,
    MODEL_NAMES,
    Family,
)


class Machine:
    """A models folder and a Hugging Face cache of one test, both empty at first."""

    def __init__(self, folder: Path) -> None:
        self.models_folder = folder / "models"
        self.hub_cache = folder / "hub"
        self.hub_cache.mkdir()

    def find(self, name: str) -> Checkpoint:
        return find_checkpoint(name, models_folder=self.models_folder, hub_cache=self.hub_cache)

    def list(self) -> list[Checkpoint]:
        return list_checkpoints(models_folder=self.models_folder, hub_cache=self.hub_cache)

    def cache(self, repository: str, revision: str, kind: str) -> Path:
        """Write a model where a download puts it."""
        model = self.hub_cache / f"models--{repository.replace('/', '--')}"
        (model / "refs").mkdir(parents=True, exist_ok=True)
        (model / "refs" / "main").write_text(revision)
        return write_weights(model / "snapshots" / revision, kind)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def write_weights(folder: Path, kind: str) -> Path:
    """Write a folder that has everything in it, though no real tensors."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    (folder / "tokenizer.json").write_text("{}")
    save_file({"a": np.arange(6, dtype=np.float32)}, folder / "model.safetensors")
    return folder


def test_the_table_has_a_repository_and_a_family_for_every_name() -> None:
    assert {name: (model.kind, model.repository) for name, model in ENCODERS.items()} == {
        "owlvit": ("owlvit", "google/owlvit-base-patch32"),
        "owlvit-base-patch32": ("owlvit", "google/owlvit-base-patch32"),
        "owlvit-base-patch16": ("owlvit", "google/owlvit-base-patch16"),
        "owlvit-large-patch14": ("owlvit", "google/owlvit-large-patch14"),
        "owlv2": ("owlv2", "google/owlv2-base-patch16-ensemble"),
        "owlv2-base-patch16": ("owlv2", "google/owlv2-base-patch16"),
        "owlv2-base-patch16-ensemble": ("owlv2", "google/owlv2-base-patch16-ensemble"),
        "owlv2-large-patch14": ("owlv2", "google/owlv2-large-patch14"),
        "owlv2-large-patch14-ensemble": ("owlv2", "google/owlv2-large-patch14-ensemble"),
    }


def test_a_name_without_weights_is_found_as_absent_and_says_where_they_come_from(
    machine: Machine,
) -> None:
    assert machine.find("owlv2") == Checkpoint(
        name="owlv2",
        kind="owlv2",
        path=None,
        where="google/owlv2-base-patch16-ensemble on the Hugging Face hub",
    )


@pytest.mark.parametrize("name", ["owlvit", "owlvit-base-patch32"])
@pytest.mark.parametrize("folder", ["owlvit", "owlvit-base-patch32"])
def test_weights_placed_by_hand_are_found_under_both_names(
    machine: Machine, name: str, folder: str
) -> None:
    path = write_weights(machine.models_folder / folder, "owlvit")

    found = machine.find(name)

    assert found.name == "owlvit"
    assert (found.path, found.where, found.is_present) == (path, "models folder", True)
    assert found.size_bytes == (path / "model.safetensors").stat().st_size > 0


def test_weights_in_the_hub_cache_are_found_at_the_main_branch(machine: Machine) -> None:
    path = machine.cache("google/owlvit-large-patch14", "a" * 40, "owlvit")

    found = machine.find("owlvit-large-patch14")

    assert (found.path, found.where) == (path, "Hugging Face cache")


def test_weights_in_the_hub_cache_are_found_at_the_pinned_revision(machine: Machine) -> None:
    pinned = ENCODERS["owlv2"].revision
    assert pinned is not None
    path = machine.cache("google/owlv2-base-patch16-ensemble", pinned, "owlv2")
    machine.cache("google/owlv2-base-patch16-ensemble", "b" * 40, "owlv2")

    assert machine.find("owlv2").path == path


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_half_a_download_counts_as_absent(machine: Machine, missing: str) -> None:
    path = machine.cache("google/owlvit-base-patch16", "a" * 40, "owlvit")
    (path / missing).unlink()

    assert not machine.find("owlvit-base-patch16").is_present


def test_a_download_that_is_only_a_pickle_is_absent_and_says_why(machine: Machine) -> None:
    path = machine.cache("google/owlvit-base-patch32", "a" * 40, "owlvit")
    (path / "model.safetensors").rename(path / "pytorch_model.bin")

    found = machine.find("owlvit")

    assert not found.is_present
    assert machine.find("auto").name == "lite"
    with pytest.raises(CheckpointError, match=r"pickle .* never loaded; have them converted"):
        verify_checkpoint(found)


def test_a_vocabulary_with_merges_is_a_tokenizer_too(machine: Machine) -> None:
    path = machine.cache("google/owlvit-base-patch16", "a" * 40, "owlvit")
    (path / "tokenizer.json").unlink()
    (path / "vocab.json").touch()
    assert not machine.find("owlvit-base-patch16").is_present

    (path / "merges.txt").touch()

    assert machine.find("owlvit-base-patch16").is_present


def test_auto_is_lite_until_owlvit_is_here(machine: Machine) -> None:
    before = machine.find("auto").name
    write_weights(machine.models_folder / "owlvit", "owlvit")

    assert (before, machine.find("auto").name) == ("lite", "owlvit")


def test_the_list_has_each_model_once(machine: Machine) -> None:
    path = write_weights(machine.models_folder / "owlv2-large-patch14", "owlv2")

    found = machine.list()

    assert [checkpoint.name for checkpoint in found] == [
        "lite",
        "owlvit",
        "owlvit-base-patch16",
        "owlvit-large-patch14",
        "owlv2",
        "owlv2-base-patch16",
        "owlv2-large-patch14-ensemble",
        "owlv2-large-patch14",
    ]
    assert [checkpoint.path for checkpoint in found[1:] if checkpoint.is_present] == [path]


def test_a_path_to_a_folder_of_weights_is_a_checkpoint(tmp_path: Path) -> None:
    folder = write_weights(tmp_path / "mine", "owlv2")

    found = find_checkpoint(folder)

    assert (found.name, found.kind, found.where) == (str(folder), "owlv2", "path")
    assert verify_checkpoint(found) == folder


def test_a_path_to_one_onnx_file_is_a_lite_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "lite-2.onnx"
    path.write_bytes(EMBEDDED_LITE.read_bytes())

    found = find_checkpoint(str(path))

    assert (found.kind, found.path, found.size_bytes) == ("lite", path, path.stat().st_size)
    assert verify_checkpoint(found) == path


def test_an_entry_among_the_families_makes_an_encoder_known(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "dark.npz"
    weights.write_bytes(b"weights")
    family = Family(description="finds what is dark", needs_torch=False, embedded=weights)
    monkeypatch.setitem(FAMILIES, "dark", family)
    monkeypatch.setitem(EMBEDDED, "dark", "dark")

    found = machine.find("dark")

    assert (found.kind, found.path, found.size_bytes) == ("dark", weights, 7)
    assert found.is_usable
    assert verify_checkpoint(found) == weights
    assert found in machine.list()
    with pytest.raises(NotImplementedError, match="load_encoder has no case for 'dark'"):
        load_encoder("dark")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("owl", id="a word"),
        pytest.param("", id="nothing"),
        pytest.param("no/such/folder", id="a path"),
        pytest.param("x" * 5000, id="too long for a path"),
        pytest.param("a\0b", id="impossible in a path"),
    ],
)
def test_an_unknown_name_is_refused_with_the_choices(machine: Machine, name: str) -> None:
    with pytest.raises(InputError, match="no such model") as caught:
        machine.find(name)
    assert ", ".join(MODEL_NAMES) in str(caught.value)
    assert len(str(caught.value)) < 500


def test_without_a_pinned_commit_the_user_is_told_to_name_one(
    machine: Machine,
) -> None:
    with pytest.raises(CheckpointError, match="download owlv2-large-patch14 --revision COMMIT`"):
        verify_checkpoint(machine.find("owlv2-large-patch14"))


def test_verifying_absent_weights_says_how_to_get_them(machine: Machine) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"the weights of owlvit \(google/owlvit-base-patch32\) are not on this machine; run "
        r"`clipcrop models download owlvit`, or choose lite",
    ):
        verify_checkpoint(machine.find("owlvit"))


def test_absent_lite_weights_say_to_install_again() -> None:
    absent = Checkpoint(name="lite", kind="lite", path=None, where="")

    with pytest.raises(CheckpointError, match=r"embedded weights are missing .* install"):
        verify_checkpoint(absent)


def test_a_truncated_weights_file_is_refused(machine: Machine) -> None:
    folder = write_weights(machine.models_folder / "owlvit", "owlvit")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])

    with pytest.raises(CheckpointError, match=r"damaged weights: .*model\.safetensors is not"):
        verify_checkpoint(machine.find("owlvit"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x04\x95pickle", id="a pickle"),
        pytest.param(struct.pack("<Q", 1 << 60) + b"{}", id="a header of impossible length"),
        pytest.param(struct.pack("<Q", 8) + b"not json", id="a header that is not JSON"),
    ],
)
def test_a_weights_file_of_another_format_is_refused(machine: Machine, content: bytes) -> None:
    folder = write_weights(machine.models_folder / "owlvit", "owlvit")
    (folder / "model.safetensors").write_bytes(content)

    with pytest.raises(CheckpointError, match="damaged weights"):
        verify_checkpoint(machine.find("owlvit"))


def test_weights_that_are_only_a_pickle_are_refused_by_name(tmp_path: Path) -> None:
    folder = write_weights(tmp_path / "old", "owlvit")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(CheckpointError, match=r"as a pickle .* never loaded; have them converted"):
        find_checkpoint(folder)


def test_a_model_of_another_architecture_is_refused(tmp_path: Path) -> None:
    folder = write_weights(tmp_path / "clip", "clip")

    with pytest.raises(CheckpointError, match=r"'clip'.*owlvit or owlv2"):
        find_checkpoint(folder)


def test_weights_of_the_other_family_under_a_name_are_refused(machine: Machine) -> None:
    write_weights(machine.models_folder / "owlvit", "owlv2")

    with pytest.raises(CheckpointError, match="an owlv2 model, but owlvit is owlvit"):
        verify_checkpoint(machine.find("owlvit"))


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_config_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    folder = write_weights(tmp_path / "mine", "owlvit")
    (folder / "config.json").write_text(content)

    with pytest.raises(CheckpointError, match=r"config\.json"):
        find_checkpoint(folder)


def test_an_empty_folder_and_a_photo_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()

    with pytest.raises(CheckpointError, match=r"no config\.json in .*; download"):
        find_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="not weights: "):
        find_checkpoint(tmp_path / "photo.jpg")


def test_importing_and_listing_load_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys; from clipcrop.weights.checkpoint import list_checkpoints; "
        "import clipcrop.device, clipcrop.encoders; list_checkpoints(); "
        "print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules])"
    )

    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )

    assert shown.stdout.strip() == "[]"
