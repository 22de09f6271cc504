"""What the documentation writes into models files is taken, and the manifests beside it are what Kubernetes takes."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ragstone.models.protocols import openai
from ragstone.settings.models import Kind, Model, Models, Protocol, read_models

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "examples" / "models").glob("*.yaml"))
VALIDATOR = ROOT.parent / "shared" / "tools" / "validate_manifests.py"
HOWTOS = ("model-servers", "models-on-kubernetes", "embedders-and-rerankers", "outages-and-budgets")
CLUSTER = ".models.svc.cluster.local"

_BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OF_MODELS = re.compile(r"^\[\[models\]\]|^\[pool\]", re.MULTILINE)
_OBJECT = re.compile(r"^kind: (\w+)\nmetadata:\n  name: (\S+)$", re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    """Page and text of each models file in the documentation."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = [(page.stem, block) for page in pages for block in _BLOCK.findall(page.read_text(encoding="utf-8"))]
    return [(name, block) for name, block in found if _OF_MODELS.search(block)]


BLOCKS = blocks()


def read(folder: Path, text: str) -> Models:
    file = folder / "models.toml"
    file.write_text(text, encoding="utf-8")
    return read_models(file)


@pytest.fixture
def documented(tmp_path: Path) -> list[Model]:
    return [model for _, block in BLOCKS for model in read(tmp_path, block).models]


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_every_models_file_in_the_documentation_is_taken(tmp_path: Path, page: str, block: str) -> None:
    assert read(tmp_path, block) != Models(), page


def test_every_howto_about_models_shows_one() -> None:
    assert set(HOWTOS) <= {page for page, _ in BLOCKS}


def test_every_kind_of_model_and_every_protocol_is_shown(documented: list[Model]) -> None:
    assert {model.kind for model in documented} == set(Kind)
    assert {model.protocol for model in documented} == set(Protocol)


def test_the_models_file_in_the_configmap_is_taken(tmp_path: Path) -> None:
    manifest = (ROOT / "examples" / "models" / "ragstone-models.yaml").read_text(encoding="utf-8")
    text = manifest.partition("  models.toml: |\n")[2].partition("\n---")[0]
    assert [model.group for model in read(tmp_path, textwrap.dedent(text)).models] == [0, 1]


def test_what_is_asked_in_the_cluster_is_what_a_manifest_makes(documented: list[Model]) -> None:
    """By the names that KServe and KAITO give to their services."""
    texts = [file.read_text(encoding="utf-8") for file in MANIFESTS]
    made = {(kind, name): text for text in texts for kind, name in _OBJECT.findall(text)}
    asked = [model for model in documented if (urlsplit(model.url).hostname or "").endswith(CLUSTER)]
    assert len(asked) >= 6
    for model in asked:
        service = (urlsplit(model.url).hostname or "").removesuffix(CLUSTER)
        name = service.removesuffix("-predictor")
        if name != service:
            assert f"--model_name={model.model}\n" in made["InferenceService", name]
        else:
            assert ("Workspace", name) in made or ("InferenceSet", name.partition("-")[0]) in made


@pytest.mark.parametrize(
    ("manifest", "argument", "model"),
    [("kserve-chat", "--max_model_len=", "phi"), ("kaito-workspace", "max-model-len: ", "phi-kaito")],
)
def test_the_window_is_the_one_that_the_server_is_started_with(
    documented: list[Model], manifest: str, argument: str, model: str
) -> None:
    text = (ROOT / "examples" / "models" / f"{manifest}.yaml").read_text(encoding="utf-8")
    assert {one.context_tokens for one in documented if one.name == model} == {int(text.split(argument)[1].split()[0])}


def test_requests_to_azure_go_where_the_page_says(documented: list[Model]) -> None:
    page = (ROOT / "docs" / "howto" / "model-servers.md").read_text(encoding="utf-8")
    (versioned,) = [model for model in documented if model.api_version and model.kind is Kind.CHAT]
    assert versioned.model is not None
    assert f"`{openai.address(versioned, versioned.model, 'chat/completions')}`" in page
    versionless = [model for model in documented if model.protocol is Protocol.AZURE and not model.api_version]
    paths = {urlsplit(model.url).path + openai.address(model, "answers", "chat/completions") for model in versionless}
    assert paths == {"/openai/v1/chat/completions"}


def test_every_manifest_is_shown() -> None:
    shown = "".join((ROOT / "docs" / "howto" / f"{page}.md").read_text(encoding="utf-8") for page in HOWTOS)
    assert [file.name for file in MANIFESTS if f"examples/models/{file.name}" not in shown] == []


@pytest.mark.skipif(not VALIDATOR.exists(), reason="the published schemas are not there (../shared/crds)")
@pytest.mark.skipif(importlib.util.find_spec("yaml") is None, reason="reading manifests needs pyyaml")
def test_the_manifests_fit_the_published_schemas_and_a_misspelt_one_does_not(tmp_path: Path) -> None:
    misspelt = tmp_path / "misspelt.yaml"
    good = (ROOT / "examples" / "models" / "kserve-chat.yaml").read_text(encoding="utf-8")
    misspelt.write_text(good.replace("minReplicas", "replicas"), encoding="utf-8")
    # One run for both: it reads all the schemas, which takes seconds.
    command = [sys.executable, *map(str, [VALIDATOR, *MANIFESTS, misspelt])]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    assert [line for line in said[:-1] if "'replicas' was unexpected" not in line] == []
    assert len(said) == 2, said
