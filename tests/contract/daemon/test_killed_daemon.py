"""The daemon is killed as by ``kill -9``, or started anew."""

from __future__ import annotations

import time

import pytest

from clipcrop_wire.errors import DaemonNotRunning

pytestmark = pytest.mark.slow

SOON_S = 20.0  # a client that waits is told at once; this is for a busy machine
SLOW = [
    pytest.param("load 60", "loading", id="while it loads"),
    pytest.param("sleep 60", "working", id="while it works"),
]


@pytest.mark.parametrize(("prompt", "state"), SLOW)
def test_who_waits_is_told_soon_and_no_process_is_left(daemon, begin, prompt, state):
    with daemon.client() as client:
        waiting = begin(daemon, client, prompt, state)
        assert daemon.children()

        daemon.kill()  # and see that its model process ends by itself

        with pytest.raises(DaemonNotRunning, match="lost"):
            waiting.result(SOON_S)


@pytest.mark.parametrize(("prompt", "state"), [pytest.param("", "idle", id="while idle"), *SLOW])
def test_a_new_daemon_starts_over_the_leftovers(start, suggest, begin, prompt, state):
    dead = start()
    with dead.client() as client:
        suggest(client)
        if prompt:
            begin(dead, client, prompt.replace("load", "sleep"), "working")
        dead.kill()
        left = {path.name for path in (dead.folder / "sockets").iterdir()}
        assert len(left) == 2
        assert dead.path.exists()

        with dead.client() as other:
            started = time.monotonic()
            with pytest.raises(DaemonNotRunning):
                suggest(other)
            assert time.monotonic() - started < SOON_S
        new = start()

        assert suggest(client).suggestions
        assert new.info().session in new.path.read_text(encoding="utf-8")
        there = {path.name for path in (dead.folder / "sockets").iterdir()}
        assert len(there) == 2
        assert not there & left
        names = {path.name for path in dead.folder.iterdir()}
        assert names == {"connection.json", "connection.json.lock", "sockets", "stderr"}


def test_pixels_are_sent_again_to_a_new_daemon(start, suggest):
    old = start()
    with old.client() as client:
        suggest(client)
        client.shutdown()
        assert old.process.wait(120) == 0
        new = start()

        assert suggest(client).suggestions
        assert client.status().pid == new.process.pid
        assert client.status().num_cached_images == 1
