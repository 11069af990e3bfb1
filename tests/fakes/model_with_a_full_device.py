"""A model process whose accelerator has no memory left: ``python model_with_a_full_device.py``.

All is as in the real one, `clipcrop_daemon.service.make_service`, but that there seems to be a
GPU, and nothing can be loaded on it.
"""

from __future__ import annotations

import sys

from clipcrop import Predictor
from clipcrop.errors import OutOfMemory
from clipcrop_daemon.image_cache import ImageCache
from clipcrop_daemon.model_pool import ModelPool
from clipcrop_daemon.pipes import WorkerOptions
from clipcrop_daemon.service import Service
from clipcrop_daemon.worker import main

DEVICE = "cuda:0"


def load(model: str, device: str) -> Predictor:
    """As `Predictor.load`, on a full device."""
    if device == DEVICE:
        raise OutOfMemory(f"out of memory on {device}")
    return Predictor.load(model, device)


def make_service(options: WorkerOptions) -> Service:
    """As the real one."""
    cache = ImageCache(options.cache_bytes)
    model_pool = ModelPool(load, lambda setting, model: DEVICE, forget=cache.drop_model)
    return Service(model_pool, cache, options.model)


if __name__ == "__main__":
    main(sys.argv[1:], make_service)
