"""The preview of each image."""

from __future__ import annotations

from gi.repository import Gimp

from clipcrop_plugin.link import Link
from clipcrop_plugin.preview import Preview

from .canvas import GimpCanvas


class ImagePreview(Preview):
    """A preview of ours: its canvas is GIMP's."""

    canvas: GimpCanvas

    def __init__(self, image: Gimp.Image, link: Link) -> None:
        """Touch nothing yet."""
        super().__init__(GimpCanvas(image), link)

    @property
    def image(self) -> Gimp.Image:
        """What is worked on."""
        return self.canvas.image


class Previews:
    """As many as images were asked about, and are open still."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._previews: dict[int, ImagePreview] = {}

    def of(self, image: Gimp.Image) -> ImagePreview:
        """Its preview, a new one if there is none."""
        self._clear()
        number = image.get_id()
        if number not in self._previews:
            self._previews[number] = ImagePreview(image, self._link)
        return self._previews[number]

    def _clear(self) -> None:
        """Forget images that were closed."""
        for number, preview in list(self._previews.items()):
            if not preview.is_open:
                preview.close()
                del self._previews[number]
