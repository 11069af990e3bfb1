"""The environment and the versions in it; what an interrupted installation has left."""

from __future__ import annotations

import json
from pathlib import Path

from ..installation import items_besides_folder
from ..programs import DISTRIBUTION, NAMESAKE, WHY_NOT, last_line, remedy
from ..uninstall import MODELS
from .finding import INSTALL, Context, Finding

_ABOUT = "environment"

_NEEDED = (DISTRIBUTION, "onnxruntime", "spacy", "pillow", "pyzmq")
_OF_PYTORCH = ("torch", "transformers")
_ASK = """\
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


def check_environment(context: Context) -> list[Finding]:
    """Whether it is there, whole, and of the version that was installed."""
    if not context.manifest.version:
        return [Finding("problem", _ABOUT, "ClipCrop is not installed", "run install")]
    environment = context.environment
    if environment is None:
        text = f"its Python is gone: {context.manifest.values.get('python')}"
        return [Finding("problem", _ABOUT, text, INSTALL)]
    is_private = context.places.environments in environment.python.parents
    lines: list[str] = []
    code = context.world.run(
        [environment.python, "-c", _ASK, *_NEEDED, *_OF_PYTORCH, NAMESAKE],
        folder=Path(context.world.machine.home),
        variables={},
        on_line=lines.append,
    )
    if code:
        return [Finding("problem", _ABOUT, f"its Python fails: {last_line(lines)}", INSTALL)]
    versions = json.loads(lines[-1])
    namesake = versions.pop(NAMESAKE, None)
    if namesake:
        is_former = versions[DISTRIBUTION] is None and is_private
        advice = "run upgrade in a new checkout" if is_former else remedy(environment.python)
        text = f"clipcrop {namesake} is in {environment.python.parent.parent}: {WHY_NOT}"
        return [Finding("problem", _ABOUT, text, advice)]
    optional = {name: versions.pop(name, None) for name in _OF_PYTORCH}
    if missing := [name for name, version in versions.items() if version is None]:
        text = f"packages are missing in {environment.python.parent.parent}: {', '.join(missing)}"
        return [Finding("problem", _ABOUT, text, INSTALL)]
    if any(optional.values()):  # half of PyTorch's packages are no engine
        missing = [name for name, version in optional.items() if version is None]
        if missing:
            text = f"packages are missing in {environment.python.parent.parent}: {missing[0]}"
            return [Finding("problem", _ABOUT, text, INSTALL)]
        versions |= optional
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    if versions[DISTRIBUTION] != context.manifest.version:
        installed = context.manifest.version
        text = f"ClipCrop {versions[DISTRIBUTION]} is in it, but {installed} was installed"
        return [Finding("warning", _ABOUT, text, INSTALL)]
    return [Finding("ok", _ABOUT, text)]


def check_completeness(context: Context) -> list[Finding]:
    """Whether every step of the installation came to its end."""
    items = items_besides_folder(context.manifest)
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
