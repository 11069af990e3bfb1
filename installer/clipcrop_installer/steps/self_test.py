"""A crop of a sample photo, by the programs that users have."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import InstallError
from ..manifest import Manifest
from ..places import Places
from ..plan import Context, Step
from ..programs import CONNECTION_VARIABLE, Environment, last_line

_PHOTO = Path("samples", "astronaut.jpg")
_PROMPT = "the woman in the orange suit"


def crop_sample(
    environment: Environment,
    context: Context,
    *,
    through_daemon: bool,
    connection_file: Path | None = None,
) -> str:
    """Crop it; returns what was found, for people.

    Args:
        environment: Whose programs to use.
        context: Where.
        through_daemon: Ask the running daemon, with whatever model it holds; else the small
            model that is in the package.
        connection_file: The daemon's, instead of the usual one.

    Raises:
        InstallError: there is no crop; the message has what was said last.
    """
    photo = environment.packages(["clipcrop"], context)("clipcrop") / _PHOTO
    manner = ["--daemon"] if through_daemon else ["--model", "lite"]
    variables = {CONNECTION_VARIABLE: str(connection_file)} if connection_file else {}
    code, lines = environment.run(
        "clipcrop", ["suggest", photo, _PROMPT, "--json", *manner], context, variables
    )
    answer = next((line for line in lines if line.startswith("{")), None)
    if code or answer is None:
        raise InstallError(f"no crop of a sample photo could be made: {last_line(lines)}")
    left, top, right, bottom = json.loads(answer)["suggestions"][0]["box_px"]
    return f'"{_PROMPT}" gave a crop of {right - left} x {bottom - top} pixels'


class SelfTest(Step):
    """The way that a crop takes in an editor, but for the editor."""

    name = "self-test"

    def __init__(self, environment: Environment, places: Places) -> None:
        self._environment = environment
        self._places = places

    def describe(self) -> list[str]:
        """One line."""
        return ["crop a sample photo through the daemon"]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Do it.

        Raises:
            InstallError: it gave no crop.
        """
        found = crop_sample(
            self._environment,
            context,
            through_daemon=True,
            connection_file=self._places.connection_file,
        )
        return [found]
