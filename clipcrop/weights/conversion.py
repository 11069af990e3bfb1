"""A published pickle -> safetensors, once.

A pickle can run code when it is loaded. So it is never loaded by a tower; it is read here once,
after its hash was checked, by an unpickler of PyTorch's that makes tensors and their containers and
refuses all else, and written as safetensors, which holds numbers only.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError


def convert_pickle(pickle: Path, weights: Path) -> None:
    """Write the tensors of a pickled state dict as safetensors.

    Args:
        pickle: A checked ``pytorch_model.bin``.
        weights: The file to write; whole or not at all.

    Raises:
        CheckpointError: there is something else in it than tensors by names.
        OSError: it cannot be written.
    """
    import pickle as pickles

    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(pickle, map_location="cpu", weights_only=True, mmap=True)
    except (pickles.UnpicklingError, RuntimeError, EOFError, KeyError) as exc:
        reason = " ".join(str(exc).split())[:120].rstrip(".")
        raise CheckpointError(
            f"{pickle.name} is not a plain file of weights ({reason}); it was not used"
        ) from exc
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    ):
        raise CheckpointError(f"{pickle.name} has other things than weights in it; not used")
    # Tensors that share memory are written once each: safetensors refuses what overlaps.
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
    new = weights.with_name(f"{weights.name}.part")
    save_file(tensors, new, metadata={"format": "pt"})
    new.replace(weights)
