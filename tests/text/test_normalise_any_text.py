"""What holds for every text."""

import re
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.text import chinese, english, pinyin
from farm.text.lexicon import Entry, Lexicon
from farm.text.normalise import normalise

ODD = (
    "3-5|10:30|2024/05/01|$4.20|¥3.5万|±3%|-5℃|1/3|v1.0.3|GPT-4o|①|½|Ⅷ|x²|km/h|第|章|年|月|日|个|倍|Mr.|No.|etc.",
    "Chapter XII|重(chóng)要|XING2|<行hang2>|http://a.com/1|a@b.co|12345678901234567890|0|007|.|,|-|~|—|/|:|%|&|+",
    "=|#|@|^|<|>|×|?|the|of|in|1851|'90s|1,234|Henry VIII|’|(|)|（|）|°|′|″|<行|hang2>|重(|)|2|两|A|Z",
)
PIECES = st.sampled_from([piece for line in ODD for piece in line.split("|")])
SPACES = st.sampled_from(["", " "])
MESSY = st.lists(st.one_of(PIECES, SPACES, st.text(max_size=3)), max_size=12).map("".join)
TIDY = st.lists(PIECES.filter(lambda piece: len(piece) > 1), max_size=12).map(", ".join)
PLAIN_WORDS = st.lists(st.from_regex(r"[b-z]{4,8}|[一-鿿]{1,4}", fullmatch=True), min_size=1, max_size=6)
NUMBERS = st.from_regex(r"[1-9]\d{0,4}", fullmatch=True)


@given(MESSY, st.sampled_from(["zh", "en"]))
@settings(deadline=None)
def test_no_digit_is_left_but_the_tones_of_pinyin(text: str, language: str) -> None:
    assert not re.search(r"[0-9０-９]", pinyin.carry(normalise(text, language)))


@given(MESSY, st.sampled_from(["ja", "ko"]))
@settings(deadline=None)
def test_japanese_and_korean_keep_their_text(text: str, language: str) -> None:
    assert normalise(text, language) == pinyin.reveal(pinyin.carry(text))


@given(TIDY, st.sampled_from(["zh", "en"]))
@settings(deadline=None)
def test_spoken_text_is_already_spoken(text: str, language: str) -> None:
    once = normalise(text, language)
    twice = normalise(once, language)
    assert twice == once


@given(MESSY, st.sampled_from([chinese, english]))
@settings(max_examples=400, deadline=None)
def test_sentences_that_skip_the_rules_would_come_out_the_same(text: str, rules: ModuleType) -> None:
    spoken = text
    for rule in rules.RULES:
        spoken = rule(spoken)
    assert rules.speak(text) == spoken


@given(PLAIN_WORDS, NUMBERS, st.sampled_from(["zh", "en"]))
@settings(deadline=None)
def test_every_word_survives(words: list[str], number: str, language: str) -> None:
    spoken = normalise(f" {number} ".join(words), language)
    for word in words:
        assert word in spoken


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_text_is_never_emptied(text: str) -> None:
    for language in ("zh", "en", "ja", "ko"):
        assert bool(normalise(text, language).strip()) == bool(text.strip())


@given(MESSY)
@settings(deadline=None)
def test_the_same_text_is_spoken_the_same_by_every_thread(text: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: normalise(text, "zh"), range(8)))) == 1


@pytest.mark.timeout(30)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_text_made_to_be_slow_is_not(language: str) -> None:
    for piece in (
        "1",
        "a",
        "1-",
        "1.",
        "1/",
        "a.",
        "a-",
        "a1",
        "1 1",
        "一(",
        "(a",
        "Mr. ",
        "1,000",
        "1:",
        "2024-",
    ):
        assert normalise(piece * 5_000 + "x", language)


def test_a_lexicon_goes_before_the_rules_and_behind_the_manuscript() -> None:
    lexicon = Lexicon((Entry("行长", "hang2 zhang3"), Entry("5G", "第五代网络"), Entry("重", "zhong4")))
    assert normalise("行长说5G重(chóng)要", "zh", lexicon) == "HANG2ZHANG3说第五代网络CHONG2要"
