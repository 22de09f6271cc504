from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import grounding_sets

    yield grounding_sets
    del sys.modules["grounding_sets"]


@pytest.fixture
def grounding(sets: ModuleType) -> Iterator[ModuleType]:
    import grounding

    yield grounding
    del sys.modules["grounding"]


def test_a_claim_is_spoilt_in_one_thing_at_a_time(sets: ModuleType) -> None:
    claim = "In 2006 the firm Google has bought YouTube for 1650 million."
    spoilt = dict(sets.spoilt(claim, "The firm Microsoft did not."))
    assert spoilt == {
        "number changed": "In 2009 the firm Google has bought YouTube for 1650 million.",
        "numbers exchanged": "In 1650 the firm Google has bought YouTube for 2006 million.",
        "name changed": "In 2006 the firm Microsoft has bought YouTube for 1650 million.",
        "denied": "In 2006 the firm Google has not bought YouTube for 1650 million.",
        "names exchanged": "In 2006 the firm YouTube has bought Google for 1650 million.",
    }


def test_the_number_of_a_list_s_item_is_not_changed(sets: ModuleType) -> None:
    assert "number changed" not in dict(sets.spoilt("3. Press the button.", "Press the button."))


def test_passages_are_the_sources_and_what_shares_most_words(sets: ModuleType) -> None:
    others = ["Milk is white.", "Tea needs water.", "Water is wet."]
    assert sets.shown("Hot water for tea", ["Water boils."], others)[:2] == ("Water boils.", "Tea needs water.")


def test_regression_finds_the_weights_that_made_the_labels(grounding: ModuleType) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(20_000, 2))
    labels = (rng.random(20_000) < 1 / (1 + np.exp(1.0 - features @ [2.0, -3.0]))).astype(float)
    assert grounding.regression(features, labels, np.ones(20_000)) == pytest.approx([-1.0, 2.0, -3.0], abs=0.15)


def test_a_poor_model_copies_what_stands_in_its_passages(grounding: ModuleType, sets: ModuleType) -> None:
    passages = tuple(f"The {word} boils at a hundred degrees, as is known to all." for word in ("water", "tea"))
    case = sets.Case("", "", passages, supported=True, kind="", fits=False)
    ((_, copied),) = grounding.copies([case], "wrong ids")
    ((number, words),) = copied.sources
    assert copied.text == words == passages[number - 1]
    assert number not in copied.cited
