"""Plug-ins that load, and then fail each in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Never

from tgt.analyzers.base import Analysis, Context
from tgt.config import Settings
from tgt.engine.protocol import Signal


class Faulty:
    """Fails when it is asked."""

    name = "faulty"
    task_type = "fault"
    summary = "never"
    options = ()
    needs = ()

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:
        return ()

    def analyze(self, context: Context) -> Analysis:
        raise LookupError(f"nothing known of {context.window.end:%Y}")


class Puzzled(Faulty):
    """Fails before: nobody knows what it will ask."""

    name = "puzzled"

    def signals(self, settings: Settings, /) -> Never:
        raise ZeroDivisionError("by no conversations")


class Incomplete:
    """Declares nothing."""


def unreadable(place: Path | None, options: Mapping[str, str]) -> Any:
    raise RuntimeError(f"{place} is in no format that anybody knows")
