from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from polling import PATIENCE_S, wait_until

from clipcrop_wire.client import CancelToken
from clipcrop_wire.errors import (
    Cancelled,
    InternalError,
)
from clipcrop_wire.messages import Image, Progress

SLOW_S = 60.0  # what must never be waited for


def test_a_slow_request_tells_what_is_going_on(daemon, suggest):
    stages: list[Progress] = []

    with daemon.client() as client:
        reply = suggest(client, "load 0.3", on_progress=stages.append)

    assert reply.suggestions[0].crop_px == (0, 0, 20, 40)
    assert stages == [Progress("loading", None, "loading lite")]


def test_a_second_request_needs_no_pixels(daemon, suggest):
    with daemon.client() as client:
        assert suggest(client).is_image_cached
        again = suggest(client, "her dogs")
        assert client.status().num_cached_images == 1

    assert again.suggestions


def test_after_unloading_the_pixels_are_sent_again_by_themselves(daemon, suggest):
    with daemon.client() as client:
        suggest(client)
        assert client.unload().unloaded == ("lite",)
        wait_until(lambda: daemon.children() == [])
        assert suggest(client).suggestions


def test_control_answers_while_the_model_works(daemon, suggest):
    with daemon.client() as worker, daemon.client() as control, CancelToken() as cancel:
        outcome = in_thread(lambda: suggest(worker, f"sleep {SLOW_S}", cancel=cancel))
        wait_until(lambda: control.status().state == "working")
        started = time.monotonic()
        control.ping()
        assert control.models().default == "lite"
        assert control.status().loaded == ()
        took = time.monotonic() - started
        cancel.cancel()
        with pytest.raises(Cancelled):
            outcome()
    assert took < SLOW_S / 2


def test_a_running_request_is_cancelled_between_stages(daemon, suggest):
    with daemon.client() as worker, daemon.client() as control, CancelToken() as cancel:
        outcome = in_thread(lambda: suggest(worker, "steps 1000", cancel=cancel))
        wait_until(lambda: control.status().state == "working")
        cancel.cancel()
        with pytest.raises(Cancelled):
            outcome()
        wait_until(lambda: control.status().state == "idle")
        assert suggest(worker).suggestions
        assert len(daemon.children()) == 1


def test_a_bug_is_told_by_its_id_and_logged_without_the_prompt(daemon, suggest):
    with daemon.client() as client:
        with pytest.raises(InternalError) as caught:
            suggest(client, "error 51423")
        request_id = str(caught.value).split("'")[-2]
        assert suggest(client).suggestions

    wait_until(lambda: f"request.failed id={request_id}" in daemon.text())
    assert "ZeroDivisionError" in daemon.text()
    assert "51423" not in daemon.text()


def test_eight_megabytes_arrive_whole(daemon):
    pixels = bytes(range(256)) * (2048 * 1366 * 3 // 256)
    image = Image.of(pixels, 2048, 1366, "rgb8")

    with daemon.client() as client:
        assert client.suggest(image, pixels, "the dog").is_image_cached


def test_the_model_is_released_when_it_is_idle(start, suggest):
    daemon = start(settings={"idle_minutes": 0.005})
    with daemon.client() as client:
        suggest(client)
        wait_until(lambda: daemon.children() == [])
        assert client.status().loaded == ()
        assert suggest(client).suggestions


def test_stopping_answers_what_runs_and_leaves_nothing_behind(daemon, suggest):
    with daemon.client() as worker, daemon.client() as control:
        outcome = in_thread(lambda: suggest(worker, f"sleep {SLOW_S}"))
        wait_until(lambda: control.status().state == "working")
        children = daemon.children()

        control.shutdown()

        with pytest.raises(Cancelled, match="stopping"):
            outcome()
    assert daemon.process.wait(120) == 0
    wait_until(lambda: not any(map(daemon.is_alive, children)))
    assert not daemon.path.exists()
    assert list((daemon.folder / "sockets").iterdir()) == []


def in_thread(work: Callable[[], object]) -> Callable[[], object]:
    """Start work; what this gives waits for its result."""
    results: list[object] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=run)
    thread.start()

    def outcome() -> object:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        if errors:
            raise errors[0]
        return results[0]

    return outcome
