"""The model process is killed, as the kernel does when memory is short, or hangs."""

from __future__ import annotations

import signal

import pytest

from clipcrop_wire.errors import Cancelled, InternalError, RequestTimeout, Unavailable
from clipcrop_wire.messages import MAX_EXCLUSIONS, MAX_PROMPT_CHARS

pytestmark = pytest.mark.slow

SOON_S = 20.0


@pytest.mark.parametrize(
    ("prompt", "state"),
    [
        pytest.param("load 60", "loading", id="while it loads"),
        pytest.param("sleep 60", "working", id="while it works"),
    ],
)
def test_a_kill_is_told_and_the_next_request_is_served(daemon, begin, suggest, prompt, state):
    with daemon.client() as client:
        waiting = begin(daemon, client, prompt, state)

        daemon.children()[0].kill()

        with pytest.raises(Unavailable, match=r"signal 9\); perhaps for lack of memory"):
            waiting.result(SOON_S)
        assert suggest(client).suggestions


def test_a_kill_while_idle_is_not_even_noticed(daemon, suggest, wait_for):
    with daemon.client() as client:
        suggest(client)

        daemon.children()[0].kill()

        wait_for(lambda: "model.ended" in daemon.text())
        assert client.status().loaded == ()
        assert suggest(client).suggestions


def test_queued_requests_are_served_after_a_kill(daemon, begin, suggest, in_background, wait_for):
    with daemon.client() as client, daemon.client() as other, daemon.client() as control:
        running = begin(daemon, client, "sleep 60", "working")
        waiting = in_background(suggest, other)
        wait_for(lambda: control.status().num_queued == 1)

        daemon.children()[0].kill()

        with pytest.raises(Unavailable):
            running.result(SOON_S)
        assert waiting.result(120).suggestions


def test_a_question_that_a_killed_model_took_along_is_answered(daemon, suggest, in_background):
    with daemon.client() as client, daemon.client() as control:
        suggest(client)
        model = daemon.children()[0]
        model.send_signal(signal.SIGSTOP)
        asked = in_background(control.models)
        with pytest.raises(RequestTimeout):  # it is on its way by now
            suggest(client, timeout_s=0.3)

        model.kill()

        with pytest.raises(Unavailable, match="ask again"):
            asked.result(SOON_S)


def test_a_stopped_model_is_replaced_when_its_time_is_over(start, suggest, wait_for):
    daemon = start(stuck_s=0.3)
    with daemon.client() as client:
        suggest(client)
        stopped = daemon.children()[0]
        stopped.send_signal(signal.SIGSTOP)

        with pytest.raises((Cancelled, RequestTimeout)):
            suggest(client, timeout_s=0.5)

        assert suggest(client).suggestions
        assert daemon.children()[0].pid != stopped.pid
        assert "model.stuck" in daemon.text()


def test_a_stopped_model_does_not_stop_the_front_however_long_the_request(
    daemon, suggest, in_background, wait_for
):
    longest = "\N{GRINNING FACE}" * MAX_PROMPT_CHARS
    with daemon.client() as client, daemon.client() as control:
        suggest(client)
        daemon.children()[0].send_signal(signal.SIGSTOP)

        waiting = in_background(suggest, client, longest, exclude=(longest,) * MAX_EXCLUSIONS)

        wait_for(lambda: control.status().state == "loading")
        asked = [in_background(models_of, daemon) for _ in range(8)]
        for _ in range(20):
            control.ping(SOON_S)
        daemon.children()[0].send_signal(signal.SIGCONT)
        assert waiting.result(120).suggestions
        assert all(one.result(120).default == "lite" for one in asked)


@pytest.mark.parametrize(
    ("prompt", "error"), [("memory", Unavailable), ("error", InternalError)], ids=["memory", "bug"]
)
def test_a_model_that_an_error_may_have_damaged_is_replaced(daemon, suggest, prompt, error):
    with daemon.client() as client:
        suggest(client)
        damaged = daemon.children()[0]

        with pytest.raises(error):
            suggest(client, prompt)

        assert suggest(client).suggestions
        assert damaged.pid not in [child.pid for child in daemon.children()]


def test_a_model_that_cannot_even_begin_is_told_each_time(start, suggest, wait_for):
    daemon = start(model="no_such_model.py")
    with daemon.client() as client:
        for _ in range(2):
            with pytest.raises(
                Unavailable, match=r"ended with code 2\); the daemon's log says why"
            ):
                suggest(client)

        assert client.status().state == "idle"
    wait_for(lambda: "no_such_model.py': [Errno 2] No such file" in daemon.text())


def test_ten_kills_leave_no_file_descriptor_and_no_thread(daemon, suggest, wait_for):
    front = daemon.front()
    with daemon.client() as client:
        suggest(client)
        client.ping()
        before = (front.num_fds(), front.num_threads())
        for _ in range(10):
            with pytest.raises(Unavailable):
                suggest(client, "die")
        suggest(client)

        wait_for(lambda: (front.num_fds(), front.num_threads()) == before)


def models_of(daemon):
    with daemon.client() as client:
        return client.models()
