"""Direct speech, told from quoted terms and titles."""

import pytest

from farm.text.dialogue import speech
from farm.text.quotes import pairs


def said(paragraph: str) -> list[str]:
    return [paragraph[start:end].strip() for start, end in speech(paragraph, pairs(paragraph))]


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("“Stop!” he said. “I am here,” she went on.", ["“Stop!”", "“I am here,”"]),
        ('"What?" cried Tom. Then he said "Nothing."', ['"What?"', '"Nothing."']),
        ("'Yes,' he said, 'I don’t know.'", ["'Yes,'", "'I don’t know.'"]),
        ("‘It wasn’t the dogs’ fault,’ he said.", ["‘It wasn’t the dogs’ fault,’"]),
        ("“你来了！”他说。宝玉道：“好！”", ["“你来了！”", "“好！”"]),
        ("他说：“她说‘不行’，我就走了。”", ["“她说‘不行’，我就走了。”"]),
        ("「はい。」と答えた。", ["「はい。」"]),
        ("「はい」", ["「はい」"]),
        ("「はい」と彼は言った。", ["「はい」"]),
        ('그는 "안녕하세요."라고 말했다.', ['"안녕하세요."']),
        ("『別走！』她喊。", ["『別走！』"]),
        ('贾母因笑道：“还不去见你妹妹！"宝玉早已看见．', ['“还不去见你妹妹！"']),
    ],
)
def test_what_somebody_says_is_dialogue(paragraph: str, expected: list[str]) -> None:
    assert said(paragraph) == expected


@pytest.mark.parametrize(
    "paragraph",
    [
        '而借"通灵"之说撰此《石头记》一书也．故曰"甄士隐"云云．',
        "所谓“科学”不过如此。他读了《你好，李焕英！》。",
        "これは「日本」という国だ。",
        "「日本」は島国だ。",
        "The so-called “experts” sailed in the ship “Pequod.”",
        "It was 6'2\" tall and the 'so-called' men's way, the dogs' bone.",
        "The ‘fifties were the boys’ time.",
    ],
)
def test_quoted_words_that_nobody_says_stay_narration(paragraph: str) -> None:
    assert said(paragraph) == []


def test_each_paragraph_of_a_long_english_speech_opens_anew_and_only_the_last_closes() -> None:
    assert said("“This is a long speech. It goes on") == ["“This is a long speech. It goes on"]
    assert said("“and ends here.” He nodded.") == ["“and ends here.”"]


def test_a_forgotten_closing_mark_costs_no_more_than_its_paragraph() -> None:
    assert said("“第一。“第二。”他走了。") == ["“第一。", "“第二。”"]
    assert said("第一。”他走了。") == ["第一。”"]
