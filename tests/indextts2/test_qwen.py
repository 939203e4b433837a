import gc
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from farm.errors import Rejected
from models.indextts2.emotion import EIGHT
from models.indextts2.qwen import (
    END_OF_THINKING,
    KEYS,
    EmotionReader,
    after_thinking,
    parse,
)

END = "<|im_end|>"
ANSWERS = {
    "<furious>": ('{"愤怒": 0.9, ', '"恐惧": 0.25}'),
    "<sad>": ('{"悲伤"', ": 0.75}"),
    "<wordless>": ("no ", "idea"),
    "<endless>": ("la ", "<endless>"),
}
TEMPLATE = (
    "{% if messages[0].role == 'system' and messages[0].content == '文本情感分类'"
    " and add_generation_prompt and enable_thinking is false %}"
    "{{ messages[1].content }}"
    "{% if '愤怒' in messages[1].content %}<furious>"
    "{% elif '哭' in messages[1].content or '低落' in messages[1].content %}<sad>"
    "{% elif '啦' in messages[1].content %}<endless>"
    "{% else %}<wordless>{% endif %}{% endif %}"
)


def write_tokenizer(directory: Path) -> dict[str, int]:
    """A token for each character of the descriptions and for each piece of the answers."""
    words = dict.fromkeys(
        [END, "<unk>", *ANSWERS, *(piece for answer in ANSWERS.values() for piece in answer)]
    )
    vocabulary = {word: place for place, word in enumerate([*words, *"愤怒地质问哭低落啦"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_tokens([word for word in words if word != END])
    tokenizer.add_special_tokens([END])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
    fast.chat_template = TEMPLATE
    fast.save_pretrained(directory)
    return vocabulary


def write_model(directory: Path, vocabulary: dict[str, int]) -> None:
    """A Qwen3 whose layers say nothing, so that each token calls the next of the answer it is in."""
    config = Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        tie_word_embeddings=False,
        eos_token_id=vocabulary[END],
        pad_token_id=vocabulary[END],
    )
    model = Qwen3ForCausalLM(config)
    state = model.state_dict()
    for key, value in state.items():
        if "o_proj" in key or "down_proj" in key or key == "lm_head.weight":
            value.zero_()
    state["model.embed_tokens.weight"].copy_(torch.eye(len(vocabulary), 64))
    for first, answer in ANSWERS.items():
        said = [first, *answer] if first == "<endless>" else [first, *answer, END]
        for piece, following in pairwise(said):
            state["lm_head.weight"][vocabulary[following], vocabulary[piece]] = 1.0
    model.generation_config.do_sample = True
    model.generation_config.temperature = 0.6
    model.generation_config.top_k = 20
    model.generation_config.top_p = 0.95
    model.save_pretrained(directory)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 in the layout of a download, which asks for drawing as Qwen3's own do."""
    directory = tmp_path_factory.mktemp("qwen")
    write_model(directory, write_tokenizer(directory))
    return directory


@pytest.fixture(scope="module")
def reader(directory: Path) -> Iterator[EmotionReader]:
    reader = EmotionReader(directory)
    yield reader
    reader.close()


def test_words_become_eight_weights(reader: EmotionReader) -> None:
    furious, sad = reader.weigh(["愤怒地质问", "哭"])
    assert dict(zip(EIGHT, furious, strict=True)) == dict.fromkeys(EIGHT, 0.0) | {
        "angry": 0.9,
        "afraid": 0.25,
    }
    assert dict(zip(EIGHT, sad, strict=True)) == dict.fromkeys(EIGHT, 0.0) | {"sad": 0.75}


def test_low_spirits_are_melancholic_and_not_sad(reader: EmotionReader) -> None:
    (low,) = reader.weigh(["低落"])
    assert dict(zip(EIGHT, low, strict=True)) == dict.fromkeys(EIGHT, 0.0) | {"melancholic": 0.75}


def test_the_same_words_always_weigh_the_same_although_the_model_asks_for_drawing(
    reader: EmotionReader,
) -> None:
    assert len(set(reader.weigh(["愤怒地质问"] * 3) + reader.weigh(["愤怒地质问"]))) == 1


def test_an_answer_without_emotions_is_calm(reader: EmotionReader) -> None:
    assert reader.weigh(["问"]) == [(0, 0, 0, 0, 0, 0, 0, 1)]


def test_a_model_that_never_stops_is_stopped(reader: EmotionReader) -> None:
    assert reader.weigh(["啦"]) == [(0, 0, 0, 0, 0, 0, 0, 1)]


def test_a_closed_reader_keeps_no_model_and_loads_again_when_asked(directory: Path) -> None:
    def kept() -> int:
        return sum(type(each) is Qwen3ForCausalLM for each in gc.get_objects())

    reader = EmotionReader(directory)
    before, weighed = kept(), reader.weigh(["哭"])
    assert kept() == before + 1
    reader.close()
    assert kept() == before
    assert reader.weigh(["哭"]) == weighed
    reader.close()


def test_as_the_reference_the_directorys_own_settings_are_obeyed(directory: Path) -> None:
    torch.manual_seed(0)
    reader = EmotionReader(directory, greedy=False)
    assert reader.weigh(["哭"])[0][EIGHT.index("sad")] in (0.0, 0.75)
    reader.close()


def test_a_missing_or_broken_model_is_refused_with_a_way_out(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="give weights instead of words"):
        EmotionReader(tmp_path / "missing").weigh(["哭"])
    for file in directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(Rejected, match="give weights instead of words"):
        EmotionReader(tmp_path).weigh(["哭"])


def test_only_what_comes_after_thinking_is_the_answer() -> None:
    assert after_thinking([1, END_OF_THINKING, 2, END_OF_THINKING, 3, 4]) == [3, 4]
    assert after_thinking([1, 2]) == [1, 2]
    assert after_thinking([1, END_OF_THINKING]) == []


def weights(**named: float) -> tuple[float, ...]:
    return tuple(named.get(name, 0.0) for name in EIGHT)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json.dumps(dict(zip(KEYS, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), strict=True))), None),
        ('{"高兴": 0.5}', weights(happy=0.5)),
        ('{"惊讶": "0.5"}', weights(surprised=0.5)),
        ('{"高兴": 5, "悲伤": -1}', weights(happy=1.2)),
        ('{"高兴": 0, "悲伤": 0}', weights(calm=1)),
        ('{"高兴": -1}', weights(calm=1)),
        ("{}", weights(calm=1)),
        ("", weights(calm=1)),
        ("I do not know", weights(calm=1)),
        ('{"joy": 1}', weights(calm=1)),
        ('Sure! "高兴": 0.4, "愤怒": 0.2', weights(happy=0.4, angry=0.2)),
        ("高兴: 0.4，\n愤怒 : 1", weights(happy=0.4, angry=1)),
        ('```json\n{"恐惧": 0.3, "反感": .5}\n```', weights(afraid=0.3, disgusted=0.5)),
        ('{"自然": 0.3, "反感": 0.', weights(calm=0.3)),
        ('"愤怒"', weights(angry=1)),
        ("愤怒", weights(angry=1)),
        ('{"emotion": "悲伤"}', weights(sad=1)),
        ('{"emotion_label": "悲伤"}', weights(sad=1)),
        ('{"label": "低落"}', weights(melancholic=1)),
        ('{"情感": "惊讶"}', weights(surprised=1)),
        ('{"情绪": "自然"}', weights(calm=1)),
        ('{"高兴": "高兴"}', weights(happy=1)),
        ('{"高兴": "悲伤", "愤怒": 0.2}', weights(sad=1, angry=0.2)),
        ('{"高兴": "悲伤", "悲伤": 0.2}', weights(sad=1)),
        ('{"高兴": 0.2, "emotion": "悲伤"}', weights(happy=0.2)),
        ('{"高兴": Infinity}', weights(happy=1.2)),
    ],
)
def test_an_answer_is_read_however_the_model_puts_it(answer: str, expected: tuple[float, ...] | None) -> None:
    assert parse(answer, "text") == (expected or (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))


@pytest.mark.parametrize(
    "answer",
    [
        '{"高兴": "very"}',
        '{"高兴": null}',
        '{"高兴": [1]}',
        '{"高兴": NaN}',
        "高兴: 1.2.3",
        "[1, 2]",
        "3",
        '"开心"',
    ],
)
def test_an_answer_that_is_no_number_is_refused_with_what_it_said(answer: str) -> None:
    with pytest.raises(Rejected, match="answer to 大声 cannot be read") as refused:
        parse(answer, "大声")
    assert answer in str(refused.value)


@pytest.mark.parametrize("text", ["心情低落", "a Gloomy day", "MELANCHOLY", "he is depressed"])
def test_sad_and_melancholic_change_places_where_the_text_says_so(text: str) -> None:
    assert parse('{"悲伤": 0.7, "低落": 0.1}', text) == weights(sad=0.1, melancholic=0.7)
    assert parse('{"悲伤": 0.7, "低落": 0.1}', "text") == weights(sad=0.7, melancholic=0.1)
