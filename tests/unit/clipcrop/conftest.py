"""What tests of the library share."""

from __future__ import annotations

from fake_daemon import daemon, short_path  # noqa: F401 - fixtures
