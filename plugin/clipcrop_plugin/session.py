"""One image's suggestions: ask for them, step through them, say how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterable

from clipcrop_wire.errors import Cancelled, MalformedMessage
from clipcrop_wire.messages import Progress, SuggestReply, SuggestRequest, Understood

from .choices import Choices
from .daemon_client import TIMEOUT_S, DaemonClient, PendingRequest
from .errors import PluginError
from .geometry import Rect, Size
from .messages import LAUNCHING, progress_words, sentence
from .picture import Picture, Raster
from .texts import N_, _, isolated, ngettext

IDLE, STARTING, ASKING, READY, FAILED = "idle", "starting", "asking", "ready", "failed"


@dataclass(frozen=True)
class Suggestion:
    """One crop, as the user sees it."""

    rect: Rect
    """On the canvas: inside it, at least one pixel."""

    quality: float
    """0 to 1, comparable within one answer."""

    width: str = ""
    """"close", "medium" or "wide"; empty where nothing was asked for or found."""

    @property
    def caption(self) -> str:
        """Width and quality, for a list."""
        if self.width not in _WIDTHS:
            return _("{percent} %").format(percent=self._percent)
        return _("{width}, {percent} %").format(width=_(_WIDTHS[self.width]), percent=self._percent)

    def spoken(self, number: int) -> str:
        """The same for a screen reader; `number` counts from 1."""
        if self.width not in _WIDTHS:
            words = _("Suggestion {number}, quality {percent} %")
            return words.format(number=number, percent=self._percent)
        return _("Suggestion {number}, {width}, quality {percent} %").format(
            number=number, width=_(_WIDTHS[self.width]), percent=self._percent
        )

    @property
    def _percent(self) -> int:
        return round(100 * self.quality)


_WIDTHS = {"close": N_("Close"), "medium": N_("Medium"), "wide": N_("Wide")}


class Session:
    """What one image was asked for, and what came of it.

    A request replaces the one before it. Old suggestions stay until an answer to `ask_again` is
    there; `ask` drops them, since they may lie on other pixels.
    """

    def __init__(
        self,
        client: DaemonClient,
        on_change: Callable[[], None] = lambda: None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Ask nothing yet.

        Args:
            client: The editor's way to the daemon; many sessions may share it.
            on_change: Called from the main loop when an answer, an error or progress has come,
                and from within the methods that change something.
            timeout_s: For a whole request.
        """
        self._client = client
        self._on_change = on_change
        self._timeout_s = timeout_s
        self._pending: PendingRequest | None = None
        self._example: Raster | None = None
        self._is_closed = False
        self.state = IDLE
        """`IDLE`, `STARTING` (the daemon), `ASKING`, `READY` or `FAILED`."""

        self.status = ""
        """One sentence or two for the status line."""

        self.fraction: float | None = None
        """How far it is, of the stage that ``status`` names; None: not known."""

        self.picture: Picture | None = None
        """What was asked about last; None also after `restore`."""

        self.canvas: Size | None = None
        """Of the image, when it was asked about."""

        self.choices: Choices | None = None
        """What was asked last."""

        self.reply: SuggestReply | None = None
        """The daemon's last answer, as it came."""

        self.error: Exception | None = None
        """Why there is no answer to the last question; ``status`` says it."""

        self.suggestions: tuple[Suggestion, ...] = ()
        """Best first."""

        self.index = -1
        """Of `current`; -1: there is none."""

    @property
    def is_busy(self) -> bool:
        """An answer is waited for."""
        return self._pending is not None

    @property
    def current(self) -> Suggestion | None:
        """The one to show."""
        return self.suggestions[self.index] if self.suggestions else None

    @property
    def matched(self) -> tuple[str, ...]:
        """What was found of what was asked for, each once."""
        if self.reply is None:
            return ()
        return tuple(dict.fromkeys(one.text for one in self.reply.matched if one.is_sure))

    @property
    def perhaps(self) -> tuple[str, ...]:
        """What else of it is perhaps there, each once."""
        if self.reply is None:
            return ()
        texts = dict.fromkeys(one.text for one in self.reply.matched)
        return tuple(text for text in texts if text not in self.matched)

    @property
    def found_text(self) -> str:
        """What was found and what is perhaps there, a line each; empty without either."""
        lines = []
        if self.matched:
            lines.append(_("Found: {names}").format(names=isolated(", ".join(self.matched))))
        if self.perhaps:
            lines.append(_("Perhaps: {names}").format(names=isolated(", ".join(self.perhaps))))
        return "\n".join(lines)

    def ask(self, picture: Picture, choices: Choices, example: Raster | None = None) -> None:
        """Ask about pixels that were just read.

        Args:
            picture: What is to be cropped.
            choices: What the user asks for.
            example: The pixels of ``choices.example``, if that is not "none".
        """
        self.picture, self._example = picture, example
        self.canvas = picture.placement.canvas
        self._drop_suggestions()
        self._ask(picture, choices)

    def ask_again(self, choices: Choices) -> None:
        """Ask something else about the same pixels, which are not sent again.

        Where `Choices.needs_other_pixels`, read them and `ask`.
        """
        assert self.picture is not None, "nothing has been asked about yet"
        self._ask(self.picture, choices)

    def cancel(self) -> None:
        """Stop waiting, at once; the suggestions that were there stay."""
        if self._forget_question():
            self.state = READY if self.reply is not None else IDLE
            self.status = sentence(Cancelled())
            self._changed()

    def next(self) -> Suggestion | None:
        """Step on, from the last to the first."""
        return self._step(1)

    def previous(self) -> Suggestion | None:
        """Step back, from the first to the last."""
        return self._step(-1)

    def select(self, index: int) -> Suggestion:
        """Show another one.

        Raises:
            IndexError: there is none of that number.
        """
        if not 0 <= index < len(self.suggestions):
            raise IndexError(f"no suggestion {index} of {len(self.suggestions)}")
        self.index = index
        self._changed()
        return self.suggestions[index]

    def restore(
        self, choices: Choices, canvas: Size, suggestions: tuple[Suggestion, ...], index: int
    ) -> None:
        """Have the suggestions that another session had; they are not told."""
        self.choices, self.canvas = choices, canvas
        self.suggestions, self.index = suggestions, index
        self.state, self.status = READY, _count(len(suggestions))

    def close(self) -> None:
        """Stop waiting, without calling back: the image was closed."""
        self._is_closed = True
        self._forget_question()
        self._drop_suggestions()
        self.picture = self._example = None
        self.state = IDLE

    def _ask(self, picture: Picture, choices: Choices) -> None:
        self._forget_question()
        self.choices = choices
        self.error = None
        try:
            request, pixels = self._request(picture, choices)
        except (PluginError, MalformedMessage) as exc:
            self._fail(exc, "")
            return
        self.state, self.fraction = ASKING, None
        self.status = _("Asking the ClipCrop daemon…")
        self._pending = self._client.suggest(
            request,
            pixels,
            on_answer=self._on_answer,
            on_progress=self._on_progress,
            timeout_s=self._timeout_s,
        )
        self._changed()

    def _request(
        self, picture: Picture, choices: Choices
    ) -> tuple[SuggestRequest, tuple[bytes, ...]]:
        example = self._example if choices.example != "none" else None
        request = SuggestRequest(
            picture.raster.image,
            choices.prompt,
            choices.exclude,
            image_query=None if example is None else example.image,
            aspect=choices.wire_aspect(picture.placement),
            original_width_px=picture.placement.area.width_px,
            original_height_px=picture.placement.area.height_px,
        )
        pixels = [picture.raster.pixels]
        if example is not None:
            pixels.append(example.pixels)
        return request, tuple(pixels)

    def _on_progress(self, progress: Progress) -> None:
        self.state = STARTING if progress.stage == LAUNCHING else ASKING
        self.status, self.fraction = progress_words(progress), progress.fraction
        self._changed()

    def _on_answer(self, pending: PendingRequest) -> None:
        if pending is not self._pending:
            return  # it was given up
        answer, self._pending, self.fraction = pending.answer, None, None
        if isinstance(answer, Exception):
            self._fail(answer, pending.request_id)
            return
        assert isinstance(answer, SuggestReply)
        assert self.picture is not None
        placement = self.picture.placement
        self.reply, self.state = answer, READY
        self.suggestions = tuple(
            Suggestion(placement.crop(one.crop_px), one.quality, one.width)
            for one in answer.suggestions
        )
        self.index = 0 if self.suggestions else -1
        self.status = _summary(answer, _asks_for_something(pending))
        self._changed()

    def _fail(self, error: Exception, request_id: str) -> None:
        self.state, self.error, self.fraction = FAILED, error, None
        self.status = sentence(error, request_id)
        self._changed()

    def _step(self, by: int) -> Suggestion | None:
        if not self.suggestions:
            return None
        return self.select((self.index + by) % len(self.suggestions))

    def _forget_question(self) -> bool:
        """Whether there was one."""
        pending, self._pending, self.fraction = self._pending, None, None
        if pending is not None:
            self._client.cancel(pending)
        return pending is not None

    def _drop_suggestions(self) -> None:
        self.suggestions, self.index, self.reply = (), -1, None

    def _changed(self) -> None:
        if not self._is_closed:
            self._on_change()


def _asks_for_something(pending: PendingRequest) -> bool:
    """Whether it looks for something, and not for a good crop of anything."""
    request = pending.request
    assert isinstance(request, SuggestRequest)
    return bool(request.prompt) or request.image_query is not None


def _summary(reply: SuggestReply, asks_for_something: bool) -> str:
    """How it went."""
    parts = []
    if not reply.suggestions:
        parts.append(_("No crop fits. Try another aspect ratio."))
    unknown = _quoted(one.text for one in reply.dropped if one.is_unknown)
    missing = _quoted(one.text for one in reply.dropped if not one.is_unknown)
    if unknown:
        parts.append(_("The model does not know {names}.").format(names=isolated(unknown)))
    if missing and (unknown or reply.kind == "match"):
        parts.append(_("Not found: {names}.").format(names=isolated(missing)))
    if reply.kind == "general" and unknown:
        parts.append(_("General crops."))
    elif reply.kind == "general" and asks_for_something:
        parts.append(_("Nothing like that found: general crops."))
    elif reply.kind == "general" and reply.suggestions:
        parts.append(_("General crops, since nothing was described."))
    elif reply.matched and not any(one.is_sure for one in reply.matched):
        parts.append(_("Not sure: check the crops."))
    if reply.is_well_framed:
        parts.append(_("The image is already well framed."))
    if not parts:
        parts.append(_count(len(reply.suggestions)))
    parts += [isolated(f"{note[:1].upper()}{note[1:].rstrip('.')}.") for note in reply.notes]
    if reply.understood is not None:
        parts += _understood(reply.understood)
    return " ".join(parts)


_DONE = {
    "portrait": N_("portrait"),
    "landscape": N_("landscape"),
    "close": N_("close"),
    "medium": N_("medium"),
    "wide": N_("wide"),
    "above": N_("above"),
    "below": N_("below"),
    "left": N_("left"),
    "right": N_("right"),
}
"""Words of the daemon for ratios, widths and sides; a ratio such as "4:5" stays as it is."""


def _understood(said: Understood) -> list[str]:
    """What was understood, in one line; empty where the prompt says nothing."""
    parts = [
        words.format(names=isolated(", ".join(names)))
        for words, names in (
            (_("kept: {names}"), said.kept),
            (_("whole: {names}"), said.whole),
            (_("left out: {names}"), said.left_out),
            (_("space: {names}"), [_(_DONE.get(side, side)) for side in said.space]),
        )
        if names
    ]
    parts += [isolated(_(_DONE.get(word, word))) for word in (said.aspect, said.width) if word]
    parts += [
        _("“{typed}” read as “{meant}”").format(typed=isolated(typed), meant=isolated(meant))
        for typed, meant in said.corrected
    ]
    return [" · ".join(parts)] if parts else []


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f"“{text}”" for text in texts)


def _count(number: int) -> str:
    return ngettext("{number} suggestion.", "{number} suggestions.", number).format(number=number)
