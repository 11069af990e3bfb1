"""What the user can set about the daemon: defaults < file < environment < option.

The file is ``daemon.toml`` in the system's folder for settings, with the names below as its keys. A
variable is ``CLIPCROP_DAEMON_`` and the name, such as ``CLIPCROP_DAEMON_IDLE_MINUTES``; only the
connection file is ``CLIPCROP_CONNECTION_FILE``, which clients read too. An option is
``--idle-minutes``.
"""

from __future__ import annotations

import logging
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from clipcrop_wire.endpoint import PATH_VARIABLE, default_path

from .errors import BadSetting

logger = logging.getLogger(__name__)

VARIABLE_PREFIX = "CLIPCROP_DAEMON_"

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Rule:
    """What a setting may be. The one place that knows its type."""

    needs: str
    """In words, for an error message."""

    is_fine: Callable[[Any], bool]
    """Of a value as it is kept."""

    of_text: Callable[[str], Any] = str
    """Text of a variable or an option -> value; raises ValueError or KeyError."""

    is_text: bool = True
    """In the file it is a string."""


def _text(needs: str, pattern: str) -> Rule:
    return Rule(needs, lambda value: type(value) is str and bool(re.fullmatch(pattern, value)))


def _whole(least: int, most: int) -> Rule:
    def is_fine(value: Any) -> bool:
        return type(value) is int and least <= value <= most

    return Rule(f"a whole number from {least} to {most}", is_fine, int, is_text=False)


def _real(least: float, most: float) -> Rule:
    def is_fine(value: Any) -> bool:
        is_number = type(value) in (int, float) and math.isfinite(value)
        return is_number and least <= value <= most

    return Rule(f"a number from {least:.0f} to {most:.0f}", is_fine, float, is_text=False)


def _file(*, is_optional: bool = False) -> Rule:
    def is_fine(value: Any) -> bool:
        if value is None:
            return is_optional
        return isinstance(value, Path) and value.is_absolute() and "\0" not in str(value)

    def of_text(text: str) -> Path:
        if not text:
            raise ValueError("an empty path would be the folder we are in")
        return Path(text)

    return Rule("the path of a file", is_fine, of_text)


def _means(sentence: str, rule: Rule) -> dict[str, Any]:
    """Metadata of a field; the sentence is its documentation and its option's help."""
    return {"sentence": sentence, "rule": rule}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of it, resolved."""

    model: str = field(
        default="auto",
        metadata=_means(
            'what "auto" in requests stands for: auto (owlvit when its weights are here, else '
            "lite), a name that `clipcrop models` lists, or a folder of weights",
            _text("the name of a model or a folder of weights", r"[^\0-\x1f]{1,4096}"),
        ),
    )
    device: str = field(
        default="auto",
        metadata=_means(
            "where the model runs: auto, cpu, cuda, cuda:N or mps",
            _text("auto, cpu, cuda, cuda:N or mps", "auto|cpu|mps|cuda(:[0-9]{1,3})?"),
        ),
    )
    threads: int = field(
        default=0,
        metadata=_means(
            "processor threads of the model; 0: half of the processors", _whole(0, 1024)
        ),
    )
    idle_minutes: float = field(
        default=10.0,
        metadata=_means(
            "the model's memory is given back after so long without a request; 0: never",
            _real(0, 525_600),
        ),
    )
    cache_mb: int = field(
        default=48, metadata=_means("memory for images already looked at", _whole(0, 1_000_000))
    )
    connection_file: Path = field(
        default_factory=lambda: default_path().absolute(),
        metadata=_means("where clients find the endpoints and the key", _file()),
    )
    log_file: Path | None = field(
        default=None,
        metadata=_means(
            "the rotating log; by default in the system's folder for logs", _file(is_optional=True)
        ),
    )
    log_level: str = field(
        default="INFO",
        metadata=_means(
            "DEBUG, INFO, WARNING or ERROR; DEBUG shows prompts",
            Rule(f"one of {', '.join(_LEVELS)}", lambda value: value in _LEVELS, str.upper),
        ),
    )

    def __post_init__(self) -> None:
        """Refuse what would only fail later, and less clearly."""
        for one in fields(self):
            value, rule = getattr(self, one.name), _rule(one)
            if not rule.is_fine(value):
                raise BadSetting(_refusal(one.name, value, rule))


def sentence_of(one: Field[Any]) -> str:
    """What a setting means, for people."""
    return str(one.metadata["sentence"])


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PATH_VARIABLE if name == "connection_file" else VARIABLE_PREFIX + name.upper()


def option_of(name: str) -> str:
    """The option of a setting."""
    return "--" + name.replace("_", "-")


def default_settings_file() -> Path:
    """Where the settings file is if no other is named; it may be missing."""
    import platformdirs  # slow to import, and not needed where a file is named

    return platformdirs.user_config_path("clipcrop", appauthor=False) / "daemon.toml"


def resolve(
    options: Mapping[str, str | None], environ: Mapping[str, str], file_path: Path | None = None
) -> Settings:
    """Settle every setting.

    Args:
        options: Name of a setting -> text, or None where the option was not given.
        environ: Such as `os.environ`; an empty variable counts as not set.
        file_path: A settings file, which must be there; None: the default one, if it is.

    Raises:
        BadSetting: a value is of no use; the message says where it comes from.
    """
    path = (file_path or default_settings_file()).absolute()
    in_file = _read_file(path, must_exist=file_path is not None)
    _warn_of_unknown(in_file, environ, path)
    values = {}
    for one in fields(Settings):
        option, variable = options.get(one.name), environ.get(variable_of(one.name))
        if option is not None:
            values[one.name] = _convert(one, option, f"option {option_of(one.name)}", Path.cwd())
        elif variable:
            called = f"variable {variable_of(one.name)}"
            values[one.name] = _convert(one, variable, called, Path.cwd())
        elif one.name in in_file:
            called = f"{one.name} in {path}"
            in_toml = in_file[one.name]
            if type(in_toml) is str and not _rule(one).is_text:
                raise BadSetting(_refusal(called, in_toml, _rule(one)))
            values[one.name] = _convert(one, in_toml, called, path.parent)
    return Settings(**values)


def _convert(one: Field[Any], raw: Any, called: str, folder: Path) -> Any:
    """Text or a value of the file -> value; a relative path starts in ``folder``."""
    rule = _rule(one)
    try:
        value = rule.of_text(raw) if type(raw) is str else raw
        if isinstance(value, Path):
            value = folder / value.expanduser()
        elif one.name == "model" and {"/", os.sep} & set(str(value)):
            value = str(folder / Path(value).expanduser())  # of weights; a name has none of these
    except (ValueError, KeyError, RuntimeError) as exc:  # the last: ~ of an unknown user
        raise BadSetting(_refusal(called, raw, rule)) from exc
    if value is None or not rule.is_fine(value):
        raise BadSetting(_refusal(called, raw, rule))
    return value


def _rule(one: Field[Any]) -> Rule:
    rule = one.metadata["rule"]
    assert isinstance(rule, Rule)
    return rule


def _refusal(called: str, value: Any, rule: Rule) -> str:
    return f"{called} is {value!r}; it must be {rule.needs}"


def _read_file(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except FileNotFoundError as exc:
        if must_exist:
            raise BadSetting(f"there is no settings file {path}; name one that is there") from exc
        return {}
    except OSError as exc:
        reason = exc.strerror or exc
        raise BadSetting(f"the settings file {path} cannot be read: {reason}") from exc
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        values: dict[str, Any] = toml.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as exc:  # TOMLDecodeError and UnicodeDecodeError
        raise BadSetting(f"the settings file {path} is not TOML: {exc}") from exc
    return values


def _warn_of_unknown(in_file: Mapping[str, Any], environ: Mapping[str, str], path: Path) -> None:
    """Tell of what means nothing to us: a newer release's setting, or a slip of the pen."""
    names = {one.name for one in fields(Settings)}
    for key in sorted(set(in_file) - names):
        logger.warning("setting.unknown key=%s file=%s", key, path)
    variables = {variable_of(name) for name in names}
    for variable in sorted(set(environ) - variables):
        if variable.startswith(VARIABLE_PREFIX):
            logger.warning("setting.unknown variable=%s", variable)
