"""What the house makes of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from misbehaving import Misbehaving
from model_replies import DIMENSION

from ragstone.bootstrap import House
from ragstone.errors import ModelUnavailableError
from ragstone.settings import Settings
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio

MODELS = """
[[models]]
name = "vectors"
kind = "embedding"
url = "{url}"
model = "m"
dimension = {dimension}
"""


async def test_documents_wait_for_an_embedding_server_and_questions_do_not(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    with Misbehaving() as server:
        file.write_text(MODELS.format(url=server.url, dimension=DIMENSION))
        settings = Settings(models_file=file, embedding_model="vectors")
        house = House(settings, cast("Database", None))
        try:
            server.script.append("429-soon")
            assert (await house.passage_embedder.embed_passages(["a"])).shape == (1, DIMENSION)
            server.script.append("429-soon")
            with pytest.raises(ModelUnavailableError):
                await house.embedder.embed_passages(["a"])
        finally:
            await house.close_models()
