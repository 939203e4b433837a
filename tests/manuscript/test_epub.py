"""EPUB: titles from the contents, order from the spine, every character accounted for."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import CONTAINER, entry, nav, page, write_epub, write_zip

from farm.errors import BadManuscript
from farm.manuscript.epub import read_epub
from farm.manuscript.parts import ChapterKind, Manuscript, visible

MOBY_DICK = Path(__file__).parents[1] / "data" / "moby-dick.epub"
NCX = (
    '<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "ncx.dtd">'
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1"><navMap>{}</navMap></ncx>'
)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def point(src: str, title: str, *below: str) -> str:
    label = f"<navLabel><text>{title}</text></navLabel>"
    return f'<navPoint>{label}<content src="{src}"/>{"".join(below)}</navPoint>'


def titles(book: Manuscript) -> list[str]:
    return [chapter.title for chapter in book.chapters]


def reasons(book: Manuscript) -> dict[str, int]:
    return {str(part.reason): part.characters for part in book.removed}


def refusal(path: Path) -> str:
    with pytest.raises(BadManuscript) as caught:
        read_epub(path, path.name)
    return str(caught.value)


def test_moby_dick_has_its_135_chapters_and_what_stands_around_them() -> None:
    book = read_epub(MOBY_DICK, "moby-dick.epub")
    chapters = [chapter for chapter in book.chapters if chapter.kind is ChapterKind.CHAPTER]
    assert (book.title, book.author, book.language) == ("Moby-Dick", "Herman Melville", "en")
    assert len(chapters) == 136
    assert chapters[0].title == "Chapter 1. Loomings."
    assert chapters[0].text.startswith("Call me Ishmael. Some years ago")
    assert chapters[134].title == "Chapter 135. The Chase.—Third Day."
    assert chapters[135].title == "Epilogue"
    front = [(chapter.title, chapter.included) for chapter in book.chapters[:4]]
    assert front == [
        ("Brief Contents", False),
        ("Original Transcriber’s Notes:", False),
        ("ETYMOLOGY.", True),
        ("EXTRACTS (Supplied by a Sub-Sub-Librarian).", True),
    ]
    assert [c.title for c in book.chapters[-2:]] == ["Copyright Page", "Notes"]
    assert not any(chapter.included for chapter in book.chapters[-2:])
    assert reasons(book) == {"Footnote marks": 1, "The table of contents": 3654}
    assert book.cover is not None
    assert book.cover.media_type == "image/jpeg"
    assert book.accounted


def test_moby_dick_is_read_in_seconds() -> None:
    started = time.perf_counter()
    read_epub(MOBY_DICK, "moby-dick.epub")
    assert time.perf_counter() - started < 3


def test_an_epub_2_takes_titles_from_the_ncx_and_parents_become_volumes(tmp_path: Path) -> None:
    ncx = NCX.format(
        point("p1.xhtml", "Part One", point("c1.xhtml", "1. Dawn"), point("c2.xhtml", "2. Noon"))
        + point("p2.xhtml", "Part Two", point("c3.xhtml", "3. Dusk"))
    )
    pages = {
        "p1.xhtml": page("<h1>Part One</h1>"),
        "c1.xhtml": page("<h2>1. Dawn</h2><p>It was light.</p>"),
        "c2.xhtml": page("<p>It was hot.</p>"),
        "p2.xhtml": page("<h1>Part Two</h1><p>Some years later.</p>"),
        "c3.xhtml": page("<p>It was dark.</p>"),
    }
    book = read_epub(write_epub(tmp_path / "b.epub", pages, ncx=ncx), "b.epub")
    assert [(c.volume, c.title, c.text) for c in book.chapters] == [
        ("Part One", "1. Dawn", "It was light."),
        ("Part One", "2. Noon", "It was hot."),
        ("Part Two", "Part Two", "Some years later."),
        ("Part Two", "3. Dusk", "It was dark."),
    ]
    assert book.accounted


def test_a_file_with_several_entries_is_cut_at_their_ids(tmp_path: Path) -> None:
    contents = nav(entry("a.xhtml#one", "One"), entry("a.xhtml#two", "Two"), entry("b.xhtml", "Three"))
    body = '<h2 id="one">One</h2><p>First.</p><div><h2><a id="two"/>Two</h2><p>Second.</p></div>'
    pages = {"a.xhtml": page(body), "b.xhtml": page("<h2>Three</h2><p>Third.</p>")}
    book = read_epub(write_epub(tmp_path / "b.epub", pages, contents=contents), "b.epub")
    assert [(c.title, c.text) for c in book.chapters] == [
        ("One", "First."),
        ("Two", "Second."),
        ("Three", "Third."),
    ]


def test_a_chapter_over_several_files_is_one_chapter(tmp_path: Path) -> None:
    contents = nav(entry("a.xhtml", "One"), entry("c.xhtml", "Two"))
    pages = {
        "a.xhtml": page("<p>First.</p>"),
        "b.xhtml": page("<p>Still first.</p>"),
        "c.xhtml": page("<p>Second.</p>"),
    }
    book = read_epub(write_epub(tmp_path / "b.epub", pages, contents=contents), "b.epub")
    assert [c.text for c in book.chapters] == ["First.\nStill first.", "Second."]


def test_sections_inside_a_chapter_stay_in_its_text(tmp_path: Path) -> None:
    below = (entry("a.xhtml#s1", "Background"), entry("a.xhtml#s2", "Method"))
    contents = nav(entry("a.xhtml", "Chapter 1", *below), entry("b.xhtml", "Chapter 2"))
    body = '<h1>Chapter 1</h1><h2 id="s1">Background</h2><p>Once.</p><h2 id="s2">Method</h2><p>How.</p>'
    pages = {"a.xhtml": page(body), "b.xhtml": page("<h1>Chapter 2</h1><p>Then.</p>")}
    book = read_epub(write_epub(tmp_path / "b.epub", pages, contents=contents), "b.epub")
    assert titles(book) == ["Chapter 1. Background", "Chapter 2"]
    assert book.chapters[0].text == "Once.\nMethod\nHow."


def test_number_and_name_in_two_headings_make_one_title(tmp_path: Path) -> None:
    contents = nav(entry("a.xhtml", "Chapter 1: Loomings"), entry("b.xhtml", "Chapter 2: The Bag"))
    pages = {
        "a.xhtml": page("<h1>CHAPTER 1</h1><h2>Loomings</h2><p>Call me.</p>"),
        "b.xhtml": page("<h1>CHAPTER 2<br/>The Bag</h1><p>I stuffed.</p>"),
    }
    book = read_epub(write_epub(tmp_path / "b.epub", pages, contents=contents), "b.epub")
    assert [(c.title, c.text) for c in book.chapters] == [
        ("CHAPTER 1. Loomings", "Call me."),
        ("CHAPTER 2. The Bag", "I stuffed."),
    ]
    assert book.added == 2
    assert book.accounted


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


def test_front_and_back_matter_is_ticked_when_people_read_it_aloud(tmp_path: Path) -> None:
    pages = {
        "cover.xhtml": page('<img src="c.jpg" alt="Cover"/>'),
        "title.xhtml": page('<section epub:type="titlepage"><h1>A Book</h1><p>A. Writer</p></section>'),
        "rights.xhtml": page("<h1>Copyright</h1><p>All rights reserved.</p>"),
        "preface.xhtml": page("<h1>Preface</h1><p>I wrote this.</p>"),
        "c1.xhtml": page("<h1>One</h1><p>Text.</p>"),
        "c2.xhtml": page("<h1>Two</h1><p>Text.</p>"),
        "index.xhtml": page("<h1>Index</h1><p>Whale, 3</p>", 'epub:type="index"'),
    }
    contents = nav(entry("c1.xhtml", "One"), entry("c2.xhtml", "Two"))
    path = write_epub(
        tmp_path / "b.epub", pages, contents=contents, spine='<itemref idref="nav" linear="no"/>'
    )
    book = read_epub(path, "b.epub")
    assert [(c.title, c.kind.value, c.included) for c in book.chapters] == [
        ("A Book", "front", False),
        ("Copyright", "front", False),
        ("Preface", "front", True),
        ("One", "chapter", True),
        ("Two", "chapter", True),
        ("Index", "back", False),
    ]
    assert book.accounted


def test_without_contents_the_headings_decide(tmp_path: Path) -> None:
    pages = {
        "a.xhtml": page("<h1>Part One</h1><h2>Dawn</h2><p>a</p><h2>Noon</h2><p>b</p>"),
        "b.xhtml": page("<h1>Part Two</h1><h2>Dusk</h2><p>c</p>"),
    }
    book = read_epub(write_epub(tmp_path / "b.epub", pages), "b.epub")
    assert [(c.volume, c.title, c.text) for c in book.chapters] == [
        ("Part One", "Dawn", "a"),
        ("Part One", "Noon", "b"),
        ("Part Two", "Dusk", "c"),
    ]
    assert book.accounted


def test_without_contents_and_headings_the_words_of_the_paragraphs_decide(tmp_path: Path) -> None:
    text = "".join(f"<p>第{n}回 标题</p><p>{'话说当日之事。' * 20}</p>" for n in "一二三")
    book = read_epub(write_epub(tmp_path / "b.epub", {"a.xhtml": page(text)}), "b.epub")
    assert titles(book) == ["第一回 标题", "第二回 标题", "第三回 标题"]
    assert book.accounted


def test_metadata_and_the_cover_of_epub_2(tmp_path: Path) -> None:
    metadata = (
        '<dc:title>Book</dc:title><dc:creator opf:role="aut">Ann</dc:creator>'
        '<dc:creator opf:role="aut">Bob</dc:creator>'
        '<dc:creator opf:role="ill">Cy</dc:creator><dc:language>fr</dc:language>'
        "<dc:description>&lt;p&gt;A &lt;b&gt;good&lt;/b&gt; one.&lt;/p&gt;</dc:description>"
        '<meta name="cover" content="pic"/>'
    )
    path = write_epub(
        tmp_path / "b.epub",
        {"a.xhtml": page("<h1>One</h1><p>Il était une fois.</p>")},
        metadata=metadata,
        manifest='<item id="pic" href="c%20v.png" media-type="image/png"/>',
        extra={"OPS/c v.png": PNG},
    )
    book = read_epub(path, "b.epub")
    assert (book.author, book.description) == ("Ann, Bob", "A good one.")
    assert book.cover is not None
    assert (book.cover.content, book.cover.media_type) == (PNG, "image/png")
    assert "fr" in str(book.oddities[0])


def test_a_cover_that_is_no_picture_is_left_out_and_said(tmp_path: Path) -> None:
    path = write_epub(
        tmp_path / "b.epub",
        {"a.xhtml": page("<p>Text.</p>")},
        manifest='<item id="pic" href="c.jpg" properties="cover-image" media-type="image/jpeg"/>',
        extra={"OPS/c.jpg": b"<html>"},
    )
    book = read_epub(path, "b.epub")
    assert book.cover is None
    assert any("cover" in str(oddity) for oddity in book.oddities)


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


def test_missing_files_of_the_spine_are_named(tmp_path: Path) -> None:
    path = write_epub(
        tmp_path / "b.epub",
        {"a.xhtml": page("<p>Text.</p>")},
        manifest='<item id="z" href="gone.xhtml" media-type="application/xhtml+xml"/>',
        spine='<itemref idref="z"/>',
    )
    assert any("gone.xhtml" in str(oddity) for oddity in read_epub(path, "b.epub").oddities)


@pytest.mark.parametrize(
    ("member", "content", "scheme"),
    [
        ("META-INF/rights.xml", "<rights/>", "Adobe ADEPT"),
        ("META-INF/sinf.xml", "<sinf/>", "Apple FairPlay"),
        ("META-INF/license.lcpl", "{}", "Readium LCP"),
        (
            "META-INF/encryption.xml",
            '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
            '<enc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
            "</enc:EncryptedData></encryption>",
            "aes128-cbc",
        ),
    ],
)
def test_protected_books_are_refused_by_name(tmp_path: Path, member: str, content: str, scheme: str) -> None:
    path = write_epub(tmp_path / "locked.epub", {"a.xhtml": page("<p>x</p>")}, extra={member: content})
    assert "locked.epub is protected against copying" in refusal(path)
    assert scheme in refusal(path)


def test_obfuscated_fonts_are_no_protection(tmp_path: Path) -> None:
    fonts = (
        '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
        '<enc:EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></enc:EncryptedData></encryption>'
    )
    path = write_epub(
        tmp_path / "b.epub", {"a.xhtml": page("<p>Fine.</p>")}, extra={"META-INF/encryption.xml": fonts}
    )
    assert read_epub(path, "b.epub").chapters[0].text == "Fine."


BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<html><body><p>&b;</p></body></html>"
)
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><html><body><p>&e;</p></body></html>'


@pytest.mark.parametrize("trick", [BILLION_LAUGHS, EXTERNAL, BILLION_LAUGHS.encode("utf-16")])
def test_entity_tricks_are_refused(tmp_path: Path, trick: str | bytes) -> None:
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": ""}, extra={"OPS/a.xhtml": trick})
    assert "entities" in refusal(path)


def test_entity_tricks_in_the_package_are_refused(tmp_path: Path) -> None:
    assert "entities" in refusal(write_zip(tmp_path / "b.epub", {"META-INF/container.xml": BILLION_LAUGHS}))


def test_what_is_no_whole_epub_is_refused(tmp_path: Path) -> None:
    whole = write_epub(tmp_path / "whole.epub", {"a.xhtml": page("<p>x</p>")}).read_bytes()
    (tmp_path / "cut.epub").write_bytes(whole[:-30])
    assert "damaged or incomplete" in refusal(tmp_path / "cut.epub")
    assert "package document is missing" in refusal(write_zip(tmp_path / "a.epub", {"mimetype": "x"}))
    assert "package document is missing" in refusal(
        write_zip(tmp_path / "b.epub", {"META-INF/container.xml": CONTAINER})
    )
    assert "not well-formed" in refusal(write_zip(tmp_path / "c.epub", {"META-INF/container.xml": "  "}))
    assert "no text" in refusal(write_epub(tmp_path / "d.epub", {}))
    assert "no text" in refusal(write_epub(tmp_path / "e.epub", {"a.xhtml": page('<img src="x.png"/>')}))


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


def test_a_chapter_of_five_million_characters_comes_in_parts(tmp_path: Path) -> None:
    body = "<h1>第一章</h1>" + f"<p>{'这是一个很长很长的句子，说了又说。' * 12}</p>" * 25_000
    book = read_epub(write_epub(tmp_path / "b.epub", {"a.xhtml": page(body)}), "b.epub")
    assert len(book.chapters) > 20
    assert sum(visible(chapter.text) for chapter in book.chapters) == 17 * 12 * 25_000
    assert book.accounted


def test_a_paragraph_too_large_for_the_parser_is_refused_not_cut(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": page(f"<p>{'长' * 5_000_000}</p>")})
    assert "too large" in refusal(path)


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
