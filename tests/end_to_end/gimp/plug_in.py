"""The plug-in as the installer puts it into a user's profile."""

from __future__ import annotations

from pathlib import Path

from installed import install_for_gimp

CHECKOUT = Path(__file__).resolve().parents[3]

install = install_for_gimp
