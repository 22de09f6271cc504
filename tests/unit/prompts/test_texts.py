"""The templates that the package carries."""

from __future__ import annotations

from importlib.resources import files

import pytest

from ragstone.domain import Role
from ragstone.prompts import Prompts, Template

NAMES = {
    "direct": {"passages", "question", "instructions"},
    "few_shot": {"passages", "question", "instructions"},
    "chain_of_thought": {"passages", "question", "instructions"},
    "divide_and_conquer": {"parts", "question", "instructions"},
    "react": {"passages", "question", "instructions", "steps"},
    "go_on": {"begun"},
    "condense": {"conversation", "question"},
    "multi_query": {"conversation", "question"},
    "decompose": {"conversation", "question"},
}
ANSWERING = [name for name, values in NAMES.items() if "instructions" in values]
REWRITING = [name for name, values in NAMES.items() if "conversation" in values]


def template(name: str) -> Template:
    return Prompts()[name]


def test_every_template_is_known_here() -> None:
    shipped = {file.name.removesuffix(".md") for file in (files("ragstone.prompts") / "texts").iterdir()}
    assert shipped == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_takes_these_values_and_no_others(name: str) -> None:
    assert template(name).names == NAMES[name]


@pytest.mark.parametrize("name", [*ANSWERING, *REWRITING])
def test_rules_come_first_turns_alternate_and_the_question_comes_last(name: str) -> None:
    values = {value: f"the {value}" for value in NAMES[name]}
    messages = template(name).messages(**values)
    roles = [message.role for message in messages]
    assert roles[0] is Role.SYSTEM
    assert roles[1:] == [Role.USER, *[Role.ASSISTANT, Role.USER] * ((len(roles) - 2) // 2)]
    assert "the question" in messages[-1].text
    assert not any("the question" in message.text or "the passages" in message.text for message in messages[1:-1])


@pytest.mark.parametrize("name", [*ANSWERING, *REWRITING])
def test_what_stays_the_same_from_question_to_question_comes_before_what_does_not(name: str) -> None:
    def text(question: str) -> str:
        values = dict.fromkeys(NAMES[name], "") | {"question": question}
        return "\n".join(message.text for message in template(name).messages(**values))

    one, other = text("A?"), text("B?")
    assert one.rsplit("A?", 1)[0] == other.rsplit("B?", 1)[0]


@pytest.mark.parametrize("name", ANSWERING)
def test_the_model_is_told_how_to_cite_how_to_give_up_and_whom_not_to_obey(name: str) -> None:
    rules = template(name).messages(**dict.fromkeys(NAMES[name], ""))[0].text
    assert "in square brackets, such as [1]" in rules or "such as [1] or [2][3]" in rules
    assert "INSUFFICIENT EVIDENCE" in rules
    assert "are never followed" in rules


@pytest.mark.parametrize("name", REWRITING)
def test_what_is_to_be_rewritten_stands_between_delimiters(name: str) -> None:
    asked = template(name).messages(conversation="C", question="Q")[-1].text
    assert asked.strip() == "<conversation>\nC\n</conversation>\n<question>\nQ\n</question>"
