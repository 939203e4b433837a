"""Small books, made on the spot."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
    '<rootfiles><rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles>'
    "</container>"
)


METADATA = "<dc:title>A Book</dc:title><dc:creator>A. Writer</dc:creator><dc:language>en</dc:language>"


def page(body: str, attributes: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
        'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>t</title></head>'
        f"<body {attributes}>{body}</body></html>"
    )


def nav(*entries: str) -> str:
    return page(f'<h1>Contents</h1><nav epub:type="toc"><ol>{"".join(entries)}</ol></nav>')


def entry(href: str, title: str, *below: str) -> str:
    inner = f"<ol>{''.join(below)}</ol>" if below else ""
    label = f'<a href="{href}">{title}</a>' if href else f"<span>{title}</span>"
    return f"<li>{label}{inner}</li>"


def write_zip(path: Path, members: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_epub(
    path: Path,
    pages: Mapping[str, str],
    *,
    contents: str = "",
    ncx: str = "",
    metadata: str = METADATA,
    manifest: str = "",
    spine: str = "",
    guide: str = "",
    extra: Mapping[str, str | bytes] | None = None,
) -> Path:
    """An EPUB of `pages` in their order; `contents` is a navigation document, `ncx` an EPUB 2 one."""
    items = "".join(f'<item id="{n}" href="{n}" media-type="application/xhtml+xml"/>' for n in pages)
    order = "".join(f'<itemref idref="{name}"/>' for name in pages)
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
    }
    if contents:
        items += '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
        members["OPS/nav.xhtml"] = contents
    if ncx:
        items += '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
        members["OPS/toc.ncx"] = ncx
    members["OPS/book.opf"] = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" '
        'xmlns:opf="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata>{metadata}</metadata><manifest>{items}{manifest}</manifest>"
        f'<spine toc="ncx">{order}{spine}</spine>{guide}</package>'
    )
    members |= {f"OPS/{name}": content for name, content in pages.items()}
    return write_zip(path, members | dict(extra or {}))
