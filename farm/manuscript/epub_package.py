"""What an EPUB says of itself: container, package document, spine, contents (nav or NCX), protection."""

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from farm.errors import BadManuscript
from farm.manuscript.archives import Archive, resolve
from farm.manuscript.html_text import types_of
from farm.manuscript.markup import local, parse_fragment, parse_page, parse_xml, text_of

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_OBFUSCATION = frozenset(("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"))
_LOCKS = {
    "META-INF/sinf.xml": "Apple FairPlay",
    "META-INF/license.lcpl": "Readium LCP",
    "META-INF/rights.xml": "Adobe ADEPT",
}
_OPF = "{http://www.idpf.org/2007/opf}"
_DEEPEST_CONTENTS = 12


@dataclass(frozen=True)
class Entry:
    """A line of the book's contents and those below it. `path` is "" for one that leads nowhere."""

    title: str
    path: str
    fragment: str
    below: tuple["Entry", ...] = ()


@dataclass(frozen=True)
class SpineItem:
    path: str
    linear: bool
    is_text: bool


@dataclass(frozen=True)
class Package:
    title: str
    author: str
    language: str
    """As declared, such as en-US or zh-Hant."""
    description: str
    spine: tuple[SpineItem, ...]
    contents: tuple[Entry, ...]
    nav: str
    """Path of the EPUB 3 navigation document, or ""."""
    cover: str
    """Path of the cover picture, or ""."""
    guide: dict[str, str]
    """EPUB 2 guide: path -> type, such as title-page."""


def read_package(archive: Archive) -> Package:
    """Read what an EPUB says of itself; BadManuscript when it is protected or its package cannot be found."""
    refuse_protected(archive)
    opf = _package_path(archive)
    root = parse_xml(archive.read(opf), archive.name, opf)
    base = posixpath.dirname(opf)
    items = {item.get("id", ""): item for item in _named(root, "item") if item.get("href") and item.get("id")}
    paths = {key: resolve(base, item.get("href", ""))[0] for key, item in items.items()}
    nav = next((paths[key] for key in items if "nav" in _properties(items[key])), "")
    metas = list(_named(root, "meta"))
    guide = {resolve(base, ref.get("href", ""))[0]: ref.get("type", "") for ref in _named(root, "reference")}
    return Package(
        title=_main_title(root, metas),
        author=", ".join(_authors(root, metas)),
        language=next(_values(root, "language"), ""),
        description=parse_fragment(next(_values(root, "description"), "")),
        spine=tuple(_spine(root, items, paths)),
        contents=_contents(archive, root, paths, nav),
        nav=nav,
        cover=_cover(items, paths, metas, guide),
        guide=guide,
    )


def refuse_protected(archive: Archive) -> None:
    """BadManuscript names the scheme when the book is encrypted; obfuscated fonts do not matter."""
    scheme = next((scheme for path, scheme in _LOCKS.items() if path in archive), "")
    if not scheme and _ENCRYPTION in archive:
        root = parse_xml(archive.read(_ENCRYPTION), archive.name, _ENCRYPTION)
        methods = {
            method.get("Algorithm", "")
            for data in _named(root, "encrypteddata")
            for method in data
            if local(method) == "encryptionmethod"
        }
        scheme = ", ".join(sorted(methods - _FONT_OBFUSCATION))
    if scheme:
        raise BadManuscript(
            "{name} is protected against copying ({scheme}) and cannot be read. "
            "Choose a copy without protection.",
            name=archive.name,
            scheme=scheme,
        )


def cover_path(archive: Archive, package: Package) -> str:
    """Path of the cover picture, or ""; an EPUB 2 guide leads to a page that shows it."""
    page = next((path for path, kind in package.guide.items() if kind == "cover" and path in archive), "")
    if package.cover or not page:
        return package.cover
    root = parse_page(archive.read(page), archive.name, page)
    shown = (
        value for element in root.iter() if local(element) in ("img", "image") for value in _sources(element)
    )
    return next((resolve(posixpath.dirname(page), source)[0] for source in shown), "")


def _sources(picture: etree._Element) -> list[str]:
    """src of HTML, (xlink:)href of SVG."""
    return [
        str(value) for key, value in picture.attrib.items() if str(key).rpartition("}")[2] in ("src", "href")
    ]


def _package_path(archive: Archive) -> str:
    if _CONTAINER in archive:
        root = parse_xml(archive.read(_CONTAINER), archive.name, _CONTAINER)
        paths = [resolve("", item.get("full-path", ""))[0] for item in _named(root, "rootfile")]
    else:
        paths = [path for path in archive.names if path.lower().endswith(".opf")]
    if found := next((path for path in paths if path in archive), ""):
        return found
    raise BadManuscript(
        "{name} is not a complete EPUB: its package document is missing. Download or save it again.",
        name=archive.name,
    )


def _named(root: etree._Element, name: str) -> Iterator[etree._Element]:
    return (element for element in root.iter() if local(element) == name)


def _values(root: etree._Element, name: str) -> Iterator[str]:
    return (text for element in _named(root, name) if (text := " ".join(text_of(element).split())))


def _properties(item: etree._Element) -> frozenset[str]:
    return frozenset(item.get("properties", "").split())


def _spine(
    root: etree._Element, items: dict[str, etree._Element], paths: dict[str, str]
) -> Iterator[SpineItem]:
    seen = set()
    for reference in _named(root, "itemref"):
        key = reference.get("idref", "")
        path = paths.get(key, "")
        if path and path not in seen:
            seen.add(path)
            linear = reference.get("linear", "yes").lower() != "no"
            yield SpineItem(path, linear, _is_text(items[key].get("media-type", "")))


def _is_text(media_type: str) -> bool:
    """XHTML, HTML, SVG, DTBook, OEB 1 documents; not the pictures some put into the spine."""
    return any(kind in media_type.lower() for kind in ("html", "xml", "oeb"))


def _refinement(metas: Iterable[etree._Element], element: etree._Element, name: str) -> str:
    """What EPUB 3 says of a metadata element in a <meta refines>."""
    target = f"#{element.get('id')}"
    found = (meta for meta in metas if meta.get("refines") == target and meta.get("property") == name)
    return next((text_of(meta).strip() for meta in found), "")


def _main_title(root: etree._Element, metas: list[etree._Element]) -> str:
    titles = [element for element in _named(root, "title") if text_of(element).strip()]
    main = [element for element in titles if _refinement(metas, element, "title-type") == "main"]
    return " ".join(text_of((main or titles)[0]).split()) if titles else ""


def _authors(root: etree._Element, metas: list[etree._Element]) -> list[str]:
    """Those whose role is author; everyone named as a creator when no role is."""
    creators = [element for element in _named(root, "creator") if text_of(element).strip()]
    roles = [
        element.get(f"{_OPF}role") or _refinement(metas, element, "role") or "aut" for element in creators
    ]
    authors = [element for element, role in zip(creators, roles, strict=True) if role == "aut"]
    return [" ".join(text_of(element).split()) for element in authors or creators]


def _cover(
    items: dict[str, etree._Element],
    paths: dict[str, str],
    metas: list[etree._Element],
    guide: dict[str, str],
) -> str:
    """EPUB 3 marks the picture, EPUB 2 names its id; a guide may lead to the picture itself."""
    marked = [key for key, item in items.items() if "cover-image" in _properties(item)]
    named = [meta.get("content", "") for meta in metas if meta.get("name") == "cover"]
    pictures = {
        key: path for key, path in paths.items() if items[key].get("media-type", "").startswith("image/")
    }
    led_to = [key for key, path in pictures.items() if guide.get(path) == "cover"]
    guessed = [
        key for key in pictures if key.lower() in ("cover", "cover-image", "coverimage", "cover_image")
    ]
    return next((pictures[key] for key in (*marked, *named, *led_to, *guessed) if key in pictures), "")


def _contents(archive: Archive, root: etree._Element, paths: dict[str, str], nav: str) -> tuple[Entry, ...]:
    """The nav document's contents, or those of the NCX; () when there are none."""
    if nav in archive:
        page = parse_page(archive.read(nav), archive.name, nav)
        lists = [element for element in _named(page, "nav") if "toc" in types_of(element)]
        tops = [child for element in lists[:1] for child in element if local(child) == "ol"]
        if entries := tuple(entry for top in tops for entry in _nav_entries(top, nav, 0)):
            return entries
    toc = next((element.get("toc", "") for element in _named(root, "spine")), "")
    ncx = paths.get(toc) or next((path for path in paths.values() if path.lower().endswith(".ncx")), "")
    if ncx not in archive:
        return ()
    navigation = parse_page(archive.read(ncx), archive.name, ncx)
    maps = list(_named(navigation, "navmap"))[:1]
    return tuple(entry for top in maps for entry in _ncx_entries(top, ncx, 0))


def _nav_entries(top: etree._Element, nav: str, depth: int) -> Iterator[Entry]:
    """The entries of one <ol>; deeper ones than anybody prints are left out."""
    for line in top:
        below = [child for child in line if local(child) == "ol" and depth < _DEEPEST_CONTENTS]
        label = next((child for child in line.iterdescendants() if local(child) in ("a", "span")), None)
        if label is None:
            continue
        path, fragment = resolve(posixpath.dirname(nav), label.get("href", ""))
        path = path or (nav if fragment else "")
        inner = tuple(entry for child in below for entry in _nav_entries(child, nav, depth + 1))
        yield Entry(_label(label), path, fragment, inner)


def _ncx_entries(top: etree._Element, ncx: str, depth: int) -> Iterator[Entry]:
    for point in top:
        if local(point) != "navpoint":
            continue
        label = next((child for child in point if local(child) == "navlabel"), None)
        source = next((child.get("src", "") for child in point if local(child) == "content"), "")
        path, fragment = resolve(posixpath.dirname(ncx), source)
        inner = tuple(_ncx_entries(point, ncx, depth + 1)) if depth < _DEEPEST_CONTENTS else ()
        yield Entry("" if label is None else _label(label), path, fragment, inner)


def _label(element: etree._Element) -> str:
    return " ".join(text_of(element).split())
