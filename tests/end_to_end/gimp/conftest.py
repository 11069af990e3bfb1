"""A real GIMP 3 for each test, the plug-in installed as by the installer, a real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clipcrop_wire.client import Client

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "editors")]

import screenshots  # noqa: E402 - on the path just added
from driver import Gimp, wait_for  # noqa: E402
from installed import install_for_gimp  # noqa: E402
from place import Place  # noqa: E402
from real_daemon import Daemon  # noqa: E402

StartGimp = Callable[..., Gimp]


class FakeModelDaemon:
    """The real daemon with a model that does what the prompt says; see ``fake_model``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection_file = folder / "connection.json"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, variables: dict[str, str] | None = None) -> None:
        before = self.published()
        settings = {"connection_file": str(self.connection_file)}
        program = CHECKOUT / "tests" / "fakes" / "front_with_fake_model.py"
        command = [sys.executable, str(program), json.dumps({"settings": settings})]
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, **(variables or {})}
            self.process = subprocess.Popen(command, stderr=log, env=environment)
        wait_for("the daemon", lambda: self.published() != before)

    def published(self) -> str:
        """The connection file, which a killed daemon leaves behind."""
        return self.connection_file.read_text() if self.connection_file.exists() else ""

    def is_at_work(self) -> bool:
        with Client(self.connection_file) as client:
            return client.status().state == "working"

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None


@pytest.fixture(scope="session")
def gimp_root() -> Path:
    """Of the system that GIMP is on, set up if need be."""
    done = subprocess.run([sys.executable, HERE / "setup.py"], capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or [done.stderr])[-1]
    if done.returncode:
        pytest.fail(f"these tests need a GIMP 3: {last}", pytrace=False)
    return Path(last)


@pytest.fixture(scope="session")
def installed_plug_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plug-in's folder as it is in a user's profile: all it needs is beside it."""
    return install_for_gimp(tmp_path_factory.mktemp("plug-ins"))


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for all tests that only ask it."""
    one = Daemon(tmp_path_factory.mktemp("daemon"))
    one.start()
    yield one
    one.end()


@pytest.fixture
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For sockets, whose paths must be short: a test's own folder has its name in it."""
    return tmp_path_factory.mktemp("d")


@pytest.fixture
def daemon(short_folder: Path) -> Iterator[Daemon]:
    """A daemon of this test's own, not started yet."""
    one = Daemon(short_folder)
    yield one
    one.end()


@pytest.fixture
def fake_daemon(short_folder: Path) -> Iterator[FakeModelDaemon]:
    """A daemon whose model does what the prompt says, not started yet."""
    one = FakeModelDaemon(short_folder)
    yield one
    one.kill()


@pytest.fixture
def start_gimp(
    gimp_root: Path,
    installed_plug_in: Path,
    shared_daemon: Daemon,
    samples: Path,
    tmp_path: Path,
) -> Iterator[StartGimp]:
    """Starts a GIMP with a fresh profile; ends it after the test.

    Keywords: ``files`` to open, ``daemon`` to ask (the shared one), ``config`` of the plug-in
    (instead of one that names that daemon's connection file), and those of `Gimp`.
    """
    with ExitStack() as ends:

        def start(
            *files: Path,
            daemon: Daemon = shared_daemon,
            config: dict[str, object] | None = None,
            variables: dict[str, str] | None = None,
            **rest: object,
        ) -> Gimp:
            folder = tmp_path / f"gimp-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            named = folder / "plugin.json"
            named.write_text(json.dumps(config or {"connection_file": str(daemon.connection_file)}))
            seen = (tmp_path, installed_plug_in, daemon.folder, samples, HERE)
            for one in seen:
                one.mkdir(parents=True, exist_ok=True)
            gimp = Gimp(
                Place(gimp_root, seen),
                folder,
                [installed_plug_in],
                {"CLIPCROP_PLUGIN_CONFIG": str(named), **(variables or {})},
                **rest,  # type: ignore[arg-type]
            )
            ends.callback(gimp.end)
            gimp.start(*files)
            return gimp

        yield start


@pytest.fixture
def gimp(start_gimp: StartGimp) -> Gimp:
    """A GIMP without a window."""
    return start_gimp()


@pytest.fixture
def photo(gimp: Gimp, astronaut_path: Path) -> int:
    """The number of an open photo."""
    return int(gimp.run("result = load(path).get_id()", path=str(astronaut_path)))


@pytest.fixture
def keep_screenshot() -> Callable[[Path], None]:
    """Keeps a picture for the README where CLIPCROP_SCREENSHOTS names a folder for them."""
    return screenshots.keep
