from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ragstone.errors import ModelError
from ragstone.models.minilm.artifact import GRAPH, TOKENIZER, WEIGHTS
from ragstone.models.minilm.embedder import MiniLM

# Cosine similarities by the original 32-bit weights.
KNOWN_PAIRS = [
    ("A man is playing a guitar.", "Someone plays an instrument.", 0.667),
    ("How do I reset my password?", "Steps to change a forgotten password", 0.810),
    ("The cat sits on the mat.", "Quarterly revenue rose by 12 percent.", -0.008),
    ("PostgreSQL stores its data on disk.", "Where does the database keep its files?", 0.596),
    ("Kubernetes scales pods with load.", "The horizontal pod autoscaler adds replicas when CPU use rises.", 0.609),
]
ODD_TEXTS = [
    "",
    " \n",
    "?",
    "x" * 10_000,
    "word " * 2_000,
    "\u200b",
    "東京都に住む。",
    "مرحبا",
    "\x00\ud800",
    "🦆" * 300,
]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    if not (WEIGHTS / GRAPH.name).exists():
        pytest.skip("the embedder's weights are not built: run `make model`")
    return MiniLM()


@pytest.mark.parametrize(("one", "other", "expected"), KNOWN_PAIRS, ids=lambda value: str(value)[:20])
def test_similarity_is_close_to_that_of_the_original_weights(
    minilm: MiniLM, one: str, other: str, expected: float
) -> None:
    vectors = minilm.embed([one, other])
    assert float(vectors[0] @ vectors[1]) == pytest.approx(expected, abs=0.03)


def test_a_text_has_the_same_vector_alone_and_in_company(minilm: MiniLM) -> None:
    texts = [text for one, other, _ in KNOWN_PAIRS for text in (one, other)]
    texts += ["a much longer text " * 60, "x"]
    together = minilm.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_array_equal(minilm.embed([text])[0], vector)


def test_vectors_stand_in_the_order_of_the_texts_whatever_their_lengths_and_the_threads(minilm: MiniLM) -> None:
    texts = [f"number {number} " * (1 + number * 7 % 50) for number in range(40)]
    np.testing.assert_array_equal(MiniLM(threads=3).embed(texts), minilm.embed(texts))


def test_no_texts_give_an_empty_matrix(minilm: MiniLM) -> None:
    vectors = minilm.embed([])
    assert vectors.shape == (0, 384)
    assert vectors.dtype == np.float32
    assert minilm.count([]) == []


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: repr(text[:8]))
def test_every_text_has_a_vector_of_unit_length(minilm: MiniLM, text: str) -> None:
    vector = minilm.embed([text])[0]
    assert vector.shape == (384,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_text_is_read_up_to_256_tokens(minilm: MiniLM) -> None:
    known = "alpha " * 254  # and two special tokens
    within, beyond = minilm.embed([known, known + "something else entirely"])
    np.testing.assert_array_equal(within, beyond)
    short = "alpha " * 200  # more than the 128 tokens that the tokenizer's file asks for
    assert not np.array_equal(*minilm.embed([short, short + "omega"]))


def test_counting_knows_neither_limit_nor_padding_nor_special_tokens(minilm: MiniLM) -> None:
    assert minilm.count(["", "hello world", "hello " * 5_000]) == [0, 2, 5_000]


def test_counts_of_two_texts_add_up_when_they_are_joined_by_a_blank(minilm: MiniLM) -> None:
    one, other = "Unbelievably long-winded prose, v0.19.1", "東京 and InferenceService"
    assert minilm.count([f"{one}\n{other}"]) == [sum(minilm.count([one, other]))]


def test_questions_and_passages_are_embedded_without_blocking_the_event_loop(minilm: MiniLM) -> None:
    async def both() -> tuple[int, float]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.001)

        heart = asyncio.create_task(beat())
        passages = await minilm.embed_passages(["a passage of some words " * 40] * 30)
        heart.cancel()
        question = await minilm.embed_queries(["a passage of some words " * 40])
        return beats, float(passages[0] @ question[0])

    beats, similarity = asyncio.run(both())
    assert beats > 3
    assert similarity == pytest.approx(1.0, abs=1e-5)


def test_several_threads_may_embed_at_the_same_time(minilm: MiniLM) -> None:
    texts = [f"text number {number}" for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        apart = list(pool.map(lambda text: minilm.embed([text])[0], texts))
    np.testing.assert_array_equal(np.array(apart), minilm.embed(texts))


def test_the_model_describes_itself(minilm: MiniLM) -> None:
    assert (minilm.model.name, minilm.model.dimension, minilm.model.max_tokens) == ("all-MiniLM-L6-v2-int8", 384, 256)


def test_missing_weights_are_reported_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="make model") as caught:
        MiniLM(folder=tmp_path)
    assert "model.onnx" in caught.value.why


@pytest.mark.parametrize("damaged", [GRAPH, TOKENIZER], ids=lambda artifact: artifact.name)
def test_a_file_with_other_bytes_than_the_pinned_ones_is_refused(
    minilm: MiniLM, tmp_path: Path, damaged: object
) -> None:
    for artifact in (GRAPH, TOKENIZER):
        content = artifact.read()
        (tmp_path / artifact.name).write_bytes(content[:-1] + b"?" if artifact is damaged else content)
    with pytest.raises(ModelError, match="not the expected one"):
        MiniLM(folder=tmp_path)
