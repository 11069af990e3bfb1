"""Selecting tokens for the decoder: the same as grounding does in the paper's way, for batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from clipcrop.decoder.conditioning import (
    Condition,
    condition,
    condition_of,
    grounding_variant,
    stack_texts,
    texts_for,
)
from clipcrop.decoder.tensor_boxes import cxcywh_to_xyxy
from clipcrop.encoders.tensors import TokenTensors
from clipcrop.grounding import GroundingOptions, ground
from clipcrop.prompt.parser import Prompt, Text

WHOLE = Text("the dog and the ball", is_whole_prompt=True)
PROMPT = Prompt("the dog and the ball", (WHOLE, Text("dog"), Text("ball")))


def made_tokens(batch: int = 1, count: int = 9, seed: int = 0, **changes: Tensor) -> TokenTensors:
    """Random tokens with text space of 5 numbers."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(batch, count, 4, generator=generator) * 0.6 + 0.1
    return TokenTensors(
        tokens=torch.randn(batch, count, 3, generator=generator),
        class_embeddings=torch.rand(batch, count, 5, generator=generator) / 5,
        initial_boxes_cxcywh=boxes,
        objectness=torch.ones(batch, count),
        mask=torch.ones(batch, count, dtype=torch.bool),
    )._replace(**changes)


def item(tokens: TokenTensors, image: int) -> TokenTensors:
    parts = {name: value[image : image + 1] for name, value in tokens.parts().items()}
    return TokenTensors(**parts)


def one_hot_tokens() -> TokenTensors:
    """Three tokens, each like the text of its number: left, middle, right third of the image."""
    thirds = torch.tensor(
        [[1 / 6, 0.5, 1 / 3, 1.0], [0.5, 0.5, 1 / 3, 1.0], [5 / 6, 0.5, 1 / 3, 1]]
    )
    return made_tokens(
        count=3,
        tokens=torch.tensor([[[1.0, 0, 0], [0, 2.0, 0], [0, 0, 4.0]]]),
        class_embeddings=torch.eye(5)[None, :3],
        initial_boxes_cxcywh=thirds[None],
    )


def rows(*numbers: int) -> Tensor:
    """[1, W, 5] the texts of these numbers; -1 is a text that the encoder does not know."""
    known = [torch.eye(5)[number] if number >= 0 else torch.zeros(5) for number in numbers]
    return torch.stack(known)[None]


def box_of(found: Condition) -> list[float]:
    return cxcywh_to_xyxy(found.union_box_cxcywh)[0].tolist()


@pytest.mark.parametrize("variant", ["main", "key", "full"])
@pytest.mark.parametrize("seed", range(5))
def test_a_batch_selects_what_grounding_in_the_papers_way_selects(variant: Any, seed: int):
    tokens = made_tokens(batch=3, seed=seed)
    tokens.mask[1, 4:] = False
    texts = torch.rand(3, 3, 5, generator=torch.Generator().manual_seed(seed + 100))
    texts[2, 1] = 0  # unknown
    chosen = [PROMPT.texts.index(text) for text in texts_for(PROMPT, variant)]

    together = condition(tokens, texts[:, chosen])

    for image in range(3):
        options = GroundingOptions.paper(grounding_variant(variant))
        found = ground(item(tokens, image).arrays(), texts[image].numpy(), PROMPT, options)
        expected = condition_of(item(tokens, image), found)
        torch.testing.assert_close(together.selected_mean[[image]], expected.selected_mean)
        torch.testing.assert_close(together.union_box_cxcywh[[image]], expected.union_box_cxcywh)
        assert bool(together.is_found[image])


def test_mean_and_union_by_hand():
    found = condition(one_hot_tokens(), rows(0, 1))

    assert found.selected_mean.tolist() == [[0.5, 1.0, 0.0]]
    assert box_of(found) == pytest.approx([0, 0, 2 / 3, 1])


def test_a_token_that_two_texts_select_counts_twice_in_the_mean():
    found = condition(one_hot_tokens(), rows(0, 0, 1, -1))

    torch.testing.assert_close(found.selected_mean, torch.tensor([[2 / 3, 2 / 3, 0.0]]))


def test_an_example_image_selects_like_a_text():
    example = rows(2)  # the encoder's image query is a row like any text's

    found = condition(one_hot_tokens(), example)

    assert found.selected_mean.tolist() == [[0.0, 0.0, 4.0]]


def test_texts_that_fill_up_a_batch_select_nothing():
    tokens = made_tokens(batch=2)
    first, second = torch.rand(1, 5), torch.rand(3, 5)

    together = condition(tokens, stack_texts([first, second]))

    for image, texts in enumerate((first, second)):
        alone = condition(item(tokens, image), texts[None])
        torch.testing.assert_close(together.selected_mean[[image]], alone.selected_mean)
        torch.testing.assert_close(together.union_box_cxcywh[[image]], alone.union_box_cxcywh)


@pytest.mark.parametrize(
    ("tokens", "texts"),
    [
        pytest.param(one_hot_tokens(), rows(-1), id="unknown texts"),
        pytest.param(one_hot_tokens(), torch.zeros(1, 0, 5), id="no texts"),
        pytest.param(
            one_hot_tokens()._replace(mask=torch.zeros(1, 3, dtype=torch.bool)),
            rows(0),
            id="no tokens",
        ),
    ],
)
def test_nothing_selected_is_the_whole_image_and_says_so(tokens: TokenTensors, texts: Tensor):
    found = condition(tokens, texts)

    assert found.is_found.tolist() == [False]
    assert found.selected_mean.tolist() == [[0.0, 0.0, 0.0]]
    assert box_of(found) == [0, 0, 1, 1]


def test_grounding_that_found_nothing_is_the_whole_image_and_says_so():
    tokens = one_hot_tokens()
    grounding = ground(tokens.arrays(), torch.zeros(3, 5).numpy(), PROMPT)

    found = condition_of(tokens, grounding)

    assert found.is_found.tolist() == [False]
    assert box_of(found) == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("stage", "texts", "expected"),
    [
        # Token 0, the left third, does not count. Text 3 is like no token, so the first of equals.
        pytest.param("selected", rows(0, 1), [1 / 3, 0, 2 / 3, 1], id="a dropped box is no part"),
        pytest.param("selected", rows(0), [1 / 3, 0, 2 / 3, 1], id="nothing left selects again"),
        pytest.param(
            "tokens", rows(0, 2), [1 / 3, 0, 1, 1], id="every text selects an allowed one"
        ),
        pytest.param("selected", rows(0, 2), [2 / 3, 0, 1, 1], id="only what was selected is left"),
    ],
)
def test_a_filter_leaves_boxes_out(stage: Any, texts: Tensor, expected: list[float]):
    is_allowed = torch.tensor([[False, True, True]])

    found = condition(one_hot_tokens(), texts, is_allowed, stage)

    assert box_of(found) == pytest.approx(expected)


@pytest.mark.parametrize("stage", ["selected", "tokens"])
def test_a_filter_that_allows_nothing_finds_nothing(stage: Any):
    found = condition(one_hot_tokens(), rows(0), torch.zeros(1, 3, dtype=torch.bool), stage)

    assert found.is_found.tolist() == [False]


def test_gradients_reach_the_selected_tokens_and_no_others():
    tokens = one_hot_tokens()
    tokens.tokens.requires_grad_()

    condition(tokens, rows(0, 2)).selected_mean.sum().backward()

    assert tokens.tokens.grad is not None
    assert tokens.tokens.grad[0, :, 0].tolist() == [0.5, 0.0, 0.5]


def test_texts_of_each_variant():
    assert texts_for(PROMPT, "base") == ()
    assert texts_for(PROMPT, "main") == (WHOLE,)
    assert [text.text for text in texts_for(PROMPT, "key")] == ["dog", "ball"]
    assert texts_for(PROMPT, "full") == PROMPT.texts


def test_a_prompt_without_keywords_selects_by_itself_in_the_variant_of_keywords():
    assert texts_for(Prompt("zorb", (WHOLE,)), "key") == (WHOLE,)


def test_scores_of_texts_of_their_own_are_those_of_each_image_alone():
    attributes = torch.rand(2, 9, 2, generator=torch.Generator().manual_seed(5))
    tokens = made_tokens(batch=2, attributes=attributes)
    texts = torch.rand(2, 3, 7, generator=torch.Generator().manual_seed(6))
    texts[0, 0, 5:] = 0  # nothing asked for

    scores = tokens.scores(texts)

    for image in range(2):
        torch.testing.assert_close(
            scores[[image]], item(tokens, image).scores(texts[image]), rtol=1e-5, atol=1e-6
        )


def test_scores_of_tensors_are_those_of_arrays():
    draw = torch.Generator().manual_seed(7)
    texts = torch.rand(2, 3, 7, generator=draw)
    tokens = made_tokens(
        batch=2,
        attributes=torch.rand(2, 9, 2, generator=draw),
        logit_shift=torch.randn(2, 9, generator=draw),
        logit_scale=torch.rand(2, 9, generator=draw) * 5,
    )
    tokens.mask[0, 3:] = False

    in_numpy = tokens.arrays().scores(texts.numpy())

    torch.testing.assert_close(tokens.scores(texts), torch.from_numpy(in_numpy))
