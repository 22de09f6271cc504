"""KServe's Open Inference Protocol v2 over HTTP: named tensors in, named tensors out, as JSON.

The contract with a model server, by what is asked of it:

- embedding: one BYTES tensor of shape [n] with the texts in; the output `embeddings`, or the first one that is made of
  numbers, with shape [n, dimension].
- rerank: two BYTES tensors of shape [n] in, `query` (the same for all) and `text`; a score for each text out, with
  shape [n] or [n, 1].
- classification: one BYTES tensor of shape [n] in; out either numbers of shape [n, k], as probabilities or logits, or
  the class of each text as an integer, or for each text a JSON object {label: probability} or {"label", "score"}.
  Labels are an output `labels` of k texts, else the model's metadata parameter `labels` or `id2label`, else numbers.

The tensor of texts has the name that the model's metadata gives to its only input, else `input-0`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from ragstone.models.faults import Fault, MemberError
from ragstone.models.protocols.client import Client
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.openai import place_of
from ragstone.models.protocols.trouble import Speaker, garbage
from ragstone.settings.models import Model

_MOST = 64 << 20  # bytes of tensors as JSON
_MOST_METADATA = 1 << 20
INPUT = "input-0"  # as KServe's own servers call it
_NONE = {Fault.UNKNOWN_MODEL, Fault.REFUSED}  # the server has no metadata, or no model as yet
_FAILED = {Fault.SERVER_ERROR, Fault.GARBAGE}  # it may have some the next time


class Tensor(BaseModel):
    """One of the outputs."""

    name: str = ""
    datatype: str = ""
    shape: list[int] = []
    data: list[object] = []

    @property
    def is_numeric(self) -> bool:
        """Whether it is made of numbers."""
        return self.datatype.startswith(("FP", "INT", "UINT", "BF"))

    def rows(self, count: int) -> npt.NDArray[np.float64]:
        """Its numbers in rows, one for each text.

        Raises:
            ValueError: They are no numbers, or not as many as they should be.
        """
        try:
            values = np.asarray(self.data, np.float64)
        except TypeError:
            raise ValueError("what should be numbers is none") from None
        return values.reshape(count, -1)


class _Outputs(BaseModel):
    outputs: list[Tensor]


class _Input(BaseModel):
    name: str
    datatype: str = ""


class Metadata(BaseModel):
    """What a server says of a model."""

    inputs: list[_Input] = []
    parameters: dict[str, object] = {}

    @property
    def input_name(self) -> str:
        """What the tensor of texts is called."""
        return self.inputs[0].name if len(self.inputs) == 1 else INPUT


def texts_tensor(name: str, texts: Sequence[str]) -> Mapping[str, object]:
    """Texts as an input."""
    return {"name": name, "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}


async def infer(
    model: Model, inputs: Sequence[Mapping[str, object]], client: Client, deadlines: Deadlines
) -> tuple[Sequence[Tensor], Speaker]:
    """The outputs for these inputs, at least one.

    Raises:
        MemberError: The server does not answer as it should.
    """
    prompt = "\n".join(str(text) for tensor in inputs for text in _data(tensor))
    try:
        async with await client.post(f"{_path(model)}/infer", {"inputs": list(inputs)}, deadlines, prompt) as answer:
            content = await answer.whole(_MOST)
    except MemberError as error:
        if error.fault in _NONE | _FAILED:
            client.metadata = None  # it may have been about a model that is being loaded
        raise
    try:
        outputs = _Outputs.model_validate_json(content).outputs
    except ValidationError as error:
        raise garbage(answer.speaker, place_of(error)) from None
    if not outputs:
        raise garbage(answer.speaker, "it has no outputs")
    return outputs, answer.speaker


async def metadata(model: Model, client: Client, deadlines: Deadlines) -> Metadata:
    """What the server says of the model, asked for until it is known; nothing where it says nothing.

    That it has nothing to say counts for as long as the model works all the same.

    Raises:
        MemberError: It cannot be asked.
    """
    if client.metadata is None:
        try:
            async with await client.get(_path(model), deadlines) as answer:
                content = await answer.whole(_MOST_METADATA)
            client.metadata = Metadata.model_validate_json(content)
        except ValidationError:
            client.metadata = Metadata()
        except MemberError as error:
            if error.fault in _FAILED:
                return Metadata()
            if error.fault not in _NONE:
                raise
            client.metadata = Metadata()
    assert isinstance(client.metadata, Metadata)
    return client.metadata


def numeric(outputs: Sequence[Tensor], name: str) -> Tensor | None:
    """The output of that name, else the first one that is made of numbers."""
    numbers = [tensor for tensor in outputs if tensor.is_numeric]
    return next((tensor for tensor in numbers if tensor.name == name), numbers[0] if numbers else None)


def _path(model: Model) -> str:
    assert model.model is not None
    root = "" if urlsplit(model.url).path.rstrip("/").endswith("/v2") else "/v2"
    return f"{root}/models/{quote(model.model, safe='')}"


def _data(tensor: Mapping[str, object]) -> Sequence[object]:
    data = tensor["data"]
    assert isinstance(data, list)
    return data
