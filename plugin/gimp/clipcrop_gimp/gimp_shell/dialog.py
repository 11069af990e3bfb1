"""Asks what the crop should show."""

from __future__ import annotations

from typing import Any, Callable

from gi.repository import Gimp, GimpUi, GObject, Gtk

from clipcrop_plugin.choices import ASPECTS, Choices, aspect_label
from clipcrop_plugin.errors import BadChoice, PluginError
from clipcrop_plugin.messages import sentence
from clipcrop_plugin.texts import _

from .arguments import FILE_EXAMPLE, read_choices
from .memory import memory

_GAP = 6  # GIMP's own
_SYNC = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE


class Dialog:
    """GIMP's dialog of a procedure, with entries that know what was asked before."""

    def __init__(self, procedure: Gimp.Procedure, config: Any) -> None:
        """Show what ``config`` says."""
        self._config = config
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, _("Smart Crop by Description"))
        self._dialog.set_ok_label(_("Fin_d Crops"))
        self._dialog.set_default_size(420, -1)
        self._widgets: dict[str, Gtk.Widget] = {}
        self._error_text = Gtk.Label(xalign=0, wrap=True, max_width_chars=48, selectable=False)
        self._error = Gtk.Box(spacing=_GAP)
        icon = Gtk.Image.new_from_icon_name("gimp-warning", Gtk.IconSize.MENU)
        self._error.pack_start(icon, False, False, 0)
        self._error.pack_start(self._error_text, True, True, 0)
        self._error.show_all()
        self._error.set_no_show_all(True)
        self._error.hide()
        grid = self._build()
        box = self._dialog.get_content_area()
        box.pack_start(grid, True, True, 0)
        grid.show_all()
        self._show_file()

    def run(self, ask: Callable[[Choices], None]) -> Choices | None:
        """Until what the user chose can be asked, or they change their mind.

        Args:
            ask: Raises `PluginError` for what cannot be.
        """
        field = "prompt"
        while self._run_with_focus(field):
            try:
                choices = read_choices(self._config)
                ask(choices)
            except PluginError as exc:
                self._error_text.set_text(sentence(exc))
                self._error.show()
                field = exc.field if isinstance(exc, BadChoice) else "prompt"
            else:
                return choices
        return None

    def hide(self) -> None:
        """Give it up for the user; `run` ends."""
        self._dialog.hide()

    def destroy(self) -> None:
        """Close it."""
        self._dialog.destroy()

    def _run_with_focus(self, field: str) -> bool:
        self._widgets.get(field, self._widgets["prompt"]).grab_focus()
        return bool(self._dialog.run())

    def _build(self) -> Gtk.Widget:
        past = memory.history()
        self._grid = Gtk.Grid(row_spacing=_GAP, column_spacing=2 * _GAP, border_width=2 * _GAP)
        self._rows = 0
        prompt = self._entry("prompt", past.prompts)
        prompt.get_child().set_activates_default(True)
        self._add("prompt", prompt)
        exclude = self._entry("exclude", past.exclusions)
        exclude.get_child().set_activates_default(True)
        self._add("exclude", exclude)
        self._add("aspect", self._aspects())
        for name in ("source", "apply", "example"):
            self._add(name, GimpUi.prop_choice_combo_box_new(self._config, name))
        self._file_label, self._file = self._add("example-file", self._file_button())
        self._config.connect("notify::example", lambda *_: self._show_file())
        self._grid.attach(self._error, 0, self._rows, 2, 1)
        return self._grid

    def _add(self, name: str, widget: Gtk.Widget) -> tuple[Gtk.Label, Gtk.Widget]:
        spec = self._config.find_property(name)
        label = Gtk.Label.new_with_mnemonic(spec.get_nick())
        label.set_xalign(0)
        self._widgets[name] = widget.get_child() if _has_entry(widget) else widget
        label.set_mnemonic_widget(self._widgets[name])
        widget.set_hexpand(True)
        widget.set_tooltip_text(spec.get_blurb())
        self._grid.attach(label, 0, self._rows, 1, 1)
        self._grid.attach(widget, 1, self._rows, 1, 1)
        self._rows += 1
        return label, widget

    def _entry(self, name: str, past: tuple[str, ...]) -> Gtk.ComboBoxText:
        """What was written before is in its menu, and completes what is being written."""
        combo = Gtk.ComboBoxText.new_with_entry()
        for text in past:
            combo.append_text(text)
        completion = Gtk.EntryCompletion(model=combo.get_model(), text_column=0)
        combo.get_child().set_completion(completion)
        self._config.bind_property(name, combo.get_child(), "text", _SYNC)
        return combo

    def _aspects(self) -> Gtk.ComboBoxText:
        """Words for those that have one; anything else may be written."""
        combo = Gtk.ComboBoxText.new_with_entry()
        labels = {name: aspect_label(name) for name in ASPECTS}
        names = {label: name for name, label in labels.items()}
        for name in ASPECTS:
            combo.append_text(labels[name])
        entry = combo.get_child()
        entry.set_activates_default(True)

        def write(*_: Any) -> None:
            aspect = self._config.get_property("aspect")
            text = entry.get_text()
            if names.get(text, text) != aspect:
                entry.set_text(labels.get(aspect, aspect))

        def read(*_: Any) -> None:
            text = entry.get_text()
            self._config.set_property("aspect", names.get(text, text))

        write()
        entry.connect("changed", read)
        self._config.connect("notify::aspect", write)
        return combo

    def _file_button(self) -> Gtk.FileChooserButton:
        button = Gtk.FileChooserButton(title=_("Choose an Example"))
        images = Gtk.FileFilter()
        images.set_name(_("Images"))
        images.add_pixbuf_formats()
        images.add_mime_type("image/*")
        button.add_filter(images)
        file = self._config.get_property("example-file")
        if file is not None:
            button.set_file(file)
        button.connect(
            "file-set", lambda one: self._config.set_property("example-file", one.get_file())
        )
        return button

    def _show_file(self) -> None:
        """Only where a file is the example."""
        is_wanted = self._config.get_property("example") == FILE_EXAMPLE
        self._file_label.set_sensitive(is_wanted)
        self._file.set_sensitive(is_wanted)


def _has_entry(widget: Gtk.Widget) -> bool:
    return isinstance(widget, Gtk.ComboBox) and widget.get_has_entry()
