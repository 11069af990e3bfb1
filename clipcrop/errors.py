"""What can go wrong in the library.

    ClipCropError
      x InputError (also ValueError)    the caller can fix it
        + EmptyPrompt
        + InvalidImage
      x CheckpointError                 weights are missing, damaged or of another kind
      x NotInstalled                    an optional part of the distribution is missing
      x LanguageModelMissing            spaCy's English pipeline is not installed
      x DeviceError                     no such device
        + OutOfMemory                   the device's memory is full
      x WorkerDied                      a worker process ended in the middle of its work
      x DaemonUnavailable               the daemon, asked to answer, is not running or cannot

A message says what is wrong, with what value, and what to do.
"""


class ClipCropError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(ClipCropError, ValueError):
    """What the caller asked for cannot be done; the message says what can."""


class EmptyPrompt(InputError):
    """A prompt that has something in it, but no word."""


class InvalidImage(InputError):
    """The file or image cannot be read as a picture."""


class CheckpointError(ClipCropError):
    """Weights are missing, damaged, or made for another model."""


class NotInstalled(ClipCropError):
    """An optional part of the distribution is needed; the message says how to get it."""


class LanguageModelMissing(ClipCropError):
    """spaCy's English pipeline, which finds the keywords of a prompt, is not installed."""


class DeviceError(ClipCropError):
    """The device does not exist on this machine, or has too little memory."""


class OutOfMemory(DeviceError):
    """The device's memory is full."""


class WorkerDied(ClipCropError):
    """A worker process ended in the middle of its work, killed for its memory say."""


class DaemonUnavailable(ClipCropError):
    """The daemon that was to answer is not running, did not answer in time, or cannot do it."""
