from __future__ import annotations

import queue
import threading
import time

import pytest
from polling import wait_until

from clipcrop_daemon.worker import PROGRESS_AFTER_S, ProgressReporter
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
    reporter = ProgressReporter(sent.put)
    started = time.monotonic()

    reporter.enter("1", "loading", "loading lite")

    assert told(sent) == ("1", "loading", "loading lite")
    assert time.monotonic() >= started + PROGRESS_AFTER_S
    reporter.end()
    reporter.enter("2", "encoding", "")
    assert told(sent)[0] == "2"


def test_of_a_quick_request_nothing_is_told_and_of_the_next_one_something(sent):
    reporter = ProgressReporter(sent.put)
    with reporter._has_news:  # so quick that the thread cannot look in between
        reporter.enter("1", "encoding", "")
        reporter.enter("1", "searching", "")
        reporter.end()

    started = time.monotonic()
    reporter.enter("2", "loading", "")

    assert told(sent) == ("2", "loading", "")
    assert time.monotonic() >= started + PROGRESS_AFTER_S


def test_of_many_short_stages_the_last_one_is_told_now_and_then(sent):
    sent_at_s = []

    def send(header: bytes) -> None:
        sent_at_s.append(time.monotonic())
        sent.put(header)

    reporter = ProgressReporter(send)
    num_entered = 0

    def enter_next() -> bool:
        nonlocal num_entered
        num_entered += 1
        reporter.enter("1", "step", str(num_entered))
        return len(sent_at_s) >= 3

    wait_until(enter_next)
    reporter.end()

    first, second, third = (int(told(sent)[2]) for _ in range(3))
    assert first < second < third <= num_entered
    assert min(sent_at_s[1] - sent_at_s[0], sent_at_s[2] - sent_at_s[1]) >= PROGRESS_AFTER_S


def test_nothing_comes_after_the_end(sent):
    is_sending, may_send = threading.Event(), threading.Event()

    def send(header: bytes) -> None:
        is_sending.set()
        assert may_send.wait(SLOW_S)
        sent.put(header)

    reporter = ProgressReporter(send)
    reporter.enter("1", "loading", "")
    assert is_sending.wait(SLOW_S)
    ending = threading.Thread(target=reporter.end)
    ending.start()
    ending.join(0.05)
    was_held_up = ending.is_alive()
    may_send.set()
    ending.join(SLOW_S)

    assert was_held_up
    assert told(sent) == ("1", "loading", "")
