"""What may be asked of how something is spoken, what is kept of it, and what people are warned of."""

from typing import Any

import pytest

from farm import directions
from farm.audio.qa import check_take
from farm.directions import WORDS, checked, of_words, warnings
from farm.engine import EMOTIONS
from farm.errors import Rejected
from tests.audio.audio_signals import speech

ENGINE = "indextts2"


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({}, {}),
        ({"pace": 1}, {}),
        ({"pace": 1.25}, {"pace": 1.25}),
        ({"pace": 2}, {"pace": 2.0}),
        ({"pace": 1.1000000001}, {"pace": 1.1}),
        ({"pace": 1.5, "seconds": 8}, {"seconds": 8.0}),
        ({"pace": 1.5, "seconds": None}, {"pace": 1.5}),
        ({"emotion": {"calm": 0}, "words": " ", "intensity": 1.5}, {}),
        ({"emotion": {"calm": 0.2, "happy": 1}}, {"emotion": {"happy": 1.0, "calm": 0.2}}),
        ({"words": " 愤怒地 质问 ", "intensity": 1.5}, {"words": "愤怒地 质问", "intensity": 1.5}),
        ({"strength": 0.5}, {}),
        ({"like": {"recording": "a1"}, "strength": 1}, {"like": {"recording": "a1"}}),
        ({"like": {"recording": "a1"}, "strength": 0}, {"like": {"recording": "a1"}, "strength": 0.0}),
    ],
)
def test_only_what_is_heard_is_kept(wanted: dict[str, Any], kept: dict[str, Any]) -> None:
    found = checked(ENGINE, wanted)
    assert found == kept
    assert [*found.get("emotion", {})] == [*kept.get("emotion", {})]
    assert all(type(found[name]) is type(value) for name, value in kept.items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 2},
        {"pace": 0.49},
        {"pace": 2.01},
        {"pace": "fast"},
        {"pace": True},
        {"pace": float("nan")},
        {"seconds": 0.4},
        {"seconds": 61},
        {"intensity": 2.1},
        {"strength": 1.1},
        {"emotion": {"bored": 0.5}},
        {"emotion": {"sad": 1.1}},
        {"emotion": {"sad": -0.1}},
        {"emotion": "sad"},
        {"words": 5},
        {"words": "字" * 201},
    ],
)
def test_what_cannot_be_followed_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        checked(ENGINE, wrong)


def test_an_engine_without_emotions_is_directed_by_its_pace_alone() -> None:
    assert checked("preview", {"pace": 1.5, "emotion": {}, "words": ""}) == {"pace": 1.5}
    with pytest.raises(
        Rejected, match=r"preview speaks faster or slower, but knows no emotion, words.*IndexTTS-2"
    ):
        checked("preview", {"emotion": {"sad": 0.5}, "words": "悲伤"})


@pytest.mark.parametrize(
    ("direction", "natural_s", "warned"),
    [
        ({"pace": 0.8}, None, False),
        ({"pace": 0.79}, None, True),
        ({"pace": 1.333}, None, False),
        ({"pace": 1.35}, None, True),
        ({"seconds": 8.0}, None, False),
        ({"seconds": 8.0}, 10.0, False),
        ({"seconds": 7.5}, 10.0, False),
        ({"seconds": 7.4}, 10.0, True),
        ({"seconds": 12.6}, 10.0, True),
    ],
)
def test_a_stretch_that_is_heard_warns(
    direction: dict[str, float], natural_s: float | None, warned: bool
) -> None:
    assert bool(warnings(ENGINE, direction, natural_s)) == warned


def test_an_engine_that_speaks_at_any_pace_by_itself_stretches_nothing() -> None:
    assert warnings("preview", {"pace": 2.0}) == []


@pytest.mark.parametrize(
    "description",
    [
        "",
        "愤怒地质问,声音颤抖",
        "高兴",
        "不高兴，很悲伤",
        "惊喜",
        "平静而低落",
        "unhappy",
        "又怕又喜",
        "not calm",
    ],
)
def test_a_good_description_warns_of_nothing(description: str) -> None:
    assert of_words(description) == []


@pytest.mark.parametrize(
    ("description", "one", "other"),
    [
        ("高兴又悲伤", "高兴", "悲伤"),
        ("平静地发怒", "发怒", "平静"),
        ("大声地耳语", "大声", "耳语"),
        ("急促而缓慢", "急促", "缓慢"),
        ("happy, sad", "happy", "sad"),
    ],
)
def test_opposites_in_one_description_warn(description: str, one: str, other: str) -> None:
    (warning,) = of_words(description)
    assert str(warning).startswith(f"{one} and {other} contradict each other")


def test_more_than_ten_characters_warn() -> None:
    assert of_words("字" * 10) == []
    (warning,) = of_words("字" * 11)
    assert str(warning) == "The description has 11 characters; up to 10 are understood best."
    assert warnings(ENGINE, {"words": "字" * 11}) == [warning]


def test_every_emotion_has_words_and_no_word_has_two() -> None:
    assert set(EMOTIONS) < set(WORDS)
    words = [word for named in WORDS.values() for word in named]
    assert len(words) == len(set(words))


def test_a_take_is_expected_as_long_as_it_was_directed_to_be() -> None:
    slow = directions.pace_of({"seconds": 40.0}, 50, "zh")
    assert check_take(speech(40), 50, "zh") is not None
    assert check_take(speech(40), 50, "zh", slow) is None
    assert directions.pace_of({"pace": 0.5}, 50, "zh") == 0.5
    assert directions.pace_of({}, 50, "zh") == 1.0
