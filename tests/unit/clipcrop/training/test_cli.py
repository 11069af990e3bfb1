"""``clipcrop train`` as a command: in one process, in two, killed, stopped, told nonsense."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys

import pytest
import torch
from polling import wait_until
from safetensors.torch import load_file

from clipcrop.cli import main
from clipcrop.errors import InputError

SMALL = shlex.split(
    "--model lite --device cpu --epochs 3 --batch-size 4 --side-px 208 --lr 1e-3 --views 1 "
    "--dim 32 --num-layers 2 --num-heads 4 --mlp-dim 64 --num-queries 8 --save-every 1"
)
PATIENCE_S = 240


def started(*arguments, launcher=("-m", "clipcrop.cli")):
    """The command in a process of its own, on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *launcher, "train", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def metrics(folder):
    path = folder / "metrics.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def wait_for_steps(process, folder, count):
    wait_until(
        lambda: len(metrics(folder)) >= count or process.poll() is not None, patience_s=PATIENCE_S
    )
    assert process.poll() is None, process.communicate()[1]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens")


@pytest.mark.slow
def test_two_processes_are_as_one_with_all_of_the_batch(data, tmp_path, tokens):
    command = [data, *SMALL, "--dropout", 0, "--tokens", tokens]
    two = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")

    process = started(*command, "--output", tmp_path / "two", launcher=(*two, "-m", "clipcrop.cli"))
    _, said = process.communicate(timeout=PATIENCE_S)
    code = main(["train", *map(str, command), "--output", str(tmp_path / "one")])

    assert (process.returncode, code) == (0, 0), said
    one, two = ([json.loads(line) for line in metrics(tmp_path / name)] for name in ("one", "two"))
    assert len(one) == 3
    for ours, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-3)
    weights, others = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_a_run_that_was_killed_at_any_moment_goes_on_as_if_it_were_not(data, tmp_path, tokens):
    command = [data, *SMALL, "--epochs", 8, "--tokens", tokens]
    cut, uncut = tmp_path / "cut", tmp_path / "uncut"

    process = started(*command, "--output", cut)
    wait_for_steps(process, cut, random.randint(1, 6))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = started(*command, "--output", cut)
    _, said = again.communicate(timeout=PATIENCE_S)
    code = main(["train", *map(str, command), "--output", str(uncut)])

    assert (again.returncode, code) == (0, 0), said
    assert metrics(cut) == metrics(uncut)
    weights, others = (load_file(folder / "last.safetensors") for folder in (cut, uncut))
    assert all(torch.equal(others[name], value) for name, value in weights.items())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches the whole console there")
def test_ctrl_c_saves_and_says_how_to_go_on(data, tmp_path, tokens):
    command = [data, *SMALL, "--epochs", 5000, "--save-every", 0, "--tokens", tokens]

    process = started(*command, "--output", tmp_path / "run")
    wait_for_steps(process, tmp_path / "run", 3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_S)

    done = len(metrics(tmp_path / "run"))
    assert process.returncode == 130
    assert f"stopped after step {done} of 5000; the same command goes on from there" in said
    assert torch.load(tmp_path / "run" / "last.pt")["step"] == done


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["--lr", "-1"], "lr must be 0 to 1, got -1.0", id="a number"),
        pytest.param(["--num-heads", "3"], "num_heads must divide dim", id="the decoder's"),
        pytest.param(["--variant", "big"], "no such variant: 'big'", id="a word"),
        pytest.param(["--label-iou", "0"], "label_iou must be above 0", id="the criterion's"),
        pytest.param(["--split", "all"], "no part 'all' in .*, only train", id="no such split"),
        pytest.param(["--device", "cuda:77"], "no CUDA device", id="no such device"),
        pytest.param(["--workers", "-2"], "--workers must be 0 or more", id="workers"),
    ],
)
def test_nonsense_is_a_sentence_and_exit_code_2(data, tmp_path, capsys, arguments, sentence):
    code = main(["train", str(data), "--output", str(tmp_path / "run"), *SMALL, *arguments])

    assert code == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("error: ")
    assert re.search(sentence, said)


def test_bad_data_is_named_with_its_file_and_line(data, tmp_path, capsys):
    lines = (data / "examples.jsonl").read_text().splitlines()
    lines[2] = lines[2].replace("coffee.jpg", "tea.jpg")
    (data / "examples.jsonl").write_text("\n".join(lines))

    code = main(["train", str(data), "--output", str(tmp_path / "run"), *SMALL])

    assert code == 2
    assert "examples.jsonl, line 3: no such image: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_photo_without_a_text_is_left_out_and_counted(data, tmp_path, capsys):
    lines = [json.loads(line) for line in (data / "examples.jsonl").read_text().splitlines()]
    del lines[1]["text"]
    (data / "examples.jsonl").write_text("\n".join(map(json.dumps, lines)))

    code = main(["train", str(data), "--output", str(tmp_path / "run"), *SMALL, "--epochs", "1"])

    assert code == 0
    assert "1 of the 4 photos of the part 'train' have no text" in capsys.readouterr().err
    assert len(list((tmp_path / "run" / "tokens").rglob("*.safetensors"))) == 3


def test_texts_are_asked_for_where_no_photo_has_one(data, tmp_path, capsys):
    lines = [json.loads(line) for line in (data / "examples.jsonl").read_text().splitlines()]
    bare = [{key: value for key, value in line.items() if key != "text"} for line in lines]
    (data / "examples.jsonl").write_text("\n".join(map(json.dumps, bare)))

    code = main(["train", str(data), "--output", str(tmp_path / "run"), *SMALL])

    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--texts" in line


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_precision_reaches_the_encoder(data, tmp_path, monkeypatch, precision):
    asked = {}

    def load_encoder(name, device, **more):
        asked.update(more)
        raise InputError("far enough")

    monkeypatch.setattr("clipcrop.training.cli.load_encoder", load_encoder)

    arguments = ["--output", str(tmp_path / "run"), *SMALL, "--precision", precision]
    assert main(["train", str(data), *arguments]) == 2
    assert asked == {"precision": precision}


def test_mosaics_are_named_by_their_sides(data, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", str(data), "--output", str(tmp_path), "--mosaic-sides", "one"])

    assert "argument --mosaic-sides: invalid" in capsys.readouterr().err
