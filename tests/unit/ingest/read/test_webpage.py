"""HTML pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragstone.domain import Reading
from ragstone.ingest.read import read


def html(text: str) -> Reading:
    return read(Path("a.html"), text.encode())


def blocks(reading: Reading) -> list[tuple[str, str]]:
    return [(block.kind.value, reading.text[block.start : block.end]) for block in reading.blocks]


def test_headings_paragraphs_lists_code_and_tables_become_blocks() -> None:
    reading = html(
        "<title>The page</title><h1>One</h1><p>Some <b>bold</b> words,<br>next line.</p><h2>Two</h2>"
        "<ul><li>a<ul><li>b</ul><li>c</ul><ol><li>first<li>second</ol><pre>x = 1\n  y</pre>"
        "<table><thead><tr><th>p<th>q<tbody><tr><td>1<td>2 | 3</table>"
    )
    assert blocks(reading) == [
        ("heading", "One"),
        ("paragraph", "Some bold words,\nnext line."),
        ("heading", "Two"),
        ("list", "- a\n  - b\n- c"),
        ("list", "1. first\n2. second"),
        ("code", "x = 1\n  y"),
        ("table", "| p | q |\n| --- | --- |\n| 1 | 2 \\| 3 |"),
    ]
    assert reading.title == "The page"
    assert reading.blocks[3].heading == ("One", "Two")
    assert reading.blocks[-1].header == "| p | q |"


@pytest.mark.parametrize(
    "noise",
    [
        "<script>alert(1)</script>",
        "<style>p {}</style>",
        "<nav>Home | About</nav>",
        "<footer>Imprint</footer>",
        "<div hidden>secret</div>",
        "<div style='display: none'>secret</div>",
        "<div aria-hidden=true>secret</div>",
        "<div class='cookie-banner'>We use cookies <button>OK</button></div>",
        "<div role=navigation>Home</div>",
        "<aside>Advert</aside>",
        "<!-- comment -->",
        "<template>later</template>",
        "<noscript>no script</noscript>",
        "<svg><text>drawn</text></svg>",
    ],
)
def test_what_is_around_the_content_is_left_out(noise: str) -> None:
    assert html(f"<body>{noise}<p>Words.</p>{noise}</body>").text == "Words."


def test_a_long_section_about_cookies_is_content() -> None:
    words = "Butter and sugar make good biscuits. " * 60
    assert "Butter" in html(f"<div class='cookies'><p>{words}</p></div>").text


def test_the_main_element_is_preferred_when_it_holds_the_text() -> None:
    assert html("<div>Shop now</div><main><p>" + "The article. " * 20 + "</p></main>").text.startswith("The article")


def test_a_note_inside_an_article_stays() -> None:
    assert "Mind the gap" in html("<article><p>Words.</p><aside>Mind the gap.</aside></article>").text


def test_a_table_that_only_arranges_the_page_is_no_table() -> None:
    reading = html("<table><tr><td><h1>Head</h1><p>Left.</p></td><td><p>Right.</p></td></tr></table>")
    assert blocks(reading) == [("heading", "Head"), ("paragraph", "Left."), ("paragraph", "Right.")]


def test_a_cell_over_several_rows_is_said_in_each_and_a_title_over_several_columns_too() -> None:
    reading = html(
        "<table><tr><th>Year<th colspan=2>Sales</tr><tr><td rowspan=2>2023<td>1<td>2</tr><tr><td>3<td>4</tr></table>"
    )
    assert reading.text.split("\n") == [
        "| Year | Sales | Sales |",
        "| --- | --- | --- |",
        "| 2023 | 1 | 2 |",
        "| 2023 | 3 | 4 |",
    ]


def test_a_list_with_code_inside_keeps_its_order() -> None:
    assert blocks(html("<ol><li>Run<pre>make</pre><li>Look</ol>")) == [
        ("list", "1. Run"),
        ("code", "make"),
        ("list", "2. Look"),
    ]


def test_terms_and_their_descriptions_stand_together() -> None:
    assert html("<dl><dt>Coffee<dd>Black<dt>Milk<dd>White</dl>").text == "- Coffee\n  Black\n- Milk\n  White"


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ("<meta charset=shift_jis>", "shift_jis"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=utf-8">', "utf-8"),
    ],
)
def test_the_declared_encoding_is_used(declaration: str, encoding: str) -> None:
    assert read(Path("a.html"), f"{declaration}<p>東京です</p>".encode(encoding)).text == "東京です"


def test_a_page_that_claims_latin_1_is_in_windows_1252() -> None:
    assert read(Path("a.html"), b"<meta charset=iso-8859-1><p>\x93quoted\x94</p>").text == "“quoted”"


def test_an_xml_declaration_does_no_harm() -> None:
    assert html('<?xml version="1.0" encoding="utf-8"?><html><body><p>Größe</p></body></html>').text == "Größe"


def test_entities_become_characters_and_those_of_a_document_type_are_not_expanded() -> None:
    reading = html('<!DOCTYPE html [<!ENTITY b "boom">]><p>a &amp; b &euro; &#x41; &b;</p>')
    assert "a & b € A" in reading.text
    assert "boom" not in reading.text.replace('"boom"', "")
