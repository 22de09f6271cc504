"""What can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragstone.domain import Comparison, Condition, EmbeddingModel, Filter, Question
from ragstone.errors import InvalidQuestionError

MAX_CHARACTERS = 10_000  # of a question; an embedder reads a tenth of that
MAX_DEPTH = 8  # of filters inside filters
MAX_CONDITIONS = 200  # of a filter; each is evaluated for every document
MAX_VALUES = 10_000  # in all lists of a filter


def check(question: Question, model: EmbeddingModel) -> None:
    """Refuse what cannot be searched with this model.

    Raises:
        InvalidQuestionError: The question is blank or too long, asks for no hits, names no store or a
            store of another model, or its filter is malformed.
    """
    if not question.text.strip():
        raise InvalidQuestionError("The question is empty", remedy="Ask in at least one word")
    if len(question.text) > MAX_CHARACTERS:
        what = f"The question has {len(question.text):,} characters"
        raise InvalidQuestionError(what, why=f"at most {MAX_CHARACTERS:,} are searched", remedy="Shorten it")
    if question.top_k < 1:
        raise InvalidQuestionError(f"top_k is {question.top_k}", remedy="Ask for at least one hit")
    if not question.stores:
        raise InvalidQuestionError("The question names no store", remedy="Name at least one store to search")
    for store in question.stores:
        if store.model != model:
            raise InvalidQuestionError(
                f"The store {store.name} cannot be searched with the model {model.name}",
                why=f"its vectors are of {store.model.name}",
                remedy="Ask the stores of each model on their own, or ingest the store again with this model",
            )
    if question.filter is not None:
        _check_filter(question.filter, depth=1)
        _check_size(list(_conditions(question.filter)))


def _check_filter(part: Filter, depth: int) -> None:
    if isinstance(part, Condition):
        _check_condition(part)
        return
    if depth > MAX_DEPTH:
        raise InvalidQuestionError(f"The filter is nested more than {MAX_DEPTH} deep", remedy="Flatten it")
    if not part.filters:
        name = "and" if part.every else "or"
        raise InvalidQuestionError(f"The filter has an empty `{name}`", remedy="Give it at least one condition")
    for inner in part.filters:
        _check_filter(inner, depth + 1)


def _check_condition(condition: Condition) -> None:
    takes_list = condition.comparison in (Comparison.IN, Comparison.NIN)
    if not condition.key:
        raise InvalidQuestionError("A condition of the filter has no key", remedy="Name the attribute to compare")
    if takes_list is not isinstance(condition.value, tuple):
        raise InvalidQuestionError(
            f"The filter {condition.key} {condition.comparison} does not fit its value",
            remedy=f"Give {'a list of values' if takes_list else 'a single value'}",
        )


def _conditions(part: Filter) -> Iterator[Condition]:
    if isinstance(part, Condition):
        yield part
    else:
        for inner in part.filters:
            yield from _conditions(inner)


def _check_size(conditions: Sequence[Condition]) -> None:
    values = sum(len(condition.value) for condition in conditions if isinstance(condition.value, tuple))
    for number, name, most in ((len(conditions), "conditions", MAX_CONDITIONS), (values, "values", MAX_VALUES)):
        if number > most:
            raise InvalidQuestionError(
                f"The filter has {number:,} {name}", why=f"at most {most:,} are tried", remedy="Filter by fewer"
            )
