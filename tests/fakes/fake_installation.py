"""An installation for the doctor: a real home, and programs that say what they are told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipcrop_installer.disk import Disk, sha256_of
from clipcrop_installer.doctor_checks import Inspected
from clipcrop_installer.machine import Machine, places
from clipcrop_installer.manifest import Manifest, ManifestEntry
from clipcrop_installer.plan import Context
from clipcrop_installer.programs import Environment

VERSIONS = {
    "python": "3.12.1",
    "clipcrop-desktop": "1.2.3",
    "pyzmq": "27.1.0",
    "torch": "2.13.0",
    "transformers": "5.20.2",
    "clipcrop": None,
}
DEVICE: dict[str, Any] = {
    "torch": "2.13.0",
    "cuda_build": None,
    "devices": [],
    "has_mps": False,
    "warnings": [],
}
STATUS: dict[str, Any] = {"version": "1.2.3", "state": "idle", "loaded": ["lite"], "device": "cpu"}
LITE: dict[str, Any] = {
    "name": "lite",
    "size_bytes": 12e6,
    "problems": [],
    "proof": "structure",
    "proof_text": "whole",
}


@dataclass
class FakeInstallation:
    """Everything is well with it until a test changes something."""

    home: Path
    platform: str = "linux"
    variables: dict[str, str] = field(default_factory=lambda: {"PATH": ""})
    answers: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    """Words of a command -> exit code and lines; the first that fits counts."""

    def __post_init__(self) -> None:
        self.disk = Disk()
        self.manifest = Manifest(self.home / "manifest.json", self.disk)
        self.manifest.version = "1.2.3"
        self.python = self.home / "environment" / "bin" / "python"
        self.python.parent.mkdir(parents=True)
        self.python.touch()
        self.manifest.values["python"] = str(self.python)
        self.answers |= {
            "importlib.metadata": (0, [json.dumps(VERSIONS)]),
            "import torch": (0, [json.dumps(DEVICE)]),
            "models verify": (0, [json.dumps(LITE)]),
            "clipcrop-daemon status": (0, [json.dumps(STATUS)]),
            "systemctl --user show": (0, ["Version=252"]),
            "systemctl --user is-enabled": (0, ["enabled"]),
            "systemctl --user is-active": (0, ["active"]),
        }

    @property
    def machine(self) -> Machine:
        return Machine(
            self.platform,
            self.home,
            self.variables,
            lambda path: self.disk.names_in(Path(path)),
            lambda path: self.disk.read(Path(path)),
        )

    @property
    def inspected(self) -> Inspected:
        context = Context(self.machine, self.disk, self.run, say=lambda line: None)
        environment = Environment(self.python, self.platform) if self.python.exists() else None
        return Inspected(context, places(self.machine), self.manifest, environment)

    def run(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> int:
        line = " ".join(str(part) for part in command)
        for words, (code, said) in self.answers.items():
            if words in line:
                for one in said:
                    on_line(one)
                return code
        raise FileNotFoundError(2, "No such file or directory", str(command[0]))

    def says(self, words: str, values: Any, code: int = 0) -> None:
        """Have a program answer with JSON."""
        self.answers[words] = (code, [json.dumps(values)])

    def put(self, step: str, path: Path, content: bytes = b"x", mode: int = 0o644) -> Path:
        """A file that a step has installed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        item = ManifestEntry(kind="file", path=str(path), step=step, hashes=(sha256_of(content),))
        self.manifest.begin([item])
        self.manifest.finish([item])
        return path
