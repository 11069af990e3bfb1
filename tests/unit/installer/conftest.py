"""Homes to install into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_home import FakeHome


@pytest.fixture
def user(tmp_path: Path) -> FakeHome:
    """Has GIMP 3.0 and Krita."""
    return FakeHome(tmp_path).with_editors()


@pytest.fixture
def make_user(tmp_path: Path) -> Callable[[str], FakeHome]:
    """With a home of that name, GIMP 3.0 and Krita."""
    return lambda name: FakeHome(tmp_path, name).with_editors()
