"""Plain text files: bytes to a manuscript."""

import re
from collections.abc import Sequence

from farm.errors import BadManuscript
from farm.manuscript.blocks import Account
from farm.manuscript.bounds import bounded
from farm.manuscript.encodings import decode
from farm.manuscript.gutenberg import without_licence
from farm.manuscript.headings import split_chapters
from farm.manuscript.junk import junk_oddities, without_invisible, without_junk
from farm.manuscript.languages import guess_language
from farm.manuscript.naming import OWN_TITLE, from_filename, from_first_lines
from farm.manuscript.numbering import chapter_oddities
from farm.manuscript.parts import EncodingGuess, Manuscript, visible
from farm.manuscript.wrapping import split_lines, unwrap
from farm.messages import Message

EMPHASIS = Message("Underscores that marked words in italics")

_UNDERSCORED = re.compile(r"(?<![\w_])_(?=\S)([^_]{1,500}?)(?<=\S)_(?![\w_])")
_SUSPICIOUSLY_LONG_LINE = 5000


def read_txt(content: bytes, filename: str, encoding: str | None = None) -> Manuscript:
    """Read a plain text file. `encoding` overrides the guess.

    Raises BadManuscript for a file that is empty or not text, Rejected for an unknown encoding.
    """
    source, guess = decode(content, encoding, name=filename)
    return read_text(source, filename, guess)


def read_text(source: str, filename: str, guess: EncodingGuess | None = None) -> Manuscript:
    """Read decoded text: chapters by their headings, junk and licence dropped by name."""
    account = Account()
    lines = split_lines(without_invisible(source, account), filename)
    lines, header = without_licence(lines, account)
    paragraphs = [_plain(line, account) for line in unwrap(without_junk(lines, account))]
    if not paragraphs:
        raise BadManuscript("{name} has no text to read aloud. Choose another file.", name=filename)
    title, author, paragraphs = _named(paragraphs, filename, header, account)
    language = guess_language("\n".join(paragraphs))
    split = split_chapters(paragraphs, account, title=title, language=language)
    chapters, cut = bounded(split.chapters, account)
    return Manuscript(
        title,
        author,
        language,
        chapters,
        visible(source),
        added=account.added,
        removed=account.removed,
        oddities=(
            *_decoding_oddities(guess),
            *_line_oddities(paragraphs),
            *split.oddities,
            *chapter_oddities(split.chapters),
            *cut,
            *junk_oddities(paragraphs),
        ),
        encoding=guess,
    )


def _plain(paragraph: str, account: Account) -> str:
    plain, spans = _UNDERSCORED.subn(r"\1", paragraph) if "_" in paragraph else (paragraph, 0)
    account.drop(EMPHASIS, "__" * spans)
    return plain


def _named(
    paragraphs: list[str], filename: str, header: dict[str, str], account: Account
) -> tuple[str, str, list[str]]:
    """Title, author and the paragraphs without the lines that say only these."""
    title, author = from_filename(filename)
    own_title, own_author, said = from_first_lines(paragraphs)
    for line in paragraphs[:said]:
        account.drop(OWN_TITLE, line)
    if "《" not in filename:
        title = own_title or title
    return header.get("title", title), header.get("author", author or own_author), paragraphs[said:]


def _decoding_oddities(guess: EncodingGuess | None) -> tuple[Message, ...]:
    if guess is None or not guess.replaced:
        return ()
    values: dict[str, object] = {"n": guess.replaced, "encoding": guess.name}
    return (Message("{n} characters could not be read as {encoding}; they appear as �.", values),)


def _line_oddities(paragraphs: Sequence[str]) -> tuple[Message, ...]:
    longest = max(map(len, paragraphs), default=0)
    if longest < _SUSPICIOUSLY_LONG_LINE or 2 * longest < sum(map(len, paragraphs)):
        return ()
    values: dict[str, object] = {"n": longest}
    return (
        Message(
            "The text has no line breaks ({n} characters on one line): paragraphs and headings are lost.",
            values,
        ),
    )
