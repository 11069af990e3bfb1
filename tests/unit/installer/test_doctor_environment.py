from __future__ import annotations

import pytest
from fake_installation import DEVICE, VERSIONS, FakeInstallation

from clipcrop_installer.doctor_checks import check_completeness, check_device, check_environment
from clipcrop_installer.manifest import ManifestEntry


def test_a_whole_environment_is_told_with_its_versions(installation: FakeInstallation):
    (finding,) = check_environment(installation.inspected)

    assert finding.verdict == "ok"
    assert "clipcrop-desktop 1.2.3, pyzmq 27.1.0, torch 2.13.0" in finding.text


def test_nothing_installed_is_a_problem(installation: FakeInstallation):
    installation.manifest.version = ""

    (finding,) = check_environment(installation.inspected)

    assert (finding.verdict, finding.text) == ("problem", "ClipCrop is not installed")


def test_an_environment_that_is_gone_is_a_problem(installation: FakeInstallation):
    installation.python.unlink()

    (finding,) = check_environment(installation.inspected)

    assert finding.text == f"its Python is gone: {installation.python}"
    assert finding.advice == "run install again"


def test_a_python_that_fails_is_a_problem(installation: FakeInstallation):
    installation.answers["importlib.metadata"] = (127, ["libpython3.12.so: cannot open"])

    (finding,) = check_environment(installation.inspected)

    assert (finding.verdict, finding.text) == (
        "problem",
        "its Python fails: libpython3.12.so: cannot open",
    )


def test_missing_packages_are_named(installation: FakeInstallation):
    installation.says("importlib.metadata", {**VERSIONS, "spacy": None, "pyzmq": None})

    (finding,) = check_environment(installation.inspected)

    assert finding.verdict == "problem"
    assert finding.text.endswith(": pyzmq, spacy")


def test_another_version_than_installed_is_a_warning(installation: FakeInstallation):
    installation.says("importlib.metadata", {**VERSIONS, "clipcrop-desktop": "1.0.0"})

    (finding,) = check_environment(installation.inspected)

    assert finding.verdict == "warning"
    assert finding.text == "ClipCrop 1.0.0 is in it, but 1.2.3 was installed"


def test_a_complete_installation_is_ok(installation: FakeInstallation):
    (finding,) = check_completeness(installation.inspected)

    assert finding.verdict == "ok"


def test_an_interrupted_installation_is_a_problem(installation: FakeInstallation):
    item = ManifestEntry(kind="file", path="/x", step="plug-in for Krita in /x")
    installation.manifest.begin([item])

    (finding,) = check_completeness(installation.inspected)

    assert finding.text == "the last installation was interrupted at: plug-in for Krita in /x"


def test_an_interrupted_download_is_no_interrupted_installation(installation: FakeInstallation):
    installation.manifest.begin([ManifestEntry(kind="tree", path="/models/owlvit", step="models")])

    (finding,) = check_completeness(installation.inspected)

    assert (finding.verdict, finding.text) == ("warning", "a download of weights was interrupted")
    assert "`remove` ends it" in finding.advice


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param({}, "owlvit: PyTorch 2.13.0 on the processor", id="processor"),
        pytest.param(
            {"cuda_build": "12.8", "devices": ["NVIDIA A", "NVIDIA B"]},
            "owlvit: PyTorch 2.13.0 on NVIDIA A, NVIDIA B",
            id="cuda",
        ),
        pytest.param({"has_mps": True}, "owlvit: PyTorch 2.13.0 on this Mac's", id="mac"),
    ],
)
def test_the_device_is_told(found: dict[str, object], text: str, installation: FakeInstallation):
    installation.says("import torch", {**DEVICE, **found})

    (finding,) = check_device(installation.inspected)

    assert finding.verdict == "ok"
    assert finding.text.startswith(text)


def test_an_environment_without_pytorch_has_the_light_engine(installation: FakeInstallation):
    installation.says("importlib.metadata", {**VERSIONS, "torch": None, "transformers": None})
    installation.says("import torch", None)

    (environment,) = check_environment(installation.inspected)
    (engine,) = check_device(installation.inspected)

    assert (environment.verdict, engine.verdict) == ("ok", "ok")
    assert "torch" not in environment.text
    assert engine.text.startswith("light: ")
    assert "pip install 'clipcrop-desktop[owlvit]'" in engine.text


def test_a_private_environment_is_changed_by_an_upgrade(installation: FakeInstallation):
    python = installation.inspected.places.environments / "1.2.3-x" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    installation.python = python
    installation.says("import torch", None)

    (engine,) = check_device(installation.inspected)

    assert engine.text.endswith("python3 installer upgrade --engine owlvit")


def test_half_of_pytorch_is_a_problem(installation: FakeInstallation):
    installation.says("importlib.metadata", {**VERSIONS, "transformers": None})

    (finding,) = check_environment(installation.inspected)

    assert (finding.verdict, "transformers" in finding.text) == ("problem", True)


@pytest.mark.parametrize("ours", ["1.2.3", None])
def test_a_namesake_in_the_environment_is_a_problem(
    installation: FakeInstallation, ours: str | None
):
    installation.says(
        "importlib.metadata", {**VERSIONS, "clipcrop": "2.5.0", "clipcrop-desktop": ours}
    )

    (finding,) = check_environment(installation.inspected)

    assert finding.verdict == "problem"
    assert "clipcrop 2.5.0" in finding.text
    assert "pip uninstall clipcrop" in finding.advice


@pytest.fixture
def with_driver(installation: FakeInstallation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has NVIDIA's driver."""
    monkeypatch.setattr("clipcrop_installer.doctor_checks.has_nvidia_driver", lambda machine: True)


@pytest.mark.usefixtures("with_driver")
def test_a_build_for_the_processor_beside_a_driver_is_a_warning(installation: FakeInstallation):
    (finding,) = check_device(installation.inspected)

    assert finding.verdict == "warning"
    assert finding.advice == "run install with --torch cuda"


@pytest.mark.usefixtures("with_driver")
def test_a_device_that_pytorch_does_not_see_is_a_warning(installation: FakeInstallation):
    reason = "The NVIDIA driver on your system is too old (found version 11040)."
    installation.says("import torch", {**DEVICE, "cuda_build": "12.8", "warnings": [reason]})

    (finding,) = check_device(installation.inspected)

    assert finding.verdict == "warning"
    assert finding.text.endswith(f"CUDA 12.8 sees no NVIDIA device: {reason}")


def test_a_pytorch_that_cannot_be_loaded_is_a_problem(installation: FakeInstallation):
    installation.answers["import torch"] = (1, ["OSError: libtorch.so: file too short"])

    (finding,) = check_device(installation.inspected)

    assert finding.verdict == "problem"
    assert "file too short" in finding.text


def test_without_an_environment_there_is_no_device_to_look_at(installation: FakeInstallation):
    installation.python.unlink()

    assert check_device(installation.inspected) == []
