"""The parts of a Word document (ECMA-376, Open Packaging Conventions), out of a checked archive."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from farm.errors import BadManuscript
from farm.manuscript.archives import Archive, resolve
from farm.manuscript.markup import local, parse_xml, text_of

MAIN_PART = "word/document.xml"
ASIDES = ("footnotes", "endnotes", "comments", "header", "footer")
"""Kinds of parts that are printed beside the text, or not at all."""

_STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
_TRANSITIONAL = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@dataclass(frozen=True)
class DocxPackage:
    body: etree._Element
    styles: etree._Element | None
    asides: tuple[tuple[str, etree._Element], ...]
    """(kind of ASIDES, root), in the archive's order of mention."""
    properties: Mapping[str, str]
    """Dublin Core: title, creator, description …"""


def read_package(archive: Archive) -> DocxPackage:
    """Read a document's parts; BadManuscript when the main one is missing or a part is not well-formed."""
    main = next(_related(archive, "", "officeDocument"), MAIN_PART)
    body = next((element for element in _parsed(archive, main) if local(element) == "body"), None)
    if body is None:
        raise BadManuscript(
            "{name} is not a Word document that can be read. "
            "Open it in Word or LibreOffice and save it as .docx.",
            name=archive.name,
        )
    styles = next((_parsed(archive, path) for path in _related(archive, main, "styles")), None)
    asides = ((kind, path) for kind in ASIDES for path in _related(archive, main, kind))
    core = next((_parsed(archive, path) for path in _related(archive, "", "core-properties")), ())
    return DocxPackage(
        body=body,
        styles=styles,
        asides=tuple((kind, _parsed(archive, path)) for kind, path in asides),
        properties={local(element): " ".join(text_of(element).split()) for element in core},
    )


def _parsed(archive: Archive, path: str) -> etree._Element:
    content = archive.read(path).replace(_STRICT, _TRANSITIONAL)
    return parse_xml(content, archive.name, path, mend=False)


def _related(archive: Archive, part: str, kind: str) -> Iterator[str]:
    """Paths of the parts that `part` ("" for the package) relates to as `kind`, if they are there."""
    folder, name = posixpath.split(part)
    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    if relations not in archive:
        return
    for relation in _parsed(archive, relations):
        if relation.get("Type", "").rpartition("/")[2] == kind and relation.get("TargetMode") != "External":
            path, _ = resolve(folder, relation.get("Target", ""))
            if path in archive:
                yield path
