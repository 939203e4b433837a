"""Who speaks which role: a project's cast maps roles to voices."""

from collections.abc import Mapping
from typing import Any

NARRATOR = "narrator"
TITLE = "title"
DIALOGUE = "dialogue"


def voice_for(cast: Mapping[str, Any], role: str) -> Any:
    """The voice of `role`; a role nobody was cast for is the narrator's."""
    return cast.get(role) or cast[NARRATOR]


def speaks_dialogue_apart(cast: Mapping[str, Any]) -> bool:
    """Whether quoted speech has a voice of its own, so that it must be split from the narration."""
    return bool(voice_for(cast, DIALOGUE) != voice_for(cast, NARRATOR))
