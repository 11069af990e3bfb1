"""What the plug-in itself refuses; the text of each is the user's sentence, translated.

    PluginError
      + BadChoice         the user wrote something that cannot be
      + NothingToCrop     there are no pixels there
      + NotStarted        the daemon could not be started
      + DaemonLost        the daemon ended while it was working for us

What goes wrong on the way to the daemon is `clipcrop_wire.errors`; `messages` has a sentence for
either kind.
"""

from __future__ import annotations


class PluginError(Exception):
    """Base of every error that this package raises on purpose."""


class BadChoice(PluginError):
    """The user wrote something that cannot be."""

    def __init__(self, field: str, sentence: str) -> None:
        """Remember which of `Choices`' fields it is, so that a shell can point at it."""
        super().__init__(sentence)
        self.field = field


class NothingToCrop(PluginError):
    """There are no pixels there."""


class NotStarted(PluginError):
    """The daemon could not be started."""


class DaemonLost(PluginError):
    """The daemon ended while it was working for us."""
