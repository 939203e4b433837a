"""What kind of file this is, by its first bytes and its ending; what is not read is refused by name."""

from collections.abc import Collection
from pathlib import PurePosixPath

from farm.errors import BadManuscript

ENDINGS = (".txt", ".text", ".md", ".markdown", ".epub", ".docx")
"""What `farm.manuscript.read` reads."""
HEAD_BYTES = 68

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_SIGNATURES = (
    (0, b"%PDF", "PDF"),
    (0, b"\xd0\xcf\x11\xe0", "old or encrypted Word (.doc)"),
    (0, b"{\\rtf", "RTF"),
    (60, b"BOOKMOBI", "Kindle (MOBI, AZW3)"),
    (60, b"TEXtREAd", "PalmDoc"),
    (0, b"ITSF", "CHM"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"Rar!", "RAR"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ", "XZ"),
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"ID3", "MP3"),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"RIFF", "RIFF (WAV, WebP)"),
    (4, b"ftyp", "MP4"),
    (0, b"\x7fELF", "program"),
    (0, b"MZ\x90\0", "program"),
    (0, b"SQLite format 3", "database"),
)
_FOREIGN_ENDINGS = {
    ".doc": "old Word (.doc)",
    ".pdf": "PDF",
    ".rtf": "RTF",
    ".mobi": "Kindle (MOBI)",
    ".azw": "Kindle (AZW)",
    ".azw3": "Kindle (AZW3)",
    ".kfx": "Kindle (KFX)",
    ".fb2": "FictionBook",
    ".odt": "OpenDocument",
    ".pages": "Pages",
    ".wps": "WPS",
    ".html": "HTML",
    ".htm": "HTML",
    ".xhtml": "HTML",
    ".chm": "CHM",
    ".umd": "UMD",
    ".pptx": "PowerPoint",
    ".ppt": "PowerPoint",
    ".xlsx": "Excel",
}


def ending(filename: str) -> str:
    return PurePosixPath(filename.replace("\\", "/")).suffix.lower()


def is_zip(head: bytes) -> bool:
    return head.startswith(_ZIP)


def kind_of_archive(filename: str, members: Collection[str]) -> str:
    """.docx or .epub for a zip archive that is one, by its members, else by its ending; "" for any other."""
    if "word/document.xml" in members:
        return ".docx"
    if "META-INF/container.xml" in members:
        return ".epub"
    return ending(filename) if ending(filename) in (".docx", ".epub") else ""


def is_readable(filename: str) -> bool:
    """Whether a file of this name may be a manuscript."""
    return ending(filename) in ENDINGS


def refuse_foreign(filename: str, head: bytes) -> None:
    """BadManuscript names the kind of a file that is not read, by its first HEAD_BYTES or its ending."""
    found = (kind for at, signature, kind in _SIGNATURES if head.startswith(signature, at))
    kind = next(found, None) or _FOREIGN_ENDINGS.get(ending(filename))
    if kind:
        raise BadManuscript(
            "{name} is a {kind} file, which cannot be read. Convert it to .epub, .docx or .txt first, "
            "with Calibre, Word or LibreOffice.",
            name=filename,
            kind=kind,
        )
    if ending(filename) not in ENDINGS and not is_zip(head):
        raise BadManuscript(
            "{name} is of a kind that cannot be read. Choose a .txt, .md, .epub or .docx file.", name=filename
        )
