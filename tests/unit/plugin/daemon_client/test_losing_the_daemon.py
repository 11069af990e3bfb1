from __future__ import annotations

from asked_client import error_to, suggestions

from clipcrop_plugin.errors import DaemonLost
from clipcrop_wire.endpoint import write_connection_file
from clipcrop_wire.errors import (
    Cancelled,
    DaemonNotRunning,
)
from clipcrop_wire.messages import SuggestReply


def test_losing_the_daemon_while_it_works(ask, wait, daemon):
    def die(request):
        daemon.hang_up()
        return []

    daemon.reply_of["suggest"] = die

    assert isinstance(wait(ask()), DaemonLost)
    assert isinstance(wait(ask()), DaemonNotRunning)


def test_losing_the_daemon_and_asking_the_next_one(ask, wait, daemon, short_path):
    daemon.reply_of["suggest"] = lambda request: daemon.hang_up() or []
    assert isinstance(wait(ask()), DaemonLost)
    for name in ("work", "control"):
        (short_path / name).unlink()

    other = type(daemon)(short_path)
    try:
        assert isinstance(wait(ask()), SuggestReply)
        assert suggestions(other)[0].body.image.is_inline
    finally:
        other.stop()


def test_losing_the_daemon_because_it_is_told_to_stop(ask, wait, daemon):
    daemon.reply_of["suggest"] = error_to(Cancelled("the daemon is stopping"))

    assert isinstance(wait(ask()), DaemonLost)


def test_losing_the_daemon_between_two_questions(ask, wait, daemon, short_path):
    wait(ask())
    daemon.stop()
    for name in ("work", "control"):
        (short_path / name).unlink()

    other = type(daemon)(short_path)
    try:
        assert isinstance(wait(ask()), SuggestReply)
    finally:
        other.stop()


def test_losing_the_daemon_to_another_that_the_file_names_now(ask, wait, daemon, tmp_path_factory):
    import shutil
    import tempfile
    from pathlib import Path

    wait(ask())
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    other = type(daemon)(folder)
    try:
        write_connection_file(daemon.path, other.info)
        assert isinstance(wait(ask()), SuggestReply)
        assert len(suggestions(other)) == 1
    finally:
        other.stop()
        shutil.rmtree(str(folder))


def test_a_removed_connection_file_is_no_lost_daemon(ask, wait, daemon):
    wait(ask())
    daemon.path.unlink()

    assert isinstance(wait(ask()), SuggestReply)
