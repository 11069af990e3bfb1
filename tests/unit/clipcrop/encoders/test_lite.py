"""The lite encoder: what holds for any photo, and what the embedded weights know."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcrop.arrays import FloatArray
from clipcrop.boxes import cxcywh_to_xyxy, iou
from clipcrop.encoders.lite import EMBEDDED_WORDS, LiteEncoder
from clipcrop.encoders.lite_colours import COLOURS
from clipcrop.encoders.lite_words import FIRST_KIND, NUM_CONCEPTS, PERSON
from clipcrop.prompt.parser import Text
from clipcrop.weights.registry import EMBEDDED_LITE

floats = partial(np.array, dtype=np.float32)


@pytest.fixture(scope="module")
def embedded() -> LiteEncoder:
    """The encoder as users have it."""
    return LiteEncoder.load()


def made_image(width_px: int, height_px: int) -> Image.Image:
    """A picture with some structure: colours that run across and down."""
    across = Image.linear_gradient("L").rotate(90).resize((width_px, height_px))
    down = Image.linear_gradient("L").resize((width_px, height_px))
    return Image.merge("RGB", (across, down, Image.new("L", (width_px, height_px), 90)))


@pytest.mark.parametrize(
    ("size_px", "num_cells"),
    [
        pytest.param((640, 640), 200 + 26 * 26 + 13 * 13, id="square"),
        pytest.param((900, 300), 200 + 26 * 10 + 13 * 5, id="3:1, padded to 160 rows"),
        pytest.param((1, 10_000), 2 * 26 + 13 + 200, id="1 x 10000"),
        pytest.param((1, 1), 200 + 26 * 26 + 13 * 13, id="one pixel"),
    ],
)
def test_tokens_of_any_shape_of_image(
    embedded: LiteEncoder, size_px: tuple[int, int], num_cells: int
):
    tokens = embedded.encode_images([made_image(*size_px)])

    num_tokens = tokens.mask.shape[1]
    assert num_tokens > num_cells  # scenery follows
    assert not tokens.objectness[:, num_cells:].any()

    assert {name: tuple(value.shape) for name, value in tokens.parts().items()} == {
        "tokens": (1, num_tokens, 256),
        "class_embeddings": (1, num_tokens, NUM_CONCEPTS),
        "initial_boxes_cxcywh": (1, num_tokens, 4),
        "objectness": (1, num_tokens),
        "mask": (1, num_tokens),
        "attributes": (1, num_tokens, len(COLOURS)),
    }
    assert all(np.isfinite(value).all() for value in tokens.parts().values())
    corners = cxcywh_to_xyxy(tokens.initial_boxes_cxcywh)
    assert corners.min() >= -1e-5
    assert corners.max() <= 1 + 1e-5
    assert tokens.mask.any()


def test_a_batch_gives_what_its_images_give_one_by_one(embedded: LiteEncoder):
    images = [made_image(300, 200), made_image(100, 300), made_image(300, 200)]

    batch = embedded.encode_images(images)

    for number, image in enumerate(images):
        single = embedded.encode_images([image])
        count = single.mask.shape[1]
        assert not batch.mask[number, count:].any()
        for name, value in single.parts().items():
            assert np.array_equal(getattr(batch, name)[number, :count], value[0]), name


def test_tokens_in_padding_are_masked(embedded: LiteEncoder):
    tokens = embedded.encode_images([made_image(416, 200)])  # padded to 224 rows

    first = 200 + 14 * 26
    coarse = tokens.mask[0, first : first + 7 * 13].reshape(7, 13)
    # The last row of stride 32 spans 192..224 px; its centre, 208, lies below the image.
    assert coarse[:6].all()
    assert not coarse[6].any()


def test_scores_are_between_nothing_and_one(embedded: LiteEncoder, samples: Path):
    tokens = embedded.encode_images([Image.open(samples / "chelsea.jpg").convert("RGB")])
    texts = [Text("cat", "cat"), Text("animal", "animal"), Text("tabby cat", "cat", ("tabby",))]

    scores = tokens.scores(embedded.encode_texts(texts))

    assert scores.min() >= 0
    assert scores.max() <= 1.001


def a_person(looks: float) -> FloatArray:
    """[E] of a person with so much of each kind."""
    embedding = np.zeros(NUM_CONCEPTS, np.float32)
    embedding[PERSON], embedding[FIRST_KIND:] = 0.8, 0.8 * looks
    return embedding


def test_a_person_of_other_looks_is_taken_for_any(embedded: LiteEncoder):
    assert embedded.taken_for(Text("the woman", "woman"), a_person(0.2)) == "any person"
    assert embedded.taken_for(Text("the dog", "dog"), a_person(0.2)) is None


@pytest.mark.parametrize(
    ("head", "anyone"),
    [
        *[("rider", "any person"), ("batter", "any person"), ("chef", "any person")],
        *[("bride", "any woman"), ("grandfather", "any man"), ("schoolgirl", "any girl")],
    ],
)
def test_a_role_is_taken_for_any_person_or_any_of_a_kind(
    embedded: LiteEncoder, head: str, anyone: str
):
    assert embedded.taken_for(Text(f"the {head}", head), a_person(0.9)) == anyone


@pytest.mark.parametrize("head", ["woman", "person", "people", "dog", "pitcher", "qwrtzy", ""])
def test_what_is_found_as_itself_is_not_taken_for_another(embedded: LiteEncoder, head: str):
    assert embedded.taken_for(Text(head, head), a_person(0.9)) is None


def test_an_unknown_text_is_a_zero_row(embedded: LiteEncoder):
    embeddings = embedded.encode_texts([Text("dog", "dog"), Text("qwrtzy", "qwrtzy")])

    assert embeddings[0].sum() > 0
    assert not embeddings[1].any()


@pytest.mark.parametrize(
    ("photo", "text", "box_xyxy"),
    [
        pytest.param("chelsea.jpg", "cat", (0.1, 0.0, 1.0, 1.0), id="the cat"),
        pytest.param("astronaut.jpg", "woman", (0.0, 0.0, 0.85, 1.0), id="the astronaut"),
        pytest.param("coffee.jpg", "cup", (0.2, 0.1, 0.8, 0.8), id="the cup"),
    ],
)
def test_the_embedded_weights_find_what_the_samples_show(
    embedded: LiteEncoder, samples: Path, photo: str, text: str, box_xyxy: tuple[float, ...]
):
    tokens = embedded.encode_images([Image.open(samples / photo).convert("RGB")])

    scores = tokens.scores(embedded.encode_texts([Text(text, text)]))[0, 0]

    found = cxcywh_to_xyxy(tokens.initial_boxes_cxcywh[0, scores.argmax()])
    assert scores.max() > embedded.min_score
    assert iou(found[None], floats([box_xyxy])) > 0.5


def test_parts_show_where_a_small_thing_is_in_the_whole(embedded: LiteEncoder, samples: Path):
    with Image.open(samples / "chelsea.jpg") as photo:
        cat = photo.convert("RGB").resize((120, 80))
    image = Image.new("RGB", (1200, 800), "grey")
    image.paste(cat, (900, 600))

    parts = embedded.encode_parts(image)

    scores = parts.scores(embedded.encode_texts([Text("cat", "cat")]))[0, 0]
    found = cxcywh_to_xyxy(parts.initial_boxes_cxcywh[0, scores.argmax()])
    assert iou(found[None], floats([(0.75, 0.75, 0.85, 0.85)])) > 0.5
    assert (found > 0.7).all()


def test_what_a_part_cuts_off_is_not_found_in_it(embedded: LiteEncoder, samples: Path):
    with Image.open(samples / "chelsea.jpg") as photo:
        parts = embedded.encode_parts(photo.convert("RGB"))

    boxes = cxcywh_to_xyxy(parts.initial_boxes_cxcywh[0, parts.mask[0]])
    # Each part holds three fifths of a side: nothing in it spans the middle and an edge of it.
    is_long = (boxes[:, :2] < 0.4) & (boxes[:, 2:] > 0.6)
    assert not is_long.any()


def test_a_colour_tells_two_of_a_kind_apart(embedded: LiteEncoder, samples: Path):
    with Image.open(samples / "chelsea.jpg") as photo:
        cat = photo.convert("RGB")
    grey = cat.convert("L").convert("RGB")
    both = Image.new("RGB", (2 * cat.width, cat.height))
    both.paste(grey, (0, 0))
    both.paste(cat, (cat.width, 0))
    tokens = embedded.encode_images([both])

    scores = tokens.scores(
        embedded.encode_texts(
            [Text("grey cat", "cat", ("grey",)), Text("orange cat", "cat", ("orange",))]
        )
    )[0]

    centres = tokens.initial_boxes_cxcywh[0, scores.argmax(axis=1), 0]
    assert centres[0] < 0.5 < centres[1]


def test_an_example_image_finds_its_like(embedded: LiteEncoder, samples: Path):
    cat = Image.open(samples / "chelsea.jpg").convert("RGB")
    smaller = cat.crop((60, 0, cat.width, cat.height)).resize((200, 160))
    query = embedded.encode_image_query(smaller)

    on_cat = embedded.encode_images([cat]).scores(query).max()
    rocket = Image.open(samples / "rocket.jpg").convert("RGB")
    on_rocket = embedded.encode_images([rocket]).scores(query).max()

    assert query.shape == (1, NUM_CONCEPTS + len(COLOURS))
    assert on_cat > 0.5
    assert on_rocket < 0.5 * on_cat


def test_what_is_embedded_stays_within_its_budget():
    assert EMBEDDED_LITE.stat().st_size + EMBEDDED_WORDS.stat().st_size <= 25_000_000


def test_only_people_have_a_kind_and_never_more_of_it_than_they_are_people(
    embedded: LiteEncoder, samples: Path
):
    tokens = embedded.encode_images([Image.open(samples / "astronaut.jpg").convert("RGB")])

    person = tokens.class_embeddings[0, :, PERSON]
    kinds = tokens.class_embeddings[0, :, FIRST_KIND:]
    assert kinds[person.argmax()].all()
    assert (kinds <= person[:, None]).all()
    assert not kinds[person < 0.01].any()
