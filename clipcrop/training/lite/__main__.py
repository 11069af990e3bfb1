"""``python -m clipcrop.training.lite``: make the lite encoder's weights.

    cache   views through the frozen trunk and the teacher, into shards (55 ms a view on one core)
    train   the pyramid and the heads on the shards; may run while `cache` is still making them
    scene-cache    photos with masks and faces, as the trained network sees them, into shards
    scene-train    the scene head on these shards: scenery, rooms, faces
    scene-queries  masks of the photos kept from that -> a file for `clipcrop evaluate grounding`
    people-cache   people in photos, as the trained network sees them, into shards
    people-train   what tells men, women and children apart
    people-queries people labelled by eye in kept photos -> a file for `clipcrop evaluate grounding`
    export  the checkpoints -> lite.onnx
    calibrate  how often a match is right, on photos not trained on -> lite_calibration.json
    words   the table word -> concepts -> lite_words.safetensors
    queries annotated boxes -> a file for `clipcrop evaluate grounding`

Every command can be stopped and called again: it goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ClipCropError

if TYPE_CHECKING:
    from .people import Labels

PEOPLE_BY_EYE = Path(__file__).with_name("people_by_eye.jsonl")
"""What people look like, man, woman, boy, girl or child: our own labels of photos of the data."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clipcrop.training.lite", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)

    from .shards import VIEWS_PER_SHARD
    from .train import TrainConfig

    cache = commands.add_parser("cache", help="make shards")
    cache.add_argument("data", type=Path, help="folder with photos, boxes and the teacher")
    cache.add_argument("--shards", type=Path, required=True, help="folder for the shards")
    cache.add_argument("--num-shards", type=int, default=51, help="how many to make")
    cache.add_argument(
        "--views-per-shard", type=int, default=VIEWS_PER_SHARD, help="how many views in each"
    )
    cache.add_argument("--seed", type=int, default=0, help="of the views")
    cache.set_defaults(run=_cache)

    train = commands.add_parser("train", help="train on the shards")
    train.add_argument("data", type=Path, help="folder with boxes_train.jsonl and photos")
    train.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    train.add_argument("--run", dest="run_folder", type=Path, required=True, help="for checkpoints")
    train.add_argument("--measure-every", type=int, default=10, help="blocks between measurements")
    for field in dataclasses.fields(TrainConfig):
        option = "--" + field.name.replace("_", "-")
        train.add_argument(
            option,
            type=type(field.default),
            default=field.default,
            help=f"default: {field.default}; see TrainConfig",
        )
    train.set_defaults(run=_train)

    scene_cache = commands.add_parser("scene-cache", help="make shards for the scene head")
    scene_cache.add_argument("data", type=Path, help="folder with photos, masks, faces, teachers")
    scene_cache.add_argument("--network", type=Path, required=True, help="checkpoint.pt of `train`")
    scene_cache.add_argument("--shards", type=Path, required=True, help="folder for the shards")
    scene_cache.add_argument(
        "--rounds", type=int, default=2, help="views of each photo with a mask"
    )
    scene_cache.set_defaults(run=_scene_cache)

    from .scene_train import SceneConfig

    scene_train = commands.add_parser("scene-train", help="train the scene head on its shards")
    scene_train.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    scene_train.add_argument(
        "--run", dest="run_folder", type=Path, required=True, help="for checkpoints"
    )
    for field in dataclasses.fields(SceneConfig):
        option = "--" + field.name.replace("_", "-")
        scene_train.add_argument(
            option, type=type(field.default), default=field.default, help="see SceneConfig"
        )
    scene_train.set_defaults(run=_scene_train)

    from . import scene_measure

    ask_scene = commands.add_parser("scene-queries", help="masks -> queries to evaluate on")
    scene_measure.add_arguments(ask_scene)
    ask_scene.set_defaults(run=scene_measure.run)

    _add_people(commands)

    export = commands.add_parser("export", help="write the weights of a checkpoint")
    export.add_argument("checkpoint", type=Path, help="checkpoint.pt of `train`")
    export.add_argument("scene", type=Path, help="scene.pt of `scene-train`")
    export.add_argument("people", type=Path, help="people.pt of `people-train`")
    export.add_argument("--output", type=Path, default=None, help="default: the package's own")
    export.set_defaults(run=_export)

    from . import calibrate, queries, words

    ask = commands.add_parser("queries", help="annotated boxes -> queries to evaluate on")
    queries.add_arguments(ask)
    ask.set_defaults(run=queries.run)

    measure = commands.add_parser("calibrate", help="measure how often a match is right")
    calibrate.add_arguments(measure)
    measure.set_defaults(run=calibrate.run)

    table = commands.add_parser("words", help="make the table word -> concepts")
    words.add_arguments(table)
    table.set_defaults(run=words.run)

    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except ClipCropError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _add_people(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    people_cache = commands.add_parser("people-cache", help="make shards of people")
    people_cache.add_argument(
        "--network", type=Path, required=True, help="checkpoint.pt of `train`"
    )
    people_cache.add_argument("--scene", type=Path, required=True, help="scene.pt of `scene-train`")
    people_cache.set_defaults(run=_people_cache)
    people_train = commands.add_parser("people-train", help="fit what tells people apart")
    people_train.set_defaults(run=_people_train)
    ask_people = commands.add_parser(
        "people-queries", help="labels by eye -> queries to evaluate on"
    )
    ask_people.set_defaults(run=_people_queries)
    for command in (people_cache, people_train, ask_people):
        command.add_argument("data", type=Path, help="folder with photos, captions and faces")
        command.add_argument(
            "--labels", type=Path, default=PEOPLE_BY_EYE, help="people labelled by eye; ours here"
        )
    for command in (people_cache, people_train):
        command.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    for command in (people_train, ask_people):
        command.add_argument("--output", type=Path, required=True, help="file to write")


def _cache(options: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    from .network import Classifier, Trunk, channels_last
    from .photos import load_pool
    from .shards import make_shard
    from .teacher import Teacher
    from .trunk import load_published, published_weights

    torch.set_num_threads(1)
    pool = load_pool(options.data)
    trunk = channels_last(Trunk()).eval()
    load_published(trunk, Classifier(), published_weights())
    teacher = Teacher(options.data / "teachers" / "yolox_nano.onnx")
    options.shards.mkdir(parents=True, exist_ok=True)
    for index in tqdm(range(options.num_shards), unit="shard"):
        make_shard(
            pool,
            trunk,
            teacher,
            options.shards,
            index,
            options.seed,
            options.views_per_shard,
        )


def _train(options: argparse.Namespace) -> None:
    import json

    import torch

    from .development import DevPhotos
    from .train import TrainConfig, train
    from .trunk import load_published, published_weights

    torch.set_num_threads(1)
    names = list(json.loads((options.data / "concept_names.json").read_text())["coco"])
    config = TrainConfig(
        **{field.name: getattr(options, field.name) for field in dataclasses.fields(TrainConfig)}
    )
    train(
        config,
        options.shards,
        options.run_folder,
        measure=DevPhotos(options.data, names).measure,
        measure_every=options.measure_every,
        start=lambda network: load_published(
            network.trunk, network.classifier, published_weights()
        ),
    )


def _scene_cache(options: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    from .export import load_average
    from .network import LiteNetwork, fold_norms
    from .scene_photos import MaskTeacher, list_photos
    from .scene_shards import FrozenFeatures, make_scene_shard, plan_shards

    torch.set_num_threads(1)
    training, _ = list_photos(options.data)
    network = LiteNetwork()
    load_average(options.network, network)
    fold_norms(network)
    features = FrozenFeatures(network)
    teacher = MaskTeacher(options.data / "teachers" / "mosaic_r4_uint8.tflite")
    shards = plan_shards(training, options.rounds)
    for index, photos in enumerate(tqdm(shards, unit="shard")):
        make_scene_shard(options.data, photos, features, teacher, options.shards, index)


def _scene_train(options: argparse.Namespace) -> None:
    import torch

    from .scene_train import SceneConfig, train_scene

    torch.set_num_threads(1)
    config = SceneConfig(
        **{field.name: getattr(options, field.name) for field in dataclasses.fields(SceneConfig)}
    )
    train_scene(config, options.shards, options.run_folder)


def _people_cache(options: argparse.Namespace) -> None:
    import torch

    from .people import PeopleFinder, cache

    torch.set_num_threads(1)
    finder = PeopleFinder(options.network, options.scene)
    cache(options.data, finder, _labels(options).images(), options.shards)


def _people_train(options: argparse.Namespace) -> None:
    import torch

    from .people import train

    torch.set_num_threads(1)
    people, report = train(_labels(options), options.shards)
    torch.save({"average": people.state_dict(), "config": {}}, options.output)
    for name, value in report.items():
        print(f"{name}: {value:.3f}")


def _people_queries(options: argparse.Namespace) -> None:
    import json

    from .people import queries

    lines = [json.dumps(query) + "\n" for query in queries(_labels(options))]
    options.output.write_text("".join(lines), encoding="utf-8")


def _labels(options: argparse.Namespace) -> Labels:
    from .people import Labels

    return Labels(options.data, options.labels)


def _export(options: argparse.Namespace) -> None:
    from ...weights.registry import EMBEDDED_LITE
    from .export import export

    output = options.output or EMBEDDED_LITE
    export(options.checkpoint, options.scene, options.people, output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
