"""What takes the place of a captioner and an aesthetic network where their weights are not here.

Neither looks at a crop's pixels: both judge where the crop lies among what an encoder found in the
photo. So they are quick, and they are no CAGIC as published: their names say so in every output.
"""

from __future__ import annotations

from collections import defaultdict
from typing import cast

import torch
from torch import Tensor

from ..composing.composition_network import CompositionNetwork
from ..decoder.tensor_boxes import area, intersection
from ..device import memory_errors_named
from ..imaging.images import LoadedImage
from ..predictor import CachedEncoder
from ..suggestions import Detection
from .base import Judge, Reading
from .sampler import Crops

_FLOOR = 1e-3  # a text that a crop shows nothing of costs -log of this: 6.9 nats


class EncoderCaptioner:
    """The encoder's own text scores as a caption loss.

    For a text w the encoder finds boxes b_i with scores s_i: a map of the photo, the sum of the
    boxes weighted with their scores. A crop c shows as much of w as map and crop are alike, by the
    cosine of the angle between them; over the W texts that were found,

        cos_w(c) = sum_i s_i |c & b_i| / (sqrt|c| sqrt(sum_ij s_i s_j |b_i & b_j|))
        L_caption = - 1/W sum_w log cos_w(c)

    which is 0 for a crop that is exactly the one box found. As a caption loss it is a cross-entropy
    in which every text asked for has the same share.
    """

    def __init__(self, cached_encoder: CachedEncoder, device: torch.device) -> None:
        self.name = f"stand-in: text scores of {cached_encoder.predictor.encoder.name}"
        self.device = device
        self._cached_encoder = cached_encoder

    def read(self, image: LoadedImage, prompt: str) -> Reading:
        """See `Captioner`."""
        found = self._cached_encoder.predictor.suggest(self._cached_encoder(image), prompt, count=1)
        texts: dict[str, list[Detection]] = defaultdict(list)
        for detection in found.matched:
            texts[detection.text].append(detection)
        maps = [_Map(detections, self.device) for detections in texts.values()]

        def loss(crops: Crops) -> Tensor:
            if not maps:
                return 0 * crops.boxes_xyxy.sum(dim=1)
            shown = torch.stack([one.cosine(crops.boxes_xyxy) for one in maps])  # [W, R]
            return -(_FLOOR + (1 - _FLOOR) * shown).log().mean(dim=0)

        return Reading(loss, found.matched, found.dropped, is_found=bool(maps))


class _Map:
    """Where in the photo a text is."""

    def __init__(self, detections: list[Detection], device: torch.device) -> None:
        self._boxes = torch.tensor([one.box_xyxy for one in detections], device=device)  # [K, 4]
        self._scores = torch.tensor([one.score for one in detections], device=device)
        among = intersection(self._boxes, self._boxes)
        self._length = (self._scores @ among @ self._scores).clamp(min=1e-12).sqrt()

    def cosine(self, crops_xyxy: Tensor) -> Tensor:
        """[R, 4] -> [R] 0 to 1, how much the crops are like the map."""
        shared = intersection(crops_xyxy, self._boxes.to(crops_xyxy)) @ self._scores.to(crops_xyxy)
        return shared / (area(crops_xyxy).clamp(min=1e-12).sqrt() * self._length)


class CompositionAesthetics:
    """The composition score as the aesthetic network: the layout of objects, whatever was asked."""

    name: str = "stand-in: composition score"

    def __init__(self, cached_encoder: CachedEncoder, device: torch.device) -> None:
        self.device = device
        self._cached_encoder = cached_encoder
        with memory_errors_named(device):
            self._network = CompositionNetwork.load().to(device)

    def read(self, image: LoadedImage) -> Judge:
        """See `Aesthetics`."""
        found = self._cached_encoder(image).objects_xyxy[: self._network.config.max_objects]
        objects = torch.from_numpy(found).to(self.device)[None]
        is_object = torch.ones(objects.shape[:2], dtype=torch.bool, device=self.device)
        aspect = torch.tensor([image.width_px / image.height_px], device=self.device)

        def judge(crops: Crops) -> Tensor:
            frames = crops.boxes_xyxy.float()[None]
            quality = self._network(frames, objects, ~is_object, is_object, aspect)
            return cast("Tensor", quality)[0]

        return judge
