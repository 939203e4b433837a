import pytest

from farm.text.lengths import spoken_length
from farm.text.normalise import normalise


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("。，！？ \n", 0),
        ("你好，世界。", 4),
        ("こんにちは", 5),
        ("안녕", 2),
        ("〇々ー", 3),
        ("𠮷", 1),
        ("CHONG2要", 2),
    ],
)
def test_a_han_character_a_kana_and_a_hangul_are_one(text: str, length: float) -> None:
    assert spoken_length(text) == length


def test_latin_letters_take_a_third_of_a_character() -> None:
    assert spoken_length("Call me Ishmael.") == pytest.approx(13 * 0.35)
    assert spoken_length("Привет") == pytest.approx(6 * 0.35)


@pytest.mark.parametrize(
    "text", ["2024年5月1日，涨了3.5%。", "共1234567人，每人¥20。", "In 1851 he paid $4.20."]
)
def test_digits_count_about_as_long_as_they_take_to_say(text: str) -> None:
    spoken = spoken_length(normalise(text, "zh" if "，" in text else "en"))
    assert spoken_length(text) == pytest.approx(spoken, rel=0.45)
