"""The one process of ours that stays: who finds it hands over to it, who opens a panel becomes it.

GIMP starts a program for each call of a plug-in, and ends it after. A process that stays can take
calls itself, as temporary procedures: ours have the names of the lasting ones, and GIMP's procedure
database then finds them first. Its menu does not, so the program that it starts looks there.

A call may come while this process waits for GIMP's answer to something else, and libgimp would
take that answer for the answer to whatever the call asks. So what a person has called for is done
a moment later, when nothing is waited for.

Without a person there are no panels, and nobody stays: what the next call needs is left on the
image (`previews`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gi.repository import Gimp, GLib

from . import procedures
from .procedures import Entry

if TYPE_CHECKING:
    from .application import Application

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
        if run_mode == Gimp.RunMode.INTERACTIVE:
            _take_calls(plug_in)  # first of all: the user may be quick
        work = procedures.entry(name, _application)
        values = work(procedure, run_mode, image, drawables, config, data)
        if _application().has_panels:
            GLib.MainLoop().run()
        _application().leave()
        return values

    return run


@lru_cache(maxsize=None)
def _application() -> Application:
    from .application import Application

    return Application()


def _take_calls(plug_in: Gimp.PlugIn) -> None:
    for name in procedures.NAMES:
        plug_in.add_temp_procedure(procedures.new(plug_in, name, _TEMPORARY, _later(name)))
    plug_in.persistent_enable()


def _later(name: str) -> Entry:
    """What a procedure does in the process that stays."""
    at_once = procedures.entry(name, _application)

    def run(
        procedure: Gimp.Procedure,
        run_mode: Gimp.RunMode,
        image: Gimp.Image,
        drawables: list[Gimp.Drawable],
        config: Any,
        data: Any,
    ) -> Gimp.ValueArray:
        if run_mode != Gimp.RunMode.INTERACTIVE:
            return at_once(procedure, run_mode, image, drawables, config, data)

        def work() -> bool:
            try:
                procedures.work(name, _application(), procedure, run_mode, image)
            except Exception as exc:
                Gimp.message(procedures.sentence_of(exc))
            return bool(GLib.SOURCE_REMOVE)

        GLib.idle_add(work)
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())

    return run


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
