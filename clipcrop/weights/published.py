"""What the hub has of each model: files, sizes and hashes, as far as they are known beforehand.

Of OWLv2 (base, ensemble) the whole commit is known. Several public projects that use it write down
the same size and hash of its weights, and one of them every file of the commit, from the hub's own
metadata; sizes add up to the total that another one gives.

Of OWL-ViT the commit is pinned (several public projects name the same one), and its content was not
to be had where this was written. The first download takes sizes and hashes from what the hub says
of that commit, checks what arrives against them, and writes them down beside the weights, for every
later check and every later download of that commit (`files.Record`). So the first one trusts the
hub and the connection to it; a commit's name alone proves nothing of a file. Its weights
seem to be there as a pickle only; that is converted (`conversion`). Pull requests of the hub's
converter, which transformers would take instead, are not pinned and can be pushed by anybody.

The other models have no pinned commit, since no two sources were found that name the same. Who
wants one names the commit; from then on it is as with OWL-ViT.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..checkpoint import CONFIG_FILE, HUB_MODELS, WEIGHTS_FILE, HubModel
from ..errors import InputError

PICKLE = "pytorch_model.bin"

LICENCE = "Apache-2.0"
"""Of all of them, by their model cards."""

TOKENIZER_EXTRAS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
WANTED = (
    CONFIG_FILE,
    WEIGHTS_FILE,
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    *TOKENIZER_EXTRAS,
)
"""What a tower reads, of what a commit has. All else stays there."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of a commit, and how to know it."""

    name: str

    size_bytes: int

    sha256: str = ""
    """Empty where only the other one is known."""

    git_sha1: str = ""
    """Git's own hash of its content, which the hub has for small files."""


_OWLV2_BASE = (
    PublishedFile(
        CONFIG_FILE, 414, "ba9df8c25a4b8461887dd0a93d9252c9cd84697fe8d49a9d8794ce409af9acb2"
    ),
    PublishedFile(
        WEIGHTS_FILE,
        619_918_824,
        "e1e130b9e404cf91a75ad45644c1da9d7fa5284085eecc864266a6923efb99e7",
    ),
    PublishedFile(
        "vocab.json",
        1_059_962,
        "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349",
    ),
    PublishedFile(
        "merges.txt",
        524_619,
        "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
    ),
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
        "added_tokens.json",
        67,
        "e5dc0da35d20111e8ff3fdfc03682beca23d5f94ed74331bce81786b2636a24f",
    ),
)

_PINNED = {"cfd3195ba4ea9592eec887ded089f4c08eff231d": _OWLV2_BASE}
"""Commit -> its wanted files."""


def pinned_files(model: HubModel) -> tuple[PublishedFile, ...]:
    """The files of a model's commit; none where they are not known beforehand."""
    return _PINNED.get(model.revision or "", ())


def find_model(name: str) -> tuple[str, HubModel]:
    """A name -> the one that its folder has, and the published model.

    Raises:
        InputError: there is nothing to download under that name.
    """
    if name == "lite":
        raise InputError("lite comes with the package; there is nothing to download or remove")
    model = HUB_MODELS.get(name)
    if model is None:
        raise InputError(f"no such model: {name[:80]!r}; choose one of {', '.join(HUB_MODELS)}")
    folder_name = next(other for other, same in HUB_MODELS.items() if same is model)
    return folder_name, model
