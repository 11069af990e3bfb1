"""What the user can set about the daemon: defaults < file < environment < option."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from clipcrop_wire.endpoint import default_path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of it, resolved."""

    model: str = "auto"
    """What "auto" in requests stands for: auto (owlvit when its weights are here, else lite), a
    name that ``clipcrop models`` lists, or a folder of weights."""

    device: str = "auto"
    """Where the model runs: auto, cpu, cuda, cuda:1 or mps."""

    threads: int = 0
    """Processor threads of the model; 0: as many as PyTorch likes."""

    idle_minutes: float = 10.0
    """The model's memory is given back after so long without a request; 0: never."""

    cache_mb: int = 256
    """Memory for images already looked at."""

    tcp: bool = sys.platform == "win32"
    """Listen on 127.0.0.1, too; always so where there are no unix sockets."""

    connection_file: Path = field(default_factory=default_path)
    """Where clients find the endpoints and the key."""

    log_file: Path | None = None
    """The rotating log; by default in the system's folder for logs."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR; DEBUG shows prompts."""
