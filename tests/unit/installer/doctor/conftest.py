"""An installation with which all is well."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_installation import FakeInstallation


@pytest.fixture
def installation(home: Path) -> FakeInstallation:
    """On Linux, in the test's home."""
    return FakeInstallation(home)
