"""Models come, move and go. Accelerators are simulated: a name, and room for so many models."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest

from clipcrop.errors import CheckpointError, DeviceError, OutOfMemory
from clipcrop_daemon.model_pool import ModelPool, Resident, choose_device, release_memory
from clipcrop_wire.errors import Cancelled

NOTE = "not enough memory on cuda:0; the CPU was used"


class FakeModel:
    """Takes the room of one model for as long as anything refers to it."""

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device = name, device


class FakeMachine:
    """Loads models as long as there is room on the device."""

    def __init__(self, **room: int) -> None:
        self._room = {"cuda:0": 9, "cpu": 9} | {
            name.replace("_", ":"): count for name, count in room.items()
        }
        self._models: weakref.WeakSet[FakeModel] = weakref.WeakSet()
        self.loads: list[tuple[str, str]] = []
        self.living_at_load: set[str] = set()
        self.forgotten: list[str] = []
        self.num_released = 0

    def load(self, name: str, device: str) -> FakeModel:
        self.loads.append((name, device))
        self.living_at_load = self.living("cuda:0") | self.living("cpu")
        if len(self.living(device)) >= self._room[device]:
            raise OutOfMemory(f"out of memory on {device}")
        model = FakeModel(name, device)
        self._models.add(model)
        return model

    def release(self) -> None:
        gc.collect()
        self.num_released += 1

    def living(self, device: str) -> set[str]:
        return {model.name for model in self._models if model.device == device}

    def model_pool(self, device: str = "cuda:0") -> ModelPool:
        return ModelPool(
            self.load, lambda setting, model: setting, device, self.forgotten.append, self.release
        )


def silent(text: str) -> None:
    """Nobody listens."""


def names(model_pool: ModelPool) -> list[str]:
    return [resident.name for resident in model_pool.residents]


def failing(
    error: Exception, devices: tuple[str, ...], times: int = 99
) -> Callable[[Resident], str]:
    """Work that fails so often on these devices, and says where it was done."""
    left = [times]

    def work(resident: Resident) -> str:
        if resident.device in devices and left[0]:
            left[0] -= 1
            raise type(error)(*error.args)  # a new one: this one would keep its frames
        return resident.device

    return work


def test_nothing_is_loaded_before_it_is_needed_and_then_once():
    machine = FakeMachine()
    model_pool = machine.model_pool()
    assert model_pool.residents == ()

    first = model_pool.get("lite", silent)
    second = model_pool.get("lite", silent)

    assert second is first
    assert (first.name, first.device, first.notes) == ("lite", "cuda:0", ())
    assert machine.loads == [("lite", "cuda:0")]


def test_loading_is_announced_and_what_is_loaded_is_not():
    model_pool, said = FakeMachine().model_pool(), []

    model_pool.get("lite", said.append)
    model_pool.get("lite", said.append)

    assert said == ["loading lite on cuda:0"]


def test_a_third_model_takes_the_place_of_the_one_not_used_longest():
    machine = FakeMachine(cuda_0=2)  # so the old one must go before the new one comes
    model_pool = machine.model_pool()
    model_pool.get("lite", silent)
    model_pool.get("owlvit", silent)
    model_pool.get("lite", silent)

    model_pool.get("owlv2", silent)

    assert names(model_pool) == ["lite", "owlv2"]
    assert machine.living("cuda:0") == {"lite", "owlv2"}
    assert machine.forgotten == ["owlvit"]
    assert ("owlv2", "cpu") not in machine.loads


def test_the_others_go_when_there_is_no_room_for_one_more():
    machine = FakeMachine(cuda_0=1)
    model_pool = machine.model_pool()
    model_pool.get("lite", silent)

    resident = model_pool.get("owlvit", silent)

    assert (resident.device, resident.notes) == ("cuda:0", ())
    assert names(model_pool) == ["owlvit"]
    assert machine.forgotten == ["owlvit", "lite"]  # owlvit had seen nothing yet
    assert machine.num_released


def test_a_model_without_room_goes_to_the_cpu_and_says_so():
    machine = FakeMachine(cuda_0=0)
    model_pool, said = machine.model_pool(), []

    resident = model_pool.get("lite", said.append)

    assert (resident.device, resident.notes) == ("cpu", (NOTE,))
    assert len(NOTE) <= 200
    assert machine.loads == [("lite", "cuda:0"), ("lite", "cuda:0"), ("lite", "cpu")]
    assert said[-1] == "loading lite on cpu"


def test_it_stays_there_with_its_note_until_it_is_unloaded():
    machine = FakeMachine(cuda_0=0)
    model_pool = machine.model_pool()
    model_pool.get("lite", silent)

    again = model_pool.get("lite", silent)
    model_pool.get("owlvit", silent)
    model_pool.get("owlv2", silent)  # each of these made room, so lite is gone
    machine.loads.clear()
    model_pool.get("lite", silent)

    assert (again.device, again.notes) == ("cpu", (NOTE,))
    assert machine.loads[0] == ("lite", "cuda:0")


@pytest.mark.parametrize(
    "error", [OutOfMemory("out of memory on cuda:0"), MemoryError()], ids=["device", "python"]
)
def test_work_that_runs_out_of_memory_is_done_again_alone(error: Exception):
    machine = FakeMachine()
    model_pool = machine.model_pool()
    model_pool.get("owlvit", silent)
    model_pool.get("lite", silent)

    device, resident = model_pool.run("lite", silent, failing(error, ("cuda:0",), times=1))

    assert (device, resident.device, resident.notes) == ("cuda:0", "cuda:0", ())
    assert names(model_pool) == ["lite"]
    assert machine.forgotten == ["lite", "owlvit"]  # what it had seen takes room there, too
    assert machine.loads.count(("lite", "cuda:0")) == 1


def test_work_that_has_no_room_even_alone_is_done_on_the_cpu():
    machine = FakeMachine()
    model_pool = machine.model_pool()

    work = failing(OutOfMemory("out of memory on cuda:0"), ("cuda:0",))
    device, resident = model_pool.run("lite", silent, work)

    assert (device, resident.device, resident.notes) == ("cpu", "cpu", (NOTE,))
    assert machine.living_at_load == set()  # two copies may be more than there is room for
    assert model_pool.residents == (resident,)


def test_what_failed_work_held_is_free_when_it_is_begun_again():
    scratch: list[weakref.ref[FakeModel]] = []
    still_there: list[bool] = []

    def work(resident: Resident) -> None:
        still_there.extend(one() is not None for one in scratch)
        tensor = FakeModel("scratch", resident.device)
        tensor.itself = tensor  # a cycle: it goes only when garbage is collected
        scratch.append(weakref.ref(tensor))
        if len(scratch) < 3:
            raise OutOfMemory("out of memory")

    FakeMachine().model_pool().run("lite", silent, work)

    assert still_there == [False, False, False]


def test_a_full_cpu_is_tried_twice_and_then_told():
    machine = FakeMachine(cpu=0)
    model_pool = machine.model_pool("cpu")

    with pytest.raises(OutOfMemory, match="out of memory on cpu"):
        model_pool.get("lite", silent)

    assert machine.loads == [("lite", "cpu")] * 2
    assert model_pool.residents == ()


def test_the_others_go_when_the_cpu_is_full():
    machine = FakeMachine(cpu=1)
    model_pool = machine.model_pool("cpu")
    model_pool.get("lite", silent)

    resident = model_pool.get("owlvit", silent)

    assert (resident.device, resident.notes) == ("cpu", ())
    assert names(model_pool) == ["owlvit"]


def test_memory_that_is_full_everywhere_is_told_with_a_sentence():
    model_pool = FakeMachine().model_pool()

    with pytest.raises(OutOfMemory, match="out of memory; close other programs"):
        model_pool.run("lite", silent, failing(MemoryError("os error 12"), ("cuda:0", "cpu")))


def test_a_cancel_before_loading_changes_nothing():
    machine = FakeMachine()
    model_pool = machine.model_pool()
    model_pool.get("lite", silent)
    model_pool.get("owlvit", silent)

    def cancel(text: str) -> None:
        raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        model_pool.get("owlv2", cancel)

    assert names(model_pool) == ["lite", "owlvit"]
    assert ("owlv2", "cuda:0") not in machine.loads


def test_a_cancel_within_work_leaves_the_model_loaded():
    model_pool = FakeMachine().model_pool()

    with pytest.raises(Cancelled):
        model_pool.run("lite", silent, failing(Cancelled("cancelled"), ("cuda:0",)))

    assert names(model_pool) == ["lite"]


def test_other_errors_in_loading_pass_and_are_not_tried_again():
    loads = []

    def load(name: str, device: str) -> FakeModel:
        loads.append(name)
        raise CheckpointError("damaged weights")

    with pytest.raises(CheckpointError):
        ModelPool(load, lambda setting, model: setting, "cpu").get("lite", silent)

    assert loads == ["lite"]


def test_a_folder_of_weights_is_named_without_its_path():
    machine = FakeMachine()

    resident = machine.model_pool().get("/home/someone/my weights", silent)

    assert resident.name == "local-my-weights"
    assert machine.loads == [("/home/someone/my weights", "cuda:0")]


def test_the_devices_of_this_machine_are_chosen_by_their_setting():
    assert choose_device("cpu", "owlvit") == "cpu"
    with pytest.raises(DeviceError, match="no CUDA device"):
        choose_device("cuda:999", "owlvit")


def test_the_embedded_model_runs_on_the_processor_whatever_the_setting():
    assert [choose_device(setting, "lite") for setting in ("auto", "cuda:1")] == ["cpu", "cpu"]


def test_releasing_memory_frees_what_only_refers_to_itself():
    model = FakeModel("lite", "cpu")
    model.itself = model
    reference = weakref.ref(model)
    del model

    release_memory()

    assert reference() is None
