from __future__ import annotations

from pathlib import Path

import pytest

from clipcrop.errors import CheckpointError
from clipcrop.weights.registry import EMBEDDED_LITE, ENCODERS, MODEL_NAMES
from clipcrop_daemon.model_names import (
    check_weights,
    find_model,
    list_models,
    wire_name,
)
from clipcrop_wire.errors import InvalidRequest, Unavailable


@pytest.mark.parametrize(
    ("name", "setting", "model"),
    [
        pytest.param("lite", "auto", "lite", id="a name"),
        pytest.param("auto", "auto", "lite", id="auto without other weights"),
        pytest.param("auto", "owlv2", "owlv2", id="auto is the setting"),
        pytest.param("owlvit-base-patch32", "auto", "owlvit", id="second name of the same weights"),
        pytest.param("auto", "owlvit-base-patch32", "owlvit", id="second name in the setting"),
        pytest.param("lite", "/weights/mine", "lite", id="a name beside a folder"),
        pytest.param("auto", "/weights/mine", "/weights/mine", id="auto is a folder"),
        pytest.param("local-mine", "/weights/mine", "/weights/mine", id="the folder's name"),
    ],
)
def test_a_clients_name_stands_for_one_model(name: str, setting: str, model: str):
    assert find_model(name, setting) == model


def test_a_path_is_no_name_even_where_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidRequest, match=f"'weights'; choose {', '.join(MODEL_NAMES)}"):
        find_model("weights", "auto")


def test_the_choices_name_the_setting_without_its_path():
    with pytest.raises(InvalidRequest, match=r"local-mine$") as caught:
        find_model("other", "/weights/mine")

    assert "/weights" not in str(caught.value)


@pytest.mark.parametrize(
    "model",
    [*MODEL_NAMES, "", "/", "/weights/with space", "/weights/ümlaut", "C:\\w", "/x/" + "long" * 99],
    ids=lambda model: model[:20],
)
def test_every_model_has_a_name_that_the_wire_takes(model: str):
    from clipcrop_wire.messages import WarmRequest

    assert WarmRequest(wire_name(model)).model == wire_name(model)


def test_weights_that_are_not_here_are_told_with_what_to_do():
    with pytest.raises(CheckpointError, match="clipcrop models download owlv2"):
        check_weights("owlv2")


def test_a_setting_of_no_use_is_not_the_clients_mistake():
    with pytest.raises(Unavailable, match="'model'"):
        check_weights("/no/such/folder")


def test_all_models_are_listed_with_what_is_known_of_them():
    reply = list_models("auto", ["lite"])

    models = {model.name: model for model in reply.models}
    assert set(models) == {wire_name(name) for name in ("lite", *ENCODERS)}
    assert reply.default == "lite"
    assert (models["lite"].is_available, models["lite"].is_loaded) == (True, True)
    assert models["lite"].num_bytes == EMBEDDED_LITE.stat().st_size
    assert (models["owlv2"].is_available, models["owlv2"].is_loaded) == (False, False)


def test_a_folder_of_the_setting_is_listed_and_is_the_default():
    reply = list_models(str(EMBEDDED_LITE), [])

    assert reply.default == reply.models[-1].name == "local-lite.onnx"
    assert reply.models[-1].is_available


def test_models_are_listed_although_the_setting_is_wrong():
    reply = list_models("/no/such/folder", [])

    assert reply.default == "local-folder"
    assert reply.models[0].name == "lite"
