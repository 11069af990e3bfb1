"""The one process of ours that stays: who finds it hands over to it, who opens a panel becomes it.

GIMP starts a program for each call of a plug-in, and ends it after. A process that stays can take
calls itself, as temporary procedures: ours have the names of the lasting ones, and GIMP's procedure
database then finds them first. Its menu does not, so the program that it starts looks there.

Without a person there are no panels, and nobody stays: what the next call needs is left on the
image (`previews`).
"""

from __future__ import annotations

from typing import Any

from gi.repository import Gimp, GLib

from . import procedures
from .procedures import Entry

_TEMPORARY = Gimp.PDBProcType.TEMPORARY


def entry(plug_in: Gimp.PlugIn, name: str) -> Entry:
    """What a procedure does, in the program that GIMP starts for it."""

    def run(
        procedure: Gimp.Procedure,
        run_mode: Gimp.RunMode,
        image: Gimp.Image,
        drawables: list[Gimp.Drawable],
        config: Any,
        data: Any,
    ) -> Gimp.ValueArray:
        there = Gimp.get_pdb().lookup_procedure(name)
        if there.get_proc_type() == _TEMPORARY:
            return _hand_over(there, procedure, run_mode, image, drawables, config)
        from .application import Application

        application = Application()
        if run_mode == Gimp.RunMode.INTERACTIVE:
            _take_calls(plug_in, application)
        work = procedures.entry(name, application)
        values = work(procedure, run_mode, image, drawables, config, data)
        if application.has_panels:
            GLib.MainLoop().run()
        application.leave()
        return values

    return run


def _take_calls(plug_in: Gimp.PlugIn, application: Any) -> None:
    for name in procedures.NAMES:
        work = procedures.entry(name, application)
        plug_in.add_temp_procedure(procedures.new(plug_in, name, _TEMPORARY, work))
    plug_in.persistent_enable()


def _hand_over(
    there: Gimp.Procedure,
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: list[Gimp.Drawable],
    config: Any,
) -> Gimp.ValueArray:
    """Have the call done by the process that stays."""
    theirs = there.create_config()
    theirs.set_property("run-mode", run_mode)
    theirs.set_property("image", image)
    theirs.set_core_object_array("drawables", drawables)
    for name in procedures.own_arguments(procedure):
        theirs.set_property(name, config.get_property(name))
    values = there.run(theirs)
    status = values.index(0)
    if status in (Gimp.PDBStatusType.SUCCESS, Gimp.PDBStatusType.CANCEL):
        return values
    sentence = Gimp.get_pdb().get_last_error()
    return procedure.new_return_values(status, procedures.error_of(sentence))
