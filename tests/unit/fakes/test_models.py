from __future__ import annotations

import numpy as np
import pytest

from ragstone.fakes.models import HashingEmbedder, WordTokenizer

pytestmark = pytest.mark.anyio


async def test_vectors_have_unit_length_and_are_the_same_every_time() -> None:
    texts = ["red fox", "", "漢字 🙂"]
    vectors = await HashingEmbedder().embed_passages(texts)
    assert vectors.shape == (3, 64)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert np.array_equal(vectors, await HashingEmbedder().embed_queries(texts))


async def test_texts_that_share_words_are_nearer_than_texts_that_do_not() -> None:
    fox, foxes, ship = await HashingEmbedder().embed_passages(["the red fox runs", "a red fox", "steam ship"])
    assert fox @ foxes > fox @ ship + 0.2


async def test_no_texts_have_no_vectors() -> None:
    assert (await HashingEmbedder(dimension=8).embed_passages([])).shape == (0, 8)


def test_words_and_marks_are_counted() -> None:
    assert WordTokenizer().count(["Red fox, runs.", ""]) == [5, 0]
