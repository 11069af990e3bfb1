"""``clipcrop suggest --daemon``: the same as without it, but for who does the work."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_daemon import FakeDaemon

from clipcrop import Predictor, Suggestions
from clipcrop.cli import main
from clipcrop.imaging.images import load_image
from clipcrop_daemon.convert import suggest_reply
from clipcrop_daemon.model_pool import Resident
from clipcrop_wire import messages, protocol
from clipcrop_wire.errors import Cancelled, InvalidRequest
from clipcrop_wire.messages import Progress, SuggestReply
from clipcrop_wire.protocol import Request

PROMPT = "the woman and a giraffe, rule of thirds"

GENERAL = SuggestReply("lite", "cpu", "general", False, False)


@pytest.fixture(autouse=True)
def _connection_file(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the fake daemon."""
    monkeypatch.setenv("CLIPCROP_CONNECTION_FILE", str(daemon.path))


@pytest.fixture(scope="module")
def found(samples: Path) -> Suggestions:
    """What the lite encoder finds of a woman without a rocket."""
    predictor = Predictor.load("lite", "cpu")
    encoded = predictor.encode(load_image(samples / "astronaut.jpg"))
    return predictor.suggest(
        encoded, "the woman and a giraffe, rule of thirds", exclude=["rocket"], count=3
    )


def as_reply(found: Suggestions, *notes: str) -> SuggestReply:
    """The same on the wire."""
    resident = Resident(None, found.model, "cpu", notes)
    seconds = {"encode": 0.5, "search": 0.25}
    return suggest_reply(found, resident, is_image_cached=False, seconds=seconds)


def always(daemon: FakeDaemon, reply: SuggestReply) -> None:
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_reply(request.id, "suggest", reply)
    ]


def prompts(daemon: FakeDaemon) -> list[str]:
    return [request.body.prompt for request in daemon.requests if request.kind == "suggest"]


def test_every_output_is_that_of_a_model_in_this_process(
    capsys: pytest.CaptureFixture[str],
    daemon: FakeDaemon,
    found: Suggestions,
    astronaut_path: Path,
    tmp_path: Path,
):
    always(daemon, as_reply(found))
    ask = ["suggest", str(astronaut_path), PROMPT, "--exclude", "rocket"]
    ask += ["--count", "3"]
    outputs = []

    for who in (["--model", "lite", "--device", "cpu"], ["--daemon"]):
        folder = tmp_path / who[0]
        folder.mkdir()
        files = ["--write-crops", str(folder / "crops"), "--contact-sheet", str(folder / "a.png")]
        assert main([*ask, *who]) == 0
        text = capsys.readouterr().out
        assert main([*ask, *who, *files, "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        stages = list(record.pop("seconds"))
        for crop in record["suggestions"]:
            crop["file"] = str(Path(crop["file"]).relative_to(folder))
        written = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        outputs.append((text, record, stages, written))

    assert outputs[0] == outputs[1]
    assert len(outputs[0][3]) == len(found.crops) + 1  # the crops and the sheet
    assert found.matched
    assert found.dropped
    assert found.notes
    assert prompts(daemon) == [PROMPT] * 2


def test_what_stages_took_is_what_the_daemon_says(
    capsys: pytest.CaptureFixture[str], daemon: FakeDaemon, found: Suggestions, astronaut_path: Path
):
    always(daemon, as_reply(found))

    assert main(["suggest", str(astronaut_path), "the woman", "--daemon", "--json"]) == 0

    seconds = json.loads(capsys.readouterr().out)["seconds"]
    assert (seconds["encode"], seconds["suggest"]) == (0.5, 0.25)


def test_each_image_of_a_folder_is_asked_for_and_notes_are_in_its_answer(
    capsys: pytest.CaptureFixture[str], daemon: FakeDaemon, found: Suggestions, samples: Path
):
    always(daemon, as_reply(found, "not enough memory on cuda:0; the CPU was used"))

    assert main(["suggest", str(samples), "the woman", "--daemon", "--json"]) == 0

    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    note = "not enough memory on cuda:0; the CPU was used"
    assert [record["notes"] for record in records] == [[note, *found.notes]] * 4
    assert prompts(daemon) == ["the woman"] * 4


def test_an_image_that_the_daemon_refuses_is_named_and_skipped(
    capsys: pytest.CaptureFixture[str], daemon: FakeDaemon, samples: Path
):
    def answer(request: Request) -> list[bytes]:
        if len(prompts(daemon)) == 2:
            error = InvalidRequest("no pixels: the image is 0 x 0")
            return [protocol.encode_error(request.id, "suggest", error)]
        return [protocol.encode_reply(request.id, "suggest", GENERAL)]

    daemon.reply_of["suggest"] = answer

    code = main(["suggest", str(samples), "the woman", "--daemon", "--json"])

    captured = capsys.readouterr()
    assert code == 1
    assert len(captured.out.splitlines()) == 3
    assert "error: no pixels: the image is 0 x 0" in captured.err
    assert "1 of 4 images failed" in captured.err


def test_an_example_image_is_sent_too(
    capsys: pytest.CaptureFixture[str], daemon: FakeDaemon, samples: Path
):
    cat = str(samples / "chelsea.jpg")

    assert main(["suggest", cat, "--query-image", cat, "--daemon"]) == 0

    (request,) = [request for request in daemon.requests if request.kind == "suggest"]
    assert [len(part) for part in request.pixels] == [451 * 300 * 3] * 2


class Terminal(io.StringIO):
    """A fake terminal; says when something slow was told."""

    def __init__(self) -> None:
        super().__init__()
        self.has_told = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "loading owlvit" in text:
            self.has_told.set()
        return super().write(text)


def test_a_terminal_shows_what_takes_so_long(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, astronaut_path: Path
):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    def load(request: Request) -> Iterator[bytes]:
        yield protocol.encode_progress(request.id, Progress("loading", text="loading owlvit"))
        assert terminal.has_told.wait(120)
        yield protocol.encode_reply(request.id, "suggest", GENERAL)

    daemon.reply_of["suggest"] = load

    assert main(["suggest", str(astronaut_path), "the woman", "--daemon"]) == 0
    assert terminal.getvalue() == "daemon: loading owlvit\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(
            ["the dog", "--device", "cpu"], "no --device cpu beside --daemon", id="device"
        ),
        pytest.param(
            ["the dog", "--grounding", "main"],
            "no --grounding main beside --daemon",
            id="grounding",
        ),
        pytest.param(
            ["the dog", "--min-score", "0.2"], "no --min-score 0.2 beside --daemon", id="threshold"
        ),
        pytest.param(["the dog", "--model", "./mine"], "takes models by name only", id="a path"),
        pytest.param(["the dog", "--count", "33"], "ask the daemon for 1 to 32", id="count"),
        pytest.param(["the dog", "--count", "0"], "no such count: 0", id="no crops"),
        pytest.param(["the dog", *["--exclude", "car"] * 9], "at most 8", id="exclusions"),
        pytest.param(["the dog", "--aspect", "0:1"], "no such aspect ratio", id="aspect"),
        pytest.param(["the dog", "--min-size", "9999"], "does not fit", id="minimum size"),
        pytest.param(["✨"], "no word in the prompt", id="only an emoji"),
        pytest.param(["dog " * 200], "too long", id="prompt too long"),
    ],
)
def test_what_is_known_to_be_wrong_is_told_without_asking(
    capsys: pytest.CaptureFixture[str],
    daemon: FakeDaemon,
    astronaut_path: Path,
    arguments: list[str],
    sentence: str,
):
    code = main(["suggest", str(astronaut_path), *arguments, "--daemon"])

    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.startswith("error: ")
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert daemon.requests == []


def test_without_a_daemon_it_says_how_to_start_one(
    capsys: pytest.CaptureFixture[str], daemon: FakeDaemon, samples: Path
):
    daemon.path.unlink()

    code = main(["suggest", str(samples), "the dog", "--daemon", "--contact-sheet", "a.png"])

    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert "`clipcrop-daemon run`" in captured.err
    assert "--daemon" in captured.err


def test_stopping_it_cancels_the_request_at_the_daemon(daemon: FakeDaemon, astronaut_path: Path):
    has_asked = threading.Event()

    def work(request: Request) -> list[bytes]:
        has_asked.set()
        return []

    daemon.reply_of["suggest"] = work
    command = [sys.executable, "-m", "clipcrop.cli", "suggest", str(astronaut_path), "the dog"]

    with subprocess.Popen(
        [*command, "--daemon"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert has_asked.wait(120)
            os.kill(running.pid, signal.SIGINT)
            out, err = running.communicate(timeout=120)
        finally:
            running.kill()

    assert (running.returncode, out, err) == (130, "", "stopped\n")
    cancel = daemon.requests[-1]
    (asked,) = [request for request in daemon.requests if request.kind == "suggest"]
    assert cancel.body == messages.CancelRequest(asked.id)


def test_a_request_that_the_daemon_cancels_is_no_bug(
    capsys: pytest.CaptureFixture[str], daemon: FakeDaemon, astronaut_path: Path
):
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_error(request.id, "suggest", Cancelled("the daemon is stopping"))
    ]

    assert main(["suggest", str(astronaut_path), "the dog", "--daemon"]) == 2

    assert capsys.readouterr().err.endswith("gave the request up: the daemon is stopping\n")
