"""From a fresh copy and an empty home to crops in both editors, and back again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from editor import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.gimp, pytest.mark.krita]

# What the editors themselves write whenever they run.
OF_EDITORS = re.compile(
    r"\.cache(/.*)?|\.config/GIMP(/3\.0/(?!plug-ins).*)?|\.config/(k|QtProject|session).*"
    r"|\.local/share/(krita\.log|krita-sysinfo\.log|recently-used\.xbel|RecentDocuments.*)"
    r"|\.local/share/(krita/.*\.(sqlite|log).*|krita/templates|mime.*|gvfs.*)|\.dbus.*|\.ICEauthority"
)

IN_GIMP = """
import json
photo = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path({photo!r}))
procedure = Gimp.get_pdb().lookup_procedure("plug-in-clipcrop")
config = procedure.create_config()
config.set_property("image", photo)
config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
config.set_property("prompt", "the woman")
config.set_property("apply", "crop")
status = procedure.run(config).index(0).value_nick
answer = {{
    "menu": [procedure.get_menu_label(), *procedure.get_menu_paths()],
    "status": status,
    "error": Gimp.get_pdb().get_last_error(),
    "size": [photo.get_width(), photo.get_height()],
}}
open({answer!r}, "w").write(json.dumps(answer))
"""


def test_everything_is_installed_makes_crops_in_both_editors_and_goes_again(user, samples: Path):
    before = user.contents()

    plan = user.installer("install", "--dry-run")
    assert user.contents() == before
    assert "plug-in into GIMP 3.0" in plan
    assert "plug-in into Krita" in plan

    said = user.installer("install")
    assert "Not done:" not in said, said
    assert '"the woman in the orange suit" gave a crop of' in said
    away = user.copy.rename(user.folder / "away")  # the copy is not needed any more

    _crop_in_gimp(user, samples / "astronaut.jpg")
    _crop_in_krita(user, samples / "astronaut.jpg")

    away.rename(user.copy)
    examined = user.installer("doctor")
    assert "All is well." in examined
    assert "engine: light" in examined
    again = user.installer("upgrade")
    assert "use the environment that is there" in again
    gone = user.installer("uninstall")
    assert "kept" not in gone
    assert "NOT REMOVED" not in gone

    after = user.contents()
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert sorted(path for path in changed if not OF_EDITORS.fullmatch(path)) == []
    assert [path for path in after if "clipcrop" in path and path not in before] == []
    assert "enable_clipcrop_krita" not in (user.home / ".config/kritarc").read_text()


def _crop_in_gimp(user, photo: Path) -> None:
    written = user.folder / "answer.json"

    said = user.in_gimp(IN_GIMP.format(photo=str(photo), answer=str(written)))

    assert written.exists(), said
    answer = json.loads(written.read_text())
    assert (answer["status"], answer["error"]) in (("success", ""), ("success", "success")), answer
    assert answer["menu"] == ["Smart Crop _by Description…", "<Image>/Image/[Crop]"]
    assert answer["size"] != [512, 512]


def _crop_in_krita(user, photo: Path) -> None:
    krita = user.krita
    krita.start(photo)
    actions = krita.run(
        "menu = [a.menu() for a in app.activeWindow().qwindow().menuBar().actions()"
        " if a.menu() and a.menu().objectName() == 'Image'][0]\n"
        "result = [a.objectName() for a in menu.actions()]"
    )
    assert "clipcrop_ask" in actions

    krita.focus_window()
    krita.key("ctrl+alt+k")
    focused = (
        "w = QtWidgets.QApplication.focusWidget(); result = None if w is None else w.objectName()"
    )
    wait_for("the cursor", lambda: krita.run(focused) == "clipcrop_prompt")
    krita.type("the woman")
    krita.key("Return")
    wait_for("crops", lambda: krita.run("result = widget('clipcrop_list').count()") > 0)
    krita.run("box = widget('clipcrop_apply'); box.setCurrentIndex(box.findData('crop'))")
    krita.key("ctrl+alt+Return")

    size = "result = [doc().width(), doc().height()]"
    wait_for("the crop", lambda: krita.run(size) != [512, 512])
    assert krita.failures == []
    krita.quit()
    krita.end()
