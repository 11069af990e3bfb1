"""Homes to install into, and an installation with which all is well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_home import FakeHome
from fake_installation import FakeInstallation


@pytest.fixture
def user(tmp_path: Path) -> FakeHome:
    """Has GIMP 3.0 and Krita."""
    return FakeHome(tmp_path).with_editors()


@pytest.fixture
def make_user(tmp_path: Path) -> Callable[[str], FakeHome]:
    """With a home of that name, GIMP 3.0 and Krita."""
    return lambda name: FakeHome(tmp_path, name).with_editors()


@pytest.fixture
def installation(home: Path) -> FakeInstallation:
    """On Linux, in the test's home."""
    return FakeInstallation(home)
