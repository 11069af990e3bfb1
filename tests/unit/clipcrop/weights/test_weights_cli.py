"""``clipcrop models`` as users and the installer run it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import FakeHub

from clipcrop.cli import main
from clipcrop.weights.checkpoint import default_models_folder

PROGRAM = Path(sys.executable).with_name("clipcrop")


@pytest.fixture
def variables(fake_hub: FakeHub) -> dict[str, str]:
    """Of a process that takes our hub for the hub."""
    kept = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    return {**kept, "HF_ENDPOINT": fake_hub.address, "NO_PROXY": "127.0.0.1"}


def test_a_download_is_told_and_found(fake_hub: FakeHub, variables: dict[str, str]):
    download = subprocess.run(
        [PROGRAM, "models", "download", "owlvit-base-patch16", "--revision", "a" * 40],
        env=variables,
        capture_output=True,
        text=True,
    )

    assert download.returncode == 0, download.stderr
    assert (
        download.stdout
        == f"owlvit-base-patch16: {default_models_folder() / 'owlvit-base-patch16'}\n"
    )
    assert len(download.stderr.splitlines()) <= 11
    assert ": 100% of 0.8 MB" in download.stderr.splitlines()[-1]


def test_ctrl_c_says_how_to_go_on(fake_hub: FakeHub, variables: dict[str, str]):
    """The connection is cut off again and again, with a pause each time, until we interrupt."""
    fake_hub.cut_after = [1] * 10_000

    with subprocess.Popen(
        [PROGRAM, "models", "download", "owlvit-base-patch16", "--revision", "a" * 40],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert "downloading" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=120)
        finally:
            process.kill()

    assert process.returncode == 130
    assert "run the same again to go on" in err
    assert "Traceback" not in err


def test_offline_is_one_sentence(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "download", "owlvit"]) == 2

    captured = capsys.readouterr()
    assert captured.err == (
        "error: HF_HUB_OFFLINE is set, so nothing is downloaded; unset it, or choose lite\n"
    )


def test_the_list_is_the_default(capsys: pytest.CaptureFixture[str]):
    assert main(["models"]) == 0
    default = capsys.readouterr().out
    assert main(["models", "list"]) == 0

    assert capsys.readouterr().out == default
    assert default.startswith("lite ")


def test_decoders_are_listed_with_their_encoders(capsys: pytest.CaptureFixture[str]):
    from clipcrop.decoder.checkpoint import save_decoder
    from clipcrop.decoder.network import Decoder, DecoderConfig
    from clipcrop.weights.decoders import default_decoder_path

    path = default_decoder_path("owlvit")
    decoder = Decoder(DecoderConfig(num_layers=1, dim=8, mlp_dim=8, num_heads=1, num_queries=2))
    save_decoder(decoder, path, encoder="owlvit", encoder_fingerprint="f" * 64)
    path.with_name("torn.safetensors").write_bytes(b"cut")

    assert main(["models"]) == 0
    assert main(["models", "--json"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith(f"MB  a decoder for owlvit: {path}") for line in lines) == 1
    assert sum("torn.safetensors" in line and "cannot read" in line for line in lines) == 2
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert [one["tower"] for one in found if one["kind"] == "decoder"] == ["owlvit", ""]


@pytest.mark.parametrize("words", [["--json"], ["list", "--json"], ["--json", "list"]])
def test_programs_get_the_list_as_json(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["models", *words]) == 0

    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["name"], first["present"], first["partial_bytes"]) == ("lite", True, 0)


def test_sizes_are_told_before_a_download(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "list"]) == 0
    assert main(["models", "where", "owlv2"]) == 0

    out = capsys.readouterr().out
    assert "; 621.5 MB to download" in out
    assert "size         621.5 MB" in out


def test_where_says_what_to_do_by_hand(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "where", "owlv2"]) == 0

    out = capsys.readouterr().out
    assert "clipcrop models place owlv2" in out
    assert "resolve/cfd3195ba4ea9592eec887ded089f4c08eff231d/model.safetensors" in out


def test_where_no_commit_is_pinned_that_is_said(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "list"]) == 0
    assert main(["models", "where", "owlv2-large-patch14"]) == 0
    assert main(["models", "download", "owlv2-large-patch14"]) == 2

    said = capsys.readouterr()
    addresses = [one for one in said.out.splitlines() if "/resolve/" in one]
    assert sum(one.endswith((".safetensors", ".bin")) for one in addresses) == 1
    (line,) = [one for one in said.out.splitlines() if one.startswith("owlv2-large-patch14 ")]
    assert line.endswith("no commit is pinned: download it with --revision COMMIT")
    assert "no commit is pinned, Apache-2.0" in said.out
    assert "name it with --revision" in said.err


def test_verify_tells_programs_what_is_wrong(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "verify", "owlvit", "--json"]) == 1

    values = json.loads(capsys.readouterr().out)
    assert values["problems"] == ["the weights of owlvit are not on this machine"]


def test_verify_without_a_name_takes_what_is_here(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "verify"]) == 0

    assert capsys.readouterr().out == "lite: whole; no hash of them is known\n"


def test_what_is_placed_can_be_removed(
    tmp_path: Path, published: dict[str, bytes], capsys: pytest.CaptureFixture[str]
):
    for name, content in published.items():
        (tmp_path / name).write_bytes(content)

    assert main(["models", "place", "owlvit", str(tmp_path)]) == 0
    assert main(["models", "remove", "owlvit", "owlvit"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["owlvit: 0.8 MB are free again", "owlvit: none"]
    assert not default_models_folder().exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_progress_stays_in_one_line(
    tmp_path: Path, published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    for name, content in published.items():
        (tmp_path / name).write_bytes(content)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    assert main(["models", "place", "owlvit", str(tmp_path)]) == 0

    assert terminal.getvalue().startswith("\rchecking config.json: 0% of 0.8 MB")
    assert terminal.getvalue().count("\n") == 1


def test_programs_get_json_of_every_command(
    tmp_path: Path, published: dict[str, bytes], capsys: pytest.CaptureFixture[str]
):
    for name, content in published.items():
        (tmp_path / name).write_bytes(content)

    assert main(["models", "place", "owlvit", str(tmp_path), "--json"]) == 0
    assert main(["models", "where", "owlvit", "--json"]) == 0
    assert main(["models", "remove", "owlvit", "--json"]) == 0

    place, where, remove = map(json.loads, capsys.readouterr().out.splitlines())
    assert place["path"] == where["folder"] == where["path"]
    assert where["licence"] == "Apache-2.0"
    assert remove["removed_bytes"] > 800_000


def test_an_interruption_keeps_what_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(name: str, **options: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("clipcrop.weights.store.download", interrupted)

    assert main(["models", "download", "owlvit"]) == 130

    assert "what came is kept" in capsys.readouterr().err
