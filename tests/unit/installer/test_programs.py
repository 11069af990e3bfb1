from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clipcrop_installer import cli, demo
from clipcrop_installer.errors import InstallError, PythonUnsuitable
from clipcrop_installer.old_python import EXIT_CODE, refuse_old_python
from clipcrop_installer.pip_output import Progress
from clipcrop_installer.process import clean_variables, run_command


def test_a_command_is_heard_line_by_line_on_both_streams(tmp_path: Path):
    lines: list[str] = []
    code = "import os, sys; print(os.getcwd()); print('ä', file=sys.stderr); sys.exit(3)"

    exit_code = run_command(
        [sys.executable, "-c", code], folder=tmp_path, variables={}, on_line=lines.append
    )

    assert exit_code == 3
    assert lines == [str(tmp_path.resolve()), "ä"]


def test_a_command_does_not_outlive_an_interruption(tmp_path: Path):
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt(line)

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"

    with pytest.raises(KeyboardInterrupt) as caught:
        run_command([sys.executable, "-c", code], folder=tmp_path, variables={}, on_line=interrupt)

    with pytest.raises(ProcessLookupError):
        os.kill(int(str(caught.value)), 0)


def test_the_shells_python_settings_do_not_reach_a_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example")

    variables = clean_variables({"HF_HUB_OFFLINE": "1"})

    assert not {"PYTHONPATH", "PIP_USER"} & variables.keys()
    assert variables["HTTPS_PROXY"] == "proxy.example"
    assert variables["HF_HUB_OFFLINE"] == "1"


def test_an_old_python_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        refuse_old_python((3, 9, 18))

    assert caught.value.code == EXIT_CODE == PythonUnsuitable.exit_code
    assert capsys.readouterr().err.startswith(
        "Python 3.10 or newer is needed, and this is Python 3.9;"
    )


def test_a_python_new_enough_is_not_refused():
    refuse_old_python((3, 10, 0))


@pytest.mark.parametrize(
    ("raised", "exit_code", "sentence"),
    [
        pytest.param(PythonUnsuitable("no venv"), 7, "error: no venv", id="an error of ours"),
        pytest.param(InstallError("why"), 1, "error: why", id="any other error of ours"),
        pytest.param(
            KeyboardInterrupt(), 130, "stopped; run the same command again to continue", id="ctrl-c"
        ),
    ],
)
def test_a_failure_is_a_sentence_on_stderr_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    exit_code: int,
    sentence: str,
):
    def fail(*arguments: object, **options: object) -> None:
        raise raised

    monkeypatch.setattr(demo, "run_demo", fail)

    assert cli.main(["demo"]) == exit_code
    assert capsys.readouterr().err.strip() == sentence


def test_the_installer_says_what_it_can_do(checkout: Path):
    answer = subprocess.run(
        [sys.executable, "installer", "--help"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "demo" in answer.stdout


def test_progress_names_large_downloads_and_hides_addresses():
    said: list[str] = []
    progress = Progress(said.append, is_live=False)

    progress.begin("packages")
    progress.show("  Downloading https://registry.example/a/torch-2.13.0-cp311-x.whl (190.5 MB)")
    progress.show("  Downloading tiny-1.0-py3-none-any.whl (12 kB)")
    progress.show("Installing collected packages: a, b, c")
    progress.end()

    assert said[:2] == ["    downloading torch (190.5 MB)", "    unpacking 3 packages"]
    assert said[2].startswith("  packages: 0 s")


def test_live_progress_writes_over_one_line(capsys: pytest.CaptureFixture[str]):
    said: list[str] = []
    progress = Progress(said.append, is_live=True)

    progress.begin("packages")
    progress.show("  Downloading tiny-1.0-py3-none-any.whl (12 kB)")
    progress.end()

    assert "downloading tiny (12 kB)" in capsys.readouterr().err
    assert len(said) == 1
