"""A daemon that is absent, killed, slow, of another version; documents and Kritas that go."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from editor import wait_for
from krita_driver import Krita
from real_daemon import Daemon

pytestmark = pytest.mark.krita

StartKrita = Callable[..., Krita]

ASK = (
    "docker().bring_to_front(); panel = docker().panel\n"
    "panel._prompt.setEditText('the woman'); widget('clipcrop_find').click()"
)


def status(krita: Krita) -> str:
    return krita.run("result = widget('clipcrop_status').text()")


def wait_for_status(krita: Krita, part: str) -> None:
    wait_for(f"{part!r} in the status line", lambda: part in status(krita))


def test_the_daemon_is_started_when_it_is_needed(
    start_krita: StartKrita, astronaut_path: Path, daemon: Daemon, krita_root: Path, tmp_path: Path
):
    """In a tree the daemon itself cannot run: a program that only says that it was called."""
    called = tmp_path / "called"
    command = ["/bin/sh", "-c", f"env > {called}"]
    config = {"connection_file": str(daemon.connection_file), "start_command": command}
    krita = start_krita(astronaut_path, daemon=daemon, config=config)

    krita.run(ASK)

    wait_for("the call", called.exists)
    wait_for_status(krita, "Starting the ClipCrop daemon")
    daemon.start()
    wait_for_status(krita, "suggestions.")
    assert "QT_" not in called.read_text()


def test_without_a_daemon_it_says_what_to_do(
    start_krita: StartKrita, astronaut_path: Path, daemon: Daemon
):
    krita = start_krita(astronaut_path, daemon=daemon)

    krita.run(ASK)

    wait_for_status(krita, "clipcrop-daemon run")


def test_a_killed_daemon_is_said_and_the_next_one_found(
    start_krita: StartKrita, astronaut_path: Path, daemon: Daemon
):
    daemon.start()
    krita = start_krita(astronaut_path, daemon=daemon)
    krita.run(ASK)
    wait_for_status(krita, "suggestions.")
    daemon.kill()

    krita.run(ASK)

    wait_for_status(krita, "daemon is not running")
    daemon.connection_file.unlink()
    daemon.start()
    krita.run(ASK)
    wait_for_status(krita, "suggestions.")


def test_a_connection_file_of_another_version_is_said(
    start_krita: StartKrita, astronaut_path: Path, daemon: Daemon
):
    daemon.start()
    info = json.loads(daemon.connection_file.read_text())
    daemon.kill()  # it would write its own again
    daemon.connection_file.write_text(json.dumps({**info, "protocol": [99, 0]}))
    krita = start_krita(astronaut_path, daemon=daemon)

    krita.run(ASK)

    wait_for_status(krita, "This plug-in is older than the ClipCrop daemon. Update the plug-in.")


def stopped(daemon: Daemon) -> None:
    """A daemon that takes its time: it is there, and does not answer."""
    assert daemon.process is not None
    os.kill(daemon.process.pid, signal.SIGSTOP)


def test_waiting_for_a_slow_daemon_holds_nothing_up_and_can_be_stopped(
    start_krita: StartKrita, astronaut_path: Path, daemon: Daemon
):
    daemon.start()
    krita = start_krita(astronaut_path, daemon=daemon)
    krita.run(ASK)
    wait_for_status(krita, "suggestions.")
    stopped(daemon)

    krita.run(
        "panel = docker().panel; panel._prompt.setEditText('the rocket'); panel._find.click()"
    )

    # The answers come from the thread that would wait, and the daemon can give none.
    assert krita.run("result = not widget('clipcrop_stop').isHidden()")
    krita.run("widget('clipcrop_stop').click()")
    assert status(krita) == "Cancelled."


def test_krita_ends_at_once_while_a_request_runs(
    start_krita: StartKrita, astronaut_path: Path, daemon: Daemon
):
    daemon.start()
    krita = start_krita(astronaut_path, daemon=daemon)
    krita.run(ASK)
    wait_for_status(krita, "suggestions.")
    stopped(daemon)
    krita.run(ASK.replace("the woman", "the rocket"))

    seconds = krita.quit()

    assert seconds < 10
    assert krita.process is not None
    assert krita.process.popen.returncode == 0


def test_a_document_may_be_closed_while_it_is_waited_for(
    start_krita: StartKrita, astronaut_path: Path, samples: Path, daemon: Daemon
):
    daemon.start()
    krita = start_krita(astronaut_path, daemon=daemon)
    stopped(daemon)
    krita.run(ASK)

    krita.run("doc().setModified(False); app.action('file_close').trigger()")

    wait_for_status(krita, "No image is open")
    assert daemon.process is not None
    os.kill(daemon.process.pid, signal.SIGCONT)
    krita.run("load(path)", path=str(samples / "coffee.jpg"))
    krita.run(ASK.replace("the woman", "the cup"))
    wait_for_status(krita, "kept: cup")
    previews = krita.run(
        "from clipcrop_krita.application import the_application\n"
        "result = len(the_application()._previews)"
    )
    assert previews == 1


def test_switched_off_it_is_not_there_and_switched_on_it_knows_what_was_asked(
    start_krita: StartKrita, astronaut_path: Path
):
    krita = start_krita(astronaut_path)
    krita.run(ASK)
    wait_for_status(krita, "suggestions.")
    krita.quit()

    krita.switch("clipcrop_krita", is_on=False)
    krita.start(astronaut_path)
    assert krita.run("import sys; result = 'clipcrop_krita' in sys.modules") is False
    assert krita.run("result = app.action('clipcrop_ask') is None and docker() is None")
    krita.quit()

    krita.switch("clipcrop_krita", is_on=True)
    krita.start(astronaut_path)
    krita.run("docker().bring_to_front(); docker().panel")
    assert krita.run("result = widget('clipcrop_prompt').currentText()") == "the woman"


def test_other_plug_ins_see_neither_our_msgpack_nor_our_folder(
    start_krita: StartKrita, astronaut_path: Path
):
    krita = start_krita(astronaut_path)
    krita.run("docker().bring_to_front(); docker().panel")

    got = krita.run(
        "import sys\nimport clipcrop_wire.protocol as protocol\n"
        "result = ['msgpack' in sys.modules, [p for p in sys.path if 'vendor' in p],"
        " 'clipcrop_krita/vendor/msgpack' in protocol.msgpack.__file__]"
    )

    assert got == [False, [], True]


def test_nothing_is_loaded_for_a_docker_that_was_never_shown(
    start_krita: StartKrita, astronaut_path: Path
):
    krita = start_krita(astronaut_path)

    assert krita.run("result = docker().isVisible()") is False
    loaded = krita.run("import sys; result = list(sys.modules)")
    assert "clipcrop_krita.docker" in loaded
    assert not {"clipcrop_krita.panel", "clipcrop_wire.protocol"} & set(loaded)
