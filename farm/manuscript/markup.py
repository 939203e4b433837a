"""XML and HTML from strangers, parsed without entities, network or document type definitions."""

import codecs
import re
from html import escape
from html.entities import html5

from lxml import etree

from farm.errors import BadManuscript

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""")
_META_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "shift_jis": "cp932", "ascii": "utf-8"}
_PROLOG = re.compile(r"^\s*<\?xml[^>]*\?>")
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*(\[[^\]]*\])?[^>]*>", re.IGNORECASE)
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OF_XML = frozenset(("amp", "lt", "gt", "quot", "apos"))
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def parse_xml(content: bytes, name: str, member: str, *, mend: bool = True) -> etree._Element:
    """Parse `member` of the archive `name`, mending small slips if allowed; BadManuscript names both."""
    prepared = _prepared(content, name, member)
    try:
        return etree.fromstring(prepared, _xml_parser())
    except etree.XMLSyntaxError as e:
        mending = _xml_parser(recover=True)
        root = etree.fromstring(prepared, mending) if prepared and mend else None
        if root is None or _gave_up(mending):
            raise BadManuscript(
                "{member} in {name} is not well-formed ({detail}). "
                "Save the book again with Calibre or Sigil.",
                name=name,
                member=member,
                detail=str(e),
            ) from e
        return root


def parse_page(content: bytes, name: str, member: str) -> etree._Element:
    """Parse (X)HTML, as XML where it is and as tag soup where it is not; never cut what is too large."""
    prepared = _prepared(content, name, member)
    try:
        return etree.fromstring(prepared, _xml_parser())
    except etree.XMLSyntaxError:
        return _tag_soup(prepared, name, member)


def parse_fragment(text: str) -> str:
    """The text of a description, which may be HTML."""
    if "<" not in text:
        return " ".join(text.split())
    root = etree.fromstring(f"<div>{text}</div>".encode(), _html_parser())
    return " ".join(" ".join(_texts(root)).split()) if root is not None else ""


def local(element: etree._Element) -> str:
    """The element's name without its namespace, in small letters; "" for what is no element."""
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def text_of(element: etree._Element) -> str:
    return "".join(_texts(element))


def _texts(element: etree._Element) -> list[str]:
    return [str(part) for part in element.itertext()]


def _xml_parser(*, recover: bool = False) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
    )


def _html_parser() -> etree.HTMLParser:
    return etree.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )


def _tag_soup(prepared: bytes, name: str, member: str) -> etree._Element:
    parser = _html_parser()
    try:
        root = etree.fromstring(prepared, parser)
    except etree.XMLSyntaxError:
        root = None
    if _gave_up(parser):
        raise BadManuscript(
            "{member} in {name} is too large or too deeply nested for one chapter file. "
            "Split it with Sigil or Calibre.",
            name=name,
            member=member,
        )
    return etree.Element("html") if root is None else root


def _gave_up(parser: etree.XMLParser | etree.HTMLParser) -> bool:
    """A mending parser that hits its own bounds returns what it has so far, without an exception."""
    return any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log)


def _prepared(content: bytes, name: str, member: str) -> bytes:
    """UTF-8 without a document type, with HTML's named characters spelled out."""
    text = decoded(content)
    if "<!ENTITY" in text:
        raise BadManuscript(
            "{member} in {name} defines XML entities of its own, which are not followed. "
            "Save the book again with Calibre or Sigil.",
            name=name,
            member=member,
        )
    text = _DOCTYPE.sub("", _PROLOG.sub("", text, count=1), count=1)
    text = _NOT_IN_XML.sub("", text)
    return _NAMED.sub(_character, text).encode("utf-8", "replace").lstrip()


def _character(match: re.Match[str]) -> str:
    named = match[1]
    known = named not in _OF_XML and html5.get(f"{named};")
    return escape(known, quote=False) if known else match[0]


def decoded(content: bytes) -> str:
    """Decode by byte-order mark, XML declaration or meta charset, else UTF-8; bad bytes become U+FFFD."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    if content[:4] in (b"<\0?\0", b"\0<\0?"):
        return content.decode("utf-16-le" if content[1] == 0 else "utf-16-be", "replace")
    found = _DECLARED.search(content[:200]) or _META_CHARSET.search(content[:2048])
    return content.decode(_codec(found[1].decode()) if found else "utf-8", "replace")


def _codec(declared: str) -> str:
    declared = _WIDER.get(declared.lower(), declared)
    try:
        return codecs.lookup(declared).name
    except LookupError:
        return "utf-8"
