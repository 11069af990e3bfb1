"""The engine: ONNX Runtime, or PyTorch and the driver below it."""

from __future__ import annotations

import json
from pathlib import Path

from ..engine import LIGHT, OWLVIT, has_nvidia_driver, how_to_change
from ..programs import last_line
from .finding import INSTALL, Context, Finding

_ABOUT = "engine"

_ASK = """\
import importlib.util, json, sys, warnings
if importlib.util.find_spec("torch") is None:
    print(json.dumps(None))
    sys.exit()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import torch
    has_cuda = torch.cuda.is_available()
print(json.dumps({
    "torch": torch.__version__,
    "cuda_build": torch.version.cuda,
    "devices": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    if has_cuda else [],
    "has_mps": torch.backends.mps.is_available(),
    "warnings": [str(one.message).splitlines()[0] for one in caught],
}))
"""


def check_device(context: Context) -> list[Finding]:
    """Where the model will run, and whether that is the best that the machine has."""
    if context.environment is None:
        return []
    lines: list[str] = []
    code = context.world.run(
        [context.environment.python, "-c", _ASK],
        folder=Path(context.world.machine.home),
        variables={},
        on_line=lines.append,
    )
    if code:
        text = f"PyTorch cannot be loaded: {last_line(lines)}"
        return [Finding("problem", _ABOUT, text, INSTALL)]
    found = json.loads(lines[-1])
    is_private = context.places.environments in context.environment.python.parents
    change = f"; to change it: {how_to_change(found is not None, is_private=is_private)}"
    if found is None:
        text = f"engine {LIGHT}: the small model on the processor, by ONNX Runtime{change}"
        return [Finding("ok", _ABOUT, text)]
    build = f"engine {OWLVIT}: PyTorch {found['torch']}"
    if found["devices"]:
        return [Finding("ok", _ABOUT, f"{build} on {', '.join(found['devices'])}{change}")]
    if found["has_mps"]:
        return [Finding("ok", _ABOUT, f"{build} on this Mac's GPU{change}")]
    if not has_nvidia_driver(context.world.machine):
        return [Finding("ok", _ABOUT, f"{build} on the processor{change}")]
    if found["cuda_build"] is None:
        text = f"{build} is a build for the processor, but there is a driver of NVIDIA's"
        return [Finding("warning", _ABOUT, text, "run install with --torch cuda")]
    reason = f": {found['warnings'][-1]}" if found["warnings"] else ""
    text = f"{build} with CUDA {found['cuda_build']} sees no NVIDIA device{reason}"
    advice = (
        "see what nvidia-smi says; a newer driver may be needed; until then the processor works"
    )
    return [Finding("warning", _ABOUT, text, advice)]
