"""What tests of the plug-ins' client ask with, and what the fake daemon answers."""

from __future__ import annotations

import sys

from clipcrop_wire import protocol
from clipcrop_wire.messages import SuggestReply, SuggestRequest

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
"""A program that starts and is no daemon."""


class Asked:
    """Asks a client, and notes what it is told."""

    def __init__(self, client, picture, prompt="the dog", timeout_s=10.0, **options):
        self.told = []
        self.stages = []
        self.pending = client.suggest(
            SuggestRequest(picture.raster.image, prompt, **options),
            (picture.raster.pixels,),
            on_answer=lambda pending: self.told.append(pending.answer),
            on_progress=lambda progress: self.stages.append(progress.stage),
            timeout_s=timeout_s,
        )

    @property
    def answer(self):
        (answer,) = self.told
        return answer


def suggestions(daemon):
    return [request for request in daemon.requests if request.kind == "suggest"]


def never(request):
    return []


def reply_to(request):
    reply = SuggestReply("lite", "cpu", "general", False, True)
    return [protocol.encode_reply(request.id, request.kind, reply)]


def error_to(error):
    return lambda request: [protocol.encode_error(request.id, request.kind, error)]
