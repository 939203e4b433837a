"""The pages of an EPUB: what is dropped is named, and every character is accounted for."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import BadManuscript
from farm.manuscript.epub import read_epub
from farm.manuscript.parts import ChapterKind, Manuscript
from tests.manuscript.making import entry, nav, page, write_epub


def reasons(book: Manuscript) -> dict[str, int]:
    return {str(part.reason): part.characters for part in book.removed}


def test_vertical_japanese_loses_its_ruby_and_nothing_else(tmp_path: Path) -> None:
    body = (
        "<h2>一</h2><p>　<ruby>吾輩<rp>（</rp><rt>わがはい</rt><rp>）</rp></ruby>は"
        "猫である。\n　名前はまだ無い。</p>"
        "<p><br/></p><p>どこで<ruby>生<rt>うま</rt></ruby>れたか\nとんと見当がつかぬ。</p>"
    )
    pages = {"a.xhtml": page(body), "b.xhtml": page("<h2>二</h2><p>吾輩は新道の三毛子のもとへ行く。</p>")}
    path = write_epub(
        tmp_path / "b.epub",
        pages,
        contents=nav(entry("a.xhtml", "一"), entry("b.xhtml", "二")),
        metadata="<dc:title>吾輩は猫である</dc:title><dc:creator>夏目漱石</dc:creator><dc:language>ja</dc:language>",
    )
    book = read_epub(path, "neko.epub")
    assert book.language == "ja"
    assert book.chapters[0].text == "吾輩は猫である。名前はまだ無い。\nどこで生れたかとんと見当がつかぬ。"
    assert reasons(book)["Ruby (readings printed beside the characters)"] == 8
    assert book.accounted


def test_note_marks_and_page_numbers_go_and_notes_are_kept_unticked(tmp_path: Path) -> None:
    body = (
        '<h1>I</h1><p>A word<a epub:type="noteref" href="#n1">1</a> and <sup><a href="#n2">2</a></sup> more'
        '<a href="#n3">[3]</a>. See <a href="#x">page 4</a>.'
        '<span epub:type="pagebreak" id="p9">9</span> 10<sup>2</sup></p>'
        '<aside epub:type="footnote" id="n1"><p>First note.</p></aside><p id="x">End.</p>'
    )
    pages = {
        "a.xhtml": page(body),
        "b.xhtml": page("<h1>II</h1><p>More.</p>"),
        "n.xhtml": page(
            '<section epub:type="endnotes"><h1>Notes</h1><p epub:type="endnote">Second.</p></section>'
        ),
    }
    contents = nav(entry("a.xhtml", "I"), entry("b.xhtml", "II"))
    book = read_epub(write_epub(tmp_path / "b.epub", pages, contents=contents), "b.epub")
    assert book.chapters[0].text == "A word and more. See page 4. 102\nEnd."
    notes = book.chapters[-1]
    assert (notes.title, notes.text, notes.kind, notes.included) == (
        "Notes",
        "First note.\nNotes\nSecond.",
        ChapterKind.BACK,
        False,
    )
    assert reasons(book) == {"Footnote marks": 5, "Page numbers of the printed book": 1}
    assert book.accounted


def test_scene_breaks_verse_tables_and_drawn_initials(tmp_path: Path) -> None:
    body = (
        '<h1>I</h1><hr/><p><img src="c.png" alt="C"/>all me.</p><hr/><hr/><p>Roses are red,<br/>'
        "violets are blue.<br/>Sugar is sweet.</p><table><tr><th>Name</th><th>Age</th></tr>"
        "<tr><td><p>Ahab</p></td><td>58</td></tr></table>"
        '<p><img src="whale.png" alt="A whale"/></p><hr/>'
    )
    pages = {"a.xhtml": page(body), "b.xhtml": page("<h1>II</h1><p>b</p>")}
    contents = nav(entry("a.xhtml", "I"), entry("b.xhtml", "II"))
    book = read_epub(write_epub(tmp_path / "b.epub", pages, contents=contents), "b.epub")
    assert book.chapters[0].text.split("\n") == [
        "Call me.",
        "* * *",
        "Roses are red, violets are blue.",
        "Sugar is sweet.",
        "Name, Age",
        "Ahab, 58",
    ]
    assert book.added == 1 + 3 + 2
    assert book.accounted


def test_tag_soup_and_html_entities_are_read(tmp_path: Path) -> None:
    soup = (
        "<html><head><title/></head><body><p>Caf&eacute; &amp; bar<br>AT&T"
        '<p>Unclosed &hellip; <a id="x"/>end</body>'
    )
    doctype = (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">'
    )
    pages = {
        "a.xhtml": soup,
        "b.xhtml": doctype + "<html><body><p>One&nbsp;two&mdash;three</p></body></html>",
    }
    book = read_epub(write_epub(tmp_path / "b.epub", pages), "b.epub")
    assert "\n".join(c.text for c in book.chapters) == "Café & bar AT&T\nUnclosed … end\nOne two—three"


def test_an_old_encoding_is_read_as_declared(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="gb2312"?><html><body><p>红楼梦，镕基。</p></body></html>'
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": ""}, extra={"OPS/a.xhtml": text.encode("gb18030")})
    assert read_epub(path, "b.epub").chapters[0].text == "红楼梦，镕基。"


@pytest.mark.parametrize("depth", [100, 200])
def test_nested_pages_are_read(tmp_path: Path, depth: int) -> None:
    body = "<div>" * depth + "<p>deep</p>" + "</div>" * depth
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": page(body)})
    assert read_epub(path, "b.epub").chapters[0].text == "deep"


@pytest.mark.parametrize("tag", ["div", "h1", 'aside epub:type="footnote"'])
@pytest.mark.parametrize("depth", [250, 5000])
def test_pages_nested_beyond_reason_are_refused_or_read_whole(tmp_path: Path, tag: str, depth: int) -> None:
    body = f"<{tag}>" * depth + "deep" + f"</{tag.split()[0]}>" * depth
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": page(body)})
    try:
        said = " ".join(f"{c.title} {c.text}" for c in read_epub(path, "b.epub").chapters)
    except BadManuscript as e:
        said = str(e)
    assert "deep" in said


WORDS = st.text(st.sampled_from("ab 甲乙。,.　\n\u00ad\u200b1*"), max_size=12)
INLINE = st.tuples(
    st.sampled_from(
        [
            "{}",
            "<b>{}</b>",
            "<ruby>{}<rt>x{}</rt></ruby>",
            '<sup><a href="#n">1</a></sup>{}',
            "{}<br/>{}",
            '<span epub:type="pagebreak">7{}</span>',
            '<a id="i">{}</a>',
        ]
    ),
    WORDS,
).map(lambda pair: pair[0].format(pair[1], pair[1]))
BLOCK = st.recursive(
    st.tuples(st.sampled_from(["p", "h1", "h2", "h3", "li", "td", "span"]), st.lists(INLINE, max_size=3)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    )
    | st.just("<hr/>"),
    lambda inner: st.tuples(
        st.sampled_from(["div", "section", "blockquote", "table", "tr", "ul", 'aside epub:type="footnote"']),
        st.lists(inner | WORDS, max_size=4),
    ).map(lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0].split()[0]}>"),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(BLOCK, max_size=5), min_size=1, max_size=4), st.booleans())
def test_every_character_of_any_book_is_kept_or_listed(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[list[str]], listed: bool
) -> None:
    pages = {f"{n}.xhtml": page("".join(body) + "<p>x</p>") for n, body in enumerate(bodies)}
    contents = nav(*(entry(name, f"Title {name}") for name in pages)) if listed else ""
    path = write_epub(tmp_path_factory.mktemp("any") / "b.epub", pages, contents=contents)
    book = read_epub(path, "b.epub")
    assert book.accounted
    assert all("\n\n" not in chapter.text for chapter in book.chapters)
