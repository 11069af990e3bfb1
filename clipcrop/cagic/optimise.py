"""Finding the crop of the least loss: gradient descent on the parameters of many crops at once.

Losses of crops have many local optima. Against these: the scale of all crops is annealed, from the
whole photo, where everything is in view and the loss changes gently, down to the smallest crop,
while gradients move them; and there are many restarts, spread over the photo, in one batch. What
each restart met that was best is then descended from once more, with the scale free.

Axes: R restarts, S steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..boxes import iou, non_maximum_suppression, weighted_box_merge
from ..errors import InputError
from .options import CagicOptions
from .space import SCALE, CropSpace

Loss = Callable[[Tensor], Tensor]
"""[R, 4] crops xyxy -> [R] losses, differentiable; each depends on its own crop only."""

LEARNING_RATE = 0.15
"""Of Adam, in the units of the crops' parameters; falls to a tenth while the scale is free."""

ALIKE_IOU = 0.6
"""Restarts whose crops overlap by more than this ended at the same place."""

_FARTHEST = 0.08  # so near to the ends of its range a scale is set; gradients vanish towards them


@dataclass(frozen=True)
class SearchProgress:
    """Where the search is after a step."""

    step: int
    """The one that has been done, from 1 on."""

    num_steps: int
    """That will be done."""

    loss: float
    """The least one so far."""

    crop_xyxy: tuple[float, float, float, float]
    """That has it."""


@dataclass(frozen=True)
class Optimum:
    """What a search found; tensors on the CPU."""

    boxes_xyxy: Tensor
    """[C, 4] the crops worth keeping, best first, no two alike; C is at least 1."""

    losses: Tensor
    """[C] theirs."""

    support: Tensor
    """[C] int64, how many restarts ended at that place."""

    path_xyxy: Tensor
    """[S, R, 4] every crop that was tried."""

    path_losses: Tensor
    """[S, R] theirs."""

    is_stopped: bool
    """The search was interrupted; this is the best until then."""


def minimise(
    loss: Loss,
    space: CropSpace,
    options: CagicOptions,
    *,
    device: torch.device | str = "cpu",
    on_step: Callable[[SearchProgress], None] | None = None,
) -> Optimum:
    """Search for the crop of the least loss.

    Ctrl-C (KeyboardInterrupt, also one raised by ``on_step``) ends the search with the best so far,
    once there is any.

    Args:
        loss: Of crops.
        space: Which crops are allowed.
        options: How to search.
        device: Where the loss is computed.
        on_step: Called after every step.

    Raises:
        InputError: No crop at all has a loss that is a number.
    """
    search = _Search(loss, space, options, torch.device(device))
    is_stopped = False
    try:
        while search.step < options.steps:
            search.advance()
            if on_step is not None:
                on_step(search.progress())
    except KeyboardInterrupt:
        if not search.step:
            raise
        is_stopped = True
    return search.finish(is_stopped)


class _Search:
    """The state of a search."""

    def __init__(
        self, loss: Loss, space: CropSpace, options: CagicOptions, device: torch.device
    ) -> None:
        self.step = 0
        self._loss, self._space, self._options = loss, space, options
        self._num_annealed = round(options.annealed * options.steps)
        start = space.start(options.restarts, options.seed).to(device, torch.float32)
        self._first_shares = start[:, SCALE].sigmoid()
        self._parameters = start.requires_grad_()
        self._best_parameters = self._parameters.detach().clone()
        self._best_losses = torch.full_like(self._parameters[:, 0], torch.inf).detach()
        self._best_boxes = torch.zeros_like(self._best_parameters)
        self._path: list[tuple[Tensor, Tensor]] = []
        self._optimiser = torch.optim.Adam([self._parameters], lr=LEARNING_RATE)

    def advance(self) -> None:
        """One step of every restart."""
        if self.step == self._num_annealed and self.step:
            self._free_scale()
        boxes, losses = self._descend()
        self._path.append((boxes, losses))
        self.step += 1

    def progress(self) -> SearchProgress:
        """The best so far."""
        index = int(self._best_losses.argmin())
        x0, y0, x1, y1 = self._best_boxes[index].tolist()
        return SearchProgress(
            step=self.step,
            num_steps=self._options.steps,
            loss=float(self._best_losses[index]),
            crop_xyxy=(x0, y0, x1, y1),
        )

    def finish(self, is_stopped: bool) -> Optimum:
        """What the restarts found, put together."""
        is_number = self._best_losses.isfinite()
        if not is_number.any():
            raise InputError(
                "no crop of this photo has a loss that is a number; choose other networks"
            )
        boxes, losses, support = self._aggregate(
            self._best_boxes[is_number], self._best_losses[is_number]
        )
        paths, path_losses = zip(*self._path, strict=True)
        return Optimum(
            boxes_xyxy=boxes,
            losses=losses,
            support=support,
            path_xyxy=torch.stack(paths).cpu(),
            path_losses=torch.stack(path_losses).cpu(),
            is_stopped=is_stopped,
        )

    def _descend(self) -> tuple[Tensor, Tensor]:
        """Move the parameters against the gradient; crops and losses from before the move."""
        is_annealed = self.step < self._num_annealed
        pace = self._anneal() if is_annealed else self._slow_down()
        self._optimiser.param_groups[0]["lr"] = LEARNING_RATE * pace
        self._optimiser.zero_grad()
        parts = []
        for part in self._parameters.split(self._options.batch_size):
            boxes = self._space.boxes(part)
            losses = self._loss(boxes)
            losses.sum().backward()
            parts.append((boxes.detach(), losses.detach()))
        boxes, losses = (torch.cat(column) for column in zip(*parts, strict=True))
        self._remember(boxes, losses)
        gradient = self._parameters.grad
        assert gradient is not None
        gradient.nan_to_num_(0, 0, 0)  # a restart stays where its loss has no gradient
        if is_annealed:
            gradient[:, SCALE] = 0
        self._optimiser.step()
        return boxes, losses

    @torch.no_grad()
    def _anneal(self) -> float:
        """Set the scales of this step, and say how fast crops may move.

        Each restart goes from the scale that it starts with to the smallest, evenly in the
        logarithm. A crop nearly as large as the photo hardly moves whatever its place parameters
        are, so its gradient is no reason to change them much.
        """
        left = 1 - self.step / max(1, self._num_annealed - 1)
        shares = (self._first_shares * left).clamp(_FARTHEST, 1 - _FARTHEST)
        self._parameters[:, SCALE] = shares.logit()
        mean_share = left / 2  # the restarts start all over the range
        return 1 - math.exp(math.log(self._space.min_scale) * (1 - mean_share))

    def _slow_down(self) -> float:
        """From 1 to a tenth over the steps with a free scale."""
        done = (self.step - self._num_annealed) / (self._options.steps - self._num_annealed)
        return 1 - 0.9 * done

    def _remember(self, boxes: Tensor, losses: Tensor) -> None:
        """Keep what is better than the best of each restart until now."""
        is_better = losses < self._best_losses
        best_losses = torch.where(is_better, losses, self._best_losses)
        best_boxes = torch.where(is_better[:, None], boxes, self._best_boxes)
        parameters = self._parameters.detach()
        best_parameters = torch.where(is_better[:, None], parameters, self._best_parameters)
        # All at once, so that an interruption does not part losses from their crops.
        self._best_losses, self._best_boxes = best_losses, best_boxes
        self._best_parameters = best_parameters

    def _free_scale(self) -> None:
        """From the best that each restart met, go on with the scale as a parameter as well."""
        self._parameters = self._best_parameters.clone().requires_grad_()
        self._optimiser = torch.optim.Adam([self._parameters], lr=LEARNING_RATE)

    @torch.no_grad()
    def _aggregate(self, boxes: Tensor, losses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[R, 4], [R] of restarts -> [C, 4], [C], [C] crops, losses and support, on the CPU.

        Restarts that ended at the same place are averaged, the better ones counting more. The
        average is judged like any other crop, so it is kept only where it is better.
        """
        ends = boxes.cpu().numpy()
        weights = (losses.min() - losses).exp().clamp(min=1e-6).cpu().numpy()
        averages = torch.from_numpy(weighted_box_merge(ends, weights, ALIKE_IOU)).to(boxes)
        scored = torch.cat([self._loss(part) for part in averages.split(self._options.batch_size)])
        pool = torch.cat([boxes, averages]).cpu()
        pool_losses = torch.cat([losses, scored]).cpu().nan_to_num(math.inf)
        kept = non_maximum_suppression(pool.numpy(), -pool_losses.numpy(), ALIKE_IOU)
        support = (iou(pool.numpy()[kept], ends) > ALIKE_IOU).sum(axis=1)
        return pool[kept], pool_losses[kept], torch.from_numpy(support)
