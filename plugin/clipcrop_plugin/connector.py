"""Finds the daemon, starts it if it does not run, and connects; never waits."""

from __future__ import annotations

import time
from collections import deque
from typing import Callable

from clipcrop_wire.connection import Connection, HeldImages, clearest
from clipcrop_wire.endpoint import ConnectionFile, read_connection_file
from clipcrop_wire.errors import BadConnectionFile, DaemonNotRunning, WireError

from .config import Config
from .errors import NotStarted
from .event_loop_connection import EventLoopConnection
from .launcher import Launcher
from .loop import Handle, Loop
from .texts import _

LAUNCH_TIMEOUT_S = 15.0
"""The daemon takes less than a second to listen; a cold disk may take a few."""

LOOK_EVERY_S = 0.2
"""While it is being started: is it there yet?"""


class Connector:
    """One attempt at a time: tries each endpoint, and starts the daemon if none listens."""

    def __init__(
        self,
        config: Config,
        loop: Loop,
        launcher: Launcher,
        client_name: str,
        held: HeldImages,
        on_open: Callable[[EventLoopConnection], None],
        on_failed: Callable[[Exception], None],
    ) -> None:
        """Do nothing yet.

        Args:
            config: Where the daemon is.
            loop: The shell's.
            launcher: Starts it.
            client_name: For the daemon's log.
            held: Images that were sent over earlier connections.
            on_open: Called with the connection once the daemon has proved that it holds the key.
            on_failed: Called with the reason; from within `begin` or from the loop.
        """
        self._config = config
        self._loop = loop
        self._launcher = launcher
        self._client_name = client_name
        self._held = held
        self._on_open = on_open
        self._on_failed = on_failed
        self._is_busy = False
        self._launch_deadline: float | None = None
        self._timer: Handle | None = None
        self._connection: EventLoopConnection | None = None
        self._info: ConnectionFile | None = None
        self._endpoints: deque[str] = deque()
        self._errors: list[WireError] = []
        self._dead: dict[ConnectionFile, WireError] = {}  # no daemon listens there

    @property
    def is_launching(self) -> bool:
        """The daemon is being started."""
        return self._is_busy and self._launch_deadline is not None

    def begin(self) -> None:
        """Try, unless that is going on already."""
        if not self._is_busy:
            self._is_busy = True
            self._look()

    def stop(self) -> None:
        """Give up, and say nothing; a daemon that is being started goes on."""
        self._is_busy = False
        self._launch_deadline = None
        self._dead.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _look(self) -> None:
        try:
            info = read_connection_file(self._config.connection_file)
        except (DaemonNotRunning, BadConnectionFile) as exc:
            self._launch(exc)
            return
        except WireError as exc:
            self._fail(exc)
            return
        if info in self._dead:  # left behind, as it seems; a daemon that rebinds writes another
            self._launch(self._dead[info])
            return
        self._info, self._errors, self._endpoints = info, [], deque(info.work)
        self._try_next(info)

    def _try_next(self, info: ConnectionFile) -> None:
        while self._endpoints:
            endpoint = self._endpoints.popleft()
            try:
                connection = Connection(info, "work", endpoint, self._client_name, held=self._held)
            except WireError as exc:
                self._errors.append(exc)
                continue
            self._connection = EventLoopConnection(self._loop, connection, self._on_io)
            return
        error = clearest(self._errors)
        if isinstance(error, DaemonNotRunning):
            self._dead[info] = error
            self._launch(error)
        else:
            self._fail(error)

    def _on_io(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.connection.is_open:
            self._connection = None
            self.stop()
            self._on_open(connection)
        elif connection.connection.failure is not None:
            self._connection = None
            self._errors.append(connection.connection.failure)
            assert self._info is not None
            self._try_next(self._info)

    def _launch(self, reason: WireError) -> None:
        """Start the daemon, or go on waiting for it."""
        if self._launch_deadline is None:
            if not self._launcher.can_start:
                self._fail(reason)
                return
            try:
                self._launcher.start()
            except NotStarted as exc:
                self._fail(exc)
                return
            self._launch_deadline = time.monotonic() + LAUNCH_TIMEOUT_S
        elif self._launcher.has_failed or time.monotonic() >= self._launch_deadline:
            self._fail(
                NotStarted(
                    _(
                        "The ClipCrop daemon was started but does not answer. "
                        "Its log may say why; then try again."
                    )
                )
            )
            return
        self._timer = self._loop.call_after(LOOK_EVERY_S, self._look)

    def _fail(self, reason: Exception) -> None:
        self.stop()
        self._on_failed(reason)
