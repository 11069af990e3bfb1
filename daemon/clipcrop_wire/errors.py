"""What can go wrong between a client and the daemon.

    WireError
      x TransportError                  the bytes did not get there
        + DaemonNotRunning
        + BadConnectionFile
        + RequestTimeout
      x ProtocolError                   the bytes broke the contract
        + VersionMismatch
        + MalformedMessage
        + NotAuthentic
      x RequestError                    the daemon understood, and declined        code on the wire
        + InvalidRequest                the user can fix it: the prompt, the image  invalid_request
        + UnknownImage                  send the pixels                             unknown_image
        + Unavailable                   the machine can fix it: weights, memory     unavailable
        + Cancelled                     the client asked to stop                    cancelled
        + InternalError                 we must fix it: a bug                       internal

A message says what is wrong, with what value, and what to do.
"""

from __future__ import annotations


class WireError(Exception):
    """Base of every error that this package raises on purpose."""


class TransportError(WireError):
    """The bytes did not get there, or none came back."""


class DaemonNotRunning(TransportError):
    """No daemon listens, or the connection to it was lost."""


class BadConnectionFile(TransportError):
    """The connection file is damaged, or others than the user could have written or read it."""


class RequestTimeout(TransportError):
    """The answer did not come before the caller's deadline."""


class ProtocolError(WireError):
    """The other side does not keep to PROTOCOL.md; the connection is of no more use."""


class VersionMismatch(ProtocolError):
    """The other side speaks another major version."""


class MalformedMessage(ProtocolError):
    """A message is not built as PROTOCOL.md says, or a value in it is out of its limits."""

    request_id = ""
    """Of the message, if it could be read that far: an answer can be given."""

    kind = ""
    """Of the message, likewise."""


class NotAuthentic(ProtocolError):
    """Made without the key, or not for this place in this conversation."""


class RequestError(WireError):
    """The daemon understood the request and declined it."""

    code = "error"


class InvalidRequest(RequestError):
    """The user can fix it: the prompt, the image, a constraint."""

    code = "invalid_request"


class UnknownImage(RequestError):
    """The daemon does not hold the pixels that the request refers to; send them."""

    code = "unknown_image"


class Unavailable(RequestError):
    """The machine cannot do it now: weights are missing, memory or the queue is full."""

    code = "unavailable"


class Cancelled(RequestError):
    """The client asked to stop, or its time ran out before the work was done."""

    code = "cancelled"


class InternalError(RequestError):
    """A bug of the daemon; its log has the request's id."""

    code = "internal"


ERROR_CODES: dict[str, type[RequestError]] = {
    error.code: error
    for error in (InvalidRequest, UnknownImage, Unavailable, Cancelled, InternalError)
}
"""Code on the wire -> what the client raises; an unknown code raises `RequestError` itself."""
