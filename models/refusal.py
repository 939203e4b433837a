"""What every engine refuses by name before it speaks."""

from collections.abc import Set

from farm.engine import SpeechFailure, Utterance


def refuse(name: str, languages: Set[str], utterance: Utterance) -> SpeechFailure | None:
    """Why the engine `name` cannot even try, if so."""
    if utterance.language not in languages:
        spoken = ", ".join(sorted(languages))
        return SpeechFailure(
            "text", f"{name} does not speak {utterance.language or 'no language'}, only {spoken}."
        )
    if not utterance.text.strip():
        return SpeechFailure("text", "The text is empty.")
    return None
