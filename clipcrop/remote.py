"""Suggestions through the running daemon: the model is loaded there, once, and not here.

with RemotePredictor("lite") as predictor:
    answer = predictor.suggest(load_image("photo.jpg"), "the woman and her dogs")

The one border between this package and the wire: images, answers and errors are translated here.
Needs neither PyTorch nor spaCy, so it is ready in a fraction of a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, cast

from clipcrop_wire import errors as wire_errors
from clipcrop_wire import messages
from clipcrop_wire.client import CancelToken, Client
from clipcrop_wire.errors import WireError

from .constraints import Constraints
from .errors import ClipCropError, DaemonUnavailable, InputError
from .imaging.images import LoadedImage
from .prompt.parser import check_prompt
from .suggestions import Detection, Dropped, Suggestion, Suggestions, Understood, Width

TIMEOUT_S = 300.0
"""For an answer: the daemon may have to load large weights from a slow disk first."""

SLOW_STAGE_S = 0.5
"""A stage that takes longer is reported."""

logger = logging.getLogger(__name__)

_SENTENCES: dict[type[WireError], str] = {
    wire_errors.DaemonNotRunning: "the daemon is not running, or has just ended; start it with "
    "`clipcrop-daemon run`, or leave out --daemon",
    wire_errors.RequestTimeout: "the daemon did not answer in time; `clipcrop-daemon status` says "
    "what it is doing",
    wire_errors.VersionMismatch: "{0}",
    wire_errors.ProtocolError: "what answered does not speak as the daemon should ({0}); start the "
    "daemon again",
    wire_errors.Cancelled: "the daemon gave the request up: {0}",
    wire_errors.InternalError: "that is a bug in the daemon, please report it: {0}",
    WireError: "{0}",  # the daemon's own sentence, or what is wrong with the connection file
}
"""What users are told; {0} is what the error says. The first kind that fits counts."""


@dataclass(frozen=True)
class RemoteAnswer:
    """What the daemon answered."""

    suggestions: Suggestions
    """As `Predictor.suggest` gives them; the notes are also about the model, such as that memory
    ran out and the CPU was used."""

    encode_s: float
    """What looking at the image took; 0 where the daemon had done that before."""


class RemotePredictor:
    """The running daemon, ready to be asked; connects with the first question."""

    def __init__(
        self,
        model: str = "auto",
        *,
        timeout_s: float = TIMEOUT_S,
        on_slow_stage: Callable[[str], None] | None = None,
        slow_stage_s: float = SLOW_STAGE_S,
    ) -> None:
        """Keep what is the same for all questions.

        Args:
            model: Name of the encoder that is to answer, or "auto"; never a path.
            timeout_s: For each answer, connecting and waiting for others included.
            on_slow_stage: Told, from another thread and once for each, what takes so long.
            slow_stage_s: What "so long" is.
        """
        self._model = model
        self._timeout_s = timeout_s
        self._stages = _SlowStages(on_slow_stage or _ignore, slow_stage_s)
        self._client = Client(name="clipcrop-suggest")

    def suggest(
        self,
        image: LoadedImage,
        prompt: str = "",
        *,
        exclude: Sequence[str] = (),
        image_query: LoadedImage | None = None,
        constraints: Constraints | None = None,
        count: int = 8,
    ) -> RemoteAnswer:
        """Find the best crops for a prompt; the arguments are those of `Predictor.suggest`.

        Ctrl-C cancels the request at the daemon, too.

        Raises:
            InputError: The prompt, the image or the constraints are of no use.
            DaemonUnavailable: The daemon is not running, or cannot do it.
        """
        check_prompt(prompt, exclude)
        constraints = constraints or Constraints()
        constraints.check_fits(image.width_px, image.height_px)
        pixels, query_pixels = image.rgb.tobytes(), b""
        wire_query = None
        if image_query is not None:
            query_pixels = image_query.rgb.tobytes()
            wire_query = _wire_image(image_query, query_pixels)

        def ask(cancel: CancelToken) -> messages.SuggestReply:
            return self._client.suggest(
                _wire_image(image, pixels),
                pixels,
                _as_utf8(prompt),
                exclude=tuple(map(_as_utf8, exclude)),
                image_query=wire_query,
                image_query_pixels=query_pixels,
                aspect=constraints.aspect,
                original_width_px=image.width_px,
                original_height_px=image.height_px,
                min_width_px=constraints.min_width_px,
                min_height_px=constraints.min_height_px,
                count=count,
                model=self._model,
                timeout_s=self._timeout_s,
                on_progress=self._stages.enter,
                cancel=cancel,
            )

        try:
            return _answer(_interruptible(ask))
        except WireError as exc:
            raise _translated(exc) from exc
        finally:
            self._stages.leave()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> RemotePredictor:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def check_limits(model: str, count: int, exclude: Sequence[str]) -> None:
    """Refuse what the daemon refuses from every client, before an image is read.

    Raises:
        InputError: The model is a path, or more is asked for than the wire carries.
    """
    try:
        messages.WarmRequest(model)
    except wire_errors.MalformedMessage as exc:
        raise InputError(
            f"the daemon takes models by name only, not {model!r}; name one that "
            "`clipcrop models` lists, or leave out --daemon"
        ) from exc
    if count > messages.MAX_COUNT:
        raise InputError(
            f"no such count: {count}; ask the daemon for 1 to {messages.MAX_COUNT} crops"
        )
    if len(exclude) > messages.MAX_EXCLUSIONS:
        raise InputError(
            f"{len(exclude)} times --exclude; the daemon takes at most {messages.MAX_EXCLUSIONS}"
        )


def _as_utf8(text: str) -> str:
    """Without the bytes of an argument that are no UTF-8, which name nothing here or there."""
    return text.encode("utf-8", "ignore").decode()


def _wire_image(image: LoadedImage, pixels: bytes) -> messages.Image:
    return messages.Image.of(pixels, image.rgb.width, image.rgb.height, "rgb8")


def _interruptible(ask: Callable[[CancelToken], messages.SuggestReply]) -> messages.SuggestReply:
    """Ask on another thread, so that Ctrl-C finds this one free to cancel."""
    with CancelToken() as cancel, ThreadPoolExecutor(max_workers=1) as pool:
        try:
            return pool.submit(ask, cancel).result()
        except KeyboardInterrupt:
            cancel.cancel()  # leaving the pool waits for the daemon's word, two seconds at most
            raise


def _answer(reply: messages.SuggestReply) -> RemoteAnswer:
    suggestions = Suggestions(
        model=reply.model,
        kind=cast("Literal['match', 'general']", reply.kind),
        is_well_framed=reply.is_well_framed,
        matched=tuple(_detection(found) for found in reply.matched),
        dropped=tuple(Dropped(one.text, one.score, one.reason) for one in reply.dropped),
        excluded=tuple(_detection(found) for found in reply.excluded),
        crops=tuple(_suggestion(one) for one in reply.suggestions),
        seconds=reply.seconds.get("search", 0.0),
        notes=reply.notes,
        understood=_understood(reply.understood or messages.Understood(kept=())),
    )
    return RemoteAnswer(suggestions, reply.seconds.get("encode", 0.0))


def _understood(said: messages.Understood) -> Understood:
    return Understood(
        kept=said.kept,
        whole=said.whole,
        left_out=said.left_out,
        aspect=said.aspect,
        width=said.width,
        space=said.space,
        corrected=tuple((typed, meant) for typed, meant in said.corrected),
    )


def _detection(found: messages.Detection) -> Detection:
    x0, y0, x1, y1 = found.box_xyxy
    return Detection(found.text, found.score, (x0, y0, x1, y1), found.is_sure)


def _suggestion(one: messages.Suggestion) -> Suggestion:
    x0, y0, x1, y1 = one.crop_xyxy
    left, top, right, bottom = one.crop_px
    width = cast("Width | None", one.width or None)
    return Suggestion((x0, y0, x1, y1), (left, top, right, bottom), one.quality, width=width)


def _translated(exc: WireError) -> ClipCropError:
    """The wire's error as this package's, with a sentence for users."""
    logger.debug("daemon.failed kind=%s reason=%r", type(exc).__name__, str(exc))
    sentence = next(words for kind, words in _SENTENCES.items() if isinstance(exc, kind))
    translated = InputError if isinstance(exc, wire_errors.InvalidRequest) else DaemonUnavailable
    return translated(sentence.format(exc))


class _SlowStages:
    """Reports each stage of the daemon that lasts longer than a moment, once."""

    def __init__(self, report_progress: Callable[[str], None], after_s: float) -> None:
        self._report_progress, self._after_s = report_progress, after_s
        self._reported: set[str] = set()
        self._line = ""
        self._timer: threading.Timer | None = None

    def enter(self, progress: messages.Progress) -> None:
        line = progress.text or progress.stage
        if line == self._line:
            return  # further on in the same one
        self.leave()
        self._line = line
        self._timer = threading.Timer(self._after_s, self._report_once, [line])
        self._timer.daemon = True
        self._timer.start()

    def leave(self) -> None:
        self._line = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report_once(self, line: str) -> None:
        if line not in self._reported:
            self._reported.add(line)
            self._report_progress(line)


def _ignore(_: str) -> None:
    pass
