"""In GIMP's window, with keys and clicks, as a person uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from driver import Gimp, Window, wait_for

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

    def wait_until_gone(self, title: str) -> None:
        wait_for(
            f"no window {title!r}",
            lambda: not any(title in one.title for one in self.gimp.windows()),
        )


@pytest.fixture
def desktop(start_gimp: StartGimp, astronaut_path: Path) -> Desktop:
    return Desktop(start_gimp(astronaut_path, has_window=True, shortcuts=SHORTCUTS), astronaut_path)


def test_the_menu_has_all_five_and_opens_the_dialog(desktop: Desktop, tmp_path: Path):
    gimp = desktop.gimp

    gimp.key("alt+i")
    time.sleep(1.0)  # for the picture only
    gimp.screenshot(tmp_path / "menu.png")
    gimp.key("s")

    gimp.window(DIALOG)


def test_the_dialog_is_there_within_a_second_also_for_the_first_time(desktop: Desktop):
    taken = []
    for _ in range(3):
        gimp = desktop.gimp
        gimp.activate(desktop.main)
        started = time.monotonic()
        gimp.key(ASK_KEY)
        gimp.window(DIALOG)
        taken.append(time.monotonic() - started)
        gimp.activate(gimp.window(DIALOG))
        gimp.key("Escape")
        desktop.wait_until_gone(DIALOG)

    assert max(taken) < 1.0, taken


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
    gimp.key("Down")
    gimp.key("Down")
    wanted = desktop.selection()

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
    panel = desktop.ask("the woman")
    gimp.key("Down")
    wanted = desktop.selection()
    assert wanted is not None

    gimp.key("alt+t")  # Then
    gimp.key("Down")
    gimp.key("Return")  # in the list of what can be done
    time.sleep(0.3)
    gimp.activate(panel)
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
    gimp.key("alt+r")
    gimp.key("Down", "Down", "Down", "Return")  # free, the image's, 1:1, 3:2

    found = desktop.wait_for_selection(
        lambda one: one is not None and abs(one[2] / one[3] - 1.5) < 0.02
    )

    assert found is not None
    assert gimp.window(PANEL).id == panel.id


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
    wait_for("an unsaved image", lambda: gimp.run(f"result = {FIRST}.is_dirty()"))

    assert desktop.selection() == first


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

    gimp.key("Return")  # with nothing written
    wait_for(
        "a taller dialog",
        lambda: any(DIALOG in one.title and one.height > dialog.height for one in gimp.windows()),
    )
    gimp.screenshot(tmp_path / "error.png")
    gimp.type("the woman")
    gimp.key("Return")

    gimp.window(PANEL)
