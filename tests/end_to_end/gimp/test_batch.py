"""Without a window: the procedures, called as scripts do, and what they leave in the image."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from driver import FailedInGimp, Gimp, Process, wait_for
from procedures import (
    APPLY,
    ASK,
    MASK,
    NEXT,
    PREVIOUS,
    REPEAT,
    STRUCTURE,
    ask,
    boxes,
    call,
    make_soft_selection,
    selection,
)

pytestmark = pytest.mark.gimp


def test_the_best_suggestion_is_selected_and_all_are_returned(gimp: Gimp, photo: int):
    answer = ask(gimp, photo, prompt="the woman", aspect="3:2")

    assert answer["num-suggestions"] == len(boxes(answer)) == len(answer["qualities"]) > 1
    assert answer["qualities"] == sorted(answer["qualities"], reverse=True)
    assert selection(gimp, photo) == boxes(answer)[0]
    assert (answer["kind"], answer["matched"]) == ("match", ["woman"])
    assert answer["result"] == photo
    for _x, _y, width, height in boxes(answer):
        assert width / height == pytest.approx(1.5, abs=0.02)


def test_stepping_goes_past_both_ends_and_the_canvas_follows(gimp: Gimp, photo: int):
    all_of_them = boxes(ask(gimp, photo, prompt="the woman"))
    number = len(all_of_them)

    onwards = [call(gimp, NEXT, photo) for _ in range(number)]
    back = call(gimp, PREVIOUS, photo)

    assert [one["index"] for one in onwards] == [*range(1, number), 0]
    assert [one["box"] for one in onwards] == [*all_of_them[1:], all_of_them[0]]
    assert back["index"] == number - 1
    assert selection(gimp, photo) == back["box"] == all_of_them[-1]


def test_what_one_call_leaves_the_next_ones_find(gimp: Gimp, photo: int):
    """Each call is a process of its own; the user's soft selection outlives them all."""
    before = make_soft_selection(gimp, photo)
    suggested = boxes(ask(gimp, photo, prompt="the woman", aspect="1:1", apply="guides"))

    step = call(gimp, NEXT, photo)
    shown = selection(gimp, photo)
    applied = call(gimp, APPLY, photo, apply="new_image")

    assert shown == step["box"] == applied["box"] == suggested[1]
    assert gimp.run(MASK, photo=photo) == before
    assert call(gimp, NEXT, applied["result"])["status"] == "execution-error"
    assert call(gimp, NEXT, photo)["box"] == suggested[2]


@pytest.mark.parametrize("note", ["", "{", '{"image": 1}', "x" * 70_000])
def test_a_note_of_suggestions_that_is_of_no_use_counts_as_none(gimp: Gimp, photo: int, note: str):
    gimp.run(
        """
image_of(photo).attach_parasite(Gimp.Parasite.new("clipcrop-suggestions", 0, list(note.encode())))
""",
        photo=photo,
        note=note or " ",
    )

    answer = call(gimp, NEXT, photo)

    assert "There are no suggestions for this image" in answer["error"]


def test_masks_channels_and_layers_are_untouched_by_a_selection(gimp: Gimp, photo: int):
    gimp.run(
        """
image = image_of(photo)
layer = image.get_layers()[0]
layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
image.insert_channel(Gimp.Channel.new(image, "mine", 512, 512, 50, Gegl.Color.new("red")), None, 0)
image.insert_layer(Gimp.Layer.copy(layer), None, 0)
image.set_selected_layers([layer])
image.clean_all()
""",
        photo=photo,
    )
    before = gimp.run(STRUCTURE, photo=photo)

    ask(gimp, photo, prompt="the woman", apply="guides")
    gimp.run(
        "[image_of(photo).delete_guide(1) for _ in ()]; image_of(photo).clean_all()", photo=photo
    )
    call(gimp, NEXT, photo)

    assert gimp.run(STRUCTURE, photo=photo) == before


def test_two_images_have_suggestions_of_their_own(gimp: Gimp, photo: int, samples: Path):
    other = gimp.run("result = load(path).get_id()", path=str(samples / "rocket.jpg"))
    ours = boxes(ask(gimp, photo, prompt="the woman"))
    theirs = boxes(ask(gimp, other, prompt="the rocket"))

    step = call(gimp, NEXT, photo)

    assert step["box"] == ours[1]
    assert selection(gimp, other) == theirs[0]


def test_repeat_asks_what_was_asked_last_also_about_another_image(
    gimp: Gimp, photo: int, samples: Path
):
    remember(gimp, {"version": 1, "prompt": "the rocket", "aspect": "1:1", "apply": "crop"})
    other = gimp.run("result = load(path).get_id()", path=str(samples / "rocket.jpg"))

    answer = call(gimp, REPEAT, other)
    last = gimp.run(
        "result = call(name, image_of(photo), is_last=True)",
        name=ASK,
        photo=gimp.run("result = load(path).get_id()", path=str(samples / "rocket.jpg")),
    )

    assert answer["status"] == "success"
    assert boxes(answer)[0][2] == boxes(answer)[0][3]
    assert boxes(last) == boxes(answer)


def test_settings_outlive_gimp(gimp: Gimp, samples: Path):
    remember(gimp, {"version": 1, "prompt": "the cat"})
    quit_now = """
procedure = Gimp.get_pdb().lookup_procedure("gimp-quit")
config = procedure.create_config()
config.set_property("force", True)
procedure.run(config)
"""

    with contextlib.suppress(FailedInGimp, OSError):  # it answers no more
        gimp.run(quit_now)
    wait_for("GIMP's end", lambda: not gimp.is_running)
    gimp.end()
    gimp.start()
    photo = gimp.run("result = load(path).get_id()", path=str(samples / "chelsea.jpg"))

    assert call(gimp, REPEAT, photo)["matched"] == ["cat"]


@pytest.mark.parametrize(
    "note",
    [
        pytest.param({"version": 0, "prompt": "the cat", "mode": "quick"}, id="older"),
        pytest.param({"version": 99, "prompt": "the cat", "source": "everything"}, id="newer"),
    ],
)
def test_settings_of_another_version_are_of_use(gimp: Gimp, samples: Path, note: dict[str, object]):
    remember(gimp, note)
    photo = gimp.run("result = load(path).get_id()", path=str(samples / "chelsea.jpg"))

    answer = call(gimp, REPEAT, photo)

    assert answer["status"] == "success", answer
    assert answer["matched"] == ["cat"]


@pytest.mark.parametrize(
    "note", ["", "{", "[1]", "x" * 100_000], ids=["empty", "cut", "list", "long"]
)
def test_settings_that_are_of_no_use_count_as_none(gimp: Gimp, photo: int, note: str):
    remember(gimp, note)

    answer = call(gimp, REPEAT, photo)

    assert answer["status"] == "success"
    assert answer["sentence"].startswith("General crops, since nothing was described.")


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param('the woman\'s "helmet" & <b>flag</b> \\ %s', id="quotes"),
        pytest.param("the woman 👩‍🚀🚀 à côté du drapeau", id="emoji"),
        pytest.param(("the woman in an orange suit and " * 20)[:500].strip(), id="500 characters"),
    ],
)
def test_any_prompt_is_asked_as_it_is(gimp: Gimp, photo: int, prompt: str):
    answer = ask(gimp, photo, prompt=prompt)

    assert answer["num-suggestions"] > 0


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        pytest.param({"prompt": "a cat", "aspect": "3 by 2"}, "no aspect ratio", id="aspect"),
        pytest.param({"prompt": "a" * 20_000}, "20000 characters", id="much too long"),
        pytest.param({"example": "selection"}, "Select the part", id="nothing selected"),
        pytest.param({"example": "file"}, "Choose the image file", id="no file"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    gimp: Gimp, photo: int, choices: dict[str, object], said: str
):
    answer = call(gimp, ASK, photo, **choices)

    assert answer["status"] == "calling-error"
    assert said in answer["error"]


@pytest.mark.parametrize("name", [NEXT, PREVIOUS, APPLY])
def test_without_suggestions_it_is_said_where_they_come_from(gimp: Gimp, photo: int, name: str):
    answer = call(gimp, name, photo)

    assert answer["status"] == "execution-error"
    assert "There are no suggestions for this image" in answer["error"]


def test_an_image_that_has_another_size_now_is_not_cropped(gimp: Gimp, photo: int):
    ask(gimp, photo, prompt="the woman")
    gimp.run("image_of(photo).scale(100, 100)", photo=photo)

    answer = call(gimp, APPLY, photo, apply="crop")

    assert answer["status"] == "execution-error"
    assert "another size" in answer["error"]
    assert gimp.run("result = image_of(photo).get_width()", photo=photo) == 100


def test_without_words_there_are_good_crops_of_anything(gimp: Gimp, photo: int):
    answer = ask(gimp, photo, aspect="1:1")

    assert (answer["kind"], answer["matched"]) == ("general", [])
    assert answer["sentence"].startswith("General crops, since nothing was described.")
    assert selection(gimp, photo) == boxes(answer)[0]


def test_an_example_stands_for_words(gimp: Gimp, photo: int, samples: Path):
    gimp.run(
        "image_of(photo).select_rectangle(Gimp.ChannelOps.REPLACE, 180, 20, 150, 180)", photo=photo
    )

    by_selection = ask(gimp, photo, example="selection")
    by_file = gimp.run(
        """
result = call(name, image_of(photo), example="file", example_file=Gio.File.new_for_path(path))
""",
        name=ASK,
        photo=photo,
        path=str(samples / "rocket.jpg"),
    )

    assert by_selection["num-suggestions"] > 0
    assert by_file["status"] == "success", by_file
    assert len(gimp.run("result = [one.get_id() for one in Gimp.get_images()]")) == 1


def test_an_example_that_gimp_cannot_open_is_named(gimp: Gimp, photo: int, tmp_path: Path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")

    answer = gimp.run(
        """
result = call(name, image_of(photo), example="file", example_file=Gio.File.new_for_path(path))
""",
        name=ASK,
        photo=photo,
        path=str(broken),
    )

    assert answer["status"] == "calling-error"
    assert str(broken) in answer["error"]


def test_a_script_on_gimps_command_line_can_use_it(
    start_gimp: Callable[..., Gimp], astronaut_path: Path, tmp_path: Path
):
    gimp = start_gimp()
    script = f"""
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path({str(astronaut_path)!r}))
procedure = Gimp.get_pdb().lookup_procedure({ASK!r})
config = procedure.create_config()
config.set_property("image", image)
config.set_property("prompt", "the woman")
config.set_property("apply", "crop")
values = procedure.run(config)
assert values.index(0) == Gimp.PDBStatusType.SUCCESS
Gimp.file_save(
    Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path({str(tmp_path / "out.png")!r}), None
)
"""
    gimp.end()
    gimp.probe.unlink()
    batch = ["gimp-console", "--no-interface", "--no-data", "--no-fonts", "--quit"]
    batch += [
        "--batch-interpreter=python-fu-eval",
        "-b",
        f"import gi\nfrom gi.repository import Gio\n{script}",
    ]

    with gimp.log.open("a") as log:
        process: Process = gimp.place.start(batch, gimp.variables, stdout=log, stderr=log)
        code = process.popen.wait(60)

    from PIL import Image

    assert code == 0, gimp.log.read_text()[-2000:]
    with Image.open(tmp_path / "out.png") as saved:
        assert saved.size != (512, 512)


def remember(gimp: Gimp, note: dict[str, object] | str) -> None:
    """As the plug-in of some version would have left it."""
    text = note if isinstance(note, str) else json.dumps(note)
    gimp.run(
        """
data = list(text.encode())
if data:
    Gimp.attach_parasite(Gimp.Parasite.new("clipcrop-choices", Gimp.PARASITE_PERSISTENT, data))
""",
        text=text,
    )
