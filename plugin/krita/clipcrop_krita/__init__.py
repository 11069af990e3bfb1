"""Crops by description, in Krita.

vendored     imports what lies inside this package, and leaves other plug-ins alone
qt           PyQt5 or PyQt6, whichever Krita has
guard        the edge between Krita and us: whatever fails becomes a sentence
main_loop    Qt's event loop, as `clipcrop_plugin.loop.Loop`
memory       where it is remembered what was asked
pixels       of a document, a layer or a file, as they are sent
apply        what becomes of a crop
canvas       one document: what to look at, what is selected
application  one for all of Krita: the way to the daemon, a preview for each document
thumbnails   the picture with a crop on it
panel        the widgets of the docker
docker       the docker: empty until it is first seen
extension    the actions in the Image menu

Krita imports this when it starts, so little is imported here; the rest comes with the first use.
"""

from __future__ import annotations

from krita import DockWidgetFactory, DockWidgetFactoryBase, Krita

from . import vendored

vendored.prepare()

from clipcrop_plugin import texts  # noqa: E402 - what is vendored comes first

from .docker import NAME, Docker  # noqa: E402
from .extension import ClipCrop  # noqa: E402
from .qt import QtCore  # noqa: E402

texts.use(QtCore.QLocale().uiLanguages())  # Krita's own choice, or the system's

# With PyQt6 the places are members of an enumeration only.
_PLACES = getattr(DockWidgetFactoryBase, "DockPosition", DockWidgetFactoryBase)

_krita = Krita.instance()
_krita.addExtension(ClipCrop(_krita))
_krita.addDockWidgetFactory(DockWidgetFactory(NAME, _PLACES.DockRight, Docker))
