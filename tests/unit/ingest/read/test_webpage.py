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
        "<div id=cookieConsent>We use cookies</div>",
        "<p class='gdpr_notice'>We use cookies</p>",
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


@pytest.mark.parametrize(
    "content",
    [
        "<section id=cookies><h2>Cookies</h2><p>The session lasts 31 days.</p></section>",
        "<section id=informed-consent><p>The session lasts 31 days.</p></section>",
        "<div class=section id=cookies><h2>Cookies</h2><p>The session lasts 31 days.</p></div>",
        "<dl><dt id=Request.cookies>cookies<dd id=gdpr>The session lasts 31 days.</dl>",
        "<h2 class=consent>The session lasts 31 days.</h2>",
        "<p class=consented>The session lasts 31 days.</p>",
    ],
)
def test_a_short_section_about_cookies_or_consent_is_content(content: str) -> None:
    assert "31 days" in html(f"<p>Words.</p>{content}").text


def test_the_main_element_is_preferred_when_it_holds_the_text() -> None:
    assert html("<div>Shop now</div><main><p>" + "The article. " * 20 + "</p></main>").text.startswith("The article")


def test_a_section_beside_the_only_article_is_content() -> None:
    sections = "<article><p>" + "Welcome. " * 20 + "</p></article><section><p>The licence costs 99 EUR.</p>{}</section>"
    assert "99 EUR" in html(sections.format("<p>Other words.</p>" * 4)).text
    assert "Shop now" not in html(f"<div>Shop now</div>{sections.format('').partition('<section>')[0]}").text


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


@pytest.mark.parametrize("span", ["1" * 5000, "\u00b2", "-1", "0"])
def test_a_nonsensical_span_is_none(span: str) -> None:
    reading = html(f"<table><tr><th>Name<th>Age</tr><tr><td colspan={span}>Bob<td>42</tr></table>")
    assert reading.text.split("\n")[2] == "| Bob | 42 |"


def test_a_form_around_rows_or_cells_does_not_hide_them() -> None:
    reading = html(
        "<table><thead><form><tr><th>Name<th>Age</tr></form></thead>"
        "<tr><form action=x><td>Bob</td><td>42</td></form></tr><form><tr><td>Eve</td><td>37</td></tr></form></table>"
    )
    assert reading.text.split("\n") == ["| Name | Age |", "| --- | --- |", "| Bob | 42 |", "| Eve | 37 |"]


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


def test_a_byte_order_mark_counts_before_the_declared_encoding() -> None:
    assert html("\ufeff<meta charset=iso-8859-1><p>Größe</p>").text == "Größe"


def test_an_xml_declaration_does_no_harm() -> None:
    assert html('<?xml version="1.0" encoding="utf-8"?><html><body><p>Größe</p></body></html>').text == "Größe"


def test_entities_become_characters_and_those_of_a_document_type_are_not_expanded() -> None:
    reading = html('<!DOCTYPE html [<!ENTITY b "boom">]><p>a &amp; b &euro; &#x41; &b;</p>')
    assert "a & b € A" in reading.text
    assert "boom" not in reading.text.replace('"boom"', "")
