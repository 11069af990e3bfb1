"""The real daemon with a fake model: ``python front_with_fake_model.py OPTIONS``.

OPTIONS is JSON: ``settings`` as `Settings` has them, ``model`` for another program beside this one
than ``fake_model.py``, and arguments of `serve`. All but the model is the real thing: sockets,
seals, queue, model process, files; see `fake_model` for what it does.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from clipcrop_daemon.instance import claim
from clipcrop_daemon.server import serve
from clipcrop_daemon.settings import Settings


def main(text: str) -> None:
    """Serve until told to stop."""
    options = json.loads(text)
    values = options.pop("settings", {})
    model = Path(__file__).with_name(options.pop("model", "fake_model.py"))
    for name in ("connection_file", "log_file"):
        if name in values:
            values[name] = Path(values[name])
    settings = Settings(**values)
    logging.basicConfig(
        format="%(levelname)s %(name)s %(message)s", level=settings.log_level, stream=sys.stderr
    )
    with claim(settings) as instance:
        serve(settings, instance, worker_command=(sys.executable, str(model)), **options)


if __name__ == "__main__":
    main(sys.argv[1])
