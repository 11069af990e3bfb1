"""Qt as Krita has it: PyQt5 up to Krita 5, PyQt6 from Krita 6 on.

With both installed, this must import the one that Krita has loaded. Enumerations are
written with their own names (`Qt.Key.Key_Escape`), which both understand.
"""

from __future__ import annotations

import sys

import krita as _krita  # loads the one of the two that it is made for

if "PyQt6.QtCore" in sys.modules:
    from PyQt6 import QtCore, QtGui, QtWidgets
else:
    from PyQt5 import QtCore, QtGui, QtWidgets

__all__ = ["QtCore", "QtGui", "QtWidgets"]
del _krita
