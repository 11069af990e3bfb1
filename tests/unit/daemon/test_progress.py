from __future__ import annotations

import queue
import threading
import time

import pytest

from clipcrop_daemon.progress import PROGRESS_AFTER_S, ProgressTeller
from clipcrop_wire import protocol
from clipcrop_wire.messages import Progress

SLOW_S = 60.0  # what must never be waited for


@pytest.fixture
def sent() -> queue.SimpleQueue[bytes]:
    return queue.SimpleQueue()


def told(sent: queue.SimpleQueue[bytes]) -> tuple[str, str, str]:
    reply = protocol.decode_reply(sent.get(timeout=SLOW_S))
    assert isinstance(reply.body, Progress)
    return reply.id, reply.body.stage, reply.body.text


def test_a_stage_that_lasts_is_told_late_and_once(sent):
    teller = ProgressTeller(sent.put)
    started = time.monotonic()

    teller.enter("1", "loading", "loading lite")

    assert told(sent) == ("1", "loading", "loading lite")
    assert time.monotonic() >= started + PROGRESS_AFTER_S
    time.sleep(2 * PROGRESS_AFTER_S)
    assert sent.empty()


def test_of_a_quick_request_nothing_is_told(sent):
    teller = ProgressTeller(sent.put)

    teller.enter("1", "encoding", "")
    teller.enter("1", "searching", "")
    teller.end()

    time.sleep(2 * PROGRESS_AFTER_S)
    assert sent.empty()


def test_the_next_request_is_told_of_after_a_quick_one(sent):
    teller = ProgressTeller(sent.put)
    teller.enter("1", "encoding", "")
    teller.end()

    started = time.monotonic()
    teller.enter("2", "loading", "")

    assert told(sent) == ("2", "loading", "")
    assert time.monotonic() >= started + PROGRESS_AFTER_S


def test_of_many_short_stages_the_last_one_is_told_now_and_then(sent):
    teller = ProgressTeller(sent.put)
    stop = time.monotonic() + 5 * PROGRESS_AFTER_S
    num_entered = 0

    while time.monotonic() < stop:
        num_entered += 1
        teller.enter("1", "step", str(num_entered))
        time.sleep(PROGRESS_AFTER_S / 10)
    teller.end()

    steps = []
    while not sent.empty():
        steps.append(int(told(sent)[2]))
    assert 1 <= len(steps) <= 5
    assert steps == sorted(set(steps))
    assert steps[0] > 1


def test_nothing_comes_after_the_end(sent):
    is_sending, may_send = threading.Event(), threading.Event()

    def send(header: bytes) -> None:
        is_sending.set()
        assert may_send.wait(SLOW_S)
        sent.put(header)

    teller = ProgressTeller(send)
    teller.enter("1", "loading", "")
    assert is_sending.wait(SLOW_S)
    ending = threading.Thread(target=teller.end)
    ending.start()
    ending.join(0.05)
    was_held_up = ending.is_alive()
    may_send.set()
    ending.join(SLOW_S)

    assert was_held_up
    assert told(sent) == ("1", "loading", "")
