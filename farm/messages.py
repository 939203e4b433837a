"""A sentence for a person, as template and values: it can be stored, and said in their language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """`template` is an English sentence with {names}; it is also the key of its translations.

    A value may be a message, too.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)

    def to_json(self) -> dict[str, Any]:
        plain = {
            name: value.to_json() if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return {"template": self.template, "values": plain}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Message":
        inside = {
            name: cls.from_json(value) if isinstance(value, Mapping) and "template" in value else value
            for name, value in stored["values"].items()
        }
        return cls(stored["template"], inside)
