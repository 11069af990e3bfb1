"""The editors, and the plug-ins in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..disk import sha256_of
from ..editors import find_editors
from ..manifest import ManifestEntry
from ..plugin_files import GIMP_NAME, KRITA_NAME
from ..settings_line import Line, value_of
from ..steps.plug_in import NAMES_BEGIN
from .finding import INSTALL, Finding, Inspected

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
    return findings or [Finding("warning", "editors", "no GIMP 3 and no Krita was found", INSTALL)]


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
