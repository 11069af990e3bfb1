"""Whether editors have really loaded the plug-ins, from what they write down themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_installation import FakeInstallation

from clipcrop_installer.doctor_checks import Finding, check_editors, read_krita_log, read_pluginrc
from clipcrop_installer.manifest import ManifestEntry

PLUGINRC = """\
# GIMP pluginrc

(protocol-version 277)
(file-version 15)

(plug-in-def "${gimp_dir}/plug-ins/other/other.py" 1795369344
    (proc-def "other" 1
    )
)
(plug-in-def "${gimp_dir}/plug-ins/clipcrop_gimp/clipcrop_gimp.py" %d
    (proc-def "plug-in-clipcrop" 1
    )
    (proc-def "plug-in-clipcrop-next" 1
    )
)
(plug-in-def "${gimp_dir}/plug-ins/last/last.py" 1
    (proc-def "last" 1))
"""
KRITA_LOG = """\
================================================================================
SESSION: 22 Nov 2026 20:31:27 +0000. Executing krita --nosplash

Krita Version: 5.2.9, Qt version compiled: 5.15.15, loaded: 5.15.15. Process ID: 12
-- -- -- -- -- -- -- --
22 Nov 2026 20:31:38 +0000: CLOSING SESSION
================================================================================
SESSION: 23 Nov 2026 08:00:00 +0000. Executing krita

Krita Version: 5.3.0, Qt version compiled: 5.15.15, loaded: 5.15.15. Process ID: 19
"""
INSTALLED_S = 1_795_000_000


class Gimp:
    """A GIMP 3.0 that has the plug-in."""

    def __init__(self, installation: FakeInstallation) -> None:
        self.profile = installation.home / ".config" / "GIMP" / "3.0"
        self.folder = self.profile / "plug-ins" / "clipcrop_gimp"
        step = f"plug-in for GIMP 3.0 in {self.folder}"
        self.script = installation.put(step, self.folder / "clipcrop_gimp.py", mode=0o755)
        os.utime(self.script, (INSTALLED_S, INSTALLED_S))

    def start(self, text: str, when_s: int = INSTALLED_S + 60) -> None:
        """As if it had been started then, and had written that."""
        registry = self.profile / "pluginrc"
        registry.write_text(text)
        os.utime(registry, (when_s, when_s))


class Krita:
    """A Krita that has the plug-in, switched on."""

    def __init__(self, installation: FakeInstallation) -> None:
        self.data = installation.home / ".local" / "share"
        resources = self.data / "krita"
        step = f"plug-in for Krita in {resources}"
        folder = resources / "pykrita" / "clipcrop_krita"
        self.module = installation.put(step, folder / "__init__.py")
        os.utime(self.module, (INSTALLED_S, INSTALLED_S))
        self.settings = installation.home / ".config" / "kritarc"
        self.settings.parent.mkdir(exist_ok=True)
        self.settings.write_text("[python]\nenable_clipcrop_krita=true\n")
        item = ManifestEntry(kind="setting", path=str(self.settings), step=step)
        installation.manifest.begin([item])
        installation.manifest.finish([item])

    def load(self) -> None:
        """As Krita's Python does."""
        cache = self.module.with_name("__pycache__")
        cache.mkdir()
        (cache / "__init__.cpython-313.pyc").touch()


@pytest.fixture
def gimp(installation: FakeInstallation) -> Gimp:
    return Gimp(installation)


@pytest.fixture
def krita(installation: FakeInstallation) -> Krita:
    return Krita(installation)


def only(installation: FakeInstallation) -> Finding:
    (finding,) = check_editors(installation.inspected)
    return finding


def test_a_plug_in_in_gimps_registry_is_loaded(gimp: Gimp, installation: FakeInstallation):
    gimp.start(PLUGINRC % INSTALLED_S)

    finding = only(installation)

    assert (finding.verdict, finding.about) == ("ok", "GIMP 3.0")
    assert finding.text == "has loaded the plug-in (2 procedures)"


def test_a_gimp_that_was_never_started_is_a_warning(gimp: Gimp, installation: FakeInstallation):
    assert only(installation).verdict == "warning"


def test_a_gimp_that_was_started_before_is_a_warning(gimp: Gimp, installation: FakeInstallation):
    gimp.start(PLUGINRC.replace("clipcrop", "another") % 1, when_s=INSTALLED_S - 60)

    assert only(installation).text == (
        "it was not started since this version of the plug-in is there"
    )


def test_a_gimp_that_knows_an_older_version_is_a_warning(
    gimp: Gimp, installation: FakeInstallation
):
    gimp.start(PLUGINRC % (INSTALLED_S - 1000))

    assert only(installation).verdict == "warning"


def test_a_gimp_that_did_not_take_it_is_a_problem(gimp: Gimp, installation: FakeInstallation):
    gimp.start(PLUGINRC.replace("clipcrop", "another") % 1)

    finding = only(installation)

    assert (finding.verdict, finding.text) == (
        "problem",
        "it was started, and did not take the plug-in",
    )


def test_a_plug_in_that_cannot_be_executed_is_named(gimp: Gimp, installation: FakeInstallation):
    gimp.start(PLUGINRC.replace("clipcrop", "another") % 1)
    gimp.script.chmod(0o644)

    assert "cannot be executed" in only(installation).advice


def test_a_file_that_is_gone_is_a_problem(gimp: Gimp, installation: FakeInstallation):
    gimp.script.unlink()

    finding, *_ = check_editors(installation.inspected)

    assert finding.verdict == "problem"
    assert finding.text.startswith("1 files of the plug-in are gone")


def test_a_file_that_was_changed_is_a_warning(gimp: Gimp, installation: FakeInstallation):
    gimp.script.write_text("mine")

    finding, *_ = check_editors(installation.inspected)

    assert finding.verdict == "warning"
    assert finding.text.startswith("1 files of the plug-in were changed")


def test_a_module_that_krita_has_compiled_is_loaded(krita: Krita, installation: FakeInstallation):
    krita.load()

    finding = only(installation)

    assert (finding.verdict, finding.text) == ("ok", "has loaded the plug-in")


def test_a_krita_that_has_loaded_an_older_version_is_a_warning(
    krita: Krita, installation: FakeInstallation
):
    krita.load()
    (cache,) = krita.module.parent.glob("__pycache__/*.pyc")
    os.utime(cache, (INSTALLED_S + 60, INSTALLED_S + 60))
    newer = installation.put("plug-in for Krita in x", krita.module.with_name("newer.py"))
    os.utime(newer, (INSTALLED_S + 120, INSTALLED_S + 120))

    verdicts = {one.about: one.verdict for one in check_editors(installation.inspected)}

    assert verdicts["Krita"] == "warning"


def test_a_plug_in_that_is_switched_off_is_a_problem(krita: Krita, installation: FakeInstallation):
    krita.load()
    krita.settings.write_text("[python]\nenable_clipcrop_krita=false\n")

    finding = only(installation)

    assert finding.verdict == "problem"
    assert "Python Plugin Manager" in finding.advice


def test_a_krita_that_was_never_started_is_a_warning(krita: Krita, installation: FakeInstallation):
    assert only(installation).verdict == "warning"


def test_a_krita_that_did_not_load_it_is_a_problem(krita: Krita, installation: FakeInstallation):
    (krita.data / "krita.log").write_text(KRITA_LOG)

    finding = only(installation)

    assert finding.verdict == "problem"
    assert finding.text == (
        "Krita 5.3.0 was started (23 Nov 2026 08:00:00 +0000), and has not loaded the plug-in"
    )


def test_a_krita_that_was_started_before_is_a_warning(krita: Krita, installation: FakeInstallation):
    log = krita.data / "krita.log"
    log.write_text(KRITA_LOG)
    os.utime(log, (INSTALLED_S - 60, INSTALLED_S - 60))

    assert only(installation).verdict == "warning"


def test_an_editor_without_a_plug_in_is_a_warning(installation: FakeInstallation):
    (installation.home / ".config" / "GIMP" / "3.0").mkdir(parents=True)

    finding = only(installation)

    assert finding.verdict == "warning"
    assert finding.text.startswith("there is no plug-in in ")


def test_no_editor_at_all_is_a_warning(installation: FakeInstallation):
    found = only(installation)

    assert found.verdict == "warning"
    assert "install GIMP 3 or Krita" in found.advice


@pytest.mark.parametrize(
    "path",
    [
        "${gimp_dir}/plug-ins/clipcrop_gimp/clipcrop_gimp.py",
        "C:\\\\Users\\\\a b\\\\plug-ins\\\\clipcrop_gimp\\\\clipcrop_gimp.py",
    ],
)
def test_an_entry_is_known_however_gimp_writes_its_path(path: str):
    text = f'(plug-in-def "{path}" 7\n    (proc-def "a" 1))\n'

    entry = read_pluginrc(text, "clipcrop_gimp/clipcrop_gimp.py")

    assert entry is not None
    assert (entry.modified_s, entry.procedures) == (7, ("a",))


def test_a_plug_in_of_a_similar_name_is_another_one():
    text = '(plug-in-def "/a/my_clipcrop_gimp/clipcrop_gimp.py" 7\n)'

    assert read_pluginrc(text, "clipcrop_gimp/clipcrop_gimp.py") is None


def test_an_empty_log_of_krita_has_no_session():
    assert read_krita_log("") is None


def test_paths_are_those_of_the_manifest(gimp: Gimp, installation: FakeInstallation):
    assert Path(installation.manifest.items[0].path) == gimp.script
