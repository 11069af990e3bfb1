from __future__ import annotations

import pytest
from fake_machine import fake_machine

from clipcrop_installer.engine import COSTS, CPU_INDEX, Engine, choose_engine
from clipcrop_installer.errors import InstallError

DRIVER = "/proc/driver/nvidia/version"


@pytest.mark.parametrize(
    ("platform", "path", "variables"),
    [
        pytest.param("linux", DRIVER, {}, id="the driver's own file"),
        pytest.param("linux", "/usr/lib64/libcuda.so.1", {}, id="its library"),
        pytest.param("linux", "/usr/lib/wsl/lib/libcuda.so.1", {}, id="in Windows' Linux"),
        pytest.param("linux", "/opt/nv/nvidia-smi", {"PATH": "/bin:/opt/nv"}, id="its program"),
        pytest.param("win32", r"C:\Windows\System32\nvcuda.dll", {}, id="Windows"),
        pytest.param("win32", r"C:\nv\nvidia-smi.exe", {"PATH": r"C:\x;C:\nv"}, id="on its path"),
    ],
)
def test_where_a_driver_is_pytorch_is_there_for_cuda(
    platform: str, path: str, variables: dict[str, str]
):
    engine = choose_engine(fake_machine(platform, path, variables=variables))

    assert (engine.name, engine.extras, engine.torch) == ("owlvit", ("owlvit",), ("torch",))
    assert (engine.reason, engine.cost) == ("there is an NVIDIA driver", COSTS["cuda"])


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_where_none_is_it_is_light(platform: str):
    engine = choose_engine(fake_machine(platform))

    assert engine == Engine("light", "there is no NVIDIA driver", COSTS["light"])


def test_weights_that_need_pytorch_keep_it():
    engine = choose_engine(fake_machine("linux"), has_weights=True)

    assert (engine.name, engine.cost) == ("owlvit", COSTS["cpu"])


@pytest.mark.parametrize(("wanted", "extras"), [("light", ()), ("owlvit", ("owlvit",))])
@pytest.mark.parametrize("has_driver", [False, True])
def test_the_user_may_say_which(wanted: str, extras: tuple[str, ...], has_driver: bool):
    machine = fake_machine("linux", *([DRIVER] if has_driver else []))

    engine = choose_engine(machine, wanted, has_weights=has_driver)

    assert (engine.name, engine.extras, engine.reason) == (wanted, extras, "as you said")


def test_a_pytorch_that_is_named_is_installed():
    assert choose_engine(fake_machine("linux"), torch="cpu").name == "owlvit"
    assert choose_engine(fake_machine("linux"), "light", torch="cpu").torch == ()


def test_on_linux_that_of_the_processor_comes_from_pytorchs_own_index():
    engine = choose_engine(fake_machine("linux"), "owlvit")

    assert engine.torch[0] == "torch"
    assert engine.torch[engine.torch.index("--index-url") + 1] == CPU_INDEX
    assert (engine.fallback, engine.fallback_cost) == (("torch",), COSTS["cuda"])


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_the_usual_index_has_it(platform: str):
    engine = choose_engine(fake_machine(platform), "owlvit")

    assert (engine.torch, engine.fallback) == (("torch",), ())


@pytest.mark.parametrize(
    ("torch", "requirement"), [("cpu", "torch"), ("cuda", "torch"), ("torch==2.9", "torch==2.9")]
)
def test_the_user_may_say_from_where(torch: str, requirement: str):
    machine = fake_machine("linux", DRIVER)

    engine = choose_engine(machine, torch=torch, index="http://x/cpu")
    usual = choose_engine(machine, torch=torch, index="usual")

    assert engine.torch == (requirement, "--index-url", "http://x/cpu")
    assert usual.torch == (requirement,)
    assert (engine.fallback, usual.fallback) == ((), ())


@pytest.mark.parametrize("wanted", ["tensorflow", "torchvision", "torch foo", "", "gpu"])
def test_what_is_no_pytorch_is_refused(wanted: str):
    with pytest.raises(InstallError, match=r"no such PyTorch: .*; say auto, cpu, cuda, or"):
        choose_engine(fake_machine("linux"), torch=wanted)


def test_the_environment_may_name_the_index():
    machine = fake_machine("linux", variables={"CLIPCROP_TORCH_INDEX": "http://mine"})

    assert "http://mine" in choose_engine(machine, "owlvit").torch
    assert "http://other" in choose_engine(machine, "owlvit", index="http://other").torch


def test_the_cost_is_told_in_megabytes_and_gigabytes():
    assert "140 MB" in str(COSTS["light"])
    assert "2.9 GB" in str(COSTS["cuda"])
