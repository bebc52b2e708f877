"""What changed near the onset of a problem: a card's key ``changes``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tgt.tasks.card import format_time


class What(StrEnum):
    """What changed: a RELEASE is a new version of a service of one's own, a VERSION one of an agent
    that others release, and a MARK is what somebody remembered."""

    RELEASE = "release"
    VERSION = "version"
    MODEL = "model"
    PROMPT = "prompt"
    MARK = "mark"


@dataclass(frozen=True)
class Figure:
    """What was measured on one side of a change: a ``value`` of a ``unit`` (share, ms) of ``n``."""

    value: float
    unit: str
    n: int
    text: str

    @property
    def document(self) -> dict[str, Any]:
        return {"value": self.value, "unit": self.unit, "n": self.n, "text": self.text}


@dataclass(frozen=True)
class Nearby:
    """A change, and what was measured of the old and of the new. ``beside`` says that both ran in
    the same time; else it is before and after."""

    kind: What
    name: str
    at: datetime
    service: str = ""
    before: Figure | None = None
    after: Figure | None = None
    beside: bool = False

    @property
    def document(self) -> dict[str, Any]:
        return {
            "kind": str(self.kind),
            "name": self.name,
            "at": format_time(self.at),
            "service": self.service or None,
            "before": self.before and self.before.document,
            "after": self.after and self.after.document,
            "sideBySide": self.beside,
        }
