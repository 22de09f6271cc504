"""Categories of texts by one member."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from ragstone.domain import Usage
from ragstone.models.protocols.client import Client
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.inference import Tensor, infer, metadata, numeric, texts_tensor
from ragstone.models.protocols.numbers import are_probabilities, finite, sigmoid, softmax
from ragstone.models.protocols.trouble import garbage
from ragstone.models.protocols.usage import priced, tokens_of
from ragstone.settings.models import Model

_LABELS = {"labels", "label"}
_NUMBERED = re.compile(r"([{,]\s*)(\d+)\s*:")
_OBJECT = TypeAdapter(dict[str, float])


async def classify(model: Model, texts: Sequence[str], client: Client) -> tuple[Sequence[Mapping[str, float]], Usage]:
    """For each text the probability of each label, 0 to 1; and what that took.

    Raises:
        MemberError: The member does not answer as it should; a key that cannot be read counts as unauthorized.
    """
    deadlines = Deadlines(model.timeouts)
    told = await metadata(model, client, deadlines)
    outputs, speaker = await infer(model, [texts_tensor(told.input_name, texts)], client, deadlines)
    try:
        found = _categories(outputs, len(texts), told.parameters)
    except ValueError as error:
        raise garbage(speaker, str(error)) from None
    return found, priced(model, Usage(input_tokens=tokens_of(sum(map(len, texts))), calls=1))


def _categories(
    outputs: Sequence[Tensor], count: int, parameters: Mapping[str, object]
) -> Sequence[Mapping[str, float]]:
    labels = next((tensor for tensor in outputs if tensor.name in _LABELS and not tensor.is_numeric), None)
    tensor = numeric(outputs, "probabilities")
    if tensor is None:
        objects = next((each for each in outputs if each is not labels), None)
        if objects is None or len(objects.data) != count:
            raise ValueError("it does not have one class for each text")
        return [_told(value) for value in objects.data]
    rows = tensor.rows(count)
    finite(rows.ravel().tolist())
    width, names = rows.shape[1], _names(labels, parameters)
    if tensor.datatype.startswith(("INT", "UINT")):
        if width != 1:
            raise ValueError("it has several classes for a text, and no probabilities")
        return [{_told_class(int(row[0]), names): 1.0} for row in rows]
    classes = _all_classes(max(width, 2), names)
    if width == 1:  # of two classes, the second one's
        second = rows if ((rows >= 0) & (rows <= 1)).all() else sigmoid(rows)
        return [{classes[0]: 1 - float(row[0]), classes[1]: float(row[0])} for row in second]
    if not are_probabilities(rows):
        rows = softmax(rows)
    return [dict(zip(classes, map(float, row), strict=True)) for row in rows]


def _told(value: object) -> Mapping[str, float]:
    """A category as an object, or as the text of one."""
    try:
        found = _parsed(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return {str(value): 1.0}  # the label alone
    if not isinstance(found, dict):
        raise ValueError("its classes are neither labels nor probabilities")  # noqa: TRY004 - of the server, not ours
    if "label" in found and "score" in found:
        found = {str(found["label"]): found["score"]}
    try:
        told = _OBJECT.validate_python({str(key): number for key, number in found.items()})
    except ValidationError:
        raise ValueError("its classes are neither labels nor probabilities") from None
    if not all(0 <= number <= 1 for number in told.values()):
        row = softmax(finite(list(told.values())).reshape(1, -1))[0]
        told = dict(zip(told, map(float, row), strict=True))
    return told


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        # KServe's Hugging Face runtime writes them as Python does: {0: 0.0002, 1: 0.9998}
        return json.loads(_NUMBERED.sub(r'\1"\2":', text))


def _names(labels: Tensor | None, parameters: Mapping[str, object]) -> Mapping[str, str]:
    """What classes are called, by their numbers; nothing where nobody says it, or says the same of two."""
    given: object = labels.data if labels is not None else None
    given = given or parameters.get("labels") or parameters.get("id2label")
    if isinstance(given, str):
        given = _listed(given)
    if isinstance(given, list):
        given = dict(enumerate(given))
    named = {str(number): str(name).strip() for number, name in given.items()} if isinstance(given, dict) else {}
    return named if len(set(named.values())) == len(named) else {}


def _listed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.split(",")


def _told_class(number: int, names: Mapping[str, str]) -> str:
    if number < 0:
        raise ValueError("it tells a class that there is not")
    return names.get(str(number), str(number))


def _all_classes(count: int, names: Mapping[str, str]) -> Sequence[str]:
    """By name, or by number: names that do not fit the classes are those of others."""
    numbers = [str(number) for number in range(count)]
    return [names[number] for number in numbers] if names.keys() >= set(numbers) else numbers
