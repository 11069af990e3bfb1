"""The preview of each image."""

from __future__ import annotations

import json

from gi.repository import Gimp

from clipcrop_plugin import storage
from clipcrop_plugin.daemon_client import DaemonClient
from clipcrop_plugin.preview import Preview
from clipcrop_plugin.snapshot import Snapshot

from .canvas import GimpCanvas

NOTE = "clipcrop-suggestions"
_FOR_THIS_RUN = 0  # of GIMP: not saved with the image


class ImagePreview(Preview):
    """A preview of ours: its canvas is GIMP's."""

    canvas: GimpCanvas

    def __init__(self, image: Gimp.Image, client: DaemonClient) -> None:
        """Go on from the note that another process of ours has left on the image, if any."""
        super().__init__(GimpCanvas(image), client)
        parasite = image.get_parasite(NOTE)
        if parasite is None:
            return
        image.detach_parasite(NOTE)
        note = storage.parse(bytes(parasite.get_data()).decode("ascii", "replace"))
        snapshot = Snapshot.from_json(str(note.get("snapshot")))
        # A duplicated image has the note of its original.
        if snapshot is not None and note.get("image") == image.get_id():
            self.restore(snapshot, self.canvas.find_selection(int(note.get("selection", 0))))

    @property
    def image(self) -> Gimp.Image:
        """What is worked on."""
        return self.canvas.image

    def leave(self) -> None:
        """Leave a note for the next process of ours."""
        snapshot = self.snapshot() if self.is_open else None
        if snapshot is None:
            return
        note = {
            "image": self.image.get_id(),
            "selection": self.canvas.leave_selection() if snapshot.shown else 0,
            "snapshot": snapshot.to_json(),
        }
        data = list(json.dumps(note).encode("ascii"))
        self.image.attach_parasite(Gimp.Parasite.new(NOTE, _FOR_THIS_RUN, data))


class Previews:
    """As many as images were asked about, and are open still."""

    def __init__(self, client: DaemonClient) -> None:
        self._client = client
        self._previews: dict[int, ImagePreview] = {}

    def of(self, image: Gimp.Image) -> ImagePreview:
        """Its preview, a new one if there is none."""
        self._clear()
        number = image.get_id()
        if number not in self._previews:
            self._previews[number] = ImagePreview(image, self._client)
        return self._previews[number]

    def leave(self) -> None:
        """Leave them to the next process of ours."""
        for preview in self._previews.values():
            preview.leave()

    def _clear(self) -> None:
        """Forget images that were closed."""
        for number, preview in list(self._previews.items()):
            if not preview.is_open:
                preview.close()
                del self._previews[number]
