#!/usr/bin/env python3
"""A GIMP plug-in for tests only: runs Python that comes over a unix socket, answers in JSON.

It lives as long as GIMP does, so a test can look into a GIMP whose window it drives, and can do
things outside GIMP between two calls. One connection is one request: source, end of file, answer.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from typing import Any

import tools
from tools import Gimp, GLib

START = "clipcrop-probe"


def answer(source: str) -> dict[str, Any]:
    """What ``result`` is after running it, or the traceback."""
    names: dict[str, Any] = {**vars(tools), "result": None}
    try:
        exec(compile(source, "<test>", "exec"), names)
        json.dumps(names["result"])
    except BaseException:
        return {"error": traceback.format_exc()}
    return {"result": names["result"]}


def on_connection(listener: socket.socket) -> bool:
    """Serve one request, whatever becomes of it."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as file:
        source = file.read().decode("utf-8")
        try:
            file.write(json.dumps(answer(source)).encode("utf-8"))
            file.flush()
        except OSError:
            pass  # the test waits no longer
    return True


class Probe(Gimp.PlugIn):
    """Declares the one procedure."""

    def do_query_procedures(self) -> list[str]:
        return [START]

    def do_set_i18n(self, name: str) -> bool:
        return False

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        procedure = Gimp.Procedure.new(self, name, Gimp.PDBProcType.PERSISTENT, self.start, None)
        procedure.set_documentation("Run a test's Python", None, name)
        return procedure

    def start(self, procedure: Gimp.Procedure, config: Any, data: Any) -> Any:
        """Listen until GIMP ends."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.environ["CLIPCROP_PROBE"])
        listener.listen(4)
        GLib.io_add_watch(
            listener.fileno(),
            GLib.PRIORITY_DEFAULT,
            GLib.IOCondition.IN,
            lambda *_: on_connection(listener),
        )
        procedure.persistent_ready()
        self.persistent_enable()
        GLib.MainLoop().run()
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


Gimp.main(Probe.__gtype__, sys.argv)
