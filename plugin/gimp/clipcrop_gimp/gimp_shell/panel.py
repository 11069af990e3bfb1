"""Suggestions beside the image: a window that stays while the user goes on working."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

from gi.repository import Gdk, GimpUi, GLib, Gtk, Pango

from clipcrop_plugin.choices import (
    APPLIES,
    ASPECTS,
    Choices,
    apply_label,
    aspect_label,
)
from clipcrop_plugin.errors import PluginError
from clipcrop_plugin.geometry import Size
from clipcrop_plugin.messages import sentence
from clipcrop_plugin.session import Suggestion
from clipcrop_plugin.texts import _, is_right_to_left, isolated

from .memory import memory
from .previews import ImagePreview
from .thumbnails import BOX, reduce, with_crop

Apply = Callable[[ImagePreview, str], Any]

_LOOK_EVERY_S = 1  # whether the image is still open: GIMP has no signal for it
_PULSE_MS = 100
_WIDTH_PX, _HEIGHT_PX = 320, 620
_GAP = 6  # GIMP's own between widgets; twice that around them

_BACK, _ON = {Gdk.KEY_Up, Gdk.KEY_KP_Up}, {Gdk.KEY_Down, Gdk.KEY_KP_Down}
_LEFT, _RIGHT = {Gdk.KEY_Left, Gdk.KEY_KP_Left}, {Gdk.KEY_Right, Gdk.KEY_KP_Right}
_ENTER = {Gdk.KEY_Return, Gdk.KEY_KP_Enter, Gdk.KEY_ISO_Enter}


class Panels:
    """One panel an image, at most."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._panels: dict[int, Panel] = {}

    @property
    def are_open(self) -> bool:
        """There is one."""
        return bool(self._panels)

    def show(self, preview: ImagePreview) -> None:
        """Open the image's panel, or bring it to the front."""
        number = preview.image.get_id()
        panel = self._panels.get(number)
        if panel is None:
            panel = Panel(preview, self._apply)
            panel.connect("destroy", lambda _panel: self._panels.pop(number, None))
            self._panels[number] = panel
        panel.begin()


class Panel(Gtk.Window):
    """Shows one preview; what it does to the canvas, the preview does."""

    def __init__(self, preview: ImagePreview, apply: Apply) -> None:
        super().__init__(title=_title(preview), default_width=_WIDTH_PX, default_height=_HEIGHT_PX)
        self._preview, self._session, self._apply = preview, preview.session, apply
        self._listed: tuple[Suggestion, ...] = ()
        self._is_filling = False
        self._is_choosing = False  # an aspect ratio, perhaps by the arrows
        self._pulse: int | None = None
        self.set_type_hint(Gdk.WindowTypeHint.UTILITY)
        self.set_role("clipcrop-panel")
        GimpUi.window_set_transient(self)
        self._build()
        self._look = GLib.timeout_add_seconds(_LOOK_EVERY_S, self._look_for_image)
        self.connect("key-press-event", self._on_key)
        self.connect("delete-event", self._on_delete)
        self.connect("destroy", self._on_destroy)
        preview.on_change = self.refresh

    def refresh(self) -> None:
        """Show how it stands."""
        if not self._preview.is_open:
            self.destroy()
            return
        session = self._session
        choices = session.choices or Choices()
        self._is_filling = True  # what changes now, the user has not changed
        try:
            self._prompt.set_text(choices.headline)
            self._found.set_text(session.found_text)
            self._found.set_visible(bool(session.found_text))
            self._status.set_text(self._preview.sentence)
            self._fill_aspects(choices.aspect)
            self._how.set_active_id(choices.apply)
            if session.suggestions is not self._listed:
                self._fill_list()
            row = self._list.get_row_at_index(session.index) if session.current else None
            if row is not None and row is not self._list.get_selected_row():
                self._list.select_row(row)
                if not (self._is_choosing and self._is_in_menu()):
                    row.grab_focus()
        finally:
            self._is_filling = False
        self._apply_button.set_sensitive(session.current is not None)
        self._show_progress()

    def _build(self) -> None:
        outer = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_GAP, border_width=2 * _GAP)
        self._prompt = Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END)
        bold = Pango.AttrList()
        bold.insert(Pango.attr_weight_new(Pango.Weight.BOLD))
        self._prompt.set_attributes(bold)
        self._found = Gtk.Label(xalign=0, wrap=True, no_show_all=True)
        self._list = Gtk.ListBox(selection_mode=Gtk.SelectionMode.BROWSE, name="clipcrop-list")
        self._list.connect("row-selected", self._on_row)
        self._list.connect("row-activated", lambda *_: self._on_apply())
        self._list.set_activate_on_single_click(False)
        scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN)
        scrolled.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC)
        scrolled.add(self._list)
        self._status = Gtk.Label(xalign=0, wrap=True, selectable=False, max_width_chars=36)
        for widget in (self._prompt, self._found, self._build_choices()):
            outer.pack_start(widget, False, False, 0)
        outer.pack_start(scrolled, True, True, 0)
        for widget in (self._status, self._build_progress(), self._build_buttons()):
            outer.pack_start(widget, False, False, 0)
        self.add(outer)
        outer.show_all()

    def _build_choices(self) -> Gtk.Widget:
        grid = Gtk.Grid(row_spacing=_GAP, column_spacing=_GAP)
        self._aspect = Gtk.ComboBoxText(hexpand=True)
        self._aspect.connect("changed", self._on_aspect)
        self._how = Gtk.ComboBoxText(hexpand=True)
        for name in APPLIES:
            self._how.append(name, apply_label(name))
        self._how.connect("changed", self._on_how)
        rows = ((_("Aspect rat_io"), self._aspect), (_("_Then"), self._how))
        for index, (text, widget) in enumerate(rows):
            label = Gtk.Label.new_with_mnemonic(text)
            label.set_xalign(0)
            label.set_mnemonic_widget(widget)
            grid.attach(label, 0, index, 1, 1)
            grid.attach(widget, 1, index, 1, 1)
        return grid

    def _build_progress(self) -> Gtk.Widget:
        self._progress = Gtk.ProgressBar(hexpand=True, valign=Gtk.Align.CENTER)
        stop = Gtk.Button.new_with_mnemonic(_("_Stop"))
        stop.connect("clicked", lambda _button: self._session.cancel())
        self._waiting = Gtk.Box(spacing=_GAP)
        self._waiting.pack_start(self._progress, True, True, 0)
        self._waiting.pack_start(stop, False, False, 0)
        self._waiting.show_all()
        self._waiting.set_no_show_all(True)
        self._waiting.hide()
        return self._waiting

    def _build_buttons(self) -> Gtk.Widget:
        row = Gtk.Box(spacing=_GAP, homogeneous=True)
        dismiss = Gtk.Button.new_with_mnemonic(_("_Cancel"))
        dismiss.connect("clicked", lambda _button: self.dismiss())
        self._apply_button = Gtk.Button.new_with_mnemonic(_("_Apply"))
        self._apply_button.get_style_context().add_class("suggested-action")
        self._apply_button.connect("clicked", lambda _button: self._on_apply())
        row.pack_start(dismiss, True, True, 0)
        row.pack_start(self._apply_button, True, True, 0)
        return row

    def _fill_aspects(self, aspect: str) -> None:
        if aspect == self._aspect.get_active_id():
            return
        self._aspect.remove_all()
        for name in ASPECTS if aspect in ASPECTS else (*ASPECTS, aspect):
            self._aspect.append(name, aspect_label(name))
        self._aspect.set_active_id(aspect)

    def _fill_list(self) -> None:
        for row in self._list.get_children():
            self._list.remove(row)
        self._listed = self._session.suggestions
        picture = self._session.picture
        if picture is None:
            return
        pixels = reduce(picture) if self._listed else None
        for number, suggestion in enumerate(self._listed, 1):
            assert pixels is not None
            size = Size(pixels.get_width(), pixels.get_height())
            crop = picture.placement.in_thumbnail(suggestion.rect, size)
            thumbnail = Gtk.Image.new_from_pixbuf(with_crop(pixels, crop))
            self._list.add(_row(number, suggestion, thumbnail))
        self._list.show_all()

    def _show_progress(self) -> None:
        is_busy, fraction = self._session.is_busy, self._session.fraction
        self._waiting.set_visible(is_busy)
        if fraction is not None:
            self._progress.set_fraction(fraction)
        if is_busy and fraction is None and self._pulse is None:
            self._pulse = GLib.timeout_add(_PULSE_MS, self._on_pulse)

    def _on_pulse(self) -> bool:
        if self._session.is_busy and self._session.fraction is None:
            self._progress.pulse()
            return True
        self._pulse = None
        return False

    def begin(self) -> None:
        """Something else was asked: the arrows are for the suggestions."""
        self._is_choosing = False
        self.refresh()
        self.present()

    def _on_row(self, _list: Gtk.ListBox, row: Gtk.ListBoxRow | None) -> None:
        if row is not None and not self._is_filling:
            self._do(lambda: self._preview.select(row.get_index()))

    def _on_aspect(self, combo: Gtk.ComboBoxText) -> None:
        aspect = combo.get_active_id()
        if aspect is None or self._is_filling:
            return
        self._is_choosing = True
        choices = replace(self._session.choices or Choices(), aspect=aspect)
        if self._do(lambda: self._preview.ask_again(choices)):
            memory.remember(choices)

    def _on_how(self, combo: Gtk.ComboBoxText) -> None:
        how = combo.get_active_id()
        if how is not None and not self._is_filling and self._session.choices is not None:
            self._session.choices = replace(self._session.choices, apply=how)
            memory.remember(self._session.choices)

    def _on_apply(self) -> None:
        choices = self._session.choices or Choices()
        if self._do(lambda: self._apply(self._preview, choices.apply)):
            self.destroy()

    def dismiss(self) -> None:
        """Put the user's own selection back, and go."""
        self._session.cancel()
        self._do(self._preview.dismiss)
        self.destroy()

    def _do(self, work: Callable[[], Any]) -> bool:
        """Whether it could be done; else the status says why not."""
        if not self._preview.is_open:
            self.destroy()
            return False
        try:
            work()
        except PluginError as exc:
            self._status.set_text(sentence(exc))
            return False
        return True

    def _on_key(self, _panel: Gtk.Window, event: Gdk.EventKey) -> bool:
        """Keys that mean the same wherever the focus is; True: done with."""
        key = event.keyval
        if key == Gdk.KEY_Escape:
            self.dismiss()
            return True
        if event.state & Gtk.accelerator_get_default_mod_mask():
            return False
        is_menu = self._is_in_menu()
        if key in _ENTER and (is_menu or not isinstance(self.get_focus(), Gtk.Button)):
            self._on_apply()
            return True
        if is_menu:  # arrows are its own
            return False
        back, on = (_RIGHT, _LEFT) if is_right_to_left() else (_LEFT, _RIGHT)
        if key in _BACK | back:
            self._do(lambda: self._preview.step(-1))
        elif key in _ON | on:
            self._do(lambda: self._preview.step(1))
        else:
            return False
        return True

    def _is_in_menu(self) -> bool:
        """The focus is on one of the choices, closed."""
        return isinstance(self.get_focus(), Gtk.ToggleButton)

    def _on_delete(self, _panel: Gtk.Window, _event: Gdk.Event) -> bool:
        self.dismiss()
        return True

    def _look_for_image(self) -> bool:
        if not self._preview.is_open:
            self.destroy()
            return False
        return True

    def _on_destroy(self, _panel: Gtk.Window) -> None:
        if self._preview.on_change == self.refresh:
            self._preview.on_change = lambda: None
        for source in (self._look, self._pulse):
            if source is not None and GLib.MainContext.default().find_source_by_id(source):
                GLib.source_remove(source)
        self._look = self._pulse = None


def _row(number: int, suggestion: Suggestion, thumbnail: Gtk.Image) -> Gtk.ListBoxRow:
    rect = suggestion.rect
    place = Gtk.Box(width_request=BOX.width_px)
    place.pack_start(thumbnail, True, False, 0)
    quality = Gtk.Label(xalign=0, label=suggestion.caption)
    bar = Gtk.LevelBar(value=suggestion.quality)
    bar.set_tooltip_text(_("How good this crop looks, as the model judges it"))
    size = Gtk.Label(xalign=0, label=isolated(f"{rect.width_px} \u00d7 {rect.height_px}"))
    size.get_style_context().add_class("dim-label")
    words = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_GAP, valign=Gtk.Align.CENTER)
    for widget in (quality, bar, size):
        words.pack_start(widget, False, False, 0)
    inner = Gtk.Box(spacing=2 * _GAP, border_width=_GAP)
    inner.pack_start(place, False, False, 0)
    inner.pack_start(words, True, True, 0)
    row = Gtk.ListBoxRow()
    row.get_style_context().add_class("sidebar-row")  # of GIMP's themes
    row.add(inner)
    row.get_accessible().set_name(suggestion.spoken(number))
    return row


def _title(preview: ImagePreview) -> str:
    return _("Smart Crop: {image}").format(image=isolated(preview.canvas.name))
