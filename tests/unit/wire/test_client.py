from __future__ import annotations

import threading

import pytest

from clipcrop_wire import protocol
from clipcrop_wire.client import Client
from clipcrop_wire.errors import (
    InternalError,
    InvalidRequest,
    MalformedMessage,
    RequestTimeout,
    Unavailable,
)
from clipcrop_wire.messages import (
    HelloReply,
    Model,
    ModelsReply,
    PingReply,
    Progress,
    ShutdownReply,
    StatusReply,
    SuggestReply,
    UnloadReply,
    WarmReply,
)


def test_a_ping_is_answered(client):
    assert client.ping() == PingReply()


STATUS = StatusReply("0.1.0", 7, 1.5, "idle")
MODELS = ModelsReply((Model("lite", "small", True, False),), "lite")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("status", STATUS),
        ("models", MODELS),
        ("unload", UnloadReply(("lite",))),
        ("shutdown", ShutdownReply()),
        ("warm", WarmReply("lite", "cpu", 0.5)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_call_gives_its_reply(client, daemon, kind, expected):
    daemon.reply_of[kind] = lambda request: [protocol.encode_reply(request.id, kind, expected)]

    assert getattr(client, kind)() == expected


def test_warming_tells_its_progress(client, daemon):
    stages = []
    daemon.reply_of["warm"] = lambda request: [
        protocol.encode_progress(request.id, Progress("loading", 0.5)),
        protocol.encode_reply(request.id, "warm", WarmReply("lite", "cpu", 0.5)),
    ]

    client.warm("lite", on_progress=lambda progress: stages.append(progress.fraction))

    assert stages == [0.5]


def test_progress_is_told_before_the_answer(client, daemon, tiny_image):
    stages = []
    reply = SuggestReply("lite", "cpu", "match", False, False)
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_progress(request.id, Progress("loading", 0.5)),
        protocol.encode_progress(request.id, Progress("encoding")),
        protocol.encode_reply(request.id, "suggest", reply),
    ]

    client.suggest(*tiny_image, "x", on_progress=lambda progress: stages.append(progress.stage))

    assert stages == ["loading", "encoding"]


def test_an_error_in_a_progress_callback_comes_out_and_costs_only_this_call(
    client, daemon, tiny_image
):
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_progress(request.id, Progress("loading"))
    ]

    with pytest.raises(ZeroDivisionError):
        client.suggest(*tiny_image, on_progress=lambda progress: 1 / 0)
    daemon.reply_of.clear()

    assert client.suggest(*tiny_image).model == "lite"


@pytest.mark.parametrize("error", [InvalidRequest, Unavailable, InternalError])
def test_an_error_of_the_daemon_is_raised_as_its_class(client, daemon, tiny_image, error):
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_error(request.id, "suggest", error("too dark"))
    ]

    with pytest.raises(error, match=r"^too dark$"):
        client.suggest(*tiny_image, "x")


def test_the_next_request_is_served_after_an_error(client, daemon, tiny_image):
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_error(request.id, "suggest", Unavailable("busy"))
    ]
    with pytest.raises(Unavailable):
        client.suggest(*tiny_image, "x")
    daemon.reply_of.clear()

    assert client.suggest(*tiny_image, "x").model == "lite"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"prompt": "x" * 513}, id="long prompt"),
        pytest.param({"prompt": "\ud800"}, id="half a character"),
        pytest.param({"aspect": 1e9}, id="aspect"),
        pytest.param({"count": 0}, id="count"),
        pytest.param({"model": "../weights"}, id="a path for a model"),
        pytest.param({"timeout_s": 0.0}, id="no time"),
    ],
)
def test_what_the_user_can_fix_is_told_before_anything_is_sent(client, daemon, options, tiny_image):
    with pytest.raises(InvalidRequest):
        client.suggest(*tiny_image, **options)

    assert daemon.received_bytes == 0


def test_a_model_that_is_a_path_is_not_asked_for(client, daemon):
    with pytest.raises(InvalidRequest):
        client.warm("../weights")

    assert daemon.received_bytes == 0


def test_several_threads_may_share_a_client(client, tiny_image):
    models = []

    def ask():
        models.append(client.suggest(*tiny_image, "x").model)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert models == ["lite"] * 8


def test_control_answers_while_work_is_going_on(client, daemon, tiny_image):
    arrived, finish = threading.Event(), threading.Event()
    reply = SuggestReply("lite", "cpu", "general", False, True)

    def be_slow(request):
        arrived.set()
        finish.wait(120)
        return [protocol.encode_reply(request.id, "suggest", reply)]

    daemon.reply_of["suggest"] = be_slow
    worker = threading.Thread(target=client.suggest, args=tiny_image)
    worker.start()
    assert arrived.wait(120)

    assert client.ping() == PingReply()
    with pytest.raises(RequestTimeout, match="another call"):
        client.suggest(*tiny_image, timeout_s=0.05)
    finish.set()
    worker.join(120)


def test_a_reply_of_the_wrong_kind_ends_the_connection(client, daemon):
    daemon.reply_of["ping"] = lambda request: [
        protocol.encode_reply(request.id, "hello", HelloReply(bytes(32), 0))
    ]

    with pytest.raises(MalformedMessage):
        client.ping()


def test_a_reply_with_pixels_ends_the_connection(daemon):
    def with_pixels(channel, request):
        header = protocol.encode_reply(request.id, "ping", PingReply())
        return [*channel.seal(header, [b"x"]), b"x"]

    daemon.frames_of["ping"] = with_pixels

    with Client(daemon.path) as client, pytest.raises(MalformedMessage, match="no pixels"):
        client.ping()
