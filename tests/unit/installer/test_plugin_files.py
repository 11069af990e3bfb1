from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgpack
import pytest

from clipcrop_installer.plugin_files import Sources, gimp_plug_in, krita_plug_in, sources


@pytest.fixture
def found(checkout: Path) -> Sources:
    """What a checkout has."""
    folders = {
        "clipcrop_installer": checkout / "installer" / "clipcrop_installer",
        "clipcrop_plugin": checkout / "plugin" / "clipcrop_plugin",
        "clipcrop_wire": checkout / "daemon" / "clipcrop_wire",
        "msgpack": Path(msgpack.__file__).parent,
    }
    return sources(folders.__getitem__)


def test_gimp_gets_its_shell_with_the_packages_beside_it(found: Sources):
    tree = gimp_plug_in(found)

    for name in (
        "gimp_shell/panel.py",
        "clipcrop_plugin/locale/de/LC_MESSAGES/clipcrop.mo",
        "clipcrop_wire/client.py",
        "msgpack/fallback.py",
    ):
        assert PurePosixPath(name) in tree


def test_the_script_that_gimp_starts_can_be_executed_and_nothing_else(found: Sources):
    programs = [path.name for path, (_, is_program) in gimp_plug_in(found).items() if is_program]

    assert programs == ["clipcrop_gimp.py"]
    script = gimp_plug_in(found)[PurePosixPath("clipcrop_gimp.py")][0]
    assert script.startswith(b"#!/usr/bin/env python3\n")


def test_krita_gets_all_of_it_inside_one_package(found: Sources):
    tree = krita_plug_in(found)

    assert {path.parts[:2] for path in tree} == {
        ("pykrita", "clipcrop_krita"),
        ("pykrita", "clipcrop_krita.desktop"),
        ("actions", "clipcrop_krita.action"),
    }
    vendored = PurePosixPath("pykrita/clipcrop_krita/vendor/msgpack/fallback.py")
    assert vendored in tree


def test_nothing_that_is_compiled_is_copied(found: Sources):
    names = [path.name for tree in (gimp_plug_in(found), krita_plug_in(found)) for path in tree]

    assert not [name for name in names if name.endswith((".so", ".pyd", ".pyc", ".c", ".pyx"))]


def test_a_wheel_has_the_shells_inside_the_installer(tmp_path: Path, found: Sources):
    bundled = tmp_path / "clipcrop_installer" / "_shells"
    bundled.mkdir(parents=True)

    assert sources(lambda name: tmp_path / name).shells == bundled
    assert (found.shells / "gimp" / "clipcrop_gimp").is_dir()
