"""Between ratios and decibels; digital silence has no level, which is None."""

import math

DIGITAL_SILENCE_DB = -96.0
"""Below one step of 16 bits."""


def ratio(db: float) -> float:
    return float(10 ** (db / 20))


def level(amplitude: float) -> float | None:
    """dB of full scale, to 0.01; None for digital silence."""
    if amplitude < ratio(DIGITAL_SILENCE_DB):
        return None
    return round(20 * math.log10(amplitude), 2)
