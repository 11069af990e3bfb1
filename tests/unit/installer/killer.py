"""Kills an installer at random points of its work on the disk, and looks at what that leaves.

``python killer.py FOLDER SEED...`` prints one JSON line a seed: what was killed, where, and what is
wrong then (nothing). Every seed is a process that dies of SIGKILL: before an operation on the disk
(Python tells of each by an audit event), or in the middle of writing a file. Then the same is done
again, or everything is taken away; both must come to the end that an uninterrupted run comes to.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
sys.path[:0] = [str(CHECKOUT / "installer"), str(CHECKOUT / "daemon")]
sys.path[:0] = [str(CHECKOUT / "tests" / "fakes")]

from fake_home import FakeHome, errors_of  # noqa: E402 - on the path just added

from clipcrop_installer.disk import Disk  # noqa: E402

_OPERATIONS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Death:
    """Kills this process before its n-th operation on the disk; counts them."""

    def __init__(self, at: int | None) -> None:
        self.at, self.count = at, 0

    def operation(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_event(self, event: str, arguments: tuple[object, ...]) -> None:
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if is_write or event in _OPERATIONS:
            self.operation()


class DeadlyDisk(Disk):
    """Can be killed in the middle of a write. Does not wait for the platter: no plug is pulled."""

    def __init__(self, death: Death) -> None:
        self._death = death

    def _fill(self, descriptor: int, content: bytes) -> None:
        half = len(content) // 2
        super()._fill(descriptor, content[:half])
        self._death.operation()
        super()._fill(descriptor, content[half:])

    def _sync(self, descriptor: int) -> None:
        pass


class QuickDisk(Disk):
    """Does not wait for the platter either."""

    def _sync(self, descriptor: int) -> None:
        pass


def install(user: FakeHome) -> None:
    """As it is done first."""
    assert errors_of(user.install()) == {}


def upgrade(user: FakeHome) -> None:
    """After `install_by_force`."""
    user.release("2")
    install(user)


def uninstall(user: FakeHome) -> None:
    """After any."""
    if user.places.data.exists():
        user.uninstall()


def install_by_force(user: FakeHome) -> None:
    """Where another plug-in of the name is."""
    assert errors_of(user.install(force=True)) == {}


SCENARIOS: dict[str, Callable[[FakeHome], None]] = {
    "install": install,
    "install by force": install_by_force,
    "upgrade": upgrade,
    "uninstall": uninstall,
}


def new_home(folder: Path, scenario: str) -> FakeHome:
    """Where the scenario begins."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    user = FakeHome(folder, "Zoë M").with_editors()
    user.disk = QuickDisk()
    theirs = user.home / ".config" / "GIMP" / "3.0" / "plug-ins" / "clipcrop_gimp"
    theirs.mkdir(parents=True)
    (theirs / "clipcrop_gimp.py").write_text("theirs")
    if scenario == "install":
        shutil.rmtree(theirs.parent)
    elif scenario != "install by force":
        install_by_force(user)
    return user


def in_child(user: FakeHome, act: Callable[[FakeHome], None], death: Death) -> int:
    """Do it in a process of its own; returns that one's exit code, negative: a signal."""
    pid = os.fork()
    if pid == 0:
        try:
            user.disk = DeadlyDisk(death)
            sys.addaudithook(death.on_event)
            act(user)
        finally:
            (user.programs.folder / "count").write_text(str(death.count))
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def contents(user: FakeHome) -> dict[str, str]:
    """Of the home; the manifest's order of items may differ."""
    manifest = str(user.places.manifest.relative_to(user.home))
    return {path: what for path, what in user.contents().items() if path != manifest}


def points_at_something(user: FakeHome) -> list[str]:
    """What is wrong with what editors and the login would start now."""
    wrong = []
    settings = user.places.plugin_settings
    if settings.exists():
        program = json.loads(settings.read_text())["start_command"][0]
        if not Path(program).exists():
            wrong.append("the plug-ins would start what is not there")
    kritarc = (user.home / ".config" / "kritarc").read_text()
    if "enable_other=true" not in kritarc or "a=b" not in kritarc:
        wrong.append("Krita's settings are damaged")
    return wrong


def main(folder: Path, seeds: list[int]) -> None:
    """Try every seed."""
    home = folder / "user"
    before = {one: contents(new_home(home, one)) for one in ("install", "install by force")}
    counts, ends = {}, {}
    for scenario, act in SCENARIOS.items():
        user = new_home(home, scenario)
        assert in_child(user, act, Death(None)) == 0
        counts[scenario] = int((user.programs.folder / "count").read_text())
        ends[scenario] = contents(user)
    assert ends["uninstall"] == before["install by force"]

    for seed in seeds:
        dice = random.Random(seed)
        scenario = dice.choice(list(SCENARIOS))
        at = dice.randint(1, counts[scenario])
        then = dice.choice([scenario, "uninstall"])
        user = new_home(home, scenario)
        code = in_child(user, SCENARIOS[scenario], Death(at))
        wrong = [] if code == -signal.SIGKILL else [f"it was not killed: {code}"]
        if scenario != "uninstall":  # then there may be nothing to start any more
            wrong += points_at_something(user)
        try:
            SCENARIOS[then](user)
        except Exception as exc:  # whatever it is, it is wrong
            wrong.append(f"{then} afterwards: {exc!r}")
        after = contents(user)
        end = before["install"] if (scenario, then) == ("install", "uninstall") else ends[then]
        differing = {path for path in {*after, *end} if after.get(path) != end.get(path)}
        wrong += [f"{then} afterwards: {path} differs" for path in sorted(differing)]
        report = {"seed": seed, "killed": scenario, "at": at, "then": then, "wrong": wrong}
        sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]])
