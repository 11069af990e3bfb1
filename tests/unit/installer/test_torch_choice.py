from __future__ import annotations

import pytest
from fake_machine import fake_machine

from clipcrop_installer.errors import InstallError
from clipcrop_installer.torch_choice import CPU_BYTES, CUDA_BYTES, choose_torch


@pytest.mark.parametrize(
    ("platform", "path", "variables"),
    [
        pytest.param("linux", "/proc/driver/nvidia/version", {}, id="the driver's own file"),
        pytest.param("linux", "/usr/lib64/libcuda.so.1", {}, id="its library"),
        pytest.param("linux", "/usr/lib/wsl/lib/libcuda.so.1", {}, id="in Windows' Linux"),
        pytest.param("linux", "/opt/nv/nvidia-smi", {"PATH": "/bin:/opt/nv"}, id="its program"),
        pytest.param("win32", r"C:\Windows\System32\nvcuda.dll", {}, id="Windows"),
        pytest.param("win32", r"C:\nv\nvidia-smi.exe", {"PATH": r"C:\x;C:\nv"}, id="on its path"),
    ],
)
def test_where_a_driver_is_pytorch_is_for_cuda(platform: str, path: str, variables: dict[str, str]):
    choice = choose_torch(fake_machine(platform, path, variables=variables))

    assert choice.reason.startswith("for CUDA: there is an NVIDIA driver")
    assert choice.needed_bytes == CUDA_BYTES


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_where_none_is_it_is_for_the_cpu(platform: str):
    choice = choose_torch(fake_machine(platform))

    assert choice.reason.startswith("for the CPU: there is no NVIDIA driver")
    assert (choice.arguments, choice.needed_bytes) == (("torch",), CPU_BYTES)


@pytest.mark.parametrize(
    ("wanted", "arguments"),
    [
        pytest.param("cpu", ("torch", "--index-url", "http://x/cpu"), id="cpu"),
        pytest.param("cuda", ("torch", "--index-url", "http://x/cpu"), id="cuda"),
        pytest.param("torch==2.9", ("torch==2.9", "--index-url", "http://x/cpu"), id="a version"),
    ],
)
def test_the_user_may_say_which_and_from_where(wanted: str, arguments: tuple[str, ...]):
    machine = fake_machine("linux", "/proc/driver/nvidia/version")

    choice = choose_torch(machine, wanted, "http://x/cpu")

    assert choice.arguments == arguments
    assert "as you said" in choice.reason


@pytest.mark.parametrize("wanted", ["tensorflow", "torchvision", "torch foo", "", "gpu"])
def test_what_is_no_pytorch_is_refused(wanted: str):
    with pytest.raises(InstallError, match=r"no such PyTorch: .*; say auto, cpu, cuda, or"):
        choose_torch(fake_machine("linux"), wanted)


def test_the_environment_may_name_the_index():
    machine = fake_machine("linux", variables={"CLIPCROP_TORCH_INDEX": "http://mine"})

    assert choose_torch(machine).index == "http://mine"
    assert choose_torch(machine, index="http://other").index == "http://other"
