"""Categories of texts by one member."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter, ValidationError

from ragstone.domain import Usage
from ragstone.models.protocols.client import Client
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.inference import Tensor, infer, input_name, metadata, numeric, texts_tensor
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
    name = await input_name(model, client, deadlines)
    outputs, speaker = await infer(model, [texts_tensor(name, texts)], client, deadlines)
    parameters = (await metadata(model, client, deadlines)).parameters
    try:
        found = _categories(outputs, len(texts), parameters)
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
    classes = rows.shape[1]
    if tensor.datatype.startswith(("INT", "UINT")):
        if classes != 1:
            raise ValueError("it has several classes for a text, and no probabilities")
        names = _names(labels, parameters, int(rows.max()) + 1)
        return [{_name(names, int(row[0])): 1.0} for row in rows]
    names = _names(labels, parameters, max(classes, 2))
    if classes == 1:  # of two classes, the second one's
        second = rows if ((rows >= 0) & (rows <= 1)).all() else sigmoid(rows)
        return [{names[0]: 1 - float(row[0]), names[1]: float(row[0])} for row in second]
    if not are_probabilities(rows):
        rows = softmax(rows)
    return [dict(zip(names, map(float, row), strict=True)) for row in rows]


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


def _names(labels: Tensor | None, parameters: Mapping[str, object], classes: int) -> Sequence[str]:
    """The labels of the classes; their numbers where nobody names them."""
    named: Sequence[object] = () if labels is None else labels.data
    if not named:
        given = parameters.get("labels") or parameters.get("id2label")
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except (ValueError, RecursionError):
                given = given.split(",")
        if isinstance(given, dict):
            given = [given.get(str(index), index) for index in range(classes)]
        named = given if isinstance(given, list) else ()
    if len(named) < classes or len(set(map(str, named))) < len(named):
        return [str(index) for index in range(classes)]
    return [str(name).strip() for name in named[:classes]]


def _name(names: Sequence[str], index: int) -> str:
    if not 0 <= index < len(names):
        raise ValueError("it tells a class that there is not")
    return names[index]
