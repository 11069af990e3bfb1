from __future__ import annotations

import pytest
import torch

from clipcrop.device import choose_device, memory_errors_named
from clipcrop.errors import DeviceError


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


def test_running_out_of_memory_says_where_and_what_to_do() -> None:
    with (
        pytest.raises(DeviceError, match=r"out of memory on cpu; .* choose the cpu"),
        memory_errors_named(torch.device("cpu")),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def test_other_errors_pass_through_unchanged() -> None:
    with pytest.raises(KeyError, match="other"), memory_errors_named(torch.device("cpu")):
        raise KeyError("other")
