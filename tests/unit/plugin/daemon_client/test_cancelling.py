from __future__ import annotations

from asked_client import SLEEPER, Asked, never, suggestions

from clipcrop_plugin.config import Config
from clipcrop_plugin.messages import LAUNCHING
from clipcrop_wire import protocol
from clipcrop_wire.errors import (
    Cancelled,
    UnknownImage,
)
from clipcrop_wire.messages import Progress, SuggestReply


def test_cancelling_before_anything_was_done(ask, wait, client, daemon):
    asked = ask()

    client.cancel(asked.pending)
    client.cancel(asked.pending)

    assert isinstance(wait(asked), Cancelled)
    assert suggestions(daemon) == []
    assert asked.pending.request_id == ""


def test_cancelling_while_it_is_being_connected(ask, wait, client, daemon, run_until):
    daemon.is_mute = True
    asked = ask()
    run_until(lambda: daemon.received_bytes > 100)

    client.cancel(asked.pending)

    assert isinstance(wait(asked), Cancelled)


def test_cancelling_while_the_daemon_works(ask, wait, client, daemon, run_until):
    daemon.reply_of["suggest"] = never
    asked = ask()
    run_until(lambda: bool(suggestions(daemon)))

    client.cancel(asked.pending)

    assert isinstance(wait(asked), Cancelled)
    assert daemon.cancelled.wait(120)


def test_cancelling_when_the_answer_is_there_already(ask, wait, client):
    asked = ask()
    wait(asked)

    client.cancel(asked.pending)

    assert isinstance(asked.answer, SuggestReply)


def test_cancelling_while_the_daemon_is_being_started(
    link_to, picture, short_path, loop, run_until
):
    client = link_to(Config(short_path / "connection.json", SLEEPER))
    asked = Asked(client, picture)
    run_until(lambda: asked.stages == [LAUNCHING])

    client.cancel(asked.pending)

    assert loop.run_until(lambda: bool(asked.told), 1)
    assert isinstance(asked.answer, Cancelled)
    assert not loop.run_until(lambda: False, 30)  # nothing is left that would look for it


def test_cancelling_while_pixels_are_about_to_be_sent_again(ask, wait, client, daemon, run_until):
    wait(ask())
    daemon.reply_of["suggest"] = never
    asked = ask()
    run_until(lambda: len(suggestions(daemon)) == 2)
    daemon.reply_of["cancel"] = lambda request: [
        protocol.encode_error(request.body.request_id, "suggest", UnknownImage("send them"))
    ]

    client.cancel(asked.pending)

    assert isinstance(wait(asked), Cancelled)
    assert len(suggestions(daemon)) == 2


def test_after_cancelling_no_progress_is_reported(ask, wait, client, daemon, run_until):
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_reply(request.id, "progress", Progress("loading"))
    ]
    asked = ask()
    first = asked.pending
    run_until(lambda: bool(suggestions(daemon)))

    client.cancel(first)
    told = len(asked.stages)
    wait(asked)

    assert len(asked.stages) == told


def test_closing_cancels_everything(ask, client, loop, daemon, run_until):
    daemon.reply_of["suggest"] = never
    asked = [ask(), ask(), ask()]
    run_until(lambda: len(suggestions(daemon)) == 2)

    client.close()
    client.cancel(asked[0].pending)

    assert not loop.run_until(lambda: any(one.told for one in asked), 5)
