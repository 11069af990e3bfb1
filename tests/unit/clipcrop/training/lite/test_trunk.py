"""Published weights into our trunk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clipcrop.errors import CheckpointError
from clipcrop.training.lite.network import Classifier, Trunk
from clipcrop.training.lite.trunk import load_published


@pytest.mark.parametrize("content", ["no torch file", {"weight": torch.zeros(3)}], ids=str)
def test_other_weights_are_refused(tmp_path: Path, content: object):
    path = tmp_path / "weights.pth"
    if isinstance(content, str):
        path.write_text(content)
    else:
        torch.save(content, path)

    with pytest.raises(CheckpointError, match="not the weights of EfficientNet-Lite0"):
        load_published(Trunk(), Classifier(), path)
