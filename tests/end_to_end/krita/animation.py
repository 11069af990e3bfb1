"""Writes an animated document as Krita's own file: a script cannot make one without ending Krita.

`Document.importAnimation` ends Krita 5.1 and 5.2 now and then, before anything of ours is called.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

TILE_PX = 64
"""Krita stores pixels in tiles of this side; each frame has one coloured tile on white."""

_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE DOC PUBLIC '-//KDE//DTD krita 2.0//EN' 'http://www.calligra.org/DTD/krita-2.0.dtd'>
<DOC xmlns="http://www.calligra.org/DTD/krita" editor="Krita" syntaxVersion="2.0">
 <IMAGE name="image" mime="application/x-kra" width="300" height="200" x-res="300" y-res="300"
  colorspacename="RGBA" profile="sRGB-elle-V2-srgbtrc.icc">
  <layers>
   <layer nodetype="paintlayer" name="animated" filename="layer1" keyframes="layer1.keyframes.xml"
    colorspacename="RGBA" compositeop="normal" opacity="255" visible="1" locked="0" x="0" y="0"/>
  </layers>
  <animation>
   <framerate type="value" value="24"/>
   <range type="timerange" from="0" to="100"/>
   <currentTime type="value" value="0"/>
  </animation>
 </IMAGE>
</DOC>
"""


def write_animation(
    path: Path, colours: Sequence[str], *, step: int, tile: tuple[int, int]
) -> None:
    """Write a document of 300 x 200 pixels with one animated layer.

    Args:
        path: The file, a ``.kra``.
        colours: Of each frame's tile, as #rrggbb.
        step: Between two frames, in frames of the timeline.
        tile: Column and row of the coloured tile; its corner is at ``TILE_PX`` times these.
    """
    frames, keyframes = {}, []
    for number, colour in enumerate(colours):
        name = "layer1" if number == 0 else f"layer1.f{number}"
        red, green, blue = bytes.fromhex(colour[1:])
        # Planes one after the other are LZF's; after the flag 0 the pixels follow as they are.
        pixels = b"\0" + bytes([blue, green, red, 255]) * TILE_PX**2
        x, y = (TILE_PX * index for index in tile)
        header = (
            f"VERSION 2\nTILEWIDTH {TILE_PX}\nTILEHEIGHT {TILE_PX}\nPIXELSIZE 4\nDATA 1\n"
            f"{x},{y},LZF,{len(pixels)}\n"
        )
        frames[name] = header.encode() + pixels
        frames[f"{name}.defaultpixel"] = b"\xff" * 4
        keyframes.append(
            f'<keyframe time="{step * number}" frame="{name}" color-label="0">'
            '<offset type="point" x="0" y="0"/></keyframe>'
        )
    timeline = (
        "<!DOCTYPE keyframes PUBLIC '-//KDE//DTD krita-keyframes 1.0//EN'"
        " 'http://www.calligra.org/DTD/krita-keyframes-1.0.dtd'>"
        '<keyframes xmlns="http://www.calligra.org/DTD/krita-keyframes">'
        f'<channel name="content">{"".join(keyframes)}</channel></keyframes>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", "application/x-krita", zipfile.ZIP_STORED)
        file.writestr("maindoc.xml", _DOCUMENT)
        file.writestr("image/layers/layer1.keyframes.xml", timeline)
        for name, data in frames.items():
            file.writestr(f"image/layers/{name}", data)
