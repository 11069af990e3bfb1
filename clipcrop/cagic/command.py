"""``clipcrop suggest --method cagic``: its options, its progress, its pictures.

Nothing heavy is imported before the search begins.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EmptyPrompt, InputError
from ..extras import require_extra
from .options import STAND_IN, CagicOptions

if TYPE_CHECKING:
    from ..constraints import Constraints
    from ..imaging.images import LoadedImage
    from ..suggestions import Suggestions
    from .cropper import Cagic, SearchResult
    from .optimise import SearchProgress

logger = logging.getLogger(__name__)

METHOD = "cagic"

_OWN = ("steps", "restarts", "seed", "aesthetic_weight", "batch_size")
_NETWORKS = ("captioner", "aesthetics", "path_picture")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only this method understands; all of it is None unless given."""
    default = CagicOptions()
    group = parser.add_argument_group(
        "--method cagic",
        "searches crops by gradient descent through a captioner and an aesthetic network;\n"
        "takes seconds to minutes, and Ctrl-C gives the best until then",
    )
    group.add_argument("--steps", type=int, help=f"of the search ({default.steps})")
    group.add_argument("--restarts", type=int, help=f"crops that search ({default.restarts})")
    group.add_argument(
        "--seed", type=int, help=f"the same seed gives the same crops ({default.seed})"
    )
    group.add_argument(
        "--aesthetic-weight",
        type=float,
        metavar="LAMBDA",
        help=f"what looks count beside the description ({default.aesthetic_weight:g})",
    )
    group.add_argument(
        "--batch-size",
        type=int,
        help=f"crops that the networks see at once ({default.batch_size}); fewer need less memory",
    )
    group.add_argument(
        "--captioner",
        help=f"auto (blip when its weights are here, else {STAND_IN}), blip, {STAND_IN} (the "
        "text scores of --model), or a folder with a captioner of transformers",
    )
    group.add_argument(
        "--aesthetics",
        help=f"auto (a head in the models folder, else {STAND_IN}), {STAND_IN} (the composition "
        "score), or the file of a LAION aesthetic head",
    )
    group.add_argument(
        "--path-picture",
        type=Path,
        metavar="FILE",
        help="draw how the crop was found, and the losses, into this picture",
    )


def check_options(options: argparse.Namespace, prompt: str) -> None:
    """Refuse what does not go together, before anything is loaded.

    Raises:
        InputError: An option of another method, a number that cannot be searched with, a picture
            that cannot be written.
        EmptyPrompt: There is nothing to search for.
    """
    if options.method != METHOD:
        for name in (*_OWN, *_NETWORKS):
            if getattr(options, name) is not None:
                raise InputError(
                    f"{_option(name)} is understood by --method {METHOD} only; add that, or leave "
                    "it out"
                )
        return
    given = {
        "--daemon": options.daemon,
        "--exclude": options.exclude,
        "--query-image": options.query_image,
        "--grounding": options.grounding != "default",
    }
    for name, is_given in given.items():
        if is_given:
            raise InputError(f"no {name} beside --method {METHOD}; leave out one of the two")
    require_extra("owlvit", f"--method {METHOD}")
    if not prompt.strip():
        raise EmptyPrompt(f'--method {METHOD} needs a prompt; say what to keep: "the dog"')
    _search_options(options)
    if options.path_picture is not None:
        from ..imaging.contact_sheet import sheet_format

        sheet_format(options.path_picture)


@contextlib.contextmanager
def searcher(
    options: argparse.Namespace,
    prompt: str,
    constraints: Constraints,
    say: Callable[[str], None],
) -> Iterator[Callable[[LoadedImage], tuple[Suggestions, float]]]:
    """Load the networks; inside the block, photos can be asked about.

    Args:
        options: That `check_options` has let through.
        prompt: What to keep.
        constraints: Aspect ratio and minimum size.
        say: Tells a person a line.

    Yields:
        A function of a photo; beside its suggestions, the seconds that looking at it took, which
        for this method are part of the search.
    """
    from .cropper import Cagic

    cagic = Cagic.load(
        "auto" if options.captioner is None else options.captioner,
        "auto" if options.aesthetics is None else options.aesthetics,
        model=options.model,
        device=options.device,
        options=_search_options(options),
    )
    pictures = picture_names(options.path_picture)
    was_stopped = False

    def ask(image: LoadedImage) -> tuple[Suggestions, float]:
        nonlocal was_stopped
        if was_stopped:  # there were more photos
            raise KeyboardInterrupt
        found = _search(cagic, image, prompt, constraints)
        was_stopped = found.optimum.is_stopped
        if was_stopped:
            done = len(found.optimum.path_losses)
            say(f"stopped after {done} of {cagic.options.steps} steps: this is the best until then")
        if options.path_picture is not None:
            from ..imaging.path_picture import write_path_picture

            path = next(pictures)
            title = f"{prompt}: {cagic.name}"
            write_path_picture(image.rgb, title, found.optimum, path, overwrite=options.overwrite)
            say(f"path picture: {path}")
        return cagic.suggestions(found, image, constraints, options.count), 0.0

    yield ask


def _search(
    cagic: Cagic, image: LoadedImage, prompt: str, constraints: Constraints
) -> SearchResult:
    """Search, with a progress bar on a terminal."""
    from tqdm import tqdm

    with tqdm(
        total=cagic.options.steps, unit="step", file=sys.stderr, leave=False, disable=None
    ) as bar:

        def show(progress: SearchProgress) -> None:
            x0, y0, x1, y1 = progress.crop_xyxy
            left, top = round(x0 * image.width_px), round(y0 * image.height_px)
            width, height = round((x1 - x0) * image.width_px), round((y1 - y0) * image.height_px)
            crop = f"{width} x {height} px at ({left}, {top})"
            bar.set_postfix_str(f"loss {progress.loss:.3f}, {crop}", refresh=False)
            bar.update()
            logger.debug("cagic.step step=%d loss=%.4f crop=%r", progress.step, progress.loss, crop)

        return cagic.search(image, prompt, constraints, on_step=show)


def _search_options(options: argparse.Namespace) -> CagicOptions:
    given = {name: getattr(options, name) for name in _OWN}
    return CagicOptions(**{name: value for name, value in given.items() if value is not None})


def picture_names(path: Path | None) -> Iterator[Path]:
    """The file, then the file with -2, -3, ... before its suffix, for further photos."""
    number = 1
    while path is not None:
        yield path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        number += 1


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
