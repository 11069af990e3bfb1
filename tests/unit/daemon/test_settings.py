from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path

import pytest

from clipcrop_daemon.errors import BadSetting
from clipcrop_daemon.settings import (
    Settings,
    default_settings_file,
    option_of,
    resolve,
    sentence_of,
    variable_of,
)


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    return tmp_path / "daemon.toml"


def test_without_any_word_of_the_user_the_defaults_count(home: Path):
    settings = resolve({}, {})

    assert settings == Settings()
    assert settings.connection_file.is_relative_to(home)


@pytest.mark.parametrize(
    ("option", "variable", "in_file", "expected"),
    [
        pytest.param(None, None, None, 48, id="default"),
        pytest.param(None, None, 3, 3, id="file over default"),
        pytest.param(None, "2", 3, 2, id="environment over file"),
        pytest.param("1", "2", 3, 1, id="option over environment"),
        pytest.param("1", None, 3, 1, id="option over file"),
        pytest.param(None, "", 3, 3, id="an empty variable is none"),
    ],
)
def test_the_nearer_word_counts(
    settings_file: Path,
    option: str | None,
    variable: str | None,
    in_file: int | None,
    expected: int,
):
    settings_file.write_text("" if in_file is None else f"cache_mb = {in_file}\n")
    environ = {} if variable is None else {"CLIPCROP_DAEMON_CACHE_MB": variable}

    settings = resolve({"cache_mb": option}, environ, settings_file)

    assert settings.cache_mb == expected


EVERY_SETTING = [
    pytest.param("model", "lite", '"lite"', "lite", id="model"),
    pytest.param("device", "cuda:1", '"cuda:1"', "cuda:1", id="device"),
    pytest.param("threads", "4", "4", 4, id="threads"),
    pytest.param("idle_minutes", "0.5", "0.5", 0.5, id="idle_minutes"),
    pytest.param("cache_mb", "0", "0", 0, id="cache_mb"),
    pytest.param("connection_file", "/a/b.json", '"/a/b.json"', Path("/a/b.json"), id="connection"),
    pytest.param("log_file", "/a/b.log", '"/a/b.log"', Path("/a/b.log"), id="log_file"),
    pytest.param("log_level", "debug", '"debug"', "DEBUG", id="log_level"),
]


@pytest.mark.parametrize(("name", "text", "toml", "expected"), EVERY_SETTING)
def test_every_setting_can_be_set_everywhere(
    settings_file: Path, name: str, text: str, toml: str, expected: object
):
    settings_file.write_text(f"{name} = {toml}\n")

    by_option = resolve({name: text}, {})
    by_variable = resolve({}, {variable_of(name): text})
    by_file = resolve({}, {}, settings_file)

    assert [getattr(one, name) for one in (by_option, by_variable, by_file)] == [expected] * 3


def test_no_setting_is_missing_from_the_test_above():
    assert {case.values[0] for case in EVERY_SETTING} == {one.name for one in fields(Settings)}


def test_every_setting_has_a_sentence():
    assert all(len(sentence_of(one)) > 20 for one in fields(Settings))


def test_clients_and_daemon_read_one_variable_for_the_connection_file():
    assert variable_of("connection_file") == "CLIPCROP_CONNECTION_FILE"
    assert variable_of("idle_minutes") == "CLIPCROP_DAEMON_IDLE_MINUTES"
    assert option_of("idle_minutes") == "--idle-minutes"


def test_a_whole_number_is_a_number_too(settings_file: Path):
    settings_file.write_text("idle_minutes = 5\n")

    assert resolve({}, {}, settings_file).idle_minutes == 5


BAD_TEXTS = [
    pytest.param("model", "", "the name of a model or a folder of weights", id="no model"),
    pytest.param("model", "a\nb", "the name of a model or a folder of weights", id="two lines"),
    pytest.param("device", "gpu", "auto, cpu, cuda, cuda:N or mps", id="device"),
    pytest.param("threads", "many", "a whole number from 0 to 1024", id="not a number"),
    pytest.param("threads", "-1", "a whole number from 0 to 1024", id="negative"),
    pytest.param("threads", "1.5", "a whole number from 0 to 1024", id="not whole"),
    pytest.param("idle_minutes", "nan", "a number from 0 to 525600", id="not a number at all"),
    pytest.param("idle_minutes", "inf", "a number from 0 to 525600", id="infinite"),
    pytest.param("cache_mb", "1000001", "a whole number from 0 to 1000000", id="too large"),
    pytest.param("log_file", "", "the path of a file", id="no path"),
    pytest.param("log_file", "~nobody-of-that-name/x", "the path of a file", id="no such home"),
    pytest.param("log_level", "LOUD", "one of DEBUG, INFO, WARNING, ERROR", id="level"),
]


@pytest.mark.parametrize(("name", "text", "needs"), BAD_TEXTS)
def test_a_bad_option_is_named_with_its_value_and_what_would_do(name: str, text: str, needs: str):
    with pytest.raises(BadSetting) as caught:
        resolve({name: text}, {})

    assert all(words in str(caught.value) for words in (option_of(name), repr(text), needs))


@pytest.mark.parametrize(("name", "text", "needs"), [case for case in BAD_TEXTS if case.values[1]])
def test_a_bad_variable_is_named_with_its_value_and_what_would_do(name: str, text: str, needs: str):
    with pytest.raises(BadSetting) as caught:
        resolve({}, {variable_of(name): text})

    assert all(words in str(caught.value) for words in (variable_of(name), repr(text), needs))


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        pytest.param('threads = "4"', "threads", "'4'", id="number as a string"),
        pytest.param("threads = true", "threads", "True", id="flag for a number"),
        pytest.param("threads = 4.0", "threads", "4.0", id="not whole"),
        pytest.param("idle_minutes = false", "idle_minutes", "False", id="flag for a real"),
        pytest.param("model = 1", "model", "1", id="number for a string"),
        pytest.param("log_file = 1", "log_file", "1", id="number for a path"),
        pytest.param('log_file = ""', "log_file", "''", id="empty path"),
        pytest.param("log_level = []", "log_level", "[]", id="array"),
        pytest.param("[device]\na = 1", "device", "{'a': 1}", id="table"),
    ],
)
def test_a_bad_value_in_the_file_is_named_with_the_file(
    settings_file: Path, line: str, name: str, value: str
):
    settings_file.write_text(line)

    with pytest.raises(BadSetting) as caught:
        resolve({}, {}, settings_file)

    assert str(caught.value).startswith(f"{name} in {settings_file} is {value}; it must be ")


def test_settings_made_by_hand_are_checked_too():
    with pytest.raises(BadSetting, match="threads is -1; it must be a whole number"):
        Settings(threads=-1)
    with pytest.raises(BadSetting, match=r"connection_file is .*'here'"):
        Settings(connection_file=Path("here"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"threads = ", id="not TOML"),
        pytest.param(b"model = '\xff'", id="not UTF-8"),
        pytest.param(b"a = " + b"[" * 5000, id="too deep"),
    ],
)
def test_a_file_that_cannot_be_read_as_toml_is_refused(settings_file: Path, content: bytes):
    settings_file.write_bytes(content)

    with pytest.raises(BadSetting, match=f"the settings file {settings_file} is not TOML: "):
        resolve({}, {}, settings_file)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path):
    with pytest.raises(BadSetting, match="cannot be read: Is a directory"):
        resolve({}, {}, tmp_path)


def test_a_file_that_is_named_must_be_there(settings_file: Path):
    with pytest.raises(BadSetting, match=f"there is no settings file {settings_file}"):
        resolve({}, {}, settings_file)


def test_the_usual_file_need_not_be_there_and_counts_if_it_is(home: Path):
    before = resolve({}, {})
    path = default_settings_file()
    path.parent.mkdir(parents=True)
    path.write_text("threads = 3")

    after = resolve({}, {})

    assert path.is_relative_to(home)
    assert (before.threads, after.threads) == (0, 3)


def test_relative_paths_start_where_they_are_written(
    tmp_path: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings_file.write_text('log_file = "a.log"')

    settings = resolve({"connection_file": "c.json"}, {}, settings_file)

    assert settings.log_file == tmp_path / "a.log"
    assert settings.connection_file == elsewhere / "c.json"


def test_a_path_may_begin_at_home(home: Path):
    assert resolve({"log_file": "~/a.log"}, {}).log_file == home / "a.log"


def test_what_a_newer_release_can_set_is_a_warning(
    settings_file: Path, caplog: pytest.LogCaptureFixture
):
    settings_file.write_text("threads = 2\nhues = 3\n")

    with caplog.at_level(logging.WARNING):
        settings = resolve({}, {"CLIPCROP_DAEMON_THREDS": "1"}, settings_file)

    assert settings.threads == 2
    assert caplog.messages == [
        f"setting.unknown key=hues file={settings_file}",
        "setting.unknown variable=CLIPCROP_DAEMON_THREDS",
    ]


def test_a_folder_of_weights_is_found_from_everywhere(tmp_path: Path, home: Path):
    file = tmp_path / "daemon.toml"
    file.write_text('model = "weights/owl"', encoding="utf-8")

    from_file = resolve({}, {}, file)
    from_option = resolve({"model": "~/owl"}, {}, file)
    by_name = resolve({"model": "owlvit"}, {}, file)

    assert from_file.model == str(tmp_path / "weights" / "owl")
    assert from_option.model == str(home / "owl")
    assert by_name.model == "owlvit"
