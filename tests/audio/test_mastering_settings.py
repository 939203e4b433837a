"""Mastering settings survive storage and refuse what cannot be mastered."""

from typing import Any

import pytest

from farm.audio.settings import PAUSES_MS, MasteringSettings
from farm.errors import Rejected


def test_settings_come_back_as_they_were_stored() -> None:
    settings = MasteringSettings(lufs=-16, tail_s=3.5, pauses_ms={**PAUSES_MS, "scene": 2500})
    assert MasteringSettings.from_json(settings.to_json()) == settings


def test_what_is_not_stored_is_the_default() -> None:
    assert MasteringSettings.from_json({}) == MasteringSettings()
    assert MasteringSettings.from_json({"pauses_ms": {"scene": 10}}).pauses_ms == {**PAUSES_MS, "scene": 10}


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        ({"volume": 3}, "volume"),
        ({"lufs": 0}, "lufs"),
        ({"lufs": "loud"}, "loud"),
        ({"lufs": float("nan")}, "nan"),
        ({"bitrate": True}, "bitrate"),
        ({"bitrate": 1_000_000}, "bitrate"),
        ({"sample_rate": 44_000}, "44000"),
        ({"aac_coder": "anmr"}, "anmr"),
        ({"pauses_ms": {"scene": -1}}, "pauses_ms.scene"),
        ({"pauses_ms": {"scene": 90_000}}, "pauses_ms.scene"),
        ({"pauses_ms": {"breath": 100}}, "breath"),
        ({"pauses_ms": 300}, "pauses_ms"),
        ({"pauses_ms": {"scene": None}}, "pauses_ms.scene"),
        ({"aac_coder": ["fast"]}, "fast"),
    ],
)
def test_what_cannot_be_is_refused_by_name(stored: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Rejected, match=complaint):
        MasteringSettings.from_json(stored)
