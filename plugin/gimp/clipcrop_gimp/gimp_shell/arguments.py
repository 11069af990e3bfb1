"""The arguments of the procedure that asks, and what they mean: `Choices`."""

from __future__ import annotations

from typing import Any

from gi.repository import Gimp, Gio, GObject

from clipcrop_plugin.choices import (
    APPLIES,
    FREE,
    NO_EXAMPLE,
    SELECTION_EXAMPLE,
    SOURCES,
    Choices,
    apply_label,
    parse_exclude,
    source_label,
)
from clipcrop_plugin.errors import BadChoice
from clipcrop_plugin.texts import _

FILE_EXAMPLE = "file"

AS_ASKED = "as_asked"
"""The way to apply that was chosen with the prompt."""

_READ_WRITE = GObject.ParamFlags.READWRITE


def add_choices(procedure: Gimp.Procedure) -> None:
    """Declare all that can be asked for."""
    default = Choices()
    procedure.add_string_argument(
        "prompt",
        _("_Keep"),
        _("What the crop should show, in words; nothing for a good crop of anything"),
        default.prompt,
        _READ_WRITE,
    )
    procedure.add_string_argument(
        "exclude",
        _("Leave o_ut"),
        _("What the crop should not show, in words; commas between several"),
        default.exclude_text,
        _READ_WRITE,
    )
    procedure.add_string_argument(
        "aspect",
        _("Aspect rat_io"),
        _("Width and height, as in 3:2; “free”, or “original” for that of the image"),
        FREE,
        _READ_WRITE,
    )
    procedure.add_choice_argument(
        "source",
        _("L_ook at"),
        _("What the crops are looked for in"),
        _choice({name: source_label(name) for name in SOURCES}),
        default.source,
        _READ_WRITE,
    )
    add_apply(procedure, default.apply, {})
    examples = {
        NO_EXAMPLE: _("None: words only"),
        SELECTION_EXAMPLE: _("What is selected now"),
        FILE_EXAMPLE: _("An image file"),
    }
    procedure.add_choice_argument(
        "example",
        _("_Example"),
        _("Something that looks like what the crop should show, instead of words"),
        _choice(examples),
        NO_EXAMPLE,
        _READ_WRITE,
    )
    procedure.add_file_argument(
        "example-file",
        _("_File"),
        _("The image file that is the example"),
        Gimp.FileChooserAction.OPEN,
        True,
        None,
        _READ_WRITE,
    )


def add_apply(procedure: Gimp.Procedure, default: str, more: dict[str, str]) -> None:
    """Declare what can become of a crop."""
    procedure.add_choice_argument(
        "apply",
        _("_Then"),
        _("What is done with the crop"),
        _choice({**more, **{name: apply_label(name) for name in APPLIES}}),
        default,
        _READ_WRITE,
    )


def read_choices(config: Any) -> Choices:
    """What the arguments say.

    Raises:
        BadChoice: it cannot be.
    """
    return Choices(
        prompt=config.get_property("prompt") or "",
        exclude=parse_exclude(config.get_property("exclude") or ""),
        aspect=config.get_property("aspect") or FREE,
        source=config.get_property("source"),
        apply=config.get_property("apply"),
        example=_read_example(config),
    )


def write_choices(choices: Choices, config: Any) -> None:
    """Have the arguments say it."""
    config.set_property("prompt", choices.prompt)
    config.set_property("exclude", choices.exclude_text)
    config.set_property("aspect", choices.aspect)
    config.set_property("source", choices.source)
    config.set_property("apply", choices.apply)
    path = choices.example_file
    config.set_property("example", FILE_EXAMPLE if path else choices.example)
    config.set_property("example-file", Gio.File.new_for_path(path) if path else None)


def _read_example(config: Any) -> str:
    example = str(config.get_property("example"))
    if example != FILE_EXAMPLE:
        return example
    file = config.get_property("example-file")
    path = None if file is None else file.get_path()
    if not path:
        raise BadChoice("example", _("Choose the image file that is the example."))
    return str(path)


def _choice(labels: dict[str, str]) -> Gimp.Choice:
    choice = Gimp.Choice.new()
    for number, (name, label) in enumerate(labels.items()):
        choice.add(name, number, label, "")
    return choice
