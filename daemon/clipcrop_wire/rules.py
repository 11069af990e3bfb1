"""What a field of a message may hold: a check, the way to and from msgpack, and words for it.

The words are those of PROTOCOL.md's tables; a test compares them.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

from .errors import MalformedMessage

_RULE = "rule"
_SHOWN_CHARS = 40

M = TypeVar("M", bound="Message")


class Rule(ABC):
    """What one field may hold."""

    words = ""
    """For people, as in PROTOCOL.md."""

    @abstractmethod
    def check(self, value: Any) -> bool:
        """Whether the Python value is allowed."""

    def pack(self, value: Any) -> Any:
        """Python -> what msgpack takes."""
        return value

    def unpack(self, raw: Any) -> Any:
        """What msgpack gave -> Python; `check` has the last word."""
        return raw


class Text(Rule):
    """A string that UTF-8 can carry."""

    def __init__(self, max_chars: int, pattern: str = "", min_chars: int = 0) -> None:
        self._max, self._min, self._pattern = max_chars, min_chars, pattern
        self.words = f"string, {min_chars} to {max_chars} characters"
        if pattern:
            self.words += f", `{pattern}`"

    def check(self, value: Any) -> bool:
        """A string of the right length, without halves of surrogate pairs."""
        if type(value) is not str or not self._min <= len(value) <= self._max:
            return False
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return False
        return not self._pattern or re.fullmatch(self._pattern, value) is not None


class Choice(Rule):
    """One of a few strings."""

    def __init__(self, *choices: str) -> None:
        self._choices = choices
        self.words = "string, " + " or ".join(f'"{choice}"' for choice in choices)

    def check(self, value: Any) -> bool:
        """One of them."""
        return type(value) is str and value in self._choices


class Whole(Rule):
    """An integer within limits."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.words = f"integer, {low} to {high}"

    def check(self, value: Any) -> bool:
        """An integer, and not a bool, which Python takes for one."""
        return type(value) is int and self._low <= value <= self._high


class Real(Rule):
    """A finite number within limits; integers are taken too."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.words = f"number, {low:g} to {high:g}"

    def check(self, value: Any) -> bool:
        """A finite number."""
        if type(value) not in (int, float):
            return False
        return math.isfinite(value) and self._low <= value <= self._high


class Flag(Rule):
    """True or false."""

    words = "boolean"

    def check(self, value: Any) -> bool:
        """A bool, not 0 or 1."""
        return type(value) is bool


class Octets(Rule):
    """So many bytes, msgpack's *bin*."""

    def __init__(self, length: int) -> None:
        self._length = length
        self.words = f"{length} bytes"

    def check(self, value: Any) -> bool:
        """Bytes of that length."""
        return type(value) is bytes and len(value) == self._length


class Maybe(Rule):
    """Nil, or what another rule says."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self.words = f"{rule.words}, or nil"

    def check(self, value: Any) -> bool:
        """Nil or allowed."""
        return value is None or self._rule.check(value)

    def pack(self, value: Any) -> Any:
        """Nil stays."""
        return None if value is None else self._rule.pack(value)

    def unpack(self, raw: Any) -> Any:
        """Nil stays."""
        return None if raw is None else self._rule.unpack(raw)


class Either(Rule):
    """What one or the other rule says; neither changes a value on its way."""

    def __init__(self, first: Rule, second: Rule) -> None:
        self._rules = (first, second)
        self.words = f"{first.words}; or {second.words}"

    def check(self, value: Any) -> bool:
        """Allowed by one of them."""
        return any(rule.check(value) for rule in self._rules)


class Several(Rule):
    """A tuple; an array on the wire."""

    def __init__(self, rule: Rule, max_items: int, min_items: int = 0) -> None:
        self._rule, self._max, self._min = rule, max_items, min_items
        many = str(max_items) if min_items == max_items else f"{min_items} to {max_items}"
        self.words = f"array of {many}: {rule.words}"

    def check(self, value: Any) -> bool:
        """A tuple of the right length of allowed items."""
        return (
            type(value) is tuple
            and self._min <= len(value) <= self._max
            and all(self._rule.check(item) for item in value)
        )

    def pack(self, value: Any) -> Any:
        """Tuple -> list."""
        return [self._rule.pack(item) for item in value]

    def unpack(self, raw: Any) -> Any:
        """List -> tuple."""
        if type(raw) is not list or len(raw) > self._max:
            raise MalformedMessage(f"not an array of at most {self._max}: {shown(raw)}")
        return tuple(self._rule.unpack(item) for item in raw)


class Table(Rule):
    """A map from short names to values."""

    def __init__(self, rule: Rule, max_items: int) -> None:
        self._name, self._rule, self._max = Text(64, min_chars=1), rule, max_items
        self.words = f"map of at most {max_items}: name to {rule.words}"

    def check(self, value: Any) -> bool:
        """A dict of names and allowed values."""
        return (
            type(value) is dict
            and len(value) <= self._max
            and all(self._name.check(key) for key in value)
            and all(self._rule.check(item) for item in value.values())
        )


class Nested(Rule):
    """Another message's fields, as a map."""

    def __init__(self, message: type[Message]) -> None:
        self._message = message
        self.words = f"map, see {message.__name__}"

    def check(self, value: Any) -> bool:
        """Of that class: its own checks have been made."""
        return type(value) is self._message

    def pack(self, value: Any) -> Any:
        """Dataclass -> map."""
        return value.to_map()

    def unpack(self, raw: Any) -> Any:
        """Map -> dataclass."""
        return self._message.from_map(raw)


class Message:
    """Base of what travels: a frozen dataclass whose fields carry their rules."""

    def __post_init__(self) -> None:
        """Refuse values out of their limits, on both sides."""
        for name, rule, _ in _fields(type(self)):
            value = getattr(self, name)
            if not rule.check(value):
                name = f"{type(self).__name__}.{name}"
                raise MalformedMessage(f"{name} is {shown(value)}; it must be {rule.words}")

    def to_map(self) -> dict[str, Any]:
        """As msgpack takes it."""
        return {name: rule.pack(getattr(self, name)) for name, rule, _ in _fields(type(self))}

    @classmethod
    def from_map(cls: type[M], raw: Any) -> M:
        """From what msgpack gave; fields that we don't know are a newer minor version's.

        Raises:
            MalformedMessage: a field is missing or holds what it must not.
        """
        if type(raw) is not dict:
            raise MalformedMessage(f"{cls.__name__} is {shown(raw)}; it must be a map")
        values = {}
        for name, rule, field in _fields(cls):
            if name in raw:
                values[name] = rule.unpack(raw[name])
            elif field.default is MISSING and field.default_factory is MISSING:
                raise MalformedMessage(f"{cls.__name__} lacks the field {name!r}")
        return cls(**values)


def rule(of: Rule) -> dict[str, Rule]:
    """A field's metadata: ``field(metadata=rule(Text(512)))``."""
    return {_RULE: of}


def rows(message: type[Message]) -> tuple[tuple[str, str, str], ...]:
    """Name, words and default of each field, as PROTOCOL.md lists them."""
    return tuple(
        (name, rule.words, _default_words(field)) for name, rule, field in _fields(message)
    )


def shown(value: Any) -> str:
    """A value for an error message; the user's own words and pixels stay out of logs."""
    if type(value) in (str, bytes, list, tuple, dict):
        return f"{type(value).__name__} of length {len(value)}"
    return repr(value)[:_SHOWN_CHARS]


_fields_of: dict[Any, tuple[tuple[str, Rule, Field[Any]], ...]] = {}


def _fields(message: Any) -> tuple[tuple[str, Rule, Field[Any]], ...]:
    """Name, rule and field; looked up once a class, since every message needs them."""
    if message not in _fields_of:
        _fields_of[message] = tuple(
            (field.name, field.metadata[_RULE], field) for field in fields(message)
        )
    return _fields_of[message]


def _default_words(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return "{}"
    if field.default is MISSING:
        return "required"
    default = field.metadata[_RULE].pack(field.default)
    words = {None: "nil", True: "true", False: "false"}
    if default is None or type(default) is bool:
        return words[default]
    return f'"{default}"' if type(default) is str else str(default)
