"""Weights placed by hand, verified, removed."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_hub import FakeHub
from safetensors.numpy import save

from clipcrop.errors import CheckpointError, InputError
from clipcrop.weights.checkpoint import find_checkpoint
from clipcrop.weights.hub import Hub
from clipcrop.weights.registry import (
    EMBEDDED_LITE,
    ENCODERS,
    PublishedFile,
    PublishedModel,
    find_encoder,
)
from clipcrop.weights.store import addresses, download, place, remove, verify

WEIGHTS = "model.safetensors"
OWLVIT = ENCODERS["owlvit"]  # as it is outside of tests
Pin = Callable[..., None]


@pytest.fixture
def by_hand(tmp_path: Path, published: dict[str, bytes]) -> Path:
    """A folder that the user downloaded with a browser."""
    folder = tmp_path / "Téléchargements 100%"
    folder.mkdir()
    for name, content in published.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def pinned(published: dict[str, bytes], pin: Pin) -> None:
    """As if the content of the commit had been known when this was written."""
    pin(published)


def test_files_placed_by_hand_are_found(by_hand: Path, models: Path):
    folder = place("owlvit", by_hand, models_folder=models)

    assert find_checkpoint("owlvit", models_folder=models).path == folder
    assert (by_hand / WEIGHTS).exists()
    (verdict,) = verify(["owlvit"], models_folder=models)
    assert (verdict.problems, verdict.proof) == ((), "placed")


@pytest.mark.skipif(os.name == "nt", reason="modes are of other systems")
def test_no_folder_is_for_others_to_write_whatever_the_umask(by_hand: Path, models: Path):
    models = models / "data" / "models"
    before = os.umask(0)
    try:
        folder = place("owlvit", by_hand, models_folder=models)
    finally:
        os.umask(before)

    assert [stat.S_IMODE(one.stat().st_mode) for one in (models.parent, models, folder)] == (
        [0o755] * 3
    )


@pytest.mark.usefixtures("pinned")
def test_files_that_are_not_the_published_ones_are_not_placed(by_hand: Path, models: Path):
    (by_hand / "vocab.json").write_bytes(b"{ }")

    with pytest.raises(CheckpointError, match=r"vocab.json has 3 bytes instead of 2; download"):
        place("owlvit", by_hand, models_folder=models)

    assert not find_checkpoint("owlvit", models_folder=models).is_present


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (["config.json"], "no config.json in"),
        ([WEIGHTS, "pytorch_model.bin"], "no model.safetensors or pytorch_model.bin in"),
        (["merges.txt"], "no tokenizer.json or vocab.json with merges.txt in"),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused_by_its_own_name(
    gone: list[str], words: str, by_hand: Path, models: Path
):
    for name in gone:
        (by_hand / name).unlink()

    with pytest.raises(InputError, match=f"{words} {by_hand}; `clipcrop models where owlvit` says"):
        place("owlvit", by_hand, models_folder=models)

    assert list(models.iterdir()) == []


def test_a_damaged_file_is_not_placed(by_hand: Path, models: Path):
    (by_hand / WEIGHTS).write_bytes((by_hand / WEIGHTS).read_bytes()[:1000])

    with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
        place("owlvit", by_hand, models_folder=models)

    assert list(models.glob(".owlvit.*")) == []


def test_a_model_of_another_kind_is_not_placed(by_hand: Path, models: Path):
    (by_hand / "config.json").write_text('{"model_type": "owlv2"}')

    with pytest.raises(CheckpointError, match="put the right files there"):
        place("owlvit", by_hand, models_folder=models)


def test_a_pickle_placed_by_hand_is_converted(by_hand: Path, models: Path):
    import torch

    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, buffer)
    (by_hand / WEIGHTS).unlink()
    (by_hand / "pytorch_model.bin").write_bytes(buffer.getvalue())

    folder = place("owlvit", by_hand, models_folder=models)

    assert (folder / WEIGHTS).exists()
    assert not (folder / "pytorch_model.bin").exists()


def test_a_folder_that_is_not_there_cannot_be_placed(tmp_path: Path, models: Path):
    with pytest.raises(InputError, match="no such folder"):
        place("owlvit", tmp_path / "nowhere", models_folder=models)


def test_what_was_placed_takes_the_place_of_what_was_there(
    by_hand: Path, models: Path, published: dict[str, bytes]
):
    place("owlvit", by_hand, models_folder=models)
    other = save({})
    (by_hand / WEIGHTS).write_bytes(other)

    folder = place("owlvit", by_hand, models_folder=models)

    assert (folder / WEIGHTS).read_bytes() == other
    assert [path.name for path in models.iterdir() if path.is_dir()] == ["owlvit"]


def test_a_changed_byte_is_noticed(hub: Hub, models: Path):
    folder = download("owlvit", models_folder=models, hub=hub)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)

    (verdict,) = verify(["owlvit"], models_folder=models)

    assert "model.safetensors has another hash" in verdict.problems[0]
    assert verdict.problems[0].endswith("run `clipcrop models download owlvit`")


def test_a_file_that_is_gone_is_noticed(hub: Hub, models: Path):
    folder = download("owlvit", models_folder=models, hub=hub)
    (folder / "vocab.json").unlink()

    (verdict,) = verify(["owlvit"], models_folder=models)

    assert "vocab.json" in verdict.problems[0]


def test_weights_that_are_not_here_are_a_problem_only_when_named(models: Path, tmp_path: Path):
    nothing = {"models_folder": models, "hub_cache": tmp_path}

    assert [one.checkpoint.name for one in verify(**nothing)] == ["lite"]
    (verdict,) = verify(["owlv2"], **nothing)
    assert verdict.problems == ("the weights of owlv2 are not on this machine",)


def test_weights_from_elsewhere_may_lack_what_not_every_tokenizer_needs(
    by_hand: Path, models: Path, published: dict[str, bytes], pin: Pin
):
    pin(published, PublishedFile("added_tokens.json", 67, "0" * 64))
    by_hand.rename(models / "owlvit")

    (verdict,) = verify(["owlvit"], models_folder=models)

    assert (verdict.problems, verdict.proof) == ((), "hashes")


def test_removing_gives_back_the_room(hub: Hub, models: Path):
    download("owlvit", models_folder=models, hub=hub)

    assert remove("owlvit", models_folder=models) > 800_000

    assert not models.exists()
    assert remove("owlvit", models_folder=models) == 0


def test_removing_leaves_strange_files_alone(hub: Hub, models: Path):
    folder = download("owlvit", models_folder=models, hub=hub)
    (folder / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match=r"has files that are not of the model \(mine.txt\)"):
        remove("owlvit", models_folder=models)

    assert (folder / WEIGHTS).exists()


def test_other_models_stay(hub: Hub, models: Path):
    (models / "owlv2").mkdir()
    download("owlvit", models_folder=models, hub=hub)

    remove("owlvit", models_folder=models)

    assert (models / "owlv2").is_dir()


def test_a_damaged_lite_encoder_is_noticed(tmp_path: Path):
    path = tmp_path / "lite.onnx"
    path.write_bytes(EMBEDDED_LITE.read_bytes()[:-1000])

    (verdict,) = verify([str(path)])

    assert str(path) in verdict.problems[0]


@pytest.mark.parametrize("model", [OWLVIT, ENCODERS["owlv2"]], ids=lambda model: model.name)
def test_every_used_file_of_the_default_models_is_known(model: PublishedModel):
    names = {one.name for one in model.files}

    assert {"config.json", WEIGHTS, "vocab.json", "merges.txt"} <= names
    assert model.unconfirmed < names


def test_the_commit_of_owlv2_is_known_whole():
    """Another public list of the same commit has two files more and this total."""
    model = find_encoder("owlv2")
    not_wanted = 4_838 + 425  # README.md and preprocessor_config.json

    assert model.size_bytes + not_wanted == 621_510_370
    assert all(len(one.sha256) == 64 for one in model.files)


@pytest.mark.usefixtures("pinned")
def test_a_pickle_is_not_placed_where_safetensors_are_published(by_hand: Path, models: Path):
    (by_hand / WEIGHTS).unlink()

    with pytest.raises(InputError, match=f"no {WEIGHTS} in"):
        place("owlvit", by_hand, models_folder=models)


def test_weights_that_were_converted_before_they_were_pinned_stay_right(
    by_hand: Path, models: Path, published: dict[str, bytes], pin: Pin
):
    import torch

    torch.save({"a": torch.zeros(3)}, by_hand / "pytorch_model.bin")
    (by_hand / WEIGHTS).unlink()
    place("owlvit", by_hand, models_folder=models)
    pin(published)

    (verdict,) = verify(["owlvit"], models_folder=models)

    assert (verdict.problems, verdict.proof) == ((), "placed")


def test_a_small_file_with_one_source_is_a_warning_in_a_folder_from_elsewhere(
    by_hand: Path,
    models: Path,
    published: dict[str, bytes],
    pin: Pin,
    caplog: pytest.LogCaptureFixture,
):
    pin(published, unconfirmed=["vocab.json"])
    (by_hand / "vocab.json").write_bytes(b"{ }")
    by_hand.rename(models / "owlvit")

    (verdict,) = verify(["owlvit"], models_folder=models)

    assert verdict.problems == ()
    assert ["vocab.json" in one.message for one in caplog.records] == [True]


@pytest.mark.usefixtures("pinned")
def test_addresses_are_those_of_the_files_that_are_needed():
    names = {url.rpartition("/")[2] for url in addresses("owlvit")}

    assert names == {"config.json", "merges.txt", "vocab.json", WEIGHTS}


def test_addresses_for_a_browser_name_the_pinned_commit():
    urls = addresses("owlvit")

    assert all("/google/owlvit-base-patch32/resolve/cbc355fb" in url for url in urls)
    assert {url.rpartition("/")[2] for url in urls} >= {"config.json", WEIGHTS, "vocab.json"}


def test_weights_that_another_process_put_there_are_not_downloaded_again(
    by_hand: Path, models: Path, hub: Hub, fake_hub: FakeHub
):
    (by_hand / "pytorch_model.bin").unlink()
    (by_hand / "README.md").unlink()
    by_hand.rename(models / "owlvit")
    fake_hub.status = 500

    assert download("owlvit", models_folder=models, hub=hub) == models / "owlvit"
