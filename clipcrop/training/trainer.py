"""The training loop: one step after the other, each following from the one before and its number.

Nothing random outlives a step: the order of the photos, their views and what dropout leaves out
follow from the seed and the step's number. So what `RunFolder.save_state` keeps (weights, moments,
the number) is all that the next step depends on.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from ..datasets import Example
from ..decoder.checkpoint import save_decoder
from ..decoder.network import Decoder, DecoderConfig
from ..encoders.base import Encoder, TrainableEncoder
from ..errors import InputError
from ..weights.decoders import BEST_DECODER, ENCODER_FOLDER, LAST_DECODER
from .config import TrainConfig
from .criterion import Criterion, CriterionConfig
from .curve import write_curve
from .feed import Piece, encoded, parts_of, pieces_of
from .identity import check_same, identity_of, sample_key
from .learner import Learner, trained_encoder_part
from .processes import Processes
from .run_folder import RunFolder
from .samples import ViewEncoder
from .stream import Stream
from .token_store import TokenStore
from .validation import Measures, Validation
from .views import ViewMaker, plain_view

_LOSSES = ("total", "l1", "giou", "quality")
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_LOOK_BYTES = 600_000


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What does not change the weights: when to validate, what to keep, how many processes."""

    validate_every: int = 5
    """Epochs between two validations; 0 for none."""

    save_every: int = 0
    """Steps after which the state is saved; 0 for once an epoch."""

    num_workers: int = 0
    """Processes that prepare photos; 0 to do it between the steps."""

    tokens: Path | None = None
    """Where tokens are kept instead of in the run's folder: several runs may share it."""

    show_progress: bool = False
    """Show a bar on the terminal."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    step: int
    """Steps that are done."""

    num_steps: int
    """Steps there are."""

    best: float | None
    """The best validation so far, mean IoU of the first crop with the best one."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.step >= self.num_steps


def train(
    examples: Sequence[Example],
    validation: Sequence[Example],
    encoder: Encoder,
    folder: Path,
    *,
    config: TrainConfig,
    decoder_config: DecoderConfig,
    criterion_config: CriterionConfig | None = None,
    options: RunOptions | None = None,
    processes: Processes | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train a decoder, or go on with a training that was cut.

    Args:
        examples: To learn from.
        validation: To look at now and then; the decoder that does best on them is kept as ``best``.
        encoder: Encodes views, on the process's device.
        folder: Of the run. If there is a state in it, the training goes on from there.
        config: How.
        decoder_config: Of the decoder; the width of tokens is taken from the encoder.
        criterion_config: Of the losses.
        options: What changes nothing about the weights.
        processes: This process among others; alone on the CPU by default.
        is_stopped: Asked between two steps; the state is saved before the function returns.

    Raises:
        InputError: The data or the settings are of no use, or the run was started with others.
        CheckpointError: The state in the folder is damaged, or cannot be written.
    """
    if (
        decoder_config.variant == "base"
    ):  # without a text, a mosaic does not say which photo is meant
        config = replace(config, mosaic_sides=(1,))
    training = _Training(
        examples,
        validation,
        encoder,
        RunFolder(folder),
        config,
        decoder_config,
        criterion_config or CriterionConfig(),
        options or RunOptions(),
        processes or Processes(0, 1, torch.device("cpu")),
    )
    return training.run(is_stopped)


class _Training:
    """A training in one process."""

    def __init__(
        self,
        examples: Sequence[Example],
        validation: Sequence[Example],
        encoder: Encoder,
        folder: RunFolder,
        config: TrainConfig,
        decoder_config: DecoderConfig,
        criterion_config: CriterionConfig,
        options: RunOptions,
        processes: Processes,
    ) -> None:
        _check(config, processes)
        self._config = config
        self._folder = folder
        self._options = options
        self._processes = processes
        self._encoder = encoder
        self._maker = ViewMaker(examples, config)
        self._view_encoder = ViewEncoder(encoder, config, decoder_config.variant)
        self._num_steps = config.num_steps(len(examples))
        self._stream = Stream(len(examples), config.batch_size, config.seed)
        self._criterion = Criterion(criterion_config)

        folder.make()
        with torch.no_grad():
            [first] = self._view_encoder.encode([plain_view(examples[0], config.side_px)])
        decoder_config = replace(decoder_config, token_dim=first.tokens.shape[1])
        self._identity = identity_of(
            config, decoder_config, criterion_config, encoder, examples, validation
        )
        store = self._token_store()
        self._store = store if config.views else None
        self._validation = Validation(
            validation, self._view_encoder, config.side_px, None if config.tower_lr else store
        )
        torch.manual_seed(config.seed)  # all processes begin with the same weights
        self._decoder = Decoder(decoder_config).to(processes.device)
        self._trained_part = trained_encoder_part(encoder) if config.tower_lr else None
        self._learner = Learner(self._decoder, self._view_encoder, self._trained_part)
        self._model: nn.Module = self._learner
        if processes.are_several:
            self._model = DistributedDataParallel(
                self._learner, find_unused_parameters=self._trained_part is not None
            )
        self._optimizer = torch.optim.AdamW(self._parameter_groups(), lr=config.lr)
        self._scaler = torch.amp.GradScaler(
            processes.device.type, enabled=config.precision == "float16"
        )
        self._step = 0
        self._best: float | None = None
        self._first_sample_bytes = store.bytes_for(first)

    def run(self, is_stopped: Callable[[], bool]) -> Outcome:
        """Do what is left."""
        self._resume()
        self._folder.require_space(self._bytes_needed())
        self._processes.wait()
        steps = (
            self._stream.step(number, self._processes.rank, self._processes.world_size)
            for number in range(self._step, self._num_steps)
        )
        progress = tqdm(
            total=self._num_steps,
            initial=self._step,
            unit="step",
            disable=not (self._options.show_progress and self._processes.is_first),
        )
        per_epoch = self._config.steps_per_epoch(len(self._maker))
        save_every = self._options.save_every or per_epoch
        with progress:
            for pieces in pieces_of(steps, self._maker, self._store, self._options.num_workers):
                losses = self._train_step(pieces)
                progress.update()
                progress.set_postfix(loss=f"{losses['loss']:.3f}", best=self._best, refresh=False)
                is_last = self._step == self._num_steps
                epoch, rest = divmod(self._step, per_epoch)
                if is_last or (not rest and _is_due(epoch, self._options.validate_every)):
                    self._validate()
                is_cut = not is_last and self._processes.any(is_stopped())
                if is_last or is_cut or self._step % save_every == 0:
                    self._save()
                if is_cut:
                    break
        return Outcome(self._step, self._num_steps, self._best)

    def _train_step(self, pieces: Sequence[Piece]) -> dict[str, float]:
        """One step of the optimiser, on this process's share of the batch."""
        config, processes = self._config, self._processes
        torch.manual_seed((config.seed * 2_000_003 + self._step) * 4_099 + processes.rank)
        lr_share = config.lr_share(self._step, self._num_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = group["first_lr"] * lr_share
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(len(_LOSSES))
        parts = self._parts(pieces)
        for number, part in enumerate(parts):
            share = len(part) / len(pieces)
            is_last = number == len(parts) - 1
            with self._gradients_exchanged(is_last), self._autocast():
                output, targets = self._model(part)
                losses = self._criterion(output, targets)
                torch.autograd.backward(self._scaler.scale(losses["total"] * share))
            sums += torch.stack([losses[name].detach() for name in _LOSSES]).float().cpu() * share
        self._scaler.unscale_(self._optimizer)
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, config.max_grad_norm or math.inf)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._step += 1
        means = (processes.sum(sums) / processes.world_size).tolist()
        if not math.isfinite(means[0]):
            raise InputError(
                f"the loss is {means[0]} at step {self._step}: the training diverged; lower --lr, "
                "or raise --warmup-steps, and start in another folder"
            )
        losses = dict(zip(("loss", "loss_l1", "loss_giou", "loss_quality"), means, strict=True))
        if processes.is_first:
            record = {"step": self._step, "lr": config.lr * lr_share, **losses}
            self._folder.log({**record, "grad_norm": float(norm)})
        return losses

    def _parts(self, pieces: Sequence[Piece]) -> list[Any]:
        """The step's share in as many parts as are accumulated, ready for the learner."""
        if self._trained_part is not None:
            views = [piece for _, piece in pieces]
            size = -(-len(views) // self._config.accumulate)
            return [views[start : start + size] for start in range(0, len(views), size)]
        with torch.no_grad():
            samples = encoded(pieces, self._view_encoder, self._maker, self._store)
        return [
            batch.to(self._processes.device) for batch in parts_of(samples, self._config.accumulate)
        ]

    def _autocast(self) -> torch.autocast:
        dtype = _DTYPES.get(self._config.precision)
        return torch.autocast(self._processes.device.type, dtype, enabled=dtype is not None)

    @contextlib.contextmanager
    def _gradients_exchanged(self, is_last: bool) -> Iterator[None]:
        """Processes exchange gradients once a step, with its last part."""
        if is_last or not isinstance(self._model, DistributedDataParallel):
            yield
            return
        with self._model.no_sync():
            yield

    def _validate(self) -> None:
        if not len(self._validation) or not self._options.validate_every:
            return
        self._model.eval()
        measures = self._validation.measure(self._decoder, self._processes)
        is_better = self._best is None or measures.val_iou > self._best
        self._best = measures.val_iou if is_better else self._best
        if not self._processes.is_first:
            return
        self._folder.log({"step": self._step, **asdict(measures)})
        look = self._folder.looks / f"step-{self._step:06}.jpg"
        self._validation.draw(self._decoder, self._processes.device, look)
        if is_better:
            self._save_decoder(BEST_DECODER, measures)

    def _save(self) -> None:
        if self._processes.is_first:
            state = {
                "step": self._step,
                "best": self._best,
                "identity": self._identity,
                "learner": self._learner.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "scaler": self._scaler.state_dict(),
            }
            self._folder.save_state(state)
            self._save_decoder(LAST_DECODER)
            write_curve(self._folder.records(), self._folder.curve_path)
        self._processes.wait()

    def _save_decoder(self, name: str, measures: Measures | None = None) -> None:
        notes = {"step": str(self._step), "trained_with": json.dumps(self._identity)}
        if measures is not None:
            notes["validation"] = json.dumps(asdict(measures))
        if self._trained_part is not None and isinstance(self._encoder, TrainableEncoder):
            folder = (self._folder.path / name).with_suffix(".tower")
            self._encoder.save(folder)
            notes[ENCODER_FOLDER] = folder.name
        save_decoder(
            self._decoder,
            self._folder.path / name,
            encoder=self._encoder.name,
            encoder_fingerprint=self._encoder.fingerprint(),
            notes=notes,
        )

    def _resume(self) -> None:
        """Take up the state in the folder, if there is one."""
        state = self._folder.read_state()
        if state is not None:
            check_same(state["identity"], self._identity, self._folder.path)
            self._learner.load_state_dict(state["learner"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._scaler.load_state_dict(state["scaler"])
            self._step, self._best = state["step"], state["best"]
        if self._processes.is_first:
            self._folder.forget_after(self._step)

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """AdamW's groups: biases and norms do not decay, the encoder has its own learning rate."""
        groups = []
        for module, lr in (
            (self._decoder, self._config.lr),
            (self._trained_part, self._config.tower_lr),
        ):
            if module is None:
                continue
            parameters = [one for one in module.parameters() if one.requires_grad]
            matrices = [one for one in parameters if one.ndim > 1]
            vectors = [one for one in parameters if one.ndim <= 1]
            decay = self._config.weight_decay
            groups.append({"params": matrices, "weight_decay": decay, "first_lr": lr})
            groups.append({"params": vectors, "weight_decay": 0.0, "first_lr": lr})
        return groups

    def _token_store(self) -> TokenStore:
        """Where samples are kept: by what they depend on, so that runs may share the folder."""
        folder = self._options.tokens or self._folder.tokens
        return TokenStore(folder / sample_key(self._identity))

    def _bytes_needed(self) -> int:
        """About what the rest of the run will write."""
        weights = sum(one.numel() * 4 for one in self._learner.parameters())
        looks = _LOOK_BYTES * self._config.epochs // max(1, self._options.validate_every)
        num_samples = 0 if self._trained_part is not None else len(self._validation)
        num_samples += len(self._maker) * self._config.views
        tokens = max(0, num_samples - self._token_store().count()) * self._first_sample_bytes
        return 9 * weights + looks + tokens  # state and decoders, and each one's successor


def _check(config: TrainConfig, processes: Processes) -> None:
    if config.batch_size % processes.world_size:
        raise InputError(
            f"a batch of {config.batch_size} cannot be shared by {processes.world_size} processes; "
            "choose a multiple of them"
        )
    if config.precision == "float16" and processes.device.type != "cuda":
        raise InputError(
            f"float16 cannot be trained with on {processes.device.type}; choose bfloat16 or float32"
        )


def _is_due(epoch: int, every: int) -> bool:
    """After the first two epochs, which tell whether it works at all, and then at intervals."""
    return bool(every) and (epoch <= 2 or epoch % every == 0)
