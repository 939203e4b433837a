"""Master: a chapter's takes become its audio and subtitles."""

import io
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from farm import chapters, projects, states, takes
from farm.audio.flac import read_audio
from farm.audio.mastering import Clip, Mastered, MasteringSettings, encode_mp3, master
from farm.engine import Audio
from farm.errors import NotFound
from farm.storage import Store
from farm.subtitles import Timed, cues, srt, vtt
from farm.tables import Chapter, ChapterState, Json, Project, Segment, SegmentState, Take
from farm.text.segments import Sentence
from farm.text.timing import sentence_times
from farm.work import Work

CHAPTERS = "chapters"


class TakeGone(Exception):
    """The store lost a take that the database remembers."""


@dataclass
class SpokenSegment:
    """A segment and its take; reading it measures where its sentences end, in seconds of the take."""

    display: str
    after: str
    sentences: Sequence[Sentence]
    take_key: str | None  # None: nothing to speak
    take: str | None  # object name
    store: Store
    times: list[float] = field(default_factory=list)

    def read(self) -> Audio:
        if self.take is None:
            raise TakeGone(self.take_key)
        try:
            content = self.store.read(self.take, takes.LARGEST)
        except NotFound as e:
            raise TakeGone(self.take_key) from e
        audio = read_audio(io.BytesIO(content))
        if not self.times:
            self.times = sentence_times(audio.samples, audio.sample_rate, self.sentences)
        return audio

    @property
    def clip(self) -> Clip:
        return Clip(self.read if self.take_key else None, self.after)


def run(work: Work) -> None:
    """Master a chapter; one whose audio got lost in the store is sent back to be spoken."""
    try:
        master_chapter(work)
    except TakeGone as e:
        with work.finishing() as session:
            chapters.speak_again(session, work.job.chapter_id or 0, str(e))


def master_chapter(work: Work) -> None:
    with work.begin() as session:
        project = session.get_one(Project, work.job.project_id)
        chapter = chapters.find(session, work.job.chapter_id or 0)
    spoken = spoken_segments(work, chapter.id)
    settings = MasteringSettings.from_json(project.mastering)
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "chapter.m4a"
        clips = [segment.clip for segment in spoken]
        mastered = master(clips, audio, settings, lambda done: work.progress(0.95 * done))
        files = keep(work, audio, subtitles(project.language, spoken, mastered))
        if project.kind == "course":
            mp3 = Path(folder) / "chapter.mp3"
            encode_mp3(clips, mastered.loudness.gain_db, mp3, settings, tags(project, chapter))
            files["mp3"] = put(work, "mp3", mp3)
    finish(work, mastered, files)


def spoken_segments(work: Work, chapter_id: int) -> list[SpokenSegment]:
    """A chapter's segments in order; a failed one that was waived is left out."""
    statement = (
        select(Segment.display, Segment.after, Segment.sentences, Segment.take_key, Take.object)
        .outerjoin(Take, Take.key == Segment.take_key)
        .where(Segment.chapter_id == chapter_id, Segment.state == SegmentState.DONE)
        .order_by(Segment.position)
    )
    with work.begin() as session:
        rows = session.execute(statement).all()
    return [
        SpokenSegment(display, after, [Sentence(*sentence) for sentence in sentences], key, take, work.store)
        for display, after, sentences, key, take in rows
    ]


def subtitles(language: str, spoken: Sequence[SpokenSegment], mastered: Mastered) -> dict[str, bytes]:
    """The subtitle files by their endings."""
    timed: list[Timed] = []
    for segment, placed in zip(spoken, mastered.placed, strict=True):
        start_s, shown = placed.start_s, 0
        for sentence, end_s in zip(segment.sentences, segment.times, strict=False):
            until_s = min(max(placed.start_s + end_s - placed.trimmed_s, start_s), placed.end_s)
            timed.append(Timed(start_s, until_s, segment.display[shown : sentence.end]))
            start_s, shown = until_s, sentence.end
    made = cues(timed, language)
    return {"srt": srt(made).encode(), "vtt": vtt(made).encode()}


def keep(work: Work, audio: Path, texts: dict[str, bytes]) -> Json:
    files = {ending: put(work, ending, content) for ending, content in texts.items()}
    return {"m4a": put(work, "m4a", audio), **files}


def put(work: Work, ending: str, source: Path | bytes) -> str:
    """Every attempt writes under its own name; the finishing transaction decides which one counts."""
    job = work.job
    name = f"{CHAPTERS}/{job.project_id}/{job.chapter_id}.{job.id}.{ending}"
    work.store.put(name, source)
    return name


def finish(work: Work, mastered: Mastered, files: Json) -> None:
    with work.finishing() as session:
        done = Chapter.id == work.job.chapter_id
        states.move(
            session,
            Chapter,
            done,
            ChapterState.MASTERING,
            ChapterState.DONE,
            seconds=mastered.duration_s,
            mastered=report(mastered),
            files=files,
            failure=None,
        )
        chapters.forget_releases(session, chapters.find(session, work.job.chapter_id or 0))
        projects.publish_if_done(session, work.job.project_id)


def report(mastered: Mastered) -> dict[str, Any]:
    """What is remembered of a mastered chapter: its loudness, and where each segment lies in it."""
    placed = [[round(place.start_s, 3), round(place.end_s, 3)] for place in mastered.placed]
    return {"loudness": asdict(mastered.loudness), "placed": placed}


def tags(project: Project, chapter: Chapter) -> dict[str, str]:
    """An MP3's tags; a player sorts lessons by their track number."""
    return {
        "title": chapter.title,
        "album": project.title,
        "artist": project.author,
        "composer": project.narrator,
        "track": str(chapter.position + 1),
        "genre": "Course" if project.kind == "course" else "Audiobook",
    }
