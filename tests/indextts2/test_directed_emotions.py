"""What the farm takes of a direction is what the engine follows."""

from farm import directions
from farm.engine import EMOTIONS, PRESETS
from models.indextts2 import emotion, engine, presets


def test_farm_and_engine_agree_on_presets_emotions_and_bounds() -> None:
    assert PRESETS["indextts2"] == tuple(presets.PRESETS)
    assert PRESETS["indextts2"][0] == presets.DEFAULT
    assert EMOTIONS == emotion.EIGHT
    assert (emotion.FAINTEST, emotion.STRONGEST) == directions.INTENSITIES
    assert tuple(engine.PACES) == directions.PACES
