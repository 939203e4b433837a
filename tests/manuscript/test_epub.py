"""EPUB: titles from the contents, order from the spine, every character accounted for."""

from pathlib import Path

from farm.manuscript.epub import read_epub
from farm.manuscript.parts import ChapterKind, Manuscript
from tests.manuscript.making import entry, nav, page, write_epub

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


def test_missing_files_of_the_spine_are_named(tmp_path: Path) -> None:
    path = write_epub(
        tmp_path / "b.epub",
        {"a.xhtml": page("<p>Text.</p>")},
        manifest='<item id="z" href="gone.xhtml" media-type="application/xhtml+xml"/>',
        spine='<itemref idref="z"/>',
    )
    assert any("gone.xhtml" in str(oddity) for oddity in read_epub(path, "b.epub").oddities)
