from __future__ import annotations

import logging
import os
import pty
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon import logs
from clipcrop_daemon.logs import Log, LogFile
from clipcrop_daemon.settings import Settings

logger = logging.getLogger("clipcrop_daemon.test")


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[LogFile]:
    """A log file that a logger of its own writes to."""
    handler = LogFile(tmp_path / "log" / "daemon.log")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.propagate = True
    logger.setLevel(logging.NOTSET)
    handler.close()


def path_of(log_file: LogFile) -> Path:
    return Path(log_file.baseFilename)


def test_a_line_has_time_level_logger_and_message(settings: Settings):
    with Log() as log:
        log.open(settings)
        logger.info("thing.done id=%s", 7)

    assert settings.log_file is not None
    day, time, *rest = settings.log_file.read_text().split()
    assert (len(day), len(time)) == (10, 12)
    assert rest == ["INFO", "clipcrop_daemon.test", "thing.done", "id=7"]


def test_the_log_is_in_the_systems_folder_unless_someone_says_otherwise(
    settings: Settings, home: Path
):
    with Log() as log:
        log.open(replace(settings, log_file=None))
        logger.info("thing.done")

    assert log.path == logs.default_log_file()
    assert log.path.is_relative_to(home)
    assert log.path.read_text().endswith("thing.done\n")


def test_without_a_word_there_is_no_file(settings: Settings):
    with Log() as log:
        log.open(settings)

    assert settings.log_file is not None
    assert not settings.log_file.exists()


def test_what_comes_before_the_settings_is_held_back_and_then_written(settings: Settings):
    with Log() as log:
        logger.warning("thing.early")
        log.open(settings)
        logger.warning("thing.late")

    assert settings.log_file is not None
    lines = settings.log_file.read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["thing.early", "thing.late"]


def test_what_was_held_back_obeys_the_level(settings: Settings):
    with Log() as log:
        logger.warning("thing.early")
        log.open(replace(settings, log_level="ERROR"))
        logger.error("thing.bad")

    assert settings.log_file is not None
    assert "thing.early" not in settings.log_file.read_text()


def test_what_was_held_back_is_shown_when_there_is_never_a_log(
    capsys: pytest.CaptureFixture[str],
):
    with Log():
        logger.warning("thing.early")

    assert "thing.early" in capsys.readouterr().err


def test_afterwards_logging_is_as_it_was(settings: Settings):
    before = (logging.root.level, list(logging.root.handlers))

    with Log() as log:
        log.open(replace(settings, log_level="DEBUG"))

    assert (logging.root.level, list(logging.root.handlers)) == before


def test_a_closed_standard_error_is_left_alone(
    settings: Settings, capsys: pytest.CaptureFixture[str]
):
    with Log() as log:
        log.open(settings)
        logger.error("thing.bad")

    assert capsys.readouterr().err == ""


def test_on_a_terminal_the_lines_are_shown_too(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    outer, inner = pty.openpty()
    with os.fdopen(inner, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Log() as log:
            log.open(settings)
            logger.info("thing.done")

        assert b"thing.done" in os.read(outer, 1000)
    os.close(outer)


def test_the_journal_of_systemd_gets_the_lines_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with (tmp_path / "journal").open("w") as journal:
        found = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        monkeypatch.setattr(sys, "stderr", journal)
        with Log() as log:
            log.open(settings)
            logger.info("thing.done")

    assert "thing.done" in (tmp_path / "journal").read_text()


def test_a_program_without_standard_error_logs_to_the_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stderr", None)

    with Log() as log:
        log.open(settings)
        logger.info("thing.done")

    assert settings.log_file is not None
    assert "thing.done" in settings.log_file.read_text()


def test_only_the_user_can_read_the_log(log_file: LogFile):
    logger.info("thing.done")

    assert stat.S_IMODE(path_of(log_file).stat().st_mode) == 0o600
    assert stat.S_IMODE(path_of(log_file).parent.stat().st_mode) == 0o700


def test_a_log_that_others_could_read_is_closed_to_them(log_file: LogFile):
    path_of(log_file).parent.mkdir()
    path_of(log_file).write_text("old\n")
    path_of(log_file).chmod(0o644)

    logger.info("thing.done")

    assert stat.S_IMODE(path_of(log_file).stat().st_mode) == 0o600
    assert path_of(log_file).read_text() == "old\nthing.done\n"


def test_three_files_of_a_megabyte_are_all_there_ever_is(log_file: LogFile):
    for number in range(45):
        logger.info("%d %s", number, "x" * 100_000)

    files = sorted(path_of(log_file).parent.iterdir())
    assert [one.name for one in files] == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert all(one.stat().st_size <= 1_000_000 for one in files)
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in files)
    assert files[0].read_text().splitlines()[-1].startswith("44 ")


def test_what_is_no_text_is_written_all_the_same(log_file: LogFile):
    logger.info("name=%s", "\udcff")

    assert path_of(log_file).read_text() == "name=\\udcff\n"


needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")


@needs_dev_full
def test_a_full_disk_is_told_of_once_and_stops_nothing(capsys: pytest.CaptureFixture[str]):
    handler = LogFile(Path("/dev/full"))

    for _ in range(3):
        handler.emit(logging.makeLogRecord({"msg": "thing.done"}))

    assert capsys.readouterr().err.count("/dev/full cannot be written: No space left") == 1
    handler.close()


def test_a_folder_that_cannot_be_made_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("")
    handler = LogFile(tmp_path / "file" / "daemon.log")

    for _ in range(2):
        handler.emit(logging.makeLogRecord({"msg": "thing.done"}))

    assert capsys.readouterr().err.count("cannot be written") == 1
    handler.close()


def test_trouble_is_borne_without_standard_error_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stderr", None)
    handler = LogFile(tmp_path)

    handler.emit(logging.makeLogRecord({"msg": "thing.done"}))

    handler.close()


def test_a_line_with_the_wrong_arguments_is_a_bug_that_stops_nothing(
    log_file: LogFile, capsys: pytest.CaptureFixture[str]
):
    log_file.handle(logging.makeLogRecord({"msg": "thing.done id=%d", "args": ("seven",)}))
    log_file.handle(logging.makeLogRecord({"msg": "thing.next"}))

    assert path_of(log_file).read_text() == "thing.next\n"
    assert "seven" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe"])
def test_what_was_planted_in_place_of_the_log_is_neither_followed_nor_written(
    log_file: LogFile, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
):
    path, target = path_of(log_file), tmp_path / "precious"
    path.parent.mkdir()
    if kind == "link":
        target.write_text("kept")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(target)

    logger.info("thing.done")

    assert "cannot be written" in capsys.readouterr().err
    assert target.exists() == (kind == "link")
    assert kind != "link" or target.read_text() == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_log_of_another_user_is_not_written(
    log_file: LogFile, capsys: pytest.CaptureFixture[str]
):
    path_of(log_file).parent.mkdir()
    path_of(log_file).touch(mode=0o666)
    os.chown(path_of(log_file), 12345, 12345)

    logger.info("thing.done")

    assert path_of(log_file).read_text() == ""
    assert "not a file of yours" in capsys.readouterr().err


def test_a_link_that_was_planted_as_an_older_log_is_replaced_and_not_followed(
    log_file: LogFile, tmp_path: Path
):
    target = tmp_path / "precious"
    target.write_text("kept")
    path_of(log_file).parent.mkdir()
    path_of(log_file).with_name("daemon.log.1").symlink_to(target)

    for _ in range(2):
        logger.info("x" * 600_000)

    assert target.read_text() == "kept"
    assert not path_of(log_file).with_name("daemon.log.1").is_symlink()
