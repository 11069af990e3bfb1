"""Photos for the scene head: true masks of ADE20K, a teacher's for the rest, boxes of faces."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...encoders.lite_pixels import INPUT_PX, PADDING
from ...errors import CheckpointError, InputError
from ...extras import install_command
from .photos import DEV_EVERY, dev_photos

MASKED_FOLDER = "ade20k"
OTHER_FOLDERS = ("crowd", "osie", "scene", "flickr8k", "bsds", "varied", "coco", "coco_captioned")
"""Folders of photos without masks, those with most faces and scenery first."""

LABEL_STRIDE = 4
"""View pixels a label stands for."""

UNLABELLED = 0

WHOLE_SHARE = 0.5
"""Of the views: the whole photo, as at run time; the others are crops."""

MIN_CROP_AREA = 0.2
MIN_FACE_PX = 8.0
"""Faces with a smaller longest side in the view teach nothing."""


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ScenePhoto:
    """One photo and what is known of it."""

    name: str
    """Folder and file name."""

    faces_xyxy: tuple[Box, ...]
    """Boxes of faces, normalised."""

    @property
    def has_mask(self) -> bool:
        """Whether its labels are true ones."""
        return self.name.startswith(MASKED_FOLDER + "/")


@dataclass(frozen=True)
class SceneView:
    """A view of a photo with its labels."""

    pixels: NDArray[np.uint8]
    """[416, 416, 3] RGB."""

    labels: NDArray[np.uint8]
    """[104, 104] class of every fourth pixel, 1..150; 0 where it is unknown."""

    faces_px: NDArray[np.float32]
    """[F, 4] xyxy in view pixels."""


def list_photos(data: Path) -> tuple[list[ScenePhoto], list[ScenePhoto]]:
    """The photos to train on and those kept for development: every sixth of each folder."""
    lines = _lines(data / "faces.jsonl")
    faces: dict[str, tuple[Box, ...]] = {
        line["image"]: tuple((x0, y0, x1, y1) for x0, y0, x1, y1, *_ in line["faces"])
        for line in lines
    }
    kept_elsewhere = set(dev_photos(data / "boxes_train.jsonl"))
    training: list[ScenePhoto] = []
    development: list[ScenePhoto] = []
    for folder in (MASKED_FOLDER, *OTHER_FOLDERS):
        names = sorted(f"{folder}/{path.name}" for path in (data / "photos" / folder).iterdir())
        for index, name in enumerate(names):
            is_development = index % DEV_EVERY == 0 or name in kept_elsewhere
            photo = ScenePhoto(name, faces.get(name, ()))
            (development if is_development else training).append(photo)
    return training, development


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except OSError as exc:
        raise InputError(f"no {path.name} in {path.parent}; name the folder of the data") from exc


def read_photo(data: Path, photo: ScenePhoto) -> NDArray[np.uint8]:
    """[H, W, 3] RGB."""
    with Image.open(data / "photos" / photo.name) as image:
        return np.asarray(image.convert("RGB"))


def read_mask(data: Path, photo: ScenePhoto) -> NDArray[np.uint8]:
    """[H, W] true classes of a photo, 1..150 and 0 for unlabelled; in its own resolution."""
    with Image.open(data / "ade20k_masks" / f"{Path(photo.name).stem}.png") as image:
        return np.asarray(image)


def make_view(
    photo: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    faces_xyxy: NDArray[np.float32],
    crop_xyxy: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    is_mirrored: bool = False,
) -> SceneView:
    """Cut a crop out of a photo and its labels, and lay it out as the network sees photos.

    Args:
        photo: [H, W, 3] RGB.
        mask: [H', W'] of the same scene, any size.
        faces_xyxy: [F, 4] normalised.
        crop_xyxy: normalised.
        is_mirrored: left and right change places.
    """
    x0, y0, x1, y1 = crop_xyxy
    crop_width, crop_height = (x1 - x0) * photo.shape[1], (y1 - y0) * photo.shape[0]
    scale = INPUT_PX / max(crop_width, crop_height)
    width_px, height_px = (max(1, round(side * scale)) for side in (crop_width, crop_height))

    def cut(
        source: NDArray[np.uint8], width: int, height: int, how: Image.Resampling
    ) -> NDArray[np.uint8]:
        size = np.array([source.shape[1], source.shape[0]] * 2)
        box = tuple((np.array(crop_xyxy) * size).tolist())
        image = Image.fromarray(source).resize((width, height), how, box=box)
        resized: NDArray[np.uint8] = np.asarray(image)
        return resized[:, ::-1] if is_mirrored else resized

    pixels = np.full((INPUT_PX, INPUT_PX, 3), PADDING, np.uint8)
    pixels[:height_px, :width_px] = cut(photo, width_px, height_px, Image.Resampling.BILINEAR)
    labels = np.full((INPUT_PX // LABEL_STRIDE,) * 2, UNLABELLED, np.uint8)
    columns, rows = (max(1, round(side / LABEL_STRIDE)) for side in (width_px, height_px))
    labels[:rows, :columns] = cut(mask, columns, rows, Image.Resampling.NEAREST)

    faces = (faces_xyxy.reshape(-1, 4) - [x0, y0, x0, y0]) / ([x1 - x0, y1 - y0] * 2)
    if is_mirrored:
        faces = np.stack([1 - faces[:, 2], faces[:, 1], 1 - faces[:, 0], faces[:, 3]], axis=1)
    centres = (faces[:, :2] + faces[:, 2:]) / 2
    faces = faces[((centres > 0) & (centres < 1)).all(axis=1)].clip(0, 1)
    faces_px = (faces * ([width_px, height_px] * 2)).astype(np.float32)
    sides = (faces_px[:, 2:] - faces_px[:, :2]).max(axis=1, initial=0)
    return SceneView(pixels, labels, faces_px[sides >= MIN_FACE_PX])


def random_scene_view(
    photo: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    faces_xyxy: NDArray[np.float32],
    rng: np.random.Generator,
) -> SceneView:
    """The whole photo or a random crop of it, mirrored half of the time."""
    crop = (0.0, 0.0, 1.0, 1.0)
    if rng.random() > WHOLE_SHARE:
        aspect = np.exp(rng.uniform(-0.3, 0.3)) * photo.shape[0] / photo.shape[1]
        area = rng.uniform(MIN_CROP_AREA, 0.9)
        width = min(1.0, float(np.sqrt(area * aspect)))
        height = min(1.0, float(area / width))
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        crop = (left, top, left + width, top + height)
    return make_view(photo, mask, faces_xyxy, crop, is_mirrored=bool(rng.random() < 0.5))


class MaskTeacher:
    """MOSAIC: a mask of ADE20K's 31 most common classes for any photo."""

    side_px = 512

    def __init__(self, model: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as exc:
            raise CheckpointError(
                f"the teacher of masks needs ai-edge-litert; run `{install_command('train-lite')}`"
            ) from exc
        if not model.is_file():
            raise CheckpointError(f"no teacher at {model}; name the folder of the data")
        self._interpreter = Interpreter(str(model), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """[H, W, 3] RGB -> [h, w] classes, long side 512."""
        scale = self.side_px / max(photo.shape[:2])
        height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
        view = np.zeros((self.side_px, self.side_px, 3), np.uint8)
        image = Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR)
        view[:height, :width] = np.asarray(image)
        self._interpreter.set_tensor(self._input, view[None])
        self._interpreter.invoke()
        classes: NDArray[np.int32] = self._interpreter.get_tensor(self._output)[0]
        return classes[:height, :width].astype(np.uint8)
