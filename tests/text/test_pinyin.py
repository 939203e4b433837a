import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypinyin.constants import PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal, to_tone3

from farm.text.pinyin import SYLLABLES, annotations, canonical, carry, reveal, strip_annotations


@pytest.mark.parametrize(
    ("text", "shown", "spoken"),
    [
        ("重(chóng)要", "重要", "CHONG2要"),
        ("重（chong2）要", "重要", "CHONG2要"),
        ("行<HANG2>长", "行长", "HANG2长"),
        ("<行|HANG2>长", "行长", "HANG2长"),
        ("龟兹（qiū cí）国", "龟兹国", "QIU1CI2国"),
        ("龟兹（qiūcí）国", "龟兹国", "QIU1CI2国"),
        ("西安（xī'ān）", "西安", "XI1AN1"),
        ("绿(lǜ)", "绿", "LV4"),
        ("选(XVAN3)", "选", "XUAN3"),
        ("啊(á)", "啊", "A2"),
        ("桌子（zhuōzi）", "桌子", "ZHUO1ZI5"),
        ("银XING2为", "银XING2为", "银XING2为"),
    ],
)
def test_readings_are_taken_out_of_what_is_shown_and_carried_in_what_is_spoken(
    text: str, shown: str, spoken: str
) -> None:
    assert strip_annotations(text) == shown
    assert reveal(carry(text)) == spoken


@pytest.mark.parametrize(
    "text",
    [
        *("GPT4", "H2O", "MP3", "COVID19", "A4", "图(A4)", "选项(a1)", "勒内(René)", "达利(Dalí)", "他(说)"),
        *("重(chong)要", "(chóng)要", "a<b>c", "一(二)三", "XING6", "XING23", "aXING2"),
    ],
)
def test_what_only_looks_like_a_reading_is_left_alone(text: str) -> None:
    assert annotations(text) == []
    assert strip_annotations(text) == text


def test_every_reading_of_every_character_is_understood() -> None:
    readings = {reading for readings in PINYIN_DICT.values() for reading in readings.split(",")}
    spellable = {reading for reading in readings if to_normal(reading).replace("ü", "v") in SYLLABLES}
    assert len(spellable) > 1200
    for reading in spellable:
        numbered = to_tone3(reading, v_to_u=False, neutral_tone_with_five=True)
        if not numbered.endswith("5"):
            assert canonical(reading) == numbered.upper()


@given(st.text(alphabet="重要行(（)）<>|[] aāáǎàünvchongzh12345XING'\n", max_size=40))
@settings(deadline=None)
def test_annotations_lie_in_order_and_only_they_are_replaced(text: str) -> None:
    found = annotations(text)
    ends = [0, *(each.end for each in found)]
    assert all(end <= each.start < each.end for end, each in zip(ends, found, strict=False))
    assert all(re.fullmatch(r"([A-Z]+[1-5])+", each.pinyin) for each in found)
    assert all(each.han in text[each.start : each.end] for each in found)
