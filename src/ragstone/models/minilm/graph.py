"""The computation of all-MiniLM-L6-v2 as an ONNX graph with 8-bit weights.

The graph reads `input_ids` (int64, shape (n, tokens), no padding) and yields `sentence_embedding` (float32, shape
(n, 384), rows of unit length). Weights are symmetric INT8: matrices with one scale an output channel, the word
embeddings with one scale a token. Activations are quantised while it runs, with one scale a run: that is why the
embedder gives each text a run of its own.

Architecture: BERT (https://arxiv.org/abs/1810.04805), mean pooling of Sentence-BERT (https://arxiv.org/abs/1908.10084).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

Floats: TypeAlias = npt.NDArray[np.float32]
Tensors: TypeAlias = Mapping[str, Floats]  # by the names of the checkpoint

_OPSET = 20  # the first with Gelu
_IR_VERSION = 9
_LARGEST = 127  # of a symmetric signed byte
_ORT = "com.microsoft"  # operators of ONNX Runtime


@dataclass(frozen=True, slots=True)
class Shape:
    """What the graph needs of the checkpoint's configuration."""

    layers: int
    heads: int
    epsilon: float  # of the layer normalisations


def quantise(weights: Floats, axis: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Signed bytes and the scales along `axis` with which they give the weights back."""
    peaks = np.maximum(np.abs(weights).max(axis=axis, keepdims=True), 1e-8)
    scales = (peaks / _LARGEST).astype(np.float32)
    return np.rint(weights / scales).clip(-_LARGEST, _LARGEST).astype(np.int8), scales


@dataclass
class _Graph:
    """Nodes and constants in the order in which they are added."""

    tensors: Tensors
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: float) -> str:
        from onnx import helper

        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], output, None, domain, None, **attributes))
        return output

    def embedding(self, ids: str) -> str:
        """Vectors of the tokens, by row."""
        rows, scales = quantise(self.tensors["embeddings.word_embeddings.weight"], axis=1)
        picked = self.node("Gather", self.constant("words", rows), ids)
        scale = self.node("Gather", self.constant("words.scale", scales), ids)
        return self.node("Mul", self.node("CastLike", picked, scale), scale)

    def linear(self, x: str, name: str) -> str:
        """A dense layer; the checkpoint stores its matrix as (out, in)."""
        matrix, scales = quantise(self.tensors[f"{name}.weight"].T, axis=0)
        return self.node(
            "DynamicQuantizeMatMul",
            x,
            self.constant(f"{name}.weight", matrix),
            self.constant(f"{name}.scale", scales[0]),
            "",
            self.constant(f"{name}.bias", self.tensors[f"{name}.bias"]),
            domain=_ORT,
        )

    def normalised(self, x: str, name: str, epsilon: float) -> str:
        scale = self.constant(f"{name}.weight", self.tensors[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", self.tensors[f"{name}.bias"])
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)


def _embedded(graph: _Graph, shape: Shape) -> str:
    """Sum of word, position and segment vectors; there is only one segment."""
    tensors = graph.tensors
    segment = tensors["embeddings.token_type_embeddings.weight"][0]
    positions = graph.constant("positions", tensors["embeddings.position_embeddings.weight"] + segment)
    zero, one, two = (graph.constant(name, np.array([i])) for i, name in enumerate(("zero", "one", "two")))
    length = graph.node("Slice", graph.node("Shape", "input_ids"), one, two)
    position = graph.node("Slice", positions, zero, length, zero)
    x = graph.node("Add", graph.embedding("input_ids"), position)
    return graph.normalised(x, "embeddings.LayerNorm", shape.epsilon)


def _layer(graph: _Graph, x: str, name: str, shape: Shape) -> str:
    """Self-attention and feed-forward, each with its residual."""
    query, key, value = (graph.linear(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
    seen = graph.node("MultiHeadAttention", query, key, value, domain=_ORT, num_heads=shape.heads)
    attended = graph.node("Add", graph.linear(seen, f"{name}.attention.output.dense"), x)
    x = graph.normalised(attended, f"{name}.attention.output.LayerNorm", shape.epsilon)
    inner = graph.node("Gelu", graph.linear(x, f"{name}.intermediate.dense"))
    outer = graph.node("Add", graph.linear(inner, f"{name}.output.dense"), x)
    return graph.normalised(outer, f"{name}.output.LayerNorm", shape.epsilon)


def serialised(tensors: Tensors, shape: Shape) -> bytes:
    """The ONNX file of the encoder: the same bytes for the same tensors."""
    from onnx import TensorProto, helper

    graph = _Graph(tensors)
    x = _embedded(graph, shape)
    for number in range(shape.layers):
        x = _layer(graph, x, f"encoder.layer.{number}", shape)
    mean = graph.node("ReduceMean", x, "one", keepdims=0)
    length = graph.node("ReduceL2", mean, "one", keepdims=1)
    graph.nodes.append(helper.make_node("Div", [mean, length], ["sentence_embedding"], name="unit"))
    dimension = tensors["embeddings.word_embeddings.weight"].shape[1]
    tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "tokens"])
    vectors = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["n", dimension])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", [tokens], [vectors], graph.constants),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_ORT, 1)],
        ir_version=_IR_VERSION,
        producer_name="ragstone",
    )
    content: bytes = model.SerializeToString(deterministic=True)
    return content
