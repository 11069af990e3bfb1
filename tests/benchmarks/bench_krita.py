"""What the Krita plug-in costs a person: Krita's start, the docker, the steps, reading an image.

    python tests/benchmarks/bench_krita.py PHOTO.jpg [--rounds 10] [--only start docker ...]

start   from starting Krita with a photo until the photo is there, and its processor time until
        then: with the plug-in and its docker closed, as after its installation, and with the docker
        open; reference: the same Krita without the plug-in
docker  from asking for a docker that was never shown until it is painted and takes input;
        reference: Krita's own histogram docker
step    the action "Next Crop Suggestion" until the selection is another and painted; reference:
        Krita's own "Select All" likewise
read    8000 x 6000 pixels, until they are there in the size in which they are sent: the layer and
        all that is visible, as the plug-in reads them, and a layer in CMYK of 16 bits; reference:
        visible

It needs what the end-to-end tests need (tests/end_to_end/krita/setup.py), and takes the newest
Krita. The tasks alternate, so that what else runs on the machine hits them alike; the first round
of each is not counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
from editor_rounds import Times, rounds_of, show
from timing import write_json

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "end_to_end"
sys.path[:0] = [str(TESTS / name) for name in ("krita", "editors", "")]

from editor import wait_for  # noqa: E402 - on the path just added
from installed import install_for_krita  # noqa: E402
from krita_driver import Krita  # noqa: E402
from place import Place  # noqa: E402
from real_daemon import Daemon  # noqa: E402

LIMIT_S = 120

SHOW = """
import time
def events():
    QtWidgets.QApplication.processEvents()
found = [one for one in app.dockers() if one.objectName() == name][0]
found.setVisible(False); events()
started = time.perf_counter()
found.setVisible(True); found.raise_()
while name == DOCK and found._panel is None and time.perf_counter() < started + 20:
    events()
events()
result = time.perf_counter() - started
"""
ASK = """
docker().setVisible(True); docker().raise_(); panel = docker().panel
panel._prompt.setEditText("the subject"); widget("clipcrop_find").click()
"""
STEP = """
import time
app.action("deselect").trigger() if name == "select_all" else None
settle(); QtWidgets.QApplication.processEvents()
before, started = selection(), time.perf_counter()
app.action(name).trigger()
while selection() == before and time.perf_counter() < started + 20:
    QtWidgets.QApplication.processEvents()
QtWidgets.QApplication.processEvents()
result = time.perf_counter() - started
"""
LARGE = """
d = doc(); d.scaleImage(8000, 6000, 72, 72, "Bilinear"); d.waitForDone(); settle()
layer = d.topLevelNodes()[0].duplicate(); layer.setName("cmyk")
layer.setColorSpace("CMYKA", "U16", "Chemical proof"); layer.setVisible(False)
d.rootNode().addChildNode(layer, None); settle()
"""
READ = """
import time
from clipcrop_krita.canvas import KritaCanvas
d = doc(); name = "cmyk" if way == "cmyk" else "Background"
node = [one for one in d.topLevelNodes() if one.name() == name][0]
d.setActiveNode(node); settle()
QtWidgets.QApplication.processEvents()
started = time.perf_counter()
KritaCanvas(d).read_picture("visible" if way == "visible" else "layer")
result = time.perf_counter() - started
"""


class Bench:
    """Kritas to measure."""

    def __init__(self, folder: Path, photo: Path, ends: ExitStack) -> None:
        done = subprocess.run(
            [sys.executable, TESTS / "krita" / "setup.py"],
            capture_output=True,
            text=True,
            check=True,
        )
        roots = [line[5:] for line in done.stdout.splitlines() if line.startswith("root ")]
        self.folder, self.photo, self.ends = folder, photo, ends
        self.plug_in = install_for_krita(folder / "plug-in")
        self.daemon = Daemon(folder / "daemon")
        self.daemon.folder.mkdir()
        self.place = Place(Path(roots[0]), (folder, photo.parent, TESTS / "krita"))
        self._config = folder / "plugin.json"
        self._config.write_text(json.dumps({"connection_file": str(self.daemon.connection_file)}))

    def krita(self, name: str, *, has_plug_in: bool = True) -> Krita:
        folder = self.folder / name
        folder.mkdir()
        krita = Krita(
            self.place,
            folder,
            [self.plug_in],
            {"CLIPCROP_PLUGIN_CONFIG": str(self._config)},
            switched_on=("clipcrop_krita",) if has_plug_in else (),
        )
        self.ends.callback(krita.end)
        return krita

    def working_krita(self, name: str) -> Krita:
        """With the photo open."""
        krita = self.krita(name)
        krita.start(self.photo)
        krita.focus_window()
        return krita


def bench_start(bench: Bench, rounds: int) -> Times:
    without = "without the plug-in"
    kritas = {
        without: bench.krita("without", has_plug_in=False),
        "with": bench.krita("with"),
        "with its docker open": bench.krita("open"),
    }
    opened = kritas["with its docker open"]
    opened.start(bench.photo)
    opened.show_docker()
    opened.quit()
    processor: Times = {f"{name}, processor": [] for name in kritas}

    def starting(name: str) -> Callable[[], float]:
        krita = kritas[name]

        def task() -> float:
            started = time.perf_counter()
            krita.start(bench.photo)
            seconds = time.perf_counter() - started
            assert krita.process is not None
            first = psutil.Process(krita.process.popen.pid)
            times = [one.cpu_times() for one in [first, *first.children(recursive=True)]]
            processor[f"{name}, processor"].append(sum(one.user + one.system for one in times))
            krita.quit()
            return seconds

        return task

    times = rounds_of({name: starting(name) for name in kritas}, rounds)
    return {**times, **{name: taken[1:] for name, taken in processor.items()}}


def bench_docker(bench: Bench, rounds: int) -> Times:
    krita = bench.krita("docker")

    def first_show(name: str) -> Callable[[], float]:
        def task() -> float:
            krita.start(bench.photo)
            krita.focus_window()
            seconds = float(krita.run(SHOW, name=name))
            krita.run(
                "[one.setVisible(False) for one in app.dockers() if one.objectName() == name]",
                name=name,
            )
            krita.quit()
            return seconds

        return task

    return rounds_of(
        {
            "Krita's own histogram": first_show("HistogramDocker"),
            "ours": first_show("clipcrop_docker"),
        },
        rounds,
    )


def bench_step(bench: Bench, rounds: int) -> Times:
    bench.ends.callback(bench.daemon.end)
    bench.daemon.start()
    krita = bench.working_krita("step")
    krita.run(ASK)
    wait_for("suggestions", lambda: krita.run("result = widget('clipcrop_list').count() > 1"))
    return rounds_of(
        {
            "Krita's own Select All": lambda: float(krita.run(STEP, name="select_all")),
            "Next Crop Suggestion": lambda: float(krita.run(STEP, name="clipcrop_next")),
        },
        rounds,
    )


def bench_read(bench: Bench, rounds: int) -> Times:
    krita = bench.working_krita("read")
    krita.run("docker().panel")
    krita.run(LARGE, timeout_s=LIMIT_S)

    def reading(way: str) -> Callable[[], float]:
        return lambda: float(krita.run(READ, way=way, timeout_s=LIMIT_S))

    return rounds_of(
        {"visible": reading("visible"), "layer": reading("layer"), "CMYK layer": reading("cmyk")},
        rounds,
    )


BENCHES = {"start": bench_start, "docker": bench_docker, "step": bench_step, "read": bench_read}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for name in options.only:
        with tempfile.TemporaryDirectory(prefix="cc") as folder, ExitStack() as ends:
            bench = Bench(Path(folder), options.photo.resolve(), ends)
            results[name] = BENCHES[name](bench, options.rounds)
        show(name, results[name])
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    main()
