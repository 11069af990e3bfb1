from __future__ import annotations

import os
import signal
import subprocess

import pytest

from clipcrop_daemon.errors import AlreadyRunning
from clipcrop_daemon.instance import claim, is_claimed
from clipcrop_daemon.settings import Settings


def test_another_process_that_holds_the_lock_is_respected(
    settings: Settings, other_process: subprocess.Popen[str]
):
    assert is_claimed(settings.connection_file)
    with pytest.raises(AlreadyRunning, match=r"another daemon holds .*connection\.json\.lock"):
        claim(settings)


def test_a_killed_process_holds_nothing(settings: Settings, other_process: subprocess.Popen[str]):
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait(120)

    assert not is_claimed(settings.connection_file)
    claim(settings).close()


def test_a_claim_that_was_given_back_can_be_taken(settings: Settings):
    assert not is_claimed(settings.connection_file)
    with claim(settings):
        assert is_claimed(settings.connection_file)
    assert not is_claimed(settings.connection_file)
