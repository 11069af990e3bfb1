"""These tests run alone too, on every Python with pytest and msgpack: nothing else in here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clipcrop_plugin import texts
from clipcrop_plugin.config import Config
from clipcrop_plugin.daemon_client import DaemonClient
from clipcrop_plugin.geometry import Placement, Size
from clipcrop_plugin.launcher import Launcher
from clipcrop_plugin.picture import Picture

FAKES = Path(__file__).resolve().parents[2] / "fakes"
sys.path.insert(0, str(FAKES))
from fake_daemon import daemon, short_path  # noqa: E402, F401 - fixtures
from select_loop import SelectLoop  # noqa: E402


@pytest.fixture(autouse=True)
def english():
    """Sentences in English, whatever language the machine speaks."""
    texts.use(["en"])
    yield
    texts.use(["en"])


@pytest.fixture
def loop():
    """A main loop."""
    return SelectLoop()


@pytest.fixture
def link_to(loop):
    """Makes links from configurations; they are closed, and what they started is ended."""
    links = []

    def make(config):
        launcher = Launcher(config)
        links.append((DaemonClient(config, loop, "a test", launcher), launcher))
        return links[-1][0]

    yield make
    for client, launcher in links:
        client.close()
        if launcher.process is not None:
            launcher.process.kill()
            launcher.process.wait(120)


@pytest.fixture
def client(daemon, link_to):  # noqa: F811 - the fixture
    """A client to the fake daemon."""
    return link_to(Config(daemon.path))


@pytest.fixture
def picture():
    """4 x 2 pixels that stand for a canvas of 400 x 200."""
    return Picture.of(bytes(range(24)), 4, 2, "rgb8", Placement.of_canvas(Size(400, 200)))


@pytest.fixture
def program_that_serves(short_path):  # noqa: F811 - the fixture
    """The command of a fake daemon in ``short_path``."""
    return (sys.executable, str(FAKES / "fake_daemon_program.py"), str(short_path))
