"""``models``: the environment's command does it, and the manifest knows what it put there."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from fake_installation import FakeInstallation

from clipcrop_installer import models
from clipcrop_installer.errors import InstallError
from clipcrop_installer.login import all_undo_handlers
from clipcrop_installer.machine import places
from clipcrop_installer.manifest import Manifest
from clipcrop_installer.models import names_in
from clipcrop_installer.plan import Context
from clipcrop_installer.uninstall import uninstall


@pytest.fixture
def installation(home: Path) -> FakeInstallation:
    """With its manifest where the installer has it."""
    return prepared(FakeInstallation(home))


def prepared(found: FakeInstallation) -> FakeInstallation:
    path = places(found.machine).manifest
    path.parent.mkdir(parents=True)
    found.manifest.path = path
    found.manifest.save()
    found.says("models where", {"folder": str(path.parent / "models" / "owlvit")})
    return found


def run(installation: FakeInstallation, *words: str) -> tuple[int, list[str]]:
    parser = argparse.ArgumentParser()
    models.add_command(parser.add_subparsers())
    options = parser.parse_args(["models", *words])
    said: list[str] = []
    context = Context(installation.machine, installation.disk, installation.run, said.append)
    return options.run(options, context), said


class Downloading(FakeInstallation):
    """Its ``clipcrop models download`` leaves what the real one does."""

    is_cut_off = False

    def run(self, command, **options):  # type: ignore[no-untyped-def, override]
        folder = places(self.machine).data / "models"
        if "download" in command:
            folder.mkdir()
            (folder / ".owlvit.lock").touch()
            (folder / (".owlvit.part" if self.is_cut_off else "owlvit")).mkdir()
            if self.is_cut_off:
                raise KeyboardInterrupt
        return super().run(command, **options)


@pytest.fixture
def downloading(home: Path) -> Downloading:
    found = Downloading(home)
    prepared(found)
    found.answers["models download"] = (0, ["owlvit: done"])
    return found


def test_words_and_exit_code_are_passed_on(installation: FakeInstallation):
    installation.answers["models verify"] = (1, ["owlvit: other hash"])

    assert run(installation, "verify", "owlvit") == (1, ["owlvit: other hash"])


@pytest.mark.parametrize(("code", "engine"), [(0, "owlvit"), (1, "light")])
def test_the_list_tells_the_engine_and_how_to_change_it(
    installation: FakeInstallation, code: int, engine: str
):
    installation.answers["clipcrop models"] = (0, ["lite"])
    installation.answers["find_spec('torch')"] = (code, [])

    _, lines = run(installation)

    assert lines[0] == "lite"
    assert f"engine: {engine} " in lines[1]
    assert "to change it: " in lines[1]


def test_programs_get_json_and_nothing_else(installation: FakeInstallation):
    installation.answers["clipcrop models --json"] = (0, ['{"name": "lite"}', "a warning"])

    assert run(installation, "--json") == (0, ['{"name": "lite"}'])


def test_without_an_installation_there_is_a_sentence(
    installation: FakeInstallation, monkeypatch: pytest.MonkeyPatch
):
    installation.python.unlink()
    monkeypatch.setattr(models, "find_spec", lambda name: None)

    with pytest.raises(InstallError, match="ClipCrop is not installed; run install first"):
        run(installation, "list")


def test_where_pip_has_put_clipcrop_that_is_used(installation: FakeInstallation):
    installation.python.unlink()
    installation.answers["clipcrop models list"] = (0, ["lite"])

    assert run(installation, "list") == (0, ["lite"])


def test_downloaded_weights_are_taken_away_with_the_rest(downloading: Downloading):
    run(downloading, "download", "owlvit")

    uninstall_all(downloading)

    assert not (places(downloading.machine).data / "models").exists()


def test_downloaded_weights_can_be_kept(downloading: Downloading):
    run(downloading, "download", "owlvit")

    uninstall_all(downloading, keep_models=True)

    assert (places(downloading.machine).data / "models" / "owlvit").exists()


def test_a_part_of_a_download_is_taken_away_too(downloading: Downloading):
    downloading.is_cut_off = True
    with pytest.raises(KeyboardInterrupt):
        run(downloading, "download", "owlvit")

    uninstall_all(downloading)

    assert not (places(downloading.machine).data / "models").exists()


def test_weights_that_the_user_has_put_there_are_the_users(installation: FakeInstallation):
    folder = places(installation.machine).data / "models" / "owlvit"
    folder.mkdir(parents=True)
    installation.answers["models place"] = (0, ["owlvit: done"])
    run(installation, "place", "owlvit", "/somewhere")

    uninstall_all(installation)

    assert folder.exists()


def test_what_came_to_nothing_is_not_listed(installation: FakeInstallation):
    installation.answers["models download"] = (2, ["error: no network"])

    assert run(installation, "download", "owlvit") == (2, ["error: no network"])

    manifest = Manifest.load(places(installation.machine).manifest, installation.disk)
    assert manifest.of_step("models") == []


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["download", "owlvit", "owlv2", "--json"], ["owlvit", "owlv2"]),
        (["download", "--revision", "c0ffee", "owlvit"], ["owlvit"]),
        (["place", "owlvit", "folder"], ["owlvit"]),
        (["verify", "owlvit"], []),
        (["--json"], []),
        ([], []),
    ],
)
def test_only_commands_that_change_something_are_noted(words: list[str], names: list[str]):
    assert names_in(words) == names


def uninstall_all(installation: FakeInstallation, *, keep_models: bool = False) -> None:
    context = Context(installation.machine, installation.disk, installation.run, lambda line: None)
    where = places(installation.machine)
    installation.answers["clipcrop-daemon stop"] = (1, ["no daemon"])
    manifest = Manifest.load(where.manifest, installation.disk)
    uninstall(where, context, manifest, all_undo_handlers(), keep_models=keep_models)
