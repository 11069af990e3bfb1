"""A checkpoint -> the weights that are used: norms folded, half precision, one ONNX file."""

from __future__ import annotations

import io
import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...encoders.lite_graph import FORMAT, LiteOutput
from ...encoders.lite_pixels import INPUT_PX, STRIDES
from ...errors import CheckpointError
from ...extras import require_extra
from .network import LiteNetwork, fold_norms, same_border
from .people_head import PeopleMaps
from .scene_head import SceneHead, join_maps

if TYPE_CHECKING:
    from onnx import ModelProto

_OPSET = 17
_VARYING = {
    **{name: {1: "cells"} for name in ("objectness", "classes", "boxes", "tokens")},
    "imagenet": {2: "rows", 3: "columns"},
    **{name: {2: "fine_rows", 3: "fine_columns"} for name in ("scene", "faces", "people8")},
    "people16": {2: "middle_rows", 3: "middle_columns"},
    "people32": {2: "rows", 3: "columns"},
}
"""Output -> axes whose length follows from the image's."""


def export(checkpoint: Path, scene_checkpoint: Path, people_checkpoint: Path, output: Path) -> None:
    """Write the weights of three checkpoints to ``output``, and how they were trained.

    Args:
        checkpoint: Of `train`.
        scene_checkpoint: Of `scene-train`, on the features of that network.
        people_checkpoint: Of `people-train`, likewise.
        output: The file.

    Raises:
        CheckpointError: The file is no checkpoint of this network.
        NotInstalled: `onnx` is missing.
    """
    require_extra("train-lite", "the export of the lite encoder")
    network, scene, people = LiteNetwork(), SceneHead(), PeopleMaps()
    state = load_average(checkpoint, network)
    scene_state = load_average(scene_checkpoint, scene)
    load_average(people_checkpoint, people)
    notes = {
        "config": json.dumps(state["config"]),
        "blocks": str(state["block"]),
        "scene_config": json.dumps(scene_state["config"]),
    }
    write_graph(fold_norms(network), fold_norms(scene), people, output, notes)


def load_average(checkpoint: Path, module: nn.Module) -> dict[str, Any]:
    """Fill a network with the running average of a checkpoint; all that the checkpoint holds."""
    try:
        state: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(state["average"])
    except FileNotFoundError as exc:
        raise CheckpointError(f"no checkpoint at {checkpoint}; train first") from exc
    except (OSError, RuntimeError, KeyError, pickle.UnpicklingError) as exc:
        raise CheckpointError(f"not a checkpoint of this network: {checkpoint}") from exc
    return state


def write_graph(
    network: nn.Module,
    scene: nn.Module,
    people: nn.Module,
    output: Path,
    notes: Mapping[str, str],
) -> None:
    """Write a network for use as ONNX.

    Args:
        network: A `LiteNetwork`, its norms folded.
        scene: A `SceneHead`, likewise.
        people: `PeopleMaps`.
        output: The file.
        notes: Kept in the file's metadata.
    """
    import onnx

    graph = _Graph(network, scene, people).eval()
    example = torch.zeros(1, 3, INPUT_PX, INPUT_PX - 64)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that needs no further package; it announces its successor.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (example,),
            buffer,  # type: ignore[arg-type]  # any file will do
            input_names=["pixels"],
            output_names=list(LiteOutput._fields),
            dynamic_axes={"pixels": {2: "height", 3: "width"}, **_VARYING},
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    _state_shapes(model, graph(example))
    _join_padding(model)
    _halve(model)
    onnx.helper.set_model_props(model, {"format": FORMAT, **notes})
    onnx.checker.check_model(model)
    onnx.save(model, output)


class _Graph(nn.Module):
    """The network with the outputs of `LiteOutput`, in that order."""

    def __init__(self, network: nn.Module, scene: nn.Module, people: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.scene = scene
        self.people = people

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        network = self.network
        assert isinstance(network, LiteNetwork)
        features = network.trunk(pixels)
        dense, levels = network.detect(features)
        width = max(level.shape[1] for level in levels)
        tokens = torch.cat(
            [
                nn.functional.pad(level.flatten(2).transpose(1, 2), (0, width - level.shape[1]))
                for level in levels
            ],
            dim=1,
        )
        maps = join_maps(features, levels)
        scene = self.scene(*maps)
        imagenet = network.classifier(features.stride32)
        people = self.people(*maps, imagenet)
        outputs = {
            "scene": scene.classes[..., 1:].permute(0, 3, 1, 2),  # class 0 is no class
            "faces": scene.faces.permute(0, 3, 1, 2),
            "objectness": dense.objectness,
            "classes": dense.classes,
            "boxes": dense.boxes,
            "imagenet": imagenet,
            **{f"people{stride}": each for stride, each in zip(STRIDES, people, strict=True)},
            "tokens": tokens,
        }
        return tuple(outputs[name] for name in LiteOutput._fields)


def _state_shapes(model: ModelProto, outputs: tuple[Tensor, ...]) -> None:
    """Write into the file how large each output is: the exporter leaves most of it open."""
    import onnx

    for described, output in zip(model.graph.output, outputs, strict=True):
        varying = _VARYING[described.name]
        shape = [varying.get(axis, size) for axis, size in enumerate(output.shape)]
        described.CopyFrom(
            onnx.helper.make_tensor_value_info(described.name, onnx.TensorProto.FLOAT, shape)
        )


def _join_padding(model: ModelProto) -> None:
    """Give the border of each `SameConv` to its convolution.

    ONNX Runtime orders the pixels anew before and after a padding of its own, which takes a quarter
    of the network's time.
    """
    import onnx

    made_by = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        padding = made_by.get(node.input[0]) if node.op_type == "Conv" else None
        if padding is None or padding.op_type != "Pad":
            continue
        given = {one.name: one for one in node.attribute}
        kernel, stride = given["kernel_shape"].ints[0], given["strides"].ints[0]
        left, right, top, bottom = same_border(kernel, stride)
        given["pads"].CopyFrom(onnx.helper.make_attribute("pads", [top, left, bottom, right]))
        node.input[0] = padding.input[0]
    used = {output.name for output in model.graph.output}
    for node in list(reversed(model.graph.node)):  # a node comes before those that use it
        if used.isdisjoint(node.output):
            model.graph.node.remove(node)
        else:
            used.update(node.input)
    for weight in [one for one in model.graph.initializer if one.name not in used]:
        model.graph.initializer.remove(weight)


def _halve(model: ModelProto) -> None:
    """Store weights as float16; a cast before their use makes them float32 again, once, at load."""
    import onnx
    from onnx import numpy_helper

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT:
            continue
        name = weight.name
        half = numpy_helper.from_array(numpy_helper.to_array(weight).astype("float16"))
        weight.CopyFrom(half)
        weight.name = f"{name}.half"
        casts.append(
            onnx.helper.make_node("Cast", [weight.name], [name], to=onnx.TensorProto.FLOAT)
        )
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
