"""A client without the key gets nothing done, whatever it sends."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import stat
import subprocess
import sys

import psutil
import pytest
from hostile_peer import HostilePeer, endpoint_of, frame, greeting, ready

from clipcrop_wire import protocol, sealing
from clipcrop_wire.messages import HelloRequest, Image, PingRequest, SuggestRequest
from clipcrop_wire.sealing import Channel

pytestmark = pytest.mark.slow

SILENCE_S = 0.2  # how long an answer that must not come is waited for
PIXELS = bytes(48)
SUGGEST = SuggestRequest(Image.of(PIXELS, 4, 4, "rgb8"), "the dog")


def test_a_wrong_key_is_refused(besieged, endpoint):
    info = besieged.info()
    hello = HelloRequest(info.session, "work", bytes(32), 0)
    header = protocol.encode_request("hello", hello)

    with HostilePeer(endpoint) as stranger:
        stranger.say(sealing.seal_hello(secrets.token_bytes(32), header))

        assert_refused(stranger)


def test_work_without_a_hello_is_not_done(besieged, endpoint):
    forged = Channel(besieged.info().key, bytes(32))

    with HostilePeer(endpoint) as stranger:
        header = protocol.encode_request("a", SUGGEST)
        stranger.say([*forged.seal(header, [PIXELS]), PIXELS])

        assert_refused(stranger)


def test_a_recorded_hello_begins_a_conversation_in_which_nothing_can_be_said(besieged, endpoint):
    with HostilePeer(endpoint) as client, HostilePeer(endpoint) as thief:
        channel = client.hello(besieged.info())
        client.ask(channel, PingRequest())
        client.next_reply(channel)
        for frames in client.sent:
            thief.say(frames)
        welcome = thief.next_message()

        assert len(welcome) == 2
        assert_refused(thief)
        client.ask(channel, PingRequest())
        assert client.next_reply(channel).kind == "ping"


def test_the_daemons_welcome_is_not_taken_from_a_client(besieged, endpoint):
    info = besieged.info()
    hello = HelloRequest(info.session, "work", bytes(32), 0)
    with HostilePeer(endpoint) as client:
        client.say(sealing.seal_hello(info.key, protocol.encode_request("hello", hello)))
        client.say(client.next_message())

        assert_refused(client)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda seal, header: [seal[:36], header], id="seal cut short"),
        pytest.param(lambda seal, header: [seal + b"\0", header], id="seal too long"),
        pytest.param(lambda seal, header: [seal, header[:-1]], id="header cut short"),
        pytest.param(lambda seal, header: [seal], id="no header"),
        pytest.param(lambda seal, header: [seal, b""], id="empty header"),
        pytest.param(lambda seal, header: [seal, header, b"x"], id="pixels added"),
        pytest.param(lambda seal, header: [b"", seal, header], id="delimiter first"),
        pytest.param(lambda seal, header: [seal, header, b"", b""], id="a frame too many"),
        pytest.param(lambda seal, header: [seal, header] * 40, id="many frames too many"),
        pytest.param(lambda seal, header: [seal[:4] + b"\x7f" + seal[5:], header], id="order"),
        pytest.param(lambda seal, header: [seal, bytes(512 * 1024 + 1)], id="header too large"),
        pytest.param(lambda seal, header: [b""], id="nothing"),
        pytest.param(lambda seal, header: [bytes(8192)] * 3, id="zeros"),
    ],
)
def test_a_spoilt_message_is_refused_and_the_next_one_is_answered(untouched, spoil):
    with HostilePeer(endpoint_of(untouched)) as client:
        channel = client.hello(untouched.info())
        header = protocol.encode_request("spoilt", PingRequest())

        client.say(spoil(*channel.seal(header)))

        good = client.ask(channel, PingRequest())
        answer = client.next_message()
        if answer == sealing.refusal_frames():
            answer = client.next_message()
        assert protocol.decode_reply(channel.open(answer)[0]).id == good


@pytest.mark.parametrize("major", [0, 1, 3, 255])
def test_another_version_is_told_ours_and_nothing_else(besieged, endpoint, major):
    with HostilePeer(endpoint) as stranger:
        stranger.say([b"CCW" + bytes([major]) + bytes(40), b"\x80", b"pixels"])

        assert stranger.next_message() == [b"CCW\x02"]
        assert not stranger.is_answered(SILENCE_S)


def test_a_frame_above_the_limit_is_refused_when_it_is_announced(besieged, endpoint):
    before = besieged.resident_bytes()

    with HostilePeer(endpoint) as stranger:
        stranger.send(b"\x02" + (64 * 2**20 + 1).to_bytes(8, "big") + bytes(1000))

        assert stranger.is_dropped()
    assert besieged.resident_bytes() < before + 8 * 2**20


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="a web page"),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 600\r\n\r\n" + b"\x01\x00" * 300, id="a form"
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), id="TLS"),
        pytest.param(random.Random(1).randbytes(4096), id="random bytes"),
        pytest.param(b"\x01\x00" + frame(b"x", more=True) * 50, id="ZMTP 1"),
        pytest.param(b"\xff" + bytes(8) + b"\x7f\x01\x05" + b"\0\0" + bytes(99), id="ZMTP 2"),
        pytest.param(greeting(b"PLAIN") + b"\x04\x07\x05HELLO\0" + bytes(99), id="PLAIN"),
        pytest.param(greeting(b"CURVE") + b"\x04\xc8\x05HELLO" + bytes(300), id="CURVE"),
        pytest.param(greeting() + b"\x04\x05\x05READ", id="a command cut short"),
        pytest.param(greeting() + frame(b"no handshake"), id="a message too early"),
        pytest.param(greeting() + ready(b"PUB"), id="another type of socket"),
        pytest.param(greeting() + b"\x06" + (2**63).to_bytes(8, "big"), id="a huge command"),
    ],
)
def test_what_is_not_our_protocol_is_dropped(besieged, endpoint, data):
    with HostilePeer(endpoint, is_greeted=False) as stranger:
        stranger.send(data)

        assert stranger.is_dropped()
    assert "message.refused" not in besieged.text()


@pytest.mark.parametrize("transport", ["tcp"], indirect=True)
def test_a_peer_that_takes_the_name_of_the_next_does_no_harm(besieged):
    """libzmq ends the process when it numbers a new connection and the number is taken."""
    numbers = subprocess.run(
        [sys.executable, "-c", FIRST_NUMBERS], capture_output=True, text=True, check=True
    ).stdout.split()
    with contextlib.ExitStack() as squatters:
        for name in ("work", "control"):
            place = endpoint_of(besieged, name)
            for taken in range(8):
                for number in map(int, numbers):
                    identity = b"\0" + ((number + taken) % 2**32).to_bytes(4, "big")
                    squatters.enter_context(HostilePeer(place, identity=identity))

        for name in ("work", "control"):
            with HostilePeer(endpoint_of(besieged, name)) as client:
                client.hello(besieged.info(), name)


def test_it_listens_on_this_machine_only(start):
    for uses_tcp in (False, True):
        daemon = start(uses_tcp=uses_tcp)

        connections = psutil.Process(daemon.process.pid).net_connections("inet")
        found = [one for one in connections if one.status == psutil.CONN_LISTEN]

        assert len(found) == (2 if uses_tcp else 0)
        assert all(one.laddr.ip == "127.0.0.1" for one in found)
        daemon.kill()


def test_sockets_key_and_lock_are_for_the_user_alone_whatever_the_umask(start):
    before = os.umask(0)
    try:
        daemon = start()
    finally:
        os.umask(before)

    sockets = daemon.folder / "sockets"
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    for path in (*sockets.iterdir(), daemon.path, daemon.folder / "connection.json.lock"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def assert_refused(peer: HostilePeer) -> None:
    """It is told the version, and nothing else."""
    assert peer.next_message() == sealing.refusal_frames()
    assert not peer.is_answered(SILENCE_S)


FIRST_NUMBERS = """
import zmq

with zmq.Context() as context:
    for _ in range(2):
        with context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
            port = router.bind_to_random_port("tcp://127.0.0.1")
            dealer.connect(f"tcp://127.0.0.1:{port}")
            dealer.send(b"")
            print(int.from_bytes(router.recv_multipart()[0][1:], "big"))
"""
