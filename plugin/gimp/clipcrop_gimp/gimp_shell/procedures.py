"""What GIMP is told of us: five procedures with their menu entries, arguments and return values."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

from gi.repository import Gimp, GLib, GObject

from clipcrop_plugin.errors import BadChoice
from clipcrop_plugin.texts import _

from .arguments import AS_ASKED, READ_WRITE, add_apply, add_choices

if TYPE_CHECKING:
    from .application import Application

ASK, REPEAT = "plug-in-clipcrop", "plug-in-clipcrop-repeat"
NEXT, PREVIOUS, APPLY = (
    "plug-in-clipcrop-next",
    "plug-in-clipcrop-previous",
    "plug-in-clipcrop-apply",
)

MENU = "<Image>/Image/[Crop]"

Values = Dict[str, Any]
"""Name of a return value -> value."""

Work = Callable[["Application", Gimp.Procedure, Gimp.RunMode, Gimp.Image, Any], Optional[Values]]
"""What a procedure does; None: the user changed their mind."""

_SENSITIVE = (
    Gimp.ProcedureSensitivityMask.DRAWABLE
    | Gimp.ProcedureSensitivityMask.DRAWABLES
    | Gimp.ProcedureSensitivityMask.NO_DRAWABLES
)


def declare(plug_in: Gimp.PlugIn) -> None:
    """Add them all; they live as long as this process does."""
    applications: list[Application] = []

    def application() -> Application:
        """Opened with the first call: GIMP's start need not wait for it."""
        if not applications:
            from .application import Application

            applications.append(Application())
        return applications[0]

    def new(name: str, label: str, blurb: str, help_text: str, work: Work) -> Gimp.ImageProcedure:
        procedure = Gimp.ImageProcedure.new(
            plug_in, name, Gimp.PDBProcType.TEMPORARY, _entry(application, work), None
        )
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(_SENSITIVE)
        procedure.set_menu_label(label)
        procedure.add_menu_path(MENU)
        procedure.set_documentation(blurb, help_text, name)
        procedure.set_attribution("ClipCrop contributors", "ClipCrop contributors", "2026")
        return procedure

    ask = new(
        ASK,
        _("Smart Crop _by Description…"),
        _("Find good crops of what you describe"),
        _(
            "Asks what the crop should show and suggests crops of the image. Without a person to "
            "ask, it takes its arguments, applies the best suggestion and returns them all."
        ),
        lambda application, *call: application.ask(*call),
    )
    add_choices(ask)
    repeat = new(
        REPEAT,
        _("Smart Crop: R_epeat"),
        _("Find crops of this image for the last description again"),
        _("Asks the same as the last time, about this image as it is now."),
        lambda application, *call: application.repeat(*call),
    )
    for procedure in (ask, repeat):
        _add_suggestions(procedure)
    step_help = _("Selects it at once. The step after the last suggestion is the first.")
    onwards = new(
        NEXT,
        _("_Next Crop Suggestion"),
        _("Select the next suggestion"),
        step_help,
        lambda application, *call: application.step(1, *call),
    )
    back = new(
        PREVIOUS,
        _("Pre_vious Crop Suggestion"),
        _("Select the suggestion before this one"),
        step_help,
        lambda application, *call: application.step(-1, *call),
    )
    for procedure in (onwards, back):
        procedure.add_int_return_value(
            "index", "index", "Of the suggestion, from 0", 0, 1000, 0, READ_WRITE
        )
        _add_box(procedure)
        procedure.add_double_return_value(
            "quality", "quality", "Of the suggestion", 0.0, 1.0, 0.0, READ_WRITE
        )
    apply = new(
        APPLY,
        _("_Apply Crop Suggestion"),
        _("Do with the suggestion what was asked for"),
        _("Selects it, crops the image, puts guides or makes a new image: one step of undo."),
        lambda application, *call: application.apply(*call),
    )
    add_apply(apply, AS_ASKED, {AS_ASKED: _("As asked for")})
    _add_box(apply)
    _add_result(apply)
    for procedure in (ask, repeat, onwards, back, apply):
        plug_in.add_temp_procedure(procedure)


def _add_suggestions(procedure: Gimp.Procedure) -> None:
    procedure.add_int_return_value(
        "num-suggestions", "num-suggestions", "How many there are", 0, 1000, 0, READ_WRITE
    )
    procedure.add_int32_array_return_value(
        "boxes", "boxes", "x, y, width, height of each on the canvas, best first", READ_WRITE
    )
    procedure.add_double_array_return_value(
        "qualities", "qualities", "Of each, from 0 to 1", READ_WRITE
    )
    procedure.add_string_return_value(
        "kind", "kind", "“match”, or “general” if nothing like that was found", "", READ_WRITE
    )
    procedure.add_string_array_return_value(
        "matched", "matched", "What was found of what was asked for", READ_WRITE
    )
    procedure.add_string_return_value("sentence", "sentence", "How it went", "", READ_WRITE)
    _add_result(procedure)


def _add_box(procedure: Gimp.Procedure) -> None:
    procedure.add_int32_array_return_value(
        "box", "box", "x, y, width, height on the canvas", READ_WRITE
    )


def _add_result(procedure: Gimp.Procedure) -> None:
    procedure.add_image_return_value(
        "result", "result", "The image that the crop is in now", True, READ_WRITE
    )


def _entry(application: Callable[[], Application], work: Work) -> Callable[..., Gimp.ValueArray]:
    """What GIMP calls: whatever goes wrong inside becomes a sentence."""

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
            return procedure.new_return_values(status.CALLING_ERROR, _error(exc))
        except Exception as exc:
            return procedure.new_return_values(status.EXECUTION_ERROR, _error(exc))
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


def _error(exc: Exception) -> GLib.Error:
    from clipcrop_plugin.errors import PluginError
    from clipcrop_plugin.messages import sentence
    from clipcrop_wire.errors import WireError

    if not isinstance(exc, (PluginError, WireError)):
        traceback.print_exception(type(exc), exc, exc.__traceback__, file=sys.stderr)
    return GLib.Error.new_literal(Gimp.PlugIn.error_quark(), sentence(exc), 0)


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
