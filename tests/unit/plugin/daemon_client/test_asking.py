from __future__ import annotations

import pytest
from asked_client import never, reply_to, suggestions

from clipcrop_wire import protocol
from clipcrop_wire.errors import (
    Cancelled,
)
from clipcrop_wire.messages import Progress, SuggestReply, SuggestRequest, WarmReply


def test_an_answer_comes_from_the_loop_and_not_from_within_the_call(ask, wait):
    asked = ask()

    assert asked.told == []
    assert isinstance(wait(asked), SuggestReply)
    assert asked.pending.is_done
    assert asked.pending.pixels == ()


def test_pixels_are_sent_once(daemon, ask, wait):
    first = ask("the dog")
    wait(first)
    second = ask("the cat")
    wait(second)

    assert [request.body.image.is_inline for request in suggestions(daemon)] == [True, False]
    assert [request.body.prompt for request in suggestions(daemon)] == ["the dog", "the cat"]


def test_pixels_are_sent_again_when_the_daemon_has_forgotten_them(daemon, ask, wait):
    wait(ask())
    daemon.holds.clear()

    assert isinstance(wait(ask()), SuggestReply)
    assert [request.body.image.is_inline for request in suggestions(daemon)] == [True, False, True]


def test_the_daemon_is_told_how_much_time_is_left(daemon, ask, wait):
    wait(ask(timeout_s=7.0))

    assert 5 < suggestions(daemon)[0].body.timeout_s <= 7


def test_at_most_two_are_on_the_way_and_the_next_follows(daemon, ask, wait, run_until, client):
    daemon.reply_of["suggest"] = never
    asked = [ask(f"dog {number}") for number in range(4)]
    run_until(lambda: len(suggestions(daemon)) == 2)
    run_until(lambda: True)
    assert [one.body.prompt for one in suggestions(daemon)] == ["dog 0", "dog 1"]

    client.cancel(asked[0].pending)
    run_until(lambda: len(suggestions(daemon)) == 3)
    daemon.reply_of["suggest"] = reply_to
    client.cancel(asked[1].pending)
    client.cancel(asked[2].pending)
    wait(*asked)

    assert [type(one.answer) for one in asked] == [Cancelled, Cancelled, Cancelled, SuggestReply]


def test_progress_comes_in_its_order_and_before_the_answer(daemon, ask, wait):
    def answer(request):
        stages = [Progress("queued"), Progress("loading", 0.5), Progress("encoding")]
        told = [protocol.encode_reply(request.id, "progress", stage) for stage in stages]
        return told + reply_to(request)

    daemon.reply_of["suggest"] = answer
    asked = ask()

    wait(asked)

    assert asked.stages == ["queued", "loading", "encoding"]


def test_the_model_can_be_loaded_before_it_is_needed(daemon, loop, client):
    told = []
    daemon.reply_of["warm"] = lambda request: [
        protocol.encode_reply(request.id, "warm", WarmReply("lite", "cpu", 0.1))
    ]

    client.warm()
    client.warm(on_answer=lambda pending: told.append(pending.answer))

    assert loop.run_until(lambda: bool(told), 10)
    assert told[0].model == "lite"


def test_a_callback_that_fails_costs_the_others_nothing(daemon, ask, wait, loop, client, picture):
    def fail(pending):
        raise ZeroDivisionError

    client.suggest(SuggestRequest(picture.raster.image), (picture.raster.pixels,), on_answer=fail)
    asked = ask()

    with pytest.raises(ZeroDivisionError):
        wait(asked)

    assert isinstance(wait(asked), SuggestReply)
