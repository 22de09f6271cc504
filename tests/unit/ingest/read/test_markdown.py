"""Markdown and MDX."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragstone.domain import Reading
from ragstone.ingest.read import read


def md(text: str, name: str = "a.md") -> Reading:
    reading = read(Path(name), text.encode())
    assert reading.text == text
    return reading


def blocks(reading: Reading) -> list[tuple[str, str]]:
    return [(block.kind.value, reading.text[block.start : block.end]) for block in reading.blocks]


def paths(reading: Reading) -> dict[str, tuple[str, ...]]:
    return {reading.text[block.start : block.end]: block.heading for block in reading.blocks}


def test_each_kind_of_block_is_marked_in_the_files_own_text() -> None:
    text = "# One\n\nWords\nand more.\n\n- a\n  - b\n\n```py\nx = 1\n```\n\n| p | q |\n|---|--:|\n| 1 | 2 |\n\n> said\n"
    assert blocks(md(text)) == [
        ("heading", "# One"),
        ("paragraph", "Words\nand more."),
        ("list", "- a\n  - b"),
        ("code", "```py\nx = 1\n```"),
        ("table", "| p | q |\n|---|--:|\n| 1 | 2 |"),
        ("paragraph", "> said"),
    ]


def test_headings_nest_and_a_heading_stands_in_its_own_path() -> None:
    found = paths(md("# A\n\n## B\n\ntext\n\nC\n---\n\nmore\n\n# D\n\nlast\n"))
    assert found["# A"] == ("A",)
    assert found["text"] == ("A", "B")
    assert found["more"] == ("A", "C")
    assert found["last"] == ("D",)


def test_a_title_is_said_without_markup() -> None:
    found = paths(md("## The `kubectl` **tool** with [a link](http://x) {#anchor}\n\ntext\n"))
    assert found["text"] == ("The kubectl tool with a link",)


def test_front_matter_gives_the_title_and_is_no_block() -> None:
    reading = md('---\ntitle: "The guide"\ntags: [a]\n---\n\n# Other\n\ntext\n')
    assert reading.title == "The guide"
    assert blocks(reading) == [("heading", "# Other"), ("paragraph", "text")]


def test_a_rule_at_the_beginning_is_no_front_matter() -> None:
    assert ("paragraph", "text") in blocks(md("---\n\ntext\n"))


@pytest.mark.parametrize("beginning", ["\n# Refunds\n\n", "", "# Refunds\n\n- ", "Note: this holds from May.\n\n"])
def test_a_text_between_two_rules_at_the_beginning_is_kept(beginning: str) -> None:
    found = blocks(md(f"---\n{beginning}The refund period is 30 days.\n\n---\n\n# Returns\n"))
    assert any("The refund period is 30 days." in body for _, body in found)


@pytest.mark.parametrize(
    "fields",
    [
        "---\n# by hand\ntitle: Guide\n\ntags:\n- a\n- b\nlast updated: 2024\nsummary: >\n  Two\n  lines\n---\n",
        '+++\ntitle = "Guide"\ntags = [\n  "a",\n]\n[extra]\nweight = 3\n+++\n',
    ],
)
def test_front_matter_may_have_lists_comments_and_blank_lines(fields: str) -> None:
    reading = md(f"{fields}\ntext\n")
    assert (reading.title, blocks(reading)) == ("Guide", [("paragraph", "text")])


def test_the_first_heading_is_the_title_when_front_matter_has_none() -> None:
    assert md("intro\n\n# Guide\n\ntext\n").title == "Guide"


def test_code_inside_a_list_is_cut_out() -> None:
    text = "1. first\n\n   ```sh\n   run\n   ```\n\n2. second\n"
    assert blocks(md(text)) == [("list", "1. first"), ("code", "   ```sh\n   run\n   ```"), ("list", "2. second")]


def test_a_table_carries_its_header_and_may_follow_a_paragraph_directly() -> None:
    reading = md("See:\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert blocks(reading) == [("paragraph", "See:"), ("table", "| a | b |\n|---|---|\n| 1 | 2 |")]
    assert reading.blocks[1].header == "| a | b |"


def test_comments_are_no_blocks() -> None:
    assert blocks(md("one\n\n<!-- hidden\n\nstill hidden -->\n\ntwo\n")) == [("paragraph", "one"), ("paragraph", "two")]


def test_a_comment_that_never_ends_hides_nothing() -> None:
    assert blocks(md("<!-- a -->\n\n<!-- open\n\ntwo\n"))[-1][1].endswith("two")


def test_hashes_in_code_are_no_headings() -> None:
    assert [kind for kind, _ in blocks(md("```\n# no\n<div>\n<!-- x -->\n```\n"))] == ["code"]


def test_lines_of_tags_imports_and_fences_of_notes_are_no_blocks() -> None:
    tabs = "import Tabs from '@theme/Tabs';\n\n<Tabs>\n<TabItem value=\"a\">\n\nInside.\n\n</TabItem>\n</Tabs>\n\n"
    assert blocks(md(tabs + ":::tip\n\nAdvice.\n\n:::\n")) == [("paragraph", "Inside."), ("paragraph", "Advice.")]


def test_the_content_of_an_indented_note_is_prose() -> None:
    text = '!!! note "Mind"\n    Some words.\n\n    - item\n\nAfter.\n'
    assert [kind for kind, _ in blocks(md(text))] == ["paragraph", "list", "paragraph"]


@pytest.mark.parametrize(
    "opening",
    [
        '??? question "How to reset it"',
        '??? "How to reset it"',
        "!!! note inline 'How to reset it'",
        '=== "How to reset it"',
        "::: warning How to reset it",
        ":::tip[How to reset it]",
        '::: {.callout-note title="How to reset it"}',
        ":::{note} How to reset it",
    ],
)
def test_the_title_of_a_note_is_text(opening: str) -> None:
    assert blocks(md(f"Intro.\n\n{opening}\n\n")) == [("paragraph", "Intro."), ("paragraph", opening)]


@pytest.mark.parametrize("opening", ["!!! note", '!!! note ""', ":::", "::: warning", ":::{note}", ":::note{.wide}"])
def test_the_mark_of_a_note_without_a_title_is_no_block(opening: str) -> None:
    assert blocks(md(f"Intro.\n\n{opening}\n\nAfter.\n")) == [("paragraph", "Intro."), ("paragraph", "After.")]


def test_a_mark_with_blanks_alone_behind_it_is_no_note() -> None:
    assert blocks(md("Title\n=== \n\n!!! \n")) == [("heading", "Title\n==="), ("paragraph", "!!!")]


@pytest.mark.parametrize(
    "line",
    [
        "import users from the legacy system, which takes 2 hours.",
        "export default settings from the menu.",
    ],
)
def test_prose_that_begins_like_a_module_is_kept(line: str) -> None:
    assert blocks(md(f"Last step.\n\n{line}\n")) == [("paragraph", "Last step."), ("paragraph", line)]


def test_markdown_in_components_of_mdx_is_read() -> None:
    text = (
        'export const x = 1\n\n<Card\n  title="T"\n  icon={a}\n/>\n\n<Steps>\n    ## Install\n\n    Run it.\n</Steps>\n'
    )
    reading = md(text, "a.mdx")
    assert [body.strip() for _, body in blocks(reading)] == ["## Install", "Run it."]
    assert reading.blocks[-1].heading == ("Install",)


def test_words_in_the_attributes_of_a_component_are_kept() -> None:
    one = '<Field\n  name="port"\n  icon={x}\n/>'
    other = '<Field\n  name="host"\n  description="Where <code>it</code> runs."\n/>'
    assert [body.split() for _, body in blocks(md(one + other + "\n\nAfter.\n", "a.mdx"))] == [
        ['name="port"'],
        ['name="host"', 'description="Where', "<code>it</code>", 'runs."'],
        ["After."],
    ]


def test_html_with_words_in_it_stays() -> None:
    assert blocks(md("<p>Some words.</p>\n")) == [("paragraph", "<p>Some words.</p>")]


def test_a_long_file_is_read_in_parts_without_losing_structure() -> None:
    section = (
        "## Section {}\n\n"
        + "Some words in a paragraph.\n" * 40
        + "\n```\n\n# no heading\n\n```\n\n- item\n\n  continued\n\n"
    )
    reading = md("# Top\n\n" + "".join(section.format(number) for number in range(600)))
    titles = [block.heading for block in reading.blocks if block.kind.value == "heading"]
    assert titles == [("Top",), *(("Top", f"Section {number}") for number in range(600))]
    assert sum(block.kind.value == "code" for block in reading.blocks) == 600
    assert sum(block.kind.value == "list" for block in reading.blocks) == 600
    assert not reading.warnings


def test_a_very_long_part_without_a_break_is_read_as_plain_text_with_a_warning() -> None:
    reading = md("- item\n" * 400_000)
    assert [block.kind.value for block in reading.blocks] == ["paragraph"]
    assert len(reading.warnings) == 1
