"""CAGIC with a small captioner that is trained here, on made scenes of coloured shapes."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from clipcrop.cagic.base import Judge, Reading
from clipcrop.cagic.cropper import Cagic
from clipcrop.cagic.losses import caption_loss
from clipcrop.cagic.options import CagicOptions
from clipcrop.cagic.sampler import Crops, Pyramid, sample
from clipcrop.decoder.tensor_boxes import coverage
from clipcrop.imaging.images import LoadedImage, prepare_image

logger = logging.getLogger(__name__)

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 220)}
FORMS = ("circle", "square", "triangle")
WORDS = (*COLOURS, *FORMS, "nothing")
SIDE_PX = 32
NUM_STEPS = 1200
WIDTH_PX, HEIGHT_PX = 192, 128


@dataclass(frozen=True)
class Thing:
    """A coloured shape."""

    colour: str
    form: str
    box_xyxy: tuple[float, float, float, float]


def draw(things: list[Thing]) -> Image.Image:
    """A scene on grey."""
    scene = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (128, 128, 128))
    brush = ImageDraw.Draw(scene)
    for thing in things:
        x0, y0, x1, y1 = thing.box_xyxy
        left, top, right, bottom = x0 * WIDTH_PX, y0 * HEIGHT_PX, x1 * WIDTH_PX, y1 * HEIGHT_PX
        colour = COLOURS[thing.colour]
        if thing.form == "circle":
            brush.ellipse((left, top, right, bottom), fill=colour)
        elif thing.form == "square":
            brush.rectangle((left, top, right, bottom), fill=colour)
        else:
            brush.polygon([((left + right) / 2, top), (left, bottom), (right, bottom)], fill=colour)
    return scene


def scene(generator: torch.Generator) -> list[Thing]:
    """A red circle first, then other things of all kinds, each in a cell of its own."""
    kinds = [(colour, form) for colour in COLOURS for form in FORMS]
    others = [kinds[i] for i in torch.randperm(len(kinds), generator=generator).tolist()]
    chosen = [("red", "circle"), *[kind for kind in others if kind != ("red", "circle")][:3]]
    cells = torch.randperm(6, generator=generator)[: len(chosen)].tolist()
    things = []
    for (colour, form), cell in zip(chosen, cells, strict=True):
        size_px = 32 + 22 * torch.rand((), generator=generator).item()
        free_px = torch.rand(2, generator=generator) * (62 - size_px)
        left, top = 64 * (cell % 3) + free_px[0].item(), 64 * (cell // 3) + free_px[1].item()
        box = (left, top, left + size_px, top + size_px)
        sides = (WIDTH_PX, HEIGHT_PX, WIDTH_PX, HEIGHT_PX)
        shares = [length / side for length, side in zip(box, sides, strict=True)]
        things.append(Thing(colour, form, (shares[0], shares[1], shares[2], shares[3])))
    return things


def words_of(crops: Tensor, things: list[Thing]) -> Tensor:
    """[R, 2, V] what should be said of crops: colour and form of each thing, the likelier the more
    of the thing is in the crop, and the more of the crop it fills; "nothing" of the rest."""
    boxes = torch.tensor([thing.box_xyxy for thing in things])
    seen = coverage(boxes, crops).T.square() * coverage(crops, boxes).sqrt()  # [R, K]
    seen = seen / seen.sum(dim=1, keepdim=True).clamp(min=1)
    said = torch.zeros(len(crops), 2, len(WORDS))
    for number, thing in enumerate(things):
        said[:, 0, WORDS.index(thing.colour)] += seen[:, number]
        said[:, 1, WORDS.index(thing.form)] += seen[:, number]
    said[:, :, -1] = (1 - seen.sum(dim=1, keepdim=True)).clamp(min=0)
    return said


class ShapeCaptioner(nn.Module):
    """Says two words of a crop: a colour and a form."""

    name = "shapes"
    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(3, 12, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(24, 48, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(48 * 16, 64),
            nn.ReLU(),
            nn.Linear(64, 2 * len(WORDS)),
        )

    def log_probabilities(self, pixels: Tensor) -> Tensor:
        """[R, 3, 32, 32] -> [R, 2, V]."""
        return self.network(pixels - 0.5).unflatten(1, (2, len(WORDS))).log_softmax(dim=2)

    def read(self, image: LoadedImage, prompt: str) -> Reading:
        asked = torch.tensor([WORDS.index(word) for word in prompt.split()])

        def loss(crops: Crops) -> Tensor:
            said = self.log_probabilities(crops.pixels(SIDE_PX, SIDE_PX))
            return caption_loss(said, torch.ones(said.shape[:2], dtype=torch.bool), asked)

        return Reading(loss)


def training_crops(things: list[Thing], generator: torch.Generator) -> Tensor:
    """[48, 4] crops from anywhere, and as many again that roughly hold one thing."""
    size = 0.15 + 0.85 * torch.rand(24, 2, generator=generator) ** 2
    corner = torch.rand(24, 2, generator=generator) * (1 - size)
    boxes = torch.tensor([thing.box_xyxy for thing in things])
    chosen = boxes[torch.randint(len(things), (24,), generator=generator)]
    jitter = 0.25 * torch.randn(24, 4, generator=generator)
    round_things = chosen + jitter * (chosen[:, 2:] - chosen[:, :2]).repeat(1, 2)
    first, second = round_things[:, :2].clamp(0, 0.9), round_things[:, 2:].clamp(0.1, 1)
    held = torch.cat([first, torch.maximum(second, first + 0.05)], dim=1)
    return torch.cat([torch.cat([corner, corner + size], dim=1), held])


@pytest.fixture(scope="module")
def captioner() -> ShapeCaptioner:
    """Trained for half a minute on random crops of random scenes."""
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    captioner = ShapeCaptioner()
    optimiser = torch.optim.Adam(captioner.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, NUM_STEPS)
    for _ in range(NUM_STEPS):
        things = scene(generator)
        crops = training_crops(things, generator)
        pixels = sample(Pyramid.of_image(draw(things)), crops, SIDE_PX, SIDE_PX)
        said = captioner.log_probabilities(pixels)
        loss = -(words_of(crops, things) * said).sum(dim=2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return captioner.eval().requires_grad_(False)


class Rightwards:
    """Likes crops the better, the farther right they are."""

    name = "rightwards"
    device = torch.device("cpu")

    def read(self, image: LoadedImage) -> Judge:
        return lambda crops: (crops.boxes_xyxy[:, 0] + crops.boxes_xyxy[:, 2]) / 2


def is_on(thing: Thing, crop_xyxy: Tensor) -> bool:
    """The crop's middle is on the thing, and most of the thing is in the crop."""
    x, y = ((crop_xyxy[:2] + crop_xyxy[2:]) / 2).tolist()
    x0, y0, x1, y1 = thing.box_xyxy
    share = coverage(torch.tensor([thing.box_xyxy]), crop_xyxy[None]).item()
    return x0 <= x <= x1 and y0 <= y <= y1 and share > 0.5


def num_on_the_red_circle(captioner: ShapeCaptioner, num_scenes: int) -> int:
    """In how many new scenes the crop for "red circle" is on it."""
    generator = torch.Generator().manual_seed(77)
    cagic = Cagic(captioner, Rightwards(), CagicOptions(aesthetic_weight=0))
    found = 0
    for _ in range(num_scenes):
        things = scene(generator)
        crops_xyxy = torch.from_numpy(cagic.crops(prepare_image(draw(things)), "red circle"))
        found += is_on(things[0], crops_xyxy[0])
    return found


@pytest.mark.slow
def test_the_crop_for_red_circle_is_on_the_red_circle(captioner: ShapeCaptioner):
    found = num_on_the_red_circle(captioner, 30)

    logger.info("on the red circle in %d of 30 scenes", found)
    assert found >= 27


@pytest.mark.slow
def test_the_aesthetic_term_moves_the_crop_as_its_weight_grows(captioner: ShapeCaptioner):
    generator = torch.Generator().manual_seed(78)
    images = [prepare_image(draw(scene(generator))) for _ in range(6)]

    centres = []
    for weight in (0.0, 1.0, 40.0):
        cagic = Cagic(captioner, Rightwards(), CagicOptions(aesthetic_weight=weight))
        crops = np.stack([cagic.crops(image, "red circle")[0] for image in images])
        centres.append(float(((crops[:, 0] + crops[:, 2]) / 2).mean()))

    assert centres == sorted(centres)
    assert centres[-1] > centres[0] + 0.2
    assert not math.isclose(centres[0], centres[1], abs_tol=1e-4)
