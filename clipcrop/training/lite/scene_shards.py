"""Views as the frozen network sees them, with their labels, in files of some hundred views each.

Neither trunk nor pyramid is trained here, so a view is looked at once. Features are laid out cell
by cell in half precision, so that a step reads only the cells that it samples: 1.2 MB a view.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...encoders.lite_pixels import STRIDES, to_network_input
from ...onnx_runtime import import_onnxruntime
from .network import LiteNetwork
from .scene_head import join_maps
from .scene_photos import MaskTeacher, ScenePhoto, random_scene_view, read_mask, read_photo

VIEWS_PER_SHARD = 256


class _FeatureMaps(nn.Module):
    """Trunk's and pyramid's maps, joined at each stride, channels last."""

    def __init__(self, network: LiteNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        features = self.network.trunk(pixels)
        maps = join_maps(features, self.network.pyramid(features))
        return tuple(each.permute(0, 2, 3, 1) for each in maps)


class FrozenFeatures:
    """The shipped network's maps of a view, through ONNX Runtime: half the time of PyTorch."""

    def __init__(self, network: LiteNetwork) -> None:
        graph = io.BytesIO()
        names = [f"stride{stride}" for stride in STRIDES]
        torch.onnx.export(
            _FeatureMaps(network).eval(),
            (torch.zeros(1, 3, 64, 64),),
            graph,  # type: ignore[arg-type]  # any file will do
            dynamo=False,
            input_names=["pixels"],
            output_names=names,
            dynamic_axes={"pixels": {2: "height", 3: "width"}},
        )
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph.getvalue(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """[H, W, 3] RGB, sides multiples of 32 -> a map [H/s, W/s, C] a stride."""
        return self.of_input(to_network_input(pixels))

    def of_input(self, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """[1, 3, H, W] as the network takes it -> the same maps."""
        return [each[0] for each in self._session.run(None, {"pixels": pixels})]


def shard_folder(folder: Path, index: int) -> Path:
    """Where shard number ``index`` lies."""
    return folder / f"scene-{index:04d}"


def make_scene_shard(
    data: Path,
    photos: Sequence[ScenePhoto],
    features: FrozenFeatures,
    teacher: MaskTeacher,
    folder: Path,
    index: int,
    seed: int = 0,
) -> None:
    """One view of each of these photos, unless the shard is there already."""
    path = shard_folder(folder, index)
    if path.exists():
        return
    rng = np.random.default_rng([seed, index])
    maps: list[list[NDArray[np.float16]]] = [[], [], []]
    labels, faces = [], []
    for photo in photos:
        pixels = read_photo(data, photo)
        mask = read_mask(data, photo) if photo.has_mask else teacher(pixels)
        view = random_scene_view(pixels, mask, np.array(photo.faces_xyxy, np.float32), rng)
        for level, found in zip(maps, features(view.pixels), strict=True):
            level.append(found.astype(np.float16))
        labels.append(view.labels)
        faces.append(view.faces_px.round(1).tolist())
    temporary = path.with_suffix(".part")
    temporary.mkdir(exist_ok=True, parents=True)
    for stride, level in zip(STRIDES, maps, strict=True):
        np.save(temporary / f"stride{stride}.npy", np.stack(level))
    np.save(temporary / "labels.npy", np.stack(labels))
    has_mask = [photo.has_mask for photo in photos]
    (temporary / "views.json").write_text(json.dumps({"faces": faces, "has_mask": has_mask}))
    temporary.rename(path)


class SceneShard(NamedTuple):
    """A shard, its features read from the file as they are needed. V: views in it."""

    maps: tuple[NDArray[np.float16], ...]
    """[V, 416/s, 416/s, C] a stride."""

    labels: NDArray[np.uint8]
    """[V, 104, 104]"""

    faces_px: list[NDArray[np.float32]]
    """[F, 4] xyxy in view pixels, for each view."""

    has_mask: NDArray[np.bool_]
    """[V] true labels, or the teacher's."""

    @classmethod
    def open(cls, path: Path) -> SceneShard:
        """Open what `make_scene_shard` wrote."""
        known = json.loads((path / "views.json").read_text())
        return cls(
            tuple(np.load(path / f"stride{stride}.npy", mmap_mode="r") for stride in STRIDES),
            np.load(path / "labels.npy"),
            [np.array(boxes, np.float32).reshape(-1, 4) for boxes in known["faces"]],
            np.array(known["has_mask"]),
        )


def plan_shards(photos: Sequence[ScenePhoto], rounds: int) -> list[list[ScenePhoto]]:
    """The photos of each shard: those with masks ``rounds`` times, the others once after that."""
    rng = np.random.default_rng(0)
    masked = [photo for photo in photos if photo.has_mask]
    others = [photo for photo in photos if not photo.has_mask]
    sequence = [masked[i] for _ in range(rounds) for i in rng.permutation(len(masked))]
    sequence += [others[i] for i in rng.permutation(len(others))]
    return [
        sequence[start : start + VIEWS_PER_SHARD]
        for start in range(0, len(sequence), VIEWS_PER_SHARD)
    ]
