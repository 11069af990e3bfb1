"""What can go wrong in the daemon itself, before a client is there to be told.

    DaemonError
      x BadSetting        a value in the file, the environment or an option is of no use
      x AlreadyRunning    another daemon of this user holds the lock
      x FilesRemoved      a file without which it cannot be found was deleted
      x Flooded           more connections or memory than the limits allow
      x StartError        this machine or folder cannot be used
        + UnsafeFolder    others could write where our sockets or the key are
        + CannotPublish   a file beside the connection file cannot be written
        + CannotListen    no socket could be bound

A message says what is wrong, with what value, and what to do.
"""

from __future__ import annotations


class DaemonError(Exception):
    """Base of every error that this package raises on purpose."""


class BadSetting(DaemonError):
    """A value in the settings file, the environment or an option is of no use."""


class AlreadyRunning(DaemonError):
    """Another daemon of this user holds the lock."""


class FilesRemoved(DaemonError):
    """The lock, a socket or the connection file was deleted, or another one is in its place."""


class Flooded(DaemonError):
    """More connections are open, or more memory is taken, than the limits allow."""


class StartError(DaemonError):
    """This machine or folder cannot be used."""


class UnsafeFolder(StartError):
    """Others could write where our sockets or the key are."""


class CannotPublish(StartError):
    """A file beside the connection file cannot be written: disk full, read-only."""


class CannotListen(StartError):
    """No socket could be bound."""
