"""A change that somebody remembers: a release, a prompt, a model, named with its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from tgt.tasks.card import format_time, parse_time

LONGEST_NAME = 200


@dataclass(frozen=True, order=True)
class Mark:
    """``service`` is the one that changed, empty where it may be any."""

    at: datetime
    name: str
    service: str = ""

    @property
    def document(self) -> dict[str, Any]:
        return {"name": self.name, "at": format_time(self.at), "service": self.service or None}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self | None:
        """The mark of a document; None where it is none."""
        at, name = parse_time(document.get("at")), document.get("name")
        service = document.get("service")
        if at is None or not isinstance(name, str) or not name.strip():
            return None
        of = service[:LONGEST_NAME] if isinstance(service, str) else ""
        return cls(at, name[:LONGEST_NAME], of)
