from __future__ import annotations

import pytest
from asked_client import Asked


@pytest.fixture
def ask(client, picture):
    """Asks the fake daemon."""
    return lambda *args, **options: Asked(client, picture, *args, **options)


@pytest.fixture
def wait(loop):
    """Runs the loop until all of these have their answers."""

    def wait_for(*asked, seconds=15.0):
        assert loop.run_until(lambda: all(one.told for one in asked), seconds)
        return asked[0].answer

    return wait_for


@pytest.fixture
def run_until(loop):
    """Runs the loop until something is so that another thread may bring about."""

    def run(is_so, seconds=15.0):
        def look():
            ticks.append(loop.call_after(0.01, look))

        ticks = []
        look()
        assert loop.run_until(is_so, seconds)
        for tick in ticks:
            tick.cancel()

    return run
