"""A source: one JSON object a line, for each call of a tool.

``{"at": 1762185600.5, "talk": "c1", "tool": "search", "asked": {"q": "x"}, "ok": true}``
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgt import subjects
from tgt.errors import SettingsError
from tgt.sources.base import Listing, Outcome, malformed, unknown
from tgt.sources.coerce import args_hash
from tgt.sources.discover import listed
from tgt.sources.files import LogFile


@dataclass(frozen=True)
class MiniLog:
    """``minilog:DIR?service=NAME``"""

    place: Path | None
    options: Mapping[str, str]
    kind = "minilog"

    def __post_init__(self) -> None:
        if self.place is None or set(self.options) - {"service"}:
            raise SettingsError("TASKGEN_SOURCE accepts minilog:DIR and minilog:DIR?service=NAME")

    @property
    def key(self) -> str:
        return f"minilog {self.place} {self.options.get('service', '')}"

    def listing(self) -> Listing:
        return listed(self.place or Path(), (".mini",), "TASKGEN_SOURCE")

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> Reader:
        return Reader(self.options.get("service"))


@dataclass(frozen=True)
class Reader:
    service: str | None

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        at, tool = document.get("at"), document.get("tool")
        if not isinstance(at, int | float):
            yield malformed("no time")
        elif not isinstance(tool, str):
            yield unknown("no call")
        else:
            yield {
                "us": int(at * 1_000_000),
                "place": place,
                "actor": "tool",
                "act": subjects.TOOL_CALL,
                "name": tool,
                "subject": str(subjects.Subject(subjects.TOOL_CALL, tool)),
                "conv_id": document.get("talk"),
                "service": self.service,
                "failed": document.get("ok") is False,
                "args_hash": args_hash(document.get("asked")),
                "args_preview": str(document.get("asked")),
            }

    def finish(self) -> Iterable[Outcome]:
        return ()

    def state(self) -> Mapping[str, Any]:
        return {}
