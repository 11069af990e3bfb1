from __future__ import annotations

from fake_registry import FakeRegistry

from clipcrop_installer.login_formats import (
    APPROVED_KEY,
    RUN_KEY,
    is_switched_off,
    read_run_value,
    remove_run_value,
    write_run_value,
)


def test_a_value_is_written_read_and_removed():
    registry = FakeRegistry()
    assert read_run_value(registry) is None

    write_run_value(registry, '"C:\\a b\\pythonw.exe" run')

    assert read_run_value(registry) == '"C:\\a b\\pythonw.exe" run'
    remove_run_value(registry)
    assert read_run_value(registry) is None


def test_the_value_is_text_that_windows_does_not_expand():
    registry = FakeRegistry()

    write_run_value(registry, "C:\\%USERNAME%\\pythonw.exe")

    (values,) = registry.keys.values()
    assert values["clipcrop"] == ("C:\\%USERNAME%\\pythonw.exe", registry.REG_SZ)


def test_values_of_other_programs_stay():
    registry = FakeRegistry()
    with registry.CreateKeyEx(
        registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE
    ) as key:
        registry.SetValueEx(key, "Other", 0, registry.REG_SZ, "other.exe")
    write_run_value(registry, "clipcrop.exe")

    remove_run_value(registry)

    (values,) = registry.keys.values()
    assert values == {"other": ("other.exe", registry.REG_SZ)}


def test_removing_what_is_not_there_is_fine():
    registry = FakeRegistry()

    remove_run_value(registry)
    write_run_value(registry, "x")
    remove_run_value(registry)
    remove_run_value(registry)

    assert read_run_value(registry) is None


def test_what_the_user_switched_off_in_the_task_manager_is_seen():
    registry = FakeRegistry()
    assert not is_switched_off(registry)

    for first_byte, expected in ((2, False), (3, True)):
        with registry.CreateKeyEx(registry.HKEY_CURRENT_USER, APPROVED_KEY, 0, 2) as key:
            value = bytes([first_byte]) + bytes(11)
            registry.SetValueEx(key, "ClipCrop", 0, registry.REG_BINARY, value)
        assert is_switched_off(registry) is expected
