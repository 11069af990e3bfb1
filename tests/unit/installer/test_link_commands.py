"""The commands on the user's PATH."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_home import FakeHome, errors_of

from clipcrop_installer.programs import COMMANDS


def bin_of(user: FakeHome) -> Path:
    return user.home / ".local" / "bin"


def test_the_commands_are_links_to_the_environment(user: FakeHome):
    user.install()

    (environment,) = user.places.environments.iterdir()
    for name in COMMANDS:
        assert (bin_of(user) / name).readlink() == environment / "bin" / name


def test_an_upgrade_lets_them_lead_to_the_new_version(user: FakeHome):
    user.install()
    user.release("2")
    user.install()

    for name in COMMANDS:
        assert (bin_of(user) / name).exists()
    user.uninstall()
    assert not bin_of(user).exists()


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("elsewhere")])
def test_a_command_that_is_not_ours_stays(user: FakeHome, make: Callable[[Path], None]):
    bin_of(user).mkdir(parents=True)
    theirs = bin_of(user) / "clipcrop"
    make(theirs)
    before = user.contents()

    results = user.install()

    assert errors_of(results) == {}
    (notes,) = [one.notes for one in results if one.name == "commands"]
    assert str(theirs) in notes[0]
    assert (bin_of(user) / "clipcrop-setup").exists()
    user.install()
    user.uninstall()
    assert user.contents() == before


def test_a_link_that_the_user_has_replaced_stays(user: FakeHome):
    user.install()
    mine = bin_of(user) / "clipcrop"
    mine.unlink()
    mine.symlink_to("/usr/bin/true")

    results = user.install()
    user.uninstall()

    assert str(mine.readlink()) == "/usr/bin/true"
    (notes,) = [one.notes for one in results if one.name == "commands"]
    assert str(mine) in notes[0]


def test_an_installation_without_them_gets_them_by_an_upgrade(user: FakeHome):
    user.install()
    manifest = user.places.manifest
    for name in COMMANDS:  # as before there was this step
        (bin_of(user) / name).unlink()
    bin_of(user).rmdir()
    values = json.loads(manifest.read_text())
    values["items"] = [one for one in values["items"] if one["step"] != "commands"]
    manifest.write_text(json.dumps(values))
    user.release("2")

    assert errors_of(user.install()) == {}

    assert (bin_of(user) / "clipcrop-setup").exists()
