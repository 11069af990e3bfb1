"""The composition score: how good a frame is, judged from the layout of objects in it.

It sees no pixels. A frame is described by where it lies in the image, each object by where it lies
in the frame (cut by an edge or not, headroom, thirds, size), and a small network, which learned
from people's ratings of crops, turns the set of objects into one quality. It works with the boxes
of every tower and costs a few milliseconds for hundreds of frames.

Axes beside those of `clipcrop.encoders.base`:

F  frames of an image
K  objects of an image, best first
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .errors import CheckpointError

EMBEDDED_WEIGHTS = Path(__file__).with_name("composition.safetensors")
FORMAT = "clipcrop-composition-1"

NUM_FRAME_FEATURES = 18
NUM_OBJECT_FEATURES = 15
NUM_RELATION_FEATURES = 31

NEAR = 0.03
"""An edge this close, in units of the frame or image, counts as almost touching."""

FAR = 1.5
"""Distances in units of the frame are cut off here: what lies farther out looks the same."""

FRAMES_AT_ONCE = 300
"""Frames are judged in parts of this many, whose intermediate values fit into a cache."""

MAX_KEY = 30.0
"""Keys of the attention are cut off here, so that their exponentials stay finite."""

MIN_SIZE = 1e-4
"""Smaller boxes are treated as if they had this side, so that nothing is divided by zero."""


@dataclass(frozen=True, kw_only=True)
class CompositionConfig:
    """Sizes of the network, kept in the metadata of its weights."""

    max_objects: int = 10
    """Objects beyond this many are ignored."""

    dim: int = 64
    """Width of every layer."""

    num_heads: int = 4
    """Ways of attending to the objects; must divide ``dim``."""

    def __post_init__(self) -> None:
        """Refuse what the layers would only refuse later, and less clearly."""
        if min(self.max_objects, self.dim, self.num_heads) < 1 or self.dim % self.num_heads:
            raise ValueError(
                f"max_objects, dim and num_heads must be positive and num_heads must divide dim, "
                f"got {self.max_objects}, {self.dim} and {self.num_heads}"
            )


class CompositionScorer(nn.Module):
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
        self.nothing = nn.Parameter(torch.zeros(self.config.num_heads))
        self.judge = nn.Sequential(
            nn.Linear((self.config.num_heads + 2) * dim, dim),
            nn.ReLU(),
            nn.Linear(dim, dim),
            nn.ReLU(),
            nn.Linear(dim, 1),
        )

    @classmethod
    def load(cls, path: Path | None = None) -> CompositionScorer:
        """Load weights, the embedded ones by default.

        Raises:
            CheckpointError: The file is missing, damaged, or holds something else.
        """
        from safetensors import SafetensorError, safe_open

        path = path or EMBEDDED_WEIGHTS
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as exc:
            raise CheckpointError(
                f"cannot read the composition weights {path}: {exc}; install the package again"
            ) from exc
        if metadata.get("format") != FORMAT:
            raise CheckpointError(
                f"{path} holds no composition weights: its format is "
                f"{metadata.get('format')!r}, expected {FORMAT!r}"
            )
        try:
            scorer = cls(CompositionConfig(**json.loads(metadata["config"])))
            scorer.load_state_dict({name: value.float() for name, value in weights.items()})
        except (KeyError, TypeError, ValueError, RuntimeError) as exc:
            raise CheckpointError(f"the composition weights {path} are damaged: {exc}") from exc
        return scorer.eval().requires_grad_(False)

    def save(self, path: Path, **notes: str) -> None:
        """Write weights as float16, with the configuration and notes as metadata."""
        from safetensors.torch import save_file

        weights = {name: value.half().contiguous() for name, value in self.state_dict().items()}
        metadata = {"format": FORMAT, "config": json.dumps(asdict(self.config)), **notes}
        save_file(weights, path, metadata=metadata)

    @torch.inference_mode()
    def score(
        self, frames_xyxy: Tensor, objects_xyxy: Tensor, num_subjects: int, image_aspect: float
    ) -> Tensor:
        """How good each frame is.

        Args:
            frames_xyxy: [F, 4] frames to judge.
            objects_xyxy: [K, 4] objects in the image, the subjects that were asked for first, then
                best first; none is allowed.
            num_subjects: the first so many objects are what was asked for.
            image_aspect: width over height of the image in pixels.

        Returns:
            [F] quality, 0 to 1: a mean opinion score of 1 to 5, mapped linearly.
        """
        objects_xyxy = objects_xyxy[: self.config.max_objects]
        count = len(objects_xyxy)
        is_subject = torch.arange(count)[None] < num_subjects
        is_object = torch.ones(1, count, dtype=torch.bool)
        aspect = torch.tensor([image_aspect], dtype=torch.float32)
        quality = [
            self(part[None], objects_xyxy.float()[None], is_subject, is_object, aspect)[0]
            for part in torch.split(frames_xyxy.float(), FRAMES_AT_ONCE)
        ]
        return torch.cat(quality).clamp(0, 1)

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
        weights = keys / (keys.sum(dim=2, keepdim=True) + self.nothing.exp())
        same = present.expand_as(weights[..., :1]) / self.config.max_objects
        weights = torch.cat([weights, same], dim=-1).transpose(2, 3)  # [B, F, heads + 1, K]
        pooled = (weights @ mixed).flatten(2)  # [B, F, (heads + 1) * dim]
        judged: Tensor = self.judge(torch.cat([frame.relu(), pooled], dim=-1))
        return judged[..., 0]


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
