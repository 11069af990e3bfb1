"""A real Krita for each test, the plug-in installed as by the installer, a real daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("", "editors"))]

from installed import install_for_krita  # noqa: E402 - on the path just added
from krita_driver import Krita  # noqa: E402
from place import Place  # noqa: E402
from real_daemon import Daemon  # noqa: E402

StartKrita = Callable[..., Krita]


@pytest.fixture(scope="session")
def krita_roots() -> list[Path]:
    """Of the systems that Kritas are on, the newest first; set up if need be."""
    done = subprocess.run([sys.executable, HERE / "setup.py"], capture_output=True, text=True)
    lines = done.stdout.strip().splitlines() or [done.stderr]
    if done.returncode:
        pytest.fail(f"these tests need a Krita: {lines[-1]}", pytrace=False)
    return [Path(line[5:]) for line in lines if line.startswith("root ")]


@pytest.fixture(scope="session")
def krita_root(krita_roots: list[Path]) -> Path:
    """The newest one's."""
    return krita_roots[0]


@pytest.fixture(scope="session")
def installed_plug_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the installer puts into a profile: all that the plug-in needs is inside its package."""
    return install_for_krita(tmp_path_factory.mktemp("pykrita"))


@pytest.fixture(scope="session")
def template_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Path], Path]:
    """Profiles with resources that Krita has made: a start with none takes 10 s more."""
    made: dict[Path, Path] = {}

    def template(root: Path) -> Path:
        if root not in made:
            folder = tmp_path_factory.mktemp("krita-template")
            krita = Krita(Place(root, (folder, HERE)), folder, [], {}, switched_on=())
            try:
                krita.start()
                krita.quit()
            finally:
                krita.end()
            made[root] = krita.profile
        return made[root]

    return template


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


@contextmanager
def kritas(
    folder: Path,
    default_root: Path,
    template_of: Callable[[Path], Path],
    installed_plug_in: Path,
    shared_daemon: Daemon,
    samples: Path,
) -> Iterator[StartKrita]:
    """See `start_krita`."""
    started: list[Krita] = []
    with ExitStack() as ends:

        def start(
            *files: Path,
            root: Path = default_root,
            daemon: Daemon = shared_daemon,
            config: dict[str, object] | None = None,
            variables: dict[str, str] | None = None,
            **rest: object,
        ) -> Krita:
            own = folder / f"krita-{len(started)}"
            own.mkdir()
            named = own / "plugin.json"
            named.write_text(json.dumps(config or {"connection_file": str(daemon.connection_file)}))
            seen = (folder, installed_plug_in, daemon.folder, samples, HERE)
            for one in seen:
                one.mkdir(parents=True, exist_ok=True)
            krita = Krita(
                Place(root, seen),
                own,
                [installed_plug_in],
                {"CLIPCROP_PLUGIN_CONFIG": str(named), **(variables or {})},
                template=template_of(root),
                **rest,  # type: ignore[arg-type]
            )
            started.append(krita)
            ends.callback(krita.end)
            krita.start(*files)
            return krita

        yield start
        raised = [failure for krita in started if krita.is_running for failure in krita.failures]
        assert not raised, "\n".join(raised)


@pytest.fixture
def start_krita(
    krita_root: Path,
    template_of: Callable[[Path], Path],
    installed_plug_in: Path,
    shared_daemon: Daemon,
    samples: Path,
    tmp_path: Path,
) -> Iterator[StartKrita]:
    """Starts a Krita with a fresh profile; ends it after the test, which fails if a slot raised.

    Keywords: ``root`` of the system it is on, ``daemon`` to ask (the shared one), ``config`` of the
    plug-in (instead of one that names that daemon's connection file), and those of `Krita`.
    """
    with kritas(
        tmp_path, krita_root, template_of, installed_plug_in, shared_daemon, samples
    ) as start:
        yield start


@dataclass
class LastingKrita:
    """A Krita for many tests, as long as it can be used.

    Images of earlier tests stay open: Krita crashes now and then where a script closes one whose
    layers have just changed (``KisNodeModel::processUpdateQueue`` still has them).
    """

    start: Callable[[Path], Krita]
    now: Krita | None = None

    def with_image(self, path: Path) -> Krita:
        """The same one, as if it had just been started; or another that was."""
        if self.now is not None and not self.now.is_running:
            self.end()
        if self.now is None:
            self.now = self.start(path)
        else:
            self.now.run("start_anew(path)", path=str(path))
        self.now.focus_window()
        return self.now

    def end(self) -> None:
        """The next one is a new one."""
        if self.now is not None:
            self.now.end()
            self.now = None


@pytest.fixture(scope="module", params=["newest", "oldest"])
def lasting_krita(
    request: pytest.FixtureRequest,
    krita_roots: list[Path],
    template_of: Callable[[Path], Path],
    installed_plug_in: Path,
    shared_daemon: Daemon,
    samples: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LastingKrita]:
    """One Krita of each version for all tests of a file; see ``krita``."""
    folder = tmp_path_factory.mktemp("lasting")
    root = krita_roots[{"newest": 0, "oldest": -1}[request.param]]
    with kritas(folder, root, template_of, installed_plug_in, shared_daemon, samples) as start:
        yield LastingKrita(start)


@pytest.fixture
def krita(lasting_krita: LastingKrita, astronaut_path: Path) -> Iterator[Krita]:
    """With a photo, the keys in its window, and as if it had just been started; of each version."""
    krita = lasting_krita.with_image(astronaut_path)
    yield krita
    raised = krita.run("result = list(failures); failures.clear()")
    assert not raised, "\n".join(raised)
