"""Voices that need no recording: the presets a role can be cast with, and a sentence for each to say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from farm.errors import Rejected

SAMPLES = {
    "zh": "你好，我来为你朗读这本书。夜深了，窗外的雨还在下。",
    "en": "Hello, I will read this book to you. It was late, and the rain had not stopped.",
    "ja": "こんにちは。これからこのほんをよみます。よるになっても、あめはやみませんでした。",
    "ko": "안녕하세요, 이 책을 읽어 드리겠습니다. 밤이 깊었지만 비는 그치지 않았습니다.",
}

TO_RECORD = {
    "zh": SAMPLES["zh"] + "街上有一扇门开了，有人喊着一个我多年没有听过的名字。",
    "en": SAMPLES["en"]
    + " Somewhere down the street a door opened, and a voice called a name I had not heard for years.",
}
"""What somebody reads aloud to have a voice made of theirs: some 12 seconds."""


@dataclass(frozen=True)
class Timbre:
    """How a preset sounds, in any language. A cast and a take's recipe hold it as a mapping."""

    variant: str
    """One of espeak-ng's voice variants."""
    pitch: int = 50
    """0 to 99; 50 is the variant's own."""
    range: int = 50
    """How far the pitch moves, 0 (monotone) to 99; 50 is the variant's own."""
    pace: float = 1.0
    """0.5 to 2.0; multiplied by the direction's."""


@dataclass(frozen=True)
class PresetVoice:
    """A voice with a name. `title` is English, and the key of its translations."""

    name: str
    title: str
    timbre: Timbre

    def to_json(self) -> dict[str, Any]:
        """What a cast holds and an engine is given: only what is heard, so a new title costs nothing."""
        return asdict(self.timbre)


PRESETS = (
    PresetVoice("narrator", "Narrator", Timbre("m3", 48, 45)),
    PresetVoice("narrator-woman", "Narrator, a woman", Timbre("f3", 46, 45)),
    PresetVoice("man", "Man", Timbre("m7", 52, 60)),
    PresetVoice("woman", "Woman", Timbre("f2", 50, 60)),
    PresetVoice("bright", "Bright", Timbre("f4", 62, 70, 1.05)),
    PresetVoice("deep", "Deep", Timbre("m2", 32, 45, 0.95)),
    PresetVoice("boy", "Boy", Timbre("m1", 88, 65, 1.05)),
    PresetVoice("girl", "Girl", Timbre("f5", 80, 70, 1.05)),
    PresetVoice("old-man", "Old man", Timbre("m6", 36, 55, 0.88)),
    PresetVoice("old-woman", "Old woman", Timbre("f1", 38, 55, 0.88)),
)


def preset(name: str) -> PresetVoice:
    """Raises Rejected, naming the presets there are."""
    for voice in PRESETS:
        if voice.name == name:
            return voice
    names = ", ".join(voice.name for voice in PRESETS)
    raise Rejected("There is no voice called {name}. Choose one of: {names}.", name=name, names=names)


def preset_of(parameters: Mapping[str, Any]) -> PresetVoice | None:
    """Which preset a cast's `parameters` are, if any."""
    return next((voice for voice in PRESETS if voice.to_json() == parameters), None)
