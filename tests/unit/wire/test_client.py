from __future__ import annotations

import socket
import threading
import time

import pytest

from clipcrop_wire import protocol, sealing
from clipcrop_wire.client import CancelToken, Client
from clipcrop_wire.connection import Connection
from clipcrop_wire.endpoint import ConnectionFile, write_connection_file
from clipcrop_wire.errors import (
    Cancelled,
    DaemonNotRunning,
    InternalError,
    InvalidRequest,
    MalformedMessage,
    NotAuthentic,
    ProtocolError,
    RequestTimeout,
    Unavailable,
    VersionMismatch,
)
from clipcrop_wire.messages import (
    HelloReply,
    Image,
    Model,
    ModelsReply,
    PingReply,
    PingRequest,
    Progress,
    ShutdownReply,
    StatusReply,
    SuggestReply,
    SuggestRequest,
    UnloadReply,
    WarmReply,
)


def pump_until_done(connection, call):
    while not call.is_done:
        connection.wait(connection.seconds_to_deadline())
        connection.pump()


@pytest.fixture
def client(daemon):
    """Speaks to the fake daemon."""
    with Client(daemon.path, "test") as ready:
        yield ready


def test_a_ping_is_answered(client):
    assert client.ping() == PingReply()


def test_pixels_arrive_as_they_were(client, daemon, tiny_image):
    image, pixels = tiny_image

    reply = client.suggest(image, pixels, "the dog", count=3)

    (request,) = [one for one in daemon.requests if one.kind == "suggest"]
    assert reply == SuggestReply("lite", "cpu", "general", False, True)
    assert request.body == SuggestRequest(image, "the dog", count=3)
    assert [bytes(part) for part in request.pixels] == [pixels]


def test_large_pixels_arrive_whole(client, daemon):
    pixels = bytes(2048 * 1024 * 3)
    image = Image.of(pixels, 2048, 1024, "rgb8")

    client.suggest(image, pixels)

    assert daemon.requests[-1].pixels[0].nbytes == len(pixels)


def test_an_image_query_travels_behind_the_image(client, daemon, tiny_image):
    image, pixels = tiny_image
    query_pixels = b"\7" * 9
    query = Image.of(query_pixels, 3, 3, "gray8")

    client.suggest(image, pixels, image_query=query, image_query_pixels=query_pixels)

    assert [bytes(part) for part in daemon.requests[-1].pixels] == [pixels, query_pixels]


def test_pixels_that_the_daemon_holds_are_not_sent_again(client, daemon, tiny_image):
    client.suggest(*tiny_image, "the dog")

    client.suggest(*tiny_image, "the cat")

    assert daemon.requests[-1].body.prompt == "the cat"
    assert daemon.requests[-1].pixels == ()


def test_pixels_that_the_daemon_let_go_of_are_sent_again(client, daemon, tiny_image):
    client.suggest(*tiny_image, "the dog")
    daemon.holds.clear()

    client.suggest(*tiny_image, "the cat")

    sent = [len(one.pixels) for one in daemon.requests if one.kind == "suggest"]
    assert sent == [1, 0, 1]


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


def test_a_cancel_from_another_thread_ends_the_call(client, daemon, tiny_image):
    token = CancelToken()
    arrived = threading.Event()

    def be_slow(request):
        arrived.set()
        return []

    daemon.reply_of["suggest"] = be_slow
    threading.Thread(target=lambda: (arrived.wait(5), token.cancel())).start()

    with token, pytest.raises(Cancelled):
        client.suggest(*tiny_image, "x", cancel=token)

    assert daemon.cancelled.wait(5)


def test_a_cancel_that_comes_first_sends_nothing(client, daemon, tiny_image):
    with CancelToken() as token:
        token.cancel()

        with pytest.raises(Cancelled):
            client.suggest(*tiny_image, "x", cancel=token)

    assert [one.kind for one in daemon.requests] == ["ping"]


def test_a_cancel_that_the_daemon_does_not_hear_ends_the_call_too(
    client, daemon, tiny_image, monkeypatch
):
    monkeypatch.setattr("clipcrop_wire.connection.CANCEL_GRACE_S", 0.05)
    token = CancelToken()
    daemon.reply_of["cancel"] = lambda request: []
    daemon.reply_of["suggest"] = lambda request: token.cancel() or []

    with token, pytest.raises(Cancelled, match="has not confirmed"):
        client.suggest(*tiny_image, "x", cancel=token)


def test_no_answer_is_an_error_at_the_deadline_and_the_work_is_called_off(
    client, daemon, tiny_image
):
    daemon.reply_of["suggest"] = lambda request: []
    started = time.monotonic()

    with pytest.raises(RequestTimeout):
        client.suggest(*tiny_image, "x", timeout_s=0.3)

    assert 0.25 < time.monotonic() - started < 2
    daemon.reply_of.clear()
    assert client.suggest(*tiny_image, "x").model == "lite"
    assert daemon.cancelled.wait(5)


def test_a_daemon_that_says_nothing_gets_no_pixel(client, daemon, tiny_image):
    daemon.is_mute = True

    with pytest.raises(RequestTimeout):
        client.suggest(*tiny_image, "x", timeout_s=0.3)

    assert 0 < daemon.received_bytes < 600


def test_who_lacks_the_key_gets_no_pixel(daemon, tmp_path):
    info = daemon.info
    theirs = ConnectionFile(
        info.session, b"\1" * 32, info.pid, info.started_s, info.work, info.control
    )
    path = tmp_path / "other.json"
    write_connection_file(path, theirs)
    pixels = bytes(300_000)

    with Client(path) as client, pytest.raises(RequestTimeout):
        client.suggest(Image.of(pixels, 1000, 100, "rgb8"), pixels, timeout_s=0.3)

    assert 0 < daemon.received_bytes < 600
    assert daemon.requests == []


def test_a_daemon_that_dies_while_it_works_is_an_error_at_once(client, daemon, tiny_image):
    def die(request):
        daemon.hang_up()
        return []

    daemon.reply_of["suggest"] = die
    started = time.monotonic()

    with pytest.raises(DaemonNotRunning):
        client.suggest(*tiny_image, "x", timeout_s=30)

    assert time.monotonic() - started < 5


def test_without_a_connection_file_the_daemon_is_not_running(tmp_path):
    with Client(tmp_path / "none.json") as client, pytest.raises(DaemonNotRunning):
        client.ping()


def test_a_stale_connection_file_says_that_nobody_listens(daemon):
    daemon.hang_up()

    with Client(daemon.path) as client, pytest.raises(DaemonNotRunning):
        client.ping()


def test_a_client_finds_the_daemon_that_was_started_anew(client, daemon, short_path, tiny_image):
    client.suggest(*tiny_image, "x")
    daemon.hang_up()
    for name in ("work", "control"):
        (short_path / name).unlink()
    second = type(daemon)(short_path)

    try:
        reply = client.suggest(*tiny_image, "x")
    finally:
        second.stop()

    assert reply.model == "lite"
    assert [len(one.pixels) for one in second.requests if one.kind == "suggest"] == [1]


def test_the_second_endpoint_is_tried_when_nobody_listens_at_the_first(daemon, tmp_path):
    info = daemon.info
    two = ConnectionFile(
        info.session,
        info.key,
        info.pid,
        info.started_s,
        info.work,
        ("ipc:///nowhere/at/all", *info.control),
    )
    write_connection_file(tmp_path / "two.json", two)

    with Client(tmp_path / "two.json") as client:
        assert client.ping() == PingReply()


def test_an_endpoint_that_says_nothing_leaves_time_for_the_next(daemon, short_path):
    mute = socket.socket(socket.AF_UNIX)
    mute.bind(str(short_path / "mute"))
    mute.listen(1)
    info = daemon.info
    two = ConnectionFile(
        info.session,
        info.key,
        info.pid,
        info.started_s,
        info.work,
        ("ipc://" + str(short_path / "mute"), *info.control),
    )
    write_connection_file(short_path / "two.json", two)

    with mute, Client(short_path / "two.json") as client:
        assert client.ping(timeout_s=0.6) == PingReply()


def test_a_reply_of_the_wrong_kind_ends_the_connection(client, daemon):
    daemon.reply_of["ping"] = lambda request: [
        protocol.encode_reply(request.id, "hello", HelloReply(bytes(32), 0))
    ]

    with pytest.raises(MalformedMessage):
        client.ping()


def test_a_main_loop_is_served_without_waiting(daemon, tiny_image):
    image, pixels = tiny_image
    answers = []
    connection = Connection(daemon.info, "work", daemon.info.work[0])

    connection.start(SuggestRequest(image), [pixels], timeout_s=5, on_done=answers.append)
    deadline = time.monotonic() + 5
    while not answers and time.monotonic() < deadline:
        assert connection.fileno() >= 0
        connection.wait(connection.seconds_to_deadline())
        connection.pump()
    connection.close()

    assert answers[0].result().model == "lite"
    assert connection.fileno() == -1


def test_an_error_in_a_callback_does_not_cost_the_connection(daemon):
    def fail(call):
        raise RequestTimeout("of the caller's own making")

    connection = Connection(daemon.info, "work", daemon.info.work[0])
    call = connection.start(PingRequest(), timeout_s=5, on_done=fail)

    with pytest.raises(RequestTimeout, match="own making"):
        pump_until_done(connection, call)

    assert connection.is_open
    connection.close()


def test_a_call_that_is_cancelled_before_it_was_sent_is_told_at_the_next_pump(daemon):
    answers = []
    connection = Connection(daemon.info, "work", daemon.info.work[0])
    call = connection.start(PingRequest(), timeout_s=5, on_done=answers.append)

    connection.cancel(call)
    assert connection.seconds_to_deadline() == 0
    connection.pump()

    assert answers == [call]
    with pytest.raises(Cancelled):
        call.result()
    connection.close()


def test_several_threads_may_share_a_client(client, tiny_image):
    models = []

    def ask():
        models.append(client.suggest(*tiny_image, "x").model)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert models == ["lite"] * 8


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


def test_a_model_that_is_a_path_is_not_asked_for(client, daemon):
    with pytest.raises(InvalidRequest):
        client.warm("../weights")

    assert daemon.received_bytes == 0


def test_control_answers_while_work_is_going_on(client, daemon, tiny_image):
    arrived, finish = threading.Event(), threading.Event()
    reply = SuggestReply("lite", "cpu", "general", False, True)

    def be_slow(request):
        arrived.set()
        finish.wait(5)
        return [protocol.encode_reply(request.id, "suggest", reply)]

    daemon.reply_of["suggest"] = be_slow
    worker = threading.Thread(target=client.suggest, args=tiny_image)
    worker.start()
    assert arrived.wait(5)

    assert client.ping() == PingReply()
    with pytest.raises(RequestTimeout, match="another call"):
        client.suggest(*tiny_image, timeout_s=0.05)
    finish.set()
    worker.join(5)


def test_pixels_of_another_size_than_the_image_are_not_sent(client, daemon, tiny_image):
    image, pixels = tiny_image

    with pytest.raises(InvalidRequest):
        client.suggest(image, pixels + b"x")

    assert daemon.received_bytes == 0


def test_a_request_may_be_cancelled_twice_and_when_it_is_over(client, tiny_image):
    token = CancelToken()
    client.suggest(*tiny_image, cancel=token)

    token.cancel()
    token.cancel()
    assert token.is_set
    token.close()
    CancelToken.cancel(token)


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


def test_only_so_many_images_are_remembered(client, daemon):
    for number in range(20):
        pixels = bytes([number] * 3)
        client.suggest(Image.of(pixels, 1, 1, "rgb8"), pixels)

    assert len(client._held) <= 16


def test_a_reply_with_pixels_ends_the_connection(daemon):
    def with_pixels(channel, request):
        header = protocol.encode_reply(request.id, "ping", PingReply())
        return [*channel.seal(header, [b"x"]), b"x"]

    daemon.frames_of["ping"] = with_pixels

    with Client(daemon.path) as client, pytest.raises(MalformedMessage, match="no pixels"):
        client.ping()


def test_a_replayed_reply_ends_the_connection(daemon):
    connection = Connection(daemon.info, "control", daemon.info.control[0])
    sent = []

    def keep(channel, request):
        sent.append(channel.seal(protocol.encode_reply(request.id, "ping", PingReply())))
        return sent[0]

    daemon.frames_of["ping"] = keep
    first = connection.start(PingRequest(), timeout_s=5)
    pump_until_done(connection, first)
    second = connection.start(PingRequest(), timeout_s=5)
    pump_until_done(connection, second)

    assert first.result() == PingReply()
    with pytest.raises(NotAuthentic):
        second.result()
    assert connection.is_closed
    with pytest.raises(DaemonNotRunning):
        connection.start(PingRequest(), timeout_s=5)


def test_a_daemon_that_declines_the_hello_says_why(daemon):
    daemon.declines_hello = InvalidRequest("that session is over; read the connection file again")

    with Client(daemon.path) as client, pytest.raises(InvalidRequest, match="session is over"):
        client.ping()


def test_a_daemon_of_another_version_is_told_as_such(daemon):
    daemon.answer_to_hello = lambda frames: [b"CCW\2"]

    with Client(daemon.path) as client, pytest.raises(VersionMismatch):
        client.ping()


def test_an_answer_that_comes_too_late_is_let_go(daemon):
    connection = Connection(daemon.info, "control", daemon.info.control[0])
    warm_up = connection.start(PingRequest(), timeout_s=5)
    pump_until_done(connection, warm_up)
    released = threading.Event()

    def be_late(request):
        released.wait(5)
        return [protocol.encode_reply(request.id, "ping", PingReply())]

    daemon.reply_of["ping"] = be_late
    late = connection.start(PingRequest(), timeout_s=0.02)
    with pytest.raises(RequestTimeout, match="no answer yet"):
        late.result()
    pump_until_done(connection, late)
    daemon.reply_of.clear()
    released.set()
    good = connection.start(PingRequest(), timeout_s=5)
    pump_until_done(connection, good)

    with pytest.raises(RequestTimeout, match="no answer in time"):
        late.result()
    assert good.result() == PingReply()
    connection.cancel(good)  # over already: nothing happens
    assert not good.is_cancelled
    connection.close()
    connection.close()


def test_closing_tells_who_waits(daemon):
    answers = []
    connection = Connection(daemon.info, "control", daemon.info.control[0])
    connection.start(PingRequest(), timeout_s=5, on_done=answers.append)

    connection.close()

    with pytest.raises(DaemonNotRunning):
        answers[0].result()
    assert connection.seconds_to_deadline() is None


WELCOME = protocol.encode_reply("hello", "hello", HelloReply(bytes(32), 0))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda frames: frames, id="sends the hello back"),
        pytest.param(
            lambda frames: sealing.seal_welcome(bytes(32), bytes(32), WELCOME), id="another key"
        ),
        pytest.param(lambda frames: [bytes(44), WELCOME], id="no seal"),
        pytest.param(lambda frames: [frames[0][:12] + bytes(32), WELCOME], id="an empty seal"),
        pytest.param(lambda frames: [WELCOME], id="one frame"),
        pytest.param(lambda frames: [b""], id="nothing"),
        pytest.param(lambda frames: [bytes(2_000_000)], id="too much"),
        pytest.param(lambda frames: [b""] * 100, id="too many"),
        pytest.param(lambda frames: [b"CCW\0"], id="an older version"),
    ],
)
def test_a_squatter_gets_neither_pixel_nor_prompt(daemon, answer):
    pixels = b"P" * 300_000
    daemon.answer_to_hello = answer

    with Client(daemon.path) as client, pytest.raises(ProtocolError):
        client.suggest(Image.of(pixels, 1000, 100, "rgb8"), pixels, "secret", timeout_s=5)

    assert daemon.received_bytes < 600
    assert b"secret" not in daemon.received
    assert b"PPP" not in daemon.received


def test_a_recorded_welcome_gets_no_pixel(daemon, tiny_image):
    old = [sealing.seal_welcome(daemon.key, b"n" * 32, WELCOME)]
    daemon.answer_to_hello = lambda frames: old[0]

    with Client(daemon.path) as client, pytest.raises(NotAuthentic):
        client.suggest(*tiny_image, timeout_s=5)

    assert daemon.received_bytes < 600


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="a web server"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="a login server"),
        pytest.param(b"\0" * 1000, id="zeros"),
        pytest.param(b"\xff" * 1_000_000, id="a flood"),
    ],
)
def test_another_program_at_the_socket_is_told_apart(daemon, said, tiny_image):
    daemon.says_first = said

    with Client(daemon.path) as client, pytest.raises(ProtocolError):
        client.suggest(*tiny_image, timeout_s=5)

    assert daemon.received_bytes < 600
