"""Markdown: headings are chapters, marks go, words stay."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import BadManuscript
from farm.manuscript.markdown import read_markdown
from farm.manuscript.parts import ChapterKind, Manuscript


def read(text: str, name: str = "notes.md") -> Manuscript:
    book = read_markdown(text.encode(), name)
    assert book.accounted
    return book


def body(text: str) -> list[str]:
    """The lines of the only chapter."""
    (chapter,) = read(f"# Only\n\n{text}").chapters
    return chapter.text.split("\n")


def removed(book: Manuscript) -> dict[str, str]:
    return {str(part.reason): part.sample for part in book.removed}


def test_the_first_heading_names_the_book_and_the_second_level_its_chapters() -> None:
    book = read(
        "# The Book\n\nFor you.\n\n## One **bold** day\n\nText.\n\n### Below\n\nMore.\n\n## Two\n\nEnd."
    )
    assert book.title == "The Book"
    assert [(c.title, c.text, c.kind) for c in book.chapters] == [
        ("Front matter", "For you.", ChapterKind.FRONT),
        ("One bold day", "Text.\nBelow\nMore.", ChapterKind.CHAPTER),
        ("Two", "End.", ChapterKind.CHAPTER),
    ]


def test_first_level_headings_above_chapters_are_volumes() -> None:
    book = read("# Part One\n\n## Home\n\na\n\n# Part Two\n\n## Away\n\nb\n")
    assert [(c.volume, c.title) for c in book.chapters] == [("Part One", "Home"), ("Part Two", "Away")]


def test_a_lesson_with_one_heading_is_one_chapter() -> None:
    book = read("# 第3讲 排序\n\n内容。\n")
    assert [(c.title, c.text) for c in book.chapters] == [("第3讲 排序", "内容。")]


def test_without_headings_the_words_decide() -> None:
    book = read("第一章 甲\n\n正文。\n\n第二章 乙\n\n　　更多。", "《某书》作者：某人.md")
    assert (book.title, book.author) == ("某书", "某人")
    assert [c.title for c in book.chapters] == ["第一章 甲", "第二章 乙"]


def test_properties_name_the_book() -> None:
    book = read('---\ntitle: "A Title"\nauthor: Ann\ntags: [x]\n---\n\n# One\n\na\n\n# Two\n\nb\n')
    assert (book.title, book.author) == ("A Title", "Ann")
    assert "Properties of the document (front matter)" in removed(book)


def test_marks_go_and_words_stay() -> None:
    assert body("Some `code`, *so* **very** ~~new~~ [a link](http://example.com 'T') &amp; \\*stars\\*.") == [
        "Some code, so very new a link & *stars*."
    ]
    assert body("> quoted\n> twice\n\n- one\n- two\n\n3. three\n4. four") == [
        "quoted twice",
        "one",
        "two",
        "3. three",
        "4. four",
    ]


def test_what_cannot_be_said_is_removed_by_name() -> None:
    book = read(
        "# A\n\nBefore.\n\n```python\nprint(1)\n```\n\n![a cat](cat.png)\n\n<!-- secret -->\n\nNote[^1].\n\n"
        "[^1]: The note.\n\n[ref]: http://example.com\n"
    )
    assert book.chapters[0].text == "Before.\nNote."
    named = removed(book)
    assert named["Blocks of code"] == "print(1)"
    assert named["Descriptions of pictures"] == "a cat"
    assert named["HTML tags and comments"] == "<!-- secret -->"
    assert named["Footnotes"].startswith("[^1]: The note.")
    assert named["Definitions of links"] == "[ref]: http://example.com"


def test_tables_are_read_row_by_row_even_when_a_row_is_too_long() -> None:
    assert body("| a | b |\n|---|---|\n| c | d | extra |\n| e |\n") == ["a, b", "c, d, extra", "e"]


def test_indented_paragraphs_of_a_novel_are_no_code() -> None:
    assert body("    他走了。\n\n\t她来了。") == ["他走了。", "她来了。"]


def test_a_fence_that_never_closes_swallows_nothing() -> None:
    assert body("```\nwords of\nthe book") == ["words of", "the book"]


def test_a_line_end_after_a_chinese_sentence_ends_a_paragraph() -> None:
    assert body("第一句话。\n第二句\n还没完。  \n第三句") == ["第一句话。", "第二句还没完。", "第三句"]


def test_words_inside_html_stay() -> None:
    assert body('<div align="center">\nCentred words\n</div>\n\nand <b>bold</b><br>ones') == [
        "Centred words",
        "and bold",
        "ones",
    ]


def test_an_unclosed_comment_hides_nothing() -> None:
    assert "words" in " ".join(body("<!-- open\n\nwords"))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(BadManuscript, match=r"notes\.md nests quotes or lists"):
        read(">" * 300 + " deep")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 150_000,
        "![" * 150_000,
        "*a_" * 90_000,
        "a\n" * 90_000,
        "> a\n" * 60_000,
        "<!-- " * 150_000,
        "`a``" * 150_000,
    ],
    ids=["brackets", "pictures", "stars", "lines", "quotes", "comments", "ticks"],
)
def test_hostile_text_is_read_to_its_end(hostile: str) -> None:
    assert read(f"# A\n\n{hostile} words").chapters[-1].text.endswith("words")


SPOKEN = (
    *(
        "# One",
        "## Two",
        "### Three",
        "---",
        "***",
        "- item",
        "1. first",
        "   - nested",
        "> quote",
        "    indented",
    ),
    *(
        "| a | b |",
        "|---|---|",
        "| c | d | e |",
        "[ref]: http://example.com 'T'",
        "text[^1] and [link](http://a.b)",
    ),
    *(
        "![alt](c.png)",
        "<div>",
        "</div>",
        "<br>",
        "*so* **very** `code` &amp; \\* <b>x</b> <http://a.b/%20c>",
    ),
    *("第一章 甲", "他说。", "words  ", "", ""),
)
SILENT = ("```", "~~~", "[^1]: A note.", "<!-- c -->", "<script>", "=====")
WORDS = st.lists(st.integers(0, 10**6).map("w{:06d}".format), min_size=1, max_size=8).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(SPOKEN + SILENT) | WORDS | st.text(max_size=30), max_size=30))
def test_every_character_is_kept_or_named(lines: list[str]) -> None:
    try:
        book = read_markdown("\n".join(lines).encode("utf-8", "replace"), "a.md", "utf-8")
    except BadManuscript:
        return
    assert book.accounted
    assert all(part.characters > 0 for part in book.removed)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(SPOKEN) | WORDS, max_size=30))
def test_words_come_out_in_their_order(lines: list[str]) -> None:
    book = read_markdown("\n".join(["begins", *lines]).encode(), "a.md", "utf-8")
    said = " ".join(f"{chapter.title}\n{chapter.text}\n" for chapter in book.chapters)
    assert re.findall(r"w\d{6}", said) == re.findall(r"w\d{6}", "\n".join(lines))
