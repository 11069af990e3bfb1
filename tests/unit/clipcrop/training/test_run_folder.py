"""The files of a run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from clipcrop.errors import CheckpointError, InputError
from clipcrop.training import run_folder
from clipcrop.training.curve import write_curve
from clipcrop.training.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "run")
    made.make()
    return made


def test_a_state_comes_back(folder):
    folder.save_state({"step": 3, "weights": torch.arange(4.0)})
    folder.save_state({"step": 4, "weights": torch.arange(4.0)})

    assert folder.read_state()["step"] == 4
    assert [path.name for path in folder.path.glob("*last*")] == ["last.pt"]


def test_a_new_folder_has_no_state(folder):
    assert folder.read_state() is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x80\x02}q\x00."])
def test_a_damaged_state_is_a_sentence(folder, content):
    folder.state_path.write_bytes(content)

    with pytest.raises(CheckpointError, match=r"not a training's state: .*move it away"):
        folder.read_state()


def test_a_state_with_code_in_it_is_not_run(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "evil"), "w"))

    torch.save({"step": 1, "evil": Evil()}, folder.state_path)

    with pytest.raises(CheckpointError):
        folder.read_state()
    assert not (tmp_path / "evil").exists()


def test_a_state_that_cannot_be_written_leaves_the_old_one(folder, monkeypatch):
    folder.save_state({"step": 1})

    def full_disk(_state, path):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(InputError, match="No space left on device"):
        folder.save_state({"step": 2})
    monkeypatch.undo()

    assert folder.read_state() == {"step": 1}


def test_metrics_of_steps_that_are_done_again_are_forgotten(folder):
    for step in (1, 2, 2, 3):
        folder.log({"step": step})
    with folder.metrics_path.open("a") as file:
        file.write('{"step": 4, "lo')

    folder.forget_after(2)

    assert [record["step"] for record in folder.records()] == [1, 2, 2]
    folder.log({"step": 3})
    assert json.loads(folder.metrics_path.read_text().splitlines()[-1]) == {"step": 3}


def test_too_little_room_is_told_before_anything_is_done(folder, monkeypatch):
    monkeypatch.setattr(run_folder.shutil, "disk_usage", lambda _: SimpleNamespace(free=2e9))

    folder.require_space(1_900_000_000)
    with pytest.raises(InputError, match=r"needs about 2.1 GB in .*, where 2.0 GB are free"):
        folder.require_space(2_100_000_000)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match=r"cannot make the folder .*name another"):
        RunFolder(tmp_path / "file" / "run").make()


def test_the_curve_shows_losses_and_validation(tmp_path):
    records = [{"step": step, "loss": 5 / step, "loss_l1": 1 / step} for step in range(1, 500)]
    records.append({"step": 500, "val_iou": 0.5})
    alone, both = tmp_path / "alone.png", tmp_path / "both.png"

    write_curve(records[:-1], alone)
    write_curve(records, both)

    with Image.open(alone) as one, Image.open(both) as two:
        assert two.height > one.height
        assert len(one.getcolors(99_999)) > 5


def test_without_metrics_there_is_no_curve(tmp_path):
    write_curve([], tmp_path / "curve.png")

    assert not (tmp_path / "curve.png").exists()
