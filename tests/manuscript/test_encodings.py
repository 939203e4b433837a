"""Text is read in the encoding that it was written in, damaged or not; what is no text is refused."""

import gzip
import random
from pathlib import Path

import pytest

from farm.errors import BadManuscript, Rejected
from farm.manuscript.encodings import ENCODINGS, decode, guess
from farm.manuscript.languages import guess_language

DATA = Path(__file__).parents[1] / "data"
NOVEL = (DATA / "hongloumeng-1-12.gb18030.txt").read_bytes().decode("gb18030")
TRADITIONAL = (
    "話說當日賈雨村見了士隱，便起身相迎。兩人說了些閒話，忽見一個丫鬟進來回話，說老爺請二位到書房裡去。"
    "原來這人姓甄名費，字士隱，家中雖不甚富貴，然本地便也推他為望族了。他每日只以觀花修竹、酌酒吟詩為樂。"
) * 40
WESTERN = {
    "fr": "Longtemps, je me suis couché de bonne heure. À peine ma bougie éteinte, mes yeux se fermaient. ",
    "de": "Er lag auf seinem panzerartig harten Rücken, und über den Füßen war es schön und träge gewölbt. ",
    "en": "“It’s a truth universally acknowledged,” she said—“that a single man must be in want…” ",
}
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。薄暗いじめじめした所で泣いていた。\n"
)
KOREAN = "나는 고양이다. 이름은 아직 없다. 어디서 태어났는지 짐작이 가지 않는다. 울고 있던 것만은 기억한다.\n"
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n"


def damaged(text: str, encoding: str, rng: random.Random) -> bytes:
    """Two bad bytes and a cut last byte."""
    content = bytearray(text.encode(encoding, "ignore"))
    for _ in range(2):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content[:-1])


@pytest.mark.parametrize("size", [300, 1000, 8000])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5hkscs", "utf-16-le", "utf-16-be"])
def test_damaged_chinese_is_read_in_its_encoding(encoding: str, size: int) -> None:
    rng = random.Random(size)
    source = TRADITIONAL if encoding == "big5hkscs" else NOVEL
    starts = [rng.randrange(max(1, len(source) - size)) for _ in range(20)]
    read = [guess(damaged(source[start : start + size], encoding, rng)) for start in starts]
    # In GB18030 one bad byte can shift a whole paragraph, which in so little text may be nearly all there is.
    assert read.count(encoding) >= (19 if (encoding, size) == ("gb18030", 300) else 20)


@pytest.mark.parametrize("text", WESTERN.values(), ids=WESTERN)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le"])
def test_western_text_is_read_in_its_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding))[0] == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (JAPANESE, "utf-8"),
        (JAPANESE, "cp932"),
        (JAPANESE, "utf-16-be"),
        (KOREAN, "utf-8"),
        (KOREAN, "cp949"),
        (RUSSIAN, "utf-8"),
        ("Mostly English words on this line. 中文也有一些。\n", "gb18030"),
    ],
)
def test_other_languages_are_read_in_their_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding))[0] == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_and_goes(encoding: str) -> None:
    assert decode("第一章 开始".encode(encoding))[0] == "第一章 开始"


def test_the_guess_tells_what_was_replaced_and_shows_a_sample() -> None:
    content = NOVEL.encode("utf-8")
    _, found = decode(content[:90] + b"\xff\xfe" + content[90:])
    assert (found.name, found.replaced) == ("utf-8", 2)
    assert found.sample.startswith("红楼梦")
    assert len(found.sample) == 200


def test_a_chosen_encoding_overrides_the_guess_under_any_of_its_names() -> None:
    for name in ("big5", "Big5-HKSCS", "cp950"):
        text, found = decode(TRADITIONAL.encode("big5hkscs"), name)
        assert text == TRADITIONAL
        assert found.name == "big5hkscs"


def test_an_unknown_encoding_is_rejected_with_the_choices() -> None:
    for name in ("klingon", "base64", "\0"):
        with pytest.raises(Rejected, match="gb18030") as caught:
            decode(b"text", name)
        assert all(choice in str(caught.value) for choice in ENCODINGS)


def test_a_chosen_encoding_reads_even_badly_damaged_text() -> None:
    text, found = decode(("好" * 40).encode("gb18030") + b"\x80\xff" * 20, "gbk")
    assert text.startswith("好" * 40)
    assert found.replaced > 0


def test_a_wrong_choice_that_reads_as_nonsense_is_refused_by_name() -> None:
    with pytest.raises(BadManuscript, match=r"a\.txt makes no sense read as utf-8"):
        decode("Plain English".encode("utf-16-le"), "utf-8", name="a.txt")


@pytest.mark.parametrize("content", [b"", b" \r\n\t", b"\0" * 5000, b"\xef\xbb\xbf"])
def test_nothing_is_refused_as_empty(content: bytes) -> None:
    with pytest.raises(BadManuscript, match=r"a\.txt is empty"):
        decode(content, name="a.txt")


@pytest.mark.parametrize(
    "content",
    [
        random.Random(1).randbytes(100_000),
        gzip.compress(NOVEL.encode()),
        b"\x7fELF" + bytes(range(64)) * 100,
        b"MZ\x90\0\3\0\0\0" * 500,
    ],
    ids=["random", "gzip", "elf", "exe"],
)
def test_what_is_not_text_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(BadManuscript, match=r"holiday\.txt is not text"):
        decode(content, name="holiday.txt")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (NOVEL, "zh"),
        (TRADITIONAL, "zh"),
        (JAPANESE, "ja"),
        (KOREAN, "ko"),
        *((t, "en") for t in WESTERN.values()),
    ],
)
def test_the_language_is_that_of_most_of_the_text(text: str, language: str) -> None:
    assert guess_language(text) == language
    assert guess_language("OK " + text) == language


def test_english_words_do_not_make_a_chinese_course_english() -> None:
    assert guess_language("我们用 Python 和 Docker 部署 Kubernetes 集群，然后查看日志。") == "zh"
