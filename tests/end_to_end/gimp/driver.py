"""Drives a real GIMP 3: with a window, its keys and its mouse, or without; and looks into it.

    with Gimp(place, folder, extra) as gimp:
        gimp.run("image = Gimp.Image.new(640, 480, Gimp.ImageBaseType.RGB)")
        assert gimp.run("result = len(Gimp.get_images())") == 1

`Gimp.run` runs Python inside GIMP through the plug-in ``clipcrop_probe``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from editor import PATIENCE_S, SCREEN, Editor, FailedInEditor, Window, wait_for
from place import Place, Process

__all__ = ["SCREEN", "FailedInGimp", "Gimp", "Process", "Window", "wait_for"]

_HERE = Path(__file__).resolve().parent

FailedInGimp = FailedInEditor


@lru_cache
def _version_in(root: Path) -> str:
    """Of the GIMP there; one that another version wrote its settings for greets the user."""
    process = Place(root, ()).start(["gimp-console", "--version"], {}, stdout=-1)
    said = process.popen.communicate(timeout=PATIENCE_S)[0]
    return said.split()[-1]


class Gimp(Editor):
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
        super().__init__(place, folder)
        self.has_window = has_window
        self.variables |= {
            "GIMP3_DIRECTORY": str(self.profile),
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
        wait_for("GIMP", self._is_ready)
        if self.has_window:
            wait_for("GIMP's window", self._find_main)
        return time.monotonic() - started

    def _find_main(self) -> bool:
        return any(
            "GNU Image Manipulation Program" in w.title or "GIMP" in w.title for w in self.windows()
        )

    def _is_ready(self) -> bool:
        assert self.is_running, f"GIMP ended at its start:\n{self.log.read_text()[-2000:]}"
        try:
            return bool(self.run("result = True"))
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
