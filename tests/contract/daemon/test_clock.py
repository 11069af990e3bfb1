"""The clock on the wall is set while the daemon runs."""

from __future__ import annotations

import time

import pytest

from clipcrop_wire.errors import Cancelled, RequestTimeout

pytestmark = pytest.mark.slow

DAY_S = 86_400


@pytest.fixture
def set_clock(short_path, checkout, monkeypatch):
    """Has the daemon's processes and this one believe that it is so many seconds later."""
    offset = short_path / "clock"
    offset.write_text("0", encoding="ascii")
    monkeypatch.setenv("CLIPCROP_FAKE_CLOCK", str(offset))
    monkeypatch.setenv("PYTHONPATH", str(checkout / "tests" / "fakes" / "clock"))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + float(offset.read_text(encoding="ascii")))

    def set_by(seconds: float) -> None:
        offset.write_text(str(seconds), encoding="ascii")

    return set_by


@pytest.mark.parametrize("seconds", [-DAY_S, DAY_S], ids=["back", "forward"])
def test_no_deadline_follows_the_clock_on_the_wall(start, suggest, wait_for, set_clock, seconds):
    daemon = start(stuck_s=0.3, settings={"idle_minutes": 0.02})
    with daemon.client() as client:
        suggest(client)
        set_clock(seconds)

        assert suggest(client).suggestions
        assert 0 <= client.status().uptime_s < 60
        started = time.monotonic()
        with pytest.raises((Cancelled, RequestTimeout)):
            suggest(client, "sleep 60", timeout_s=0.5)
        assert 0.4 < time.monotonic() - started < 30
        assert suggest(client).suggestions
        wait_for(lambda: "model.released" in daemon.text())
        assert suggest(client).suggestions


def test_a_connection_file_from_the_future_is_as_good_as_any(start, suggest, set_clock):
    set_clock(DAY_S)
    old = start()
    set_clock(0)
    with old.client() as client:
        assert old.info().started_s > time.time() + DAY_S / 2
        assert suggest(client).suggestions
        old.kill()

        new = start()

        assert new.info().started_s < time.time() + DAY_S / 2
        assert suggest(client).suggestions
