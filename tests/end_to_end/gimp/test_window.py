"""In GIMP's window, with keys and clicks, as a person uses it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from driver import FailedInGimp, Gimp, Window, wait_for
from editor import PATIENCE_S

pytestmark = pytest.mark.gimp

StartGimp = Callable[..., Gimp]

ASK_KEY, REPEAT_KEY, NEXT_KEY = "ctrl+shift+F9", "ctrl+shift+F10", "ctrl+shift+F11"
PREVIOUS_KEY, APPLY_KEY = "ctrl+shift+F8", "ctrl+shift+F7"
SHORTCUTS = {
    "plug-in-clipcrop": "<Primary><Shift>F9",
    "plug-in-clipcrop-repeat": "<Primary><Shift>F10",
    "plug-in-clipcrop-next": "<Primary><Shift>F11",
    "plug-in-clipcrop-previous": "<Primary><Shift>F8",
    "plug-in-clipcrop-apply": "<Primary><Shift>F7",
}
DIALOG, PANEL = "Smart Crop by Description", "Smart Crop: "
FIRST = "Gimp.get_images()[-1]"
KeepScreenshot = Callable[[Path], None]


class Desktop:
    """A GIMP with a photo in its window."""

    def __init__(self, gimp: Gimp, photo: Path) -> None:
        self.gimp, self.photo = gimp, photo
        self.main = gimp.window(photo.stem)
        gimp.activate(self.main)

    def selection(self) -> list[int] | None:
        found: list[int] | None = self.gimp.run(f"result = selection({FIRST})")
        return found

    def size(self) -> list[int]:
        got: list[int] = self.gimp.run(f"result = [{FIRST}.get_width(), {FIRST}.get_height()]")
        return got

    def select(self, x: int, y: int, width: int, height: int) -> list[int]:
        box = [x, y, width, height]
        self.gimp.run(
            f"{FIRST}.select_rectangle(Gimp.ChannelOps.REPLACE, *box); Gimp.displays_flush()",
            box=box,
        )
        return box

    def open_dialog(self) -> Window:
        self.gimp.activate(self.main)
        self.gimp.key(ASK_KEY)
        dialog = self.gimp.window(DIALOG)
        self.gimp.activate(dialog)
        return dialog

    def ask(self, prompt: str) -> Window:
        """Until the first suggestion is shown on the canvas."""
        before = self.selection()
        self.open_dialog()
        self.gimp.key("ctrl+a")
        self.gimp.type(prompt)
        self.gimp.key("Return")
        panel = self.gimp.window(PANEL)
        self.gimp.activate(panel)
        wait_for("a suggestion", lambda: self.selection() not in (None, before))
        return panel

    def wait_for_selection(self, wanted: Callable[[list[int] | None], bool]) -> list[int] | None:
        wait_for("the selection", lambda: wanted(self.selection()))
        return self.selection()

    def step(self, key: str) -> list[int] | None:
        """Press a key of the panel; the selection once it has changed."""
        before = self.selection()
        self.gimp.key(key)
        return self.wait_for_selection(lambda found: found != before)

    def wait_until_gone(self, title: str) -> None:
        wait_for(f"no window {title!r}", lambda: self.is_gone(title) and self.is_gone(title))

    def is_gone(self, title: str) -> bool:
        """A look may fail, while windows come and go: then it sees too few."""
        seen = self.gimp.windows()
        has_main = any(one.id == self.main.id for one in seen)
        return has_main and not any(title in one.title for one in seen)


@pytest.fixture
def desktop(start_gimp: StartGimp, astronaut_path: Path) -> Desktop:
    return Desktop(start_gimp(astronaut_path, has_window=True, shortcuts=SHORTCUTS), astronaut_path)


def test_the_menu_has_all_five_and_opens_the_dialog(desktop: Desktop):
    gimp = desktop.gimp
    procedures = gimp.run(
        """
found = Gimp.get_pdb().query_procedures("plug-in-clipcrop", *[""] * 7)
result = {
    name: [one.get_menu_label(), one.get_menu_paths(), one.get_blurb(), one.get_help()]
    for name in found
    for one in [Gimp.get_pdb().lookup_procedure(name)]
}
"""
    )

    gimp.key("alt+i")
    gimp.key("b")

    gimp.window(DIALOG)
    assert procedures.keys() == SHORTCUTS.keys()
    for label, paths, blurb, help_text in procedures.values():
        assert label
        assert paths == ["<Image>/Image/[Crop]"]
        assert blurb
        assert help_text


def test_gimp_starts_without_any_process_of_ours_and_one_stays_for_the_panels(desktop: Desktop):
    assert processes(desktop.gimp) == []

    desktop.open_dialog()
    desktop.gimp.key("Escape")
    desktop.wait_until_gone(DIALOG)
    wait_for("no process", lambda: not processes(desktop.gimp))
    for prompt in ("the woman", "the flag"):
        desktop.ask(prompt)
        desktop.gimp.key("Escape")
        desktop.wait_until_gone(PANEL)

    wait_for("one process", lambda: len(processes(desktop.gimp)) == 1)


def test_the_process_that_stays_ends_with_gimp(desktop: Desktop):
    gimp = desktop.gimp
    desktop.ask("the woman")
    assert gimp.process is not None
    running = psutil.Process(gimp.process.popen.pid).children(recursive=True)
    ours = [one for one in running if "clipcrop_gimp.py" in " ".join(one.cmdline())]
    assert len(ours) == 1

    with contextlib.suppress(FailedInGimp, OSError):  # it answers no more
        gimp.run(
            """
procedure = Gimp.get_pdb().lookup_procedure("gimp-quit")
config = procedure.create_config()
config.set_property("force", True)
procedure.run(config)
"""
        )

    assert psutil.wait_procs(ours, timeout=PATIENCE_S)[1] == []


def test_a_second_dialog_takes_the_place_of_the_first(desktop: Desktop):
    gimp = desktop.gimp
    first = desktop.open_dialog()

    gimp.activate(desktop.main)
    gimp.key(ASK_KEY)
    wait_for("another dialog", lambda: set(dialogs(gimp)) - {first.id})
    wait_for("the first one's end", lambda: first.id not in dialogs(gimp))

    gimp.activate(gimp.window(DIALOG))
    gimp.type("the woman")
    gimp.key("Return")
    gimp.window(PANEL)
    desktop.wait_for_selection(lambda found: found is not None)


def test_typing_a_prompt_selects_the_best_crop_and_arrows_step(desktop: Desktop):
    desktop.ask("the woman")
    gimp = desktop.gimp
    first = desktop.selection()

    gimp.key("Down")
    second = desktop.wait_for_selection(lambda found: found != first)
    gimp.key("Up")
    desktop.wait_for_selection(lambda found: found == first)
    gimp.key("Left")  # past the first: the last
    last = desktop.wait_for_selection(lambda found: found != first)

    assert last not in (first, second)


def test_a_click_on_a_suggestion_selects_it(desktop: Desktop):
    panel = desktop.ask("the woman")
    first = desktop.selection()

    desktop.gimp.click(panel.x + panel.width // 2, panel.y + 330)

    desktop.wait_for_selection(lambda found: found != first)


def test_enter_applies_in_one_step_of_undo_that_can_be_redone(desktop: Desktop):
    gimp, before = desktop.gimp, desktop.select(10, 20, 30, 40)
    desktop.ask("the woman")
    desktop.step("Down")
    wanted = desktop.step("Down")

    gimp.key("Return")
    desktop.wait_until_gone(PANEL)
    applied = desktop.selection()
    gimp.activate(desktop.main)
    gimp.key("ctrl+z")
    undone = desktop.wait_for_selection(lambda found: found == before)
    gimp.key("ctrl+y")
    desktop.wait_for_selection(lambda found: found == wanted)
    gimp.key("ctrl+z", "ctrl+z")

    assert applied == wanted
    assert undone == before
    assert desktop.wait_for_selection(lambda found: found is None) is None


def test_escape_puts_the_old_selection_back_and_leaves_no_step_of_undo(desktop: Desktop):
    gimp, before = desktop.gimp, desktop.select(10, 20, 30, 40)
    desktop.ask("the woman")

    gimp.key("Down")
    gimp.key("Escape")
    desktop.wait_until_gone(PANEL)
    after = desktop.selection()
    gimp.activate(desktop.main)
    gimp.key("ctrl+z")

    assert after == before
    assert desktop.wait_for_selection(lambda found: found is None) is None


def test_what_was_undone_can_be_redone_after_suggestions_were_only_looked_at(desktop: Desktop):
    gimp, before = desktop.gimp, desktop.select(10, 20, 30, 40)
    gimp.activate(desktop.main)
    gimp.key("ctrl+z")
    desktop.wait_for_selection(lambda found: found is None)

    desktop.ask("the woman")
    gimp.key("Escape")
    desktop.wait_until_gone(PANEL)
    gimp.activate(desktop.main)
    gimp.key("ctrl+y")

    desktop.wait_for_selection(lambda found: found == before)


def test_a_crop_of_the_image_is_undone_in_one_step(desktop: Desktop):
    gimp = desktop.gimp
    desktop.ask("the woman")
    wanted = desktop.step("Down")
    assert wanted is not None

    gimp.key("alt+t")  # Then
    gimp.key("Down")
    gimp.key("alt+a")
    desktop.wait_until_gone(PANEL)
    cropped = desktop.size()
    gimp.activate(desktop.main)
    gimp.key("ctrl+z")

    assert cropped == wanted[2:]
    wait_for("the old size", lambda: desktop.size() == [512, 512])
    assert desktop.selection() is None


def test_another_aspect_ratio_asks_again_and_the_canvas_follows(desktop: Desktop):
    gimp = desktop.gimp
    panel = desktop.ask("the woman")
    gimp.key("alt+i")
    gimp.key("Down", "Down", "Down")  # free, the image's, 1:1, 3:2

    found = desktop.wait_for_selection(
        lambda one: one is not None and abs(one[2] / one[3] - 1.5) < 0.02
    )

    assert found is not None
    assert gimp.window(PANEL).id == panel.id


def test_two_images_have_a_panel_each(desktop: Desktop, samples: Path):
    gimp = desktop.gimp
    first_panel = desktop.ask("the woman")
    ours = desktop.selection()
    gimp.run(
        "Gimp.Display.new(load(path)); Gimp.displays_flush()", path=str(samples / "rocket.jpg")
    )
    desktop.main = gimp.window("Untitled")
    desktop.open_dialog()
    gimp.key("ctrl+a")
    gimp.type("the rocket")
    gimp.key("Return")
    wait_for("two panels", lambda: len(panels(gimp)) == 2)
    second_panel = next(one for one in panels(gimp) if one.id != first_panel.id)
    both = (
        "result = [selection(one) for one in sorted(Gimp.get_images(), key=lambda i: i.get_id())]"
    )
    wait_for("both suggestions", lambda: None not in gimp.run(both))
    theirs = gimp.run(both)[1]

    gimp.activate(first_panel)
    gimp.key("Down")
    wait_for("a step in the first", lambda: gimp.run(both)[0] != ours)
    stepped = gimp.run(both)
    gimp.activate(second_panel)
    gimp.key("Escape")
    wait_for("one panel", lambda: [one.id for one in panels(gimp)] == [first_panel.id])
    left = gimp.run(both)
    gimp.activate(first_panel)
    gimp.key("Escape")
    desktop.wait_until_gone(PANEL)

    assert stepped[1] == theirs
    assert left == [stepped[0], None]
    assert gimp.run(both) == [None, None]


def test_asking_again_about_an_image_uses_the_panel_that_it_has(desktop: Desktop):
    gimp, before = desktop.gimp, desktop.select(10, 20, 30, 40)
    panel = desktop.ask("the woman")
    shown = desktop.selection()

    desktop.open_dialog()
    gimp.key("ctrl+a")
    gimp.type("the flag")
    gimp.key("Return")
    desktop.wait_for_selection(lambda found: found not in (None, before, shown))

    assert [one.id for one in panels(gimp)] == [panel.id]
    gimp.activate(panel)
    gimp.key("Escape")
    desktop.wait_until_gone(PANEL)
    assert desktop.selection() == before


def test_with_the_quick_mask_on_suggestions_are_shown_and_the_mask_stays(desktop: Desktop):
    gimp = desktop.gimp
    desktop.select(10, 20, 30, 40)
    gimp.key("shift+q")
    masks = f"result = [one.get_name() for one in {FIRST}.get_channels()]"
    wait_for("the quick mask", lambda: gimp.run(masks))
    name = gimp.run(masks)

    desktop.ask("the woman")
    gimp.key("Escape")
    desktop.wait_until_gone(PANEL)

    assert gimp.run(masks) == name
    gimp.activate(desktop.main)
    gimp.key("shift+q")
    desktop.wait_for_selection(lambda found: found == [10, 20, 30, 40])


def test_next_and_previous_have_keys_of_their_own(desktop: Desktop):
    gimp = desktop.gimp
    desktop.ask("the woman")
    first = desktop.selection()
    gimp.activate(desktop.main)

    gimp.key(NEXT_KEY)
    desktop.wait_for_selection(lambda found: found != first)
    gimp.activate(desktop.main)
    gimp.key(PREVIOUS_KEY)
    desktop.wait_for_selection(lambda found: found == first)
    gimp.activate(desktop.main)
    gimp.key(APPLY_KEY)

    # The user's own selection is put back on the way, which is none.
    applied = f"result = [{FIRST}.is_dirty(), selection({FIRST})]"
    wait_for("the crop", lambda: gimp.run(applied) == [True, first])


def test_repeat_shows_the_panel_without_a_dialog(desktop: Desktop):
    gimp = desktop.gimp
    desktop.ask("the woman")
    first = desktop.selection()
    gimp.key("Escape")
    desktop.wait_until_gone(PANEL)

    gimp.activate(desktop.main)
    gimp.key(REPEAT_KEY)

    gimp.window(PANEL)
    desktop.wait_for_selection(lambda found: found == first)


def test_the_dialog_remembers_and_has_the_prompts_of_before(desktop: Desktop):
    gimp = desktop.gimp
    for prompt in ("the woman", "the flag"):
        desktop.ask(prompt)
        gimp.key("Escape")
        desktop.wait_until_gone(PANEL)

    desktop.open_dialog()
    gimp.key("Return")
    gimp.activate(gimp.window(PANEL))

    history = gimp.run("result = bytes(Gimp.get_parasite('clipcrop-history').get_data()).decode()")
    assert history.index("the flag") < history.index("the woman")
    assert '"the flag"' in gimp.run(
        "result = bytes(Gimp.get_parasite('clipcrop-choices').get_data()).decode()"
    )


def test_the_users_own_selection_made_meanwhile_is_not_undone(desktop: Desktop):
    gimp = desktop.gimp
    desktop.ask("the woman")
    theirs = desktop.select(5, 5, 50, 50)

    gimp.key("Escape")
    desktop.wait_until_gone(PANEL)

    assert desktop.selection() == theirs


def test_closing_the_image_closes_its_panel(desktop: Desktop):
    desktop.ask("the woman")

    desktop.gimp.run(f"{FIRST}.clean_all()")
    desktop.gimp.activate(desktop.main)
    desktop.gimp.key("ctrl+w")

    desktop.wait_until_gone(PANEL)
    assert desktop.gimp.is_running


def test_an_error_in_the_dialog_is_said_there(desktop: Desktop, tmp_path: Path):
    gimp = desktop.gimp
    dialog = desktop.open_dialog()

    gimp.key("alt+i", "ctrl+a")
    gimp.type("wide")
    gimp.key("Return")
    wait_for(
        "a taller dialog",
        lambda: any(DIALOG in one.title and one.height > dialog.height for one in gimp.windows()),
    )
    gimp.screenshot(tmp_path / "error.png")
    gimp.key("ctrl+a")  # where the mistake is
    gimp.type("3:2")
    gimp.key("Return")

    gimp.window(PANEL)


def dialogs(gimp: Gimp) -> list[str]:
    return [one.id for one in gimp.windows() if one.title == DIALOG]


def panels(gimp: Gimp) -> list[Window]:
    return [one for one in gimp.windows() if one.title.startswith(PANEL)]


def processes(gimp: Gimp) -> list[int]:
    """Those of the plug-in, by their ids inside the tree."""
    source = """
import pathlib
def command(folder):
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""
result = [
    int(folder.name)
    for folder in pathlib.Path("/proc").iterdir()
    if folder.name.isdigit() and b"clipcrop_gimp.py" in command(folder)
]
"""
    found: list[int] = gimp.run(source)
    return found


def wait_until_drawn(desktop: Desktop) -> None:
    """Until two looks in a row are alike: nothing else tells that a window has drawn itself."""
    gimp, last = desktop.gimp, b""
    gimp.move_away()

    def rests() -> bool:
        nonlocal last
        before, last = last, gimp.screenshot(gimp.folder / "now.ppm").read_bytes()
        return last == before

    wait_for("the windows to be drawn", rests)


def test_pictures_for_the_readme(
    start_gimp: StartGimp, samples: Path, tmp_path: Path, keep_screenshot: KeepScreenshot
):
    desktop = Desktop(
        start_gimp(samples / "coffee.jpg", has_window=True, shortcuts=SHORTCUTS),
        samples / "coffee.jpg",
    )
    gimp = desktop.gimp
    dialog = desktop.open_dialog()
    gimp.type("the cup of coffee")
    wait_until_drawn(desktop)
    keep_screenshot(gimp.screenshot(tmp_path / "dialog.png", dialog))
    gimp.key("Return")
    panel = gimp.window(PANEL)
    gimp.activate(panel)
    wait_for("a suggestion", desktop.selection)
    gimp.key("Down")
    wait_until_drawn(desktop)
    keep_screenshot(gimp.screenshot(tmp_path / "panel.png", panel))
    keep_screenshot(gimp.screenshot(tmp_path / "beside_the_image.png"))
    gimp.key("Escape")
    desktop.wait_until_gone(PANEL)
    gimp.activate(desktop.main)
    gimp.key("alt+i")
    wait_until_drawn(desktop)
    keep_screenshot(gimp.screenshot(tmp_path / "menu.png"))

    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("*.png")}
    assert min(sizes.values()) > 5_000, sizes


@pytest.mark.parametrize(
    ("language", "locale", "title"),
    [
        pytest.param("de", "de_DE.UTF-8", "Zuschneiden nach Beschreibung", id="German"),
        pytest.param(
            "he", "he_IL.UTF-8", "\u05d7\u05d9\u05ea\u05d5\u05da", id="Hebrew, right to left"
        ),
    ],
)
def test_it_speaks_the_users_language(
    start_gimp: StartGimp,
    astronaut_path: Path,
    tmp_path: Path,
    keep_screenshot: KeepScreenshot,
    language: str,
    locale: str,
    title: str,
):
    gimp = start_gimp(
        astronaut_path,
        has_window=True,
        shortcuts=SHORTCUTS,
        variables={"LANGUAGE": language, "LC_ALL": locale, "LANG": locale},
    )
    desktop = Desktop(gimp, astronaut_path)
    gimp.key(ASK_KEY)
    dialog = gimp.window(title)
    gimp.activate(dialog)
    gimp.type("the woman")
    wait_until_drawn(desktop)
    keep_screenshot(gimp.screenshot(tmp_path / f"dialog_{language}.png", dialog))
    gimp.key("Return")
    panel = gimp.window("astronaut.jpg")
    gimp.activate(panel)
    wait_for("a suggestion", desktop.selection)
    wait_until_drawn(desktop)
    keep_screenshot(gimp.screenshot(tmp_path / f"panel_{language}.png", panel))


@pytest.fixture
def slow_desktop(start_gimp: StartGimp, fake_daemon: Any, astronaut_path: Path) -> Desktop:
    """A photo in a GIMP whose daemon takes as long as the prompt says."""
    fake_daemon.start()
    gimp = start_gimp(astronaut_path, has_window=True, shortcuts=SHORTCUTS, daemon=fake_daemon)
    return Desktop(gimp, astronaut_path)


def begin(desktop: Desktop, prompt: str) -> Window:
    """Ask, and wait for the panel only."""
    desktop.open_dialog()
    desktop.gimp.key("ctrl+a")
    desktop.gimp.type(prompt)
    desktop.gimp.key("Return")
    panel = desktop.gimp.window(PANEL)
    desktop.gimp.activate(panel)
    return panel


def test_gimp_can_be_worked_with_while_it_waits(slow_desktop: Desktop, fake_daemon: Any):
    gimp = slow_desktop.gimp
    begin(slow_desktop, "sleep 600")
    wait_for("the work", fake_daemon.is_at_work)
    gimp.activate(slow_desktop.main)

    gimp.key("ctrl+a")
    slow_desktop.wait_for_selection(lambda found: found == [0, 0, 512, 512])

    assert fake_daemon.is_at_work()


def test_stop_ends_the_wait_and_another_question_can_be_asked(
    slow_desktop: Desktop, fake_daemon: Any
):
    gimp = slow_desktop.gimp
    begin(slow_desktop, "steps 12000")
    wait_for("the work", fake_daemon.is_at_work)

    gimp.key("alt+s")
    wait_for("an idle daemon", lambda: not fake_daemon.is_at_work())
    gimp.key("Escape")
    slow_desktop.wait_until_gone(PANEL)
    slow_desktop.ask("work 0.01")

    assert slow_desktop.selection() is not None


def test_an_image_that_is_closed_while_waiting_is_no_harm(
    slow_desktop: Desktop, fake_daemon: Any, samples: Path
):
    gimp = slow_desktop.gimp
    begin(slow_desktop, "steps 12000")
    wait_for("the work", fake_daemon.is_at_work)

    gimp.activate(slow_desktop.main)
    gimp.key("ctrl+w")
    slow_desktop.wait_until_gone(PANEL)
    wait_for("an idle daemon", lambda: not fake_daemon.is_at_work())
    gimp.run(
        "Gimp.Display.new(load(path)); Gimp.displays_flush()", path=str(samples / "rocket.jpg")
    )
    slow_desktop.main = gimp.window("Untitled")
    slow_desktop.ask("work 0.01")

    assert gimp.is_running


def test_a_daemon_that_dies_is_said_in_the_panel(slow_desktop: Desktop, fake_daemon: Any):
    gimp = slow_desktop.gimp
    begin(slow_desktop, "sleep 600")
    wait_for("the work", fake_daemon.is_at_work)
    before = slow_desktop.select(1, 2, 3, 4)

    fake_daemon.kill()
    fake_daemon.start()
    gimp.key("Escape")
    slow_desktop.wait_until_gone(PANEL)
    kept = slow_desktop.selection()
    slow_desktop.ask("work 0.01")

    assert kept == before
