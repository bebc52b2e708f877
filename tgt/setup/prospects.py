"""Where a first look made no card: what could be judged by now, and when the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from tgt import report
from tgt.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgt.analyzers.outlook import Outlook


@dataclass(frozen=True)
class Prospect:
    """One analyzer: of how many subjects it can tell something now, and, of the others, what is
    missing for the first that it will be able to judge; ``at`` is None where nobody can say."""

    analyzer: str
    judgeable: int
    waiting: int = 0
    missing: str = ""
    at: datetime | None = None


def prospects(settings: Settings, back: timedelta, now: datetime) -> tuple[Prospect, ...]:
    """All analyzers that are chosen, in their order. Raises TelemetryError."""
    coverage = report.report(settings, now - back, now).coverage
    return tuple(
        _prospect(name, list(some)) for name, some in groupby(coverage, attrgetter("analyzer"))
    )


def _prospect(name: str, every: Sequence[Outlook]) -> Prospect:
    lacking = [each for each in every if not each.judgeable]
    able = len(every) - len(lacking)
    if not lacking:
        return Prospect(name, able)
    dated = [each for each in lacking if each.judgeable_at is not None]
    first = min(dated, key=attrgetter("judgeable_at")) if dated else lacking[0]
    return Prospect(name, able, len(lacking), first.missing, first.judgeable_at)
