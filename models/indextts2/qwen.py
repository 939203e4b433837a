"""Emotion from words: the checkpoint's own Qwen3 reads a description and answers with eight weights."""

import gc
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from farm.errors import Rejected
from models.indextts2.emotion import EIGHT, Weights

SYSTEM = "文本情感分类"
KEYS = ("高兴", "愤怒", "悲伤", "恐惧", "反感", "低落", "惊讶", "自然")
"""How the model calls the eight, in their order."""
LABELS = ("emotion", "emotion_label", "label", "情感", "情绪")
HIGHEST = 1.2
MELANCHOLY = ("低落", "melancholy", "melancholic", "depression", "depressed", "gloomy")
PAIR = re.compile(r"([^\s\":.,]+?)\"?\s*:\s*([\d.]+)")
END_OF_THINKING = 151668
LONGEST_ANSWER = 1024
"""Tokens: eight keys and numbers are a hundred. The reference lets a model run on for 32 768."""


class EmotionReader:
    """The model in `directory` (qwen0.6bemo4-merge): loaded when first asked, freed by `close`."""

    def __init__(self, directory: Path, device: torch.device | str = "cpu", greedy: bool = True) -> None:
        """Greedy, the same words have the same weights. The reference obeys the directory's
        generation_config.json instead, which may draw (`greedy=False`; from torch's own generator)."""
        self._directory = directory
        self._device = torch.device(device)
        self._greedy = greedy
        self._loaded: _Loaded | None = None

    def weigh(self, descriptions: Sequence[str]) -> list[Weights]:
        """Eight weights in [0, 1.2] for each description; equal ones are read once.

        Raises Rejected: the model is missing or of another kind, or its answer cannot be read.
        """
        if self._loaded is None:
            self._loaded = _load(self._directory, self._device, self._greedy)
        loaded = self._loaded
        read = {text: parse(_answer(loaded, text), text) for text in dict.fromkeys(descriptions)}
        return [read[text] for text in descriptions]

    def close(self) -> None:
        """Free the model; the next `weigh` loads it again."""
        self._loaded = None
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def parse(answer: str, text: str) -> Weights:
    """The weights in the model's `answer` to `text`, each in [0, 1.2]; calm is 1 where there are none.

    Raises Rejected when it gives something that is no number.

    >>> parse('{"高兴": 0.1, "愤怒": 3}', "怒吼")
    (0.1, 1.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    >>> parse('"悲伤"', "心情低落")
    (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    """
    try:
        found = {key: _number(score) for key, score in _scores(_content(answer)).items()}
    except (TypeError, ValueError) as e:
        raise Rejected(
            "The emotion model's answer to {text} cannot be read: {answer}. Describe the emotion in other "
            "words, or give weights.",
            text=text,
            answer=answer[:200],
        ) from e
    if any(word in text.lower() for word in MELANCHOLY):
        found["悲伤"], found["低落"] = found["低落"], found["悲伤"]
    weights = tuple(min(max(found[key], 0.0), HIGHEST) for key in KEYS)
    return weights if any(weights) else tuple(float(name == "calm") for name in EIGHT)


def after_thinking(answer: Sequence[int]) -> list[int]:
    """The tokens after the last </think>; all, where there is none."""
    thought = [place for place, token in enumerate(answer) if token == END_OF_THINKING]
    return list(answer[thought[-1] + 1 :]) if thought else list(answer)


@dataclass(frozen=True)
class _Loaded:
    tokenizer: Any
    model: Any
    generation: Mapping[str, Any]


def _load(directory: Path, device: torch.device, greedy: bool) -> _Loaded:
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(directory, local_files_only=True, dtype=dtype)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as e:
        raise Rejected(
            "The emotion model in {path} cannot be loaded: {reason}. Fetch the folder again, or give weights "
            "instead of words.",
            path=str(directory),
            reason=str(e),
        ) from e
    generation: dict[str, Any] = {"max_new_tokens": LONGEST_ANSWER}
    if greedy:
        generation |= {"do_sample": False, "temperature": None, "top_k": None, "top_p": None, "min_p": None}
    return _Loaded(tokenizer, model.to(device).eval(), generation)


@torch.inference_mode()
def _answer(loaded: _Loaded, text: str) -> str:
    """What the model says to `text`."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    prompt = loaded.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    asked = loaded.tokenizer([prompt], return_tensors="pt").to(loaded.model.device)
    tokens = loaded.model.generate(**asked, **loaded.generation)
    answer = tokens[0, asked["input_ids"].shape[1] :].tolist()
    return str(loaded.tokenizer.decode(after_thinking(answer), skip_special_tokens=True)).strip()


def _content(answer: str) -> Any:
    """What `answer` says as JSON; where it is none, the pairs in it, or the label that it is."""
    try:
        return json.loads(answer)
    except ValueError:
        return answer if answer in KEYS else dict(PAIR.findall(answer))


def _scores(content: Any) -> dict[str, Any]:
    """A score for each of KEYS, which may still be no number. Raises ValueError: it says nothing of them."""
    if isinstance(content, Mapping) and not set(KEYS) & set(content):
        content = next((content[name] for name in LABELS if name in content), content)
    if isinstance(content, str) and content in KEYS:
        content = {content: 1.0}
    if not isinstance(content, Mapping):
        raise ValueError("neither scores nor an emotion")
    named = [value for key, value in content.items() if key in KEYS and value in KEYS]
    scores = {key: 0.0 if content.get(key) in KEYS else content.get(key, 0.0) for key in KEYS}
    return scores | dict.fromkeys(named, 1.0)


def _number(score: Any) -> float:
    number = float(score)
    if math.isnan(number):
        raise ValueError("not a number")
    return number
