"""One image's work: its suggestions, the crop that its canvas shows, the user's own selection."""

from __future__ import annotations

from typing import Callable

from gi.repository import Gimp

from clipcrop_plugin.choices import NO_EXAMPLE, SELECTION_EXAMPLE, Choices
from clipcrop_plugin.errors import BadChoice, NothingToCrop
from clipcrop_plugin.geometry import Rect
from clipcrop_plugin.link import Link
from clipcrop_plugin.picture import Raster
from clipcrop_plugin.session import Session, Suggestion
from clipcrop_plugin.texts import _

from . import canvas, selection
from .apply import apply_crop


class Desk:
    """Shows the current crop as the image's selection until it is applied or dismissed."""

    def __init__(self, image: Gimp.Image, link: Link) -> None:
        """Touch nothing yet."""
        self.image = image
        self.session = Session(link, self._on_change)
        self.on_change: Callable[[], None] = lambda: None
        """Told of all that the session tells, after the canvas shows it."""

        self.note = ""
        """What the user should know about what was looked at; mostly empty."""

        self._kept: selection.KeptSelection | None = None
        self._shown: Rect | None = None

    @property
    def is_open(self) -> bool:
        """The image is."""
        return bool(self.image.is_valid())

    @property
    def sentence(self) -> str:
        """How it stands."""
        return " ".join(part for part in (self.note, self.session.status) if part)

    def ask(self, choices: Choices) -> None:
        """Read the canvas anew, and ask.

        Raises:
            PluginError: there is nothing to ask, or nothing to ask about.
        """
        if not choices.prompt and choices.example == NO_EXAMPLE:
            raise BadChoice(
                "prompt", _("Describe what the crop should show, or choose an example.")
            )
        self.dismiss()  # what is selected may be the example
        seen = canvas.read_picture(self.image, choices.source)
        example = self._read_example(choices)
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
        suggestion = self.session.next() if by > 0 else self.session.previous()
        assert suggestion is not None
        return suggestion

    def apply(self, how: str) -> tuple[Gimp.Image, Rect]:
        """Do with the current crop what was asked for: one step of undo.

        Returns:
            The image that it is in now, and where it was on the canvas.

        Raises:
            NothingToCrop: there are no suggestions for this canvas.
        """
        self._check()
        current = self.session.current
        assert current is not None
        self.dismiss()
        return apply_crop(self.image, current.rect, how), current.rect

    def dismiss(self) -> None:
        """Put the user's own selection back."""
        if self._kept is not None and self.is_open and self._is_shown():
            self._kept.put_back(self.image)
        self._kept = self._shown = None

    def close(self) -> None:
        """The image is gone, or nobody wants suggestions for it any more."""
        self.session.close()
        self.dismiss()

    def _check(self) -> None:
        picture, current = self.session.picture, self.session.current
        if picture is None or current is None:
            raise NothingToCrop(
                _("There are no suggestions for this image. Use Smart Crop by Description first.")
            )
        if picture.placement.canvas != (self.image.get_width(), self.image.get_height()):
            raise NothingToCrop(
                _("The image has another size now. Use Smart Crop: Repeat to look at it again.")
            )

    def _read_example(self, choices: Choices) -> Raster | None:
        if choices.example == SELECTION_EXAMPLE:
            return canvas.read_selected_example(self.image, choices.source)
        if choices.example_file:
            return canvas.read_file_example(choices.example_file)
        return None

    def _on_change(self) -> None:
        if not self.is_open:
            self.session.close()
        else:
            self._show_current()
        self.on_change()

    def _show_current(self) -> None:
        current, picture = self.session.current, self.session.picture
        if current is None or picture is None:
            return
        size = (self.image.get_width(), self.image.get_height())
        if picture.placement.canvas != size:
            return
        if current.rect == self._shown and self._is_shown():
            return
        if self._kept is None or not self._is_shown():  # else what is selected is ours
            self._kept = selection.KeptSelection(self.image)
        selection.show(self.image, current.rect)
        self._shown = current.rect
        Gimp.displays_flush()

    def _is_shown(self) -> bool:
        """The user has selected nothing else in the meantime."""
        return self._shown is not None and selection.bounds(self.image) == self._shown


class Desks:
    """The desk of each image."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._desks: dict[int, Desk] = {}

    def of(self, image: Gimp.Image) -> Desk:
        """Its desk, a new one if there is none."""
        self._clear()
        number = image.get_id()
        if number not in self._desks:
            self._desks[number] = Desk(image, self._link)
        return self._desks[number]

    def _clear(self) -> None:
        """Forget images that were closed."""
        for number, desk in list(self._desks.items()):
            if not desk.is_open:
                desk.close()
                del self._desks[number]
