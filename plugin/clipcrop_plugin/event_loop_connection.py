"""A connection that the main loop keeps going."""

from __future__ import annotations

from typing import Callable

from clipcrop_wire.connection import Connection

from .loop import Handle, Loop


class EventLoopConnection:
    """Watches a connection's socket and its deadlines.

    The connection's own callbacks come from within its `pump`, when the watches may not fit its
    socket any more: let them take notes only, and act in ``on_io``.
    """

    def __init__(self, loop: Loop, connection: Connection, on_io: Callable[[], None]) -> None:
        self.connection = connection
        self.on_io = on_io
        self._loop = loop
        self._timer: Handle | None = None
        self._writer: Handle | None = None
        self._reader: Handle | None = loop.watch(connection.fileno(), False, self.pump)
        self._fit()

    def pump(self) -> None:
        """Do what can be done without waiting."""
        self.connection.pump()
        self._fit()
        self.on_io()

    def close(self) -> None:
        """Close the connection; what is on its way ends with `DaemonNotRunning`."""
        self._forget()
        self.connection.close()

    def _fit(self) -> None:
        """Watch for what the connection waits for now, and nothing else."""
        connection = self.connection
        if connection.is_closed:
            self._forget()
            return
        if connection.wants_to_write and self._writer is None:
            self._writer = self._loop.watch(connection.fileno(), True, self.pump)
        elif not connection.wants_to_write and self._writer is not None:
            self._writer.cancel()
            self._writer = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = connection.seconds_to_deadline()
        if seconds is not None:
            self._timer = self._loop.call_after(seconds, self.pump)

    def _forget(self) -> None:
        for handle in (self._reader, self._writer, self._timer):
            if handle is not None:
                handle.cancel()
        self._reader = self._writer = self._timer = None
