"""The teacher: YOLOX-nano through onnxruntime, cell by cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import CheckpointError
from ...extras import install_command
from ...onnx_runtime import import_onnxruntime

SIDE_PX = 416


class Teacher:
    """Objectness, class probabilities and a box for each of the 3,549 cells of a 416 px view."""

    def __init__(self, onnx_file: Path) -> None:
        try:
            onnxruntime = import_onnxruntime()
        except ImportError as exc:
            raise CheckpointError(
                f"the teacher needs onnxruntime; run `{install_command('train-lite')}`"
            ) from exc
        if not onnx_file.is_file():
            raise CheckpointError(f"no teacher at {onnx_file}; name the YOLOX-nano ONNX file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(onnx_file), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, view: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[416, 416, 3] RGB -> [3549, 85]: box as it leaves the network, objectness, 80 classes.

        The box is centre offset and log size in units of the cell's stride; the rest are
        probabilities. The network wants BGR in 0..255.
        """
        blob = np.ascontiguousarray(view[:, :, ::-1].transpose(2, 0, 1)[None], dtype=np.float32)
        output: NDArray[np.float32] = self._session.run(None, {self._input: blob})[0][0]
        return output
