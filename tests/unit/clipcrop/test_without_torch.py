"""`suggest` with the embedded model needs no PyTorch, and leaves it alone where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SUGGEST = """
import sys
from clipcrop.cli import main
code = main([
    "suggest", {photo!r}, "the brown cat without the car", "--model", "lite", "--count", "2",
    "--contact-sheet", {sheet!r},
])
"""
BLOCKED = """
import importlib.abc, sys
NAMES = ("torch", "transformers", "huggingface_hub", "onnx", "scipy")
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in NAMES:
            raise ModuleNotFoundError(f"blocked: {fullname}", name=fullname)
sys.meta_path.insert(0, Blocker())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_suggesting_leaves_pytorch_alone_where_it_is_installed(samples: Path, tmp_path: Path):
    code = SUGGEST.format(photo=str(samples / "chelsea.jpg"), sheet=str(tmp_path / "sheet.jpg"))

    done = run(code + "print({'torch', 'transformers'} & set(sys.modules)); sys.exit(code)")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_suggesting_works_without_it(samples: Path, tmp_path: Path):
    code = SUGGEST.format(photo=str(samples / "chelsea.jpg"), sheet=str(tmp_path / "sheet.jpg"))

    done = run(BLOCKED + code + "sys.exit(code)")

    assert done.returncode == 0, done.stderr
    assert "found brown cat" in done.stdout
    assert (tmp_path / "sheet.jpg").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        pytest.param("'suggest', {photo!r}, 'the cat', '--model', 'owlvit'", "owlvit", id="owlvit"),
        pytest.param(
            "'suggest', {photo!r}, 'the cat', '--decoder', 'mine'", "owlvit", id="decoder"
        ),
        pytest.param("'suggest', {photo!r}, 'the cat', '--method', 'cagic'", "owlvit", id="cagic"),
        pytest.param("'train', 'data', '--output', 'run'", "train", id="train"),
        pytest.param("'models', 'download', 'owlvit'", "owlvit", id="download"),
        pytest.param("'data', 'caption', 'data', '--output', 'x.jsonl'", "owlvit", id="caption"),
    ],
)
def test_what_needs_it_says_in_one_line_how_to_get_it(samples: Path, arguments: str, extra: str):
    given = arguments.format(photo=str(samples / "chelsea.jpg"))

    done = run(
        BLOCKED + f"from clipcrop.cli import main\nsys.exit(main([{given}]))",
    )

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"clipcrop-desktop[{extra}]" in line
    assert " PyTorch" in line
    assert "huggingface_hub" not in line
