"""What GIMP is told of us: five procedures with their menu entries, arguments and return values.

GIMP waits for this module at each call, so what it imports at once is little.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, Callable, Dict, NamedTuple, Optional

from gi.repository import Gimp, GLib, GObject

from clipcrop_plugin.errors import BadChoice
from clipcrop_plugin.texts import N_, _

if TYPE_CHECKING:
    from .application import Application

MENU = "<Image>/Image/[Crop]"
_READ_WRITE = GObject.ParamFlags.READWRITE

Values = Dict[str, Any]
"""Name of a return value -> value."""

Work = Callable[["Application", Gimp.Procedure, Gimp.RunMode, Gimp.Image, Any], Optional[Values]]
"""What a procedure does; None: the user changed their mind."""

Entry = Callable[..., Gimp.ValueArray]
"""What GIMP calls: ``run(procedure, run_mode, image, drawables, config, data)``."""

_SENSITIVE = (
    Gimp.ProcedureSensitivityMask.DRAWABLE
    | Gimp.ProcedureSensitivityMask.DRAWABLES
    | Gimp.ProcedureSensitivityMask.NO_DRAWABLES
)


class _Declaration(NamedTuple):
    label: str
    blurb: str
    help: str
    add_values: Callable[[Gimp.Procedure], None]
    """Its arguments and return values."""

    work: Work


def new(plug_in: Gimp.PlugIn, name: str, run: Entry) -> Gimp.Procedure:
    """A procedure.

    Args:
        plug_in: Whose it is.
        name: One of `NAMES`.
        run: Called by GIMP.
    """
    declared = _DECLARATIONS[name]
    procedure = Gimp.ImageProcedure.new(plug_in, name, Gimp.PDBProcType.PLUGIN, run, None)
    procedure.set_image_types("*")
    procedure.set_sensitivity_mask(_SENSITIVE)
    procedure.set_menu_label(_(declared.label))
    procedure.add_menu_path(MENU)
    procedure.set_documentation(_(declared.blurb), _(declared.help), name)
    procedure.set_attribution("ClipCrop contributors", "ClipCrop contributors", "2026")
    declared.add_values(procedure)
    return procedure


def _add_question(procedure: Gimp.Procedure) -> None:
    from .arguments import add_choices

    add_choices(procedure)
    _add_suggestions(procedure)


def _add_step(procedure: Gimp.Procedure) -> None:
    procedure.add_int_return_value(
        "index", "index", "Of the suggestion, from 0", 0, 1000, 0, _READ_WRITE
    )
    _add_box(procedure)
    procedure.add_double_return_value(
        "quality", "quality", "Of the suggestion", 0.0, 1.0, 0.0, _READ_WRITE
    )


def _add_way_to_apply(procedure: Gimp.Procedure) -> None:
    from .arguments import AS_ASKED, add_apply

    add_apply(procedure, AS_ASKED, {AS_ASKED: _("As asked for")})
    _add_box(procedure)
    _add_result(procedure)


def _add_suggestions(procedure: Gimp.Procedure) -> None:
    procedure.add_int_return_value(
        "num-suggestions", "num-suggestions", "How many there are", 0, 1000, 0, _READ_WRITE
    )
    procedure.add_int32_array_return_value(
        "boxes", "boxes", "x, y, width, height of each on the canvas, best first", _READ_WRITE
    )
    procedure.add_double_array_return_value(
        "qualities", "qualities", "Of each, from 0 to 1", _READ_WRITE
    )
    procedure.add_string_return_value(
        "kind", "kind", "“match”, or “general” if nothing like that was found", "", _READ_WRITE
    )
    procedure.add_string_array_return_value(
        "matched", "matched", "What was found of what was asked for", _READ_WRITE
    )
    procedure.add_string_return_value("sentence", "sentence", "How it went", "", _READ_WRITE)
    _add_result(procedure)
    procedure.add_string_array_return_value(
        "perhaps", "perhaps", "What is perhaps what was asked for", _READ_WRITE
    )


def _add_box(procedure: Gimp.Procedure) -> None:
    procedure.add_int32_array_return_value(
        "box", "box", "x, y, width, height on the canvas", _READ_WRITE
    )


def _add_result(procedure: Gimp.Procedure) -> None:
    procedure.add_image_return_value(
        "result", "result", "The image that the crop is in now", True, _READ_WRITE
    )


def work(name: str, application: Application, image: Gimp.Image) -> None:
    """Do for a person what a procedure does."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    _DECLARATIONS[name].work(application, procedure, Gimp.RunMode.INTERACTIVE, image, config)


def entry(name: str, application: Callable[[], Application]) -> Entry:
    """What GIMP calls, where the work is done: whatever goes wrong becomes a sentence."""
    work = _DECLARATIONS[name].work

    def run(
        procedure: Gimp.Procedure,
        run_mode: Gimp.RunMode,
        image: Gimp.Image,
        drawables: list[Gimp.Drawable],
        config: Any,
        data: Any,
    ) -> Gimp.ValueArray:
        status = Gimp.PDBStatusType
        try:
            values = work(application(), procedure, run_mode, image, config)
        except BadChoice as exc:
            return procedure.new_return_values(status.CALLING_ERROR, error_of(sentence_of(exc)))
        except Exception as exc:
            return procedure.new_return_values(status.EXECUTION_ERROR, error_of(sentence_of(exc)))
        if values is None:
            return procedure.new_return_values(status.CANCEL, GLib.Error())
        returned = procedure.new_return_values(status.SUCCESS, GLib.Error())
        for index, spec in enumerate(procedure.get_return_values(), 1):
            name = spec.get_name()
            if name in values:
                returned.remove(index)
                returned.insert(index, _value(spec, values[name]))
        return returned

    return run


def sentence_of(exc: Exception) -> str:
    """What a user is told; unexpected errors are also logged for developers."""
    from clipcrop_plugin.errors import PluginError
    from clipcrop_plugin.messages import sentence
    from clipcrop_wire.errors import WireError

    if not isinstance(exc, (PluginError, WireError)):
        traceback.print_exception(type(exc), exc, exc.__traceback__, file=sys.stderr)
    return sentence(exc)


def error_of(sentence: str) -> GLib.Error:
    """As GIMP wants one."""
    return GLib.Error.new_literal(Gimp.PlugIn.error_quark(), sentence, 0)


def _value(spec: GObject.ParamSpec, value: Any) -> GObject.Value:
    boxed = GObject.Value()
    boxed.init(spec.value_type)
    if spec.value_type == Gimp.Int32Array.__gtype__:
        Gimp.value_set_int32_array(boxed, value)
    elif spec.value_type == Gimp.DoubleArray.__gtype__:
        Gimp.value_set_double_array(boxed, value)
    else:
        boxed.set_value(value)
    return boxed


_STEP_HELP = N_("Selects it at once. The step after the last suggestion is the first.")

ASK, REPEAT = "plug-in-clipcrop", "plug-in-clipcrop-repeat"
NEXT, PREVIOUS = "plug-in-clipcrop-next", "plug-in-clipcrop-previous"
APPLY = "plug-in-clipcrop-apply"

_DECLARATIONS = {
    ASK: _Declaration(
        N_("Smart Crop _by Description…"),
        N_("Find good crops of what you describe"),
        N_(
            "Asks what the crop should show and suggests crops of the image. Without a person to "
            "ask, it takes its arguments, applies the best suggestion and returns them all."
        ),
        _add_question,
        lambda application, *call: application.ask(*call),
    ),
    REPEAT: _Declaration(
        N_("Smart Crop: R_epeat"),
        N_("Find crops of this image for the last description again"),
        N_("Asks the same as the last time, about this image as it is now."),
        _add_suggestions,
        lambda application, *call: application.repeat(*call),
    ),
    NEXT: _Declaration(
        N_("_Next Crop Suggestion"),
        N_("Select the next suggestion"),
        _STEP_HELP,
        _add_step,
        lambda application, *call: application.step(1, *call),
    ),
    PREVIOUS: _Declaration(
        N_("Pre_vious Crop Suggestion"),
        N_("Select the suggestion before this one"),
        _STEP_HELP,
        _add_step,
        lambda application, *call: application.step(-1, *call),
    ),
    APPLY: _Declaration(
        N_("_Apply Crop Suggestion"),
        N_("Do with the suggestion what was asked for"),
        N_("Selects it, crops the image, puts guides or makes a new image: one step of undo."),
        _add_way_to_apply,
        lambda application, *call: application.apply(*call),
    ),
}

NAMES = tuple(_DECLARATIONS)
