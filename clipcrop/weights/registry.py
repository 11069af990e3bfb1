"""The encoders: their families, their names, and where the weights of each come from.

Sizes and hashes of OWLv2 (base, ensemble) were confirmed by several public projects that use it;
those of OWL-ViT's weights, vocabulary and merges by two. OWL-ViT's small files have one source: a
difference there is logged as a warning and recorded beside the weights (`files.Record`).

The other models have no pinned commit, since no two sources name the same. They need ``--revision
COMMIT`` at the first download; what arrives is compared with what the hub says of that commit, and
recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InputError

Kind = Literal["lite", "owlvit", "owlv2", "blip", "clip"]

EMBEDDED_LITE = Path(__file__).parents[1] / "encoders" / "lite.onnx"


@dataclass(frozen=True, kw_only=True)
class Family:
    """What is known of a kind of encoder without loading one."""

    description: str
    """For people who choose a model, in a few words."""

    needs_torch: bool
    """Otherwise it is small, needs no extra, and runs on the processor only."""

    embedded: Path | None = None
    """The file in the package with the weights of the model that is named after the family."""


FAMILIES: dict[Kind, Family] = {
    "lite": Family(
        description="small, works offline",
        needs_torch=False,
        embedded=EMBEDDED_LITE,
    ),
    "owlvit": Family(description="OWL-ViT", needs_torch=True),
    "owlv2": Family(description="OWLv2", needs_torch=True),
}

EMBEDDED: dict[str, Kind] = {kind: kind for kind, one in FAMILIES.items() if one.embedded}
"""Each model that comes with the package -> its family, whose name it has."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
PICKLE = "pytorch_model.bin"
"""Never loaded by an encoder; converted once (`files.convert_pickle`)."""

TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"))
"""Either of these sets is a whole tokenizer."""

TOKENIZER_EXTRAS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
WANTED = (
    CONFIG_FILE,
    WEIGHTS_FILE,
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    *TOKENIZER_EXTRAS,
)
"""What an encoder reads, of all that a commit has."""

LICENCE = "Apache-2.0"
"""Of all encoders, by their model cards."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of a commit, and how to know it."""

    name: str

    size_bytes: int

    sha256: str = ""
    """Empty where only the other hash is known."""

    git_sha1: str = ""
    """Git's own hash of its content, which the hub has for small files."""


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """A model on the Hugging Face hub."""

    name: str
    """Also of its folder in the models folder."""

    kind: Kind
    """The family, which decides the preprocessing and the heads."""

    repository: str

    revision: str | None = None
    """The commit to download; None where none is pinned."""

    aliases: tuple[str, ...] = ()

    files: tuple[PublishedFile, ...] = ()
    """Of the pinned commit, those that are used; none where they are not known."""

    unconfirmed: frozenset[str] = frozenset()
    """Names of the files whose hash has one source only; a difference there is a warning."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name, then the aliases."""
        return (self.name, *self.aliases)

    @property
    def size_bytes(self) -> int:
        """Of a download; 0 where it is not known."""
        return sum(one.size_bytes for one in self.files)


_VOCABULARY = (
    PublishedFile(
        "vocab.json", 1_059_962, "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"
    ),
    PublishedFile(
        "merges.txt", 524_619, "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"
    ),
)

_OWLVIT_FILES = (
    PublishedFile(
        CONFIG_FILE, 4_418, "b5934e0d2933194b8a85f93674e577feaa1a1ba2dc1d143b2d5e5305ff7a9d7c"
    ),
    PublishedFile(
        WEIGHTS_FILE,
        612_983_940,
        "4dbe0399f0b7d7c8dddf1535a98769cc30743bebc877aea681998c8d984ce52b",
    ),
    *_VOCABULARY,
    PublishedFile(
        "tokenizer_config.json",
        775,
        "da35aceebeda2adf44094a5867940b09379323b9390fa9197b57044e106bfb6e",
    ),
    PublishedFile(
        "special_tokens_map.json",
        460,
        "f118ab3a983206e4f32583448de6bd6aae4ee21869135cef1f5848a753cdaab6",
    ),
)

_OWLV2_FILES = (
    PublishedFile(
        CONFIG_FILE, 414, "ba9df8c25a4b8461887dd0a93d9252c9cd84697fe8d49a9d8794ce409af9acb2"
    ),
    PublishedFile(
        WEIGHTS_FILE,
        619_918_824,
        "e1e130b9e404cf91a75ad45644c1da9d7fa5284085eecc864266a6923efb99e7",
    ),
    *_VOCABULARY,
    PublishedFile(
        "tokenizer_config.json",
        1_100,
        "b55cda6198e152ded427c8a9b3faf1cccf27a7fa080697a62f6ff143f511f44f",
    ),
    PublishedFile(
        "special_tokens_map.json",
        121,
        "d6e2b9cf664efbad2d22998b8d3da986abcbeed3e0825ad33605c9401f9cf73e",
    ),
    PublishedFile(
        "added_tokens.json", 67, "e5dc0da35d20111e8ff3fdfc03682beca23d5f94ed74331bce81786b2636a24f"
    ),
)


def _unpinned(name: str, kind: Kind) -> PublishedModel:
    return PublishedModel(name=name, kind=kind, repository=f"google/{name}")


_ENCODERS = (
    PublishedModel(
        name="owlvit",
        aliases=("owlvit-base-patch32",),
        kind="owlvit",
        repository="google/owlvit-base-patch32",
        revision="cbc355fb364588351c5d51c7f74465e8e7ec6f72",
        files=_OWLVIT_FILES,
        unconfirmed=frozenset({CONFIG_FILE, "tokenizer_config.json", "special_tokens_map.json"}),
    ),
    _unpinned("owlvit-base-patch16", "owlvit"),
    _unpinned("owlvit-large-patch14", "owlvit"),
    PublishedModel(
        name="owlv2",
        aliases=("owlv2-base-patch16-ensemble",),
        kind="owlv2",
        repository="google/owlv2-base-patch16-ensemble",
        revision="cfd3195ba4ea9592eec887ded089f4c08eff231d",
        files=_OWLV2_FILES,
    ),
    _unpinned("owlv2-base-patch16", "owlv2"),
    _unpinned("owlv2-large-patch14-ensemble", "owlv2"),
    _unpinned("owlv2-large-patch14", "owlv2"),
)

ENCODERS = {name: model for model in _ENCODERS for name in model.names}
"""Each name and alias -> the published encoder."""

MODEL_NAMES = ("auto", *EMBEDDED, *ENCODERS)
"""All that a model can be called, besides a path."""

BLIP = PublishedModel(
    name="blip",
    kind="blip",
    repository="Salesforce/blip-image-captioning-base",
    revision="82a37760796d32b1411fe092ab5d4e227313294b",
)
"""Captions photos; BSD-3-Clause."""

CLIP = PublishedModel(
    name="clip-vit-large-patch14",
    kind="clip",
    repository="openai/clip-vit-large-patch14",
    revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
)
"""What LAION's aesthetic heads judge by."""


def find_encoder(name: str) -> PublishedModel:
    """The published encoder of a name or alias.

    Raises:
        InputError: There is nothing to download under that name.
    """
    if name in EMBEDDED:
        raise InputError(f"{name} comes with the package; there is nothing to download or remove")
    if name not in ENCODERS:
        raise InputError(f"no such model: {name[:80]!r}; choose one of {', '.join(ENCODERS)}")
    return ENCODERS[name]
