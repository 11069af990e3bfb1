from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clipcrop.extras import install_command


def test_in_an_environment_of_the_installers_it_is_the_installer_that_adds_an_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environments" / "0.1.0-x"))
    assert install_command("owlvit") == "python3 installer upgrade --engine owlvit"

    monkeypatch.setattr(sys, "prefix", str(tmp_path / "my-venv"))
    assert "clipcrop-desktop[owlvit]" in install_command("owlvit")
