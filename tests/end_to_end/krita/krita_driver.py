"""Drives a real Krita with its keys and its mouse, and looks into it.

    krita = Krita(place, folder, template, shells)
    krita.start(photo)
    assert krita.run("result = selection()") is None

Hands, eyes and `run` are any `Editor`'s; `run` goes through ``krita_probe``.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from editor import PATIENCE_S, SCREEN, Editor, FailedInEditor, Window, wait_for
from place import Place

_TITLE_PX = 24
_HERE = Path(__file__).resolve().parent


class Krita(Editor):
    """One running Krita with a profile of its own."""

    def __init__(
        self,
        place: Place,
        folder: Path,
        shells: Sequence[Path],
        variables: Mapping[str, str],
        *,
        template: Path | None = None,
        switched_on: Sequence[str] = ("clipcrop_krita",),
        shortcuts: Mapping[str, str] | None = None,
        language: str = "",
    ) -> None:
        """Does not start it yet.

        Args:
            place: Where it runs; it must see ``folder``.
            folder: Holds the profile, the home, and the log.
            shells: Folders with what goes into ``pykrita`` and ``actions`` of the profile.
            variables: Of Krita's environment.
            template: Profile of an earlier run: Krita then need not make its resources anew.
            switched_on: Plug-ins.
            shortcuts: Name of an action -> key.
            language: That Krita is set to, as in its menu; else it takes the system's.
        """
        super().__init__(place, folder)
        self.variables |= {
            "XDG_CONFIG_HOME": str(self.profile / "config"),
            "XDG_DATA_HOME": str(self.profile / "data"),
            "XDG_CACHE_HOME": str(self.profile / "cache"),
            "XDG_RUNTIME_DIR": str(self.home),
            "QT_QPA_PLATFORM": "xcb",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            **variables,
        }
        if template is not None:
            shutil.copytree(template, self.profile, symlinks=True)
        self.home.mkdir(parents=True)
        self.home.chmod(0o700)
        self._fill_profile([*shells, _HERE / "krita_probe"], switched_on, shortcuts or {})
        if language:
            chosen = self.profile / "config" / "klanguageoverridesrc"
            chosen.write_text(f"[Language]\nkrita={language}\n")

    def start(self, *files: Path) -> float:
        """Start it, wait until it can be used; returns the seconds that took."""
        self.probe.unlink(missing_ok=True)
        if self.screen is None:
            self.open_screen()
        started = time.monotonic()
        command = ["krita", "--nosplash", *map(str, files)]
        with self.log.open("a") as log:
            assert self.screen is not None
            self.process = self.screen.beside(command, self.variables, stdout=log, stderr=log)
        wait_for("Krita", self._is_ready)
        seconds = time.monotonic() - started
        if files:
            wait_for("the image", self._shows_image)
        return seconds

    def quit(self) -> float:
        """End it as a user does, without saving; returns the seconds that took."""
        assert self.process is not None
        started = time.monotonic()
        self.run(
            "for one in app.documents():\n    one.setModified(False)\n"
            "QTimer.singleShot(0, app.action('file_quit').trigger)"
        )
        self.process.popen.wait(PATIENCE_S)
        return time.monotonic() - started

    def switch(self, name: str, *, is_on: bool) -> None:
        """Switch a plug-in on or off, for the next start."""
        kritarc = self.profile / "config" / "kritarc"
        values = ["false", "true"]
        old, new = (f"enable_{name}={value}\n" for value in (values[not is_on], values[is_on]))
        before = kritarc.read_text()
        assert old in before, f"{name} was not {values[not is_on]}"
        kritarc.write_text(before.replace(old, new))

    @property
    def failures(self) -> list[str]:
        """Exceptions that left a slot inside Krita."""
        return list(self.run("result = failures"))

    def click_on(self, name: str, button: int = 1) -> None:
        """Click on a widget of the docker, which is scrolled to it."""
        self.click(*self.run("result = place(name)", name=name), button=button)

    def show_docker(self) -> None:
        """Bring it to the front, and wait until it can be used."""
        self.run("docker().setVisible(True); docker().raise_()")
        wait_for("the docker", lambda: self.run("result = docker().isVisible()"))

    def focus_window(self) -> None:
        """Give Krita's main window the keys."""
        main = wait_for("Krita's window", self._main_window)
        self._tool("xdotool", "windowmove", main.id, "0", "0")
        self._tool("xdotool", "windowsize", main.id, str(SCREEN[0]), str(SCREEN[1] - _TITLE_PX))
        self.activate(main)

    def _window_filter(self) -> tuple[str, ...]:
        return ("--class", "krita")  # titles have a dash that xdotool does not find

    def _main_window(self) -> Window | None:
        large = [one for one in self.windows() if one.width > 600 and one.height > 400]
        return max(large, key=lambda one: one.width * one.height, default=None)

    def _shows_image(self) -> bool:
        return bool(self.run("result = doc() is not None and app.activeWindow() is not None"))

    def _is_ready(self) -> bool:
        assert self.is_running, f"Krita ended at its start:\n{self.log.read_text()[-2000:]}"
        try:
            return bool(self.run("result = bool(has_window)"))
        except (OSError, FailedInEditor):
            return False

    def _fill_profile(
        self, shells: Sequence[Path], switched_on: Sequence[str], shortcuts: Mapping[str, str]
    ) -> None:
        data, config = self.profile / "data" / "krita", self.profile / "config"
        config.mkdir(parents=True, exist_ok=True)
        for name in ("pykrita", "actions"):
            shutil.rmtree(data / name, ignore_errors=True)
            (data / name).mkdir(parents=True)
        for shell in shells:
            for one in shell.iterdir():
                if one.suffix == ".action":
                    shutil.copy(one, data / "actions")
                elif one.suffix == ".desktop":
                    shutil.copy(one, data / "pykrita")
                elif one.is_dir():
                    (data / "pykrita" / one.name).symlink_to(one)
        enabled = [f"enable_{name}=true\n" for name in ("clipcrop_probe", *switched_on)]
        (config / "kritarc").write_text(
            "canvasState=OPENGL_FAILED\nHideSplashScreen=true\nFirstRun=false\n"
            "hideWelcomeScreen=true\nAutoSaveInterval=0\n\n[python]\n" + "".join(enabled)
        )
        keys = [f"{name}={key}\n" for name, key in shortcuts.items()]
        (config / "kritashortcutsrc").write_text("[Shortcuts]\n" + "".join(keys))
