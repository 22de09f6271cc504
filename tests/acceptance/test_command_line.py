"""The commands as a person and a script use them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import httpx
import pytest
from acceptance.conftest import HANDBOOK, write_documents
from acceptance.shipped import Ragstone


def test_help_names_every_command_and_the_first_steps(library: Ragstone) -> None:
    outcome = library("--help")
    assert outcome.status == 0
    for word in ("ingest", "search", "ask", "serve", "status", "doctor", "config", "First steps"):
        assert word in outcome.out


def test_an_answer_is_a_quotation_that_stands_at_its_place_in_the_document(library: Ragstone) -> None:
    found = library("ask", "How often is a key rotated?", "--json").json
    assert found["grounding"]["status"] in ("supported", "partial")
    citation = found["citations"][0]
    assert "ninety days" in citation["quote"]
    assert citation["verified"] is True
    assert citation["filename"] == "handbook.md"
    assert HANDBOOK[citation["start_index"] : citation["end_index"]] == citation["quote"]
    assert citation["quote"] in found["answer"]
    assert {"file_id", "page", "score"} <= citation.keys()
    assert found["timings_ms"]["total"] > 0


def test_a_question_that_the_documents_do_not_answer_is_not_answered(library: Ragstone) -> None:
    found = library("ask", "Who won the football world cup in 1998?", "--json").json
    assert found["grounding"]["status"] == "insufficient_evidence"
    assert found["citations"] == []


def test_a_person_sees_the_answer_its_document_and_that_it_was_checked(library: Ragstone) -> None:
    outcome = library("ask", "How often is a key rotated?")
    assert "every ninety days" in outcome.out
    assert "handbook.md" in outcome.out
    assert "checked against the document" in outcome.out


def test_a_hit_of_a_search_has_all_its_scores_and_its_place(library: Ragstone) -> None:
    found = library("search", "price of marble", "--top-k", "2", "--json").json
    assert found["query"] == "price of marble"
    assert len(found["hits"]) == 2
    hit = found["hits"][0]
    assert hit["filename"] == "prices.csv"
    assert "Marble" in hit["text"]
    assert hit["scores"].keys() == {"dense", "lexical", "fused"}
    assert hit["score"] == hit["scores"]["fused"]
    assert {"file_id", "chunk_id", "page", "heading", "start", "end"} <= hit.keys()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("type=csv", {"prices.csv"}),
        ("year=2026", {"handbook.md", "travel.txt", "prices.csv"}),
        ("year>2026", set()),
        ("path=travel.txt", {"travel.txt"}),
        ("type!=md", {"travel.txt", "prices.csv"}),
    ],
)
def test_a_filter_restricts_the_hits(library: Ragstone, condition: str, expected: set[str]) -> None:
    found = library("search", "days", "--filter", condition, "--json").json
    assert {hit["filename"] for hit in found["hits"]} == expected


def test_a_store_is_found_by_its_id_as_by_its_name(library: Ragstone) -> None:
    store = library("status", "--json").json["stores"][0]
    by_id = library("search", "keys", "--store", store["public_id"], "--json").json
    by_name = library("search", "keys", "--store", store["name"], "--json").json
    assert by_id["hits"] == by_name["hits"] != []


def test_an_unknown_store_says_how_to_make_one(library: Ragstone) -> None:
    outcome = library("search", "keys", "--store", "nowhere")
    assert outcome.status == 2
    assert "There is no store nowhere" in outcome.err
    assert "ragstone ingest" in outcome.err
    assert "Traceback" not in outcome.err


def test_an_empty_question_is_refused(library: Ragstone) -> None:
    outcome = library("ask", "  ")
    assert outcome.status == 2
    assert "empty" in outcome.err


def test_doctor_finds_everything_in_order(library: Ragstone) -> None:
    outcome = library("doctor", "--json")
    assert outcome.status == 0
    names = {"python", "disk", "shared memory", "embedder", "models", "database", "stores"}
    assert {check["name"] for check in outcome.json} == names
    assert all(check["ok"] for check in outcome.json)


def test_config_lists_each_setting_with_its_origin_and_hides_passwords(library: Ragstone) -> None:
    program = library.having(database_url="postgresql://me:sesame@localhost/db")
    settings = {origin["name"]: origin for origin in program("config", "--json").json}
    assert settings["home"]["source"] == "environment"
    assert settings["port"]["source"] == "default"
    assert "sesame" not in program("config").out + str(settings)


def test_an_unknown_setting_stops_every_command_with_a_suggestion(library: Ragstone) -> None:
    outcome = library.having(databse_url="x")("status")
    assert outcome.status == 2
    assert "RAGSTONE_DATABSE_URL" in outcome.err
    assert "Did you mean RAGSTONE_DATABASE_URL" in outcome.err


def test_a_database_that_refuses_is_named_with_what_to_do(library: Ragstone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = library.having(database_url=f"postgresql://me:sesame@127.0.0.1:{port}/db")("status")
    assert outcome.status == 3
    assert f"127.0.0.1:{port}" in outcome.err
    assert "RAGSTONE_DATABASE_URL" in outcome.err
    assert "sesame" not in outcome.err


def test_doctor_goes_on_behind_a_failing_check_and_says_the_remedy(library: Ragstone) -> None:
    outcome = library.having(database_url="postgresql://127.0.0.1:1/db")("doctor", "--json")
    assert outcome.status == 1
    failing = {check["name"]: check for check in outcome.json if not check["ok"]}
    assert failing.keys() == {"database", "stores"}
    assert all(check["remedy"] for check in failing.values())


def test_a_taken_port_is_said_before_anything_else_happens(fresh: Ragstone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = fresh("serve", "--port", str(taken.getsockname()[1]))
    assert outcome.status == 2
    assert "--port" in outcome.err
    assert not list(fresh.home.iterdir())


def test_the_service_does_not_open_itself_to_the_network_without_authentication(fresh: Ragstone) -> None:
    outcome = fresh("serve", "--host", "0.0.0.0")
    assert outcome.status == 2
    assert "authentication" in outcome.err


def test_wrong_use_is_explained(library: Ragstone) -> None:
    outcome = library("search")
    assert outcome.status == 2
    assert "query" in outcome.err


def test_a_folder_is_merged_not_duplicated(library: Ragstone, tmp_path: Path) -> None:
    def ingest() -> dict[str, int]:
        outcome = library("ingest", tmp_path, "--store", "merged", "--json")
        found: dict[str, int] = outcome.json
        return {name: found[name] for name in ("added", "replaced", "unchanged", "removed")}

    def words(query: str) -> str:
        hits = library("search", query, "--store", "merged", "--json").json["hits"]
        return " ".join(hit["text"] for hit in hits)

    write_documents(tmp_path)
    assert ingest() == {"added": 3, "replaced": 0, "unchanged": 0, "removed": 0}
    assert ingest() == {"added": 0, "replaced": 0, "unchanged": 3, "removed": 0}
    (tmp_path / "travel.txt").write_text("Travel policy\n\nBicycles are preferred.\n")
    (tmp_path / "prices.csv").unlink()
    (tmp_path / "new.md").write_text("# News\n\nThe quarry opens on Monday.\n")
    assert ingest() == {"added": 1, "replaced": 1, "unchanged": 1, "removed": 1}
    assert "Bicycles" in words("travel")
    assert "Trains" not in words("trains are booked")
    assert "Marble" not in words("marble price")


def test_a_file_that_cannot_be_read_is_reported_and_the_others_go_on(library: Ragstone, tmp_path: Path) -> None:
    write_documents(tmp_path)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is no page")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 64)
    outcome = library("ingest", tmp_path, "--store", "mixed")
    assert outcome.status == 1
    assert "added      3" in outcome.out
    for name in ("empty.txt", "broken.pdf", "binary.txt"):
        assert sum(name in line for line in outcome.out.splitlines()) == 1
    assert "Traceback" not in outcome.out + outcome.err


def test_names_of_files_are_shown_and_do_nothing_whatever_their_bytes(fresh: Ragstone, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in (b"caf\xe9.txt", b"red \x1b[31m.txt", "“quoted”.txt".encode()):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("The obelisk is polished with emery.")
    with fresh.serving():
        report = fresh("ingest", folder, "--store", "[/x] y", "--json").json
        assert (report["added"], report["failed"]) == (3, [])
        again = fresh("ingest", folder, "--store", "[/x] y")
        assert (again.status, "--store '[/x] y'" in again.out) == (0, True)
        assert fresh("status").status == 0
        plain = Ragstone(fresh.home, {**fresh.extra, "PYTHONIOENCODING": "ascii"}, fresh.keys)
        shown = plain("search", "obelisk", "--store", "[/x] y")
    assert "\x1b" not in shown.out
    assert "caf\\xe9.txt" in shown.out
    assert "?quoted?.txt" in shown.out


def test_attributes_that_only_python_takes_for_equal_are_changed(fresh: Ragstone, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("The obelisk is polished with emery.")
    with fresh.serving():
        assert fresh("ingest", tmp_path, "--attribute", "flag=1", "--json").json["added"] == 1
        assert fresh("ingest", tmp_path, "--attribute", "flag=true", "--json").json["replaced"] == 1
        assert fresh("search", "obelisk", "--filter", "flag=true", "--json").json["hits"]


def test_a_path_that_does_not_exist_is_said(library: Ragstone, tmp_path: Path) -> None:
    outcome = library("ingest", tmp_path / "nothing", "--store", "mixed")
    assert outcome.status == 1
    assert "does not exist" in outcome.out


def test_a_failed_reading_keeps_the_version_that_is_stored(library: Ragstone, tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text("# Plan\n\nThe bridge is built of basalt.\n")
    assert library("ingest", tmp_path, "--store", "kept").status == 0
    (tmp_path / "plan.md").write_bytes(bytes(range(256)) * 64)
    assert library("ingest", tmp_path, "--store", "kept").status == 1
    hits = library("search", "bridge of basalt", "--store", "kept", "--json").json["hits"]
    assert "basalt" in hits[0]["text"]


def test_readers_of_a_document_stay_when_its_file_changes(fresh: Ragstone, tmp_path: Path) -> None:
    file = tmp_path / "salaries.txt"

    def ingest(*options: str) -> None:
        outcome = fresh("ingest", tmp_path, "--json", *options)
        assert outcome.status == 0, outcome.err

    with fresh.serving() as address:
        made = fresh("keys", "create", "--tenant", "default", "--scopes", "read", "--json").json["key"]

        def found(key: str) -> int:
            headers = {"authorization": f"Bearer {key}"}
            asked = {"query": "Where is the table of salaries?"}
            answer = httpx.post(f"{address}/v1/vector_stores/default/search", json=asked, headers=headers, timeout=30)
            assert answer.status_code == 200, answer.text
            return len(answer.json()["data"])

        file.write_text("The table of salaries is in the safe.")
        ingest("--reader", "group:hr")
        assert (found(made), found(fresh.key)) == (0, 1)
        file.write_text("The table of salaries is in the cellar.")
        ingest()
        assert (found(made), found(fresh.key)) == (0, 1)
        ingest("--reader", "user:alice", "--reader", "group:hr")
        assert (found(made), found(fresh.key)) == (0, 1)


def test_a_reader_that_is_nobody_is_wrong_use(fresh: Ragstone, tmp_path: Path) -> None:
    outcome = fresh("ingest", tmp_path, "--reader", "hr")
    assert outcome.status == 2
    assert "group:NAME" in outcome.err


def test_commands_act_for_the_tenant_of_the_settings(fresh: Ragstone, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("The obelisk is polished with emery.")
    outcome = fresh.having(tenant="acme")("ingest", tmp_path)
    assert outcome.status == 2
    assert "ragstone tenants create acme" in outcome.err
    assert fresh("tenants", "create", "acme").status == 0
    assert fresh.having(tenant="acme")("ingest", tmp_path).status == 0
    assert [store["documents"] for store in fresh.having(tenant="acme")("status", "--json").json["stores"]] == [1]
    assert fresh("status", "--json").json["stores"] == []
