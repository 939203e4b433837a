"""Sentence ends: stops, quotes, brackets, abbreviations, in four languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.text.quotes import pairs
from farm.text.sentences import sentence_ends


def split(paragraph: str) -> list[str]:
    ends = sentence_ends(paragraph, pairs(paragraph))
    return [paragraph[start:end].strip() for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize(
    "written",
    [
        "Mr. Smith met Dr. J. R. R. Tolkien.|He left.",
        "He joined the U.S. Army.|She lives in the U.S.|They met at 5 p.m. on Sunday.",
        "Use tools, e.g. a hammer.|See No. 5 on p. 12.|No.|I won't.|St. Paul said so.",
        "It cost $3.14.|Go to https://a.b/c?d=e.f!|Write to me@a.org.|Done.",
        "“Stop!” he said.|“I am here...” |She left.|Well... maybe... she came back.",
        "Alas! poor Yorick.|(He left. She stayed.)|Then one (with another. Inside.) went on.",
        "1. First thing.|2. Second thing.",
        "“This is long.|It has no end",
        "Hello, J. Smith and E. B. White.|I am I.|The end.",
    ],
)
def test_english_sentences_end_where_a_reader_would_stop(written: str) -> None:
    expected = [sentence.strip() for sentence in written.split("|")]
    assert split(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "written",
    [
        "“你来了！”他说。|“是的。”|宝玉道：“好！”|他喊着“杀！”冲了出去。|然后走了。",
        "《你好，李焕英！》是一部电影。|他（真的？）来了。|（他很高兴。）|然后走了……后来又回来了。",
        "我……我不知道。|３．１４是圆周率．|后来呢？！|他走了——永远！",
        '此开卷第一回也．|作者自云：因曾历过而借"通灵"之说撰此书也．|故曰"甄士隐"云云．',
        '贾母因笑道：“还不去见你妹妹！"|宝玉早已看见．|厮见毕归坐．',
        "他说OK.|然后用iPhone 3.5给U.S. Army打电话。|你好!|真的?",
        "「你來了！」他說。|『好。』|他走了。",
        "“他说：‘好。’。”|完了。",
        "真的吗？？！！|“……”|“好。",
    ],
)
def test_chinese_sentences_keep_their_quotes_titles_and_asides_whole(written: str) -> None:
    assert split(written.replace("|", "")) == written.split("|")


@pytest.mark.parametrize(
    "written",
    [
        "「はい。」と答えた。|「えっ！」|彼は驚いた。|これは「日本」という国だ。|3.5メートル。",
        "本当？！と叫んだ。|そうだ。",
    ],
)
def test_japanese_particles_hold_on_to_the_quotation_before_them(written: str) -> None:
    assert split(written.replace("|", "")) == written.split("|")


def test_korean_sentences_end_at_spaced_stops() -> None:
    expected = ['그는 "안녕하세요."라고 말했다.', "날씨가 좋다.", "정말?", "2024. 5. 1. 월요일이다."]
    assert split(" ".join(expected[:3])) == expected[:3]
    assert "2024. 5. 1." in split(expected[3])[0]


@given(st.text(alphabet=st.sampled_from("aB1 .!?。！？…“”\"'‘’「」《》()（）,，说と\n"), max_size=60))
def test_the_ends_ascend_to_the_end_of_any_paragraph(paragraph: str) -> None:
    ends = sentence_ends(paragraph, pairs(paragraph))
    assert ends == sorted(set(ends))
    assert ends[-1:] == ([len(paragraph)] if paragraph else [])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["(", "“", "‘", "a) ", "mr. ", "。", '!"', "(.)", "《", "' ", "……", "x.y "])
def test_a_huge_paragraph_of_marks_is_split_to_its_end(unit: str) -> None:
    paragraph = unit * 200_000
    ends = sentence_ends(paragraph, pairs(paragraph))
    assert ends == sorted(set(ends))
    assert ends[-1] == len(paragraph)
