"""Plain text becomes chapters, and every character is in one of them or named as removed."""

import re
import textwrap
import zipfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import html

from farm.errors import BadManuscript
from farm.manuscript.parts import ChapterKind, Manuscript
from farm.manuscript.txt import read_txt

DATA = Path(__file__).parents[1] / "data"
SENTENCE = "他走在路上，看见了许多人，大家都在说话。天色渐渐暗了下来，他不由得叹了一口气。"
TEXT = f"　　{SENTENCE}{SENTENCE}\n" * 8
ENGLISH = (
    "Alice was beginning to get very _tired_ of sitting by her sister on the bank, and of nothing to do. "
)


def read(text: str, name: str = "书.txt", encoding: str = "utf-8") -> Manuscript:
    book = read_txt(text.encode(encoding), name)
    assert book.accounted
    return book


def titles(book: Manuscript) -> list[str]:
    return [chapter.title for chapter in book.chapters]


def reasons(book: Manuscript) -> dict[str, str]:
    return {str(part.reason): part.sample for part in book.removed}


def oddities(book: Manuscript) -> str:
    return " ".join(map(str, book.oddities))


def moby_dick() -> list[tuple[str, list[str]]]:
    """Chapters as (heading, paragraphs)."""
    with zipfile.ZipFile(DATA / "moby-dick.epub") as epub:
        names = sorted(name for name in epub.namelist() if name.startswith("OPS/chapter_"))
        pages = [html.fromstring(epub.read(name)) for name in names]
    return [
        (
            " ".join(page.find(".//h1").text_content().split()),
            [" ".join(p.text_content().split()) for p in page.iter("p")],
        )
        for page in pages
    ]


def test_a_chinese_novel_in_gb18030() -> None:
    book = read_txt((DATA / "hongloumeng-1-12.gb18030.txt").read_bytes(), "hongloumeng-1-12.gb18030.txt")
    assert book.accounted
    assert (book.title, book.author, book.language) == ("红楼梦", "曹雪芹", "zh")
    assert book.encoding is not None
    assert (book.encoding.name, book.encoding.replaced) == ("gb18030", 0)
    assert len(book.chapters) == 12
    assert titles(book)[0] == "第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀"
    assert titles(book)[11] == "第十二回 王熙凤毒设相思局 贾天祥正照风月鉴"
    assert book.oddities == ()
    assert all(
        line == line.strip() and line for chapter in book.chapters for line in chapter.text.split("\n")
    )


def test_a_wrapped_english_novel_reads_as_the_unwrapped_one() -> None:
    chapters = moby_dick()
    lines = [line for heading, paragraphs in chapters for line in (heading.upper(), *paragraphs)]
    plain = read("\n".join(lines), "Moby-Dick by Herman Melville.txt")
    wrapped = read("\n\n".join(textwrap.fill(line, 72) for line in lines), "moby.txt", "utf-16")
    assert (plain.title, plain.author, plain.language) == ("Moby-Dick", "Herman Melville", "en")
    assert len(plain.chapters) == 136
    assert titles(plain)[0] == "CHAPTER 1. LOOMINGS."
    assert titles(plain)[134:] == ["CHAPTER 135. THE CHASE.—THIRD DAY.", "EPILOGUE"]
    assert wrapped.chapters == plain.chapters


def test_project_gutenbergs_frame_is_removed_by_name() -> None:
    numbers = ("I", "II", "III", "IV", "V", "VI")
    contents = "\n".join(f" CHAPTER {number}. Title {number}" for number in numbers)
    paragraph = textwrap.fill(ENGLISH * 5, 72)
    body = "\n\n\n".join(
        f"CHAPTER {number}.\nTitle {number}\n\n{paragraph}\n\n{paragraph}" for number in numbers
    )
    book = read(
        "The Project Gutenberg eBook of Alice\n\nTitle: Alice's Adventures\n\nAuthor: Lewis Carroll\n\n"
        "*** START OF THE PROJECT GUTENBERG EBOOK ALICE'S ADVENTURES IN\nWONDERLAND ***\n\n[Illustration]\n\n"
        f"Alice's Adventures\n\nby Lewis Carroll\n\nContents\n\n{contents}\n\n\n{body}\n\nTHE END\n\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK ALICE ***\n\nThe licence's many words.\n",
        "pg11.txt",
    )
    assert (book.title, book.author) == ("Alice's Adventures", "Lewis Carroll")
    assert titles(book) == [f"CHAPTER {number}. Title {number}" for number in numbers]
    assert book.chapters[0].text.split("\n") == [(ENGLISH * 5).replace("_", "").strip()] * 2
    assert book.chapters[-1].text.endswith("THE END")
    assert {"Project Gutenberg's header and licence", "The printed table of contents"} <= set(reasons(book))


def test_wrapped_chinese_is_joined_without_spaces() -> None:
    paragraph = SENTENCE * 5
    wrapped = "\n".join(textwrap.wrap("　　" + paragraph, 38, drop_whitespace=False))
    book = read("第一章 甲\n" + "\n".join([wrapped] * 10))
    assert book.chapters[0].text == "\n".join([paragraph] * 10)


def test_verse_in_a_wrapped_text_keeps_its_lines() -> None:
    prose = textwrap.fill(ENGLISH.replace("_", "") * 5, 72)
    verse = "    How doth the little crocodile\n    Improve his shining tail,"
    book = read(f"CHAPTER 1\n\n{prose}\n\n{prose}\n\n{verse}\n\n{prose}\n\n{prose}\n", "a.txt")
    assert "\nHow doth the little crocodile\nImprove his shining tail,\n" in book.chapters[0].text


@pytest.mark.parametrize(
    ("name", "title", "author"),
    [
        ("《诡秘之主》（精校版全本）作者：爱潜水的乌贼.txt", "诡秘之主", "爱潜水的乌贼"),
        ("诡秘之主 作者：爱潜水的乌贼.txt", "诡秘之主", "爱潜水的乌贼"),
        ("Moby_Dick_by_Herman Melville.txt", "Moby Dick", "Herman Melville"),
        ("uploads/三国.gb18030.txt", "三国", ""),
    ],
)
def test_the_files_name_gives_title_and_author(name: str, title: str, author: str) -> None:
    book = read(f"第一章 甲\n{TEXT}", name)
    assert (book.title, book.author) == (title, author)


def test_the_first_lines_give_title_and_author_better_than_the_files_name() -> None:
    book = read(f"《某书》\n作者：某人\n\n第一章 甲\n{TEXT}", "download(3).txt")
    assert (book.title, book.author) == ("某书", "某人")
    assert titles(book) == ["第一章 甲"]


def test_only_certain_junk_goes_and_each_kind_is_named() -> None:
    book = read(
        f"第一章 甲\n{TEXT}（本章完）\n求月票！\nwww.example.com\n本书由某某网整理\n第 12 页\n"
        f"他说：“请到www.example.com看一看，本书由我整理。”\n第二章 乙\n{TEXT}"
    )
    assert set(reasons(book)) == {
        "Advertising of the site that the file came from",
        "Marks that a chapter ends or goes on",
        "Page numbers",
    }
    assert "他说：“请到www.example.com看一看" in book.chapters[0].text
    assert "1 lines look like advertising and were left in" in oddities(book)


def test_bare_page_numbers_go_and_bare_section_numbers_stay() -> None:
    pages = "".join(
        f"他走在路上看见了许多人大家都在\n{page}\n说话。{SENTENCE * 8}\n" for page in range(7, 17)
    )
    assert reasons(read(f"第一章 甲\n{pages}"))["Page numbers"] == "7 8 9 10 11 12 13 14 15 16"
    sections = "".join(f"{number}\n{SENTENCE * 8}\n" for number in range(1, 8))
    assert read(f"第一章 甲\n{sections}第二章 乙\n{sections}").removed == ()


def test_a_repeated_line_is_pointed_out_and_left_in() -> None:
    book = read("".join(f"第{n}章 甲\n某某文库典藏版\n{TEXT}" for n in range(1, 13)))
    assert "“某某文库典藏版” stands 12 times on a line of its own" in oddities(book)


def test_a_file_without_line_breaks_says_so_and_stays_bounded() -> None:
    book = read(SENTENCE * 15_000)
    assert "no line breaks" in oddities(book)
    assert [len(chapter.text) <= 200_000 for chapter in book.chapters] == [True] * 3
    assert titles(book) == ["书 (1)", "书 (2)", "书 (3)"]


def test_characters_nobody_sees_are_removed_by_name() -> None:
    book = read(f"第一章 甲\n看\u200b见\u00ad了\x07人。\n{TEXT}")
    assert book.chapters[0].text.startswith("看见了人。")
    assert "Control characters and characters nobody sees" in reasons(book)


def test_replaced_characters_are_said() -> None:
    book = read_txt("第一章 甲\n他".encode() + b"\xff" + f"说。\n{TEXT}".encode(), "书.txt")
    assert "1 characters could not be read as utf-8" in oddities(book)
    assert book.accounted


def test_a_file_with_nothing_but_junk_is_refused() -> None:
    with pytest.raises(BadManuscript, match="no text to read aloud"):
        read("www.example.com\n\n（本章完）\n")


def test_a_file_of_too_many_lines_is_refused() -> None:
    with pytest.raises(BadManuscript, match=r"has 1000001 lines; 1000000 is the most"):
        read("1\n" * 1_000_001)


@pytest.mark.timeout(60)
def test_a_large_file_is_read_whole() -> None:
    content = (DATA / "hongloumeng-1-12.gb18030.txt").read_bytes() * 100
    book = read_txt(content, "书.txt")
    assert len(book.chapters) == 1200
    assert book.accounted


def test_prefaces_and_afterwords_are_told_from_chapters() -> None:
    book = read(f"自序\n{TEXT}楔子\n{TEXT}第一章 甲\n{TEXT}第二章 乙\n{TEXT}后记\n{TEXT}致谢\n{TEXT}")
    assert [(c.title, c.kind, c.included) for c in book.chapters] == [
        ("自序", ChapterKind.FRONT, True),
        ("楔子", ChapterKind.CHAPTER, True),
        ("第一章 甲", ChapterKind.CHAPTER, True),
        ("第二章 乙", ChapterKind.CHAPTER, True),
        ("后记", ChapterKind.BACK, True),
        ("致谢", ChapterKind.BACK, False),
    ]


LINES = st.sampled_from(
    [
        *(f"第{n}章 标题{n}" for n in range(1, 9)),
        *(
            "第一卷 风起",
            "第二卷 云涌 第三章 少年",
            "【第四章】重逢",
            "正文 第五章 归来",
            "第六章重聚",
            "第七回",
            "第一节 子",
        ),
        *("CHAPTER I", "Chapter 2. Title", "BOOK ONE", "PART II", "Letter 1", "Loomings", "少年"),
        *(
            "目录",
            "Contents",
            "序",
            "楔子",
            "尾声",
            "番外三",
            "PROLOGUE",
            "☆、标题",
            "1、标题",
            "一",
            "II",
            "12",
            "13",
            "14",
        ),
        *(
            "www.example.com",
            "（本章完）",
            "求月票",
            "第 3 页",
            "* * *",
            "———",
            "[Illustration]",
            "_so_ it _was_ said",
        ),
        *("《某书》", "作者：某人", "Title: A Book", "*** START OF THE PROJECT GUTENBERG EBOOK A ***"),
        *("*** END OF THE PROJECT GUTENBERG EBOOK A ***", "", "", "", "　　", "\u200b", "a\x00b"),
        *(
            "The quick brown fox jumps over the lazy dog and then goes",
            "on to jump over another one. It is a well-",
        ),
        *("known dog.", SENTENCE, SENTENCE * 30, "　　" + SENTENCE, "他说：“走吧。”"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES | st.text(max_size=40), max_size=60), st.sampled_from(["\n", "\r\n", "\n\n", "\r"]))
def test_every_character_is_kept_or_named(lines: list[str], line_end: str) -> None:
    try:
        book = read_txt(line_end.join(lines).encode("utf-8", "replace"), "书.txt", "utf-8")
    except BadManuscript:
        return
    assert book.accounted
    for chapter in book.chapters:
        assert "\n\n" not in chapter.text
        assert chapter.text == chapter.text.strip()
        assert chapter.title.strip()


WORDS = st.integers(0, 10**6 - 1).map("w{:06d}".format)
FRAME = ("PROJECT GUTENBERG", "目录", "Contents")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(WORDS, min_size=1, max_size=30).map(" ".join)
        | LINES.filter(lambda line: not any(mark in line for mark in FRAME)),
        max_size=40,
    ),
    st.integers(30, 90),
)
def test_words_come_out_in_their_order(lines: list[str], width: int) -> None:
    source = "\n\n".join(textwrap.fill(line, width) for line in ["It begins.", *lines])
    book = read_txt(source.encode(), "book.txt", "utf-8")
    assume("The printed table of contents" not in reasons(book))
    said = " ".join(f"{chapter.title}\n{chapter.text}\n" for chapter in book.chapters)
    assert re.findall(r"w\d{6}", said) == re.findall(r"w\d{6}", source)
