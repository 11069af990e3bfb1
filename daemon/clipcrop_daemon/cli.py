"""The command line: ``clipcrop-daemon run | status | ping | warm | unload | stop``.

It parses, calls, prints and picks the exit code: 0 done, 1 no daemon answers or it cannot, 2 the
request or a setting is of no use, 70 a bug.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcrop_wire.client import Client
from clipcrop_wire.endpoint import read_connection_file
from clipcrop_wire.errors import InvalidRequest, RequestError, VersionMismatch, WireError
from clipcrop_wire.messages import Progress, StatusReply

from . import __version__
from .errors import AlreadyRunning, BadSetting, DaemonError
from .logs import Log
from .settings import Settings, option_of, resolve, sentence_of, variable_of
from .systemd import notify_ready

if TYPE_CHECKING:
    from .instance import Instance

logger = logging.getLogger(__name__)

EXIT_NO_ANSWER = 1
EXIT_BAD_REQUEST = 2
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

START_PATIENCE_S = 5.0
"""How long `run` waits for another daemon that is just starting or stopping."""

STOP_PATIENCE_S = 10.0
"""How long `stop` waits until the daemon is gone."""

_POLL_S = 0.05
_PING_TIMEOUT_S = 2.0
_NAME = "clipcrop-daemon"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    with Log() as log:
        try:
            exit_code: int = options.run(options, log)
        except (DaemonError, WireError) as exc:
            if log.path is not None:  # at login standard error is not read
                logger.error("daemon.failed reason=%s", exc)
            return _show_error(exc, as_json=options.json)
        except BrokenPipeError:
            # The reader of the pipe has closed it; without this Python reports it again at exit.
            sys.stdout = None
            return 0
        except KeyboardInterrupt:
            _print_status("stopped")
            return EXIT_INTERRUPTED
        except Exception:
            logger.exception("command.failed version=%s", __version__)
            place = log.path or "standard error"
            _print_status(f"error: that is a bug in clipcrop; please report the lines in {place}")
            return EXIT_BUG
    return exit_code


def claim_or_find(
    settings: Settings, patience_s: float = START_PATIENCE_S
) -> Instance | StatusReply:
    """Become the one daemon; or what another one says of itself.

    Raises:
        AlreadyRunning: another one is there, and says nothing for ``patience_s``.
        VersionMismatch: another one is there, and is of another version.
        DaemonError: this one cannot start.
    """
    from .instance import claim  # locks are for `run` and `stop` only, and take time to import

    until = time.monotonic() + patience_s
    while True:
        try:
            return claim(settings)
        except AlreadyRunning as exc:
            claimed = exc
        try:
            with Client(settings.connection_file, f"{_NAME} run") as client:
                status = client.status(_PING_TIMEOUT_S)
            if status.state != "stopping":
                return status
            silence = "it has been stopping for too long"
        except VersionMismatch:
            raise
        except WireError as exc:  # it has just started, or is stuck
            silence = str(exc)
        if time.monotonic() >= until:
            raise AlreadyRunning(f"{claimed}, but gives no answer ({silence}); end that process")
        time.sleep(_POLL_S)


def wait_until_gone(connection_file: Path, session: str, patience_s: float) -> bool:
    """Whether the daemon of that session ends in time."""
    from .instance import is_claimed

    until = time.monotonic() + patience_s
    while True:
        has_heir = _session(connection_file) not in ("", session)
        if has_heir or not is_claimed(connection_file):
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_S)


def _run(options: argparse.Namespace, log: Log) -> int:
    settings = _settings(options)
    log.open(settings)
    found = claim_or_find(settings)
    if isinstance(found, StatusReply):
        sentence = f"already running: process {found.pid}, {found.state}"
        notify_ready(sentence)  # else systemd takes a good end for a failed start
        _show(options, {"is_new": False, **asdict(found)}, sentence)
        return 0
    from .server import serve  # only this command needs libzmq

    with found as instance:
        serve(settings, instance)
    return 0


def _ping(options: argparse.Namespace, log: Log) -> int:
    with _client(options) as client:
        start = time.perf_counter()
        client.ping()
        first_ms = 1e3 * (time.perf_counter() - start)
        start = time.perf_counter()
        client.ping()
        ms = 1e3 * (time.perf_counter() - start)
    sentence = f"answers in {ms:.1f} ms; the first answer, with connecting, took {first_ms:.1f} ms"
    _show(options, {"ms": ms, "first_ms": first_ms}, sentence)
    return 0


def _status(options: argparse.Namespace, log: Log) -> int:
    with _client(options) as client:
        status = client.status()
    _show(options, asdict(status), _table(status))
    return 0


def _warm(options: argparse.Namespace, log: Log) -> int:
    with _client(options) as client:
        reply = client.warm(
            options.model, timeout_s=options.timeout, on_progress=_progress_printer()
        )
    lines = [f"{reply.model} is ready on {reply.device}, after {reply.seconds:.1f} s", *reply.notes]
    _show(options, asdict(reply), "\n".join(lines))
    return 0


def _unload(options: argparse.Namespace, log: Log) -> int:
    with _client(options) as client:
        reply = client.unload()
    _show(options, asdict(reply), f"unloaded {', '.join(reply.unloaded) or 'nothing'}")
    return 0


def _stop(options: argparse.Namespace, log: Log) -> int:
    path = _settings(options).connection_file
    info = read_connection_file(path)
    with Client(path, f"{_NAME} stop") as client:
        client.shutdown()
    if not wait_until_gone(path, info.session, STOP_PATIENCE_S):
        raise AlreadyRunning(
            f"process {info.pid} said that it would end, and has not for {STOP_PATIENCE_S:.0f} s; "
            "wait, or end that process"
        )
    _show(options, {"pid": info.pid}, f"stopped: process {info.pid}")
    return 0


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON instead of text")
    common.add_argument("--settings", type=Path, metavar="FILE", help="instead of the usual one")
    parser = argparse.ArgumentParser(prog=_NAME, description="Holds ClipCrop's model for editors.")
    parser.add_argument("--version", action="version", version=f"{_NAME} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[argparse.Namespace, Log], int], text: str) -> Any:
        command = commands.add_parser(name, parents=[common], help=text, description=text)
        command.set_defaults(run=run)
        for one in fields(Settings):
            if name == "run" or one.name == "connection_file":
                _add_setting(command, one.name, sentence_of(one))
        return command

    add("run", _run, "serve until told to stop")
    add("status", _status, "what the daemon is doing")
    add("ping", _ping, "whether it answers, and how fast")
    warm = add("warm", _warm, "load a model before it is needed")
    warm.add_argument("--model", default="auto", help="a name that `clipcrop models` lists")
    warm.add_argument("--timeout", type=float, default=300.0, metavar="S", help="seconds to wait")
    add("unload", _unload, "have it give back the memory of its models")
    add("stop", _stop, "end it")
    return parser


def _add_setting(parser: argparse.ArgumentParser, name: str, sentence: str) -> None:
    """An option; its text becomes a value in `settings.resolve` only."""
    text = f"{sentence} [{variable_of(name)}]"
    target = f"setting_{name}"
    parser.add_argument(
        option_of(name), dest=target, metavar=name.rpartition("_")[2].upper(), help=text
    )


def _settings(options: argparse.Namespace) -> Settings:
    given = {one.name: getattr(options, f"setting_{one.name}", None) for one in fields(Settings)}
    return resolve(given, os.environ, options.settings)


def _client(options: argparse.Namespace) -> Client:
    return Client(_settings(options).connection_file, _NAME)


def _session(connection_file: Path) -> str:
    """Of the daemon that the file names; empty if it names none."""
    try:
        return read_connection_file(connection_file).session
    except WireError:
        return ""


def _table(status: StatusReply) -> str:
    loaded = ", ".join(status.loaded)
    rows = {
        "state": status.state,
        "model": f"{loaded} on {status.device}" if loaded else "none loaded",
        "requests": f"{status.num_done} done, {status.num_queued} waiting",
        "clients": str(status.num_clients),
        "images": f"{status.num_cached_images} held, {_megabytes(status.cache_bytes)}",
        "memory": _megabytes(status.resident_bytes) if status.resident_bytes else "not known",
        "running for": _duration(status.uptime_s),
        "process": f"{status.pid}, release {status.version}",
    }
    return "\n".join(f"{name:<12} {value}" for name, value in rows.items())


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _progress_printer() -> Callable[[Progress], None]:
    """Prints progress on standard error, no line twice in a row."""
    last = ""

    def show(progress: Progress) -> None:
        nonlocal last
        share = "" if progress.fraction is None else f"{progress.fraction:.0%}"
        line = " ".join(part for part in (progress.stage, share, progress.text) if part)
        if line != last:
            _print_status(line)
        last = line

    return show


def _show(options: argparse.Namespace, values: dict[str, Any], text: str) -> None:
    print(json.dumps(values) if options.json else text, flush=True)


def _print_status(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show_error(exc: Exception, *, as_json: bool) -> int:
    if as_json:
        words = re.sub("(?<!^)(?=[A-Z])", "_", type(exc).__name__).lower()
        code = exc.code if isinstance(exc, RequestError) else words
        print(json.dumps({"error": {"code": code, "message": str(exc)}}), flush=True)
    _print_status(f"error: {exc}")
    return EXIT_BAD_REQUEST if isinstance(exc, BadSetting | InvalidRequest) else EXIT_NO_ANSWER
