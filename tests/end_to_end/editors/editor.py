"""What is common to driving a real GIMP and a real Krita: a screen, hands, eyes, a look inside.

`Editor.run` runs Python inside the editor, through a plug-in for tests only (``clipcrop_probe``).
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from place import Place, Process

SCREEN = (1400, 900)
PATIENCE_S = 180.0
"""Only a test that fails waits so long; a busy machine takes many times what an idle one does."""

T = TypeVar("T")


class FailedInEditor(AssertionError):
    """Python inside the editor raised; the message is its traceback."""


def wait_for(what: str, find: Callable[[], T | None]) -> T:
    """Poll until there is something; fail with what was waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = find()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Window:
    """A window on the screen; x and y are of its content's corner."""

    id: str
    title: str
    x: int
    y: int
    width: int
    height: int


class Editor:
    """One editor with a profile of its own: what does not depend on which."""

    def __init__(self, place: Place, folder: Path) -> None:
        """Does not start it.

        Args:
            place: Where it runs; it must see ``folder``.
            folder: Holds the profile, the home, and the log.
        """
        self.place, self.folder = place, folder
        self.profile, self.home = folder / "profile", folder / "home"
        self.log, self.probe = folder / "log", folder / "probe"
        self.process: Process | None = None
        self.screen: Process | None = None
        self.window_manager: Process | None = None
        self.variables = {
            "HOME": str(self.home),
            "CLIPCROP_PROBE": str(self.probe),
            "NO_AT_BRIDGE": "1",
        }

    def end(self) -> None:
        """End it and its screen; what it said is in the log."""
        for process in (self.process, self.window_manager, self.screen):
            if process is not None:
                process.end()
        self.process = self.window_manager = self.screen = None

    @property
    def is_running(self) -> bool:
        """It has neither ended nor crashed."""
        return self.process is not None and self.process.popen.poll() is None

    def run(self, source: str, *, timeout_s: float = PATIENCE_S, **values: Any) -> Any:
        """Run Python in the editor.

        Args:
            source: Has all of the probe's ``tools.py``, and sets ``result`` to what JSON can hold.
            timeout_s: Fails after that.
            values: Its variables.
        """
        given = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout_s)
            probe.connect(str(self.probe))
            probe.sendall(f"{given}\n{source}".encode())
            probe.shutdown(socket.SHUT_WR)
            answer = json.loads(b"".join(iter(lambda: probe.recv(65536), b"")) or b"{}")
        if "result" not in answer:
            raise FailedInEditor(answer.get("error", "no answer: did the editor end?"))
        return answer["result"]

    def open_screen(self) -> None:
        """Have a screen and a window manager, and no editor yet."""
        size = f"{SCREEN[0]}x{SCREEN[1]}x24"
        xvfb = ["Xvfb", "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"]
        read = {"stdout": -1, "stderr": -3}  # PIPE, DEVNULL
        self.screen = self.place.start(xvfb, self.variables, **read)
        assert self.screen.popen.stdout is not None
        number = self.screen.popen.stdout.readline().strip()
        assert number, "Xvfb did not start"
        self.variables["DISPLAY"] = f":{number}"
        quiet = {"stdout": -3, "stderr": -3}
        self.window_manager = self.screen.beside(["openbox"], self.variables, **quiet)

    # Hands and eyes, for one with a window.

    def windows(self) -> list[Window]:
        """All that can be seen."""
        found = self._tool("xdotool", "search", "--onlyvisible", *self._window_filter()).split()
        return [window for window in map(self._describe, found) if window is not None]

    def window(self, title: str) -> Window:
        """The one whose title has ``title`` in it, once it is there."""

        def find() -> Window | None:
            return next((one for one in self.windows() if title in one.title), None)

        return wait_for(f"a window {title!r}", find)

    def activate(self, window: Window) -> None:
        """Give it the keys."""
        self._tool("xdotool", "windowactivate", window.id)
        wait_for(
            f"{window.title!r} to be active",
            lambda: self._tool("xdotool", "getactivewindow").strip() == window.id,
        )

    def key(self, *keys: str) -> None:
        """Press keys, one after the other."""
        self._tool("xdotool", "key", "--clearmodifiers", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self._tool("xdotool", "type", "--delay", "5", "--", text)

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Click on the screen."""
        self._tool("xdotool", "mousemove", str(x), str(y), "click", str(button))

    def move_away(self) -> None:
        """Put the mouse where it shows no tooltip."""
        self._tool("xdotool", "mousemove", str(SCREEN[0] - 1), str(SCREEN[1] - 1))

    def screenshot(self, path: Path, window: Window | None = None) -> Path:
        """Of the screen, or of one window with its frame cut off."""
        self._tool("import", "-window", "root" if window is None else window.id, str(path))
        return path

    def _window_filter(self) -> tuple[str, ...]:
        """What xdotool shall look for."""
        return ("--name", ".")

    def _describe(self, window_id: str) -> Window | None:
        title = self._tool("xdotool", "getwindowname", window_id).strip()
        shape = self._tool("xwininfo", "-id", window_id)
        values = dict(
            line.strip().split(":", 1) for line in shape.splitlines() if line.count(":") == 1
        )
        try:
            x, y = int(values["Absolute upper-left X"]), int(values["Absolute upper-left Y"])
            return Window(window_id, title, x, y, int(values["Width"]), int(values["Height"]))
        except KeyError:  # gone in the meantime
            return None

    def _tool(self, *command: str) -> str:
        assert self.screen is not None, "this editor has no window"
        read = {"stdout": -1, "stderr": -3}
        popen = self.screen.beside(command, self.variables, **read).popen
        return popen.communicate(timeout=PATIENCE_S)[0]
