"""Downloads from a real server on 127.0.0.1 that behaves as the hub does, and as it should not."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest
from fake_hub import COMMIT, FakeHub
from filelock import FileLock

from clipcrop.errors import CheckpointError, InputError
from clipcrop.weights.checkpoint import find_checkpoint, verify_checkpoint
from clipcrop.weights.files import read_record
from clipcrop.weights.hub import DownloadFailed, Hub
from clipcrop.weights.registry import ENCODERS
from clipcrop.weights.store import Progress, download, partial_bytes, verify

WEIGHTS = "model.safetensors"
Pin = Callable[..., None]


def test_a_model_is_downloaded_and_found(fake_hub: FakeHub, hub: Hub, models: Path):
    folder = download("owlvit", models_folder=models, hub=hub)

    checkpoint = find_checkpoint("owlvit", models_folder=models)
    assert verify_checkpoint(checkpoint) == folder == models / "owlvit"
    assert (folder / WEIGHTS).read_bytes() == fake_hub.files[WEIGHTS]


def test_only_what_an_encoder_reads_is_fetched(hub: Hub, models: Path):
    folder = download("owlvit", models_folder=models, hub=hub)

    names = {path.name for path in folder.iterdir()}
    wanted = {"config.json", "merges.txt", "vocab.json", WEIGHTS}
    assert names == {*wanted, "clipcrop-weights.json"}


def test_a_long_name_leads_to_the_same_folder(hub: Hub, models: Path):
    assert download("owlvit-base-patch32", models_folder=models, hub=hub) == models / "owlvit"


def test_what_the_hub_said_is_written_down(fake_hub: FakeHub, hub: Hub, models: Path):
    folder = download("owlvit", models_folder=models, hub=hub)

    record = read_record(folder)
    assert record is not None
    assert record.revision == ENCODERS["owlvit"].revision
    by_name = {one.name: one for one in record.files}
    sha256 = hashlib.sha256(fake_hub.files[WEIGHTS]).hexdigest()
    assert by_name[WEIGHTS].sha256 == sha256
    assert all(len(one.sha256) == 64 for one in record.files)


def test_a_hub_that_speaks_of_another_commit_is_not_believed(
    fake_hub: FakeHub, hub: Hub, models: Path
):
    fake_hub.other_commit = COMMIT

    with pytest.raises(DownloadFailed, match=f"asked for commit cbc355fb.* and spoke of {COMMIT}"):
        download("owlvit", models_folder=models, hub=hub)

    assert not find_checkpoint("owlvit", models_folder=models).is_present


@pytest.mark.parametrize("name", [one for one, model in ENCODERS.items() if not model.revision])
def test_a_model_without_a_pinned_commit_is_downloaded_only_by_one(
    name: str, fake_hub: FakeHub, hub: Hub, models: Path
):
    with pytest.raises(InputError, match=f"no commit of google/{name} is pinned"):
        download(name, models_folder=models, hub=hub)

    assert (fake_hub.num_metadata, fake_hub.ranges) == (0, [])
    assert list(models.iterdir()) == []


def test_a_named_commit_is_downloaded_recorded_and_verified(
    fake_hub: FakeHub, hub: Hub, models: Path
):
    named, another = "a" * 40, "b" * 40

    folder = download("owlvit-base-patch16", revision=named, models_folder=models, hub=hub)

    record = read_record(folder)
    assert record is not None
    assert record.revision == named
    (verdict,) = verify(["owlvit-base-patch16"], models_folder=models)
    assert (verdict.problems, verdict.proof) == ((), "record")
    asked = fake_hub.num_metadata
    download("owlvit-base-patch16", revision=named, models_folder=models, hub=hub)
    assert fake_hub.num_metadata == asked
    download("owlvit-base-patch16", revision=another, models_folder=models, hub=hub)
    record = read_record(folder)
    assert record is not None
    assert record.revision == another


def test_another_commit_of_a_model_whose_content_is_known_is_checked_against_its_own_record(
    fake_hub: FakeHub, hub: Hub, models: Path, pin: Pin
):
    pin(fake_hub.files)
    fake_hub.files = {**fake_hub.files, "merges.txt": b"another commit"}

    download("owlvit", revision="a" * 40, models_folder=models, hub=hub)

    (verdict,) = verify(["owlvit"], models_folder=models)
    assert (verdict.problems, verdict.proof) == ((), "record")


@pytest.mark.parametrize("revision", ["main", "cbc355fb", "", "A" * 40, "a" * 41])
def test_only_a_whole_commit_is_one(revision: str, hub: Hub, models: Path):
    with pytest.raises(InputError, match="name all 40 hexadecimal digits"):
        download("owlvit", revision=revision, models_folder=models, hub=hub)


def test_what_is_there_and_right_is_not_downloaded_again(fake_hub: FakeHub, hub: Hub, models: Path):
    download("owlvit", models_folder=models, hub=hub)
    fake_hub.status = 500

    assert download("owlvit", models_folder=models, hub=hub) == models / "owlvit"


def test_what_is_there_and_damaged_is_replaced(fake_hub: FakeHub, hub: Hub, models: Path):
    folder = download("owlvit", models_folder=models, hub=hub)
    (folder / WEIGHTS).write_bytes(b"x")

    download("owlvit", models_folder=models, hub=hub)

    assert (folder / WEIGHTS).read_bytes() == fake_hub.files[WEIGHTS]
    assert sorted(path.name for path in models.iterdir() if path.is_dir()) == ["owlvit"]


def test_a_connection_that_is_cut_off_is_taken_up_again(fake_hub: FakeHub, hub: Hub, models: Path):
    fake_hub.cut_after = [100_000, 0, 300_000]

    folder = download("owlvit", models_folder=models, hub=hub)

    assert (folder / WEIGHTS).read_bytes() == fake_hub.files[WEIGHTS]
    assert fake_hub.ranges == ["", "bytes=100000-", "bytes=100000-", "bytes=400000-"]


def test_a_connection_that_is_always_cut_off_leaves_the_part(
    fake_hub: FakeHub, hub: Hub, models: Path
):
    fake_hub.cut_after = [100_000, *[0] * 50]

    with pytest.raises(
        DownloadFailed, match=r"100000 of 80\d+ bytes of model.safetensors are kept"
    ):
        download("owlvit", models_folder=models, hub=hub)

    assert not find_checkpoint("owlvit", models_folder=models).is_present
    assert partial_bytes("owlvit", models_folder=models) > 100_000
    fake_hub.cut_after, fake_hub.ranges = [], []
    folder = download("owlvit", models_folder=models, hub=hub)
    assert fake_hub.ranges == ["bytes=100000-"]
    assert (folder / WEIGHTS).read_bytes() == fake_hub.files[WEIGHTS]


def test_an_interruption_keeps_the_part(fake_hub: FakeHub, hub: Hub, models: Path):
    def interrupt(progress: Progress) -> None:
        if progress.file == WEIGHTS and progress.done_bytes > 200_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download("owlvit", models_folder=models, hub=hub, on_progress=interrupt)

    download("owlvit", models_folder=models, hub=hub)
    assert fake_hub.ranges[-1] != ""
    assert not partial_bytes("owlvit", models_folder=models)


def test_a_server_that_knows_no_ranges_sends_everything_again(
    fake_hub: FakeHub, hub: Hub, models: Path
):
    fake_hub.cut_after, fake_hub.knows_ranges = [100_000], False
    last: list[Progress] = []

    folder = download("owlvit", models_folder=models, hub=hub, on_progress=last.append)

    assert (folder / WEIGHTS).read_bytes() == fake_hub.files[WEIGHTS]
    downloading = [one for one in last if one.stage == "downloading"]
    assert downloading[-1].done_bytes == downloading[-1].total_bytes


def test_a_server_that_sends_another_piece_is_not_believed(
    fake_hub: FakeHub, hub: Hub, models: Path
):
    fake_hub.cut_after, fake_hub.shifts_ranges = [100_000], True

    with pytest.raises(DownloadFailed, match=r"another piece of model.safetensors"):
        download("owlvit", models_folder=models, hub=hub)


@pytest.mark.parametrize("name", [WEIGHTS, "merges.txt"], ids=["large file", "small file"])
def test_wrong_bytes_are_thrown_away(name: str, fake_hub: FakeHub, hub: Hub, models: Path):
    fake_hub.sent_instead = {name: bytes(len(fake_hub.files[name]))}

    with pytest.raises(DownloadFailed, match=f"not what was published: {name} has another hash"):
        download("owlvit", models_folder=models, hub=hub)

    assert not find_checkpoint("owlvit", models_folder=models).is_present
    fake_hub.sent_instead = {}
    folder = download("owlvit", models_folder=models, hub=hub)
    assert (folder / name).read_bytes() == fake_hub.files[name]


def test_more_bytes_than_published_are_refused(fake_hub: FakeHub, hub: Hub, models: Path):
    fake_hub.sent_instead = {WEIGHTS: fake_hub.files[WEIGHTS] + b"more"}

    with pytest.raises(DownloadFailed, match="is larger than the 80"):
        download("owlvit", models_folder=models, hub=hub)


def test_a_part_of_another_commit_is_not_gone_on_with(
    fake_hub: FakeHub, hub: Hub, models: Path, published: dict[str, bytes]
):
    fake_hub.cut_after = [100_000, *[0] * 50]
    with pytest.raises(DownloadFailed):
        download("owlvit", models_folder=models, hub=hub)
    fake_hub.cut_after, fake_hub.ranges = [], []
    published[WEIGHTS] = published[WEIGHTS][:-4] + b"zzzz"

    folder = download("owlvit", models_folder=models, hub=hub)

    assert fake_hub.ranges == [""]
    assert (folder / WEIGHTS).read_bytes() == published[WEIGHTS]


def test_what_is_known_beforehand_is_not_asked_for(
    fake_hub: FakeHub, hub: Hub, models: Path, pin: Pin
):
    pin(fake_hub.files)

    download("owlvit", models_folder=models, hub=hub)

    assert fake_hub.num_metadata == 0
    (verdict,) = verify(["owlvit"], models_folder=models)
    assert (verdict.problems, verdict.proof) == ((), "hashes")


def test_a_hub_that_has_other_files_than_known_beforehand_is_not_believed(
    fake_hub: FakeHub, hub: Hub, models: Path, pin: Pin
):
    pin(fake_hub.files)
    other = fake_hub.files[WEIGHTS][:-4] + b"zzzz"
    fake_hub.files = {**fake_hub.files, WEIGHTS: other}

    with pytest.raises(DownloadFailed, match=r"model.safetensors has another hash"):
        download("owlvit", models_folder=models, hub=hub)


def test_a_small_file_with_one_source_may_differ_with_a_warning(
    fake_hub: FakeHub, hub: Hub, models: Path, pin: Pin, caplog: pytest.LogCaptureFixture
):
    pin(fake_hub.files, unconfirmed=["config.json"])
    other = b'{"model_type": "owlvit", "changed": true}'
    fake_hub.files = {**fake_hub.files, "config.json": other}

    folder = download("owlvit", models_folder=models, hub=hub)

    assert (folder / "config.json").read_bytes() == other
    assert ["config.json" in one.message for one in caplog.records] == [True]
    record = read_record(folder)
    assert record is not None
    assert hashlib.sha256(other).hexdigest() in {one.sha256 for one in record.files}
    (verdict,) = verify(["owlvit"], models_folder=models)
    assert (verdict.problems, verdict.proof) == ((), "hashes")


def test_weights_with_two_sources_may_not_differ_whatever_the_hub_says(
    fake_hub: FakeHub, hub: Hub, models: Path, pin: Pin
):
    pin(fake_hub.files, unconfirmed=["config.json"])
    other = fake_hub.files[WEIGHTS][:-4] + b"zzzz"
    fake_hub.files = {**fake_hub.files, WEIGHTS: other}

    with pytest.raises(DownloadFailed, match=WEIGHTS):
        download("owlvit", models_folder=models, hub=hub)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, r"google/owlvit-base-patch32 .*404"),
        (503, "503 for google/owlvit-base-patch32"),
    ],
)
def test_an_answer_that_is_no_file_is_told(
    status: int, words: str, fake_hub: FakeHub, hub: Hub, models: Path
):
    fake_hub.status = status

    with pytest.raises(DownloadFailed, match=words):
        download("owlvit", models_folder=models, hub=hub)


@pytest.mark.usefixtures("online")
def test_no_network_is_told_and_leaves_nothing(tmp_path: Path):
    nobody = Hub("http://127.0.0.1:9", pause_s=0)

    with pytest.raises(DownloadFailed, match=r"cannot be reached .* choose lite"):
        download("owlvit", models_folder=tmp_path / "models", hub=nobody)

    assert [path for path in tmp_path.glob("models/*") if path.is_dir()] == []


def test_offline_is_a_sentence(fake_hub: FakeHub, hub: Hub, models: Path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE is set, so nothing is downloaded"):
        download("owlvit", models_folder=models, hub=hub)


def test_a_full_disk_is_told_before_anything_is_fetched(
    fake_hub: FakeHub, hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))

    with pytest.raises(CheckpointError, match=r"no room for the weights: 0.0 GB are free"):
        download("owlvit", models_folder=models, hub=hub)

    assert fake_hub.ranges == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")
def test_a_disk_that_fills_up_is_told(fake_hub: FakeHub, hub: Hub, models: Path):
    sha256 = hashlib.sha256(fake_hub.files[WEIGHTS]).hexdigest()
    parts = models / ".owlvit.part"
    parts.mkdir()
    (parts / f"{WEIGHTS}.{sha256[:16]}.part").symlink_to("/dev/full")

    with pytest.raises(CheckpointError, match=r"the disk is full: .* free some room"):
        download("owlvit", models_folder=models, hub=hub)


def test_a_file_in_the_place_of_the_models_folder_is_told(hub: Hub, tmp_path: Path):
    (tmp_path / "models").write_text("a file")

    with pytest.raises(CheckpointError, match="cannot write to"):
        download("owlvit", models_folder=tmp_path / "models", hub=hub)


def test_two_downloads_of_the_same_do_not_meet(hub: Hub, models: Path):
    with (
        FileLock(models / ".owlvit.lock"),
        pytest.raises(CheckpointError, match="weights of owlvit; try again"),
    ):
        download("owlvit", models_folder=models, hub=hub)


def test_progress_ends_at_the_whole(hub: Hub, models: Path):
    told: list[Progress] = []

    download("owlvit", models_folder=models, hub=hub, on_progress=told.append)

    done = [one.done_bytes for one in told if one.stage == "downloading"]
    assert done == sorted(done)
    assert done[-1] == told[-1].total_bytes > 800_000


def test_a_repository_without_weights_is_refused(
    fake_hub: FakeHub, hub: Hub, models: Path, published: dict[str, bytes]
):
    del published[WEIGHTS], published["pytorch_model.bin"]

    with pytest.raises(DownloadFailed, match="has no weights that can be used"):
        download("owlvit", models_folder=models, hub=hub)


def test_lite_is_not_downloaded(models: Path):
    with pytest.raises(InputError, match="lite comes with the package"):
        download("lite", models_folder=models)


def test_an_unknown_name_is_refused(models: Path):
    with pytest.raises(InputError, match="no such model: 'owl'; choose one of owlvit"):
        download("owl", models_folder=models)


def test_a_pickle_is_converted_and_its_hash_kept(
    fake_hub: FakeHub, hub: Hub, models: Path, published: dict[str, bytes]
):
    import torch
    from safetensors.torch import load_file

    shared = torch.arange(12.0)
    buffer = io.BytesIO()
    torch.save({"a": shared, "b": shared[:6], "c": torch.eye(3).T}, buffer)
    del published[WEIGHTS]
    published["pytorch_model.bin"] = buffer.getvalue()

    folder = download("owlvit", models_folder=models, hub=hub)

    tensors = load_file(folder / WEIGHTS)
    assert tensors["b"].tolist() == list(range(6))
    assert set(tensors) == {"a", "b", "c"}
    assert not (folder / "pytorch_model.bin").exists()
    values = json.loads((folder / "clipcrop-weights.json").read_text())
    assert values["source"]["sha256"] == hashlib.sha256(buffer.getvalue()).hexdigest()
    assert verify(["owlvit"], models_folder=models)[0].proof == "record"


def test_a_pickle_is_not_fetched_again_after_an_interrupted_conversion(
    fake_hub: FakeHub,
    hub: Hub,
    models: Path,
    published: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
):
    import torch

    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, buffer)
    del published[WEIGHTS]
    published["pytorch_model.bin"] = buffer.getvalue()

    def cut_off(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut_off)
        with pytest.raises(KeyboardInterrupt):
            download("owlvit", models_folder=models, hub=hub)
    fake_hub.ranges = []

    folder = download("owlvit", models_folder=models, hub=hub)

    assert fake_hub.ranges == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["clipcrop-weights.json", "config.json", "merges.txt", WEIGHTS, "vocab.json"]
    )


def test_a_pickle_that_would_run_code_is_not_used(
    fake_hub: FakeHub, hub: Hub, models: Path, published: dict[str, bytes], tmp_path: Path
):
    import torch

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "it ran"),)

    buffer = io.BytesIO()
    torch.save({"a": Evil()}, buffer)
    del published[WEIGHTS]
    published["pytorch_model.bin"] = buffer.getvalue()

    with pytest.raises(CheckpointError, match=r"pytorch_model.bin is not a plain file of weights"):
        download("owlvit", models_folder=models, hub=hub)

    assert not (tmp_path / "it ran").exists()
    assert not find_checkpoint("owlvit", models_folder=models).is_present


def test_a_pickle_of_something_else_is_not_used(
    fake_hub: FakeHub, hub: Hub, models: Path, published: dict[str, bytes]
):
    import torch

    buffer = io.BytesIO()
    torch.save({"a": "text"}, buffer)
    del published[WEIGHTS]
    published["pytorch_model.bin"] = buffer.getvalue()

    with pytest.raises(CheckpointError, match="has other things than weights in it"):
        download("owlvit", models_folder=models, hub=hub)


def test_a_hub_that_tells_no_hashes_is_not_trusted(
    fake_hub: FakeHub, hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch
):
    told = fake_hub.metadata(str(ENCODERS["owlvit"].revision))
    for one in told["siblings"]:
        one.pop("lfs", None)
        one.pop("blobId", None)
    monkeypatch.setattr(fake_hub, "metadata", lambda commit: told)

    with pytest.raises(DownloadFailed, match=r"does not say the size and hash of config.json"):
        download("owlvit", models_folder=models, hub=hub)


def test_a_repository_that_wants_a_login_is_told(fake_hub: FakeHub, hub: Hub, models: Path):
    fake_hub.status, fake_hub.error_code = 403, "GatedRepo"

    with pytest.raises(DownloadFailed, match="wants you to log in first: run `hf auth login`"):
        download("owlvit", models_folder=models, hub=hub)


def test_a_hub_that_hangs_up_is_told(fake_hub: FakeHub, hub: Hub, models: Path):
    fake_hub.hangs_up = True

    with pytest.raises(DownloadFailed, match="google/owlvit-base-patch32 was cut off"):
        download("owlvit", models_folder=models, hub=hub)
