"""Clients that hold the key and keep no other rule."""

from __future__ import annotations

import contextlib
import resource
import struct
import threading
from collections import Counter
from dataclasses import replace

import msgpack
import pytest
from hostile_peer import HostilePeer, endpoint_of

from clipcrop_wire import protocol
from clipcrop_wire.errors import Cancelled, RequestError
from clipcrop_wire.messages import CancelRequest, Image, PingRequest, SuggestRequest, WarmRequest
from clipcrop_wire.sealing import Channel

pytestmark = pytest.mark.slow

MB = 2**20
PIXELS = bytes(range(48))
IMAGE = Image.of(PIXELS, 4, 4, "rgb8")
SUGGEST = SuggestRequest(IMAGE, "the dog")


def test_a_request_that_contradicts_itself_is_declined(untouched):
    with HostilePeer(endpoint_of(untouched)) as client:
        channel = client.hello(untouched.info())

        say(client, channel, protocol.encode_request("bad", SUGGEST), PIXELS[:-1])

        reply = client.next_reply(channel)
        assert (reply.id, reply.body.code) == ("bad", "invalid_request")
        good = client.ask(channel, PingRequest())
        assert client.next_reply(channel).id == good


def test_pixels_under_another_hash_are_declined_and_not_kept(daemon, suggest):
    other = Image.of(bytes(48), 4, 4, "rgb8")
    with HostilePeer(endpoint_of(daemon)) as rude:
        channel = rude.hello(daemon.info())
        header = protocol.encode_request("lie", SuggestRequest(other, "the dog"))

        say(rude, channel, header, PIXELS)

        assert rude.next_reply(channel).body.code == "invalid_request"
        rude.ask(channel, SuggestRequest(replace(other, is_inline=False)))
        assert rude.next_reply(channel).body.code == "unknown_image"


@pytest.mark.parametrize("kind", ["nonsense", "progress", "hello", "status", "shutdown", "unload"])
def test_a_kind_that_is_not_for_here_is_declined(untouched, kind):
    body = {"session": "0" * 32, "socket": "work", "nonce": bytes(32), "minor": 0}
    with HostilePeer(endpoint_of(untouched)) as client:
        channel = client.hello(untouched.info())

        say(client, channel, msgpack.packb({"kind": kind, "id": "bad", "body": body}))

        reply = msgpack.unpackb(channel.open(client.next_message())[0])
        assert (reply["id"], reply["body"]["code"]) == ("bad", "invalid_request")
    assert untouched.process.poll() is None


ENVELOPE = b"\x83\xa4kind\xa4ping\xa2id\xa1a\xa4body"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(ENVELOPE + b"\x91" * 500_000, id="arrays in arrays"),
        pytest.param(ENVELOPE + b"\xdd\xff\xff\xff\xff", id="an array of four thousand millions"),
        pytest.param(ENVELOPE + b"\xdd" + struct.pack(">I", 400_000) + b"\xc0" * 400_000, id="nil"),
    ],
)
def test_a_sealed_header_that_cannot_be_read_is_not_answered(untouched, header):
    before = untouched.resident_bytes()
    with HostilePeer(endpoint_of(untouched)) as client:
        channel = client.hello(untouched.info())

        say(client, channel, header)

        good = client.ask(channel, PingRequest())
        assert client.next_reply(channel).id == good
    assert untouched.resident_bytes() < before + 16 * MB


def test_of_a_thousand_requests_at_once_each_is_answered_once(daemon, suggest):
    asked = [f"request-{number}" for number in range(1000)]
    with HostilePeer(endpoint_of(daemon)) as rude, daemon.client() as client:
        channel = rude.hello(daemon.info())
        talker = threading.Thread(
            target=lambda: [rude.ask(channel, WarmRequest(), one) for one in asked]
        )

        talker.start()
        replies = [rude.next_reply(channel) for _ in asked]
        talker.join(120)

        assert Counter(reply.id for reply in replies) == Counter(asked)
        outcomes = Counter(
            reply.body.code if isinstance(reply.body, RequestError) else "ok" for reply in replies
        )
        assert outcomes["ok"] >= 2
        assert outcomes["ok"] + outcomes["unavailable"] == 1000
        assert outcomes["unavailable"] > 500
        assert not rude.is_answered(0.2)
        assert suggest(client).suggestions
        assert client.status().num_done == 1001


def test_the_requests_of_one_do_not_keep_another_from_its_turn(daemon, suggest):
    with HostilePeer(endpoint_of(daemon)) as rude, daemon.client() as client:
        channel = rude.hello(daemon.info())
        for number in range(50):
            request = SuggestRequest(IMAGE, "steps 4")
            frames = channel.seal(protocol.encode_request(f"r{number}", request), [PIXELS])
            rude.say([*frames, PIXELS])

        assert suggest(client, timeout_s=60).suggestions


def test_an_id_that_is_on_its_way_is_not_taken_again(daemon):
    with (
        HostilePeer(endpoint_of(daemon)) as first,
        HostilePeer(endpoint_of(daemon)) as second,
    ):
        ours, theirs = first.hello(daemon.info()), second.hello(daemon.info())
        request = SuggestRequest(IMAGE, "steps 10")
        frames = ours.seal(protocol.encode_request("same", request), [PIXELS])
        first.say([*frames, PIXELS])
        first.next_message()  # it is on its way

        second.ask(theirs, WarmRequest(), "same")

        assert second.next_reply(theirs).body.code == "invalid_request"
        assert not isinstance(first.next_reply(ours).body, RequestError)


def test_cancels_of_what_is_not_there_change_nothing(untouched):
    with HostilePeer(endpoint_of(untouched)) as rude:
        channel = rude.hello(untouched.info())
        for number in range(200):
            rude.ask(channel, CancelRequest(f"guess-{number}"))
            assert rude.next_reply(channel).body.found == "nowhere"


def test_who_knows_an_id_and_the_key_can_cancel_it(daemon, suggest):
    """So a client cancels over control what it asked over work; ids are not to be guessed."""
    with (
        HostilePeer(endpoint_of(daemon)) as client,
        HostilePeer(endpoint_of(daemon, "control")) as other,
    ):
        ours, theirs = client.hello(daemon.info()), other.hello(daemon.info(), "control")
        frames = ours.seal(
            protocol.encode_request("x", SuggestRequest(IMAGE, "steps 900")), [PIXELS]
        )
        client.say([*frames, PIXELS])
        client.next_message()

        other.ask(theirs, CancelRequest("x"))

        assert other.next_reply(theirs).body.found == "running"
        assert isinstance(client.next_reply(ours).body, Cancelled)


def test_after_fifteen_hundred_conversations_the_first_ones_go_on(besieged):
    info, before = besieged.info(), besieged.resident_bytes()
    here = endpoint_of(besieged)
    with HostilePeer(here) as good, HostilePeer(here) as silent:
        channel, silent_channel = good.hello(info), silent.hello(info)
        good.ask(channel, PingRequest())
        good.next_reply(channel)
        for _ in range(1500):
            with HostilePeer(here) as rude:
                rude.hello(info)

        asked = good.ask(channel, PingRequest())
        assert good.next_reply(channel).id == asked
        asked = silent.ask(silent_channel, PingRequest())
        assert silent.next_reply(silent_channel).id == asked
    assert besieged.resident_bytes() < before + 32 * MB


def test_two_thousand_five_hundred_open_connections_are_served(daemon):
    info, here = daemon.info(), endpoint_of(daemon)
    with contextlib.ExitStack() as crowd:
        peers = [crowd.enter_context(HostilePeer(here)) for _ in range(2500)]
        channels = [peer.hello(info) for peer in peers]
        for peer, channel in zip(peers, channels, strict=True):
            peer.ask(channel, PingRequest())
        for peer, channel in zip(peers, channels, strict=True):
            assert peer.next_reply(channel).kind == "ping"
        with daemon.client() as client:
            assert client.status(timeout_s=60).num_clients == 2501


@pytest.fixture(autouse=True, scope="module")
def _many_files():
    """This process needs one for each connection, too."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limits[1]), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def say(client: HostilePeer, channel: Channel, header: bytes, pixels: bytes | None = None) -> None:
    """Send a header under a right seal."""
    if pixels is None:
        client.say(channel.seal(header))
    else:
        client.say([*channel.seal(header, [pixels]), pixels])
