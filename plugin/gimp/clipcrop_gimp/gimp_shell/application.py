"""The work behind each procedure: with a panel for a person, with return values for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gi.repository import Gimp

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.config import read_config
from clipcrop_plugin.daemon_client import TIMEOUT_S, DaemonClient
from clipcrop_plugin.errors import NothingToCrop
from clipcrop_plugin.geometry import Rect
from clipcrop_plugin.session import FAILED
from clipcrop_plugin.texts import _

from .arguments import AS_ASKED, read_choices, write_choices
from .main_loop import GLibLoop
from .memory import memory
from .previews import ImagePreview, Previews

if TYPE_CHECKING:
    from .dialog import Dialog
    from .panel import Panels

INTERACTIVE = Gimp.RunMode.INTERACTIVE
LAST_VALUES = Gimp.RunMode.WITH_LAST_VALS

_GRACE_S = 5.0  # the session's own deadline comes first


class Application:
    """What all images share: the way to the daemon, the panels."""

    def __init__(self) -> None:
        self._loop = GLibLoop()
        self._client = DaemonClient(read_config(), self._loop, "GIMP")
        self._previews = Previews(self._client)
        self._panels: Panels | None = None
        self._dialog: Dialog | None = None

    def ask(
        self, procedure: Gimp.Procedure, run_mode: Gimp.RunMode, image: Gimp.Image, config: Any
    ) -> dict[str, Any] | None:
        """Smart Crop by Description; None if the user changed their mind."""
        preview = self._previews.of(image)
        if run_mode == INTERACTIVE:
            return self._ask_person(preview, procedure, config)
        if run_mode == LAST_VALUES:
            write_choices(memory.last_choices(), config)
        choices = read_choices(config)
        preview.ask(choices)
        return self._wait_and_apply(preview, choices)

    def repeat(
        self, procedure: Gimp.Procedure, run_mode: Gimp.RunMode, image: Gimp.Image, config: Any
    ) -> dict[str, Any]:
        """The last pending again."""
        preview, choices = self._previews.of(image), memory.last_choices()
        preview.ask(choices)
        if run_mode == INTERACTIVE:
            self._show(preview)
            return {}
        return self._wait_and_apply(preview, choices)

    def step(
        self,
        by: int,
        procedure: Gimp.Procedure,
        run_mode: Gimp.RunMode,
        image: Gimp.Image,
        config: Any,
    ) -> dict[str, Any]:
        """The next suggestion, or the one before it."""
        preview = self._previews.of(image)
        suggestion = preview.step(by)
        if run_mode == INTERACTIVE:
            self._show(preview)
        return {
            "index": preview.session.index,
            "box": list(suggestion.rect),
            "quality": suggestion.quality,
        }

    def apply(
        self, procedure: Gimp.Procedure, run_mode: Gimp.RunMode, image: Gimp.Image, config: Any
    ) -> dict[str, Any]:
        """Do with the suggestion what was asked for, or what this call asks for."""
        preview = self._previews.of(image)
        how = str(config.get_property("apply"))
        if how == AS_ASKED:
            how = (preview.session.choices or Choices()).apply
        result, rect = self._apply(preview, how, has_display=run_mode == INTERACTIVE)
        return {"box": list(rect), "result": result}

    @property
    def has_panels(self) -> bool:
        """Whether a panel with suggestions is open."""
        return self._panels is not None and self._panels.are_open

    def leave(self) -> None:
        """This process ends: another one may be asked to go on."""
        self._previews.leave()
        self._client.close()

    def _ask_person(
        self, preview: ImagePreview, procedure: Gimp.Procedure, config: Any
    ) -> dict[str, Any] | None:
        self._open_windows()
        from .dialog import Dialog

        self._client.warm()  # while the user types
        write_choices(memory.last_choices(), config)
        if self._dialog is not None:
            self._dialog.hide()  # one at a time: the user may have forgotten it
        dialog = self._dialog = Dialog(procedure, config)
        try:
            choices = dialog.run(preview.ask)
        finally:
            dialog.destroy()
            if self._dialog is dialog:
                self._dialog = None
        if choices is None:
            return None
        memory.remember(choices)
        self._show(preview)
        return {}

    def _wait_and_apply(self, preview: ImagePreview, choices: Choices) -> dict[str, Any]:
        session = preview.session
        Gimp.progress_init(session.status)

        def on_change() -> None:
            Gimp.progress_set_text(session.status)
            if session.fraction is None:
                Gimp.progress_pulse()
            else:
                Gimp.progress_update(session.fraction)

        # The image may have a panel, which listens too.
        listener, preview.on_change = preview.on_change, on_change
        try:
            self._loop.run_until(lambda: not session.is_busy, TIMEOUT_S + _GRACE_S)
        finally:
            preview.on_change = listener
            listener()
            Gimp.progress_end()
        if not preview.is_open:
            raise NothingToCrop(_("The image was closed before there were suggestions."))
        if session.state == FAILED and session.error is not None:
            raise session.error
        result = preview.image
        if session.current is not None:
            result, _rect = self._apply(preview, choices.apply, has_display=False)
        return {
            "num-suggestions": len(session.suggestions),
            "boxes": [side for one in session.suggestions for side in one.rect],
            "qualities": [one.quality for one in session.suggestions],
            "kind": session.reply.kind if session.reply is not None else "",
            "matched": list(session.matched),
            "sentence": preview.sentence,
            "result": result,
            "perhaps": list(session.perhaps),
        }

    def _apply(
        self, preview: ImagePreview, how: str, *, has_display: bool
    ) -> tuple[Gimp.Image, Rect]:
        """The image that the crop is in now, and where it was on the canvas."""
        current = preview.session.current
        result = preview.apply(how)
        assert current is not None, "else it cannot be applied"
        if has_display and result.get_id() != preview.image.get_id():
            Gimp.Display.new(result)
        Gimp.displays_flush()
        return result, current.rect

    def _show(self, preview: ImagePreview) -> None:
        """The panel of an image, which applies and dismisses on its own."""
        self._open_windows()
        assert self._panels is not None
        preview.look()
        self._panels.show(preview)

    def _open_windows(self) -> None:
        """Load what windows need, before the first one."""
        if self._panels is None:
            from .windows import open_windows

            open_windows()
            from .panel import Panels

            self._panels = Panels(lambda preview, how: self._apply(preview, how, has_display=True))
