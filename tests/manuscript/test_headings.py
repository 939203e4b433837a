"""Headings are told from sentences, contents pages from chapters, and what is odd is said in a sentence."""

import doctest

import pytest

import farm.manuscript.heading_rules
import farm.manuscript.numerals
from farm.errors import BadManuscript
from farm.manuscript.blocks import Account
from farm.manuscript.bounds import LONGEST_CHAPTER, bounded
from farm.manuscript.heading_rules import Level, parse
from farm.manuscript.headings import MOST_CHAPTERS, Split, split_chapters
from farm.manuscript.numbering import chapter_oddities
from farm.manuscript.parts import Chapter, ChapterKind, visible

SENTENCE = "他走在路上，看见了许多人，大家都在说话。天色渐渐暗了下来，他不由得叹了一口气。"
TEXT = [SENTENCE * 4, SENTENCE * 4]


def split(*lines: str, title: str = "书", language: str = "zh") -> Split:
    account = Account()
    found = split_chapters(lines, account, title=title, language=language)
    kept = sum(visible(chapter.title + chapter.text) for chapter in found.chapters)
    removed = sum(part.characters for part in account.removed)
    assert sum(map(visible, lines)) + account.added == kept + removed
    return found


def titles(found: Split) -> list[str]:
    return [chapter.title for chapter in found.chapters]


def said(*chapter_titles: str, volumes: tuple[str, ...] = ()) -> list[str]:
    places = volumes or ("",) * len(chapter_titles)
    chapters = [
        Chapter(title, SENTENCE * 10, volume) for title, volume in zip(chapter_titles, places, strict=True)
    ]
    return [str(oddity) for oddity in chapter_oddities(chapters)]


@pytest.mark.parametrize("module", [farm.manuscript.heading_rules, farm.manuscript.numerals])
def test_the_rules_do_what_their_examples_say(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type]
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    ("line", "title", "number"),
    [
        ("第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀", "第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀", 1),
        ("第十六章", "第十六章", 16),
        ("第１２章：重逢", "第１２章：重逢", 12),
        ("第一一九回 中乡魁", "第一一九回 中乡魁", 119),
        ("第一百零一回 大观园", "第一百零一回 大观园", 101),
        ("第 12 章 空格", "第 12 章 空格", 12),
        ("正文 第一章 风起", "第一章 风起", 1),
        ("【第一章】少年", "第一章 少年", 1),
        ("【第一章 少年】", "第一章 少年", 1),
        ("☆、第三章 初遇", "第三章 初遇", 3),
        ("### 第一章 标题", "第一章 标题", 1),
        ("《石头记》目录 第一回 甄士隐", "第一回 甄士隐", 1),
        ("第一百零一章、你好吗？", "第一百零一章、你好吗？", 101),
        ("第二十話 再會", "第二十話 再會", 20),
        ("第3讲 排序算法", "第3讲 排序算法", 3),
        ("CHAPTER I", "CHAPTER I", 1),
        ("CHAPTER XIV. The Whale", "CHAPTER XIV. The Whale", 14),
        ("Chapter 12: He Said No!", "Chapter 12: He Said No!", 12),
        ("CHAPTER TWENTY-ONE", "CHAPTER TWENTY-ONE", 21),
        ("Chapter the Third", "Chapter the Third", 3),
        ("Letter 4", "Letter 4", 4),
        ("STAVE ONE: MARLEY’S GHOST", "STAVE ONE: MARLEY’S GHOST", 1),
        ("제1장 시작", "제1장 시작", 1),
    ],
)
def test_a_chapters_heading_is_seen_and_numbered(line: str, title: str, number: int) -> None:
    head = parse(line)
    assert head is not None
    assert ("".join(head.title.split()), head.number) == ("".join(title.split()), number)
    assert head.level is Level.CHAPTER


@pytest.mark.parametrize(
    "line",
    ["第一卷 风起", "卷二", "第三部 归来", "BOOK ONE", "PART II—THE SEA", "Volume III.", "ACT I", "제2부"],
)
def test_volumes_books_and_parts_are_above_chapters(line: str) -> None:
    head = parse(line)
    assert head is not None
    assert head.level is Level.VOLUME


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("楔子", "chapter"),
        ("序章 雪夜", "chapter"),
        ("序", "front"),
        ("自序", "front"),
        ("尾声", "chapter"),
        ("后记", "back"),
        ("番外3", "chapter"),
        ("（番外三）", "chapter"),
        ("番外：婚礼", "chapter"),
        ("大结局（上）", "chapter"),
        ("附录A 年表", "back"),
        ("プロローグ", "chapter"),
        ("PROLOGUE", "chapter"),
        ("Epilogue: Ten Years After", "chapter"),
        ("Preface to the Second Edition", "front"),
        ("APPENDIX B", "back"),
    ],
)
def test_special_headings_are_seen(line: str, kind: str) -> None:
    head = parse(line)
    assert head is not None
    assert head.kind.value == kind


@pytest.mark.parametrize(
    "line",
    [
        "第一章写着这样的话",
        "第一章 写着这样的话。他笑了",
        "第一回合结束了",
        "第一次见面",
        "第三部分 内容",
        "第一节课 他来了",
        "第一集团军 出发",
        "这一回 他来了",
        "“第一章 你好”",
        "第二天 他走了",
        "序曲响了起来",
        "尾声渐渐低了下去",
        "Chapter 12 of the book was dull",
        "Chapter and verse",
        "Part of me wanted it.",
        "Part one was done, and",
        "Book I read yesterday",
        "Letter I never sent",
        "Act one more time",
        "Introduction of the king was made",
        "Index finger pointing",
        "Contents of the box were old",
        "第一章 " + "很长的句子" * 30,
    ],
)
def test_a_sentence_is_no_heading(line: str) -> None:
    assert parse(line) is None


def test_text_before_the_first_heading_is_kept_in_front() -> None:
    found = split("这是一段说明。", "第一章 甲", *TEXT)
    assert [(c.title, c.kind, c.included) for c in found.chapters] == [
        ("前言", ChapterKind.FRONT, False),
        ("第一章 甲", ChapterKind.CHAPTER, True),
    ]
    assert str(found.oddities[0]) == "The 7 characters before the first heading are kept as “前言”."
    assert split(*TEXT, "第一章 甲", *TEXT).chapters[0].included


def test_without_headings_all_is_one_chapter_and_this_is_said() -> None:
    found = split(*TEXT, title="故事")
    assert titles(found) == ["故事"]
    assert found.chapters[0].text == "\n".join(TEXT)
    assert "No chapter headings" in str(found.oddities[0])


def test_chapters_know_their_volume() -> None:
    found = split(
        "第一卷 风起", "第一章 甲", *TEXT, "第二卷 云涌", "第一章 乙", *TEXT, "第三卷 雪 第二章 丙", *TEXT
    )
    assert [(c.title, c.volume) for c in found.chapters] == [
        ("第一章 甲", "第一卷 风起"),
        ("第一章 乙", "第二卷 云涌"),
        ("第二章 丙", "第三卷 雪"),
    ]


def test_volumes_lie_in_volumes() -> None:
    lines = [
        "BOOK ONE",
        "PART I",
        "CHAPTER 1",
        *TEXT,
        "PART II",
        "CHAPTER 1",
        *TEXT,
        "BOOK TWO",
        "CHAPTER 1",
        *TEXT,
    ]
    assert [c.volume for c in split(*lines).chapters] == [
        "BOOK ONE · PART I",
        "BOOK ONE · PART II",
        "BOOK TWO",
    ]


def test_a_volume_with_words_of_its_own_keeps_them() -> None:
    found = split("第一卷 风起", "卷首语在此。", "第一章 甲", *TEXT, "第二章 乙", *TEXT)
    assert (found.chapters[0].title, found.chapters[0].text) == ("第一卷 风起", "卷首语在此。")


def test_volumes_without_chapters_are_the_chapters() -> None:
    assert titles(split("BOOK I", *TEXT, "BOOK II", *TEXT)) == ["BOOK I", "BOOK II"]
    assert titles(split("第一节 甲", *TEXT, "第二节 乙", *TEXT)) == ["第一节 甲", "第二节 乙"]


def test_sections_below_chapters_stay_in_the_text() -> None:
    found = split("第一章 甲", "第一节 子", *TEXT, "第二节 丑", *TEXT, "第二章 乙", *TEXT)
    assert titles(found) == ["第一章 甲", "第二章 乙"]
    assert "第二节 丑" in found.chapters[0].text


def test_a_name_on_the_next_line_joins_its_number() -> None:
    english = ["He went home. It was late."] * 20
    found = split("CHAPTER 1", "Loomings", *english, "CHAPTER 2", "Postscript", *english, language="en")
    assert titles(found) == ["CHAPTER 1. Loomings", "CHAPTER 2. Postscript"]
    assert titles(split("第一章", "少年", *TEXT, "第二章", "远行", *TEXT)) == ["第一章 少年", "第二章 远行"]


def test_a_first_sentence_is_not_taken_for_a_name() -> None:
    found = split("CHAPTER 1", "Call me Ishmael.", *TEXT, "CHAPTER 2", "“Yes”", *TEXT, language="en")
    assert titles(found) == ["CHAPTER 1", "CHAPTER 2"]
    assert found.chapters[0].text.startswith("Call me Ishmael.\n")


def test_a_printed_contents_page_is_dropped() -> None:
    entries = [f"第{n}章 标题{n}" for n in range(1, 9)]
    body = [line for entry in entries for line in (entry, *TEXT)]
    assert titles(split("目录", *entries, *body)) == entries
    assert titles(split(*entries, *body)) == entries


def test_the_last_line_of_the_contents_goes_with_it_when_a_preface_follows() -> None:
    entries = [f"第{n}章 标题{n}" for n in range(1, 9)]
    body = [line for entry in entries for line in (entry, *TEXT)]
    found = split(*entries, *TEXT, *body)
    assert titles(found) == ["前言", *entries]
    assert found.chapters[0].text == "\n".join(TEXT)


def test_a_book_of_very_short_chapters_is_no_contents_page() -> None:
    lines = [line for n in range(1, 82) for line in (f"第{n}章", "道可道，非常道。名可名，非常名。")]
    assert len(split(*lines).chapters) == 81
    volumes = [*("卷一", *lines), *("卷二", *lines)]
    assert len(split(*volumes).chapters) == 162


def test_a_heading_printed_twice_is_one_chapter() -> None:
    found = split("正文 第1章 甲", "第1章 甲", *TEXT, "第2章 乙", "第2章", *TEXT)
    assert titles(found) == ["第1章 甲", "第2章 乙"]


def test_a_heading_without_text_is_kept_and_unticked() -> None:
    found = split("第一章 甲", *TEXT, "第二章 乙", "第三章 丙", *TEXT)
    assert [(c.title, c.included) for c in found.chapters][1] == ("第二章 乙", False)


@pytest.mark.parametrize(
    "heads",
    [
        [f"{n}、标题{n}" for n in range(1, 6)],
        [f"{n:03} 标题" for n in range(1, 6)],
        [f"☆、标题{n}" for n in range(1, 6)],
        list("一二三四五"),
        ["I", "II", "III", "IV", "V"],
        [f"第{n}章重逢{n}" for n in range(1, 6)],
    ],
)
def test_other_ways_of_numbering_a_whole_file_are_followed(heads: list[str]) -> None:
    found = split(*[line for head in heads for line in (head, *TEXT, *TEXT)])
    assert len(found.chapters) == 5
    assert found.chapters[0].text == "\n".join([*TEXT, *TEXT])


def test_a_list_in_the_text_makes_no_chapters() -> None:
    assert titles(split(*TEXT, "1、苹果", "2、香蕉", "3、橘子", "4、葡萄", *TEXT * 5)) == ["书"]


def test_gaps_and_repetitions_are_said_in_one_sentence() -> None:
    heads = [f"第{n}回 题" for n in (14, 15, 16, 16, 18)]
    assert said(*heads) == ["The numbering starts at 第14回.", "第16回 appears twice, 第17回 is missing."]
    assert said("Chapter 1", "Chapter 2", "Chapter 6") == ["Chapter 3 to Chapter 5 are missing."]
    assert said("第一章 甲", "第三章 乙", "第二章 丙") == ["第2章 comes after 第3章."]


def test_starting_again_is_odd_only_within_a_volume() -> None:
    heads = ("第一章 甲", "第二章 乙", "第一章 丙")
    assert said(*heads) == ["The numbering starts again at 第1章 after 第2章."]
    assert said(*heads, volumes=("卷一", "卷一", "卷二")) == []


def test_a_bilingual_book_counts_on_in_either_language() -> None:
    assert said("第一章", "Chapter Two", "第三章") == []
    assert said("第一章", "Chapter Two", "第四章") == ["第3章 is missing."]


def test_the_list_of_oddities_stays_short() -> None:
    oddities = said(*(f"第{n}章" for n in range(1, 3000, 2)))
    assert len(oddities) == 11
    assert oddities[-1] == "The numbering has 1489 more gaps or repetitions."


def test_very_short_and_very_long_chapters_are_named() -> None:
    chapters = [Chapter("第一章", "短"), Chapter("第二章", "长" * 30_001), Chapter("第三章", "")]
    assert [str(oddity) for oddity in chapter_oddities(chapters)] == [
        "“第三章” has a heading but no text.",
        "“第一章” has only 1 characters.",
        "“第二章” has 30001 characters.",
    ]


@pytest.mark.parametrize("unit", [SENTENCE + "\n", SENTENCE, "word ", "字"])
def test_an_enormous_chapter_comes_out_whole_in_bounded_parts(unit: str) -> None:
    text = (unit * (1_000_000 // len(unit))).strip()
    account = Account()
    chapters, oddities = bounded([Chapter("第一章", text, "卷一")], account)
    assert [chapter.title for chapter in chapters[:2]] == ["第一章 (1)", "第一章 (2)"]
    assert all(0 < len(chapter.text) <= LONGEST_CHAPTER and chapter.volume == "卷一" for chapter in chapters)
    assert "".join("".join(c.text for c in chapters).split()) == "".join(text.split())
    assert account.added == sum(visible(chapter.title) for chapter in chapters) - visible("第一章")
    assert f"cut into {len(chapters)} parts" in str(oddities[0])


def test_parts_end_with_a_sentence() -> None:
    chapters, _ = bounded([Chapter("长", "“走吧。”" * 100_000)], Account())
    assert all(chapter.text.endswith("。”") for chapter in chapters)


def test_a_file_of_nothing_but_headings_is_refused() -> None:
    with pytest.raises(BadManuscript, match="look like chapter headings"):
        split(*(f"第{n}章" for n in range(1, MOST_CHAPTERS + 2)))
