"""The process that stays: later ones hand their calls to it; the first to open a panel becomes it.

GIMP starts a program for each call of a plug-in, and ends it after. A process that stays can take
calls itself, as temporary procedures. The program that GIMP's menu starts looks for them.

A call may come while this process waits for GIMP's answer to something else, and libgimp would
take that answer for the answer to whatever the call asks. So what is called for is done a moment
later, when nothing is waited for. A script wants its answer at once, and is served by the program
that GIMP starts for it; what its next call needs is left on the image (`previews`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gi.repository import Gimp, GLib

from . import procedures
from .procedures import Entry

if TYPE_CHECKING:
    from .application import Application

_STAYING = {name: f"{name}-staying" for name in procedures.NAMES}
"""Procedure -> the temporary one that does the same."""


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
        if run_mode == Gimp.RunMode.INTERACTIVE:
            there = Gimp.get_pdb().lookup_procedure(_STAYING[name])
            if there is not None:
                return _hand_over(there, procedure, image)
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
    for name, staying in _STAYING.items():
        plug_in.add_temp_procedure(
            Gimp.ImageProcedure.new(
                plug_in, staying, Gimp.PDBProcType.TEMPORARY, _later(name), None
            )
        )
    plug_in.persistent_enable()


def _later(name: str) -> Entry:
    """What such a procedure does."""

    def run(
        procedure: Gimp.Procedure,
        run_mode: Gimp.RunMode,
        image: Gimp.Image,
        drawables: list[Gimp.Drawable],
        config: Any,
        data: Any,
    ) -> Gimp.ValueArray:
        def work() -> bool:
            try:
                procedures.work(name, _application(), image)
            except Exception as exc:
                Gimp.message(procedures.sentence_of(exc))
            return bool(GLib.SOURCE_REMOVE)

        GLib.idle_add(work)
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())

    return run


def _hand_over(
    there: Gimp.Procedure, procedure: Gimp.Procedure, image: Gimp.Image
) -> Gimp.ValueArray:
    """Have a call done by the process that stays, which says itself what goes wrong."""
    config = there.create_config()
    config.set_property("run-mode", Gimp.RunMode.INTERACTIVE)
    config.set_property("image", image)
    there.run(config)
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())
