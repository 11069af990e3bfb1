"""What many tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

# Before anything imports them: no hub is asked, and a test uses one core like the product's floor.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"

# A shell that runs the tests in the background lets them, and what they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CHECKOUT = Path(__file__).parents[1]
REAL_HOME = os.environ.get("HOME")

# Fakes that several folders of tests share are imported by their names.
sys.path.insert(0, str(CHECKOUT / "tests" / "fakes"))


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """For pytest-xdist: captured output may have bytes in it that are no UTF-8."""
    report = yield
    if report is not None and report.get("sections"):
        report["sections"] = [
            (title, text.encode("utf-8", "backslashreplace").decode("utf-8"))
            for title, text in report["sections"]
        ]
    return report


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for each test, so that none reads or writes the developer's own."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def real_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own home again, for what must not download everything each time."""
    if REAL_HOME is not None:
        monkeypatch.setenv("HOME", REAL_HOME)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the working tree."""
    return CHECKOUT


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of the bundled sample photos."""
    return CHECKOUT / "clipcrop" / "samples"


@pytest.fixture
def astronaut_path(samples: Path) -> Path:
    """A photo of 512 x 512 pixels: a woman in an orange suit, a flag, a model of a shuttle."""
    return samples / "astronaut.jpg"


@pytest.fixture
def pillow_limit() -> Iterator[int | None]:
    """Pillow's own limit on pixels as it was; fails the test that leaves it changed."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    yield before
    assert before == Image.MAX_IMAGE_PIXELS
