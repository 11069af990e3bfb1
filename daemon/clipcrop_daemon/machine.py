"""What this program takes of the machine: memory, and files for connections."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

MAX_CONNECTIONS = 4096
"""With more the daemon ends, before there are no more files to be had; see `max_connections`."""


def resident_bytes(pids: Sequence[int]) -> int:
    """Memory of processes; those that are gone count nothing."""
    total = 0
    with contextlib.suppress(OSError):  # no more files are to be had
        import psutil  # not needed before a client connects

        for pid in pids:
            with contextlib.suppress(psutil.Error):
                total += psutil.Process(pid).memory_info().rss
    return total


def max_connections() -> int:
    """Half of the files that we may open, after asking for enough."""
    if sys.platform == "win32":  # no such limit
        return MAX_CONNECTIONS
    import resource

    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS
    if limit != resource.RLIM_INFINITY and limit < wanted:
        limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_CONNECTIONS if limit == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, limit // 2)
