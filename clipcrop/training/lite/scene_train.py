"""Train the scene head on cached features; stopped and resumed between blocks."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, grid_sample
from tqdm import tqdm

from ...decoder.tensor_boxes import generalised_iou
from .scene_head import NUM_LABELS, SceneHead, decode_distances
from .scene_photos import LABEL_STRIDE, UNLABELLED
from .scene_shards import SceneShard, shard_folder
from .train import cosine_rate, follow, save_checkpoint

STRIDE = 8
LABELS_PER_CELL = STRIDE // LABEL_STRIDE

KNOWN_TO_TEACHER = 31
"""The teacher of masks knows classes 1 to 31."""

OTHER_SHARE = 0.3
"""How much a class that the teacher does not know counts as right where it names another."""

TEACHER_WEIGHT = 0.4
"""Of a cell with the teacher's label beside one with a true label."""

FACE_CORE = 0.5
"""Of a face's width and height: cells whose centre lies in this part of it are the face."""

FACE_CELLS, OTHER_CELLS = 24, 40
"""Cells of a view sampled for faces: in them, and elsewhere (half of these next to them)."""


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """One run."""

    num_steps: int = 3000
    batch_size: int = 16
    cells_per_view: int = 160
    learning_rate: float = 2e-3
    cooldown: float = 0.5
    """Share of the run in which the learning rate is lowered to nothing, along a cosine."""

    warmup_steps: int = 50
    weight_decay: float = 0.02
    average: float = 0.995
    """Decay of the running average of the weights, which is what is kept."""

    face_weight: float = 0.5
    save_every: int = 100
    seed: int = 0

    def learning_rate_at(self, step: int) -> float:
        """Warm up, hold, cool down."""
        return cosine_rate(
            step, self.num_steps, self.learning_rate, self.warmup_steps, self.cooldown, floor=0.005
        )


class SceneBatch(NamedTuple):
    """Features of a batch and targets of the cells that were sampled. B views, P and Q cells."""

    stride16: Tensor
    """[B, C, 26, 26]"""

    stride32: Tensor
    """[B, C, 13, 13]"""

    fine: Tensor
    """[B, P + Q, C] features of stride 8 at the sampled cells."""

    points: Tensor
    """[B, P + Q, 2] centres of those cells, in view pixels, x first."""

    labels: Tensor
    """[B, P] int64 classes."""

    is_true: Tensor
    """[B] whether the labels are true ones."""

    is_face: Tensor
    """[B, Q]"""

    faces_px: Tensor
    """[B, Q, 4] xyxy of the face that the cell is in; zeros elsewhere."""


def sample_label_cells(
    labels: NDArray[np.uint8], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells with a label, those of small classes more often.

    Args:
        labels: [104, 104].
        count: P.
        rng: chooses.

    Returns:
        [P] index of the cell of stride 8, row after row; [P] index of the label in it. They are
        any cells if the view has no labels.
    """
    flat = labels.ravel()
    sizes = np.bincount(flat, minlength=NUM_LABELS).astype(np.float64)
    share = np.where(sizes > 0, np.maximum(sizes, 4.0) ** -0.5, 0.0)
    share[UNLABELLED] = 0.0
    weights = np.cumsum(share[flat])
    if weights[-1] == 0:
        chosen = rng.integers(0, len(flat), count)
    else:
        chosen = np.searchsorted(weights, rng.random(count) * weights[-1], side="right")
        chosen = np.minimum(chosen, len(flat) - 1)
    rows, columns = np.divmod(chosen, labels.shape[1])
    width = labels.shape[1] // LABELS_PER_CELL
    cells = rows // LABELS_PER_CELL * width + columns // LABELS_PER_CELL
    return cells, chosen


def sample_face_cells(
    faces_px: NDArray[np.float32], side_cells: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Cells in the cores of faces, cells near faces, and cells anywhere.

    Args:
        faces_px: [F, 4] xyxy.
        side_cells: cells along a side of the view.
        rng: chooses.

    Returns:
        [Q] index of the cell; [Q, 4] the face that it is the core of, zeros for none.
    """
    count = FACE_CELLS + OTHER_CELLS
    cells = rng.integers(0, side_cells**2, count)
    if len(faces_px):
        face = rng.integers(0, len(faces_px), count)
        middle = (faces_px[face, :2] + faces_px[face, 2:]) / 2
        size = faces_px[face, 2:] - faces_px[face, :2]
        reach = np.where(np.arange(count) < FACE_CELLS, FACE_CORE, 2.5)[:, None]
        points = middle + reach * size * (rng.random((count, 2)) - 0.5)
        at = (points / STRIDE).astype(np.int64).clip(0, side_cells - 1)
        near = FACE_CELLS + OTHER_CELLS // 2
        cells[:near] = (at[:, 1] * side_cells + at[:, 0])[:near]
    return cells, faces_at(faces_px, cells, side_cells)


def faces_at(
    faces_px: NDArray[np.float32], cells: NDArray[np.int64], side_cells: int
) -> NDArray[np.float32]:
    """[Q, 4] the smallest face whose core each cell's centre lies in; zeros for none.

    A face smaller than a cell has the cell that its centre lies in.
    """
    found = np.zeros((len(cells), 4), np.float32)
    centres = np.stack([cells % side_cells, cells // side_cells], axis=1) * STRIDE + STRIDE / 2
    for face in sorted(faces_px, key=lambda box: -float((box[2] - box[0]) * (box[3] - box[1]))):
        middle, size = (face[:2] + face[2:]) / 2, face[2:] - face[:2]
        reach = np.maximum(size * FACE_CORE, STRIDE) / 2
        found[(abs(centres - middle) <= reach).all(axis=1)] = face
    return found


def make_batch(
    shards: list[SceneShard],
    picks: NDArray[np.int64],
    config: SceneConfig,
    rng: np.random.Generator,
) -> SceneBatch:
    """Read the features of some views and sample their cells.

    Args:
        shards: all of them.
        picks: [B, 2] shard and view.
        config: says how many cells.
        rng: chooses them.
    """
    parts: dict[str, list[NDArray[np.generic]]] = {name: [] for name in SceneBatch._fields}
    for shard_index, view in picks:
        shard = shards[shard_index]
        side = shard.maps[0].shape[1]
        label_cells, chosen = sample_label_cells(shard.labels[view], config.cells_per_view, rng)
        face_cells, faces_px = sample_face_cells(shard.faces_px[view], side, rng)
        cells = np.concatenate([label_cells, face_cells])
        fine = np.asarray(shard.maps[0][view]).reshape(side * side, -1)[cells]
        parts["fine"].append(fine)
        parts["stride16"].append(np.asarray(shard.maps[1][view]))
        parts["stride32"].append(np.asarray(shard.maps[2][view]))
        points = np.stack([cells % side, cells // side], axis=1) * STRIDE + STRIDE / 2
        parts["points"].append(points.astype(np.float32))
        parts["labels"].append(shard.labels[view].ravel()[chosen].astype(np.int64))
        parts["is_true"].append(shard.has_mask[view])
        parts["is_face"].append((faces_px[:, 2] > 0).astype(np.float32))
        parts["faces_px"].append(faces_px)
    stacked = {name: torch.from_numpy(np.stack(each)) for name, each in parts.items()}
    for name in ("stride16", "stride32"):
        stacked[name] = stacked[name].float().permute(0, 3, 1, 2)  # stays channels last in memory
    stacked["fine"] = stacked["fine"].float()
    return SceneBatch(**stacked)


class SceneLosses(NamedTuple):
    """Scalars; the total is what is minimised."""

    total: Tensor
    classes: Tensor
    taught: Tensor
    faces: Tensor
    boxes: Tensor


def scene_losses(head: SceneHead, batch: SceneBatch, config: SceneConfig) -> SceneLosses:
    """Cross-entropy of the classes; of faces, and GIoU of their boxes."""
    side_px = batch.stride16.shape[2] * 16
    with torch.autocast("cpu", torch.bfloat16):
        around = head.context(batch.stride16, batch.stride32)
        grid = batch.points[:, :, None] / side_px * 2 - 1
        at_points = grid_sample(around.float(), grid, padding_mode="border", align_corners=False)
        at_points = at_points[..., 0].transpose(1, 2)  # [B, P + Q, C]
        num_labels = batch.labels.shape[1]

        def flat(part: Tensor, of: slice) -> Tensor:
            return part[:, of].flatten(0, 1)[:, :, None, None]

        labelled, for_faces = slice(0, num_labels), slice(num_labels, None)
        x = nn.functional.hardswish(
            head.lateral[0](flat(batch.fine, slice(None))) + flat(at_points, slice(None))
        )
        x = x.reshape(*batch.fine.shape[:2], -1)
        logits = head.classes(flat(x, labelled)).flatten(1)
        faces = head.faces(flat(x, for_faces)).flatten(1)
    logits, faces = logits.float(), faces.float()

    labels = batch.labels.flatten()
    is_known = labels != UNLABELLED
    is_true = batch.is_true.repeat_interleave(num_labels)
    log_p = logits[:, 1:].log_softmax(dim=1)  # class 0 is no class
    of_label = log_p.gather(1, (labels - 1).clamp(min=0)[:, None])[:, 0]
    others = log_p[:, KNOWN_TO_TEACHER:].logsumexp(dim=1) + math.log(OTHER_SHARE)
    of_taught = torch.logaddexp(of_label, others)
    true, by_teacher = is_known & is_true, is_known & ~is_true
    classes = -(of_label * true).sum() / true.sum().clamp(min=1)
    taught = -(of_taught * by_teacher).sum() / by_teacher.sum().clamp(min=1)

    is_face = batch.is_face.flatten()
    face = binary_cross_entropy_with_logits(faces[:, 0], is_face)
    chosen = is_face > 0
    boxes = torch.zeros(())
    if bool(chosen.any()):
        centres = batch.points[:, num_labels:].flatten(0, 1)[chosen]
        target = batch.faces_px.flatten(0, 1)[chosen]
        boxes = (1 - generalised_iou(decode_distances(faces[chosen, 1:], centres), target)).mean()
    share = float(by_teacher.sum()) / max(1.0, float(is_known.sum()))
    total = (1 - share) * classes + TEACHER_WEIGHT * share * taught
    total = total + config.face_weight * (2 * face + boxes)
    return SceneLosses(total, classes, taught, face, boxes)


def train_scene(
    config: SceneConfig,
    shards_folder: Path,
    run: Path,
) -> Path:
    """Train the head; a checkpoint in ``run`` is gone on from.

    Returns:
        The path of the checkpoint.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    head = SceneHead().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(head).eval().requires_grad_(False)
    groups = [
        {
            "params": [p for p in head.parameters() if (p.ndim > 1) == is_matrix],
            "weight_decay": config.weight_decay * is_matrix,
        }
        for is_matrix in (True, False)
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    checkpoint = run / "scene.pt"
    step = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        head.load_state_dict(state["head"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    shards: list[SceneShard] = []
    progress = tqdm(total=config.num_steps, initial=step, unit="step", mininterval=10)
    sums = torch.zeros(len(SceneLosses._fields))
    with progress, (run / "log.jsonl").open("a") as log:
        while step < config.num_steps:
            while shard_folder(shards_folder, len(shards)).exists():  # `cache` may still run
                shards.append(SceneShard.open(shard_folder(shards_folder, len(shards))))
            rng = np.random.default_rng([config.seed, step])
            head.train()
            picks = _pick_views(shards, config.batch_size, rng)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate_at(step)
            losses = scene_losses(head, make_batch(shards, picks, config, rng), config)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(losses.total)
            nn.utils.clip_grad_norm_(head.parameters(), 5.0)
            optimizer.step()
            step += 1
            follow(average, head, min(config.average, step / (step + 9)))
            sums += torch.stack([loss.detach() for loss in losses])
            progress.update()
            if step % config.save_every == 0 or step == config.num_steps:
                means = (sums / config.save_every).tolist()
                sums.zero_()
                record = dict(zip(losses._fields, (round(m, 4) for m in means), strict=True))
                record |= {"step": step, "shards": len(shards)}
                progress.write(json.dumps(record))
                log.write(json.dumps(record) + "\n")
                log.flush()
                save_checkpoint(
                    checkpoint,
                    head=head.state_dict(),
                    average=average.state_dict(),
                    optimizer=optimizer.state_dict(),
                    step=step,
                    config=asdict(config),
                )
    return checkpoint


def _pick_views(
    shards: list[SceneShard], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """[B, 2] shard and view: each view alike."""
    sizes = np.cumsum([len(shard.labels) for shard in shards])
    chosen = rng.integers(0, sizes[-1], count)
    shard = np.searchsorted(sizes, chosen, side="right")
    first = np.concatenate([[0], sizes])[shard]
    return np.stack([shard, chosen - first], axis=1)
