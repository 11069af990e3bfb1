"""The environment, the engine in it, weights, and room on the disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ..engine import LIGHT, OWLVIT, has_nvidia_driver, how_to_change
from ..installation import items_besides_folder
from ..programs import DISTRIBUTION, NAMESAKE, WHY_NOT, last_line, remedy
from ..uninstall import MODELS
from .finding import INSTALL, Finding, Inspected

_NEEDED = (DISTRIBUTION, "onnxruntime", "spacy", "pillow", "pyzmq")
_OF_PYTORCH = ("torch", "transformers")
_ASK_VERSIONS = """\
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""


def check_environment(inspected: Inspected) -> list[Finding]:
    """Whether it is there, whole, and of the version that was installed."""
    if not inspected.manifest.version:
        return [Finding("problem", "environment", "ClipCrop is not installed", "run install")]
    environment = inspected.environment
    if environment is None:
        text = f"its Python is gone: {inspected.manifest.values.get('python')}"
        return [Finding("problem", "environment", text, INSTALL)]
    is_private = inspected.places.environments in environment.python.parents
    lines: list[str] = []
    code = inspected.context.run(
        [environment.python, "-c", _ASK_VERSIONS, *_NEEDED, *_OF_PYTORCH, NAMESAKE],
        folder=Path(inspected.context.machine.home),
        variables={},
        on_line=lines.append,
    )
    if code:
        return [Finding("problem", "environment", f"its Python fails: {last_line(lines)}", INSTALL)]
    versions = json.loads(lines[-1])
    namesake = versions.pop(NAMESAKE, None)
    if namesake:
        is_former = versions[DISTRIBUTION] is None and is_private
        advice = "run upgrade in a new checkout" if is_former else remedy(environment.python)
        text = f"clipcrop {namesake} is in {environment.python.parent.parent}: {WHY_NOT}"
        return [Finding("problem", "environment", text, advice)]
    optional = {name: versions.pop(name, None) for name in _OF_PYTORCH}
    if missing := [name for name, version in versions.items() if version is None]:
        text = f"packages are missing in {environment.python.parent.parent}: {', '.join(missing)}"
        return [Finding("problem", "environment", text, INSTALL)]
    if any(optional.values()):  # half of PyTorch's packages are no engine
        missing = [name for name, version in optional.items() if version is None]
        if missing:
            text = f"packages are missing in {environment.python.parent.parent}: {missing[0]}"
            return [Finding("problem", "environment", text, INSTALL)]
        versions |= optional
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    if versions[DISTRIBUTION] != inspected.manifest.version:
        installed = inspected.manifest.version
        text = f"ClipCrop {versions[DISTRIBUTION]} is in it, but {installed} was installed"
        return [Finding("warning", "environment", text, INSTALL)]
    return [Finding("ok", "environment", text)]


def check_completeness(inspected: Inspected) -> list[Finding]:
    """Whether every step of the installation came to its end."""
    items = items_besides_folder(inspected.manifest)
    begun = dict.fromkeys(item.step for item in items if not item.is_made)
    findings = []
    if MODELS in begun:
        del begun[MODELS]
        text = "a download of weights was interrupted"
        advice = "clipcrop-setup models says which: `download` goes on with it, `remove` ends it"
        findings.append(Finding("warning", "installation", text, advice))
    if begun:
        text = f"the last installation was interrupted at: {', '.join(begun)}"
        findings.append(Finding("problem", "installation", text, INSTALL))
    return findings or [Finding("ok", "installation", f"complete, {len(items)} items")]


_ASK_PYTORCH = """\
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


def check_device(inspected: Inspected) -> list[Finding]:
    """Where the model will run, and whether that is the best that the machine has."""
    if inspected.environment is None:
        return []
    lines: list[str] = []
    code = inspected.context.run(
        [inspected.environment.python, "-c", _ASK_PYTORCH],
        folder=Path(inspected.context.machine.home),
        variables={},
        on_line=lines.append,
    )
    if code:
        text = f"PyTorch cannot be loaded: {last_line(lines)}"
        return [Finding("problem", "engine", text, INSTALL)]
    found = json.loads(lines[-1])
    is_private = inspected.places.environments in inspected.environment.python.parents
    change = f"; to change it: {how_to_change(found is not None, is_private=is_private)}"
    if found is None:
        text = f"{LIGHT}: the small model on the processor, by ONNX Runtime{change}"
        return [Finding("ok", "engine", text)]
    build = f"{OWLVIT}: PyTorch {found['torch']}"
    if found["devices"]:
        return [Finding("ok", "engine", f"{build} on {', '.join(found['devices'])}{change}")]
    if found["has_mps"]:
        return [Finding("ok", "engine", f"{build} on this Mac's GPU{change}")]
    if not has_nvidia_driver(inspected.context.machine):
        return [Finding("ok", "engine", f"{build} on the processor{change}")]
    if found["cuda_build"] is None:
        text = f"{build} is a build for the processor, but there is a driver of NVIDIA's"
        return [Finding("warning", "engine", text, "run install with --torch cuda")]
    reason = f": {found['warnings'][-1]}" if found["warnings"] else ""
    text = f"{build} with CUDA {found['cuda_build']} sees no NVIDIA device{reason}"
    advice = (
        "see what nvidia-smi says; a newer driver may be needed; until then the processor works"
    )
    return [Finding("warning", "engine", text, advice)]


def check_weights(inspected: Inspected) -> list[Finding]:
    """Every byte of what is here is read and compared."""
    if inspected.environment is None:
        return []
    code, lines = inspected.environment.run(
        "clipcrop", ["models", "verify", "--json"], inspected.context, {}
    )
    found: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
    if code not in (0, 1) or not found:
        text = f"clipcrop models verify ended with exit code {code}: {last_line(lines)}"
        return [Finding("problem", "weights", text, "run it by hand to see more")]
    findings = []
    for one in found:
        name = one["name"]
        if one["problems"]:
            advice = f"clipcrop-setup models download {name}"
            findings.append(Finding("problem", "weights", "; ".join(one["problems"]), advice))
        else:
            size = f"{one['size_bytes'] / 1e6:.0f} MB"
            text = f"{name} is {one['proof_text']} ({size})"
            findings.append(Finding("ok", "weights", text))
    return findings


SCARCE_BYTES = 2_000_000_000
NO_ROOM_BYTES = 200_000_000


def check_room(inspected: Inspected) -> list[Finding]:
    """Enough for an upgrade, or at least for logs and settings."""
    folder = next(
        one for one in (inspected.places.data, *inspected.places.data.parents) if one.exists()
    )
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB are free in {folder}"
    if free < NO_ROOM_BYTES:
        return [Finding("problem", "disk", text, "free some: settings cannot be kept without")]
    if free < SCARCE_BYTES:
        advice = "an upgrade or weights will not fit; free some before"
        return [Finding("warning", "disk", text, advice)]
    return [Finding("ok", "disk", text)]
