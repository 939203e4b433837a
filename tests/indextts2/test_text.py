import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import Rejected
from models.indextts2 import normalise as rules
from models.indextts2 import readings
from models.indextts2.normalise import Normaliser, Route, normalise, plain, read_glossary, route
from models.indextts2.text import Tokenizer, parted, refusal
from models.indextts2.wetext import WETEXT, require, wetext
from tests.indextts2 import truth

CASES: list[dict[str, Any]] = json.loads(truth.path("text_frontend.json").read_text())
TABLES: dict[str, Any] = json.loads(truth.path("text_tables.json").read_text())
LINUX, OTHERS = "wetextprocessing_1.0.4.1", "wetext_0.1.0"
BPE = truth.path("bpe.model")

case = pytest.mark.parametrize("case", CASES, ids=[case["text"] or "nothing" for case in CASES])


def recorded(package: str) -> Normaliser:
    """What the package said when it was asked what the fixtures' texts lead to."""
    answers = json.loads(truth.path("normalisers.json").read_text())[package]
    return lambda text, route: answers[route][text]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(BPE)


@pytest.fixture(scope="module")
def replaying() -> Tokenizer:
    """As the reference on Linux."""
    return Tokenizer(BPE, normaliser=recorded(LINUX), replay=True)


@case
def test_a_text_takes_the_references_route(case: dict[str, Any]) -> None:
    assert (route(case["text"]) == "zh") == case["use_chinese"]


@case
@pytest.mark.parametrize("package", [LINUX, OTHERS])
def test_a_text_is_normalised_as_by_the_reference(case: dict[str, Any], package: str) -> None:
    assert normalise(case["text"], recorded(package)) == case[package]


@case
def test_a_text_that_is_spoken_already_is_only_mapped(case: dict[str, Any]) -> None:
    assert normalise(case["text"]) == case["identity_normalizer"]
    assert normalise(case["text"], plain, {"C++": "C 加加"}) == case["identity_with_glossary"]


@case
def test_a_text_becomes_the_references_pieces_and_ids(case: dict[str, Any], replaying: Tokenizer) -> None:
    assert parted(case[LINUX]) == case["cjk_split"]
    pieces = replaying.encode(case["text"])
    assert pieces == case["pieces"]
    assert replaying.ids(pieces) == case["ids"]


def test_without_replay_only_readings_and_single_letters_differ(replaying: Tokenizer) -> None:
    ours = Tokenizer(BPE, normaliser=recorded(LINUX))
    texts = [case["text"] for case in CASES if "4" not in case["text"]]
    assert [text for text in texts if ours.encode(text) != replaying.encode(text)] == ["a"]
    assert ours.encode("a") == ["▁A"]


def test_the_tables_are_the_references() -> None:
    patterns = {
        "PINYIN": rules.PINYIN,
        "NAME": rules.NAME,
        "TECH": rules.TERM,
        "CONTRACTION": rules.CONTRACTION,
    }
    for name, pattern in patterns.items():
        assert pattern.pattern == TABLES[name]
    assert list(rules.SIGNS["zh"].items()) == [tuple(pair) for pair in TABLES["zh_char_rep_map"]]
    assert list(rules.SIGNS["en"].items()) == [tuple(pair) for pair in TABLES["char_rep_map"]]


def test_wetext_says_what_the_reference_says_on_windows() -> None:
    assert [normalise(case["text"], wetext()) for case in CASES] == [case[OTHERS] for case in CASES]


def test_a_normaliser_of_another_version_or_none_is_refused_with_the_command() -> None:
    with pytest.raises(Rejected, match=rf"{WETEXT} is installed. Run `pip install wetext==0\.0\.9`"):
        require("wetext", "0.0.9")
    with pytest.raises(Rejected, match=r"none is installed. Run `pip install nothing-of-this-name==1`"):
        require("nothing-of-this-name", "1")


def test_names_terms_and_readings_are_kept_from_the_normaliser() -> None:
    seen: list[tuple[str, Route]] = []

    def spoken(text: str, route: Route) -> str:
        seen.append((text, route))
        return text.replace("5", "五").replace("-", "减")

    said = normalise("约瑟夫·高登-莱维特：GPT-5读an4和tian1，3-5倍", spoken)
    assert said == "约瑟夫-高登-莱维特,GPT-五读an4和tian1,3减五倍"
    assert seen == [("<n_a>：GPT<H>5读<pinyin_b>和<pinyin_a>，3-5倍", "zh")]


def test_thirty_names_come_back_in_their_places() -> None:
    names = [f"{chr(0x4E00 + place)}·{chr(0x5E00 + place)}" for place in range(30)]
    assert normalise("，".join(names)) == ",".join(name.replace("·", "-") for name in names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<重|CHONG2>要", "<重|CHONG2>要"),
        ("<read|R EH1 D> it", "<read|R EH1 D> it"),
        ("What's here's", "What is here is"),
        ("...,,,，，，", "……,,,"),
        ("¥5 $5", "¥5 .5"),
        ("costs $5", "costs $5"),
        ("他说 \n ", "他说"),
        ("he said \n", "he said  "),
    ],
)
def test_the_rest_is_mapped_as_the_reference_maps_it(text: str, said: str) -> None:
    assert normalise(text) == said


def test_longer_terms_of_the_glossary_come_first_and_backslashes_are_letters() -> None:
    glossary = {"AI": {"zh": "人工智能"}, "OpenAI": r"open \1", "M2": {"en": "M two"}}
    assert normalise("openai的ai，M2", plain, glossary) == r"open \1的人工智能,M2"


def test_a_glossary_is_read_or_refused_by_the_entry_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "glossary.yaml"
    path.write_text("C++:\n  zh: C 加加\n  en: C plus plus\nOWASP: oh-wasp\n")
    assert read_glossary(path) == {"C++": {"zh": "C 加加", "en": "C plus plus"}, "OWASP": "oh-wasp"}
    path.write_text("AI:\n  ja: エーアイ\n")
    with pytest.raises(Rejected, match="'AI' needs a text"):
        read_glossary(path)
    path.write_text("[AI]")
    with pytest.raises(Rejected, match="list of terms"):
        read_glossary(path)
    with pytest.raises(Rejected, match=r"missing\.yaml cannot be read"):
        read_glossary(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("written", "put_in"),
    [
        ("最重(chóng)要", "最CHONG2要"),
        ("最重（chóng）要", "最CHONG2要"),
        ("最重(chong2)要", "最CHONG2要"),
        ("重庆(chóng qìng)的", "CHONG2 QING4的"),
        ("重庆(Chóngqìng)的", "CHONG2 QING4的"),
        ("西安(xī'ān)", "XI1 AN1"),
        ("桌子(zhuōzi)", "ZHUO1 ZI5"),
        ("虐(nüè)待", "NVE4待"),
        ("旋(xuan2)", "XVAN2"),
        ("女(nǚ)", "NV3"),
        ("雨(yǔ)", "YU3"),
        ("<行|HANG2>长", "HANG2长"),
        ("银XING2", "银XING2"),
        ("lü4色", "LV4色"),
        ("啊(ā)", "A1"),
        ("QIU1CI2国", "QIU1 CI2国"),
    ],
)
def test_readings_stand_where_their_characters_stood(written: str, put_in: str) -> None:
    assert readings.put_in(written) == put_in
    assert readings.doubtful(written) == []


@pytest.mark.parametrize(
    "text", ["勒内(René)", "图(A4)", "他(说)了", "用GPT4", "MP3", "（hello2）", "点<是|否>", "a(b)"]
)
def test_what_is_no_reading_is_left_alone(text: str) -> None:
    assert readings.put_in(text) == text


def test_a_wrong_reading_is_named_and_still_spoken(tokenizer: Tokenizer) -> None:
    assert tokenizer.unknown_readings("重(chxng2)要，<行|xyz>") == ["重(chxng2)", "<行|xyz>"]
    assert "CHXNG2" in tokenizer.prepared("重(chxng2)要")


def test_a_reading_that_the_vocabulary_would_spell_out_is_named(tokenizer: Tokenizer) -> None:
    assert tokenizer.unknown_readings("银行(hang2)，重(chóng)要") == ["CHONG2"]
    assert tokenizer.encode("银行(hang2)长")[-3:] == ["HANG2", "▁", "长"]


def test_characters_that_the_vocabulary_lacks_are_named_each_once(tokenizer: Tokenizer) -> None:
    assert tokenizer.unknown_pieces("我爱龘你龘，靐") == ["爱", "龘", "靐"]
    assert tokenizer.unknown_pieces("我们") == []


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_nothing_has_no_pieces(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode(text) == []


@given(st.text("我爱你好. ,!?abcXYZ1259-·", max_size=60))
def test_no_letter_is_lost_on_the_way_to_the_pieces(text: str) -> None:
    tokenizer = Tokenizer(BPE)
    letters = re.sub(r"[^\w]", "", text).upper()
    assert re.sub(r"[^\w]", "", "".join(tokenizer.encode(text))) == letters


@given(st.text("重要(（)）chóngxing21 <|>'", max_size=40))
def test_every_character_is_there_or_its_reading_is(text: str) -> None:
    said = readings.put_in(text)
    replaced = len(re.findall("[A-Z]+[1-5]", said))
    lost = sum(text.count(han) - said.count(han) for han in "重要")
    assert 0 <= lost <= replaced


def test_a_broken_vocabulary_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"bpe\.model cannot be read"):
        Tokenizer(tmp_path / "bpe.model")
    (tmp_path / "bpe.model").write_bytes(b"no model")
    with pytest.raises(Rejected, match=r"bpe\.model cannot be read"):
        Tokenizer(tmp_path / "bpe.model")


def test_japanese_and_korean_are_refused_by_name_with_a_way_out() -> None:
    assert refusal("zh") is None
    assert refusal("en") is None
    for language, name in (("ja", "Japanese"), ("ko", "Korean"), ("ru", "ru")):
        assert re.search(f"not {name}: .*preview engine", str(refusal(language)))
