from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def in_fresh_python(code: str, checkout: Path) -> list[str]:
    command = [sys.executable, "-c", f"import json, sys; {code}"]
    output = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
    return json.loads(output.stdout)


def test_importing_the_service_loads_nothing_slow(checkout: Path):
    code = "import clipcrop_daemon.service; print(json.dumps(sorted(sys.modules)))"

    loaded = set(in_fresh_python(code, checkout))

    assert "clipcrop_daemon.service" in loaded
    assert not loaded & {"torch", "transformers", "spacy", "numpy", "PIL", "huggingface_hub"}


def test_models_are_listed_without_pytorch(checkout: Path):
    code = (
        "from clipcrop_daemon.service import make_service; "
        "from clipcrop_daemon.pipes import WorkerOptions; "
        "names = [model.name for model in make_service(WorkerOptions()).models().models]; "
        "print(json.dumps([*names, *(m for m in ('torch', 'spacy') if m in sys.modules)]))"
    )

    listed = in_fresh_python(code, checkout)

    assert "lite" in listed
    assert "torch" not in listed
    assert "spacy" not in listed


def test_what_looks_for_weights_is_imported_before_there_are_two_threads(checkout: Path):
    code = (
        "from clipcrop_daemon.service import make_service; "
        "from clipcrop_daemon.pipes import WorkerOptions; "
        "service = make_service(WorkerOptions()); before = set(sys.modules); service.models(); "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )

    assert in_fresh_python(code, checkout) == []
