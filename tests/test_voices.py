"""The preset voices a role can be cast with."""

import json

import pytest

from farm.errors import Rejected
from farm.voices import PRESETS, preset, preset_of


def test_a_voice_is_found_by_its_name_and_by_its_sound() -> None:
    for voice in PRESETS:
        assert preset(voice.name) is voice
        assert preset_of(json.loads(json.dumps(voice.to_json()))) is voice
    assert preset_of({"recording": "mother.flac"}) is None


def test_an_unknown_voice_is_told_which_there_are() -> None:
    with pytest.raises(Rejected, match=r"no voice called ghost. Choose one of: narrator, "):
        preset("ghost")


def test_names_and_sounds_are_distinct() -> None:
    assert len({voice.name for voice in PRESETS}) == len(PRESETS)
    assert len({json.dumps(voice.to_json()) for voice in PRESETS}) == len(PRESETS)
