"""How a spoken text is cut and mended for espeak-ng."""

import doctest
import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.preview import spoken
from models.preview.spoken import TONGUES, mandarin, readable, runs


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(spoken) == (0, 2)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("请用Python写3行。", "zh", [("zh", "请用Python写3行。")]),
        ("The 北京 2008 games.", "en", [("en", "The "), ("zh", "北京 "), ("en", "2008 games.")]),
        ("去タワー吧", "zh", [("zh", "去"), ("ja", "タワー"), ("zh", "吧")]),
        ("日本で3回", "ja", [("zh", "日本"), ("ja", "で3"), ("zh", "回")]),
        ("한국 漢字", "ko", [("ko", "한국 "), ("zh", "漢字")]),
        ("«Да», said he", "en", [("en", "«"), ("ru", "Да», "), ("en", "said he")]),
        ("read 重 as CHONG2.", "en", [("en", "read "), ("zh", "重 "), ("en", "as "), ("zh", " CHONG2 .")]),
        ("", "zh", []),
    ],
)
def test_each_script_is_given_to_a_voice_that_reads_it(
    text: str, language: str, expected: list[tuple[str, str]]
) -> None:
    assert runs(text, language) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHONG2庆", "CHONG2 庆"),
        ("CHONG2QING4", "CHONG2QING4"),
        ("AICHONG2", "AI CHONG2"),
        ("一CHONG2API", "一 CHONG2 API"),
        ("LV4色", "LV4 色"),
        ("QIONG2人", "QONG2 人"),
        ("GPT4和mp3", "GPT 4和mp 3"),
        ("A4", "A 4"),
        ("第12章", "第12章"),
        ("iPhone15", "iPhone 15"),
    ],
)
def test_only_a_syllable_with_its_tone_is_pinyin(text: str, expected: str) -> None:
    assert " ".join(mandarin(text).split()) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("一会儿", "一会 ER5 "),
        ("女儿", "女 ER2 "),
        ("他儿子", "他 ER2ZI5 "),
        ("儿童", "儿童"),
        ("那兒", "那 ER5 "),
    ],
)
def test_the_r_of_the_north_is_told_from_a_child(text: str, said: str) -> None:
    assert mandarin(text) == said


MENDED = set("I儿兒").union(*spoken.IONG.values())


@given(st.text(), st.sampled_from(sorted(spoken.LANGUAGES)))
def test_no_letter_is_lost_on_the_way_to_the_voice(text: str, language: str) -> None:
    heard = "".join(part for _, part in runs(text, language))
    letters = [character for character in readable(text) if character.isalnum() and character not in MENDED]
    assert not Counter(letters) - Counter(heard)


@given(st.text(st.characters(codec=None)))
def test_nothing_that_espeak_would_obey_reaches_it(text: str) -> None:
    clean = readable(text)
    clean.encode()
    assert not any(ord(character) < 32 or ord(character) == 127 for character in clean)


def test_who_changes_what_is_heard_raises_the_version_of_the_rules() -> None:
    texts = [
        "他穷得一会儿就走了，英雄GPT4说：好～再见",
        "第１２章 CHONG2QING4 LV4 時々",
        "Hello, 世界! Привет",
        "안녕하세요 3",
    ]
    all_runs = [runs(text, language) for text in texts for language in sorted(spoken.LANGUAGES)]
    digest = hashlib.sha256(
        repr((all_runs, sorted((k, v.voice, v.rate) for k, v in TONGUES.items()))).encode()
    )
    assert (spoken.RULES, digest.hexdigest()[:16]) == (1, "bf55d8aff045c745")
