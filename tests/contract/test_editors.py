"""What the two editors' shells must agree on with their common half; read, not imported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from clipcrop_plugin.choices import APPLIES


@pytest.mark.parametrize("shell", ["krita/clipcrop_krita", "gimp/clipcrop_gimp/gimp_shell"])
def test_every_way_to_apply_a_crop_is_in_the_table_of_each_editor(shell: str, checkout: Path):
    source = (checkout / "plugin" / shell / "apply.py").read_text(encoding="utf-8")

    (table,) = (
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)
    )

    assert [key.value for key in table.keys if isinstance(key, ast.Constant)] == list(APPLIES)
