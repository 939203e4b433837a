"""What JSON from outside is checked with: unknown names refused, texts storable, numbers bounded."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

LARGEST_ID = 2**63 - 1
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Strict(Schema):
    class Meta:
        unknown = RAISE


def storable(text: str) -> None:
    """PostgreSQL keeps no NUL, UTF-8 no half of a pair; other control characters are never meant."""
    if found := _CONTROL.search(text):
        raise ValidationError(f"Character U+{ord(found[0]):04X} cannot be kept.")


def text(most: int, least: int = 0, **options: Any) -> fields.String:
    """A text of `least` to `most` characters that the database can hold."""
    return fields.String(validate=[validate.Length(least, most), storable], **options)


def whole(least: int = 0, most: int = 2**31 - 1, **options: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(least, most), **options)


def row_id(**options: Any) -> fields.Integer:
    return whole(0, LARGEST_ID, **options)


def number(least: float, most: float, **options: Any) -> fields.Float:
    return fields.Float(allow_nan=False, validate=validate.Range(least, most), **options)


def small(most: int) -> Any:
    """A check that a table is at most `most` characters of JSON, and storable throughout."""

    def check(value: Mapping[str, Any]) -> None:
        if len(json.dumps(value)) > most:
            raise ValidationError(f"Longer than {most} characters.")
        for found in texts(value):
            storable(found)

    return check


def texts(value: Any) -> Iterator[str]:
    """Every text inside of parsed JSON, however deep."""
    rest = [value]
    while rest:
        match rest.pop():
            case str() as found:
                yield found
            case list() as items:
                rest.extend(items)
            case dict() as table:
                rest.extend([*table, *table.values()])
