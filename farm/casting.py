"""Who speaks which role: a project's cast maps roles to voices."""

from collections.abc import Iterable, Mapping
from typing import Any

from farm.errors import Rejected

NARRATOR = "narrator"
TITLE = "title"
DIALOGUE = "dialogue"
RECORDING = "recording"
"""A cast's voice that is no preset: {"recording": the SHA-256 of what engines are given of it}."""
LIKE = "like"
"""In a direction: the recording whose emotion is taken, as a cast has it."""
KEY = f"{RECORDING}:"
"""What a recording is chosen by begins so; a preset is chosen by its name."""


def voice_for(cast: Mapping[str, Any], role: str) -> Any:
    """The voice of `role`; a role nobody was cast for is the narrator's."""
    return cast.get(role) or cast[NARRATOR]


def direction_for(cast: Mapping[str, Any], directions: Mapping[str, Any], role: str) -> dict[str, Any]:
    """How `role` speaks; one that nobody cast and nobody directed, as the narrator does.

    >>> directions = {"narrator": {"pace": 0.9}, "dialogue": {"words": "低声"}}
    >>> [direction_for({"title": "m3"}, directions, role) for role in ("old man", "dialogue", "title")]
    [{'pace': 0.9}, {'words': '低声'}, {}]
    """
    if role not in directions and not cast.get(role):
        role = NARRATOR
    return dict(directions.get(role) or {})


def speaks_dialogue_apart(cast: Mapping[str, Any], directions: Mapping[str, Any]) -> bool:
    """Whether quoted speech has a voice or a way of its own, so that it must be split from the narration."""
    own = voice_for(cast, DIALOGUE), direction_for(cast, directions, DIALOGUE)
    return own != (voice_for(cast, NARRATOR), direction_for(cast, directions, NARRATOR))


def recording_of(voice: Mapping[str, Any]) -> str | None:
    """The SHA-256 of the recording that a cast's voice is; None for a preset."""
    return voice.get(RECORDING)


def sounds_of(cast: Mapping[str, Any], directions: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each role with what it is to sound like: its voice, and a recording whose emotion it takes."""
    return [*cast.items(), *((role, like) for role, its in directions.items() if (like := its.get(LIKE)))]


def recordings_in(cast: Mapping[str, Any], directions: Mapping[str, Any] | None = None) -> set[str]:
    """The SHA-256 of each recording that somebody is cast with, or takes the emotion of."""
    return {sha256 for _, sound in sounds_of(cast, directions or {}) if (sha256 := recording_of(sound))}


def recordings_of(segments: Iterable[Mapping[str, Any]]) -> set[str]:
    """The SHA-256 of each recording that segments, as a worker is given them, are to sound like.

    >>> cry = {"voice": {"variant": "m3"}, "direction": {"like": {"recording": "5e"}}}
    >>> sorted(recordings_of([cry, {"voice": {"recording": "a1"}, "direction": {}}]))
    ['5e', 'a1']
    """
    sounds = (sound for each in segments for sound in (each["voice"], each["direction"].get("like") or {}))
    return {sha256 for sound in sounds if (sha256 := recording_of(sound))}


def key_of(recording_id: int) -> str:
    """
    >>> key_of(3), id_in(key_of(3)), id_in("narrator")
    ('recording:3', 3, None)
    """
    return f"{KEY}{recording_id}"


def id_in(key: str) -> int | None:
    """The recording that `key` chooses; None when it is the name of something. Raises Rejected."""
    if not key.startswith(KEY):
        return None
    number = key.removeprefix(KEY)
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Rejected("{key} chooses no recording: write {form}.", key=key[:40], form=f"{KEY}12")
    return int(number)
