"""The command line and the user's files: nothing is replaced, one odd file ends nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clipcrop import cli
from clipcrop.cli import main

LITE = ("--model", "lite", "--device", "cpu", "--count", "1")

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX file names and devices")


@pytest.fixture
def photos(samples: Path, tmp_path: Path) -> Path:
    """A folder with two photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(samples / "chelsea.jpg", folder / name)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def suggest(*arguments: str | Path) -> int:
    return main(["suggest", *map(str, arguments), *LITE])


def test_a_contact_sheet_never_replaces_a_photo(photos: Path, capsys: pytest.CaptureFixture[str]):
    before = contents(photos)
    photo, other = photos / "a.jpg", photos / "b.jpg"

    for options in ([], ["--overwrite"]):
        assert suggest(photo, other, "the cat", "--contact-sheet", photo, *options) == 2
        assert "a.jpg" in capsys.readouterr().err
    # an option that swallows a photo: it is no input then, but there
    assert suggest("--contact-sheet", photo, other, "the cat") == 2

    assert contents(photos) == before


def test_a_path_picture_never_replaces_a_photo(photos: Path):
    before = contents(photos)
    search = ("--method", "cagic", "--steps", "1", "--path-picture")

    assert suggest(photos / "a.jpg", "the cat", *search, photos / "a.jpg") == 2
    assert suggest(photos / "a.jpg", "the cat", *search, photos / "b.jpg") == 2

    assert contents(photos) == before


def test_a_contact_sheet_is_replaced_if_asked(photos: Path):
    sheet = photos.parent / "sheet.png"
    sheet.write_bytes(b"old")

    assert suggest(photos / "a.jpg", "the cat", "--contact-sheet", sheet) == 2
    assert sheet.read_bytes() == b"old"
    assert suggest(photos / "a.jpg", "the cat", "--contact-sheet", sheet, "--overwrite") == 0
    assert sheet.read_bytes() != b"old"


def test_crops_beside_the_photos_are_the_same_the_second_time(photos: Path):
    assert suggest(photos, "the cat", "--write-crops", photos) == 0
    after_one = contents(photos)
    assert suggest(photos, "the cat", "--write-crops", photos) == 0

    assert contents(photos) == after_one
    assert sorted(after_one) == ["a.jpg", "a_jpg_crop1.jpg", "b.jpg", "b_jpg_crop1.jpg"]


def test_photos_of_one_name_get_crops_of_their_own(
    photos: Path, capsys: pytest.CaptureFixture[str]
):
    other = photos.parent / "other"
    shutil.copytree(photos, other)
    crops = photos.parent / "crops"

    assert suggest(photos, other, "the cat", "--write-crops", crops, "--json") == 0

    assert len(contents(crops)) == 4
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    files = {one["file"] for record in records for one in record["suggestions"]}
    assert files == {str(path) for path in crops.iterdir()}


def test_a_crop_of_another_prompt_is_kept_beside_the_new_one(photos: Path):
    crops = photos.parent / "crops"
    crops.mkdir()
    (crops / "a_jpg_crop1.jpg").write_bytes(b"the user's")

    assert suggest(photos / "a.jpg", "the cat", "--write-crops", crops) == 0

    assert (crops / "a_jpg_crop1.jpg").read_bytes() == b"the user's"
    assert sorted(contents(crops)) == ["a_jpg_crop1-2.jpg", "a_jpg_crop1.jpg"]


@posix
def test_odd_files_in_a_folder_are_a_line_each_and_the_rest_goes_on(
    photos: Path, capsys: pytest.CaptureFixture[str]
):
    os.mkfifo(photos / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(photos)  # paths of sockets are short
        try:
            listener.bind("socket.jpg")
        finally:
            os.chdir(before)
    (photos / "gone.jpg").symlink_to(photos / "nowhere")
    (photos / "null.jpg").symlink_to("/dev/null")
    (photos / "text.jpg").write_text("no picture")
    (photos / "eps.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n")
    shutil.copy(photos / "a.jpg", photos / ("m" * 251 + ".jpg"))
    shutil.copy(photos / "a.jpg", photos / "new\nline.jpg")
    sheet = photos.parent / "sheet.png"

    code = suggest(
        photos, "the cat", "--write-crops", photos / "crops", "--contact-sheet", sheet, "--json"
    )

    captured = capsys.readouterr()
    done = [Path(json.loads(line)["image"]).name for line in captured.out.splitlines()]
    assert code == 1
    assert done == ["a.jpg", "b.jpg", "m" * 251 + ".jpg", "new\nline.jpg"]
    for name in ("fifo.jpg", "socket.jpg", "gone.jpg", "null.jpg", "text.jpg", "eps.jpg"):
        assert name in captured.err
    assert "6 of 10" in captured.err
    assert len(contents(photos / "crops")) == 4
    assert sheet.exists()


@posix
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_that_are_no_text_are_answered_as_json_and_as_text(photos: Path, locale: str):
    name = os.fsdecode(b"b\xe9.jpg")
    shutil.move(photos / "b.jpg", photos / name)
    command = [sys.executable, "-m", "clipcrop.cli", "suggest", str(photos), "the cat", *LITE]
    environment = {**os.environ, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0"}

    as_json = subprocess.run([*command, "--json"], env=environment, capture_output=True, check=True)
    as_text = subprocess.run(command, env=environment, capture_output=True, check=True)

    records = [json.loads(line) for line in as_json.stdout.decode("utf-8").splitlines()]
    assert [Path(record["image"]).name for record in records] == ["a.jpg", name]
    assert rb"b\udce9.jpg" in as_text.stdout


@posix
def test_output_that_cannot_be_written_is_a_sentence_and_exit_code_2(astronaut_path: Path):
    command = [sys.executable, "-m", "clipcrop.cli", "suggest", str(astronaut_path), "woman", *LITE]

    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    reading, writing = os.pipe()
    os.close(reading)
    broken = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)

    for result in (ended, broken):
        assert result.returncode == 2
        assert result.stderr.startswith(b"error: cannot write the output")
        assert result.stderr.count(b"\n") == 1


def test_a_terminal_of_ascii_gets_escapes(samples: Path, tmp_path: Path):
    photo = tmp_path / "猫.jpg"
    shutil.copy(samples / "chelsea.jpg", photo)
    command = [sys.executable, "-m", "clipcrop.cli", "suggest", str(photo), "the cat", *LITE]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    result = subprocess.run(command, env=environment, capture_output=True, check=True)

    assert rb"\u732b.jpg" in result.stdout


def test_a_crop_folder_that_cannot_be_written_is_told_before_the_model_is_loaded(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("clipcrop.imaging.output_files.os.open", refuse)

    code = main(["suggest", str(photos), "the cat", "--write-crops", str(photos / "crops")])

    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_any_error_of_one_photo_is_its_line(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    real = cli._suggest_one

    def fails_for_a(ask: cli.Ask, path: Path):  # type: ignore[no-untyped-def]
        if path.name == "a.jpg":
            raise ZeroDivisionError("made up")
        return real(ask, path)

    monkeypatch.setattr(cli, "_suggest_one", fails_for_a)

    assert suggest(photos, "the cat", "--json") == 1

    captured = capsys.readouterr()
    assert [Path(json.loads(line)["image"]).name for line in captured.out.splitlines()] == ["b.jpg"]
    assert "a.jpg" in captured.err
    assert "made up" in captured.err


def test_warnings_of_libraries_reach_users_only_if_asked(tmp_path: Path):
    import pyvips

    path = tmp_path / "photo.png"
    noise = pyvips.Image.gaussnoise(64, 64).cast("ushort").copy(interpretation="grey16")
    noise.pngsave(str(path), compression=0)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"IDAT") + 4 : damaged.index(b"IDAT") + 12] = b"\xff" * 8
    path.write_bytes(damaged)
    command = [sys.executable, "-m", "clipcrop.cli", "suggest", str(path), "the cat", *LITE]

    quiet = subprocess.run(command, capture_output=True, text=True)
    verbose = subprocess.run([*command, "--verbose"], capture_output=True, text=True)

    assert quiet.returncode == verbose.returncode == 2
    assert "VIPS" not in quiet.stderr
    assert "VIPS" in verbose.stderr
