from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.text.analyzer import term_counts, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running connections", ["run", "connect"]),
        ("The pods of the cluster", ["pod", "cluster"]),
        ("What does Biden's plan do?", ["biden", "plan"]),
        ("Biden’s", ["biden"]),
        ("max_connections", ["max_connections", "max", "connect"]),
        ("kserve.io", ["kserve.io", "kserv", "io"]),
        ("CVE-2024-1234", ["cve-2024-1234", "cve", "2024", "1234"]),
        ("InferenceService", ["inferenceservic", "infer", "servic"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("state-of-the-art", ["state", "art"]),
        ("C++ and C# but c", ["c++", "c#", "c"]),
        ("1,234,567 units", ["1234567", "unit"]),
        ("v0.19.1", ["v0.19.1", "v0", "19", "1"]),
        ("ﬁle", ["file"]),
        ("co\u00adoperate", ["cooper"]),
        ("naïve café", ["naïv", "café"]),
        ("", []),
        ("?!… \n--", []),
        ("_", []),
        ("__init__", ["init"]),
    ],
)
def test_english_text_gives_these_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("東京都", "english", ["東京", "京都"]),
        ("東", "english", ["東"]),
        ("Tokyo東京", "english", ["tokyo", "東京"]),
        ("работающий мир", "english", ["работа", "мир"]),
        ("किताबें", "english", ["किताब"]),
        ("สวัสดี", "english", ["สว", "วั", "ัส", "สด", "ดี"]),
        ("die Häuser und das Haus", "german", ["haus", "haus"]),
        ("Straße STRASSE", "german", ["strass", "strass"]),
        ("l'homme d’État", "french", ["homm", "état"]),
        ("שלום", "english", ["שלום"]),
    ],
)
def test_other_scripts_and_languages_have_their_own_rules(text: str, language: str, expected: list[str]) -> None:
    assert terms(text, language) == expected


def test_a_word_in_capitals_is_no_stop_word() -> None:
    assert terms("who works with IT at the WHO") == ["work", "it", "who"]


def test_stop_words_are_those_of_the_language() -> None:
    assert terms("was die", "english") == ["die"]
    assert terms("was die", "german") == []


def test_a_question_and_a_document_meet_in_the_same_terms() -> None:
    document = set(terms("Set `maxReplicas` of the InferenceService in kserve.io/v1beta1."))
    for question in ("max replicas", "inference services", "InferenceService", "kserve.io", "v1beta1"):
        assert set(terms(question)) & document, question


def test_the_turkish_capital_i_meets_its_small_letter() -> None:
    assert terms("İstanbul", "turkish") == terms("istanbul", "turkish")


def test_an_endless_word_gives_a_term_that_an_index_can_hold() -> None:
    (term,) = terms("x" * 1_000_000)
    assert len(term) == 64


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="klingon"):
        terms("text", "klingon")


def test_more_words_than_are_remembered_give_the_same_terms() -> None:
    words = " ".join(f"word{number}s" for number in range(120_000))
    assert sum(term_counts(words).values()) == len(terms(words))
    assert terms("Connections") == ["connect"]


@given(st.text(), st.sampled_from(["english", "german", "turkish", "arabic"]))
def test_counts_are_the_counts_of_the_terms(text: str, language: str) -> None:
    assert term_counts(text, language) == Counter(terms(text, language))


@given(st.text())
def test_terms_are_never_empty_blank_or_long(text: str) -> None:
    for term in terms(text):
        assert term.strip()
        assert len(term) <= 64
        assert "\x00" not in term


@given(st.text(st.characters(max_codepoint=0x2FF)), st.text(st.characters(max_codepoint=0x2FF)))
def test_texts_joined_by_an_empty_line_give_the_terms_of_both(one: str, other: str) -> None:
    assert terms(f"{one}\n\n{other}") == terms(one) + terms(other)
