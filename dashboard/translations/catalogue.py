"""Every sentence said to people; `python -m dashboard.translations.catalogue` updates messages.po and .mo.

New sentences appear in messages.po without their Chinese: write it, then run this again.
"""

from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from farm import errors

ROOT = Path(__file__).parents[2]
PO = Path(__file__).parent / "zh/LC_MESSAGES/messages.po"
ERRORS = {name: None for name, kind in vars(errors).items() if isinstance(kind, type)}
DATE = datetime(2026, 1, 1, tzinfo=UTC)  # always the same, so that running this again changes nothing
KEYWORDS = {
    **ERRORS,
    "Message": None,
    "PresetVoice": (2,),
    "_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
}
METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]


def collected() -> Catalog:
    """Every sentence in the code, without translations."""
    found = Catalog(locale="zh", project="Voicefarm", charset="utf-8", creation_date=DATE, fuzzy=False)
    for package in ("farm", "models", "dashboard"):
        for _, _, sentence, _, _ in extract_from_dir(ROOT / package, METHODS, keywords=KEYWORDS):
            found.add(sentence)
    return found


def translated() -> Catalog:
    with PO.open("rb") as file:
        return read_po(file, locale="zh")


def update() -> Catalog:
    """The sentences of the code with the Chinese they have so far."""
    known = {key(message): message.string for message in translated() if message.string}
    catalog = collected()
    for message in catalog:
        if message.id and key(message) in known:
            message.string = known[key(message)]
    return catalog


def key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def write(catalog: Catalog) -> None:
    catalog.header_comment = "# Chinese. The keys are the English sentences; see dashboard/translations."
    with PO.open("wb") as file:
        write_po(file, catalog, sort_output=True, width=110, omit_header=False)
    with PO.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalog)


if __name__ == "__main__":
    write(update())
