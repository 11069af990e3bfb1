"""Every row of editors and their folders, on every system."""

from __future__ import annotations

from pathlib import PurePath

import pytest
from fake_machine import HOMES, fake_machine

from clipcrop_installer.editors import Krita, find_editors, gimp_folders, krita_folders

WINDOWS = {
    "APPDATA": r"C:\Users\Zoë\AppData\Roaming",
    "LOCALAPPDATA": r"C:\Users\Zoë\AppData\Local",
    "ProgramFiles": r"C:\Program Files",
}


def profiles(platform: str, *paths: str, **rest: dict[str, str]) -> list[str]:
    """Of all GIMPs: title and folder of plug-ins, from the home on."""
    found = find_editors(fake_machine(platform, *paths, **rest)).gimps  # type: ignore[arg-type]
    return [f"{one.title}: {_short(one.plug_ins, platform)}" for one in found]


def kritas(platform: str, *paths: str, **rest: object) -> list[str]:
    found = find_editors(fake_machine(platform, *paths, **rest)).kritas  # type: ignore[arg-type]
    return [
        f"{one.title}: {_short(one.resources, platform)}, {_short(one.settings, platform)}"
        for one in found
    ]


def _short(path: PurePath, platform: str) -> str:
    home = HOMES[platform]
    return f"~/{path.relative_to(home).as_posix()}" if home in path.parents else path.as_posix()


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(
            ["~/.config/GIMP/3.0", "~/.config/GIMP/3.2", "~/.config/GIMP/2.10"],
            [
                "GIMP 3.0: ~/.config/GIMP/3.0/plug-ins",
                "GIMP 3.2: ~/.config/GIMP/3.2/plug-ins",
            ],
            id="the system's or an AppImage's, all versions of 3",
        ),
        pytest.param(
            ["~/.config/GIMP/3.10", "~/.config/GIMP/3.0.bak", "~/.config/GIMP/13.0"],
            ["GIMP 3.10: ~/.config/GIMP/3.10/plug-ins"],
            id="only what is a version",
        ),
        pytest.param(
            ["~/.var/app/org.gimp.GIMP/config/GIMP/3.2"],
            ["GIMP 3.2 Flatpak: ~/.var/app/org.gimp.GIMP/config/GIMP/3.2/plug-ins"],
            id="Flatpak, its own folder",
        ),
        pytest.param(
            [
                "/var/lib/flatpak/app/org.gimp.GIMP/current/active/files/bin/gimp-3.2",
                "~/.config/GIMP/3.2",
            ],
            ["GIMP 3.2: ~/.config/GIMP/3.2/plug-ins"],
            id="Flatpak, the folder that it shares",
        ),
        pytest.param(
            ["~/.local/share/flatpak/app/org.gimp.GIMP/current/active/files/bin/gimp-3.2"],
            [
                "GIMP 3.2 Flatpak: ~/.config/GIMP/3.2/plug-ins",
                "GIMP 3.2 Flatpak: ~/.var/app/org.gimp.GIMP/config/GIMP/3.2/plug-ins",
            ],
            id="Flatpak, never started: both",
        ),
        pytest.param(
            ["~/snap/gimp/current/GIMP/3.0"],
            ["GIMP 3.0 Snap: ~/snap/gimp/current/GIMP/3.0/plug-ins"],
            id="Snap",
        ),
        pytest.param(
            ["~/snap/gimp/current/.config/GIMP/3.0"],
            ["GIMP 3.0 Snap: ~/snap/gimp/current/.config/GIMP/3.0/plug-ins"],
            id="Snap, where others have it",
        ),
        pytest.param(
            ["/usr/bin/gimp", "/usr/bin/gimp-3.0", "/usr/bin/gimp-console-3.2"],
            ["GIMP 3.2: ~/.config/GIMP/3.2/plug-ins"],
            id="never started: the newest",
        ),
        pytest.param(
            ["/usr/bin/gimp-3.0", "~/.config/GIMP/3.0"],
            ["GIMP 3.0: ~/.config/GIMP/3.0/plug-ins"],
            id="started",
        ),
        pytest.param(["/usr/bin/gimp-2.10", "~/.config/GIMP/2.10"], [], id="only GIMP 2"),
        pytest.param([], [], id="none"),
    ],
)
def test_gimps_folders_on_linux(paths: list[str], expected: list[str]):
    assert profiles("linux", *paths) == expected


def test_gimps_folders_on_windows():
    paths = [
        "~/AppData/Roaming/GIMP/3.0",
        "C:/Program Files/GIMP 3/bin/gimp-3.0.exe",
    ]

    assert profiles("win32", *paths, variables=WINDOWS) == [
        "GIMP 3.0: ~/AppData/Roaming/GIMP/3.0/plug-ins"
    ]


def test_a_gimp_of_windows_store_has_the_same_folder():
    """Its program is where nobody may look, so it must have been started once."""
    assert profiles("win32", "~/AppData/Roaming/GIMP/3.2", variables=WINDOWS) == [
        "GIMP 3.2: ~/AppData/Roaming/GIMP/3.2/plug-ins"
    ]


@pytest.mark.parametrize(
    "program",
    [
        "C:/Program Files/GIMP 3/bin/gimp-3.2.exe",
        "~/AppData/Local/Programs/GIMP 3/bin/gimp-console-3.2.exe",
    ],
)
def test_a_gimp_that_was_never_started_is_found_on_windows(program: str):
    assert profiles("win32", program, variables=WINDOWS) == [
        "GIMP 3.2: ~/AppData/Roaming/GIMP/3.2/plug-ins"
    ]


@pytest.mark.parametrize(
    "path",
    ["~/Library/Application Support/GIMP/3.2", "/Applications/GIMP.app/Contents/MacOS/gimp-3.2"],
)
def test_gimps_folders_on_macos(path: str):
    assert profiles("darwin", path) == ["GIMP 3.2: ~/Library/Application Support/GIMP/3.2/plug-ins"]


def test_a_gimp_that_would_take_over_older_settings_is_left_to_be_started_first():
    # Where its folder is there already, GIMP migrates nothing.
    found = find_editors(fake_machine("linux", "/usr/bin/gimp-3.2", "~/.config/GIMP/2.10/gimprc"))

    assert found.gimps == ()
    (note,) = found.notes
    assert "GIMP 3.2 was never started" in note
    assert "of GIMP 2.10" in note


def test_the_variables_of_linux_move_the_folders():
    variables = {"XDG_CONFIG_HOME": "/etc/zoë", "XDG_DATA_HOME": "/data", "PATH": "/opt/bin"}

    assert profiles("linux", "/etc/zoë/GIMP/3.0", variables=variables) == [
        "GIMP 3.0: /etc/zoë/GIMP/3.0/plug-ins"
    ]
    assert profiles("linux", "/opt/bin/gimp-3.0", variables=variables) == [
        "GIMP 3.0: /etc/zoë/GIMP/3.0/plug-ins"
    ]
    assert kritas("linux", "/data/krita", variables=variables) == [
        "Krita: /data/krita, /etc/zoë/kritarc"
    ]


def test_a_variable_that_is_no_absolute_path_counts_as_not_set():
    assert profiles("linux", "~/.config/GIMP/3.0", variables={"XDG_CONFIG_HOME": "conf"}) == [
        "GIMP 3.0: ~/.config/GIMP/3.0/plug-ins"
    ]


def test_gimps_own_variable_stands_for_all_of_the_systems():
    paths = ("~/.config/GIMP/3.0", "~/.var/app/org.gimp.GIMP/config/GIMP/3.2")

    assert profiles("linux", *paths, variables={"GIMP3_DIRECTORY": "/my/gimp"}) == [
        "GIMP 3.2 Flatpak: ~/.var/app/org.gimp.GIMP/config/GIMP/3.2/plug-ins",
        "GIMP 3: /my/gimp/plug-ins",
    ]


@pytest.mark.parametrize(
    ("platform", "paths", "expected"),
    [
        pytest.param(
            "linux",
            ["~/.local/share/krita"],
            ["Krita: ~/.local/share/krita, ~/.config/kritarc"],
            id="Linux or an AppImage",
        ),
        pytest.param(
            "linux",
            ["/usr/bin/krita"],
            ["Krita: ~/.local/share/krita, ~/.config/kritarc"],
            id="Linux, never started",
        ),
        pytest.param(
            "linux",
            ["~/.var/app/org.kde.krita/data/krita"],
            [
                "Krita Flatpak: ~/.var/app/org.kde.krita/data/krita, "
                "~/.var/app/org.kde.krita/config/kritarc"
            ],
            id="Flatpak",
        ),
        pytest.param(
            "linux",
            ["/var/lib/flatpak/app/org.kde.krita/x"],
            [
                "Krita Flatpak: ~/.var/app/org.kde.krita/data/krita, "
                "~/.var/app/org.kde.krita/config/kritarc"
            ],
            id="Flatpak, never started",
        ),
        pytest.param(
            "linux",
            ["~/snap/krita/current/.local/share/krita"],
            [
                "Krita Snap: ~/snap/krita/current/.local/share/krita, "
                "~/snap/krita/current/.config/kritarc"
            ],
            id="Snap",
        ),
        pytest.param(
            "win32",
            ["~/AppData/Roaming/krita"],
            ["Krita: ~/AppData/Roaming/krita, ~/AppData/Local/kritarc"],
            id="Windows",
        ),
        pytest.param(
            "win32",
            ["~/AppData/Local/Packages/49800Krita_x/LocalCache/Roaming/krita"],
            [
                "Krita Store: ~/AppData/Local/Packages/49800Krita_x/LocalCache/Roaming/krita, "
                "~/AppData/Local/Packages/49800Krita_x/LocalCache/Local/kritarc"
            ],
            id="Windows Store",
        ),
        pytest.param(
            "darwin",
            ["~/Library/Application Support/krita"],
            ["Krita: ~/Library/Application Support/krita, ~/Library/Preferences/kritarc"],
            id="macOS",
        ),
        pytest.param(
            "darwin",
            ["/Applications/krita.app"],
            ["Krita: ~/Library/Application Support/krita, ~/Library/Preferences/kritarc"],
            id="macOS, never started",
        ),
        pytest.param("linux", [], [], id="none"),
    ],
)
def test_kritas_folders(platform: str, paths: list[str], expected: list[str]):
    variables = WINDOWS if platform == "win32" else {}

    assert kritas(platform, *paths, variables=variables) == expected


@pytest.mark.parametrize(
    ("settings", "resources"),
    [
        pytest.param(b"ResourceDirectory=/big/krita\n\n[python]\n", "/big/krita", id="named"),
        pytest.param(b"a=b\nResourceDirectory=/big/krita \n", "/big/krita", id="further down"),
        pytest.param(
            b"[x]\nResourceDirectory=/big/krita\n", "~/.local/share/krita", id="in a group"
        ),
        pytest.param(b"ResourceDirectory=big\n", "~/.local/share/krita", id="relative"),
        pytest.param(b"ResourceDirectory=\n", "~/.local/share/krita", id="empty"),
    ],
)
def test_kritas_settings_may_name_another_folder_of_resources(settings: bytes, resources: str):
    assert kritas("linux", files={"~/.config/kritarc": settings}) == [
        f"Krita: {resources}, ~/.config/kritarc"
    ]


@pytest.mark.parametrize(
    ("path", "has_flatpak"),
    [
        pytest.param("~/.var/app/org.gimp.GIMP/config/GIMP/3.2", True, id="GIMP"),
        pytest.param("/var/lib/flatpak/app/org.gimp.GIMP/current", True, id="GIMP, not started"),
        pytest.param("~/.var/app/org.kde.krita/data/krita", True, id="Krita"),
        pytest.param("~/.config/GIMP/3.2", False, id="none"),
    ],
)
def test_an_editor_in_a_sandbox_is_noticed(path: str, has_flatpak: bool):
    assert find_editors(fake_machine("linux", path)).has_flatpak is has_flatpak


def test_where_it_was_looked_can_be_told():
    machine = fake_machine("linux")

    assert [str(path) for path in gimp_folders(machine)] == ["/home/zoë/.config/GIMP"]
    assert "/home/zoë/.var/app/org.kde.krita/data/krita" in map(str, krita_folders(machine))


def test_two_editors_of_one_kind_are_told_apart_by_their_titles():
    titles = [Krita(PurePath("a"), PurePath("b"), build).title for build in ("", "Flatpak")]

    assert titles == ["Krita", "Krita Flatpak"]
