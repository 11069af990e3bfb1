"""A word to systemd, when it started us and asks for one (``Type=notify``)."""

from __future__ import annotations

import logging
import os
import socket

logger = logging.getLogger(__name__)

_SEND_TIMEOUT_S = 0.5


def notify_ready(status: str = "waiting for requests") -> None:
    """Say that clients can connect."""
    notify(f"READY=1\nSTATUS={status}")


def notify_stopping(status: str = "stopping") -> None:
    """Say that we end on purpose."""
    notify(f"STOPPING=1\nSTATUS={status}")


def notify(state: str) -> None:
    """Send lines of ``NAME=value``, as sd_notify(3) does. Does nothing elsewhere; never raises."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return
    address = "\0" + path[1:] if path.startswith("@") else path  # "@": Linux's abstract names
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SEND_TIMEOUT_S)
            sender.sendto(state.encode("utf-8", "replace"), address)
    except (OSError, ValueError) as exc:  # we can do without
        logger.debug("systemd.unreachable reason=%r", exc)
