from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8")


def test_each_test_that_the_document_names_is_there():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", DOCUMENT)

    missing = [f"{file}::{name}" for file, name in named if name not in functions_of(TESTS / file)]

    assert len(named) > 30
    assert missing == []


def functions_of(path: Path) -> set[str]:
    """Names of a file's functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
