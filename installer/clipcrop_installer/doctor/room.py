"""Room on the disk."""

from __future__ import annotations

import shutil

from .finding import Context, Finding

_ABOUT = "disk"
SCARCE_BYTES = 2_000_000_000
NO_ROOM_BYTES = 200_000_000


def check_room(context: Context) -> list[Finding]:
    """Enough for an upgrade, or at least for logs and settings."""
    folder = next(
        one for one in (context.places.data, *context.places.data.parents) if one.exists()
    )
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB are free in {folder}"
    if free < NO_ROOM_BYTES:
        return [Finding("problem", _ABOUT, text, "free some: settings cannot be kept without")]
    if free < SCARCE_BYTES:
        advice = "an upgrade or weights will not fit; free some before"
        return [Finding("warning", _ABOUT, text, advice)]
    return [Finding("ok", _ABOUT, text)]
