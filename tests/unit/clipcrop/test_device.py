from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from clipcrop.device import choose_device, memory_errors_named
from clipcrop.errors import DeviceError, OutOfMemory


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")


def test_auto_chooses_a_device_that_can_be_used() -> None:
    device = choose_device("auto")

    assert torch.ones(2, device=device).sum().item() == 2


@pytest.mark.parametrize("name", ["", "gpu", "CPU", "cpu:0", "cuda:", "cuda:-1", "cuda:x", "mps:1"])
def test_a_name_that_is_none_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(DeviceError, match="choose auto, cpu, cuda, cuda:N or mps"):
        choose_device(name)


def test_a_cuda_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceError, match="no CUDA device"):
        choose_device("cuda:999")


@pytest.mark.gpu
def test_a_cuda_device_that_is_there_is_chosen() -> None:
    assert choose_device("auto").type == "cuda"
    assert choose_device("cuda:0") == torch.device("cuda:0")


def exhaust_main_memory() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


def exhaust_python() -> None:
    bytearray(1 << 62)


def exhaust_cuda() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def exhaust_cuda_in_a_library() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def exhaust_mps() -> None:
    raise RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, max allowed: 18.1 GB)")


def exhaust_main_memory_with_a_file() -> None:
    raise RuntimeError("unable to mmap 9 bytes from file </w>: Cannot allocate memory (12)")


def exhaust_main_memory_of_windows() -> None:
    raise OSError("The paging file is too small for this operation to complete. (os error 1455)")


@pytest.mark.parametrize(
    ("exhaust", "device", "message"),
    [
        pytest.param(exhaust_main_memory_with_a_file, "cuda:0", "on cpu; ", id="mapped file"),
        pytest.param(exhaust_main_memory_of_windows, "cuda:0", "on cpu; ", id="paging file"),
        pytest.param(exhaust_cuda, "cuda:0", "on cuda:0; .* choose the cpu", id="cuda"),
        pytest.param(exhaust_cuda_in_a_library, "cuda:0", "on cuda:0; .* choose", id="cublas"),
        pytest.param(exhaust_mps, "mps", "on mps; .* choose the cpu", id="mps"),
        pytest.param(exhaust_main_memory, "cpu", "on cpu; .* choose a smaller model", id="cpu"),
        pytest.param(exhaust_python, "cpu", "on cpu; .* choose a smaller model", id="python"),
        pytest.param(
            exhaust_main_memory, "cuda:0", "on cpu; .* choose", id="cpu, working for cuda"
        ),
    ],
)
def test_running_out_of_memory_says_where_and_what_to_do(
    exhaust: Callable[[], None], device: str, message: str
):
    with (
        pytest.raises(OutOfMemory, match=f"out of memory {message}"),
        memory_errors_named(torch.device(device)),
    ):
        exhaust()


def test_an_error_that_has_its_name_already_keeps_it():
    with pytest.raises(OutOfMemory, match="cuda:1"), memory_errors_named(torch.device("cpu")):
        raise OutOfMemory("out of memory on cuda:1")


@pytest.mark.parametrize(
    "error", [KeyError("other"), RuntimeError("other"), OSError("other")], ids=repr
)
def test_other_errors_pass_through_unchanged(error: Exception):
    with pytest.raises(type(error)) as caught, memory_errors_named(torch.device("cpu")):
        raise error

    assert caught.value is error
