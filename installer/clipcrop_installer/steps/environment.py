"""A private environment with ClipCrop in it, beside that of an older version until it stands."""

from __future__ import annotations

from pathlib import Path

from ..disk import size_of
from ..engine import LIGHT, OWLVIT, Engine, how_to_change
from ..environment import Recipe, ensure, is_ready
from ..files import missing_folders
from ..manifest import KEPT_ON_FAILURE, Manifest, ManifestEntry
from ..plan import Context, Step
from ..programs import PACKAGES_NEEDED, Environment
from .self_test import crop_sample

STEP_NAME = "environment"

_KEPT = {KEPT_ON_FAILURE: True}


class MakeEnvironment(Step):
    """Makes it, and lets it make a crop: only then it stands."""

    name = STEP_NAME
    is_needed = True

    def __init__(self, recipe: Recipe, environment: Environment, engine: Engine) -> None:
        self._recipe = recipe
        self._environment = environment
        self._engine = engine

    def describe(self) -> list[str]:
        """Where, with which engine, and what that takes."""
        recipe, engine = self._recipe, self._engine
        if is_ready(recipe):
            return ["use the environment that is there", str(recipe.folder)]
        lines = [
            "make a private environment with ClipCrop in it (some minutes of downloads)",
            str(recipe.folder),
            f"engine {engine.name}: {engine.reason}; "
            f"--engine {OWLVIT if engine.name == LIGHT else LIGHT} is the other one",
            str(engine.cost),
        ]
        if engine.fallback_cost:
            fetch_gb = engine.fallback_cost.fetch_mb / 1000
            lines.append(
                "where PyTorch's own index cannot be reached, the usual one: "
                f"{fetch_gb:.1f} GB to fetch, {engine.fallback_cost.disk_gb:.1f} GB on the disk"
            )
        return lines

    def items(self, context: Context, manifest: Manifest) -> list[ManifestEntry]:
        """Its folder, downloads, pip's log; and older environments, which stay until the end."""
        recipe = self._recipe
        folders = missing_folders(recipe.folder.parent, context, manifest)
        new = [ManifestEntry(kind="folder", path=str(one), step=STEP_NAME) for one in folders]
        if recipe.cache is not None and not is_ready(recipe):
            path = str(recipe.cache)
            new.append(ManifestEntry(kind="tree", path=path, step=STEP_NAME, details=_KEPT))
        new.append(ManifestEntry(kind="tree", path=str(recipe.folder), step=STEP_NAME))
        new.append(ManifestEntry(kind="trace", path=str(recipe.log), step=STEP_NAME, details=_KEPT))
        keys = {item.key for item in new}
        return [*(one for one in manifest.of_step(STEP_NAME) if one.key not in keys), *new]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Make it unless it stands.

        Raises:
            InstallError: it cannot be made, or makes no crop.
        """
        recipe = self._recipe
        for item in self.items(context, manifest):
            if item.kind == "folder":
                context.disk.make_folder(Path(item.path), 0o700)
        if not is_ready(recipe):
            context.disk.remove_tree(recipe.folder)  # half made by a run that was killed
            ensure(recipe, context.say, context.run, is_live=context.is_live)
        self._environment.packages(PACKAGES_NEEDED, context)
        crop_sample(self._environment, context, through_daemon=False)
        engine, size_gb = self._engine, size_of(recipe.folder) / 1e9
        advice = how_to_change(engine.name == OWLVIT, is_private=True)
        return [
            f"engine {engine.name}: {size_gb:.1f} GB on the disk, about "
            f"{engine.cost.memory_gb:.1f} GB of memory while the model is loaded; to change it: "
            f"{advice}"
        ]
