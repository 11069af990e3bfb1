"""The lite encoder's network, in ONNX Runtime: pixels -> predictions for every cell.

The file is written by `clipcrop.training.lite.export`, where the network is described; what it
gives is named in `LiteOutput`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays import FloatArray
from ..device import memory_errors_named, num_threads
from ..errors import CheckpointError, OutOfMemory
from ..onnx_runtime import import_onnxruntime
from .lite_people import NUM_PLACES, NUM_TRAITS
from .lite_pixels import STRIDES

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # noqa: TID251 - its type only

FORMAT = "clipcrop-lite-3"
"""In the metadata of the file; the number rises when older code would misread newer files."""

INPUT = "pixels"
_ADVICE = "install clipcrop again, or export the weights again"


class LiteOutput(NamedTuple):
    """Raw predictions for one image: the graph's outputs, by their names.

    N cells of strides 8, 16 and 32 one after the other, as `lite_pixels.cell_grid` orders them.
    """

    objectness: FloatArray
    """[1, N] logits."""

    classes: FloatArray
    """[1, N, 80] logits, COCO's order."""

    boxes: FloatArray
    """[1, N, 4] centre offset and log size in units of the cell's stride."""

    imagenet: FloatArray
    """[1, 1000, H/32, W/32] logits of ImageNet's classes at every cell of stride 32."""

    scene: FloatArray
    """[1, 150, H/8, W/8] logits of ADE20K's classes."""

    faces: FloatArray
    """[1, 5, H/8, W/8] faces, as `lite_regions.find_faces` takes them."""

    people8: FloatArray
    """[1, 2 * P, H/8, W/8] evidence for kinds of people, as `lite_people.find_traits` takes it."""

    people16: FloatArray
    """[1, 2 * P', H/16, W/16]"""

    people32: FloatArray
    """[1, 2 * P'', H/32, W/32]"""

    tokens: FloatArray
    """[1, N, D] features of the cells, for a decoder; zeros fill up narrow levels."""


_SHAPES: dict[str, tuple[int | None, ...]] = {
    "objectness": (1, None),
    "classes": (1, None, 80),
    "boxes": (1, None, 4),
    "imagenet": (1, 1000, None, None),
    "scene": (1, 150, None, None),
    "faces": (1, 5, None, None),
    **{
        f"people{stride}": (1, NUM_TRAITS * places, None, None)
        for stride, places in zip(STRIDES, NUM_PLACES, strict=True)
    },
    "tokens": (1, None, None),
}
"""None for what differs between images or networks."""


class LiteGraph:
    """A session of ONNX Runtime with the network in it."""

    def __init__(self, session: InferenceSession, path: Path) -> None:
        self._session = session
        self._path = path

    @classmethod
    def load(cls, path: Path, threads: int | None = None) -> LiteGraph:
        """Read a file that the recipe's `export` wrote.

        Args:
            path: The file.
            threads: For one image; see `clipcrop.device.num_threads` for the default.

        Raises:
            CheckpointError: The file is missing, damaged or not a lite encoder of this version.
            OutOfMemory: There is no room for it.
        """
        session = _open(path, threads)
        found = session.get_modelmeta().custom_metadata_map.get("format")
        if found != FORMAT:
            raise CheckpointError(
                f"{path} is not a lite encoder of this version: its format is "
                f"{found or 'not given'}, expected {FORMAT}; {_ADVICE}"
            )
        shapes = {output.name: output.shape for output in session.get_outputs()}
        inputs = [one.name for one in session.get_inputs()]
        wrong = [name for name, shape in _SHAPES.items() if not _fits(shapes.get(name), shape)]
        if inputs != [INPUT] or wrong:
            raise CheckpointError(
                f"{path} is not a lite encoder of this version: its "
                f"{', '.join(wrong) or 'input'} is missing or of another size; {_ADVICE}"
            )
        return cls(session, path)

    def run(self, pixels: FloatArray) -> LiteOutput:
        """[1, 3, H, W] pixels from `lite_pixels.letterbox` -> what the network predicts.

        Raises:
            CheckpointError: What the weights give are no numbers.
        """
        _, _, height, width = pixels.shape
        if height % STRIDES[-1] or width % STRIDES[-1]:
            raise ValueError(f"sides must be multiples of {STRIDES[-1]}, got {width} x {height}")
        output = LiteOutput(*self._session.run(list(LiteOutput._fields), {INPUT: pixels}))
        if not all(np.isfinite(part.sum()) for part in output):
            raise CheckpointError(
                f"damaged weights: what {self._path} computes are no numbers; {_ADVICE}"
            )
        return output

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the file's content."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()[:16]


def _open(path: Path, threads: int | None) -> InferenceSession:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised as well, and told by us
    # Memory goes back to the system between images; threads wait without using the processor.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}; {_ADVICE}")
    try:
        with memory_errors_named("cpu"):
            return onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
    except OutOfMemory:
        raise
    except Exception as exc:  # ONNX Runtime's errors about a file have no base class of their own
        raise CheckpointError(f"damaged weights: {path}; {_ADVICE}") from exc


def _fits(found: list[Any] | None, shape: tuple[int | None, ...]) -> bool:
    if found is None or len(found) != len(shape):
        return False
    return all(want is None or size == want for size, want in zip(found, shape, strict=True))
