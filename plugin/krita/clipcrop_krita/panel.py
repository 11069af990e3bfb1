"""The widgets of the docker. What they show is a preview's; what they decide is nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

from clipcrop_plugin.choices import (
    APPLIES,
    ASPECTS,
    NO_EXAMPLE,
    SELECTION_EXAMPLE,
    SOURCES,
    Choices,
    apply_label,
    aspect_label,
    parse_exclude,
    source_label,
)
from clipcrop_plugin.errors import BadChoice
from clipcrop_plugin.geometry import Size
from clipcrop_plugin.memory import MAX_ENTRIES
from clipcrop_plugin.messages import sentence as sentence_of
from clipcrop_plugin.preview import Preview
from clipcrop_plugin.session import Suggestion
from clipcrop_plugin.texts import _, is_right_to_left, isolated

from .application import Application
from .guard import guarded
from .memory import memory
from .qt import QtCore, QtGui, QtWidgets
from .thumbnails import BOX, reduce, with_crop

_FILE = "file"  # of the menu of examples; a path is in the choices
_GAP_PX = 6
_MIN_LIST_PX = 92
_LABEL_PX = 70
_ROLE = QtCore.Qt.ItemDataRole
_MIN_CHARS = 8
_TIMES, _UP, _DOWN = "\u00d7", "\u25b4", "\u25be"


class Panel(QtWidgets.QWidget):  # type: ignore[misc]
    """Asks about the document in front, and shows what was suggested for it."""

    def __init__(self, application: Application, parent: Any) -> None:
        super().__init__(parent)
        self._application = application
        self._preview: Preview | None = None
        self._listed: tuple[Suggestion, ...] = ()
        self._problem = ""  # said instead of the preview's sentence until something else happens
        self._is_filling = False  # what changes now, the user has not changed
        self._example_path = ""
        if is_right_to_left():
            self.setLayoutDirection(QtCore.Qt.LayoutDirection.RightToLeft)
        self._build()
        self._remember_before()
        stop = application.listen(self._on_preview_changed, self._show_error)
        self.destroyed.connect(lambda *_of_qt: stop())
        self.refresh()

    # What actions do too.

    def ask_for_description(self) -> None:
        """Put the cursor where the description is written."""
        line = self._prompt.lineEdit()
        line.setFocus(QtCore.Qt.FocusReason.ShortcutFocusReason)
        line.selectAll()

    def repeat(self) -> None:
        """Ask the same as the last time, about the image as it is now."""
        self._do(self._repeat)

    def next(self) -> None:
        """Show the next suggestion."""
        self._do(lambda: self._application.active_preview().step(1))

    def previous(self) -> None:
        """Show the suggestion before this one."""
        self._do(lambda: self._application.active_preview().step(-1))

    def apply(self) -> None:
        """Do with the suggestion what was chosen."""
        self._do(self._apply)

    @property
    def sentence(self) -> str:
        """How it stands: what the status line says."""
        return str(self._status.text())

    def look_at(self, document: Any) -> None:
        """Another document is in front, or none."""
        self._preview = None if document is None else self._application.preview_of(document)
        self._problem = ""
        self.refresh()

    def refresh(self) -> None:
        """Show how it stands."""
        preview = self._preview
        session = None if preview is None else preview.session
        suggestions = () if session is None else session.suggestions
        is_busy = session is not None and session.is_busy
        self._is_filling = True
        try:
            if suggestions is not self._listed:
                self._listed = suggestions
                self._fill_list()
            if session is not None and session.index != self._list.currentRow():
                self._list.setCurrentRow(session.index)
        finally:
            self._is_filling = False
        found = "" if session is None else session.found_text
        self._found.setText(found)
        self._found.setVisible(bool(found))
        self._status.setText(self._sentence())
        self._progress.setVisible(is_busy)
        if session is not None:
            known = session.fraction is not None
            self._progress.setRange(0, 100 if known else 0)
            self._progress.setValue(round(100 * (session.fraction or 0.0)))
        self._find.setVisible(not is_busy)
        self._stop.setVisible(is_busy)
        self._find.setEnabled(preview is not None)
        for widget in (self._previous, self._next, self._apply_button):
            widget.setEnabled(bool(suggestions))
        self._keep.setEnabled(preview is not None and preview.is_showing)

    def _sentence(self) -> str:
        if self._problem:
            return self._problem
        if self._preview is None:
            return _("No image is open. Open a photo first.")
        return self._preview.sentence

    # How it looks.

    def _build(self) -> None:
        outer = QtWidgets.QVBoxLayout(self)
        outer.setContentsMargins(_GAP_PX, _GAP_PX, _GAP_PX, _GAP_PX)
        outer.setSpacing(_GAP_PX)
        self._prompt = self._text(
            "prompt", _("What the crop should show, in words; nothing for a good crop of anything")
        )
        self._exclude = self._text(
            "exclude", _("What the crop should not show, in words; commas between several")
        )
        self._aspect = self._menu(
            "aspect",
            [(aspect_label(one), one) for one in ASPECTS],
            _("Width and height, as in 3:2; “free”, or “original” for that of the image"),
        )
        self._aspect.setEditable(True)
        self._aspect.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self._source = self._menu(
            "source",
            [(source_label(one), one) for one in SOURCES],
            _("What the crops are looked for in"),
        )
        self._example = self._menu(
            "example",
            [
                (_("None: words only"), NO_EXAMPLE),
                (_("What is selected now"), SELECTION_EXAMPLE),
                (_("An image file"), _FILE),
            ],
            _("Something that looks like what the crop should show, instead of words"),
        )
        self._few = self._form(
            [(_("_Keep"), self._prompt), (_("Aspect _ratio"), self._aspect)],
        )
        self._many = self._form(
            [
                (_("_Leave out"), self._exclude),
                (_("L_ook at"), self._source),
                (_("_Example"), self._example),
            ],
        )
        outer.addWidget(self._few)
        outer.addWidget(self._many)

        go = QtWidgets.QHBoxLayout()
        self._find = self._button("find", _("_Find Crops"), self._ask)
        self._find.setDefault(True)
        self._stop = self._button("stop", _("_Stop"), self._cancel)
        self._more = QtWidgets.QToolButton(self)
        self._more.setObjectName("clipcrop_more")
        self._more.setToolTip(_("What to leave out, what to look at, an example"))
        self._more.setCheckable(True)
        self._more.toggled.connect(self._slot(self._show_more))
        go.addWidget(self._find, 1)
        go.addWidget(self._stop, 1)
        go.addWidget(self._more)
        outer.addLayout(go)
        self._progress = QtWidgets.QProgressBar(self)
        self._progress.setTextVisible(False)
        self._progress.setMaximumHeight(2 * _GAP_PX)
        outer.addWidget(self._progress)
        self._status = QtWidgets.QLabel(self)
        self._status.setObjectName("clipcrop_status")
        self._status.setWordWrap(True)
        self._status.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        outer.addWidget(self._status)
        self._found = QtWidgets.QLabel(self)
        self._found.setObjectName("clipcrop_found")
        self._found.setWordWrap(True)
        self._found.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        outer.addWidget(self._found)

        self._list = QtWidgets.QListWidget(self)
        self._list.setObjectName("clipcrop_list")
        self._list.setIconSize(QtCore.QSize(*BOX))
        self._list.setMinimumHeight(_MIN_LIST_PX)
        policies = QtWidgets.QSizePolicy.Policy
        self._list.setSizePolicy(policies.Expanding, policies.Ignored)  # takes what is left
        self._list.setUniformItemSizes(True)
        self._list.setToolTip(
            _("Selects it at once. The step after the last suggestion is the first.")
        )
        self._list.currentRowChanged.connect(self._on_row)
        self._list.itemClicked.connect(self._on_clicked)
        self._list.itemActivated.connect(self._slot(self._apply))
        outer.addWidget(self._list, 1)

        steps = QtWidgets.QHBoxLayout()
        self._previous = self._button("previous", _("_Previous"), lambda: self._step(-1))
        self._next = self._button("next", _("_Next"), lambda: self._step(1))
        self._keep = self._button("dismiss", _("Put _Back"), self._dismiss)
        self._keep.setToolTip(_("Selects again what you had selected before (Escape)"))
        for button in (self._previous, self._next, self._keep):
            steps.addWidget(button)
        outer.addLayout(steps)
        self._how = self._menu(
            "apply",
            [(apply_label(one), one) for one in APPLIES],
            _("What is done with the crop"),
        )
        last = QtWidgets.QHBoxLayout()
        last.addWidget(self._how, 1)
        self._apply_button = self._button("apply_button", _("_Apply"), self._apply)
        last.addWidget(self._apply_button)
        outer.addLayout(last)

        self._aspect.activated.connect(self._slot(self._on_aspect))
        self._aspect.lineEdit().returnPressed.connect(self._slot(self._on_aspect))
        self._example.activated.connect(self._slot(self._on_example))
        for line in (self._prompt.lineEdit(), self._exclude.lineEdit()):
            line.returnPressed.connect(self._slot(self._ask))
        for widget in self.findChildren(QtWidgets.QWidget):
            widget.installEventFilter(self)

    def _form(self, rows: list[tuple[str, Any]]) -> Any:
        """Fields with labels, whose widths are the same in all forms."""
        whole = QtWidgets.QWidget(self)
        form = QtWidgets.QFormLayout(whole)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(_GAP_PX)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for text, field in rows:
            label = QtWidgets.QLabel(_mnemonic(text), whole)
            label.setMinimumWidth(_LABEL_PX)
            label.setBuddy(field)
            form.addRow(label, field)
        return whole

    def _text(self, name: str, hint: str) -> Any:
        """A line with what was written there before."""
        field = QtWidgets.QComboBox(self)
        field.setObjectName(f"clipcrop_{name}")
        field.setEditable(True)
        field.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        field.setMaxVisibleItems(MAX_ENTRIES)
        _keep_narrow(field)
        field.lineEdit().setPlaceholderText(hint)
        field.setToolTip(hint)
        completer = field.completer()
        completer.setFilterMode(QtCore.Qt.MatchFlag.MatchContains)
        completer.setCompletionMode(QtWidgets.QCompleter.CompletionMode.PopupCompletion)
        return field

    def _menu(self, name: str, entries: list[tuple[str, str]], hint: str) -> Any:
        field = QtWidgets.QComboBox(self)
        field.setObjectName(f"clipcrop_{name}")
        _keep_narrow(field)
        field.setToolTip(hint)
        for text, value in entries:
            field.addItem(text, value)
        return field

    def _button(self, name: str, text: str, on_click: Callable[[], Any]) -> Any:
        button = QtWidgets.QPushButton(_mnemonic(text), self)
        button.setObjectName(f"clipcrop_{name}")
        button.setAutoDefault(False)
        button.clicked.connect(self._slot(on_click))
        return button

    def _fill_list(self) -> None:
        self._list.clear()
        picture = None if self._preview is None else self._preview.session.picture
        if picture is None or not self._listed:
            return
        scale = float(self.devicePixelRatioF())
        small = reduce(picture, scale)
        size = Size(small.width(), small.height())
        for number, one in enumerate(self._listed, 1):
            crop = picture.placement.in_thumbnail(one.rect, size)
            rect = one.rect
            size_px = f"{rect.width_px} {_TIMES} {rect.height_px}"
            text = f"{one.caption}\n{isolated(size_px)}"
            thumbnail = with_crop(small, crop, scale)
            icon = QtGui.QIcon(thumbnail)
            icon.addPixmap(thumbnail, QtGui.QIcon.Mode.Selected)  # else it is tinted
            item = QtWidgets.QListWidgetItem(icon, text, self._list)
            item.setData(_ROLE.AccessibleTextRole, one.spoken(number))
            item.setToolTip(_("How good this crop looks, as the model judges it"))

    def _remember_before(self) -> None:
        """Fill in what was asked the last time, in whichever document."""
        before = memory.last_choices()
        self._fill_history()
        self._prompt.setEditText(before.prompt)
        self._exclude.setEditText(before.exclude_text)
        if self._aspect.findData(before.aspect) >= 0:
            self._aspect.setCurrentIndex(self._aspect.findData(before.aspect))
        else:
            self._aspect.setEditText(before.aspect)
        self._source.setCurrentIndex(self._source.findData(before.source))
        self._how.setCurrentIndex(self._how.findData(before.apply))
        self._more.setChecked(bool(before.exclude) or before.source != Choices.source)
        self._show_more()

    def _fill_history(self) -> None:
        past = memory.history()
        for field, entries in ((self._prompt, past.prompts), (self._exclude, past.exclusions)):
            text = field.currentText()
            field.clear()
            field.addItems(entries)
            field.setEditText(text)

    def _show_more(self) -> None:
        """Show the rows that few need, or hide them."""
        is_open = self._more.isChecked()
        # Qt draws an arrow of its own over the text where that goes from right to left.
        self._more.setText(" ".join((_("More"), _UP if is_open else _DOWN)))
        self._many.setVisible(is_open)

    # What the user does.

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Escape puts the user's selection back, wherever in the panel the cursor is."""
        kinds = QtCore.QEvent.Type
        if event.type() in (kinds.ShortcutOverride, kinds.KeyPress):
            if event.key() == QtCore.Qt.Key.Key_Escape:
                event.accept()  # else it is a shortcut of Krita's
                if event.type() == kinds.KeyPress:
                    self._do(self._dismiss)
                return True
        elif event.type() == kinds.FocusIn and watched is self._prompt.lineEdit():
            self._do(self._application.warm)
        return False

    def _choices(self) -> Choices:
        """As the widgets have them.

        Raises:
            BadChoice: with what is wrong.
        """
        example = self._example.currentData()
        return Choices(
            prompt=self._prompt.currentText(),
            exclude=parse_exclude(self._exclude.currentText()),
            aspect=self._written_aspect(),
            source=self._source.currentData(),
            apply=self._how.currentData(),
            example=self._example_path if example == _FILE else example,
        )

    def _written_aspect(self) -> str:
        index = self._aspect.findText(self._aspect.currentText())
        return str(self._aspect.itemData(index) if index >= 0 else self._aspect.currentText())

    def _ask(self) -> None:
        self._application.ask(self._application.active_preview(), self._choices())
        self._fill_history()

    def _repeat(self) -> None:
        preview = self._application.active_preview()
        self._application.ask(preview, preview.session.choices or memory.last_choices())

    def _cancel(self) -> None:
        if self._preview is not None:
            self._preview.session.cancel()

    def _step(self, by: int) -> None:
        if self._preview is not None:
            self._preview.step(by)

    def _apply(self) -> None:
        self._application.active_preview().apply(self._how.currentData())
        # Else undo would be that of the line with the cursor.
        area = self.window().findChild(QtWidgets.QMdiArea)
        view = area.currentSubWindow() if area is not None else None
        if view is not None and view.widget() is not None:
            view.widget().setFocus()

    def _dismiss(self) -> None:
        """Stop what is going on; then put the user's selection back."""
        preview = self._preview
        if preview is not None and preview.session.is_busy:
            preview.session.cancel()
        elif preview is not None:
            preview.dismiss()

    def _on_aspect(self) -> None:
        preview = self._preview
        if preview is None or preview.session.choices is None or preview.session.picture is None:
            return
        choices = replace(preview.session.choices, aspect=self._written_aspect())
        if choices != preview.session.choices:
            preview.ask_again(choices)

    def _on_example(self) -> None:
        if self._example.currentData() != _FILE:
            return
        path, _kind = QtWidgets.QFileDialog.getOpenFileName(
            self, _("Choose an Example"), self._example_path
        )
        if path:
            self._example_path = path
            self._example.setToolTip(path)
        elif not self._example_path:
            self._example.setCurrentIndex(self._example.findData(NO_EXAMPLE))

    def _on_row(self, row: int) -> None:
        if not self._is_filling and self._preview is not None and row >= 0:
            self._do(lambda: self._preview and self._preview.select(row))

    def _on_clicked(self, item: Any) -> None:
        """A click on the current one selects it again, after the user has put it back."""
        row = self._list.row(item)
        preview = self._preview
        if preview is not None and not preview.is_showing:
            self._do(lambda: preview.select(row))

    def _on_preview_changed(self, preview: Preview) -> None:
        if preview is self._preview:
            self._problem = ""
            self.refresh()

    # The edge.

    def _slot(self, call: Callable[[], Any]) -> Callable[..., None]:
        return lambda *_of_qt: self._do(call)

    def _do(self, call: Callable[[], Any]) -> None:
        self._problem = ""
        guarded(call, self._show_error)()
        self.refresh()

    def _show_error(self, error: Exception) -> None:
        self._problem = sentence_of(error)
        self.refresh()
        if isinstance(error, BadChoice):
            field = {"prompt": self._prompt, "exclude": self._exclude, "aspect": self._aspect}.get(
                error.field
            )
            if field is not None:
                if field is self._exclude:
                    self._more.setChecked(True)
                field.setFocus(QtCore.Qt.FocusReason.OtherFocusReason)


def _keep_narrow(field: Any) -> None:
    """Long entries must not widen the docker."""
    policies = QtWidgets.QComboBox.SizeAdjustPolicy
    field.setSizeAdjustPolicy(policies.AdjustToMinimumContentsLengthWithIcon)
    field.setMinimumContentsLength(_MIN_CHARS)
    fill, fixed = QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed
    field.setSizePolicy(fill, fixed)


def _mnemonic(text: str) -> str:
    """GTK's mark of the letter to press -> Qt's."""
    return text.replace("&", "&&").replace("_", "&")
