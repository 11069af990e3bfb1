"""The table of errors: what a user is told when something goes wrong, and while work is done.

A user sees a sentence that says what is wrong and what to do, never a class name or a traceback.
What the daemon says itself is in English and is passed on as it is.
"""

from __future__ import annotations

import re
from typing import Callable

from clipcrop_wire import errors as wire
from clipcrop_wire.messages import Progress
from clipcrop_wire.sealing import PROTOCOL_VERSION

from .errors import BadChoice, NothingToCrop, PluginError
from .texts import N_, _, isolated

START_COMMAND = "clipcrop-daemon run"

LAUNCHING = "launching"
"""The stage before all of the daemon's own: it is being started."""

_STAGES = {
    LAUNCHING: N_("Starting the ClipCrop daemon…"),
    "queued": N_("Waiting for other requests…"),
    "starting": N_("Starting the model…"),
    "loading": N_("Loading the model…"),
    "encoding": N_("Looking at the image…"),
    "searching": N_("Looking for crops…"),
    "looking-closer": N_("Looking closer…"),
}
_OTHER_STAGE = N_("Working…")


def sentence(error: Exception, request_id: str = "") -> str:
    """What the user is told.

    Args:
        error: A `PluginError` or a `WireError`; anything else is called a bug.
        request_id: Under which the daemon's log has it, if it is about a request.
    """
    if isinstance(error, PluginError):
        return str(error)
    for kind in type(error).__mro__:
        if kind in SENTENCES:
            return SENTENCES[kind](error, request_id)
    return _("Something unexpected went wrong in the ClipCrop plug-in. Please report it.")


def progress_words(progress: Progress) -> str:
    """What is going on, for a status line."""
    words = _(_STAGES.get(progress.stage, _OTHER_STAGE))
    if progress.fraction is None:
        return words
    return _("{stage} {percent} %").format(stage=words, percent=round(100 * progress.fraction))


def not_one_layer(number: int) -> str:
    """What to say of a picture that was asked of the layer, where none or several are selected."""
    if number:
        return _("Several layers are selected: the visible image was looked at.")
    return _("No layer is selected: the visible image was looked at.")


def no_layer() -> NothingToCrop:
    """The image is without a layer."""
    return NothingToCrop(_("This image has no layer to look at. Add one, or open a photo."))


def nothing_selected() -> BadChoice:
    """The example is the selection, and there is none."""
    words = _("Select the part of the image that shows what to look for, then try again.")
    return BadChoice("example", words)


def selection_outside() -> BadChoice:
    """The example is the selected part of the layer, and there is none."""
    return BadChoice("example", _("The selection lies outside the layer. Select a part of it."))


def unreadable_example(path: str, reason: str) -> BadChoice:
    """The example is a file that the editor cannot open."""
    words = _("The example cannot be opened: {path}: {reason}.")
    reason = reason.strip().rstrip(".")
    return BadChoice("example", words.format(path=isolated(path), reason=isolated(reason)))


def _plain(message: str) -> Callable[[Exception, str], str]:
    return lambda error, request_id: _(message)


def _with_reason(message: str) -> Callable[[Exception, str], str]:
    def say(error: Exception, request_id: str) -> str:
        return _(message).format(reason=isolated(str(error).strip().rstrip(".")))

    return say


def _not_running(error: Exception, request_id: str) -> str:
    return _(
        "The ClipCrop daemon is not running. Start it with “{command}” in a terminal, "
        "and try again."
    ).format(command=isolated(START_COMMAND))


def _other_version(error: Exception, request_id: str) -> str:
    found = re.search(r"version ([0-9]+) of the protocol", str(error))
    if found and int(found[1]) > PROTOCOL_VERSION:
        return _("This plug-in is older than the ClipCrop daemon. Update the plug-in.")
    if found and int(found[1]) < PROTOCOL_VERSION:
        return _(
            "The ClipCrop daemon is older than this plug-in. Update the daemon and start it again."
        )
    return _("This plug-in and the ClipCrop daemon are of different versions. Update both.")


def _bug_of_the_daemon(error: Exception, request_id: str) -> str:
    if not request_id:
        return _("The ClipCrop daemon had an internal error. Please report it.")
    return _(
        "The ClipCrop daemon had an internal error. Please report it with this number from its "
        "log: {request_id}."
    ).format(request_id=isolated(request_id))


_ODD_ANSWER = N_(
    "The ClipCrop daemon gave an answer that this plug-in does not understand. "
    "Update both, and start the daemon again."
)

SENTENCES: dict[type[BaseException], Callable[[Exception, str], str]] = {
    wire.WireError: _plain(
        N_("The ClipCrop daemon could not be asked. Try again, or start the daemon again.")
    ),
    wire.TransportError: _plain(
        N_("The ClipCrop daemon cannot be reached. Start it again, and try once more.")
    ),
    wire.DaemonNotRunning: _not_running,
    wire.BadConnectionFile: _with_reason(
        N_(
            "The ClipCrop daemon cannot be found, since its connection file cannot be used: "
            "{reason}."
        )
    ),
    wire.RequestTimeout: _plain(
        N_(
            "The ClipCrop daemon gave no answer in time. Try again; "
            "if that does not help, start the daemon again."
        )
    ),
    wire.ProtocolError: _plain(_ODD_ANSWER),
    wire.MalformedMessage: _plain(_ODD_ANSWER),
    wire.VersionMismatch: _other_version,
    wire.NotAuthentic: _plain(
        N_(
            "The answer did not come from your ClipCrop daemon, so the connection was closed. "
            "Start the daemon again."
        )
    ),
    wire.RequestError: _with_reason(N_("The ClipCrop daemon declined: {reason}.")),
    wire.InvalidRequest: _with_reason(
        N_("The ClipCrop daemon cannot do what was asked: {reason}.")
    ),
    wire.UnknownImage: _plain(N_("The ClipCrop daemon does not know this image. Try again.")),
    wire.Unavailable: _with_reason(N_("The ClipCrop daemon cannot do this now: {reason}.")),
    wire.Cancelled: _plain(N_("Cancelled.")),
    wire.InternalError: _bug_of_the_daemon,
}
"""Error -> its sentence. Every class of the wire's tree has its own; a test walks the tree."""
