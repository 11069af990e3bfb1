"""The edge between Krita and this plug-in: what fails here must neither end Krita nor show code.

PyQt ends the program when a slot raises, unless something catches it; Krita's own catch shows a
traceback. Here it becomes a sentence.
"""

from __future__ import annotations

import logging
from typing import Any, Callable

logger = logging.getLogger(__name__)


def guarded(call: Callable[..., Any], tell: Callable[[Exception], None]) -> Callable[..., None]:
    """The same as a slot: Qt's arguments are dropped, and failures told.

    Args:
        call: Without arguments.
        tell: Given a `PluginError`, or whatever else went wrong.
    """
    from clipcrop_plugin.errors import PluginError

    def slot(*_from_qt: object) -> None:
        try:
            call()
        except PluginError as exc:
            tell(exc)
        except Exception as exc:  # the edge: a bug becomes a sentence, and a line in the log
            logger.exception("slot.failed")
            tell(exc)

    return slot
