"""Word documents: headings by style and outline level, everything else named where it is left out."""

import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import BadManuscript
from farm.manuscript.docx import read_docx
from farm.manuscript.parts import Manuscript
from tests.manuscript.making import write_zip

ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'


def save(document: Any, path: Path) -> Path:
    document.save(str(path))
    return path


def book_of(document: Any, tmp_path: Path) -> Manuscript:
    book = read_docx(save(document, tmp_path / "d.docx"), "d.docx")
    assert book.accounted
    return book


def shape(book: Manuscript) -> list[tuple[str, str, str]]:
    return [(chapter.volume, chapter.title, chapter.text) for chapter in book.chapters]


def reasons(book: Manuscript) -> dict[str, int]:
    return {str(part.reason): part.characters for part in book.removed}


def append(document: Any, xml: str) -> None:
    document.element.body.insert(
        len(document.element.body) - 1, parse_xml(xml.replace(">", f" {nsdecls('w')}>", 1))
    )


def test_heading_1_is_a_volume_where_heading_2_are_its_chapters(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("An Epic", style="Title")
    document.add_paragraph("To my mother.")
    document.add_heading("Part One", 1)
    document.add_heading("Dawn", 2)
    document.add_paragraph("It was light.")
    document.add_heading("Noon", 2)
    document.add_heading("Heat", 3)
    document.add_paragraph("It was hot.")
    document.add_heading("Epilogue", 1)
    document.add_paragraph("It is over.")
    book = book_of(document, tmp_path)
    assert book.title == "An Epic"
    assert shape(book) == [
        ("", "Front matter", "To my mother."),
        ("Part One", "Dawn", "It was light."),
        ("Part One", "Noon", "Heat\nIt was hot."),
        ("", "Epilogue", "It is over."),
    ]


def test_chapters_in_heading_1_keep_their_sections(tmp_path: Path) -> None:
    document = docx.Document()
    for number in "一二":
        document.add_heading(f"第{number}章 标题", 1)
        document.add_heading("小节", 2)
        document.add_paragraph("正文。")
    assert shape(book_of(document, tmp_path)) == [
        ("", "第一章 标题", "小节\n正文。"),
        ("", "第二章 标题", "小节\n正文。"),
    ]


def test_a_level_comes_from_the_outline_and_from_the_style_below(tmp_path: Path) -> None:
    document = docx.Document()
    base = document.styles.add_style("Chapter base", WD_STYLE_TYPE.PARAGRAPH)
    base.base_style = document.styles["Heading 1"]
    mine = document.styles.add_style("My chapter", WD_STYLE_TYPE.PARAGRAPH)
    mine.base_style = base
    document.add_paragraph("One", style="My chapter")
    document.add_paragraph("a")
    outlined = document.add_paragraph("Two")
    outlined.paragraph_format.element.get_or_add_pPr().append(
        parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="0"/>')
    )
    document.add_paragraph("b")
    levelled = document.styles.add_style("Levelled", WD_STYLE_TYPE.PARAGRAPH)
    levelled.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="0"/>'))
    document.add_paragraph("Three", style="Levelled")
    document.add_paragraph("c")
    assert shape(book_of(document, tmp_path)) == [("", "One", "a"), ("", "Two", "b"), ("", "Three", "c")]


def test_chinese_heading_styles_count(tmp_path: Path) -> None:
    document = docx.Document()
    style = document.styles.add_style("标题 1", WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = None
    for title in ("开端", "结局"):
        document.add_paragraph(title, style="标题 1")
        document.add_paragraph("正文。")
    assert [title for _, title, _ in shape(book_of(document, tmp_path))] == ["开端", "结局"]


def test_short_bold_paragraphs_that_read_like_headings_are_headings(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("前言", 1)
    document.add_paragraph("说明。")
    for number in "一二":
        document.add_paragraph().add_run(f"第{number}章 标题").bold = True
        document.add_paragraph().add_run("重点").bold = True
        document.add_paragraph("第一章 不是标题，因为不是粗体")
    titles = [chapter.title for chapter in book_of(document, tmp_path).chapters]
    assert titles == ["前言", "第一章 标题", "第二章 标题"]


def test_without_headings_the_words_decide(tmp_path: Path) -> None:
    document = docx.Document()
    for number in "一二三":
        document.add_paragraph(f"第{number}章 标题")
        document.add_paragraph("话说当日之事，一言难尽。" * 30)
    assert [c.title for c in book_of(document, tmp_path).chapters] == [
        "第一章 标题",
        "第二章 标题",
        "第三章 标题",
    ]


def test_contents_deletions_hidden_text_and_headers_are_listed(tmp_path: Path) -> None:
    document = docx.Document()
    append(
        document,
        '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
        "<w:sdtContent><w:p><w:r><w:t>One 1</w:t></w:r></w:p></w:sdtContent></w:sdt>",
    )
    document.add_heading("One", 1)
    append(
        document,
        "<w:p><w:r><w:t>Kept</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t xml:space='preserve'> and new</w:t></w:r></w:ins>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hid</w:t></w:r>"
        "<w:hyperlink><w:r><w:t>, linked</w:t></w:r></w:hyperlink></w:p>",
    )
    document.sections[0].header.paragraphs[0].text = "Draft"
    book = book_of(document, tmp_path)
    assert shape(book) == [("", "One", "Kept and new, linked")]
    assert reasons(book) == {
        "The table of contents": 4,
        "Text deleted in tracked changes": 4,
        "Text that the document hides": 3,
        "Page headers": 5,
    }


def test_comments_are_not_read(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("One", 1)
    run = document.add_paragraph("Text.").runs[0]
    document.add_comment(run, text="Really?", author="Ed", initials="E")
    assert reasons(book_of(document, tmp_path)) == {"Comments": 7}


def test_tables_are_read_row_by_row_and_soft_breaks_end_lines(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("One", 1)
    table = document.add_table(2, 2)
    for index, word in enumerate(("Name", "Age", "Ahab", "58")):
        table.cell(index // 2, index % 2).text = word
    document.add_paragraph("First.\nSecond half\nof it.")
    assert book_of(document, tmp_path).chapters[0].text.split("\n") == [
        "Name, Age",
        "Ahab, 58",
        "First.",
        "Second half of it.",
    ]


def test_a_text_box_is_read_once(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("One", 1)
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    append(
        document,
        f"<w:p><w:r><w:t>Text.</w:t><mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice>"
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>",
    )
    assert shape(book_of(document, tmp_path)) == [("", "One", "Text.\nboxed")]


def test_title_and_author_come_from_the_properties(tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.title = "The Title"
    document.core_properties.author = "A. Writer"
    document.add_paragraph("Text.")
    book = book_of(document, tmp_path)
    assert (book.title, book.author, book.language) == ("The Title", "A. Writer", "en")


def refusal(path: Path) -> str:
    with pytest.raises(BadManuscript) as caught:
        read_docx(path, "d.docx")
    return str(caught.value)


def test_documents_that_are_none_are_refused(tmp_path: Path) -> None:
    assert "no text" in refusal(save(docx.Document(), tmp_path / "a.docx"))
    assert "not a Word document" in refusal(write_zip(tmp_path / "b.docx", {"word/document.xml": "<x/>"}))
    assert "lacks word/document.xml" in refusal(write_zip(tmp_path / "c.docx", {"a.xml": "<x"}))
    assert "not well-formed" in refusal(write_zip(tmp_path / "f.docx", {"word/document.xml": "<x"}))
    (tmp_path / "d.docx").write_bytes(save(docx.Document(), tmp_path / "e.docx").read_bytes()[:3000])
    assert "damaged" in refusal(tmp_path / "d.docx")


def test_entity_tricks_are_refused(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("Text.")
    with zipfile.ZipFile(save(document, tmp_path / "a.docx")) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for content in (ENTITIES, ENTITIES.decode().encode("utf-16")):
        hostile = members | {"word/document.xml": content}
        assert "entities" in refusal(write_zip(tmp_path / "b.docx", hostile))


WORDS = st.text(st.sampled_from("ab 甲乙。,.\u00ad\t1*\n"), max_size=15)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["Normal", "Title", "Heading 1", "Heading 2", "TOC Heading"]), WORDS))
)
def test_every_character_of_any_document_is_kept_or_listed(
    tmp_path_factory: pytest.TempPathFactory, paragraphs: list[tuple[str, str]]
) -> None:
    document = docx.Document()
    for style, text in [*paragraphs, ("Normal", "x")]:
        document.add_paragraph(text, style=style)
    assert book_of(document, tmp_path_factory.mktemp("any")).chapters


def test_the_strict_variant_of_the_format_is_read(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("One", 1)
    document.add_paragraph("Text.")
    with zipfile.ZipFile(save(document, tmp_path / "a.docx")) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    transitional = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    strict = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
    written = {name: content.replace(transitional, strict) for name, content in members.items()}
    book = read_docx(write_zip(tmp_path / "b.docx", written), "b.docx")
    assert shape(book) == [("", "One", "Text.")]
