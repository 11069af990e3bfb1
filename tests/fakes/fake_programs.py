"""Stands for venv, pip, systemd and ClipCrop's own programs, under the installer.

It writes what they would write, only less of it; with the real signatures of `process.Runner` and
`process.Starter`. What the world beside the installer knows (a running daemon, say) is in a folder,
so that it outlives a process that is killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PACKAGES = ("clipcrop", "clipcrop_daemon", "clipcrop_installer", "clipcrop_plugin", "clipcrop_wire")
ANSWER = {"suggestions": [{"box_px": [10, 20, 310, 220]}], "matched": [], "kind": "match"}


class FakePrograms:
    """Runs and starts programs.

    Args:
        folder: Of what outlives a process.
        release: Written into every file that is "installed".
        failing: Part of a command -> the exit code and last line with which that command ends.
    """

    def __init__(
        self,
        folder: Path,
        release: str = "1",
        failing: Mapping[str, tuple[int, str]] | None = None,
    ) -> None:
        self.folder, self.release, self.failing = folder, release, failing or {}
        self.commands: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def commands_with(self, words: str) -> list[str]:
        """Those that were run and have these words."""
        return [one for one in self.commands if words in one]

    @property
    def daemon(self) -> Path:
        """Names the program of the running daemon; not there: none runs."""
        return self.folder / "daemon"

    def __call__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> int:
        words = [str(word) for word in command]
        self.commands.append(" ".join(words))
        if "pip" in words and "PIP_CACHE_DIR" in variables:
            cache = Path(variables["PIP_CACHE_DIR"])
            cache.mkdir(exist_ok=True)
            (cache / "a package").write_text("as it was downloaded")
        for part, (code, line) in self.failing.items():
            if part in self.commands[-1]:
                on_line(line)
                return code
        program, arguments = Path(words[0]), [word for word in words[1:] if word != "-I"]
        if arguments[:2] == ["-m", "venv"]:
            self._make_venv(Path(words[-1]))
        elif arguments[:3] == ["-m", "pip", "install"]:
            if not arguments[-1].startswith(("pip", "torch")):
                self._install(program.parent.parent)
        elif arguments[:1] == ["-c"]:
            site = program.parent.parent / "lib" / "site-packages"
            on_line(json.dumps({name: str(site / name) for name in arguments[2:]}))
        elif arguments[:1] == ["suggest"]:
            on_line(json.dumps(ANSWER))
        elif program.name == "clipcrop-daemon":
            return self._daemon(arguments[0], variables, on_line)
        elif program.name == "systemctl":
            return 1  # this machine has no systemd
        else:
            raise AssertionError(f"nobody knows {words}")
        return 0

    def start(
        self, command: Sequence[str | Path], *, folder: Path, variables: Mapping[str, str]
    ) -> None:
        """The daemon leaves what the real one leaves."""
        self.commands.append(" ".join(map(str, command)))
        connection = Path(variables["CLIPCROP_CONNECTION_FILE"])
        connection.with_name("sockets").mkdir(exist_ok=True)
        connection.with_name(connection.name + ".lock").touch()
        connection.write_text("{}")
        self.daemon.write_text(str(command[0]))

    def _make_venv(self, folder: Path) -> None:
        for name in ("bin", "lib/site-packages"):
            (folder / name).mkdir(parents=True)
        (folder / "bin" / "python").write_text("")

    def _install(self, folder: Path) -> None:
        site = folder / "lib" / "site-packages"
        shells = "clipcrop_installer/_shells"
        names = [f"{package}/__init__.py" for package in (*PACKAGES, "msgpack")]
        names += ["msgpack/fallback.py", "msgpack/_cmsgpack.so", "clipcrop_plugin/config.py"]
        names += [f"{shells}/gimp/clipcrop_gimp/{name}" for name in ("clipcrop_gimp.py", "a/b.py")]
        names += [f"{shells}/krita/clipcrop_krita/{name}" for name in ("__init__.py", "panel.py")]
        names += [f"{shells}/krita/clipcrop_krita.{end}" for end in ("desktop", "action")]
        if self.release == "1":
            names.append(f"{shells}/krita/clipcrop_krita/only_in_1.py")
        for name in names:
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            # Some files differ from release to release, some do not.
            text = name if "fallback" in name else f"{name} of release {self.release}"
            (site / name).write_text(text)
        for program in ("clipcrop", "clipcrop-daemon", "clipcrop-setup"):
            (folder / "bin" / program).write_text("")

    def _daemon(
        self, command: str, variables: Mapping[str, str], on_line: Callable[[str], None]
    ) -> int:
        if not self.daemon.exists():
            on_line("error: no daemon")
            return 1
        if command == "stop":
            self.daemon.unlink()
            Path(variables["CLIPCROP_CONNECTION_FILE"]).unlink(missing_ok=True)
        return 0
