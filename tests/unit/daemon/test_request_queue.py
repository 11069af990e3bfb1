from __future__ import annotations

import pytest

from clipcrop_daemon.request_queue import (
    MAX_IN_FLIGHT,
    MAX_QUEUED,
    MAX_QUEUED_BYTES,
    Job,
    RequestQueue,
)
from clipcrop_daemon.sessions import Peer
from clipcrop_wire.errors import Unavailable
from clipcrop_wire.messages import WarmRequest
from clipcrop_wire.protocol import Request


def job(name: str, client: str = "a", *, num_bytes: int = 0, deadline_s: float = 60.0) -> Job:
    pixels = (memoryview(bytes(num_bytes)),) if num_bytes else ()
    request = Request("warm", name, WarmRequest(), pixels)
    return Job(Peer("work", client.encode()), request, 0.0, deadline_s)


def filled(*jobs: Job) -> RequestQueue:
    queue = RequestQueue()
    for one in jobs:
        queue.add(one)
    return queue


def test_clients_take_turns_and_each_ones_requests_stay_in_order():
    names = ["a1", "a2", "a3", "b1", "c1", "b2"]
    queue = filled(*(job(name, client=name[0]) for name in names))

    taken = [one.id for one in iter(queue.take, None)]

    assert taken == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert len(queue) == 0


def test_a_client_may_have_two_on_their_way_the_running_one_counted():
    queue = filled(job("a1"))

    queue.check_room(job("a2"), None)
    with pytest.raises(Unavailable, match="2 requests of this client"):
        queue.check_room(job("a2"), job("running"))
    queue.check_room(job("b1", client="b"), job("running"))

    assert MAX_IN_FLIGHT == 2


def test_the_queue_is_full_at_its_limit():
    queue = filled(*(job(f"{number}", client=f"{number}") for number in range(MAX_QUEUED - 1)))
    queue.check_room(job("x", client="x"), None)
    queue.add(job("x", client="x"))

    with pytest.raises(Unavailable, match="queue is full"):
        queue.check_room(job("y", client="y"), None)


def test_pixels_that_wait_are_bounded():
    half = MAX_QUEUED_BYTES // 2
    queue = filled(job("a", num_bytes=half))

    queue.check_room(job("b", client="b", num_bytes=half), None)
    with pytest.raises(Unavailable, match="queue is full"):
        queue.check_room(job("b", client="b", num_bytes=half + 1), None)


def test_one_is_taken_out_by_its_id():
    queue = filled(job("a1"), job("a2"), job("b1", client="b"))

    removed = queue.remove("a2")

    assert removed is not None
    assert removed.id == "a2"
    assert queue.remove("a2") is None
    assert [one.id for one in queue] == ["a1", "b1"]


def test_the_next_deadline_is_the_earliest():
    queue = filled(job("a1", deadline_s=9.0), job("b1", client="b", deadline_s=3.0))

    assert queue.next_deadline_s() == 3.0
    assert RequestQueue().next_deadline_s() is None
