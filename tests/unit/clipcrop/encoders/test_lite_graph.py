"""Files that are, and are not, a lite encoder's network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from clipcrop.encoders.lite import LiteEncoder
from clipcrop.encoders.lite_graph import LiteGraph
from clipcrop.errors import CheckpointError
from clipcrop.weights.registry import EMBEDDED_LITE


def missing(path: Path) -> None:
    """No file."""


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    path.write_bytes(EMBEDDED_LITE.read_bytes()[:-1000])


def cut_in_half(path: Path) -> None:
    path.write_bytes(EMBEDDED_LITE.read_bytes()[: EMBEDDED_LITE.stat().st_size // 2])


def no_onnx(path: Path) -> None:
    path.write_text("hello", encoding="utf-8")


@pytest.mark.parametrize("damage", [missing, empty, cut_short, cut_in_half, no_onnx])
def test_damaged_weights_are_refused_when_checked_and_when_loaded(
    tmp_path: Path, damage: Callable[[Path], None]
):
    path = tmp_path / "lite.onnx"
    damage(path)

    with pytest.raises(CheckpointError, match=r"lite\.onnx"):
        LiteGraph.load(path)


def rewritten(path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    """The embedded network with a change."""
    model = onnx.load(EMBEDDED_LITE)
    change(model)
    onnx.save(model, path)
    return path


def of_another_format(model: onnx.ModelProto) -> None:
    onnx.helper.set_model_props(model, {"format": "clipcrop-lite-999"})


def without_a_format(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def with_an_output_of_another_name(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "something"
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "objectness":
                node.output[index] = "something"


def with_fewer_classes(model: onnx.ModelProto) -> None:
    output = next(output for output in model.graph.output if output.name == "classes")
    output.type.tensor_type.shape.dim[2].dim_value = 3


@pytest.mark.parametrize(
    "change",
    [of_another_format, without_a_format, with_an_output_of_another_name, with_fewer_classes],
)
def test_networks_of_another_kind_or_version_are_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None]
):
    path = rewritten(tmp_path / "other.onnx", change)

    with pytest.raises(CheckpointError, match=r"other\.onnx"):
        LiteGraph.load(path)


def test_weights_that_give_no_numbers_are_refused_by_name(tmp_path: Path):
    def spoil(model: onnx.ModelProto) -> None:
        for weight in model.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT16:
                name, values = weight.name, numpy_helper.to_array(weight)
                weight.CopyFrom(numpy_helper.from_array(np.full_like(values, np.nan), name))

    encoder = LiteEncoder.load(rewritten(tmp_path / "spoiled.onnx", spoil))

    with pytest.raises(CheckpointError, match="spoiled"):
        encoder.encode_images([Image.new("RGB", (64, 48), "grey")])


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path):
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(EMBEDDED_LITE.read_bytes())
    other = rewritten(tmp_path / "other.onnx", lambda model: setattr(model, "doc_string", "x"))

    fingerprints = [LiteGraph.load(path).fingerprint() for path in (EMBEDDED_LITE, copy, other)]

    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert len(fingerprints[0]) == 16
