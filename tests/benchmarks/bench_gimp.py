"""What the GIMP plug-in costs a person: GIMP's start, the dialog, the steps, reading an image.

    python tests/benchmarks/bench_gimp.py PHOTO.jpg [--rounds 10] [--only start dialog ...]

start   from starting GIMP until its window is there, and the processor time of all its processes
        until then; reference: the same GIMP without the plug-in
dialog  from the key to the dialog, when nothing of the plug-in runs yet, and when a panel is open;
        reference: GIMP's own "Scale Image…"
step    from starting the program that presses the key until the selection is another: in the panel,
        and in the image's window, for which GIMP starts a program; reference: GIMP's own "Select
        All" by its key. And the procedure called by a script, which waits for its return
read    8000 x 6000 pixels, until they are there in the size in which they are sent: the layer and
        all that is visible, as the plug-in reads them, in an sRGB image and one with a profile;
        reference: "visible" in the exact way, which serves for all other images

It needs what the end-to-end tests need (tests/end_to_end/gimp/setup.py). The tasks alternate, so
that what else runs on the machine hits them alike; the first round of each is not counted.
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
sys.path[:0] = [str(TESTS / name) for name in ("gimp", "editors", "")]

from driver import Gimp, wait_for  # noqa: E402 - on the path just added
from installed import install_for_gimp  # noqa: E402
from place import Place  # noqa: E402
from real_daemon import Daemon  # noqa: E402

MAIN, DIALOG, PANEL, SCALE = (
    "GNU Image Manipulation Program",
    "Smart Crop by Description",
    "Smart Crop: ",
    "Scale Image",
)
ASK_KEY, NEXT_KEY, SCALE_KEY = "ctrl+shift+F9", "ctrl+shift+F11", "ctrl+shift+F6"
SHORTCUTS = {
    "plug-in-clipcrop": "<Primary><Shift>F9",
    "plug-in-clipcrop-next": "<Primary><Shift>F11",
    "image-scale": "<Primary><Shift>F6",
}
LIMIT_S = 60

# Looks without a pause, from inside: a poll from outside starts a program and enters the tree.
APPEAR = """
seen() { xdotool search --onlyvisible --name "$1" 2> /dev/null | grep -q .; }
until seen "$1"; do :; done
"""

STEP = """
import subprocess, time
image = Gimp.get_images()[-1]
before = selection(image)
started = time.perf_counter()
subprocess.Popen(["xdotool", "key", key])
while selection(image) == before and time.perf_counter() < started + 20:
    pass
result = time.perf_counter() - started
"""
CALL = """
import time
image = Gimp.get_images()[-1]
started = time.perf_counter()
call("plug-in-clipcrop-next", image)
result = time.perf_counter() - started
"""
LARGE = """
image = load(path)
image.undo_disable()
image.scale(8000, 6000)
layer = image.get_layers()[0]
image.insert_layer(Gimp.Layer.copy(layer), None, 0)
image.get_layers()[0].set_opacity(50)
image.set_selected_layers([layer])
if profile:
    image.convert_color_profile(
        Gimp.ColorProfile.new_rgb_adobe(), Gimp.ColorRenderingIntent.PERCEPTUAL, True
    )
Gimp.Display.new(image)
Gimp.displays_flush()
result = image.get_id()
"""
READ = """
import sys, time
if plug_in not in sys.path:
    sys.path.insert(0, plug_in)
from clipcrop_plugin.geometry import Rect
from gimp_shell import pixels
image = image_of(number)
whole = Rect(0, 0, 8000, 6000)
started = time.perf_counter()
if way == "layer":
    pixels.of_layer(image.get_layers()[1], whole)
elif way == "visible":
    pixels.of_visible(image, whole)
else:
    with pixels._visible(image) as layer:
        pixels._read(layer, whole)
result = time.perf_counter() - started
"""


class Bench:
    """GIMPs to measure."""

    def __init__(self, folder: Path, photo: Path, ends: ExitStack) -> None:
        root = subprocess.run(
            [sys.executable, TESTS / "gimp" / "setup.py"],
            capture_output=True,
            text=True,
            check=True,
        )
        self.folder, self.photo, self.ends = folder, photo, ends
        self.plug_in = install_for_gimp(folder / "plug-ins")
        self.daemon = Daemon(folder / "daemon")
        self.place = Place(
            Path(root.stdout.strip().splitlines()[-1]), (folder, photo.parent, TESTS / "gimp")
        )
        self._config = folder / "plugin.json"
        self._config.write_text(json.dumps({"connection_file": str(self.daemon.connection_file)}))

    def gimp(self, name: str, *, has_plug_in: bool = True, has_probe: bool = True) -> Gimp:
        folder = self.folder / name
        folder.mkdir()
        gimp = Gimp(
            self.place,
            folder,
            [self.plug_in] if has_plug_in else [],
            {"CLIPCROP_PLUGIN_CONFIG": str(self._config)},
            has_window=True,
            has_probe=has_probe,
            shortcuts=SHORTCUTS,
        )
        self.ends.callback(gimp.end)
        return gimp

    def working_gimp(self, name: str) -> Gimp:
        """With the photo open, and a daemon to ask."""
        if self.daemon.process is None:
            self.ends.callback(self.daemon.end)
            self.daemon.start()
        gimp = self.gimp(name)
        gimp.start(self.photo)
        gimp.activate(gimp.window(self.photo.stem))
        return gimp


def until_seen(gimp: Gimp, title: str, begin: Callable[[], object]) -> float:
    """Seconds until a window is there."""
    assert gimp.screen is not None
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    watcher = gimp.screen.beside(["sh", "-c", APPEAR, "sh", title], gimp.variables, **quiet)
    started = time.perf_counter()
    begin()
    watcher.popen.wait(LIMIT_S)
    return time.perf_counter() - started


def bench_start(bench: Bench, rounds: int) -> Times:
    processor: Times = {}

    def start(name: str, gimp: Gimp) -> Callable[[], float]:
        processor[f"{name}, processor"] = []

        def task() -> float:
            gimp.open_screen()
            assert gimp.screen is not None
            around = psutil.Process(gimp.screen.popen.pid)
            command = ["gimp", "--new-instance", "--no-splash"]

            def begin() -> None:
                with gimp.log.open("a") as log:
                    streams = {"stdout": log, "stderr": log}
                    gimp.process = gimp.screen.beside(command, gimp.variables, **streams)

            seconds = until_seen(gimp, MAIN, begin)
            assert gimp.process is not None
            first = psutil.Process(gimp.process.popen.pid)
            times = [one.cpu_times() for one in [first, *first.children(recursive=True)]]
            used = [t.user + t.system + t.children_user + t.children_system for t in times]
            processor[f"{name}, processor"].append(sum(used))
            gimp.end()
            psutil.wait_procs([around], timeout=20)
            return seconds

        return task

    without = bench.gimp("without", has_plug_in=False, has_probe=False)
    with_it = bench.gimp("with", has_probe=False)
    times = rounds_of(
        {
            "without the plug-in": start("without the plug-in", without),
            "with": start("with", with_it),
        },
        rounds,
    )
    return {**times, **{name: taken[1:] for name, taken in processor.items()}}


def bench_dialog(bench: Bench, rounds: int) -> Times:
    cold, warm = bench.working_gimp("cold"), bench.working_gimp("warm")
    ask(warm)

    def opening(gimp: Gimp, title: str, key: str) -> Callable[[], float]:
        def task() -> float:
            gimp.activate(gimp.window(bench.photo.stem))
            seconds = until_seen(gimp, title, lambda: gimp.key(key))
            gimp.activate(gimp.window(title))
            gimp.key("Escape")
            wait_for("no dialog", lambda: all(title not in one.title for one in gimp.windows()))
            return seconds

        return task

    return rounds_of(
        {
            "GIMP's own dialog": opening(cold, SCALE, SCALE_KEY),
            "first": opening(cold, DIALOG, ASK_KEY),
            "beside a panel": opening(warm, DIALOG, ASK_KEY),
        },
        rounds,
    )


def bench_step(bench: Bench, rounds: int) -> Times:
    gimp = bench.working_gimp("step")
    ask(gimp)

    def pressing(title: str, key: str) -> Callable[[], float]:
        def task() -> float:
            gimp.activate(gimp.window(title))
            return float(gimp.run(STEP, key=key))

        return task

    def select_all() -> float:
        gimp.activate(gimp.window(f"[{bench.photo.stem}]"))
        gimp.run("Gimp.Selection.none(Gimp.get_images()[-1])")
        return float(gimp.run(STEP, key="ctrl+a"))

    return rounds_of(
        {
            "GIMP's own Select All": select_all,
            "in the panel": pressing(PANEL, "Down"),
            "in the image's window": pressing(f"[{bench.photo.stem}]", NEXT_KEY),
            "called by a script": lambda: float(gimp.run(CALL)),
        },
        rounds,
    )


def bench_read(bench: Bench, rounds: int) -> Times:
    gimp = bench.working_gimp("read")
    plain = gimp.run(LARGE, path=str(bench.photo), profile=False, timeout_s=LIMIT_S)
    wide = gimp.run(LARGE, path=str(bench.photo), profile=True, timeout_s=LIMIT_S)

    def reading(number: int, way: str) -> Callable[[], float]:
        given = {"number": number, "way": way, "plug_in": str(bench.plug_in)}
        return lambda: float(gimp.run(READ, timeout_s=LIMIT_S, **given))

    return rounds_of(
        {
            "visible, exactly": reading(plain, "exact"),
            "visible": reading(plain, "visible"),
            "visible, with a profile": reading(wide, "visible"),
            "layer": reading(plain, "layer"),
            "layer, with a profile": reading(wide, "layer"),
        },
        rounds,
    )


def ask(gimp: Gimp) -> None:
    """Until there is a panel with suggestions."""
    gimp.key(ASK_KEY)
    gimp.activate(gimp.window(DIALOG))
    gimp.key("ctrl+a")
    gimp.type("the subject")
    gimp.key("Return")
    gimp.window(PANEL)
    wait_for("a suggestion", lambda: gimp.run("result = selection(Gimp.get_images()[-1])"))


BENCHES = {"start": bench_start, "dialog": bench_dialog, "step": bench_step, "read": bench_read}


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
        with tempfile.TemporaryDirectory() as folder, ExitStack() as ends:
            results[name] = BENCHES[name](
                Bench(Path(folder), options.photo.resolve(), ends), options.rounds
            )
        show(name, results[name])
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    main()
