"""Several files, or archives of them, into a course: one lesson each, in the order a person would choose."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from farm.errors import BadManuscript
from farm.manuscript import FILE_BYTES, check_size, read
from farm.manuscript.archives import Archive, open_checked
from farm.manuscript.blocks import Account
from farm.manuscript.bounds import bounded
from farm.manuscript.headings import MOST_CHAPTERS
from farm.manuscript.kinds import is_readable, is_zip, kind_of_archive
from farm.manuscript.languages import guess_language
from farm.manuscript.naming import from_filename
from farm.manuscript.numbering import chapter_oddities
from farm.manuscript.numerals import HAN_NUMERAL, han_number
from farm.manuscript.parts import Chapter, Manuscript, visible
from farm.manuscript.sections import letters
from farm.messages import Message

MOST_CHARACTERS = 50_000_000
"""In all lessons together; about 2500 hours of Chinese."""

_SILENT = Message("Parts of lessons that are not read aloud")
_UNIT = "讲講课課章回节節集期话話部卷篇"
_NUMBER = re.compile(
    rf"第\s*(?P<han>[{HAN_NUMERAL}]{{1,9}})\s*[{_UNIT}]|^(?P<listed>[{HAN_NUMERAL}]{{1,5}})(?=[、.．])|(?P<digits>\d+)"
)
_NUMBER_IN_FRONT = re.compile(
    r"^\s*(?:[\[(（【]\d{1,3}[\])）】]|\d{1,3}\s*[._、．\-–—:：]+|0\d{1,2}\s)\s*(?=\S)"
)
_NO_LESSONS = {"__macosx", "thumbs.db", "desktop.ini"}
_MEANT_FOR_BOOKS = (
    "No chapter headings were found",
    "The {n} characters before the first heading",
    "“{title}” is longer than",
)
_SAMPLE = 20_000

Key = tuple[tuple[tuple[int, int, str], ...], ...]


@dataclass(frozen=True)
class _Source:
    """A file that may be a lesson; `name` may have folders before it."""

    name: str
    path: Path
    archive: Archive | None = None
    member: str = ""

    @property
    def is_other(self) -> bool:
        """Whether it only came along in an archive, such as a picture."""
        return self.archive is not None and not is_readable(self.name)

    def unpacked(self, folder: Path) -> Path:
        """The file itself, or its copy out of the archive; there is one copy at a time."""
        if self.archive is None:
            return self.path
        copy = folder / "lesson"
        copy.write_bytes(self.archive.read(self.member, FILE_BYTES))
        return copy


@dataclass(frozen=True)
class _Lesson:
    source: _Source
    manuscript: Manuscript


def read_course(files: Sequence[tuple[Path, str]], *, encoding: str | None = None) -> Manuscript:
    """Read a course from files and the names people call them; a zip archive stands for the files in it.

    What cannot be read is left out and named in an oddity. Raises BadManuscript when nothing is left, and for
    archives that are damaged or hostile.
    """
    with ExitStack() as stack, TemporaryDirectory() as folder:
        sources = sorted(_sources(files, stack), key=lambda source: natural_order(source.name))
        lessons, oddities = _read_all(sources, Path(folder), encoding)
    return _course(files, lessons, oddities)


def natural_order(name: str) -> Key:
    """A key that sorts 第01讲 before 第2讲 before 第十讲, and lesson 2 before lesson 10.

    >>> sorted(["lesson 10", "第十讲", "lesson 2", "第2讲", "01_x"], key=natural_order)
    ['01_x', '第2讲', '第十讲', 'lesson 2', 'lesson 10']
    """
    return tuple(tuple(_tokens(part)) for part in PurePosixPath(name).parts)


def lesson_title(name: str) -> str:
    """The file's name without folders, ending and a number that only sorts.

    >>> [lesson_title(name) for name in ("a/01_什么是SQL.docx", "第2讲_注入.txt", "3. Joins.md", "04.txt")]
    ['什么是SQL', '第2讲 注入', 'Joins', '04']
    """
    stem = PurePosixPath(name).name.removesuffix(PurePosixPath(name).suffix)
    return " ".join(_NUMBER_IN_FRONT.sub("", stem).replace("_", " ").split()) or stem


def _tokens(part: str) -> Iterator[tuple[int, int, str]]:
    start = 0
    for found in _NUMBER.finditer(part):
        if before := part[start : found.start()].strip():
            yield (1, 0, before.casefold())
        yield (0, han_number(found["han"] or found["listed"] or found["digits"]) or 0, "")
        start = found.end()
    if rest := part[start:].strip():
        yield (1, 0, rest.casefold())


def _sources(files: Iterable[tuple[Path, str]], stack: ExitStack) -> Iterator[_Source]:
    for path, filename in files:
        name = filename.replace("\\", "/")
        check_size(path, name, FILE_BYTES)
        archive = _archive_of_lessons(path, name, stack)
        if archive is None:
            yield _Source(name, path)
            continue
        folder = name.removesuffix(PurePosixPath(name).suffix)
        for member in archive.names:
            if not _is_hidden(member):
                yield _Source(f"{folder}/{member}", path, archive, member)


def _archive_of_lessons(path: Path, name: str, stack: ExitStack) -> Archive | None:
    with path.open("rb") as file:
        if not is_zip(file.read(4)):
            return None
    archive = stack.enter_context(open_checked(path, name))
    return None if kind_of_archive(name, archive.names) else archive


def _is_hidden(member: str) -> bool:
    parts = PurePosixPath(member).parts
    return any(part.startswith((".", "~$")) or part.lower() in _NO_LESSONS for part in parts)


def _read_all(
    sources: Sequence[_Source], folder: Path, encoding: str | None
) -> tuple[list[_Lesson], list[Message]]:
    lessons: list[_Lesson] = []
    failures: list[BadManuscript] = []
    others = [source for source in sources if source.is_other]
    oddities = [_left_out(others)] if others else []
    characters = 0
    for source in (source for source in sources if not source.is_other):
        try:
            name = PurePosixPath(source.name).name
            lessons.append(_Lesson(source, read(source.unpacked(folder), name, encoding=encoding)))
        except BadManuscript as e:
            failures.append(e)
            values: dict[str, object] = {"name": source.name, "reason": str(e)}
            oddities.append(Message("{name} was left out: {reason}", values))
        else:
            characters += lessons[-1].manuscript.characters
            _check_bounds(len(lessons), characters)
    if not lessons and len(failures) == 1:
        raise failures[0]
    if not lessons:
        raise BadManuscript(
            "None of the {n} files can be read as a lesson. Choose .txt, .md, .docx or .epub files.",
            n=len(sources),
        )
    return lessons, oddities


def _left_out(others: Sequence[_Source]) -> Message:
    names = [source.member for source in others]
    shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    return Message("{n} files of other kinds were left out: {names}.", {"n": len(names), "names": shown})


def _check_bounds(lessons: int, characters: int) -> None:
    if lessons > MOST_CHAPTERS or characters > MOST_CHARACTERS:
        raise BadManuscript(
            "The course has more than {lessons} lessons or {characters} characters. "
            "Make several courses of it.",
            lessons=MOST_CHAPTERS,
            characters=MOST_CHARACTERS,
        )


def _course(
    files: Sequence[tuple[Path, str]], lessons: Sequence[_Lesson], oddities: Sequence[Message]
) -> Manuscript:
    account = Account()
    common = _common_folder([lesson.source.name for lesson in lessons])
    whole = [_chapter(lesson, common, account) for lesson in lessons]
    chapters, cuts = bounded(whole, account)
    manuscripts = [lesson.manuscript for lesson in lessons]
    guesses = [manuscript.encoding for manuscript in manuscripts if manuscript.encoding]
    title = from_filename(f"{common[-1]}.zip" if common else files[0][1])[0]
    return Manuscript(
        title=title if common or len(lessons) == 1 else _common_title(whole) or title,
        author=next((manuscript.author for manuscript in manuscripts if manuscript.author), ""),
        language=guess_language("\n".join(chapter.text[:_SAMPLE] for chapter in whole)),
        chapters=chapters,
        characters=sum(manuscript.characters for manuscript in manuscripts),
        added=account.added,
        cover=next((manuscript.cover for manuscript in manuscripts if manuscript.cover), None),
        removed=account.removed,
        oddities=(*oddities, *(note for lesson in lessons for note in _notes(lesson)), *cuts),
        encoding=max(guesses, key=lambda guess: guess.replaced, default=None),
    )


def _chapter(lesson: _Lesson, common: Sequence[str], account: Account) -> Chapter:
    """One lesson: its own heading or the file's name, and below it whatever headings it has inside."""
    manuscript = lesson.manuscript
    account.added += manuscript.added
    for part in manuscript.removed:
        account.carry(part)
    spoken = [chapter for chapter in manuscript.chapters if chapter.included]
    if spoken:
        silent = (chapter for chapter in manuscript.chapters if not chapter.included)
        account.drop(_SILENT, " ".join(f"{chapter.title} {chapter.text}" for chapter in silent))
    else:
        spoken = list(manuscript.chapters)
    folders = PurePosixPath(lesson.source.name).parts[len(common) : -1]
    volume = " · ".join(lesson_title(folder) for folder in folders)
    if len(spoken) == 1:
        return replace(_named(lesson, spoken[0], account), volume=volume)
    text = "\n".join(line for chapter in spoken for line in (chapter.title, chapter.text) if line)
    return Chapter(account.add(lesson_title(lesson.source.name)), text, volume)


def _named(lesson: _Lesson, chapter: Chapter, account: Account) -> Chapter:
    """The one chapter of a lesson, without a title that was made up from the file's name or first line."""
    made_up = lesson.manuscript.added >= visible(chapter.title)
    first, _, rest = chapter.text.partition("\n")
    if made_up and letters(first) == letters(chapter.title):
        account.added -= visible(chapter.title)
        return Chapter(first, rest)
    if made_up and chapter.title == from_filename(lesson.source.name)[0]:
        account.added -= visible(chapter.title)
        return Chapter(account.add(lesson_title(lesson.source.name)), chapter.text)
    return Chapter(chapter.title, chapter.text)


def _notes(lesson: _Lesson) -> Iterator[Message]:
    """What is odd about a lesson's file; how its headings are numbered matters in books only."""
    manuscript = lesson.manuscript
    numbering = {str(note) for note in chapter_oddities(manuscript.chapters)}
    for note in manuscript.oddities:
        if str(note) not in numbering and not note.template.startswith(_MEANT_FOR_BOOKS):
            yield Message("{name}: {oddity}", {"name": lesson.source.name, "oddity": str(note)})


def _common_folder(names: Sequence[str]) -> tuple[str, ...]:
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    shared = zip(*folders, strict=False)
    together = takewhile(lambda parts: len(set(parts)) == 1, shared)
    return tuple(parts[0] for parts in together)


def _common_title(chapters: Sequence[Chapter]) -> str:
    """What the titles of all lessons begin with, such as Python 入门."""
    columns = zip(*(chapter.title for chapter in chapters), strict=False)
    shared = "".join(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
    return re.sub(rf"(?:第|[{HAN_NUMERAL}]+|\W)+$", "", shared)
