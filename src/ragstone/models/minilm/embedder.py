"""The embedder that runs in this process, on the CPU."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ragstone.domain import EmbeddingModel, Matrix, Vector
from ragstone.errors import ModelError
from ragstone.models.minilm.artifact import GRAPH, TOKENIZER, WEIGHTS
from ragstone.models.minilm.wordpieces import WordPieces, encodable

MODEL = EmbeddingModel(name="all-MiniLM-L6-v2-int8", dimension=384, max_tokens=256)


class MiniLM(WordPieces):
    """all-MiniLM-L6-v2 with 8-bit weights; implements `ports.Embedder` and `ports.Tokenizer`.

    Every text is a run of its own: without padding, and with activations quantised by the text's own range, so that
    a text has the same vector whatever it is embedded with. Threads take texts, not parts of one, which costs the
    least CPU a text. All methods may be called from several threads at the same time.
    """

    def __init__(self, *, threads: int = 1, folder: Path = WEIGHTS) -> None:
        """Load the model; one call embeds up to `threads` texts at the same time.

        Raises:
            ModelError: The model's files are missing or not the pinned ones.
        """
        import onnxruntime
        import tokenizers

        graph = GRAPH.read(folder)
        super().__init__(folder=folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it would keep the largest texts' memory for good, for each thread
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except RuntimeError as error:
            raise ModelError(
                "this ONNX Runtime cannot load the embedding model",
                why=str(error),
                remedy="Install the version of requirements/run.txt",
            ) from error
        self._cut = tokenizers.Tokenizer.from_buffer(TOKENIZER.read(folder))
        self._cut.enable_truncation(MODEL.max_tokens)
        self._cut.no_padding()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="embed") if threads > 1 else None

    @property
    def model(self) -> EmbeddingModel:
        """What is stored beside the vectors."""
        return MODEL

    async def embed_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of texts that will be found, shape (len(texts), 384); what exceeds 256 tokens is not read."""
        return await asyncio.to_thread(self.embed, texts)

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of questions, shape (len(texts), 384); the model makes no difference between the two."""
        return await asyncio.to_thread(self.embed, texts)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Vectors of texts, shape (len(texts), 384), in the calling thread and its helpers."""
        encodings = self._cut.encode_batch_fast([encodable(text) for text in texts])
        matrix = np.empty((len(texts), MODEL.dimension), np.float32)
        runs = map if self._pool is None else self._pool.map
        for row, vector in enumerate(runs(self._run, (encoding.ids for encoding in encodings))):
            matrix[row] = vector
        return matrix

    def _run(self, ids: list[int]) -> Vector:
        (vectors,) = self._session.run(None, {"input_ids": np.array([ids], np.int64)})
        vector: Vector = vectors[0]
        return vector
