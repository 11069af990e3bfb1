"""What the model process is told at its start, on its command line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """The part of the settings that concerns the model."""

    model: str = "auto"
    """See `settings.Settings`, here and for the next two."""

    device: str = "auto"
    threads: int = 0
    cache_bytes: int = 48 * 2**20
    """Memory for images already looked at."""

    log_level: str = "INFO"
    pixels_descriptor: int = -1
    """Of the shared memory for pixels; -1: they come through the pipe."""

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerOptions:
        """From the command line."""
        return cls(**json.loads(text))
