"""The composition score's network in PyTorch: for training it, and for CAGIC's gradients.

The same function and the same file of weights as in `clipcrop.composing.composition`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from .composition import (
    EMBEDDED_WEIGHTS,
    FAR,
    FORMAT,
    MAX_KEY,
    MIN_SIZE,
    NEAR,
    NUM_FRAME_FEATURES,
    NUM_OBJECT_FEATURES,
    NUM_RELATION_FEATURES,
    CompositionConfig,
    CompositionScorer,
    read_weights,
)


class CompositionNetwork(nn.Module):
    """An attention-pooled set of objects and the frame's own geometry, to one quality."""

    def __init__(self, config: CompositionConfig | None = None) -> None:
        super().__init__()
        self.config = config or CompositionConfig()
        dim = self.config.dim
        # The first layer is a sum of three, so that what depends on the frame alone or on the
        # object alone is computed once, not for every pair of them.
        self.embed_frame = nn.Linear(NUM_FRAME_FEATURES, dim)
        self.embed_object = nn.Linear(NUM_OBJECT_FEATURES, dim, bias=False)
        self.embed_relation = nn.Linear(NUM_RELATION_FEATURES, dim, bias=False)
        self.mix = nn.Linear(dim, dim)
        self.attend = nn.Linear(dim, self.config.num_heads)
        self.null_logit = nn.Parameter(torch.zeros(self.config.num_heads))
        self.score_head = nn.Sequential(
            nn.Linear((self.config.num_heads + 2) * dim, dim),
            nn.ReLU(),
            nn.Linear(dim, dim),
            nn.ReLU(),
            nn.Linear(dim, 1),
        )

    @classmethod
    def load(cls, path: Path | None = None) -> CompositionNetwork:
        """Load weights, the embedded ones by default.

        Raises:
            CheckpointError: The file is missing, damaged, or holds something else.
        """
        config, weights = read_weights(path or EMBEDDED_WEIGHTS)
        network = cls(config)
        network.load_state_dict({name: torch.from_numpy(part) for name, part in weights.items()})
        return network.eval().requires_grad_(False)

    def save(self, path: Path, **notes: str) -> None:
        """Write weights as float16, with the configuration and notes as metadata."""
        from safetensors.torch import save_file

        weights = {name: value.half().contiguous() for name, value in self.state_dict().items()}
        metadata = {"format": FORMAT, "config": json.dumps(asdict(self.config)), **notes}
        save_file(weights, path, metadata=metadata)

    def scorer(self) -> CompositionScorer:
        """The same network in NumPy, for use."""
        weights = {name: part.detach().cpu().numpy() for name, part in self.state_dict().items()}
        return CompositionScorer(self.config, weights)

    def forward(
        self,
        frames_xyxy: Tensor,
        objects_xyxy: Tensor,
        is_subject: Tensor,
        is_object: Tensor,
        image_aspect: Tensor,
    ) -> Tensor:
        """Judge the frames of a batch of images.

        Args:
            frames_xyxy: [B, F, 4] frames.
            objects_xyxy: [B, K, 4] objects, best first.
            is_subject: [B, K] bool, True for what was asked for.
            is_object: [B, K] bool, False for what only fills up the batch.
            image_aspect: [B] width over height of each image in pixels.

        Returns:
            [B, F] quality, not clamped.
        """
        frames = _with_size(frames_xyxy)
        objects = _with_size(objects_xyxy)
        frame = self.embed_frame(frame_features(frames, image_aspect))  # [B, F, dim]
        relation = self.embed_relation(relation_features(frames, objects))  # [B, F, K, dim]
        item = self.embed_object(object_features(objects, is_subject, image_aspect))  # [B, K, dim]
        relation += item[:, None]
        relation += frame[:, :, None]
        mixed = (relation.relu_() @ self.mix.weight.T).add_(self.mix.bias).relu_()

        # Attention with one more key, whose value is zero: nothing worth attending to. Written out,
        # because softmax is slow over so few keys. And one more head, which takes every object as
        # it is.
        present = is_object[:, None, :, None]  # [B, 1, K, 1]
        keys = self.attend(mixed).clamp(max=MAX_KEY).exp() * present  # [B, F, K, heads]
        weights = keys / (keys.sum(dim=2, keepdim=True) + self.null_logit.exp())
        same = present.expand_as(weights[..., :1]) / self.config.max_objects
        weights = torch.cat([weights, same], dim=-1).transpose(2, 3)  # [B, F, heads + 1, K]
        pooled = (weights @ mixed).flatten(2)  # [B, F, (heads + 1) * dim]
        scores: Tensor = self.score_head(torch.cat([frame.relu(), pooled], dim=-1))
        return scores[..., 0]


def _with_size(boxes_xyxy: Tensor) -> Tensor:
    """[..., 4] -> [..., 4] the same boxes, none of them without a size."""
    return torch.cat(
        [boxes_xyxy[..., :2], torch.maximum(boxes_xyxy[..., 2:], boxes_xyxy[..., :2] + MIN_SIZE)],
        -1,
    )


def frame_features(frames_xyxy: Tensor, image_aspect: Tensor) -> Tensor:
    """Where each frame lies in its image: [B, F, 4], [B] -> [B, F, features]."""
    size = frames_xyxy[..., 2:] - frames_xyxy[..., :2]
    centre = (frames_xyxy[..., 2:] + frames_xyxy[..., :2]) / 2 - 0.5
    cut_off = torch.cat([frames_xyxy[..., :2], 1 - frames_xyxy[..., 2:]], dim=-1)
    image_shape = image_aspect.log()[:, None, None].expand(*frames_xyxy.shape[:2], 1)
    shape = (size[..., :1] / size[..., 1:]).log() + image_shape
    area = size.prod(dim=-1, keepdim=True)
    return torch.cat(
        [
            cut_off,
            torch.exp(-cut_off.abs() / NEAR),
            size,
            centre,
            centre.abs(),
            area,
            shape,
            shape.abs(),
            image_shape,
        ],
        dim=-1,
    )


def object_features(objects_xyxy: Tensor, is_subject: Tensor, image_aspect: Tensor) -> Tensor:
    """What each object is, whatever the frame: [B, K, 4], [B, K], [B] -> [B, K, features]."""
    size = objects_xyxy[..., 2:] - objects_xyxy[..., :2]
    edges = torch.cat([objects_xyxy[..., :2], 1 - objects_xyxy[..., 2:]], dim=-1)
    shape = (size[..., :1] / size[..., 1:]).log() + image_aspect.log()[:, None, None]
    rank = torch.arange(size.shape[1], device=size.device)
    first = (1 / (1 + rank)).expand(size.shape[:2])[..., None]
    return torch.cat(
        [
            edges,
            torch.exp(-edges.abs() / NEAR),
            size,
            size.prod(dim=-1, keepdim=True).sqrt(),
            shape.clamp(-3, 3) / 2,
            (shape / 2).tanh().abs(),
            first,
            is_subject[..., None].float(),
        ],
        dim=-1,
    )


def relation_features(frames_xyxy: Tensor, objects_xyxy: Tensor) -> Tensor:
    """How each object lies in each frame: [B, F, 4], [B, K, 4] -> [B, F, K, features]."""
    frame, item = frames_xyxy[:, :, None], objects_xyxy[:, None]  # [B, F, 1, 4], [B, 1, K, 4]
    frame_size = (frame[..., 2:] - frame[..., :2]).repeat(1, 1, 1, 2)
    item_size = (item[..., 2:] - item[..., :2]).repeat(1, 1, 1, 2)
    # Positive where the object keeps a distance to the frame's edge, negative where it is cut.
    gap = torch.cat([item[..., :2] - frame[..., :2], frame[..., 2:] - item[..., 2:]], dim=-1)
    air = (gap / frame_size).clamp(-FAR, FAR)  # [B, F, K, 4]
    cut = (-gap / item_size).clamp(0, 1)
    kept = (1 - cut[..., :2] - cut[..., 2:]).clamp(min=0)  # share of width, of height
    low = air[..., :2].clamp(0, 1)
    high = (1 - air[..., 2:]).clamp(0, 1)
    centre = (low + high) / 2
    seen = high - low
    return torch.cat(
        [
            air,
            cut,
            (cut > 0.01).float(),
            torch.exp(-air.abs() / NEAR),
            kept,
            kept.prod(dim=-1, keepdim=True),
            seen,
            # Not of 0, where a root has no gradient: CAGIC descends through this score.
            seen.clamp(min=0).prod(dim=-1, keepdim=True).clamp(min=1e-12).sqrt(),
            centre,
            (centre - 0.5).abs(),
            torch.exp(-((centre - 1 / 3).abs().minimum((centre - 2 / 3).abs()) / 0.1)),
            (air[..., :2] - air[..., 2:]).tanh(),
            (kept.prod(dim=-1, keepdim=True) > 0.98).float(),
        ],
        dim=-1,
    )
