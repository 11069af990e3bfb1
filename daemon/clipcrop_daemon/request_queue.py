"""Requests that wait for the model; clients take turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from clipcrop_wire.errors import Unavailable
from clipcrop_wire.protocol import Request

from .sessions import Peer

MAX_QUEUED = 64
MAX_IN_FLIGHT = 2
"""Of one client, running ones counted."""

MAX_QUEUED_BYTES = 192 * 1024 * 1024
"""Of pixels; three messages of the largest size."""


@dataclass(eq=False)
class Job:
    """A request that needs the model."""

    peer: Peer
    request: Request
    arrived_s: float
    deadline_s: float
    """On the same clock; after it the client no longer waits."""

    @property
    def id(self) -> str:
        """The client's name for it."""
        return self.request.id

    @property
    def num_bytes(self) -> int:
        """Of its pixels."""
        return sum(part.nbytes for part in self.request.pixels)


class RequestQueue:
    """Jobs that wait, one row for each client."""

    def __init__(self) -> None:
        self._rows: dict[Peer, deque[Job]] = {}  # in the order in which clients get their turn

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def __iter__(self) -> Iterator[Job]:
        for row in self._rows.values():
            yield from row

    def check_room(self, job: Job, running: Job | None) -> None:
        """Whether one more can wait.

        Raises:
            Unavailable: too many, of this client or of all, or too many pixels.
        """
        theirs = len(self._rows.get(job.peer, ())) + (
            running is not None and running.peer == job.peer
        )
        if theirs >= MAX_IN_FLIGHT:
            raise Unavailable(
                f"{theirs} requests of this client are on their way; wait for one of them"
            )
        num_bytes = job.num_bytes + sum(waiting.num_bytes for waiting in self)
        if len(self) >= MAX_QUEUED or num_bytes > MAX_QUEUED_BYTES:
            raise Unavailable(f"the queue is full ({len(self)} requests); try again in a moment")

    def add(self, job: Job) -> None:
        """Put a job at the end of its client's row."""
        self._rows.setdefault(job.peer, deque()).append(job)

    def take(self) -> Job | None:
        """The next job; its client goes to the end of the clients."""
        if not self._rows:
            return None
        peer = next(iter(self._rows))
        row = self._rows.pop(peer)
        job = row.popleft()
        if row:
            self._rows[peer] = row
        return job

    def remove(self, request_id: str) -> Job | None:
        """Take one out by its id, of any client."""
        for job in self:
            if job.id == request_id:
                row = self._rows[job.peer]
                row.remove(job)
                if not row:
                    del self._rows[job.peer]
                return job
        return None

    def next_deadline_s(self) -> float | None:
        """The earliest deadline; None when the queue is empty."""
        return min((job.deadline_s for job in self), default=None)
