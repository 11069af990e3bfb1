"""The desk of each image."""

from __future__ import annotations

from gi.repository import Gimp

from clipcrop_plugin.desk import Desk
from clipcrop_plugin.link import Link

from .canvas import GimpCanvas


class ImageDesk(Desk):
    """A desk of ours: its canvas is GIMP's."""

    canvas: GimpCanvas

    def __init__(self, image: Gimp.Image, link: Link) -> None:
        """Touch nothing yet."""
        super().__init__(GimpCanvas(image), link)

    @property
    def image(self) -> Gimp.Image:
        """What is worked on."""
        return self.canvas.image


class Desks:
    """As many as images were asked about, and are open still."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._desks: dict[int, ImageDesk] = {}

    def of(self, image: Gimp.Image) -> ImageDesk:
        """Its desk, a new one if there is none."""
        self._clear()
        number = image.get_id()
        if number not in self._desks:
            self._desks[number] = ImageDesk(image, self._link)
        return self._desks[number]

    def _clear(self) -> None:
        """Forget images that were closed."""
        for number, desk in list(self._desks.items()):
            if not desk.is_open:
                desk.close()
                del self._desks[number]
