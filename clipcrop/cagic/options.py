"""How CAGIC searches, as numbers; needs no PyTorch, so that mistakes are told at once."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError

STAND_IN = "stand-in"
"""How users ask for a stand-in, whatever weights there are."""


@dataclass(frozen=True, kw_only=True)
class CagicOptions:
    """How long and how widely to search."""

    steps: int = 100
    """Of gradient descent, for every restart."""

    restarts: int = 32
    """Crops that are moved at the same time."""

    seed: int = 0
    """Of the places where the restarts begin: the same seed gives the same crops."""

    aesthetic_weight: float = 0.5
    """Lambda: how much a point of the aesthetic score, from 0 to 1, is worth in nats of the caption
    loss."""

    annealed: float = 0.6
    """Share of the steps in which the scale follows its schedule, 0 to 1; 0 leaves it free, from a
    random one, all the time."""

    batch_size: int = 32
    """Restarts that the networks see at once; fewer need less memory and give the same crops."""

    def __post_init__(self) -> None:
        """Refuse what cannot be searched with."""
        for name, value, most in (
            ("number of steps", self.steps, 10_000),
            ("number of restarts", self.restarts, 4_096),
            ("batch size", self.batch_size, 4_096),
        ):
            if not 1 <= value <= most:
                raise InputError(f"no such {name}: {value}; choose from 1 to {most}")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"no such seed: {self.seed}; choose from 0 to {2**31 - 1}")
        if not 0 <= self.aesthetic_weight <= 1_000:
            raise InputError(
                f"no such aesthetic weight: {self.aesthetic_weight:g}; choose from 0 to 1000"
            )
        if not 0 <= self.annealed <= 1:
            raise InputError(f"no such annealed share: {self.annealed:g}; choose from 0 to 1")
