"""The daemon is absent, ends, hangs or is another program: a sentence, and the next try works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from driver import Gimp, wait_for
from editor import PATIENCE_S

import clipcrop_wire
from clipcrop_wire.sealing import PROTOCOL_VERSION

pytestmark = pytest.mark.gimp

StartGimp = Callable[..., Gimp]

ASK = """
image = load(path)
result = call("plug-in-clipcrop", image, prompt=prompt)
result["selection"] = selection(image)
"""


def ask(gimp: Gimp, path: Path, prompt: str = "the woman") -> dict[str, Any]:
    answer = gimp.run(ASK, path=str(path), prompt=prompt)
    assert isinstance(answer, dict)
    return answer


def begin(gimp: Gimp, path: Path, prompt: str) -> subprocess.Popen[str]:
    """Ask in the background: the call returns at once, the answer is read with `end`."""
    program = (
        "import json, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "s.sendall(sys.stdin.read().encode()); s.shutdown(socket.SHUT_WR)\n"
        "print(b''.join(iter(lambda: s.recv(65536), b'')).decode())\n"
    )
    source = f"path = {str(path)!r}\nprompt = {prompt!r}\n{ASK}"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(gimp.probe)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(source)
    process.stdin.close()
    process.stdin = None
    return process


def end(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=PATIENCE_S)
    answer = json.loads(out)
    assert "result" in answer, answer
    result = answer["result"]
    assert isinstance(result, dict)
    return result


def test_without_a_daemon_it_is_said_how_to_start_one_and_the_next_try_works(
    start_gimp: StartGimp, daemon: Any, astronaut_path: Path
):
    gimp = start_gimp(daemon=daemon)

    without = ask(gimp, astronaut_path)
    daemon.start()
    with_it = ask(gimp, astronaut_path)

    assert without["status"] == "execution-error"
    assert "clipcrop-daemon run" in without["error"]
    assert without["selection"] is None
    assert with_it["status"] == "success"


def test_the_daemon_is_started_with_the_installers_command(
    start_gimp: StartGimp, tmp_path: Path, daemon: Any, astronaut_path: Path
):
    # From inside the tree a program of this machine cannot be run: the command leaves a note, and
    # what it asks for is done here.
    note = tmp_path / "start"
    config = {
        "connection_file": str(daemon.connection_file),
        "start_command": ["/bin/sh", "-c", f"touch {note}"],
    }
    gimp = start_gimp(daemon=daemon, config=config)

    asked = begin(gimp, astronaut_path, "the woman")
    wait_for("the start command", note.exists)
    daemon.start()

    assert end(asked)["status"] == "success"


def test_a_start_command_that_fails_is_told(
    start_gimp: StartGimp, daemon: Any, astronaut_path: Path
):
    config = {
        "connection_file": str(daemon.connection_file),
        "start_command": ["/nowhere/clipcrop-daemon", "run"],
    }
    gimp = start_gimp(daemon=daemon, config=config)

    answer = ask(gimp, astronaut_path)

    assert "could not be started" in answer["error"]
    assert "/nowhere/clipcrop-daemon" in answer["error"]


def test_a_daemon_that_is_killed_at_work_is_told_and_the_next_try_works(
    start_gimp: StartGimp, fake_daemon: Any, astronaut_path: Path
):
    fake_daemon.start()
    gimp = start_gimp(daemon=fake_daemon)

    asked = begin(gimp, astronaut_path, "sleep 600")
    wait_for("the work", fake_daemon.is_at_work)
    fake_daemon.kill()
    answer = end(asked)
    fake_daemon.start()

    assert answer["status"] == "execution-error"
    assert "ended while it was working" in answer["error"]
    assert answer["selection"] is None
    assert ask(gimp, astronaut_path, "work 0.01")["status"] == "success"


@pytest.mark.parametrize("prompt", ["die", "error"])
def test_a_model_that_fails_is_told_and_the_next_try_works(
    start_gimp: StartGimp, fake_daemon: Any, astronaut_path: Path, prompt: str
):
    fake_daemon.start()
    gimp = start_gimp(daemon=fake_daemon)

    failed = ask(gimp, astronaut_path, prompt)

    assert failed["status"] == "execution-error"
    assert "ClipCrop daemon" in failed["error"]
    assert "Traceback" not in failed["error"]
    assert ask(gimp, astronaut_path, "work 0.01")["status"] == "success"


def test_a_daemon_with_another_key_is_not_believed_and_the_right_key_works(
    start_gimp: StartGimp, fake_daemon: Any, astronaut_path: Path
):
    fake_daemon.start()
    published = json.loads(fake_daemon.connection_file.read_text())
    key = "00" * 32 if published["key"] != "00" * 32 else "11" * 32
    # Not the daemon's own file, which it would put right.
    copy = fake_daemon.folder / "copy.json"
    copy.touch(mode=0o600)
    gimp = start_gimp(daemon=fake_daemon, config={"connection_file": str(copy)})

    copy.write_text(json.dumps({**published, "key": key}))
    wrong = ask(gimp, astronaut_path, "work 0.01")
    copy.write_text(json.dumps(published))
    right = ask(gimp, astronaut_path, "work 0.01")

    assert wrong["status"] == "execution-error"
    assert wrong["selection"] is None
    assert "daemon" in wrong["error"]
    assert right["status"] == "success"


def test_a_daemon_that_was_updated_past_the_plug_in_is_told(
    start_gimp: StartGimp, fake_daemon: Any, astronaut_path: Path, tmp_path: Path
):
    shutil.copytree(Path(clipcrop_wire.__file__).parent, tmp_path / "clipcrop_wire")
    sealing = tmp_path / "clipcrop_wire" / "sealing.py"
    ours = f"\nPROTOCOL_VERSION = {PROTOCOL_VERSION}\n"
    assert ours in sealing.read_text()
    sealing.write_text(sealing.read_text().replace(ours, "\nPROTOCOL_VERSION = 99\n"))
    gimp = start_gimp(daemon=fake_daemon)

    answers = []
    for variables in ({}, {"PYTHONPATH": str(tmp_path)}, {}):
        fake_daemon.start(variables)
        answers.append(ask(gimp, astronaut_path, "work 0.01"))
        fake_daemon.kill()

    assert [one["status"] for one in answers] == ["success", "execution-error", "success"]
    assert "older than the ClipCrop daemon. Update the plug-in." in answers[1]["error"]


def test_a_connection_file_of_another_version_is_told(
    start_gimp: StartGimp, fake_daemon: Any, astronaut_path: Path
):
    fake_daemon.start()
    published = json.loads(fake_daemon.connection_file.read_text())
    other = fake_daemon.folder / "other.json"
    other.touch(mode=0o600)
    other.write_text(json.dumps({**published, "protocol": [99, 0]}))
    gimp = start_gimp(daemon=fake_daemon, config={"connection_file": str(other)})

    answer = ask(gimp, astronaut_path)

    assert answer["status"] == "execution-error"
    assert "pdate" in answer["error"], answer["error"]


def test_gimp_ends_while_it_waits_and_nothing_stays_behind(
    start_gimp: StartGimp, fake_daemon: Any, astronaut_path: Path
):
    fake_daemon.start()
    gimp = start_gimp(daemon=fake_daemon)
    asked = begin(gimp, astronaut_path, "sleep 600")
    wait_for("the work", fake_daemon.is_at_work)
    assert gimp.process is not None
    first = psutil.Process(gimp.process.popen.pid)
    running = [first, *first.children(recursive=True)]
    editor = next(one for one in running if one.name().startswith("gimp-console"))
    plug_in = next(one for one in running if "clipcrop_gimp.py" in " ".join(one.cmdline()))

    editor.terminate()

    assert psutil.wait_procs([plug_in], timeout=PATIENCE_S)[1] == []
    asked.kill()
    asked.communicate()
