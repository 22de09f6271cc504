"""Models: the local ones, and those behind the addresses of the settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ragstone.errors import SettingsError
from ragstone.settings import Settings

if TYPE_CHECKING:
    from ragstone.models.minilm.embedder import MiniLM
    from ragstone.models.minilm.wordpieces import WordPieces
    from ragstone.models.pool import ModelPool
    from ragstone.settings.models import Models


def embedder(threads: int) -> MiniLM:
    """The local embedding model."""
    from ragstone.models.minilm.embedder import MiniLM

    return MiniLM(threads=threads or os.cpu_count() or 1)


def tokenizer() -> WordPieces:
    """How the local embedding model counts."""
    from ragstone.models.minilm.wordpieces import WordPieces

    return WordPieces()


def model_pool(given: Settings) -> ModelPool:
    """The model servers of the settings, if there are any; their file is read again when it changes.

    Raises:
        SettingsError: The file does not fit.
    """
    from ragstone.models.pool import ModelPool
    from ragstone.models.pool.roster import Roster

    file = given.models_file or given.home / "models.toml"
    return ModelPool(Roster(file, required=given.models_file is not None, fixed=_one_model(given)))


def _one_model(given: Settings) -> Models | None:
    """The pool of one that the settings name in a line."""
    from ragstone.settings.models import Model, Models

    if given.llm_url is None:
        return None
    if given.models_file is not None:
        raise SettingsError(
            "RAGSTONE_LLM_URL and RAGSTONE_MODELS_FILE exclude each other",
            remedy="Write the model into the file, or unset one of them",
        )
    return Models(models=(Model(name="llm", url=given.llm_url, model=given.llm_model, key_file=given.llm_key_file),))
