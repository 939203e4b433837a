"""The preview engine, loaded once; and one way to have something said."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

import models
from farm.engine import Direction, Engine, Speech, SpeechFailure, Utterance
from farm.voices import preset

Say = Callable[..., Speech | SpeechFailure]


@pytest.fixture(scope="session")
def preview() -> Iterator[Engine]:
    with closing(models.load("preview")) as engine:
        yield engine


@pytest.fixture(scope="session")
def say(preview: Engine) -> Say:
    def say(
        text: str, language: str = "zh", voice: str = "narrator", pace: float = 1.0
    ) -> Speech | SpeechFailure:
        voice_print = preview.voice_print(preset(voice).to_json())
        utterance = Utterance(text, language, voice_print, Direction(pace))
        return dict(preview.speak([utterance], lambda: False))[0]

    return say
