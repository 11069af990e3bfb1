"""Which editors there are, and where their plug-ins go: decided from a `Machine`, touching nothing.

All versions of GIMP 3 that have a folder of settings are taken, and the newest that is installed
but was never started. Two things are left to the user, with a note that says so: a GIMP that would,
at its first start, take over the settings of an older one (it does not where its folder is there
already), and a Snap that was never started (its folders are Snap's to make).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from .machine import Machine

_VERSION = re.compile(r"3\.\d{1,2}")
_OLDER = re.compile(r"2\.\d{1,2}|3\.\d{1,2}")
_GIMP_PROGRAM = re.compile(r"gimp-(?:console-)?(3\.\d{1,2})(?:\.exe)?")
_KRITA_PROGRAMS = ("krita", "krita.exe", "krita.app", "org.kde.krita")
_RESOURCES = re.compile(rb"^ResourceDirectory=(.*?)\s*$", re.MULTILINE)

GIMP_FLATPAK, KRITA_FLATPAK = "org.gimp.GIMP", "org.kde.krita"
OWN_BUILD, FLATPAK, SNAP, STORE = "", "Flatpak", "Snap", "Store"


@dataclass(frozen=True)
class Gimp:
    """One folder of settings of one version of GIMP."""

    version: str
    """Such as 3.0, as its folder is called."""

    profile: PurePath
    """That folder."""

    build: str = OWN_BUILD
    """Empty: the system's, or one that shares its folders, as an AppImage does."""

    @property
    def title(self) -> str:
        """For people."""
        return " ".join(part for part in ("GIMP", self.version, self.build) if part)

    @property
    def plug_ins(self) -> PurePath:
        """Where plug-ins have a folder each."""
        return self.profile / "plug-ins"


@dataclass(frozen=True)
class Krita:
    """One folder of resources of Krita, whatever its version."""

    resources: PurePath
    """With ``pykrita`` and ``actions`` in it."""

    settings: PurePath
    """``kritarc``, which switches plug-ins on."""

    build: str = OWN_BUILD
    """As of `Gimp`."""

    @property
    def title(self) -> str:
        """For people."""
        return f"Krita {self.build}".rstrip()


@dataclass(frozen=True)
class Found:
    """All editors of one user."""

    gimps: tuple[Gimp, ...] = ()
    kritas: tuple[Krita, ...] = ()
    notes: tuple[str, ...] = ()
    """What was seen and cannot be used, and what to do; each a sentence."""

    has_flatpak: bool = False
    """One of them runs in Flatpak's sandbox, perhaps with folders that another build uses too."""


def find_editors(machine: Machine) -> Found:
    """Look where editors keep their settings, and where programs are."""
    gimps: dict[PurePath, Gimp] = {}
    notes: list[str] = []
    for build in _gimp_builds(machine):
        started = [
            (folder, name)
            for folder in build.folders
            for name in machine.names_in(folder)
            if _VERSION.fullmatch(name)
        ]
        for folder, version in (*started, *_never_started(machine, build, started, notes)):
            gimps.setdefault(folder / version, Gimp(version, folder / version, build.name))
    named = machine.variables.get("GIMP3_DIRECTORY")
    if named:  # instead of all of the system's own
        profile = machine.home / named  # an absolute one stays as it is
        gimps = {path: one for path, one in gimps.items() if one.build != OWN_BUILD}
        gimps[profile] = Gimp("3", profile)
    kritas = tuple(_kritas(machine))
    has_flatpak = any(build.name == FLATPAK for build in _gimp_builds(machine)) or any(
        one.build == FLATPAK for one in kritas
    )
    return Found(tuple(gimps.values()), kritas, tuple(notes), has_flatpak)


def gimp_folders(machine: Machine) -> list[PurePath]:
    """Where GIMP's folders of settings are looked for."""
    return [folder for build in _gimp_builds(machine) for folder in build.folders]


def krita_folders(machine: Machine) -> list[PurePath]:
    """Where Krita's resources are looked for."""
    return [one.resources for one in _krita_places(machine)]


def krita_settings(machine: Machine) -> PurePath:
    """Those of the system's own."""
    return next(_krita_places(machine)).settings


@dataclass(frozen=True)
class _Build:
    """Where one build of GIMP keeps the folders of its versions."""

    name: str
    folders: tuple[PurePath, ...]
    programs: tuple[PurePath, ...] = ()
    """Folders whose names tell which version is installed."""


def _gimp_builds(machine: Machine) -> Iterator[_Build]:
    home, programs = machine.home, tuple(_program_folders(machine))
    if machine.platform == "win32":
        yield _Build(OWN_BUILD, (_roaming(machine) / "GIMP",), programs)
        return
    if machine.platform == "darwin":
        yield _Build(OWN_BUILD, (home / "Library" / "Application Support" / "GIMP",), programs)
        return
    config = machine.folder_named("XDG_CONFIG_HOME", home / ".config")
    yield _Build(OWN_BUILD, (config / "GIMP",), programs)
    apps = _flatpaks(machine, GIMP_FLATPAK)
    inside = home / ".var" / "app" / GIMP_FLATPAK / "config" / "GIMP"
    if apps or machine.has(inside):
        # Both are in use: its manifest grants the first, its variables name the second.
        bins = tuple(app / "current" / "active" / "files" / "bin" for app in apps)
        yield _Build(FLATPAK, (home / ".config" / "GIMP", inside), bins)
    current = home / "snap" / "gimp" / "current"
    if machine.has(current):
        yield _Build(SNAP, (current / "GIMP", current / ".config" / "GIMP"))


def _never_started(
    machine: Machine,
    build: _Build,
    started: list[tuple[PurePath, str]],
    notes: list[str],
) -> list[tuple[PurePath, str]]:
    """The newest version that is installed, if it has no folder yet and we may make it."""
    names = (name for folder in build.programs for name in machine.names_in(folder))
    versions = [found[1] for found in map(_GIMP_PROGRAM.fullmatch, names) if found]
    newest = max(versions, key=_number, default=None)
    if newest is None or newest in [version for _, version in started]:
        return []
    older = [
        name
        for folder in build.folders
        for name in machine.names_in(folder)
        if _OLDER.fullmatch(name)
    ]
    if older:
        notes.append(
            f"GIMP {newest} was never started, and will take over the settings of GIMP "
            f"{max(older, key=_number)} when it is; start it once, then run this again"
        )
        return []
    return [(folder, newest) for folder in build.folders]


def _program_folders(machine: Machine) -> Iterator[PurePath]:
    """Folders in which editors' programs are installed."""
    if machine.platform == "win32":
        for variable in ("ProgramFiles", "LOCALAPPDATA"):
            root = machine.variables.get(variable)
            if root:
                folder = machine.path(root)
                folder = folder / "Programs" if variable == "LOCALAPPDATA" else folder
                for name in machine.names_in(folder):
                    yield folder / name / "bin"
        return
    if machine.platform == "darwin":
        for folder in (machine.path("/Applications"), machine.home / "Applications"):
            yield folder
            for name in machine.names_in(folder):
                if name.startswith("GIMP"):
                    yield folder / name / "Contents" / "MacOS"
        return
    usual = "/usr/local/bin:/usr/bin:/bin"
    for named in machine.variables.get("PATH", usual).split(":"):
        if named.startswith("/"):
            yield machine.path(named)


def _kritas(machine: Machine) -> Iterator[Krita]:
    """Those that were started, and the system's own that was not."""
    for one in _krita_places(machine):
        is_there = machine.has(one.resources) or machine.has(one.settings)
        if is_there or _is_krita_installed(machine, one.build):
            yield Krita(_resources_of(machine, one), one.settings, one.build)


def _krita_places(machine: Machine) -> Iterator[Krita]:
    home = machine.home
    if machine.platform == "win32":
        local = machine.folder_named("LOCALAPPDATA", home / "AppData" / "Local")
        yield Krita(_roaming(machine) / "krita", local / "kritarc")
        for name in machine.names_in(local / "Packages"):
            if "Krita" in name:
                own = local / "Packages" / name / "LocalCache"
                yield Krita(own / "Roaming" / "krita", own / "Local" / "kritarc", STORE)
        return
    if machine.platform == "darwin":
        library = home / "Library"
        yield Krita(library / "Application Support" / "krita", library / "Preferences" / "kritarc")
        return
    data = machine.folder_named("XDG_DATA_HOME", home / ".local" / "share")
    config = machine.folder_named("XDG_CONFIG_HOME", home / ".config")
    yield Krita(data / "krita", config / "kritarc")
    own = home / ".var" / "app" / KRITA_FLATPAK
    yield Krita(own / "data" / "krita", own / "config" / "kritarc", FLATPAK)
    own = home / "snap" / "krita" / "current"
    yield Krita(own / ".local" / "share" / "krita", own / ".config" / "kritarc", SNAP)


def _is_krita_installed(machine: Machine, build: str) -> bool:
    if build == FLATPAK:
        return bool(_flatpaks(machine, KRITA_FLATPAK))
    if build != OWN_BUILD:
        return False
    names = [name for one in _program_folders(machine) for name in machine.names_in(one)]
    return any(name in _KRITA_PROGRAMS for name in names)


def _resources_of(machine: Machine, one: Krita) -> PurePath:
    """Its own folder, unless its settings name another one."""
    settings = machine.read(one.settings) or b""
    found = _RESOURCES.search(settings.partition(b"\n[")[0])  # above the first group
    if found is None or settings.startswith(b"["):
        return one.resources
    named = machine.path(found[1].decode("utf-8", "replace"))
    return named if named.is_absolute() else one.resources


def _flatpaks(machine: Machine, app: str) -> list[PurePath]:
    """Folders of that app in Flatpak's installations, the system's and the user's."""
    roots = [machine.path("/var/lib/flatpak"), machine.home / ".local" / "share" / "flatpak"]
    return [root / "app" / app for root in roots if machine.has(root / "app" / app)]


def _roaming(machine: Machine) -> PurePath:
    return machine.folder_named("APPDATA", machine.home / "AppData" / "Roaming")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
