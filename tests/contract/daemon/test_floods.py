"""Too much of everything: connections, bytes, frames; and a good client among it."""

from __future__ import annotations

import contextlib
import resource
import sys
import time

import psutil
import pytest
from hostile_peer import HostilePeer, endpoint_of, frame, greeting

from clipcrop_wire.messages import PingRequest

pytestmark = pytest.mark.slow

MB = 2**20
LOW_LIMIT_BYTES = 150 * MB


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(greeting()[:11], id="half a greeting"),
        pytest.param(greeting(), id="a greeting"),
        pytest.param(None, id="a whole handshake"),
    ],
)
def test_two_hundred_connections_that_say_no_more(besieged, endpoint, says):
    before = besieged.resident_bytes()

    with contextlib.ExitStack() as crowd, besieged.client() as client:
        for _ in range(200):
            peer = crowd.enter_context(HostilePeer(endpoint, is_greeted=says is None))
            peer.send(says or b"")
        client.ping(timeout_s=20)
        with besieged.client() as newcomer:
            newcomer.ping(timeout_s=20)

        assert besieged.resident_bytes() < before + 16 * MB


def test_a_connection_without_a_handshake_is_dropped_after_seconds(besieged, endpoint):
    with HostilePeer(endpoint, is_greeted=False) as mute:
        mute.send(greeting()[:20])

        assert mute.is_dropped(seconds=8)


def test_five_hundred_comings_and_goings_leave_nothing_open(besieged, endpoint, wait_for):
    front = psutil.Process(besieged.process.pid)
    with besieged.client() as client:
        client.ping()
        before = front.num_fds()

        for number in range(500):
            HostilePeer(endpoint, is_greeted=number % 2 == 0).close()

        wait_for(lambda: front.num_fds() <= before)
        client.ping()


def test_a_slow_sender_delays_no_other_client(besieged, endpoint):
    with HostilePeer(endpoint) as slow, besieged.client() as client:
        for byte in b"\x02" + (64 * MB).to_bytes(8, "big") + b"CCW\x02":
            slow.send(bytes([byte]))
            client.ping(timeout_s=20)

    assert besieged.resident_bytes() < 80 * MB


def test_a_client_that_asks_and_never_reads_is_dropped(besieged, endpoint):
    before = besieged.resident_bytes()

    with HostilePeer(endpoint) as deaf, besieged.client() as client:
        channel = deaf.hello(besieged.info())
        for _ in range(20_000):
            deaf.ask(channel, PingRequest(), "a" * 64)
        client.ping(timeout_s=20)

        assert besieged.resident_bytes() < before + 16 * MB


def test_a_client_of_another_version_that_never_reads(besieged, endpoint):
    before = besieged.resident_bytes()

    with HostilePeer(endpoint) as deaf, besieged.client() as client:
        for _ in range(20_000):
            deaf.say([b"CCW\x03"])
        client.ping(timeout_s=20)

        assert besieged.resident_bytes() < before + 16 * MB


def test_a_message_of_a_hundred_thousand_frames_is_let_go(besieged, endpoint):
    before = besieged.resident_bytes()

    with HostilePeer(endpoint) as peer, besieged.client() as client:
        channel = peer.hello(besieged.info())
        peer.send(frame(b"x", more=True) * 100_000 + frame(b""))
        client.ping(timeout_s=20)
        asked = peer.ask(channel, PingRequest())

        assert peer.next_reply(channel).id == asked
        assert besieged.resident_bytes() < before + 32 * MB


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(frame(bytes(200_000), more=True) * 5, id="large frames"),
        pytest.param(
            frame(b"a frame that is not kept in place, but elsewhere", more=True) * 20_000,
            id="small frames",
        ),
    ],
)
@pytest.mark.parametrize("uses_tcp", [False, True], ids=["ipc", "tcp"])
def test_a_message_without_end_ends_the_daemon(start, uses_tcp, piece):
    daemon = start(uses_tcp=uses_tcp, max_front_bytes=LOW_LIMIT_BYTES)

    with HostilePeer(endpoint_of(daemon)) as peer:
        assert send_until_dropped(peer, piece) < 4096 * MB

    assert_ended_and_can_be_started(daemon, start)


def test_unfinished_frames_of_many_strangers_end_the_daemon(start):
    daemon = start(uses_tcp=True, max_front_bytes=LOW_LIMIT_BYTES)
    endpoint = endpoint_of(daemon)

    with contextlib.ExitStack() as crowd:
        with contextlib.suppress(OSError):  # it may end before the last one connects
            for _ in range(4):
                peer = crowd.enter_context(HostilePeer(endpoint))
                peer.send(b"\x02" + (64 * MB).to_bytes(8, "big") + bytes(60 * MB))

        assert_ended_and_can_be_started(daemon, start)


def test_more_connections_than_the_limit_end_the_daemon(start):
    daemon = start(prefix=["bash", "-c", 'ulimit -n 256; exec "$@"', "bash"])

    with contextlib.ExitStack() as crowd:
        with contextlib.suppress(OSError):  # closed at some point
            for _ in range(140):
                crowd.enter_context(HostilePeer(endpoint_of(daemon)))

        assert_ended_and_can_be_started(daemon, start)


@pytest.mark.skipif(sys.platform != "linux", reason="only there another process's limit is told")
def test_a_low_limit_of_files_is_raised(start):
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        daemon = start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))

    assert psutil.Process(daemon.process.pid).rlimit(psutil.RLIMIT_NOFILE)[0] == min(8192, most)


@pytest.mark.skipif(sys.platform != "linux", reason="only there another process is limited so")
def test_a_front_without_files_left_lives_on(start, suggest, wait_for):
    daemon = start(uses_tcp=True)
    front = psutil.Process(daemon.process.pid)
    _, most = front.rlimit(psutil.RLIMIT_NOFILE)
    num_fds = front.num_fds()
    front.rlimit(psutil.RLIMIT_NOFILE, (num_fds + 20, most))

    with contextlib.ExitStack() as crowd, daemon.client() as client:
        client.ping()
        for _ in range(100):
            crowd.enter_context(HostilePeer(endpoint_of(daemon), is_greeted=False))
        wait_for(lambda: front.num_fds() >= num_fds + 20)
        until = time.monotonic() + 1.2  # it looks at its memory twice a second, which takes a file
        while time.monotonic() < until:
            client.ping(timeout_s=20)
    with daemon.client() as client:
        assert suggest(client, timeout_s=60).suggestions


def send_until_dropped(peer: HostilePeer, piece: bytes) -> int:
    """Send on and on -> how many bytes went."""
    sent, deadline = 0, time.monotonic() + 20
    while peer.send(piece):
        sent += len(piece)
        assert time.monotonic() < deadline, "nobody minds"
    return sent


def assert_ended_and_can_be_started(daemon, start) -> None:
    assert daemon.process.wait(120) != 0
    assert daemon.text().count("Flooded:") == 1
    with start().client() as client:
        client.ping(timeout_s=20)
