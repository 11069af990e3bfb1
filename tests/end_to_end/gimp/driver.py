"""Drives a real GIMP 3: with a window, its keys and its mouse, or without; and looks into it.

    with Gimp(place, folder, extra) as gimp:
        gimp.run("image = Gimp.Image.new(640, 480, Gimp.ImageBaseType.RGB)")
        assert gimp.run("result = len(Gimp.get_images())") == 1

`Gimp.run` runs Python inside GIMP through the plug-in ``clipcrop_probe``.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from place import Place, Process

START_S = 40.0
SCREEN = (1400, 900)
_HERE = Path(__file__).resolve().parent

T = TypeVar("T")


class FailedInGimp(AssertionError):
    """Python inside GIMP raised; the message is its traceback."""


def wait_for(what: str, find: Callable[[], T | None], timeout_s: float = 20.0) -> T:
    """Poll until there is something; fail with what was waited for."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = find()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
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


@lru_cache
def _version_in(root: Path) -> str:
    """Of the GIMP there; one that another version wrote its settings for greets the user."""
    process = Place(root, ()).start(["gimp-console", "--version"], {}, stdout=-1)
    said = process.popen.communicate(timeout=START_S)[0]
    return said.split()[-1]


class Gimp:
    """One running GIMP with a profile of its own."""

    def __init__(
        self,
        place: Place,
        folder: Path,
        plug_ins: Sequence[Path],
        variables: Mapping[str, str],
        *,
        has_window: bool = False,
        has_probe: bool = True,
        shortcuts: Mapping[str, str] | None = None,
    ) -> None:
        """Does not start it yet.

        Args:
            place: Where it runs; it must see ``folder``.
            folder: Holds the profile, the home, and the log.
            plug_ins: Folders to be linked into the profile.
            variables: Of GIMP's environment.
            has_window: On a screen of its own, which is there from `start` to `end`.
            has_probe: Whether `run` can be used, which makes GIMP's start slower.
            shortcuts: Name of a procedure -> key, such as "<Primary><Shift>F12".
        """
        self.place, self.folder, self.has_window = place, folder, has_window
        self.profile, self.home = folder / "profile", folder / "home"
        self.log = folder / "gimp.log"
        self.probe = folder / "probe"
        self.process: Process | None = None
        self.screen: Process | None = None
        self.window_manager: Process | None = None
        self.variables = {
            "HOME": str(self.home),
            "GIMP3_DIRECTORY": str(self.profile),
            "CLIPCROP_PROBE": str(self.probe),
            "NO_AT_BRIDGE": "1",
            "GSETTINGS_BACKEND": "memory",
            **variables,
        }
        probes = [_HERE / "clipcrop_probe"] if has_probe else []
        self._write_profile([*plug_ins, *probes], shortcuts or {})

    def __enter__(self) -> Gimp:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def start(self, *files: Path) -> float:
        """Start it, wait until it can be used; returns the seconds that took."""
        self.probe.unlink(missing_ok=True)
        started = time.monotonic()
        if self.has_window:
            self.open_screen()
            started = time.monotonic()
            command = ["gimp", "--new-instance", "--no-splash", *map(str, files)]
        else:
            command = ["gimp-console", "--no-interface", "--no-data", "--no-fonts"]
        with self.log.open("a") as log:
            streams = {"stdout": log, "stderr": log}
            if self.screen is None:
                self.process = self.place.start(command, self.variables, **streams)
            else:
                self.process = self.screen.beside(command, self.variables, **streams)
        wait_for("GIMP", self._is_ready, START_S)
        if self.has_window:
            wait_for("GIMP's window", self._find_main, START_S)
        return time.monotonic() - started

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

    def run(self, source: str, *, timeout_s: float = 60.0, **values: Any) -> Any:
        """Run Python in GIMP.

        Args:
            source: Has all of ``clipcrop_probe/tools.py``, and sets ``result`` to what JSON can
                hold.
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
            raise FailedInGimp(answer.get("error", "no answer: did GIMP end?"))
        return answer["result"]

    # Hands and eyes, for a GIMP with a window.

    def windows(self) -> list[Window]:
        """All that can be seen."""
        found = self._tool("xdotool", "search", "--onlyvisible", "--name", ".").split()
        return [window for window in map(self._describe, found) if window is not None]

    def window(self, title: str, timeout_s: float = 20.0) -> Window:
        """The one whose title has ``title`` in it, once it is there."""

        def find() -> Window | None:
            return next((one for one in self.windows() if title in one.title), None)

        return wait_for(f"a window {title!r}", find, timeout_s)

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

    def _find_main(self) -> bool:
        return any(
            "GNU Image Manipulation Program" in w.title or "GIMP" in w.title for w in self.windows()
        )

    def open_screen(self) -> None:
        """Have a screen and a window manager, and no GIMP yet."""
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

    def _tool(self, *command: str) -> str:
        assert self.screen is not None, "this GIMP has no window"
        read = {"stdout": -1, "stderr": -3}
        popen = self.screen.beside(command, self.variables, **read).popen
        return popen.communicate(timeout=20)[0]

    def _is_ready(self) -> bool:
        assert self.is_running, f"GIMP ended at its start:\n{self.log.read_text()[-2000:]}"
        try:
            return bool(self.run("result = True", timeout_s=5))
        except (OSError, FailedInGimp):
            return False

    def _write_profile(self, plug_ins: Sequence[Path], shortcuts: Mapping[str, str]) -> None:
        for folder in (self.home, self.profile / "plug-ins", self.profile / "core"):
            folder.mkdir(parents=True, exist_ok=True)
        for plug_in in plug_ins:
            (self.profile / "plug-ins" / plug_in.name).symlink_to(plug_in)
        root = self.place.root
        folders = [
            *root.glob("usr/lib/*/gimp/3.0/plug-ins"),
            *root.glob("usr/lib*/gimp/3.0/plug-ins"),
        ]
        inside = Path("/") / folders[0].relative_to(root)
        # Few of GIMP's own: starting is three times as fast.
        for name in ("python-eval", "file-png", "file-jpeg"):
            (self.profile / "core" / name).symlink_to(inside / name)
        (self.profile / "gimprc").write_text(
            f'(config-version "{_version_in(root)}")\n'
            "(show-welcome-dialog no)\n(check-updates no)\n(save-session-info no)\n"
            '(plug-in-path "${gimp_dir}/plug-ins:${gimp_dir}/core")\n'
        )
        actions = [f'(action "{name}" "{key}")\n' for name, key in shortcuts.items()]
        (self.profile / "shortcutsrc").write_text("(file-version 1)\n" + "".join(actions))
