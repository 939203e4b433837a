"""A chapter's text to segments: what the engine is given in one breath, and what the reader sees."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from farm.text.cuts import cut
from farm.text.dialogue import speech
from farm.text.filling import SHORT, Boundary, Piece, Run, fill, without_silent
from farm.text.languages import UNSPACED, joined, language_of
from farm.text.lengths import spoken_length
from farm.text.lexicon import Lexicon
from farm.text.normalise import normalise
from farm.text.quotes import pairs
from farm.text.sentences import sentence_ends

__all__ = ["Boundary", "PlanSettings", "PlannedSegment", "Sentence", "cut_anew", "plan_chapter"]

TITLE = "title"
_PARAGRAPH = re.compile(r"\S[^\n]*(?:\n\s*)?")
_SCENE_BREAK = re.compile(r"(?:[*＊※◇◆○●☆★□■△▲▽▼⁂❖✦✧❦❧☙§#＃•·♦♢✻✽❀❁〇]\s*)+|(?:[-‐–—―─━_=＝~～]\s*){3,}")
_STOPPED = re.compile(r"[^\w\s]\W*$")


@dataclass(frozen=True)
class PlanSettings:
    """`limit` is the longest segment in spoken characters (20 or more)."""

    language: str
    limit: float = 100
    one_sentence: bool = False
    dialogue_apart: bool = False
    lexicon: Lexicon = field(default_factory=Lexicon)


@dataclass(frozen=True)
class Sentence:
    """`end` is the offset behind it in the segment's display text; `length` is in spoken characters."""

    end: int
    length: float


@dataclass(frozen=True)
class PlannedSegment:
    """`spoken` may be "": nothing to say. `role` is title, narrator or dialogue; `length` is of `spoken`."""

    display: str
    spoken: str
    language: str
    role: str
    after: Boundary
    length: float
    sentences: tuple[Sentence, ...]


def plan_chapter(title: str, text: str, settings: PlanSettings) -> list[PlannedSegment]:
    """The chapter's segments: first those of the title, then those of the text.

    The display texts of the former joined are `title`, of the latter `text`, character for character.
    A segment with nothing to say occurs only where all of the title, or all of the text, has nothing to say.
    """
    last = Boundary.TITLE if text else Boundary.END
    whole = replace(settings, one_sentence=False, dialogue_apart=False)
    return _plan(title, TITLE, last, whole) + _plan(text, "narrator", Boundary.END, settings)


def cut_anew(
    display: str, language: str, role: str, after: Boundary, settings: PlanSettings
) -> list[PlannedSegment]:
    """A segment that became too long, as several of the same role; their display texts joined are its own."""
    alone = replace(settings, language=language, dialogue_apart=False)
    return _plan(display, role, after, replace(alone, one_sentence=False) if role == TITLE else alone)


def _plan(text: str, role: str, last: Boundary, settings: PlanSettings) -> list[PlannedSegment]:
    pieces = without_silent(_pieces(text, role, settings))
    runs = [[piece] for piece in pieces] if settings.one_sentence else fill(pieces, settings.limit)
    segments = [_segment(text, run) for run in runs]
    return [*segments[:-1], *(replace(segment, after=last) for segment in segments[-1:])]


def _segment(text: str, run: Run) -> PlannedSegment:
    start, last = run[0].start, run[-1]
    spoken = joined([*(_stopped(piece) for piece in run[:-1]), last.spoken], last.language)
    return PlannedSegment(
        display=text[start : last.end],
        spoken=spoken,
        language=last.language,
        role=last.role,
        after=last.after,
        length=spoken_length(spoken),
        sentences=tuple(_sentences(run)),
    )


def _stopped(piece: Piece) -> str:
    """The spoken text of a piece that others follow: a heading would run into the next paragraph."""
    if not piece.ends_paragraph or _STOPPED.search(piece.spoken):
        return piece.spoken
    return piece.spoken + ("。" if piece.language in UNSPACED else ".")


def _sentences(run: Run) -> Iterator[Sentence]:
    length = 0.0
    for piece in run:
        length += piece.length
        if piece.after != Boundary.PHRASE or piece is run[-1]:
            yield Sentence(piece.end - run[0].start, length)
            length = 0.0


def _pieces(text: str, role: str, settings: PlanSettings) -> Iterator[Piece]:
    start = 0
    for paragraph in _PARAGRAPH.finditer(text):
        line = paragraph[0].strip()
        if _SCENE_BREAK.fullmatch(line):
            yield _silence(start, paragraph.end(), role, settings.language, Boundary.SCENE)
        else:
            yield from _paragraph_pieces(text, start, paragraph.end(), role, settings)
        start = paragraph.end()
    if start < len(text):
        yield _silence(start, len(text), role, settings.language, Boundary.PARAGRAPH)


def _silence(start: int, end: int, role: str, language: str, after: Boundary) -> Piece:
    return Piece(start, end, "", 0.0, language, role, after)


def _paragraph_pieces(text: str, start: int, end: int, role: str, settings: PlanSettings) -> Iterator[Piece]:
    paragraph = text[start:end]
    whole = language_of(paragraph, settings.language)
    for span in _spans(paragraph, role, settings):
        display = paragraph[span.start : span.end]
        language = language_of(display, settings.language)
        if language == "en" and whole == settings.language and spoken_length(display) < SHORT:
            language = whole  # as the Latin words inside its sentences are
        yield from _cut_pieces(display, replace(span, start=start + span.start, language=language), settings)


def _cut_pieces(display: str, span: Piece, settings: PlanSettings) -> Iterator[Piece]:
    """The sentence `display`, `span` of the text, as one piece or, where it is too long, as several."""

    def speak(part: str) -> str:
        return normalise(part.strip(), span.language, settings.lexicon)

    keep = tuple(entry.written for entry in settings.lexicon.matches(display, span.language))
    start = span.start
    for part in cut(display, settings.limit, speak, keep):
        end = span.start + part.end
        after = span.after if part.end == len(display) else Boundary.PHRASE
        yield replace(span, start=start, end=end, spoken=part.spoken, length=part.length, after=after)
        start = end


def _spans(paragraph: str, role: str, settings: PlanSettings) -> Iterator[Piece]:
    """The paragraph's sentences, divided where narration and dialogue meet; not spoken yet."""
    quotations = pairs(paragraph)
    ends = sentence_ends(paragraph, quotations)
    spoken_by_someone = speech(paragraph, quotations) if settings.dialogue_apart else []
    starts_of_speech = {start for start, _ in spoken_by_someone}
    ends_of_speech = {end for _, end in spoken_by_someone}
    sentences, current, start = set(ends), role, 0
    for end in sorted(sentences | starts_of_speech | ends_of_speech):
        if end > start:
            after = Boundary.SENTENCE if end in sentences else Boundary.PHRASE
            after = Boundary.PARAGRAPH if end == len(paragraph) else after
            yield Piece(start, end, "", 0.0, settings.language, current, after)
        if end in ends_of_speech:
            current = role
        if end in starts_of_speech:
            current = "dialogue"
        start = end
