"""One image's work: its suggestions, the crop that its canvas shows, the user's own selection.

What a shell must be able to do with an image is `Canvas`; all else is here.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Protocol

from .choices import NO_EXAMPLE, Choices
from .daemon_client import DaemonClient
from .errors import NothingToCrop
from .geometry import Rect, Size
from .picture import Picture, Raster
from .session import Session, Suggestion
from .snapshot import Snapshot
from .texts import _


class Seen(NamedTuple):
    """What was read from a canvas."""

    picture: Picture
    note: str
    """What the user should know about it; mostly empty."""


class Canvas(Protocol):
    """An image that is open in an editor. Rectangles are in pixels of its canvas."""

    @property
    def is_open(self) -> bool:
        """It is, still."""

    @property
    def size(self) -> Size:
        """Of the canvas, now."""

    def read_picture(self, source: str) -> Seen:
        """What is to be cropped.

        Args:
            source: One of `choices.SOURCES`.

        Raises:
            NothingToCrop: there is nothing to look at.
        """

    def read_example(self, choices: Choices) -> Raster:
        """What ``choices.example`` says, which is not "none".

        Raises:
            PluginError: it cannot be read.
        """

    def selected(self) -> Rect | None:
        """The smallest rectangle around what is selected; None with nothing selected."""

    def keep_selection(self) -> Callable[[], None]:
        """Note what is selected, soft edges and all -> selects just that again, no step of undo."""

    def show(self, rect: Rect) -> None:
        """Select a rectangle to be looked at: no step of undo, and nothing to be saved."""

    def apply(self, rect: Rect, how: str) -> Any:
        """Do it, as one of `choices.APPLIES`; returns the editor's image that the crop is in.

        Raises:
            PluginError: it cannot be done.
        """


class Preview:
    """Shows the current crop as the image's selection until it is applied or dismissed."""

    def __init__(self, canvas: Canvas, client: DaemonClient) -> None:
        """Touch nothing yet."""
        self.canvas = canvas
        self.session = Session(client, self._on_change)
        self.on_change: Callable[[], None] = lambda: None
        """Told of all that the session tells, after the canvas shows it."""

        self.note = ""
        """What the user should know about what was looked at; mostly empty."""

        self._put_back: Callable[[], None] | None = None
        self._shown: Rect | None = None
        self._noticed: tuple[tuple[Suggestion, ...], int] = ((), -1)

    @property
    def is_open(self) -> bool:
        """The image is."""
        return self.canvas.is_open

    @property
    def is_showing(self) -> bool:
        """A suggestion is selected, and the user has selected nothing else in the meantime."""
        return self._shown is not None and self.canvas.selected() == self._shown

    @property
    def sentence(self) -> str:
        """How it stands."""
        return " ".join(part for part in (self.note, self.session.status) if part)

    def ask(self, choices: Choices) -> None:
        """Read the canvas anew, and ask.

        Raises:
            PluginError: there is nothing to ask about.
        """
        self.dismiss()  # what is selected may be the example
        seen = self.canvas.read_picture(choices.source)
        example = None if choices.example == NO_EXAMPLE else self.canvas.read_example(choices)
        self.note = seen.note
        self.session.ask(seen.picture, choices, example)

    def ask_again(self, choices: Choices) -> None:
        """Ask something else about the same pixels if they will do."""
        before = self.session.choices
        if before is None or self.session.picture is None or choices.needs_other_pixels(before):
            self.ask(choices)
        else:
            self.session.ask_again(choices)

    def step(self, by: int) -> Suggestion:
        """Show the next or the one before it, at once.

        Raises:
            NothingToCrop: there are no suggestions for this canvas.
        """
        self._check()
        return self.select((self.session.index + by) % len(self.session.suggestions))

    def select(self, index: int) -> Suggestion:
        """Show another one, or the same again.

        Raises:
            IndexError: there is none of that number.
            NothingToCrop: there are no suggestions for this canvas.
        """
        self._check()
        self._noticed = ((), -1)
        return self.session.select(index)

    def apply(self, how: str) -> Any:
        """Do with the current crop what was asked for, and return what `Canvas.apply` returns.

        Raises:
            PluginError: there are no suggestions for this canvas, or it cannot be done.
        """
        current = self._check()
        self.dismiss()
        return self.canvas.apply(current.rect, how)

    def dismiss(self) -> None:
        """Put the user's own selection back."""
        if self._put_back is not None and self.is_open and self.is_showing:
            self._put_back()
        self._put_back = self._shown = None
        self._noticed = ((), -1)  # the same suggestions may be shown again

    def snapshot(self) -> Snapshot | None:
        """What another process needs to go on; None if there are no suggestions."""
        session = self.session
        if session.choices is None or session.canvas is None or session.current is None:
            return None
        shown = self._shown if self.is_showing else None
        return Snapshot(session.choices, session.canvas, session.suggestions, session.index, shown)

    def restore(self, snapshot: Snapshot, put_back: Callable[[], None]) -> None:
        """Go on where another process has stopped.

        Args:
            snapshot: Of a preview of the same image.
            put_back: What that process had from `Canvas.keep_selection`, for what it shows.
        """
        self.session.restore(
            snapshot.choices, snapshot.canvas, snapshot.suggestions, snapshot.index
        )
        self._noticed = (snapshot.suggestions, snapshot.index)
        if snapshot.shown is not None:
            self._shown, self._put_back = snapshot.shown, put_back

    def look(self) -> None:
        """Read what the suggestions are of, where that was not kept."""
        session = self.session
        if session.picture is None and session.choices and session.canvas == self.canvas.size:
            session.picture = self.canvas.read_picture(session.choices.source).picture

    def close(self) -> None:
        """Stop: the image was closed, or its suggestions are no longer needed."""
        self.session.close()
        self.dismiss()

    def _check(self) -> Suggestion:
        current = self.session.current
        if current is None:
            raise NothingToCrop(
                _("There are no suggestions for this image. Use Smart Crop by Description first.")
            )
        if self.session.canvas != self.canvas.size:
            raise NothingToCrop(
                _("The image has another size now. Use Smart Crop: Repeat to look at it again.")
            )
        return current

    def _on_change(self) -> None:
        if not self.is_open:
            self.session.close()
        else:
            self._show_current()
        self.on_change()

    def _show_current(self) -> None:
        current = self.session.current
        if current is None or self.session.canvas != self.canvas.size:
            return
        now = (self.session.suggestions, self.session.index)
        if now == self._noticed:  # progress: what the user has selected since then stays
            return
        self._noticed = now
        is_showing = self.is_showing
        if current.rect == self._shown and is_showing:
            return
        if self._put_back is None or not is_showing:  # else what is selected is ours
            self._put_back = self.canvas.keep_selection()
        self.canvas.show(current.rect)
        self._shown = current.rect
