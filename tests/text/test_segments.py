"""Chapters to segments: nothing lost, nothing too long, little too short, and stable under edits."""

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.text.lengths import spoken_length
from farm.text.lexicon import Lexicon
from farm.text.segments import Boundary, PlannedSegment, PlanSettings, cut_anew, plan_chapter

ZH, EN, JA, KO = (PlanSettings(language) for language in ("zh", "en", "ja", "ko"))
APART = replace(ZH, dialogue_apart=True)

bits = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["“是。”他说。", "「はい」と", "안녕.", "《你好！》", "重(chóng)要", "XING2", "行长", "……", "——"]
    ),
    st.sampled_from(["3.14", "2024年", "1,000,000", "½", "±", "Mr.", "U.S.", "https://a.b/c?d=e", "ab" * 30]),
    st.sampled_from(
        [
            "e\u0301\u0301",
            "👩\u200d👩\u200d👧",
            "🇨🇳🇯🇵",
            "葛\U000e0100",
            "ﷺ",
            "\t",
            "\u3000",
            "\x1c",
            "\u2028",
            "\r\n",
        ]
    ),
    st.sampled_from([*"“”\"'「」（）()。！？，.!?, ", "\n* * *\n", "\n※\n", "\n……\n"]),
    st.sampled_from(["\n", "\n\n", "\n　　", " ", "她走到窗前看着外面的雨", "The rain went on, and on; "]),
)
texts = st.lists(bits, max_size=40).map("".join)
plans = st.builds(
    PlanSettings,
    language=st.sampled_from(["zh", "en", "ja", "ko"]),
    limit=st.floats(20, 140),
    one_sentence=st.booleans(),
    dialogue_apart=st.booleans(),
)


def displays(segments: list[PlannedSegment]) -> list[str]:
    return [segment.display for segment in segments]


def body(text: str, plan: PlanSettings) -> list[PlannedSegment]:
    return plan_chapter("", text, plan)


@settings(max_examples=150, deadline=None)
@given(title=texts, text=texts, plan=plans)
def test_joining_the_displays_gives_the_chapter_back(title: str, text: str, plan: PlanSettings) -> None:
    segments = plan_chapter(title, text, plan)
    heads = [segment.role == "title" for segment in segments]
    assert heads == sorted(heads, reverse=True)
    assert "".join(segment.display for segment in segments if segment.role == "title") == title
    assert "".join(segment.display for segment in segments if segment.role != "title") == text
    assert all(segment.display for segment in segments)


@settings(max_examples=150, deadline=None)
@given(text=texts, plan=plans)
def test_every_segment_is_within_the_limit_and_its_sentences_add_up(text: str, plan: PlanSettings) -> None:
    segments = body(text, plan)
    for segment in segments:
        assert segment.length == pytest.approx(spoken_length(segment.spoken))
        assert segment.length <= plan.limit + 1e-6
        assert sum(sentence.length for sentence in segment.sentences) == pytest.approx(segment.length)
        ends = [sentence.end for sentence in segment.sentences]
        assert ends == sorted(set(ends))
        assert ends[-1] == len(segment.display)
        assert segment.language in ("zh", "en", "ja", "ko")
    assert [segment.after for segment in segments].count(Boundary.END) == bool(text)
    if len(segments) > 1:
        assert all(segment.spoken for segment in segments)


def test_the_title_comes_first_and_has_a_pause_of_its_own() -> None:
    title, only = plan_chapter("第一回 甄士隐梦幻识通灵", "话说当年。", ZH)
    assert (title.role, title.after, title.display) == ("title", Boundary.TITLE, "第一回 甄士隐梦幻识通灵")
    assert (only.role, only.after, only.spoken) == ("narrator", Boundary.END, "话说当年。")
    assert [segment.after for segment in plan_chapter("第一回", "", ZH)] == [Boundary.END]


def test_a_very_long_title_is_cut_like_a_sentence() -> None:
    segments = plan_chapter("漫长的标题，" * 80, "正文。", ZH)
    assert len(segments) > 3
    assert [segment.after for segment in segments[:-1]].count(Boundary.TITLE) == 1
    assert all(segment.length <= ZH.limit for segment in segments)


def test_whole_sentences_fill_a_segment_up_to_the_limit_and_stop_at_the_paragraph() -> None:
    sentence = "一二三四五六七八九十甲乙丙丁戊己庚辛壬，子丑寅卯辰巳午未申酉戌亥。"
    segments = body(sentence * 5 + "\n" + sentence, replace(ZH, limit=70))
    assert displays(segments) == [sentence * 2, sentence * 2, sentence + "\n", sentence]
    assert [segment.after for segment in segments] == ["sentence", "sentence", "paragraph", "end"]
    assert len(segments[0].sentences) == 2


def test_numbers_count_as_long_as_they_are_said() -> None:
    segments = body("他有123456789元。" * 6, replace(ZH, limit=30))
    assert all(segment.length <= 30 for segment in segments)
    assert len(segments) == 6


def test_a_long_sentence_is_cut_at_its_best_boundary_into_balanced_parts() -> None:
    first = "It was a very long and winding road that led the travellers far away from home; "
    second = "and nobody knew, not even the oldest of them, where it would lead them in the end."
    segments = body(first + second, replace(EN, limit=40))
    assert displays(segments) == [first, second]
    assert [segment.after for segment in segments] == [Boundary.PHRASE, Boundary.END]


@pytest.mark.parametrize("language", [ZH, EN, JA, KO])
@pytest.mark.parametrize("unit", ["山", "word ", "x", "あいう", "가나 다", "9", "é", "3.14，", "Ω"])
def test_one_endless_sentence_comes_out_complete_and_within_the_limit(
    unit: str, language: PlanSettings
) -> None:
    text = unit * (5_000 // len(unit))
    segments = body(text, language)
    assert "".join(displays(segments)) == text
    assert max(segment.length for segment in segments) <= language.limit
    lengths = [segment.length for segment in segments]
    assert min(lengths) > 10


def test_a_cut_never_falls_into_a_word_a_number_a_reading_or_a_grapheme() -> None:
    words = ["重(chóng)要", "XING2", "3,141,592.65", "extraordinary", "e\u0301\u0302", "👩‍👩‍👧", "2024年"]
    text = "".join("山水" + word for word in words * 30)
    cuts = set(accumulate(len(shown) for shown in displays(body(text, replace(ZH, limit=23)))))
    at, inside = 0, set[int]()
    for word in words * 30:
        inside |= set(range(at + 3, at + 2 + len(word)))
        at += 2 + len(word)
    assert len(cuts) > 10
    assert not cuts & inside


def test_a_cut_never_falls_into_a_phrase_of_the_lexicon() -> None:
    plan = replace(ZH, limit=20, lexicon=Lexicon.from_text("招商银行长安街支行 → 招行"))
    text = "招商银行长安街支行" * 20
    assert all(len(shown) % 9 == 0 for shown in displays(body(text, plan)))


def test_a_scene_break_is_not_spoken_but_lengthens_the_pause() -> None:
    before, after = body("他走了很久很久才回到自己的家。\n* * *\n第二天早上他又出门去找工作。\n", ZH)
    assert (before.display, before.after) == ("他走了很久很久才回到自己的家。\n* * *\n", Boundary.SCENE)
    assert (before.spoken, after.after) == ("他走了很久很久才回到自己的家。", Boundary.END)
    for line in ("***", "———", "※", "◇ ◇", "＊　＊　＊", "- - -"):
        assert body(f"天黑了。\n{line}\n天亮了。", ZH)[0].after == Boundary.SCENE


def test_a_scene_break_in_front_is_shown_with_what_follows() -> None:
    assert displays(body("***\n天亮了。", ZH)) == ["***\n天亮了。"]


def test_only_a_text_with_nothing_to_say_has_a_silent_segment() -> None:
    (silent,) = body("……\n！！！\n* * *", ZH)
    assert (silent.spoken, silent.length, silent.after) == ("", 0.0, Boundary.END)
    assert body("", ZH) == []
    assert displays(body("“……”\n“好的，我知道了。”\n……\n", ZH)) == ["“……”\n“好的，我知道了。”\n……\n"]


def test_short_replies_join_a_neighbour_but_no_more_than_they_must() -> None:
    replies = [
        "“是。”\n",
        "“好。”\n",
        "“你要到哪里去？”\n",
        "“我要到山的那一边看看。”\n",
        "“那我们明天早上一起走吧。”\n",
    ]
    assert displays(body("".join(replies), ZH)) == ["".join(replies[:4]), replies[4]]
    assert displays(body("".join(replies[3:]) + "“好。”", ZH)) == [replies[3], replies[4] + "“好。”"]


def test_a_short_last_sentence_is_lent_a_neighbour_where_it_fits_nowhere() -> None:
    parts = ["山" * 39 + "。", "水" * 39 + "。", "风" * 39 + "。", "好。"]
    segments = body("".join(parts) + "\n" + "云" * 99 + "。", replace(ZH, limit=117))
    assert displays(segments)[:2] == ["".join(parts[:2]), "".join(parts[2:]) + "\n"]


def test_a_scene_break_is_never_joined_across() -> None:
    assert len(body("“是。”\n***\n“好。”", ZH)) == 2


def test_a_heading_joined_to_the_next_paragraph_is_spoken_with_a_stop() -> None:
    (segment,) = body("其一\n无材可去补苍天，枉入红尘若许年。", ZH)
    assert segment.spoken == "其一。无材可去补苍天，枉入红尘若许年。"


def test_one_sentence_a_segment_is_strict_but_for_what_cannot_be_spoken() -> None:
    plan = replace(ZH, one_sentence=True)
    assert displays(body("好。我走了。……\n再见！", plan)) == ["好。", "我走了。……\n", "再见！"]


def test_dialogue_is_a_role_of_its_own_when_asked_for() -> None:
    text = "“你怎么现在才回来呢？”他问。她没有回答，只是看着“老地方”的窗外。\n"
    assert [(segment.role, segment.display) for segment in body(text, APART)] == [
        ("dialogue", "“你怎么现在才回来呢？”"),
        ("narrator", "他问。她没有回答，只是看着“老地方”的窗外。\n"),
    ]
    assert [segment.role for segment in body(text, ZH)] == ["narrator"]


def test_a_reading_in_the_manuscript_is_shown_as_written_and_spoken_as_pinyin() -> None:
    (segment,) = body("这很重(chóng)要。", ZH)
    assert (segment.display, segment.spoken) == ("这很重(chóng)要。", "这很CHONG2要。")


def test_a_sentence_in_another_language_is_spoken_in_it() -> None:
    english = "To be or not to be, that is the question for all of us. "
    segments = body("他想了想，然后用英语慢慢地说道：\n" + english + "\n这是莎士比亚的名句。", ZH)
    assert [segment.language for segment in segments] == ["zh", "en", "zh"]
    assert [segment.language for segment in body("他说OK。然后走了。OK.", ZH)] == ["zh"]
    mixed = body("He said: “好的，我们明天早上见吧。” Then he left us.", replace(EN, dialogue_apart=True))
    assert [segment.language for segment in mixed] == ["en", "zh", "en"]
    assert body("안녕하세요, 반갑습니다.", EN)[0].language == "ko"
    assert body("これは日本語の文章です。", ZH)[0].language == "ja"
    assert body("1984", ZH)[0].language == "zh"


def test_an_edit_changes_only_the_segments_of_its_paragraph() -> None:
    paragraphs = [
        f"这是第{n}段的第一句话，它不算太短。这里是第二句话，也有一些长度；最后是第三句。" * 3
        for n in range(30)
    ]
    old = [segment.spoken for segment in body("\n".join(paragraphs), ZH)]
    paragraphs[14] = "改过了的一段。" + paragraphs[14]
    new = [segment.spoken for segment in body("\n".join(paragraphs), ZH)]
    same_before = next(at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other)
    same_behind = next(
        at for at, (one, other) in enumerate(zip(old[::-1], new[::-1], strict=False)) if one != other
    )
    changed = len(new) - same_before - same_behind
    assert changed <= len(old) // 30 + 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["“", "(", "……", "\n", "* * *\n", "好", "a.", "“是。”\n", "‘", '!"', " "])
def test_a_huge_hostile_chapter_is_planned_whole(unit: str) -> None:
    text = unit * (150_000 // len(unit))
    assert "".join(displays(body(text, APART))) == text


@settings(max_examples=100, deadline=None)
@given(text=texts, plan=plans, limit=st.floats(20, 60))
def test_a_segment_cut_anew_says_and_shows_the_same(text: str, plan: PlanSettings, limit: float) -> None:
    shorter = replace(plan, limit=limit)
    for segment in body(text, plan):
        again = cut_anew(segment.display, segment.language, segment.role, segment.after, shorter)
        assert "".join(displays(again)) == segment.display
        assert {piece.role for piece in again} == {segment.role}
        assert again[-1].after == segment.after
        if segment.spoken:
            assert all(piece.spoken for piece in again)


def test_a_segment_cut_anew_keeps_its_limit_and_its_last_pause() -> None:
    whole = "他走到窗前，看着外面的雨，想起了很多年以前的事情；那时候他还年轻，什么也不怕。"
    (segment,) = body(whole, ZH)
    again = cut_anew(segment.display, "zh", segment.role, segment.after, replace(ZH, limit=20))
    assert len(again) > 1
    assert all(piece.length <= 20 for piece in again)
    assert [piece.after for piece in again] == [*[Boundary.PHRASE] * (len(again) - 1), segment.after]
