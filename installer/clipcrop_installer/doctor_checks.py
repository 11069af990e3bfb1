"""The checks of ``doctor``: environment, engine, weights, disk, editors, daemon, login."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clipcrop_wire.endpoint import (
    MAX_IPC_PATH_BYTES,
    MAX_SOCKET_NAME_BYTES,
    others_can_write,
    read_connection_file,
)
from clipcrop_wire.endpoint import PATH_VARIABLE as CONNECTION_VARIABLE
from clipcrop_wire.errors import DaemonNotRunning, WireError

from .disk import sha256_of
from .editors import OWN_BUILD, Gimp, Krita, find_editors
from .engine import LIGHT, OWLVIT, has_nvidia_driver, how_to_change
from .installation import items_besides_folder
from .login import LOGIN_STEP, has_user_manager, windows_registry
from .login_formats import LABEL, UNIT_NAME, entry_path, is_switched_off, read_run_value, unit_path
from .machine import Places
from .manifest import Manifest, ManifestEntry
from .plan import Context
from .plugin_files import GIMP_NAME, KRITA_NAME, NAMES_BEGIN
from .programs import (
    DISTRIBUTION,
    NAMESAKE,
    WHY_NOT,
    Environment,
    last_line,
    remedy,
)
from .settings_line import Line, value_of
from .uninstall import MODELS

Verdict = Literal["ok", "warning", "problem"]

INSTALL = "run install again"
"""What puts most things right."""

NO_EDITOR = "install GIMP 3 or Krita, start it once, then run install again"


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis."""

    verdict: Verdict

    about: str
    """Such as "environment"."""

    text: str
    """What was found, in a sentence."""

    advice: str = ""
    """What to do; empty where nothing need be done."""

    details: tuple[str, ...] = ()
    """For the report only, such as lines of a log."""


@dataclass(frozen=True)
class Inspected:
    """The installation that the checks look at."""

    context: Context
    places: Places
    manifest: Manifest

    environment: Environment | None
    """None: there is none, or its Python is gone."""


Check = Callable[[Inspected], list[Finding]]
"""Looks at one thing. It may raise OSError or InstallError, which becomes a finding."""


_NEEDED = (DISTRIBUTION, "onnxruntime", "spacy", "pillow", "pyzmq")
_OF_PYTORCH = ("torch", "transformers")
_ASK_VERSIONS = """\
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""


def check_environment(inspected: Inspected) -> list[Finding]:
    """The environment is there, complete, and of the version that was installed."""
    if not inspected.manifest.version:
        return [Finding("problem", "environment", "ClipCrop is not installed", "run install")]
    environment = inspected.environment
    if environment is None:
        text = f"its Python is gone: {inspected.manifest.values.get('python')}"
        return [Finding("problem", "environment", text, INSTALL)]
    is_private = inspected.places.environments in environment.python.parents
    names = (*_NEEDED, *_OF_PYTORCH, NAMESAKE)
    code, lines = environment.run_code(_ASK_VERSIONS, names, inspected.context)
    if code:
        return [Finding("problem", "environment", f"its Python fails: {last_line(lines)}", INSTALL)]
    versions = json.loads(lines[-1])
    namesake = versions.pop(NAMESAKE, None)
    if namesake:
        is_former = versions[DISTRIBUTION] is None and is_private
        advice = "run upgrade in a new checkout" if is_former else remedy(environment.python)
        text = f"clipcrop {namesake} is in {environment.python.parent.parent}: {WHY_NOT}"
        return [Finding("problem", "environment", text, advice)]
    if not any(versions.get(name) for name in _OF_PYTORCH):  # half of them are no engine
        versions = {name: one for name, one in versions.items() if name not in _OF_PYTORCH}
    if missing := [name for name, version in versions.items() if version is None]:
        text = f"packages are missing in {environment.python.parent.parent}: {', '.join(missing)}"
        return [Finding("problem", "environment", text, INSTALL)]
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    if versions[DISTRIBUTION] != inspected.manifest.version:
        installed = inspected.manifest.version
        text = f"ClipCrop {versions[DISTRIBUTION]} is in it, but {installed} was installed"
        return [Finding("warning", "environment", text, INSTALL)]
    return [Finding("ok", "environment", text)]


def check_completeness(inspected: Inspected) -> list[Finding]:
    """Every step of the installation was finished."""
    items = items_besides_folder(inspected.manifest)
    begun = dict.fromkeys(item.step for item in items if not item.is_made)
    findings = []
    if MODELS in begun:
        del begun[MODELS]
        text = "a download of weights was interrupted"
        advice = "clipcrop-setup models says which: `download` goes on with it, `remove` ends it"
        findings.append(Finding("warning", "installation", text, advice))
    if begun:
        text = f"the last installation was interrupted at: {', '.join(begun)}"
        findings.append(Finding("problem", "installation", text, INSTALL))
    return findings or [Finding("ok", "installation", f"complete, {len(items)} items")]


_ASK_PYTORCH = """\
import importlib.util, json, sys, warnings
if importlib.util.find_spec("torch") is None:
    print(json.dumps(None))
    sys.exit()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import torch
    has_cuda = torch.cuda.is_available()
print(json.dumps({
    "torch": torch.__version__,
    "cuda_build": torch.version.cuda,
    "devices": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    if has_cuda else [],
    "has_mps": torch.backends.mps.is_available(),
    "warnings": [str(one.message).splitlines()[0] for one in caught],
}))
"""


def check_device(inspected: Inspected) -> list[Finding]:
    """Where the model will run, and whether that is the best that the machine has."""
    if inspected.environment is None:
        return []
    code, lines = inspected.environment.run_code(_ASK_PYTORCH, (), inspected.context)
    if code:
        text = f"PyTorch cannot be loaded: {last_line(lines)}"
        return [Finding("problem", "engine", text, INSTALL)]
    found = json.loads(lines[-1])
    is_private = inspected.places.environments in inspected.environment.python.parents
    change = f"; to change it: {how_to_change(found is not None, is_private=is_private)}"
    if found is None:
        text = f"{LIGHT}: the small model on the processor, by ONNX Runtime{change}"
        return [Finding("ok", "engine", text)]
    build = f"{OWLVIT}: PyTorch {found['torch']}"
    if found["devices"]:
        return [Finding("ok", "engine", f"{build} on {', '.join(found['devices'])}{change}")]
    if found["has_mps"]:
        return [Finding("ok", "engine", f"{build} on this Mac's GPU{change}")]
    if not has_nvidia_driver(inspected.context.machine):
        return [Finding("ok", "engine", f"{build} on the processor{change}")]
    if found["cuda_build"] is None:
        text = f"{build} is a build for the processor, but there is a driver of NVIDIA's"
        return [Finding("warning", "engine", text, "run install with --torch cuda")]
    reason = f": {found['warnings'][-1]}" if found["warnings"] else ""
    text = f"{build} with CUDA {found['cuda_build']} sees no NVIDIA device{reason}"
    advice = (
        "see what nvidia-smi says; a newer driver may be needed; until then the processor works"
    )
    return [Finding("warning", "engine", text, advice)]


def check_weights(inspected: Inspected) -> list[Finding]:
    """Every byte of what is here is read and compared."""
    if inspected.environment is None:
        return []
    code, lines = inspected.environment.run(
        "clipcrop", ["models", "verify", "--json"], inspected.context, {}
    )
    found: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
    if code not in (0, 1) or not found:
        text = f"clipcrop models verify ended with exit code {code}: {last_line(lines)}"
        return [Finding("problem", "weights", text, "run it by hand to see more")]
    findings = []
    for one in found:
        name = one["name"]
        if one["problems"]:
            advice = f"clipcrop-setup models download {name}"
            findings.append(Finding("problem", "weights", "; ".join(one["problems"]), advice))
        else:
            size = f"{one['size_bytes'] / 1e6:.0f} MB"
            text = f"{name} is {one['proof_text']} ({size})"
            findings.append(Finding("ok", "weights", text))
    return findings


SCARCE_BYTES = 2_000_000_000
NO_ROOM_BYTES = 200_000_000


def check_room(inspected: Inspected) -> list[Finding]:
    """Enough for an upgrade, or at least for logs and settings."""
    folder = next(
        one for one in (inspected.places.data, *inspected.places.data.parents) if one.exists()
    )
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB are free in {folder}"
    if free < NO_ROOM_BYTES:
        return [Finding("problem", "disk", text, "free some: settings cannot be kept without")]
    if free < SCARCE_BYTES:
        advice = "an upgrade or weights will not fit; free some before"
        return [Finding("warning", "disk", text, advice)]
    return [Finding("ok", "disk", text)]


_GIMP_FILE = f"{GIMP_NAME}/{GIMP_NAME}.py"
_KRITA_FILE = f"pykrita/{KRITA_NAME}/__init__.py"


def check_editors(inspected: Inspected) -> list[Finding]:
    """Every plug-in that was installed, and every editor that has none."""
    findings: list[Finding] = []
    folders = set()
    steps = dict.fromkeys(item.step for item in inspected.manifest.items)
    for step in steps:
        if not step.startswith(NAMES_BEGIN):
            continue
        title = step[len(NAMES_BEGIN) :].partition(" in ")[0]
        items = inspected.manifest.of_step(step)
        damage = list(_damage(items, title))
        findings += damage
        for item in items:
            path = Path(item.path)
            if path.as_posix().endswith(f"/{_GIMP_FILE}"):
                folders.add(path.parents[1])
                findings += [] if damage else [_gimp(path, title)]
            elif path.as_posix().endswith(f"/{_KRITA_FILE}"):
                folders.add(path.parents[1])
                settings = next((Path(one.path) for one in items if one.kind == "setting"), None)
                findings += [] if damage else [_krita(path, settings, title)]
    findings += _without_plug_in(inspected, folders)
    return findings or [
        Finding("warning", "editors", "no GIMP 3 and no Krita was found", NO_EDITOR)
    ]


def _damage(items: list[ManifestEntry], title: str) -> Iterator[Finding]:
    """Files that are gone or not ours any more."""
    missing, changed = [], []
    for item in items:
        if item.kind != "file":
            continue
        try:
            content = Path(item.path).read_bytes()
        except OSError:
            missing.append(item.path)
            continue
        if sha256_of(content) not in item.hashes:
            changed.append(item.path)
    if missing:
        text = f"{len(missing)} files of the plug-in are gone, such as {missing[0]}"
        yield Finding("problem", title, text, INSTALL)
    if changed:
        text = f"{len(changed)} files of the plug-in were changed, such as {changed[0]}"
        yield Finding("warning", title, text, f"if that was not you, {INSTALL}")


def _gimp(script: Path, title: str) -> Finding:
    registry = script.parents[2] / "pluginrc"
    try:
        text = registry.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        said = "it was not started since the plug-in is there"
        return Finding("warning", title, said, "start it once, then look again")
    modified_s = int(script.stat().st_mtime)
    entry = read_pluginrc(text, _GIMP_FILE)
    if entry is not None and entry.procedures and entry.modified_s == modified_s:
        return Finding("ok", title, f"has loaded the plug-in ({len(entry.procedures)} procedures)")
    if registry.stat().st_mtime < modified_s or (
        entry is not None and entry.modified_s != modified_s
    ):
        said = "it was not started since this version of the plug-in is there"
        return Finding("warning", title, said, "start it once, then look again")
    advice = "start it from a terminal: it says there why"
    if not script.stat().st_mode & 0o100:
        advice = f"{script} cannot be executed: {INSTALL}"
    return Finding("problem", title, "it was started, and did not take the plug-in", advice)


def _krita(module: Path, settings: Path | None, title: str) -> Finding:
    line = Line("python", f"enable_{KRITA_NAME}", "true")
    content = settings.read_bytes() if settings is not None and settings.is_file() else b""
    if value_of(content, line) != "true":
        return Finding(
            "problem",
            title,
            f"the plug-in is switched off in {settings}",
            "switch it on: Settings > Configure Krita > Python Plugin Manager",
        )
    if _has_run(module):
        return Finding("ok", title, "has loaded the plug-in")
    logs = [module.parents[3] / "krita.log"]  # beside its resources; on Windows beside kritarc
    logs += [settings.with_name("krita.log")] if settings is not None else []
    for log in logs:
        if log.is_file() and log.stat().st_mtime > module.stat().st_mtime:
            session = read_krita_log(log.read_text(encoding="utf-8", errors="replace"))
            if session is not None:
                return Finding(
                    "problem",
                    title,
                    f"Krita {session.version} was started ({session.started}), and has not loaded "
                    "the plug-in",
                    "Settings > Configure Krita > Python Plugin Manager says why; if that is not "
                    "there, install Krita's Python (Debian and Ubuntu: python3-pyqt5)",
                )
    said = "it was not started since the plug-in is there"
    return Finding("warning", title, said, "start it once, then look again")


def _has_run(module: Path) -> bool:
    """Whether a Python has imported it as it is now: that leaves its compiled form."""
    caches = [one.stat().st_mtime for one in module.parent.glob("__pycache__/*.pyc")]
    written = max(one.stat().st_mtime for one in module.parent.glob("*.py"))
    return bool(caches) and max(caches) >= written


def _without_plug_in(inspected: Inspected, folders: set[Path]) -> Iterator[Finding]:
    found = find_editors(inspected.context.machine)
    places = [(one.title, Path(one.plug_ins)) for one in found.gimps]
    places += [(one.title, Path(one.resources, "pykrita")) for one in found.kritas]
    for title, folder in places:
        if folder not in folders:
            yield Finding("warning", title, f"there is no plug-in in {folder}", INSTALL)
    for note in found.notes:
        yield Finding("warning", "editors", note)


_GIMP_ENTRY = re.compile(r'^\(plug-in-def "((?:[^"\\]|\\.)*)" (\d+)', re.MULTILINE)
_GIMP_PROCEDURE = re.compile(r'\(proc-def "([^"]+)"')
_KRITA_SESSION = re.compile(r"^SESSION: (.+?)\. Executing ", re.MULTILINE)
_KRITA_VERSION = re.compile(r"^Krita Version: ([^,\s]+)", re.MULTILINE)


@dataclass(frozen=True)
class GimpEntry:
    """What ``pluginrc`` has of a plug-in: GIMP has started it, and it said what it can do."""

    modified_s: int
    """When the plug-in's file was changed that GIMP has looked at, seconds since 1970."""

    procedures: tuple[str, ...]
    """Names of what it offers."""


def read_pluginrc(text: str, file_name: str) -> GimpEntry | None:
    """The entry of a plug-in.

    Args:
        text: Of ``pluginrc``.
        file_name: The plug-in's file in its folder, such as ``clipcrop_gimp/clipcrop_gimp.py``; the
            path before it is written in several ways.

    Returns:
        None if GIMP does not know it.
    """
    entries = list(_GIMP_ENTRY.finditer(text))
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        if entry[1].replace("\\\\", "/").endswith(f"/{file_name}"):
            end = following.start() if following else len(text)
            procedures = _GIMP_PROCEDURE.findall(text[entry.end() : end])
            return GimpEntry(int(entry[2]), tuple(procedures))
    return None


@dataclass(frozen=True)
class KritaSession:
    """The last start that ``krita.log`` has."""

    version: str

    started: str
    """As Krita writes it."""


def read_krita_log(text: str) -> KritaSession | None:
    """The last start; None if there was none."""
    sessions = list(_KRITA_SESSION.finditer(text))
    if not sessions:
        return None
    version = _KRITA_VERSION.search(text, sessions[-1].end())
    return KritaSession(version[1] if version else "of an unknown version", sessions[-1][1])


LOG_NAME = "daemon.log"
NUM_LOG_LINES = 20
_TAIL_BYTES = 64_000
_TROUBLE = re.compile(r" (?:ERROR|CRITICAL) ")


def check_daemon(inspected: Inspected) -> list[Finding]:
    """The daemon answers, and is of the version that was installed."""
    if inspected.environment is None:
        return []
    variables = {CONNECTION_VARIABLE: str(inspected.places.connection_file)}
    code, lines = inspected.environment.run(
        "clipcrop-daemon", ["status", "--json"], inspected.context, variables
    )
    answer = next((line for line in lines if line.startswith("{")), None)
    values: dict[str, Any] = json.loads(answer) if answer else {}
    if code or "state" not in values:
        error = values.get("error", {})
        text = f"no answer: {error.get('message') or last_line(lines)}"
        if error.get("code") == "daemon_not_running":
            advice = "editors start it when they need it; or run clipcrop-daemon run"
            return [Finding("warning", "daemon", text, advice)]
        return [Finding("problem", "daemon", text, "run clipcrop-daemon stop, then start it again")]
    loaded = ", ".join(values["loaded"]) or "no model"
    text = f"answers: version {values['version']}, {values['state']}, {loaded} loaded"
    if values["version"] != inspected.manifest.version:
        text += f", but version {inspected.manifest.version} was installed"
        return [Finding("warning", "daemon", text, "run clipcrop-daemon stop: the new one follows")]
    return [Finding("ok", "daemon", text)]


def check_log(inspected: Inspected) -> list[Finding]:
    """Errors among the last lines; the lines themselves are for the report."""
    path = inspected.places.log / LOG_NAME
    if not path.is_file():
        return [Finding("ok", "log", f"no {path} yet")]
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = tuple(text.splitlines()[-NUM_LOG_LINES:])
    errors = [line for line in lines if _TROUBLE.search(line)]
    if errors:
        said = f"the last of {len(errors)} errors at the end of {path}: {errors[-1]}"
        advice = "if it goes on, add what doctor --report says to an issue"
        return [Finding("warning", "log", said, advice, lines)]
    return [Finding("ok", "log", f"no error at the end of {path}", details=lines)]


def check_connection(inspected: Inspected) -> list[Finding]:
    """Clients may trust the connection file, its sockets are there, and a daemon can write it."""
    path = inspected.places.connection_file
    findings = [*_places_of_sockets(inspected), *_open_folder(path.parent)]
    try:
        info = read_connection_file(path)
    except DaemonNotRunning:
        return [*findings, Finding("ok", "connection", f"no {path}, so no daemon runs")]
    except WireError as exc:
        text, _, advice = str(exc).partition("; ")
        return [*findings, Finding("problem", "connection", text, advice)]
    endpoints = [one.partition("://") for one in (*info.work, *info.control)]
    gone = [place for kind, _, place in endpoints if kind == "ipc" and not Path(place).exists()]
    if gone:
        text = f"{path} names a socket that is not there: {gone[0]}"
        advice = "stop the daemon and start it again"
        return [*findings, Finding("problem", "connection", text, advice)]
    kinds = " and ".join(sorted({kind for kind, _, _ in endpoints}))
    text = f"{path} is yours alone, and names {kinds} endpoints"
    return [*findings, Finding("ok", "connection", text)]


def _open_folder(folder: Path) -> list[Finding]:
    """Where others can write to its folder the daemon does not start."""
    if sys.platform == "win32" or not folder.exists():
        return []
    found = folder.stat()
    if found.st_uid != os.geteuid():
        text = f"{folder} belongs to user {found.st_uid}, not to you"
        advice = f"make it yours again: sudo chown -R $USER {shlex.quote(str(folder))}"
        return [Finding("problem", "connection", text, advice)]
    if others_can_write(found):
        text = f"others can write to {folder}: it has mode {stat.S_IMODE(found.st_mode):o}"
        return [Finding("problem", "connection", text, f"chmod go-w {folder}")]
    return []


def _places_of_sockets(inspected: Inspected) -> list[Finding]:
    """Where the path is too long for a socket, they lie elsewhere, out of sandboxes' sight."""
    if inspected.context.machine.platform == "win32":
        return []
    folder = os.fsencode(inspected.places.connection_file.with_name("sockets"))
    if len(folder) + 1 + MAX_SOCKET_NAME_BYTES <= MAX_IPC_PATH_BYTES:
        return []
    text = (
        f"the path of {inspected.places.data} is too long for sockets ({len(folder)} bytes); they "
        "lie in a private folder for temporary files"
    )
    found = find_editors(inspected.context.machine)
    editors: list[Gimp | Krita] = [*found.gimps, *found.kritas]
    sandboxed = [one.title for one in editors if one.build != OWN_BUILD]
    if not sandboxed:
        return [Finding("ok", "connection", text)]
    text += f", which {' and '.join(sandboxed)} cannot see"
    return [
        Finding(
            "warning",
            "connection",
            text,
            "set CLIPCROP_CONNECTION_FILE to a shorter path, for the daemon and for the editors",
        )
    ]


_ABOUT = "start at login"


def check_login(inspected: Inspected) -> list[Finding]:
    """What starts the daemon at login is there, and switched on."""
    items = inspected.manifest.of_step(LOGIN_STEP)
    if not items:
        choices = inspected.manifest.values.get("choices")
        if isinstance(choices, dict) and not choices.get("login", True):
            return [Finding("ok", _ABOUT, "not wanted")]
        return [Finding("warning", _ABOUT, "nothing starts the daemon at login", INSTALL)]
    if both := _two_ways(inspected):
        return [both]
    if inspected.context.machine.platform == "win32":
        return [_run_key()]
    file = next((item for item in items if item.kind == "file"), None)
    if file is None:
        return [Finding("problem", _ABOUT, "what was installed for it is gone", INSTALL)]
    path = Path(file.path)
    if not path.is_file():
        return [Finding("problem", _ABOUT, f"{path} is gone", INSTALL)]
    if sha256_of(path.read_bytes()) not in file.hashes:
        text = f"{path} was changed"
        return [Finding("warning", _ABOUT, text, f"if that was not you, {INSTALL}")]
    if path.name == UNIT_NAME:
        return [_systemd(inspected)]
    if path.suffix == ".plist":
        return [_launchd(inspected)]
    return [Finding("ok", _ABOUT, f"by the desktop session: {path}")]


def _two_ways(inspected: Inspected) -> Finding | None:
    machine = inspected.context.machine
    config = Path(machine.folder_named("XDG_CONFIG_HOME", machine.home / ".config"))
    both = [path for path in (unit_path(config), entry_path(config)) if path.exists()]
    if len(both) < 2:
        return None
    text = f"two ways are in place, and the second start is for nothing: {both[0]} and {both[1]}"
    return Finding("warning", _ABOUT, text, f"remove {both[1]}")


def _systemd(inspected: Inspected) -> Finding:
    if not has_user_manager(inspected.context):
        text = "the unit is there, but no user manager of systemd answers in this session"
        return Finding("warning", _ABOUT, text, "log in to your desktop and look again")
    state = _last_output(inspected, ["systemctl", "--user", "is-enabled", UNIT_NAME])
    if state != "enabled":
        advice = f"systemctl --user enable --now {UNIT_NAME}"
        return Finding("problem", _ABOUT, f"the unit is {state}, not enabled", advice)
    active = _last_output(inspected, ["systemctl", "--user", "is-active", UNIT_NAME])
    if active == "failed":
        advice = f"journalctl --user -u {UNIT_NAME} says why"
        return Finding("problem", _ABOUT, "the unit is enabled, and has failed", advice)
    return Finding("ok", _ABOUT, f"by systemd: enabled, {active} now")


def _launchd(inspected: Inspected) -> Finding:
    user_id = os.getuid() if hasattr(os, "getuid") else 0
    if inspected.context.output_of(["launchctl", "print", f"gui/{user_id}/{LABEL}"])[0]:
        text = "launchd does not know the agent"
        return Finding(
            "warning", _ABOUT, text, "log out and in again; if that is no help, reinstall"
        )
    return Finding("ok", _ABOUT, "by launchd")


def _run_key() -> Finding:
    registry = windows_registry()
    value = read_run_value(registry)
    if value is None:
        return Finding("problem", _ABOUT, "the value of the registry is gone", INSTALL)
    if is_switched_off(registry):
        advice = "switch it on there, under startup apps"
        return Finding("warning", _ABOUT, "switched off in the task manager", advice)
    return Finding("ok", _ABOUT, f"by Windows: {value}")


def _last_output(inspected: Inspected, command: Sequence[str]) -> str:
    _, lines = inspected.context.output_of(command)
    return lines[-1].strip() if lines else "not known"
