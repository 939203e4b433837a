"""Cues: readable lines in order, and nothing of the text left out."""

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.subtitles import Cue, Timed, cues, srt, vtt

STAMP = re.compile(r"(\d\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d\d+):(\d\d):(\d\d)[,.](\d{3})")


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line)


@st.composite
def timings(draw: st.DrawFn) -> list[Timed]:
    at, found = 0.0, []
    words = st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            [
                "他说：“走吧，天要黑了。”",
                "Call me Ishmael. ",
                "\n",
                "* * *",
                "3.14159",
                "x" * 60,
                "<b>&--></b>",
            ]
        ),
    )
    for _ in range(draw(st.integers(0, 8))):
        at += draw(st.floats(0, 2))
        end = at + draw(st.floats(0.05, 12))
        found.append(Timed(at, end, "".join(draw(st.lists(words, max_size=6)))))
        at = end
    return found


@settings(max_examples=150, deadline=None)
@given(timings(), st.sampled_from(["zh", "en", "ja", "ko"]))
def test_cues_are_in_order_apart_and_keep_all_of_the_text(timed: list[Timed], language: str) -> None:
    found = cues(timed, language)
    for one, other in pairwise(found):
        assert one.start_s < one.end_s <= other.start_s
    shown = "".join(line for cue in found for line in cue.lines)
    written = "".join(each.display for each in timed)
    assert "".join(shown.split()) == "".join(written.split())
    assert all(1 <= len(cue.lines) <= 2 for cue in found)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="山水，。“”、！？風雨abc 123《》", max_size=300))
def test_chinese_lines_hold_twenty_characters(text: str) -> None:
    for cue in cues([Timed(0, 60, text)], "zh"):
        assert all(columns(line) <= 40 for line in cue.lines)


def test_chinese_is_split_at_its_punctuation_and_shares_the_time_by_length() -> None:
    text = "他走到窗前，看着外面下了一整夜的雨，心里想着明天的事情，久久不能入睡。"
    found = cues([Timed(10.0, 17.0, text)], "zh")
    assert [cue.lines for cue in found] == [
        ("他走到窗前，看着外面下了一整夜的雨，",),
        ("心里想着明天的事情，久久不能入睡。",),
    ]
    assert (found[0].start_s, found[1].end_s) == (10.0, 17.0)
    assert found[0].end_s == found[1].start_s == pytest.approx(10 + 7 * 18 / 35)


def test_english_has_two_lines_of_at_most_42_characters() -> None:
    text = (
        "Some years ago—never mind how long precisely—having little or no money in my purse, and nothing "
        "particular to interest me on shore, I thought I would sail about a little and see the watery part "
        "of the world."
    )
    found = cues([Timed(0.0, 14.0, text)], "en")
    assert all(len(line) <= 42 for cue in found for line in cue.lines)
    assert all(len(cue.lines) == 2 for cue in found)
    assert len(found) in (3, 4)


def test_numerals_are_shown_as_written() -> None:
    assert cues([Timed(0, 3, "2024年增长了3.5%。")], "zh")[0].lines == ("2024年增长了3.5%。",)


def test_a_brief_cue_shares_the_screen_of_its_neighbour_or_stays_into_the_pause() -> None:
    together = cues([Timed(0, 0.4, "“是。”"), Timed(0.4, 2.4, "他回答得很干脆。")], "zh")
    assert [cue.lines for cue in together] == [("“是。”", "他回答得很干脆。")]
    apart = cues([Timed(0, 0.4, "“是。”"), Timed(3.0, 5.0, "他回答得很干脆。")], "zh")
    assert [(cue.start_s, cue.end_s) for cue in apart] == [(0, 1.0), (3.0, 5.0)]


def test_overlapping_times_are_put_in_order() -> None:
    found = cues([Timed(0, 4.0, "前面的一句话。"), Timed(2.5, 6.0, "后面的一句话。")], "zh")
    assert [(cue.start_s, cue.end_s) for cue in found] == [(0, 4.0), (4.0, 6.0)]


def test_subrip_has_numbers_commas_and_hours() -> None:
    text = srt([Cue(0.0, 1.5, ("一", "二")), Cue(3_661.0004, 3_662.9996, ("three",))])
    assert text == ("1\n00:00:00,000 --> 00:00:01,500\n一\n二\n\n2\n01:01:01,000 --> 01:01:03,000\nthree\n\n")
    assert srt([]) == ""


def test_webvtt_is_escaped() -> None:
    text = vtt([Cue(0.0, 1.5, ("<i>A & B</i> --> C",))])
    assert text == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n&lt;i&gt;A &amp; B&lt;/i&gt; --&gt; C\n\n"


@given(timings())
def test_times_as_written_never_run_backwards(timed: list[Timed]) -> None:
    for written in (srt(cues(timed, "zh")), vtt(cues(timed, "zh"))):
        times = [
            tuple(map(int, match.groups())) for match in map(STAMP.fullmatch, written.splitlines()) if match
        ]
        assert all(stamp[:4] <= stamp[4:] for stamp in times)
        assert all(one[4:] <= other[:4] for one, other in pairwise(times))
